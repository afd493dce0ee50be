//! `mlx new` and `mlx init`: a project that trains as it stands.

use crate::error::{Error, Result};
use crate::outcome::new::{FileOutcome, FileState, GitOutcome, NewOutcome};
use crate::scaffold::{self, Context, ProjectContext, ProjectFile, builtin, place};
use crate::settings::ProjectSettings;
use crate::settings::new::NewSettings;
use crate::sys::{git, random};

pub(crate) fn new(settings: &NewSettings) -> Result<NewOutcome> {
    check_folder(settings)?;
    let plan = plan(settings)?;
    let enclosing = git::enclosing(&settings.folder);

    let (placed, git) = if settings.dry_run {
        let git = match enclosing {
            _ if !settings.git => GitOutcome::Off,
            Some(repository) => GitOutcome::Inside { repository },
            None => GitOutcome::Planned,
        };
        (None, git)
    } else if settings.folder.exists() {
        let placed = place::into_folder(&settings.folder, &plan.files)?;
        let git = commit(settings, &settings.folder, enclosing, &plan.files, &placed.written);
        (Some(placed), git)
    } else {
        let all: Vec<_> = plan.files.iter().map(|file| file.path.clone()).collect();
        // The repository is made before the folder gets its name, so that the project
        // appears with its first commit or not at all.
        let git = place::new_folder(&settings.folder, &plan.files, |staged| {
            Ok(commit(settings, staged, enclosing, &plan.files, &all))
        })?;
        (Some(place::Placed { written: all, skipped: Vec::new() }), git)
    };

    let state = |path: &String| match &placed {
        Some(placed) if placed.written.contains(path) => FileState::Written,
        None if !settings.folder.join(path).exists() => FileState::Planned,
        _ => FileState::Skipped,
    };
    let files = plan
        .files
        .iter()
        .map(|file| FileOutcome {
            path: file.path.clone(),
            size_bytes: file.size_bytes(),
            why: file.why.clone(),
            state: state(&file.path),
        })
        .collect();
    Ok(NewOutcome {
        verb: settings.verb,
        name: settings.name.to_string(),
        task: plan.task,
        template: plan.template,
        directory: settings.folder.clone(),
        typed: settings.typed.clone(),
        files,
        git,
        notes: plan.notes,
        dry_run: settings.dry_run,
    })
}

/// `new` wants a folder of its own; `init` wants one that is there and is no project yet.
fn check_folder(settings: &NewSettings) -> Result<()> {
    let folder = &settings.folder;
    if folder.exists() && !folder.is_dir() {
        return Err(Error::user(format!("{} is a file, not a folder", folder.display())));
    }
    if settings.verb == "new" {
        let full = folder.is_dir()
            && std::fs::read_dir(folder)
                .map_err(|error| Error::file("read", folder, error))?
                .next()
                .is_some();
        if full {
            return Err(Error::user(format!("{} is not empty", folder.display())).hint(format!(
                "choose another folder, or add what is missing to this one: `mlx init {}`",
                settings.typed.display()
            )));
        }
        return Ok(());
    }
    if !folder.is_dir() {
        return Err(Error::user(format!("no folder {}", folder.display()))
            .hint(format!("make it with `mlx new {}`", settings.typed.display())));
    }
    let file = folder.join("mlx.toml");
    if file.exists() {
        return Err(Error::user(format!("{} is there: this is a project already", file.display()))
            .hint("go on with it: `mlx train`"));
    }
    Ok(())
}

struct Plan {
    task: &'static str,
    template: String,
    files: Vec<ProjectFile>,
    notes: Vec<String>,
}

/// What would be written, checked as far as it can be without writing it.
fn plan(settings: &NewSettings) -> Result<Plan> {
    let task = settings.task.ok_or_else(|| {
        Error::usage("say what kind of project to make").hint(
            "`--template classification`, `forecasting` or `ranking`; or start from your own data: `--data FILE --target COLUMN`",
        )
    })?;
    let project = ProjectContext {
        name: settings.name.to_string(),
        owner: settings.owner.clone(),
        id: random::hex_id(8),
    };
    let template = builtin::template(task, true);
    let context = Context::example(settings.verb, task, project);
    let files = scaffold::render(&template, &context)?;
    check_project(&template.name, &files)?;
    Ok(Plan { task: task.name(), template: template.name, files, notes: Vec::new() })
}

/// A template, ours or a team's, has to give a `mlx.toml` that every other command can read.
fn check_project(template: &str, files: &[ProjectFile]) -> Result<ProjectSettings> {
    let file = files.iter().find(|file| file.path == "mlx.toml").ok_or_else(|| {
        Error::user(format!("the template `{template}` has no mlx.toml or mlx.toml.j2"))
    })?;
    let text = file
        .text()
        .ok_or_else(|| Error::user(format!("mlx.toml of the template `{template}` is not text")))?;
    toml::from_str(text).map_err(|error| {
        Error::user(format!(
            "the template `{template}` gives a mlx.toml that is not valid: {error}"
        ))
    })
}

/// A repository with the written files as its first commit. The project is fine without one,
/// so that a failure is told and nothing more.
fn commit(
    settings: &NewSettings,
    folder: &std::path::Path,
    enclosing: Option<std::path::PathBuf>,
    files: &[ProjectFile],
    written: &[String],
) -> GitOutcome {
    if !settings.git {
        return GitOutcome::Off;
    }
    if let Some(repository) = enclosing {
        return GitOutcome::Inside { repository };
    }
    let paths: Vec<_> = files
        .iter()
        .filter(|file| !file.ignored && written.contains(&file.path))
        .map(|file| file.path.as_str())
        .collect();
    let message = format!("Start {} from mlx {}", settings.name, settings.verb);
    match git::first_commit(folder, &paths, &message) {
        Ok(commit) => GitOutcome::Made { commit },
        Err(error) => GitOutcome::Failed { why: error.message().to_owned() },
    }
}
