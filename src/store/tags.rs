//! Tables of keys and values that belong to something: tags and parameters, all alike.

use std::collections::BTreeMap;

use super::Failure;
use super::sql::{Sql, Transaction};

/// A table whose primary key is its owner's and `key`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags {
    pub table: &'static str,
    /// The columns that name the owner.
    pub owner: &'static [&'static str],
}

pub(super) const EXPERIMENT: Tags = Tags { table: "experiment_tags", owner: &["experiment_id"] };
pub(super) const RUN: Tags = Tags { table: "run_tags", owner: &["run_id"] };
pub(super) const LOGGED_MODEL: Tags = Tags { table: "logged_model_tags", owner: &["model_id"] };
pub(super) const LOGGED_MODEL_PARAMS: Tags =
    Tags { table: "logged_model_params", owner: &["model_id"] };
pub(super) const MODEL: Tags = Tags { table: "model_tags", owner: &["model"] };
pub(super) const VERSION: Tags = Tags { table: "version_tags", owner: &["model", "version"] };

/// What an owner's columns hold, in their order.
pub(super) trait Owner: Copy {
    fn bind(self, sql: &mut Sql);
}

impl Owner for &str {
    fn bind(self, sql: &mut Sql) {
        sql.bind(self.to_owned());
    }
}

impl Owner for i64 {
    fn bind(self, sql: &mut Sql) {
        sql.bind(self);
    }
}

impl Owner for (&str, i64) {
    fn bind(self, sql: &mut Sql) {
        sql.bind(self.0.to_owned()).push(", ").bind(self.1);
    }
}

/// Rows of one statement. Each has at most four values, and SQLite and PostgreSQL take 32,766.
const ROWS: usize = 1_000;

impl Tags {
    /// Set keys to values; of a key that is given twice, the last counts.
    pub(super) async fn set(
        self,
        transaction: &mut Transaction<'_>,
        owner: impl Owner,
        pairs: &[(String, String)],
    ) -> Result<(), Failure> {
        let pairs: BTreeMap<&str, &str> =
            pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
        let owners = self.owner.join(", ");
        for rows in pairs.chunks(ROWS) {
            let mut sql =
                Sql::new(format!("INSERT INTO {} ({owners}, key, value) VALUES ", self.table));
            for (place, (key, value)) in rows.iter().enumerate() {
                sql.push(if place == 0 { "(" } else { ", (" });
                owner.bind(&mut sql);
                sql.push(", ").bind((*key).to_owned()).push(", ").bind((*value).to_owned());
                sql.push(")");
            }
            sql.push(format!(" ON CONFLICT ({owners}, key) DO UPDATE SET value = excluded.value"));
            sql.query().execute(&mut **transaction).await?;
        }
        Ok(())
    }

    /// Remove a key. False: there was none.
    pub(super) async fn remove(
        self,
        transaction: &mut Transaction<'_>,
        owner: impl Owner,
        key: &str,
    ) -> Result<bool, Failure> {
        let mut sql =
            Sql::new(format!("DELETE FROM {} WHERE ({}) = (", self.table, self.owner.join(", ")));
        owner.bind(&mut sql);
        sql.push(") AND key = ").bind(key.to_owned());
        Ok(sql.query().execute(&mut **transaction).await?.rows_affected() > 0)
    }
}
