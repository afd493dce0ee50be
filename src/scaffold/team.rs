//! A team's own template: a folder or a git repository, with `template.toml` beside its files.
//!
//! ```toml
//! name = "scoring"
//! task = "classification"
//! [variables.team]
//! description = "who is on call for it"
//! default = "scoring-squad"
//! ```
//!
//! Files that end in `.j2` are rendered and lose that ending; all others are copied as they
//! are. Everything in it comes from elsewhere: nothing is executed, and links and paths that lead
//! outside are refused before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::{Template, TemplateFile, Variable};
use crate::data::Task;
use crate::error::{Error, Result};
use crate::sys::files;
use crate::sys::git::{self, Entry, EntryKind};

/// `template.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Manifest {
    name: Option<String>,
    task: Option<Task>,
    #[serde(rename = "description")]
    _description: Option<String>,
    variables: BTreeMap<String, Variable>,
}

const MANIFEST: &str = "template.toml";
const MOST_FILES: usize = 2000;

/// The template at `GIT-URL|PATH[@REV]`; paths count from `here`.
pub(crate) fn load(source: &str, here: &Path) -> Result<Template> {
    let (address, revision) = split(source, here);
    let local = here.join(address);
    let entries = if local.is_dir() && revision.is_none() {
        let mut entries = Vec::new();
        read_folder(&local, "", &mut entries)?;
        entries
    } else if local.is_dir() {
        git::snapshot(&local.to_string_lossy(), revision)?
    } else if is_address(address) {
        git::snapshot(address, revision)?
    } else {
        return Err(Error::user(format!("no folder {} to take a template from", local.display()))
            .hint("give a folder, or the address of a git repository, such as `https://host/team/template@v1`"));
    };
    from_entries(source, address, entries)
}

/// The address and the revision after its last `@`. The `@` of `git@host:path` and of
/// `https://user@host/path` belongs to the address.
fn split<'a>(source: &'a str, here: &Path) -> (&'a str, Option<&'a str>) {
    if here.join(source).is_dir() {
        return (source, None);
    }
    let path_starts = match source.split_once("://") {
        Some((scheme, rest)) => scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()),
        None if is_address(source) => source.find(':').unwrap_or(0),
        None => 0,
    };
    match source[path_starts..].rfind('@') {
        Some(at) if path_starts + at + 1 < source.len() => {
            (&source[..path_starts + at], Some(&source[path_starts + at + 1..]))
        }
        _ => (source, None),
    }
}

/// `https://…`, or `host:path` as ssh writes it; a path that has a colon can start with `./`.
fn is_address(text: &str) -> bool {
    text.contains("://") || text.find(':').is_some_and(|colon| !text[..colon].contains(['/', '\\']))
}

fn read_folder(folder: &Path, inside: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let failed = |error| Error::file("read", folder, error);
    let mut found: Vec<_> =
        fs::read_dir(folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    found.sort_by_key(fs::DirEntry::file_name);
    for entry in found {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{inside}{name}");
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            // The repository that the folder itself is; what else is called so is refused later.
            if path != ".git" {
                read_folder(&entry.path(), &format!("{path}/"), entries)?;
            }
            continue;
        }
        // A worktree's or submodule's `.git` is a file.
        if path == ".git" {
            continue;
        }
        let kind = if kind.is_file() {
            EntryKind::File {
                content: files::read(&entry.path())?,
                executable: is_executable(&entry.path()),
            }
        } else {
            EntryKind::Link
        };
        entries.push(Entry { path, kind });
        if entries.len() > MOST_FILES {
            return Err(too_many(&folder.display().to_string()));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    false
}

fn from_entries(source: &str, address: &str, entries: Vec<Entry>) -> Result<Template> {
    if entries.len() > MOST_FILES {
        return Err(too_many(source));
    }
    let mut manifest = None;
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    for Entry { path, kind } in entries {
        check_path(source, &path)?;
        let EntryKind::File { content, executable } = kind else {
            let what = if matches!(kind, EntryKind::Link) { "a link" } else { "a submodule" };
            return Err(Error::user(format!("the template {source} holds {what}, `{path}`"))
                .hint("put the file itself there; mlx follows no links out of a template"));
        };
        if path == MANIFEST {
            manifest = Some(content);
            continue;
        }
        let rendered = path.strip_suffix(".j2");
        let target = rendered.unwrap_or(&path).to_owned();
        // Two names that differ in case are one file on some machines.
        if !seen.insert(target.to_lowercase()) {
            return Err(Error::user(format!("the template {source} gives `{target}` twice")));
        }
        let rendered = rendered.is_some();
        files.push(TemplateFile {
            path: target,
            content,
            rendered,
            executable,
            why: String::new(),
        });
    }

    if !files.iter().any(|file| file.path == "mlx.toml") {
        return Err(Error::user(format!(
            "{source} is not a template: it has no mlx.toml or mlx.toml.j2"
        )));
    }
    let manifest = match &manifest {
        Some(bytes) => parse_manifest(source, bytes)?,
        None => Manifest::default(),
    };
    files.sort_by_key(|file| file.path != "mlx.toml");
    let fallback = address.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(address);
    let name = manifest.name.unwrap_or_else(|| fallback.trim_end_matches(".git").to_owned());
    Ok(Template { name, task: manifest.task, variables: manifest.variables, files })
}

fn parse_manifest(source: &str, bytes: &[u8]) -> Result<Manifest> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::user(format!("{MANIFEST} of {source} is not UTF-8 text")))?;
    toml::from_str(text)
        .map_err(|error| Error::user(format!("{MANIFEST} of {source} is not valid: {error}")))
}

/// Refuses every path that is not plainly inside the project, on any system.
fn check_path(source: &str, path: &str) -> Result<()> {
    let plain = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && !name.contains(['\\', ':', '\0'])
            && !name.chars().any(char::is_control)
    };
    if !path.split('/').all(plain) {
        return Err(Error::user(format!(
            "the template {source} holds a path that leads outside the project: `{}`",
            path.escape_debug()
        )));
    }
    // Trailing dots and spaces vanish on some file systems, and `git~1` is `.git` on others.
    let is_git = |name: &str| {
        let name = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
        name == ".git" || name == "git~1"
    };
    if path.split('/').any(|name| is_git(name) || is_git(name.trim_end_matches(".j2"))) {
        return Err(Error::user(format!(
            "the template {source} holds `{path}`, and no template may write into a git folder"
        )));
    }
    Ok(())
}

fn too_many(source: &str) -> Error {
    Error::user(format!("{source} has more than {MOST_FILES} files: that is no template"))
}

/// The values of a template's variables: those given, else their defaults.
pub(crate) fn variables(
    template: &Template,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    for name in given.keys() {
        if template.variables.contains_key(name) {
            continue;
        }
        let known = template.variables.keys().map(String::as_str);
        let error =
            Error::user(format!("the template `{}` has no variable `{name}`", template.name));
        return Err(match crate::error::closest(name, known) {
            Some(meant) => error.hint(format!("did you mean `--var {meant}=…`?")),
            None => error.hint(format!("it has {}", list(template.variables.keys()))),
        });
    }
    let mut values = BTreeMap::new();
    for (name, variable) in &template.variables {
        let value = given.get(name).or(variable.default.as_ref()).ok_or_else(|| {
            let about = variable.description.as_ref().map_or(String::new(), |d| format!(" ({d})"));
            Error::user(format!(
                "the template `{}` needs a value for `{name}`{about}",
                template.name
            ))
            .hint(format!("give it: `--var {name}=VALUE`"))
        })?;
        values.insert(name.clone(), value.clone());
    }
    Ok(values)
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> Entry {
        let kind = EntryKind::File { content: content.as_bytes().to_vec(), executable: false };
        Entry { path: path.to_owned(), kind }
    }

    #[test]
    fn the_revision_is_after_the_last_at_of_the_path() {
        let here = Path::new("/nowhere");
        for (source, address, revision) in [
            ("https://host/x.git@v1", "https://host/x.git", Some("v1")),
            ("https://me@host/x", "https://me@host/x", None),
            ("https://me@host/x@feature/y", "https://me@host/x", Some("feature/y")),
            ("git@host:team/x.git", "git@host:team/x.git", None),
            ("git@host:team/x.git@v1", "git@host:team/x.git", Some("v1")),
            ("../x@v2", "../x", Some("v2")),
            ("../x", "../x", None),
        ] {
            assert_eq!(split(source, here), (address, revision), "{source}");
        }
    }

    #[test]
    fn paths_that_lead_outside_are_refused() {
        for path in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a\\..\\x",
            "C:x",
            ".git/config",
            "a/.GIT/x",
            ".git.j2",
            "a//b",
        ] {
            let entries = vec![file("mlx.toml", ""), file(path, "")];
            assert!(from_entries("t", "t", entries).is_err(), "{path}");
        }
        let fine = vec![
            file("mlx.toml.j2", ""),
            file(".github/workflows/x.yml", ""),
            file(".gitignore", ""),
        ];
        assert!(from_entries("t", "t", fine).is_ok());
    }

    #[test]
    fn a_variable_without_a_default_has_to_be_given() {
        let entries = vec![file("mlx.toml", ""), file("template.toml", "[variables.team]")];
        let template = from_entries("t", "t", entries).unwrap();
        assert!(variables(&template, &BTreeMap::new()).is_err());
        let given = BTreeMap::from([("team".to_owned(), "x".to_owned())]);
        assert_eq!(variables(&template, &given).unwrap(), given);
        let wrong = BTreeMap::from([("taem".to_owned(), "x".to_owned())]);
        assert_eq!(
            variables(&template, &wrong).unwrap_err().hint_text(),
            Some("did you mean `--var team=…`?")
        );
    }
}
