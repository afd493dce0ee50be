//! The files of a project onto disk: all of them or none, and never over what is there.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Content, ProjectFile};
use crate::error::{Error, Result};

/// Which files were put in place, and which were there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    pub written: Vec<String>,
    pub skipped: Vec<String>,
}

/// Make `folder` with `files` in it. `finish` runs on the finished folder before anyone can
/// see it under its name; should it fail, nothing is left behind.
pub(crate) fn new_folder<T>(
    folder: &Path,
    files: &[ProjectFile],
    finish: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| Error::io("make", parent, &error))?;
    let stage = stage(parent, files)?;
    let finished = finish(&stage.project)?;
    fs::rename(&stage.project, folder).map_err(|error| Error::io("make", folder, &error))?;
    Ok(finished)
}

/// Put `files` into a folder that exists. A file that is there stays as it is; should one of
/// the others fail, those already placed are taken away again.
pub(crate) fn into_folder(folder: &Path, files: &[ProjectFile]) -> Result<Placed> {
    let mut placed = Placed::default();
    let (missing, present): (Vec<_>, Vec<_>) =
        files.iter().cloned().partition(|file| !exists(&folder.join(&file.path)));
    placed.skipped = present.into_iter().map(|file| file.path).collect();

    let stage = stage(folder, &missing)?;
    let mut made = Made::default();
    for file in &missing {
        let target = folder.join(&file.path);
        let place = || -> std::io::Result<()> {
            let above = target.parent().expect("a file has a folder");
            made.folders.extend(missing_folders(above));
            fs::create_dir_all(above)?;
            // Unlike a rename, a link never replaces a file that appeared meanwhile.
            let staged = stage.project.join(&file.path);
            fs::hard_link(&staged, &target).or_else(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => Err(error),
                // Some file systems have no links.
                _ => fs::rename(&staged, &target),
            })
        };
        let mut place = place;
        if let Err(error) = place() {
            drop(made);
            return Err(Error::io("write", &target, &error));
        }
        made.files.push(target);
        placed.written.push(file.path.clone());
    }
    made.keep();
    Ok(placed)
}

/// Whether something has this name, a broken link included.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

struct Stage {
    project: PathBuf,
    /// Removes what is left when dropped.
    _folder: tempfile::TempDir,
}

fn stage(beside: &Path, files: &[ProjectFile]) -> Result<Stage> {
    let failed = |error: std::io::Error| Error::io("write in", beside, &error);
    let folder = tempfile::Builder::new().prefix(".mlx-new-").tempdir_in(beside).map_err(failed)?;
    // A folder of its own inside, since a temporary folder is closed to everyone else and the
    // project should have the permissions that the user's other folders have.
    let project = folder.path().join("project");
    fs::create_dir(&project).map_err(failed)?;
    for file in files {
        write(&project.join(&file.path), file).map_err(|error| match &file.content {
            Content::CopyOf(source) => Error::io("copy", source, &error),
            Content::Bytes(_) => Error::io("write", &beside.join(&file.path), &error),
        })?;
    }
    Ok(Stage { project, _folder: folder })
}

fn write(path: &Path, file: &ProjectFile) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().expect("a file has a folder"))?;
    match &file.content {
        Content::Bytes(bytes) => fs::write(path, bytes)?,
        Content::CopyOf(source) => {
            std::io::copy(&mut fs::File::open(source)?, &mut fs::File::create(path)?)?;
        }
    }
    if file.executable { make_executable(path) } else { Ok(()) }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = fs::metadata(path)?.permissions();
    let mode = permissions.mode();
    // Who may read may run.
    permissions.set_mode(mode | ((mode & 0o444) >> 2));
    fs::set_permissions(path, permissions)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn missing_folders(folder: &Path) -> Vec<PathBuf> {
    folder.ancestors().take_while(|folder| !exists(folder)).map(Path::to_owned).collect()
}

/// What was put in place so far; taken away again when dropped without `keep`.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    fn keep(mut self) {
        self.files.clear();
        self.folders.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        // Deepest first; a folder with something else in it stays.
        self.folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> ProjectFile {
        ProjectFile {
            path: path.to_owned(),
            content: Content::Bytes(content.as_bytes().to_vec()),
            executable: false,
            why: String::new(),
            ignored: false,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_folder_appears_whole_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("churn");
        let files = [file("mlx.toml", "a"), file("data/x.csv", "b")];
        let failed: Result<()> = new_folder(&folder, &files, |_| Err(Error::user("no")));
        assert!(failed.is_err());
        assert_eq!(names(home.path()), Vec::<String>::new());

        new_folder(&folder, &files, |_| Ok(())).unwrap();
        assert_eq!(names(home.path()), ["churn"]);
        assert_eq!(names(&folder), ["data", "mlx.toml"]);
    }

    #[test]
    fn what_is_there_stays_and_a_failure_leaves_no_trace() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("README.md"), "mine").unwrap();
        let placed =
            into_folder(home.path(), &[file("README.md", "x"), file("mlx.toml", "y")]).unwrap();
        assert_eq!(placed.skipped, ["README.md"]);
        assert_eq!(placed.written, ["mlx.toml"]);
        assert_eq!(fs::read_to_string(home.path().join("README.md")).unwrap(), "mine");

        // `data` is a file, so nothing can be put into it.
        fs::write(home.path().join("data"), "a file").unwrap();
        let before = names(home.path());
        assert!(into_folder(home.path(), &[file("new/a", "x"), file("data/b", "y")]).is_err());
        assert_eq!(names(home.path()), before);
    }
}
