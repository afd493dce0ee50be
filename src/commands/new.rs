//! `mlx new` and `mlx init`: a project that trains as it stands.

use std::collections::BTreeMap;

use crate::data::{self, DataSettings, ReadOptions, Task};
use crate::error::{Error, Result};
use crate::outcome::new::{FileOutcome, FileState, GitOutcome, NewOutcome};
use crate::scaffold::own_data::Findings;
use crate::scaffold::{
    self, ColumnNote, Context, DataContext, GateContext, OwnData, ProjectContext, ProjectFile,
    builtin, own_files, place, team,
};
use crate::settings::ProjectSettings;
use crate::settings::new::NewSettings;
use crate::sys::{files, git, random};

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

    let mut notes = plan.notes;
    if let Some(note) = placed.as_ref().and_then(|placed| runs_in_git(settings, placed)) {
        notes.push(note);
    }
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
        notes,
        dry_run: settings.dry_run,
    })
}

/// A `.gitignore` that was there stays as it is, even where it lets runs into git.
fn runs_in_git(settings: &NewSettings, placed: &place::Placed) -> Option<String> {
    let kept = placed.skipped.iter().any(|path| path == ".gitignore");
    let text = kept.then(|| files::read_text(&settings.folder.join(".gitignore")).ok())??;
    let ignored = text.lines().any(|line| line.trim().trim_matches('/') == ".mlx");
    (!ignored).then(|| "add a line `.mlx/` to .gitignore: runs are large".to_owned())
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
    let project = ProjectContext {
        name: settings.name.to_string(),
        owner: settings.owner.clone(),
        id: random::hex_id(8),
    };
    let team = settings.from.as_ref().map(|from| team::load(from, &settings.here)).transpose()?;
    let said = settings.task.or(team.as_ref().and_then(|template| template.task));
    let own = settings.data.as_ref().map(|data| own_data(settings, data, said)).transpose()?;
    let task = said.or(own.as_ref().map(|own| own.task)).ok_or_else(|| {
        Error::user("the template doesn't say what kind of project it is for")
            .hint("its template.toml should have a line such as `task = \"classification\"`")
    })?;

    let mut context = match &own {
        Some(own) => Context::of_own_data(
            settings.verb,
            task,
            project,
            own.data.clone(),
            own.columns.clone(),
            own.gate.clone(),
        ),
        None if team.is_some() => Context::of_team(settings.verb, task, project),
        None => Context::example(settings.verb, task, project),
    };
    if let Some(template) = &team {
        context.vars = team::variables(template, &settings.variables)?;
    }
    let template = team.unwrap_or_else(|| builtin::template(task, own.is_none()));
    let mut files = scaffold::render(&template, &context)?;
    let mut notes = Vec::new();
    if let Some(own) = own {
        files.extend(own.copies);
        notes.extend(own.notes);
    }
    let checked = check_project(&template.name, &files)?;
    let source = settings.from.clone().unwrap_or(template.name);
    Ok(Plan { task: checked.project.task.name(), template: source, files, notes })
}

/// What the user's own data says of the project.
struct Own {
    task: Task,
    data: DataContext,
    columns: Vec<ColumnNote>,
    gate: GateContext,
    copies: Vec<ProjectFile>,
    notes: Vec<String>,
}

fn own_data(settings: &NewSettings, own: &OwnData, said: Option<Task>) -> Result<Own> {
    let settled = DataSettings {
        format: own.format.clone(),
        id: own.id.clone(),
        series: own.series.clone(),
        query: own.query.clone(),
        ..DataSettings::default()
    };
    let options = ReadOptions::new(&settled, &BTreeMap::new());
    let table = data::read(&own.train, &options)?;
    let findings = own.examine(said, &table)?;
    if let Some(test) = &own.test {
        let table = data::read(test, &options)?;
        own.examine_test(&findings, test, &table)?;
    }
    let files = own_files::locate(own, &settings.folder, &settings.here)?;
    let data = DataContext {
        train: files.train,
        test: files.test,
        outside: files.outside,
        ignored: files.ignored,
        ..findings.data
    };
    let Findings { task, columns, gate, .. } = findings;
    Ok(Own { task, data, columns, gate, copies: files.copies, notes: files.notes })
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
