//! Where the user's files are, seen from the project, and which of them come along.

use std::path::{Component, Path, PathBuf};

use super::{Content, OwnData, ProjectFile};
use crate::error::{Error, Result};

/// The user's files as `mlx.toml` names them.
#[derive(Clone, Debug)]
pub(crate) struct OwnFiles {
    pub train: String,
    pub test: Option<String>,
    /// Not inside the project's folder, so not in its repository either.
    pub outside: bool,
    /// What git should leave alone because of its size.
    pub ignored: Option<String>,
    pub copies: Vec<ProjectFile>,
    pub notes: Vec<String>,
}

/// Git keeps every version of a file for ever; hosts refuse files of 100 MB.
const LARGE_BYTES: u64 = 20 << 20;

/// Name the files for a project in `folder`; `here` is where the command line was typed.
pub(crate) fn locate(own: &OwnData, folder: &Path, here: &Path) -> Result<OwnFiles> {
    let folder = real(folder);
    let inside = |path: &Path| path.starts_with(&folder);
    let train = real(&own.train);
    let test = own.test.as_deref().map(real);
    if !own.copy {
        let name = |path: &Path| name_from(&folder, &real(here), path);
        let outside = !inside(&train) || test.as_deref().is_some_and(|test| !inside(test));
        return Ok(OwnFiles {
            train: name(&train),
            test: test.as_deref().map(name),
            outside,
            ignored: None,
            copies: Vec::new(),
            notes: Vec::new(),
        });
    }

    let mut copies = Vec::new();
    let train = copy(&folder, &train, "", "the training data, copied", &mut copies)?;
    let test = test
        .map(|test| {
            let same = train.rsplit('/').next() == test.file_name().and_then(|name| name.to_str());
            let prefix = if same { "test-" } else { "" };
            copy(&folder, &test, prefix, "the test data, copied", &mut copies)
        })
        .transpose()?;
    let size: u64 = copies.iter().map(ProjectFile::size_bytes).sum();
    let mut notes = Vec::new();
    let ignored = (size > LARGE_BYTES).then(|| "data/".to_owned());
    if ignored.is_some() {
        for copy in &mut copies {
            copy.ignored = true;
        }
        notes.push(format!(
            "the data is {} MiB: .gitignore keeps it out of the repository",
            size >> 20
        ));
    }
    Ok(OwnFiles { train, test, outside: false, ignored, copies, notes })
}

/// Plan a copy into `data/`, with LightGBM's `.query` file where one lies beside; answers the
/// name in the project. A file that is inside the project already stays where it is.
fn copy(
    folder: &Path,
    path: &Path,
    prefix: &str,
    why: &str,
    copies: &mut Vec<ProjectFile>,
) -> Result<String> {
    if let Ok(inside) = path.strip_prefix(folder) {
        return Ok(slashes(inside));
    }
    if !path.is_file() {
        return Err(Error::user(format!("cannot copy {}: it is not one file", path.display()))
            .hint("leave `--copy` out to use the files where they are"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut plan = |name: String, source: &Path, why: &str| {
        let path = format!("data/{name}");
        copies.push(ProjectFile {
            path: path.clone(),
            content: Content::CopyOf(source.to_owned()),
            executable: false,
            why: why.to_owned(),
            ignored: false,
        });
        path
    };
    let stem = name.trim_end_matches(".gz").trim_end_matches(".zst");
    for beside in [format!("{stem}.query"), format!("{name}.query")] {
        let source = path.with_file_name(&beside);
        if source.is_file() {
            plan(format!("{prefix}{beside}"), &source, "the sizes of its queries, copied");
            break;
        }
    }
    Ok(plan(format!("{prefix}{name}"), path, why))
}

/// Relative where project and data are likely to move together: the data is inside the
/// project, beside it, or below where the command was typed. Else absolute.
fn name_from(folder: &Path, here: &Path, path: &Path) -> String {
    let beside = folder.parent().filter(|parent| parent.parent().is_some());
    let near = path.starts_with(folder)
        || beside.is_some_and(|parent| path.starts_with(parent))
        || (here.parent().is_some() && path.starts_with(here) && folder.starts_with(here));
    if !near {
        return slashes(path);
    }
    let shared = folder.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    slashes(&up.chain(path.components().skip(shared)).collect::<PathBuf>())
}

fn slashes(path: &Path) -> String {
    let text = path.to_string_lossy().into_owned();
    if cfg!(windows) { text.replace('\\', "/") } else { text }
}

/// The path with the links of its existing folders resolved, so that `..` means what it says.
/// The last name stays as it is: it may be a link, a glob, or not there yet.
fn real(path: &Path) -> PathBuf {
    let existing = path.ancestors().skip(1).find_map(|above| {
        let resolved = above.canonicalize().ok()?;
        let rest = path.strip_prefix(above).ok()?;
        Some(resolved.join(rest))
    });
    existing.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_where_things_move_together() {
        let name = |folder: &str, here: &str, path: &str| {
            name_from(Path::new(folder), Path::new(here), Path::new(path))
        };
        assert_eq!(name("/w/churn", "/w", "/w/churn/data/a.csv"), "data/a.csv");
        assert_eq!(name("/w/churn", "/w", "/w/raw/a.csv"), "../raw/a.csv");
        assert_eq!(name("/w/x/churn", "/w", "/w/raw/a.csv"), "../../raw/a.csv");
        assert_eq!(name("/w/churn", "/w", "/mnt/a.csv"), "/mnt/a.csv");
        assert_eq!(name("/churn", "/", "/mnt/a.csv"), "/mnt/a.csv");
    }
}
