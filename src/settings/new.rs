//! `mlx new` and `mlx init`: which template, for what, and where.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::cli::Globals;
use crate::cli::new::{InitArgs, NewArgs, ScaffoldArgs};
use crate::data::{self, Layout, Task};
use crate::error::{Error, Result, closest};
use crate::registry::ModelName;
use crate::scaffold::OwnData;

pub(crate) struct NewSettings {
    /// `new` or `init`.
    pub verb: &'static str,
    /// The project's folder: absolute, without `.` and `..`.
    pub folder: PathBuf,
    /// The folder as it was typed, for commands to repeat.
    pub typed: PathBuf,
    pub name: ModelName,
    pub owner: Option<String>,
    /// As said on the command line.
    pub task: Option<Task>,
    /// A team's template, its paths counting from `here`.
    pub from: Option<String>,
    pub variables: BTreeMap<String, String>,
    pub data: Option<OwnData>,
    /// The working folder.
    pub here: PathBuf,
    pub git: bool,
    pub dry_run: bool,
}

const TEMPLATES: [Task; 3] = [Task::Classification, Task::Forecasting, Task::Ranking];

pub(crate) fn new(globals: &Globals, args: NewArgs) -> Result<NewSettings> {
    resolve("new", globals, args.dir, args.scaffold)
}

pub(crate) fn init(globals: &Globals, args: InitArgs) -> Result<NewSettings> {
    resolve("init", globals, args.dir, args.scaffold)
}

fn resolve(
    verb: &'static str,
    globals: &Globals,
    typed: PathBuf,
    args: ScaffoldArgs,
) -> Result<NewSettings> {
    let here = super::working_folder(globals)?;
    let folder = normal(&here.join(&typed));
    let name = model_name(args.name.as_deref(), &folder)?;
    let task = args.template.as_deref().map(template).transpose()?;
    if task.is_none() && args.from.is_none() && args.data.is_none() {
        return Err(Error::usage("say what kind of project to make").hint(
            "`--template classification`, `forecasting` or `ranking`; or start from your own data: `--data FILE --target COLUMN`",
        ));
    }
    if args.from.is_none() && !args.var.is_empty() {
        return Err(Error::usage("`--var` is for a team's own template, and `--from` names none")
            .hint("leave it out, or name the template: `--from GIT-URL|PATH`"));
    }
    let variables = args.var.iter().map(|text| variable(text)).collect::<Result<_>>()?;
    let layout = args.layout.as_deref().map(|layout| match layout {
        "wide" => Layout::Wide,
        _ => Layout::Long,
    });
    if let Some(name) = &args.format {
        data::check_format(name).map_err(Error::into_usage)?;
    }
    // Where the name says it, the project need not.
    let says_it = args.data.as_deref().is_some_and(data::names_format);
    let data = args.data.map(|train| OwnData {
        train: normal(&here.join(train)),
        test: args.test.map(|test| normal(&here.join(test))),
        format: args.format.filter(|_| !says_it),
        copy: args.copy,
        target: args.target,
        id: args.id,
        time: args.time,
        series: args.series,
        horizon: args.horizon,
        season: args.season,
        layout,
        query: args.query,
    });
    Ok(NewSettings {
        verb,
        folder,
        typed,
        name,
        owner: args.owner,
        task,
        from: args.from,
        variables,
        data,
        here,
        git: !args.no_git,
        dry_run: args.dry_run,
    })
}

fn variable(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        Error::usage(format!("`--var {text}` has no value")).hint("write `--var NAME=VALUE`")
    })?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn template(name: &str) -> Result<Task> {
    TEMPLATES.into_iter().find(|task| task.name() == name).ok_or_else(|| {
        let error = Error::usage(format!("no template is named `{name}`"));
        match closest(name, TEMPLATES.map(Task::name)) {
            Some(meant) => error.hint(format!("did you mean `--template {meant}`?")),
            None => error.hint(
                "use `--template classification`, `forecasting` or `ranking`, or a team's own with `--from`",
            ),
        }
    })
}

fn model_name(given: Option<&str>, folder: &Path) -> Result<ModelName> {
    if let Some(name) = given {
        return super::typed(name);
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.parse().map_err(|_| {
        Error::user(format!(
            "the folder's name, `{name}`, cannot be the model's name, which has 1 to 200 letters, digits, spaces, `_`, `-` and `.`, and starts with a letter or digit"
        ))
        .hint("give the model a name of its own: `--name NAME`")
    })
}

/// The path without `.` and `..`, links left as they are.
fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
