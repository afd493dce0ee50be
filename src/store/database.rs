//! Connections to the registry's database, whichever it is, and transactions that write.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{Any, AnyConnection, AnyPool};

use super::durable::Log;
use super::failure::is_lost;
use super::place::DatabasePlace;
use super::sql::{Dialect, Scope};
use super::{Failure, postgres, sqlite};
use crate::error::Result;

/// Format N is what the first N of these make.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
];

/// How often a transaction is begun again whose connection turns out to be cut. After a restart of
/// the server every idle connection of the pool is.
const ATTEMPTS: u32 = 10;

#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
    pub(super) dialect: Dialect,
    /// SQLite's log, which whoever commits waits for; a server flushes its own.
    pub(super) log: Option<Log>,
}

/// A transaction that writes; dropped before it is committed, it changes nothing.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    inner: sqlx::Transaction<'a, Any>,
    log: Option<Log>,
    /// Whether a commit is answered before it is on the disk.
    relaxed: bool,
}

impl Transaction<'_> {
    /// Make it so. What is answered after this is on the disk, but for tracking: that follows
    /// within a tenth of a second, and with whatever else is committed, if that comes first.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        self.inner.commit().await?;
        match &self.log {
            Some(log) if self.relaxed => log.flushed_soon(),
            Some(log) => log.flushed().await?,
            None => {}
        }
        Ok(())
    }

    /// Leave all as it was, and let others write at once.
    pub(super) async fn rollback(self) -> Result<(), Failure> {
        Ok(self.inner.rollback().await?)
    }
}

impl Deref for Transaction<'_> {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

impl Database {
    /// Open the database of this place; make it where there is none, migrate it where it is older.
    pub(super) async fn open(place: &DatabasePlace) -> Result<Self> {
        match place {
            DatabasePlace::File(path) => sqlite::open(path).await,
            DatabasePlace::Server(server) => postgres::open(server).await,
        }
    }

    /// A transaction that writes, alone among those about the same.
    pub(super) async fn write(&self, about: Scope<'_>) -> Result<Transaction<'static>, Failure> {
        match self.dialect {
            // One writer at a time, whatever it is about.
            Dialect::Sqlite => Ok(Transaction {
                inner: self.writer.begin_with("BEGIN IMMEDIATE").await?,
                log: self.log.clone(),
                relaxed: about.is_tracking(),
            }),
            Dialect::Postgres => {
                let mut attempt = 1;
                loop {
                    match self.begin_about(about).await {
                        // Nothing was done yet, so that it is safe to begin again.
                        Err(error) if is_lost(&error) && attempt < ATTEMPTS => attempt += 1,
                        begun => {
                            return Ok(Transaction { inner: begun?, log: None, relaxed: false });
                        }
                    }
                }
            }
        }
    }

    /// At PostgreSQL's level READ COMMITTED each statement sees what was committed before it, and
    /// so all that the holder of the lock before did.
    async fn begin_about(
        &self,
        about: Scope<'_>,
    ) -> Result<sqlx::Transaction<'static, Any>, sqlx::Error> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(about.to_string())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }

    /// A transaction that reads one state of the whole database.
    pub(super) async fn snapshot(&self) -> Result<Transaction<'static>, sqlx::Error> {
        let inner = match self.dialect {
            Dialect::Sqlite => self.reader.begin().await?,
            Dialect::Postgres => {
                self.reader.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?
            }
        };
        Ok(Transaction { inner, log: None, relaxed: false })
    }

    pub(crate) async fn close(&self) {
        if let Some(log) = &self.log {
            // What was answered before its flush: nobody waits for it, nor can be told.
            let _ = log.flushed().await;
        }
        // A server that is gone does not answer to a goodbye.
        let closing = async {
            self.reader.close().await;
            self.writer.close().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(10), closing).await;
    }
}
