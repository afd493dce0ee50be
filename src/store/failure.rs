//! Why the store said no, in the kinds that a caller branches on.

use std::borrow::Cow;

use super::objects::Kind;
use crate::error::{Error, ExitCode};
use crate::registry::{Event, VersionNumber};

#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for is not there.
    Missing(String),
    /// What was to be made is there.
    Exists(String),
    /// The request makes no sense, whatever is stored.
    Invalid(String),
    /// What is stored forbids it.
    Forbidden(String),
    /// Whoever asks may not, by the rules that the registry keeps.
    Denied(String),
    /// Someone else moved first.
    Conflict { message: String, live: Option<VersionNumber>, winner: Option<Box<Event>> },
    /// There is no room for it.
    Full(Error),
    /// The store itself failed: a lost connection, a damaged disk, a bug.
    Broken(Error),
}

impl Failure {
    /// Of this failure, the error for a command that called the store itself.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Missing(message)
            | Self::Exists(message)
            | Self::Invalid(message)
            | Self::Forbidden(message) => Error::user(message),
            Self::Denied(message) => Error::new(ExitCode::NotAllowed, message),
            Self::Conflict { message, .. } => Error::conflict(message),
            Self::Full(error) | Self::Broken(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match code(&error).as_str() {
            "22021" => Self::Invalid("a text holds the character NUL, which can't be kept".into()),
            "54000" => Self::Invalid("a name or a path is too long to be kept".into()),
            // SQLite's and PostgreSQL's for a disk that is full.
            "13" | "53100" => Self::Full(database(&error)),
            _ => Self::Broken(database(&error)),
        }
    }
}

/// The code of a database's own error: SQLite's number, or PostgreSQL's five characters.
fn code(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.map(Cow::into_owned).unwrap_or_default()
}

/// Whether the connection to the database is gone, or the database itself for a while.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => true,
        _ => matches!(code(error).as_str(), "57P01" | "57P02" | "57P03" | "53300" | "25006"),
    }
}

/// What a failure of the database means to whoever uses it.
pub(crate) fn database(error: &sqlx::Error) -> Error {
    match error.as_database_error() {
        Some(from) if from.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() => {
            sqlite(error)
        }
        Some(from) => postgres(from),
        None if is_lost(error) => {
            Error::unreachable(format!("the registry's database is out of reach: {error}"))
                .hint("check that it runs, and what is between it and this machine")
        }
        None => Error::user(format!("the registry's database failed: {error}")),
    }
}

fn sqlite(error: &sqlx::Error) -> Error {
    // SQLite's primary result code is the low byte of the extended one.
    match code(error).parse::<u32>().unwrap_or_default() & 0xff {
        5 | 6 => Error::unreachable("the registry's database is busy")
            .hint("another process holds it for long; try again"),
        8 => Error::user("the registry's database is read-only")
            .hint("check the permissions of its folder: `mlx registry status`"),
        10 => Error::user(format!("the registry's database can't be read or written: {error}"))
            .hint("its disk may be full or failing: make room there, and try again"),
        11 | 26 => Error::user(format!("the registry's database is damaged: {error}"))
            .hint("put a backup in its place: `mlx registry restore BACKUP --replace`"),
        13 => Error::user("the disk of the registry's database is full").hint("make room there"),
        _ => Error::user(format!("the registry's database failed: {error}")),
    }
}

/// By the codes of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgres(error: &dyn sqlx::error::DatabaseError) -> Error {
    let message = error.message();
    match &*error.code().unwrap_or_default() {
        "28000" | "28P01" => {
            Error::new(ExitCode::NotAllowed, format!("the database does not let us in: {message}"))
                .hint(
                    "check user and password: of the address, PGUSER and PGPASSWORD, or ~/.pgpass",
                )
        }
        "3D000" => Error::user(message),
        "57P01" | "57P02" | "57P03" => {
            Error::unreachable(format!("the registry's database is out of reach: {message}"))
                .hint("it is starting or stopping; the registry goes on by itself when it is back")
        }
        "53300" => Error::unreachable(format!("the database takes no more connections: {message}"))
            .hint("raise its `max_connections`, or run fewer servers"),
        "25006" => Error::unreachable("the registry's database takes no writes")
            .hint("it may be a replica: name the primary"),
        "53100" => {
            Error::user("the disk of the registry's database is full").hint("make room there")
        }
        "55P03" | "57014" => Error::unreachable("the registry's database is busy")
            .hint("another server or program holds a lock for long; try again"),
        "40001" | "40P01" => Error::unreachable("two wrote to the registry at once; try again"),
        "42501" => Error::user(format!("the database does not allow it: {message}")),
        _ => Error::user(format!("the registry's database failed: {message}")),
    }
}

/// What a failure of the place for bytes means to whoever uses it.
pub(super) fn objects(kind: Kind, error: object_store::Error) -> Error {
    use object_store::Error as Of;
    match (kind, error) {
        (_, Of::NotFound { path, .. }) => {
            Error::user(format!("`{path}` is not where the registry keeps its files"))
                .hint("see what else is lost: `mlx registry verify`")
        }
        (Kind::Bucket, error @ (Of::PermissionDenied { .. } | Of::Unauthenticated { .. })) => {
            Error::new(ExitCode::NotAllowed, format!("the bucket does not let us in: {error}"))
                .hint("check the keys in the environment, and what they are allowed")
        }
        (Kind::Bucket, error) => {
            Error::unreachable(format!("the bucket with the registry's files failed: {error}"))
                .hint("it was asked several times; try again in a while")
        }
        (Kind::Folder, error) if has_no_room(&error) => Error::user(format!(
            "the disk of the registry's files is full: {error}"
        ))
        .hint("make room there; what nothing refers to any more goes with `mlx registry gc`"),
        (Kind::Folder, error) => Error::user(format!("cannot reach the registry's files: {error}")),
    }
}

/// Whether a disk or a quota is what is at the bottom of it.
pub(super) fn has_no_room(error: &object_store::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(StorageFull | QuotaExceeded)) {
            return true;
        }
        cause = error.source();
    }
    false
}
