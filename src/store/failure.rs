//! Why the store said no, in the kinds that a caller branches on.

use crate::error::Error;
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
    /// Someone else moved first.
    Conflict { message: String, live: Option<VersionNumber>, winner: Option<Box<Event>> },
    /// The store itself failed: a full disk, a lost connection, a bug.
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
            Self::Conflict { message, .. } => Error::conflict(message),
            Self::Broken(error) => error,
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
        Self::Broken(database(&error))
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::Broken(Error::user(format!("cannot reach the registry's files: {error}")))
    }
}

/// What a failure of the database means to whoever uses it.
pub(crate) fn database(error: &sqlx::Error) -> Error {
    let code = error
        .as_database_error()
        .filter(|error| error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some())
        .and_then(sqlx::error::DatabaseError::code)
        .unwrap_or_default();
    // SQLite's primary result code is the low byte of the extended one.
    match code.parse::<u32>().unwrap_or_default() & 0xff {
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
