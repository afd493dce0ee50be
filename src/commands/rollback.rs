//! `mlx rollback`: back to the last known good version, whose bytes and answers are checked before the pointer moves.

use std::collections::BTreeSet;

use serde_json::json;

use super::registry_client::{self, Registered};
use crate::api::mlx::MoveRequest;
use crate::error::{Context, Error, Result};
use crate::model::Package;
use crate::outcome::promote::{Checked, RollbackOutcome};
use crate::registry::{ModelName, VersionNumber, promotion};
use crate::remote::Remote;
use crate::settings::rollback::RollbackSettings;
use crate::sys::{device, random};
use crate::ui::Ui;

pub(crate) async fn rollback(settings: &RollbackSettings, ui: &Ui) -> Result<RollbackOutcome> {
    let RollbackSettings { model, environment, .. } = settings;
    let remote = registry_client::open_telling(&settings.registry, ui).await?;
    let events = remote.events(model, None).await?;
    if let Some(version) = settings.version {
        remote.version(model, version).await?;
    }
    let there: BTreeSet<VersionNumber> =
        remote.versions(model).await?.into_iter().map(|record| record.version).collect();
    let plan =
        promotion::plan_rollback(model, &events, environment, settings.version, |version| {
            there.contains(&version)
        })?;
    if plan.is_done() {
        return Ok(RollbackOutcome {
            plan,
            checked: None,
            already_live: true,
            dry_run: settings.dry_run,
            event: None,
        });
    }

    ui.note(&format!("checking {model}/{} before {environment} moves to it", plan.to));
    let (checked, digest) = check(&remote, model, plan.to, ui)
        .await
        .context(|| format!("{environment} stays as it is"))?;
    let event = if settings.dry_run {
        None
    } else {
        let request = MoveRequest {
            operation_id: random::hex_id(16),
            kind: plan.kind,
            environment: environment.clone(),
            to: plan.to,
            expect: plan.from,
            reason: settings.reason.clone(),
            evidence: Some(json!({
                "model": { "version": plan.to, "digest": digest },
                "checked": checked,
                "mlx_version": env!("CARGO_PKG_VERSION"),
            })),
            actor: Some(settings.registry.actor.clone()),
        };
        Some(remote.move_environment(model, &request).await?)
    };
    Ok(RollbackOutcome {
        plan,
        checked: Some(checked),
        already_live: false,
        dry_run: settings.dry_run,
        event,
    })
}

/// Fetch a version afresh, check every byte, and score its example.
///
/// A copy kept from an earlier download would prove nothing about what the registry holds now.
async fn check(
    remote: &Remote,
    model: &ModelName,
    version: VersionNumber,
    ui: &Ui,
) -> Result<(Checked, Option<String>)> {
    let files = remote.files(model, version).await?;
    let folder = tempfile::Builder::new()
        .prefix("mlx-rollback-")
        .tempdir()
        .map_err(|error| Error::user(format!("cannot make a temporary folder: {error}")))?;
    let dir = folder.path().join("package");
    let registered = Registered { model: model.clone(), version };
    registry_client::download(remote, &registered, &files, &dir, ui).await?;
    let mut checked = Checked {
        version,
        files: files.len(),
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
        digests_known: files.iter().all(|file| !file.sha256.is_empty()),
        example_rows: None,
        note: None,
    };
    if !dir.join(Package::MANIFEST).exists() {
        checked.note = Some(if checked.digests_known {
            "not an mlx package, so nothing was scored".into()
        } else {
            "not an mlx package, and the registry keeps no digests of it: only sizes were checked, and nothing was scored".into()
        });
        return Ok((checked, None));
    }
    let package = Package::open(&dir)?;
    package.verify()?;
    checked.example_rows = scored(&package).context(|| format!("{model}/{version}"))?;
    if checked.example_rows.is_none() {
        checked.note = Some("it has no stored example, so nothing was scored".into());
    }
    Ok((checked, Some(package.digest)))
}

/// The rows of the stored example, which the model has to answer as it did; `None` without one.
fn scored(package: &Package) -> Result<Option<usize>> {
    let Some(example) = package.example()? else { return Ok(None) };
    example.check(&package.model(&device::open("cpu")?)?).map(Some)
}
