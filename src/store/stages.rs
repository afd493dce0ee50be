//! Stages, by which clients that know no aliases tell versions apart.
//!
//! They are a note beside a version. What is live where says the log of moves, which no stage enters.

use std::fmt;
use std::str::FromStr;

use sqlx::Row as _;

use super::sql::{Row, Scope, Sql};
use super::{Failure, Store, versions};
use crate::registry::{ModelName, VersionNumber};
use crate::sys::clock;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    None,
    Staging,
    Production,
    Archived,
}

impl Stage {
    const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Do versions of this stage make way for another?
    fn is_active(self) -> bool {
        matches!(self, Self::Staging | Self::Production)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whatever its case, as MLflow reads it.
impl FromStr for Stage {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text)).ok_or_else(
            || {
                Failure::Invalid(format!(
                    "Invalid Model Version stage: {text}. Value must be one of None, Staging, \
                     Production, Archived."
                ))
            },
        )
    }
}

impl Store {
    /// Put a version into a stage; where asked, those that are in it go to the archive.
    pub(crate) async fn set_stage(
        &self,
        model: &ModelName,
        number: VersionNumber,
        stage: Stage,
        archive_others: bool,
    ) -> Result<(), Failure> {
        if archive_others && !stage.is_active() {
            return Err(Failure::Invalid(format!(
                "Model version transition cannot archive existing model versions because '{stage}' \
                 is not an Active stage. Valid stages are ['Staging', 'Production']"
            )));
        }
        let mut transaction = self.write(Scope::Model(model)).await?;
        versions::exists(&mut transaction, model, number).await?;
        let now = clock::now_ms();
        if archive_others {
            sqlx::query(
                "UPDATE versions SET updated_ms = $4 WHERE model = $1 AND version != $2 AND \
                 version IN (SELECT s.version FROM stages s WHERE s.model = $1 AND s.stage = $3)",
            )
            .bind(model.as_str())
            .bind(number.0 as i64)
            .bind(stage.as_str())
            .bind(now)
            .execute(&mut *transaction)
            .await?;
            sqlx::query(
                "UPDATE stages SET stage = 'Archived' \
                 WHERE model = $1 AND version != $2 AND stage = $3",
            )
            .bind(model.as_str())
            .bind(number.0 as i64)
            .bind(stage.as_str())
            .execute(&mut *transaction)
            .await?;
        }
        if stage == Stage::None {
            sqlx::query("DELETE FROM stages WHERE model = $1 AND version = $2")
                .bind(model.as_str())
                .bind(number.0 as i64)
                .execute(&mut *transaction)
                .await?;
        } else {
            sqlx::query(
                "INSERT INTO stages (model, version, stage) VALUES ($1, $2, $3) \
                 ON CONFLICT (model, version) DO UPDATE SET stage = excluded.stage",
            )
            .bind(model.as_str())
            .bind(number.0 as i64)
            .bind(stage.as_str())
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("UPDATE versions SET updated_ms = $3 WHERE model = $1 AND version = $2")
            .bind(model.as_str())
            .bind(number.0 as i64)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE models SET updated_ms = $2 WHERE name = $1")
            .bind(model.as_str())
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The latest version in each stage but `None`, of each of these models.
    pub(super) async fn latest_in_stages(
        &self,
        models: &[String],
    ) -> Result<Vec<(String, VersionNumber)>, Failure> {
        if models.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new("SELECT model, max(version) FROM stages WHERE model IN ");
        sql.bind_list(models.iter().cloned()).push(" GROUP BY model, stage");
        let found = sql.query().try_map(|row: Row| {
            Ok((row.try_get(0)?, VersionNumber(row.try_get::<i64, _>(1)? as u64)))
        });
        Ok(found.fetch_all(self.read()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_read_whatever_its_case() {
        assert_eq!("production".parse::<Stage>().ok(), Some(Stage::Production));
        assert_eq!("NONE".parse::<Stage>().ok(), Some(Stage::None));
        assert!("Dancing".parse::<Stage>().is_err());
    }
}
