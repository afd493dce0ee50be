//! The files of one commit, read from the object database into memory.
//!
//! Nothing is checked out: no path of someone else's tree is written anywhere, no filter or
//! hook runs, and a link is an entry like another.

use std::path::Path;
use std::process::{Command, Stdio};

use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};

use super::https;
use crate::error::{Error, Result};

/// One name of a commit's tree.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As the tree says it, which is not to be trusted.
    pub path: String,
    pub kind: EntryKind,
}

#[derive(Debug)]
pub(crate) enum EntryKind {
    File { content: Vec<u8>, executable: bool },
    Link,
    Submodule,
}

/// More than a template has, and far less than memory.
const LARGEST_BYTES: usize = 256 << 20;

/// The files at `revision` (a tag, a branch or a commit; absent: what is checked out by default) of the
/// repository at an address or in a local folder.
pub(crate) fn snapshot(address: &str, revision: Option<&str>) -> Result<Vec<Entry>> {
    let local = Path::new(address);
    if local.is_dir() {
        let repository = Repository::open(local).map_err(|error| {
            Error::user(format!("cannot open the git repository {address}: {}", error.message()))
        })?;
        return read(&repository, address, revision);
    }
    let folder = tempfile::tempdir()
        .map_err(|error| Error::user(format!("cannot make a temporary folder: {error}")))?;
    let repository = if is_ssh(address) {
        clone_by_git(address, folder.path())?;
        Repository::open_bare(folder.path()).map_err(|error| fetch_error(address, &error))?
    } else {
        clone(address, folder.path())?
    };
    read(&repository, address, revision)
}

/// `ssh://host/path`, or `user@host:path` as ssh writes it.
fn is_ssh(address: &str) -> bool {
    match address.split_once("://") {
        Some((scheme, _)) => matches!(scheme, "ssh" | "git+ssh" | "ssh+git"),
        None => address.find(':').is_some_and(|colon| !address[..colon].contains('/')),
    }
}

fn clone(address: &str, folder: &Path) -> Result<Repository> {
    // The transport waits for the network, which a thread that runs async work must not.
    let attempt = || {
        https::register()?;
        git2::build::RepoBuilder::new().bare(true).clone(address, folder)
    };
    std::thread::scope(|scope| scope.spawn(attempt).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        .map_err(|error| fetch_error(address, &error))
}

/// ssh has keys, agents and known hosts; whoever set those up has git as well.
fn clone_by_git(address: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new("git");
    command.args(["clone", "--quiet", "--bare", "--"]).arg(address).arg(folder);
    // A surrounding git command, such as a hook, points these at its own repository.
    for name in
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"]
    {
        command.env_remove(name);
    }
    let output =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).output().map_err(|error| {
            Error::user(format!("cannot run git to fetch {address} over ssh: {error}"))
                .hint("install git, or use an https address")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(Error::unreachable(format!("cannot fetch {address}: {}", why.join("; ")))
        .hint(format!("see whether git can: `git ls-remote {address}`")))
}

fn fetch_error(address: &str, error: &git2::Error) -> Error {
    let message = format!("cannot fetch {address}: {}", error.message());
    let over_http = address.starts_with("http");
    let no_connection = error.class() == git2::ErrorClass::Net && !over_http;
    if error.message().contains(https::OUT_OF_REACH) || no_connection {
        Error::unreachable(message).hint("check the address and the network, and try again")
    } else if error.message().contains("credentials") {
        Error::new(crate::error::ExitCode::NotAllowed, message).hint(
            "use the repository's ssh address, or clone it and give the folder: `--from FOLDER`",
        )
    } else {
        Error::user(message).hint("check the address")
    }
}

fn read(repository: &Repository, address: &str, revision: Option<&str>) -> Result<Vec<Entry>> {
    let tree = match revision {
        // A clone keeps the other branches of where it came from under `origin/`.
        Some(revision) => repository
            .revparse_single(revision)
            .or_else(|_| repository.revparse_single(&format!("origin/{revision}")))
            .and_then(|object| object.peel_to_tree())
            .map_err(|_| unknown_revision(repository, address, revision))?,
        None => repository
            .head()
            .and_then(|head| head.peel_to_tree())
            .map_err(|_| Error::user(format!("the git repository {address} has no commit yet")))?,
    };

    let mut entries = Vec::new();
    let mut left = LARGEST_BYTES;
    let mut too_large = false;
    let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let path = format!("{}{}", folder, String::from_utf8_lossy(entry.name_bytes()));
        let kind = match entry.kind() {
            Some(ObjectType::Tree) => return TreeWalkResult::Ok,
            Some(ObjectType::Commit) => EntryKind::Submodule,
            _ if entry.filemode() == 0o120_000 => EntryKind::Link,
            _ => {
                let Ok(blob) = repository.find_blob(entry.id()) else {
                    return TreeWalkResult::Abort;
                };
                let Some(rest) = left.checked_sub(blob.size()) else {
                    too_large = true;
                    return TreeWalkResult::Abort;
                };
                left = rest;
                let executable = entry.filemode() & 0o111 != 0;
                EntryKind::File { content: blob.content().to_vec(), executable }
            }
        };
        entries.push(Entry { path, kind });
        TreeWalkResult::Ok
    });
    if too_large {
        let limit = LARGEST_BYTES >> 20;
        return Err(Error::user(format!("the files of {address} are more than {limit} MiB")));
    }
    walked.map_err(|error| {
        Error::user(format!("cannot read the files of {address}: {}", error.message()))
    })?;
    Ok(entries)
}

fn unknown_revision(repository: &Repository, address: &str, revision: &str) -> Error {
    let error = Error::user(format!("{address} has no tag, branch or commit `{revision}`"));
    let names: Vec<String> = repository
        .references()
        .map(|references| {
            references
                .flatten()
                .filter_map(|reference| {
                    let name = reference.shorthand().ok()?;
                    Some(name.strip_prefix("origin/").unwrap_or(name).to_owned())
                })
                .collect()
        })
        .unwrap_or_default();
    match crate::error::closest(revision, names.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean `@{meant}`?")),
        None => error.hint("leave `@REV` out for what is current"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_need_ssh_are_told_from_paths_and_others() {
        for address in ["git@host:team/x.git", "ssh://host/x", "host:x"] {
            assert!(is_ssh(address), "{address}");
        }
        for address in ["https://host/x", "file:///x", "./a:b", "/a:b"] {
            assert!(!is_ssh(address), "{address}");
        }
    }
}
