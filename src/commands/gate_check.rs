//! A gate held against a version: its package and those it is compared with, on the project's test data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::registry_client::{self, Registered};
use crate::data::{self, DataSettings, Dataset, LoadRequest};
use crate::error::{Context, Error, Result};
use crate::eval::{self, EvalSettings};
use crate::metrics::Direction;
use crate::model::{Model, Package, Seen};
use crate::outcome::promote::{Evaluated, GateReport};
use crate::registry::gate::{Gate, Metrics, Reference};
use crate::registry::{EnvironmentName, Event, history};
use crate::remote::Remote;
use crate::settings::Project;
use crate::sys::device;
use crate::ui::Ui;

/// The rules to hold a version against; one of them at least is there.
#[derive(Clone, Copy)]
pub(crate) struct Gates<'a> {
    /// That of the environment's policy, which the registry holds the evidence against.
    pub required: Option<&'a Gate>,
    /// The project's own.
    pub own: Option<&'a Gate>,
}

impl<'a> Gates<'a> {
    /// The gates with how errors name them, each once, the registry's first.
    fn named(self, environment: &EnvironmentName) -> Vec<(String, &'a Gate)> {
        let own = self.own.filter(|own| self.required != Some(own));
        let required =
            self.required.map(|gate| (format!("the gate of {environment}'s policy"), gate));
        required
            .into_iter()
            .chain(own.map(|gate| (format!("[gates.{environment}]"), gate)))
            .collect()
    }
}

pub(crate) struct GateCheck {
    pub report: GateReport,
    pub evaluated: Option<Evaluated>,
    /// What the history keeps of the decision.
    pub evidence: Option<Value>,
}

/// Evaluate and decide. Everything compared is scored on the same rows in this one process.
pub(crate) async fn run(
    project: &Project,
    environment: &EnvironmentName,
    gates: Gates<'_>,
    remote: &Remote,
    candidate: &Registered,
    events: &[Event],
    ui: &Ui,
) -> Result<GateCheck> {
    let settings = &project.settings;
    let gates_named = gates.named(environment);
    let dataset = data::load(&LoadRequest {
        task: settings.project.task,
        settings: &settings.data,
        columns: &settings.columns,
        root: &project.root,
        means: &project.means()?,
    })?;
    ui.note(&format!("checking {}/{} for {environment}", candidate.model, candidate.version));
    let loaded = Loaded::fetch(remote, candidate, ui).await?;
    let example_rows = loaded.check_example()?;
    if let Some(files) = loaded.trained_on_other_content(&settings.data, &dataset)? {
        ui.warn(&format!(
            "{}: to decide, train and register anew on the present data; with test rows in a file of their own (`data.test`), it won't happen again",
            loaded.drawn_anew(&files)
        ));
        let why = format!("{files} changed since it was trained");
        let reports = gates_named.iter().map(|(_, gate)| gate.undecided(&why));
        let report = GateReport::of_all(reports);
        return Ok(GateCheck { report, evaluated: None, evidence: None });
    }
    let measured = loaded.measure(&dataset, &settings.eval)?;

    let mut references = BTreeMap::new();
    let mut compared = serde_json::Map::new();
    let mut compare = BTreeSet::new();
    for (_, gate) in &gates_named {
        compare.extend(gate.references()?);
    }
    for name in compare {
        let Some(version) = history::environment(events, &name).live else {
            references.insert(name.to_string(), Reference::NothingLive);
            continue;
        };
        let live = Registered { model: candidate.model.clone(), version };
        let of_live = if live == *candidate {
            measured.clone()
        } else {
            ui.note(&format!("comparing with {}/{version}, live in {name}", live.model));
            let loaded = Loaded::fetch(remote, &live, ui).await?;
            if let Some(files) = loaded.trained_on_other_content(&settings.data, &dataset)? {
                ui.warn(&format!(
                    "{}: to decide, ask for limits (`min`, `max`) until a version that was trained on the present data is live in {name}",
                    loaded.drawn_anew(&files)
                ));
                let why = format!("{files} changed since it was trained");
                references.insert(name.to_string(), Reference::MayHaveSeen { version, why });
                continue;
            }
            loaded.measure(&dataset, &settings.eval)?
        };
        compared.insert(name.to_string(), json!({ "version": version, "digest": of_live.digest }));
        let reference = Reference::Live { version, metrics: of_live.metrics };
        references.insert(name.to_string(), reference);
    }

    let mut reports = Vec::new();
    for (named, gate) in &gates_named {
        let report = gate.evaluate(&measured.metrics, &references, |metric, value, reference| {
            Direction::of(metric).behind(value, reference)
        });
        reports.push(report.context(|| named)?);
    }
    let report = GateReport::of_all(reports);
    let data: Vec<Value> = dataset
        .sources
        .iter()
        .map(|source| json!({ "path": source.path, "sha256": source.sha256 }))
        .collect();
    let evidence = json!({
        "decision": report.decision,
        "environment": environment,
        "rules": report.rules,
        "gate": gates.required.or(gates.own),
        "own_gate": gates.required.and(gates.own),
        "model": { "version": candidate.version, "digest": measured.digest },
        "compared": compared,
        "data": data,
        "rows": measured.rows,
        "example_rows": example_rows,
        "mlx_version": env!("CARGO_PKG_VERSION"),
    });
    let data = match &settings.data.test {
        Some(file) => file.clone(),
        None => format!("the test split of {}", settings.data.train),
    };
    let evaluated = Some(Evaluated { rows: measured.rows, data, example_rows });
    Ok(GateCheck { report, evaluated, evidence: Some(evidence) })
}

#[derive(Clone)]
struct Measured {
    digest: String,
    rows: usize,
    metrics: Metrics,
}

/// A version whose bytes were checked.
struct Loaded {
    registered: Registered,
    package: Package,
    model: Model,
}

impl Loaded {
    async fn fetch(remote: &Remote, registered: &Registered, ui: &Ui) -> Result<Self> {
        let package = registry_client::package(remote, registered, ui).await?;
        // The gate's numbers must not depend on where it runs.
        let model = package.model(&device::open("cpu")?)?;
        Ok(Self { registered: registered.clone(), package, model })
    }

    /// The rows of its stored example, which it has to answer as it did; `None` where it has none.
    fn check_example(&self) -> Result<Option<usize>> {
        let Registered { model, version } = &self.registered;
        let example = self.package.example()?;
        example
            .map(|example| example.check(&self.model))
            .transpose()
            .context(|| format!("{model}/{version}"))
    }

    /// The files that changed since it was trained, where the test rows are drawn from them; another
    /// split than the project's is a mistake, and an error.
    fn trained_on_other_content(
        &self,
        data: &DataSettings,
        dataset: &Dataset,
    ) -> Result<Option<String>> {
        match self.package.may_have_seen(&self.model, data, &dataset.sources)? {
            None => Ok(None),
            Some(Seen::OtherContent(files)) => Ok(Some(files.join(", "))),
            Some(Seen::OtherSplit) => {
                let Registered { model, version } = &self.registered;
                Err(Error::user(format!(
                    "{model}/{version} was trained with another split: it may have learned from the rows that test it"
                ))
                .hint("put `data.split` and `data.test` back, or train and register anew"))
            }
        }
    }

    fn drawn_anew(&self, files: &str) -> String {
        let Registered { model, version } = &self.registered;
        format!(
            "{model}/{version} was trained on other content of {files} than is there now, and may have learned from rows that the test split draws from it now"
        )
    }

    fn measure(self, dataset: &Dataset, settings: &EvalSettings) -> Result<Measured> {
        let Registered { model, version } = &self.registered;
        let evaluation = eval::on_dataset(&self.model, dataset, settings)
            .context(|| format!("cannot evaluate {model}/{version}"))?;
        if evaluation.rows == 0 {
            return Err(Error::user("there are no rows to evaluate on"));
        }
        let metrics = evaluation.metrics.into_iter().map(|metric| (metric.name, metric.value));
        Ok(Measured {
            digest: self.package.digest,
            rows: evaluation.rows,
            metrics: metrics.collect(),
        })
    }
}
