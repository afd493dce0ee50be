//! Git through libgit2: first commits, clones, and which commit a folder is at.
//!
//! No git needs to be installed and no identity set up. The `GIT_*` variables of a
//! surrounding git command, such as a hook, are not looked at.

mod https;
mod snapshot;

use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryInitOptions, Signature, StatusOptions};

pub(crate) use snapshot::{Entry, EntryKind, snapshot};

use super::folders;
use crate::error::{Error, Result};

/// The working folder of the repository that holds `folder`, where one does.
///
/// A folder that does not exist yet belongs to the repository of the closest folder that does.
pub(crate) fn enclosing(folder: &Path) -> Option<PathBuf> {
    let existing = folder.ancestors().find(|folder| folder.is_dir())?;
    // Only the path is asked for: opening would fail on a repository of another owner, and
    // nesting into that one would be no better.
    let none: [&Path; 0] = [];
    let found = Repository::discover_path(existing, none).ok()?;
    Some(match found.file_name() {
        Some(name) if name == ".git" => found.parent().unwrap_or(&found).to_owned(),
        _ => found,
    })
}

/// Make a repository in `folder` and commit `files` of it, which are paths inside; answers the
/// commit's id.
pub(crate) fn first_commit(folder: &Path, files: &[&str], message: &str) -> Result<String> {
    let attempt = || -> Result<String, git2::Error> {
        let branch = git2::Config::open_default()
            .and_then(|config| config.get_string("init.defaultBranch"))
            .unwrap_or_else(|_| "main".into());
        let mut options = RepositoryInitOptions::new();
        options.initial_head(&branch).external_template(false).no_reinit(true);
        let repository = Repository::init_opts(folder, &options)?;

        let mut index = repository.index()?;
        for file in files {
            index.add_path(Path::new(file))?;
        }
        index.write()?;
        let tree = repository.find_tree(index.write_tree()?)?;
        let author = repository.signature().or_else(|_| local_signature())?;
        let commit = repository.commit(Some("HEAD"), &author, &author, message, &tree, &[])?;
        Ok(commit.to_string())
    };
    attempt().map_err(|error| {
        Error::user(format!(
            "cannot make a git repository in {}: {}",
            folder.display(),
            error.message()
        ))
        .hint("go on without one: `--no-git`")
    })
}

/// Where nobody told git who they are: the operating system's user on this machine.
fn local_signature() -> Result<Signature<'static>, git2::Error> {
    let user = folders::user_name();
    // `<`, `>` and line ends would break a commit's header.
    let name: String =
        user.chars().filter(|letter| !letter.is_control() && !"<>".contains(*letter)).collect();
    let name = if name.trim().is_empty() { "mlx".to_owned() } else { name };
    let address = format!("{}@localhost", name.replace(char::is_whitespace, "."));
    Signature::now(&name, &address)
}

/// The commit that `folder` is at, and whether it differs from that commit.
///
/// Tracked files count wherever they are in the repository, new ones only inside `folder`.
/// `mlx.lock` never counts: training writes it itself. `None` where there is no repository, no commit,
/// or a repository that git would refuse as another user's.
pub(crate) fn head(folder: &Path) -> Option<(String, bool)> {
    let repository = Repository::discover(folder).ok()?;
    let commit = repository.head().ok()?.peel_to_commit().ok()?.id().to_string();
    let inside = repository
        .workdir()
        .and_then(|root| Some((root.canonicalize().ok()?, folder.canonicalize().ok()?)))
        .and_then(|(root, folder)| Some(folder.strip_prefix(root).ok()?.to_owned()))
        .unwrap_or_default();

    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).exclude_submodules(true);
    let statuses = repository.statuses(Some(&mut options)).ok()?;
    let dirty = statuses.iter().any(|entry| {
        let bytes = entry.path_bytes();
        let path = PathBuf::from(String::from_utf8_lossy(bytes).as_ref());
        let lock = path.file_name().is_some_and(|name| name == "mlx.lock");
        let new = entry.status().is_wt_new();
        !entry.status().is_ignored() && !lock && (!new || path.starts_with(&inside))
    });
    Some((commit, dirty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &str, content: &str) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    #[test]
    fn a_commit_needs_no_identity_and_holds_what_was_named() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "mlx.toml", "a");
        write(home.path(), "data/big.csv", "b");
        let commit = first_commit(home.path(), &["mlx.toml"], "First").unwrap();
        let repository = Repository::open(home.path()).unwrap();
        let head = repository.head().unwrap().peel_to_commit().unwrap();
        assert_eq!(head.id().to_string(), commit);
        assert_eq!(head.tree().unwrap().len(), 1);
    }

    #[test]
    fn the_lock_does_not_make_a_tree_dirty_and_everything_else_does() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(head(home.path()), None);
        write(home.path(), "a/mlx.toml", "a");
        let commit = first_commit(home.path(), &["a/mlx.toml"], "First").unwrap();
        let project = home.path().join("a");
        write(&project, "mlx.lock", "x");
        write(home.path(), "elsewhere/notes.txt", "x");
        assert_eq!(head(&project), Some((commit.clone(), false)));
        write(&project, "features.txt", "x");
        assert_eq!(head(&project), Some((commit.clone(), true)));
        std::fs::remove_file(project.join("features.txt")).unwrap();
        write(&project, "mlx.toml", "b");
        assert_eq!(head(&project), Some((commit, true)));
    }

    #[test]
    fn a_folder_to_be_belongs_to_the_repository_above() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        assert_eq!(enclosing(&root.join("x/y")), None);
        write(&root, "a", "a");
        first_commit(&root, &["a"], "First").unwrap();
        assert_eq!(enclosing(&root.join("x/y")), Some(root.clone()));
    }
}
