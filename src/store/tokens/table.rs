//! Tokens in the registry's database.

use sqlx::Row as _;

use crate::error::Result;
use crate::registry::access::TokenRecord;
use crate::store::sql::{Row, Scope, Transaction};
use crate::store::{Failure, Store};

const SELECT: &str = "SELECT id, name, roles, digest, created_ms, expires_ms, revoked_ms \
     FROM tokens ORDER BY created_ms, id";

pub(super) async fn read(store: &Store) -> Result<Vec<TokenRecord>> {
    let rows = sqlx::query(SELECT).try_map(record).fetch_all(store.read()).await;
    rows.map_err(|error| Failure::from(error).into_error())
}

pub(super) async fn add(
    store: &Store,
    record: &TokenRecord,
    admit: impl FnOnce(&[TokenRecord]) -> Result<()>,
) -> Result<()> {
    let added = async {
        let mut transaction = store.write(Scope::Tokens).await?;
        admit(&all(&mut transaction).await?)?;
        let roles: Vec<_> = record.roles.iter().map(ToString::to_string).collect();
        sqlx::query(
            "INSERT INTO tokens (id, name, roles, digest, created_ms, expires_ms, revoked_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(record.id.clone())
        .bind(record.name.as_str().to_owned())
        .bind(roles.join(" "))
        .bind(record.digest.clone())
        .bind(record.created_ms)
        .bind(record.expires_ms)
        .bind(record.revoked_ms)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok::<_, Failure>(())
    };
    added.await.map_err(Failure::into_error)
}

/// Revoke all that are `meant`, and answer them.
pub(super) async fn revoke(
    store: &Store,
    meant: impl Fn(&TokenRecord) -> bool,
    now_ms: i64,
) -> Result<Vec<TokenRecord>> {
    let revoked = async {
        let mut transaction = store.write(Scope::Tokens).await?;
        let mut revoked = all(&mut transaction).await?;
        revoked.retain(meant);
        for record in &mut revoked {
            record.revoked_ms = Some(now_ms);
            sqlx::query("UPDATE tokens SET revoked_ms = $1 WHERE id = $2")
                .bind(now_ms)
                .bind(record.id.clone())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok::<_, Failure>(revoked)
    };
    revoked.await.map_err(Failure::into_error)
}

async fn all(transaction: &mut Transaction<'_>) -> Result<Vec<TokenRecord>, Failure> {
    Ok(sqlx::query(SELECT).try_map(record).fetch_all(&mut **transaction).await?)
}

fn record(row: Row) -> Result<TokenRecord, sqlx::Error> {
    let decode = |error: crate::error::Error| sqlx::Error::Decode(Box::new(error));
    let roles: String = row.try_get(2)?;
    Ok(TokenRecord {
        id: row.try_get(0)?,
        name: row.try_get::<String, _>(1)?.parse().map_err(decode)?,
        roles: roles.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(decode)?,
        digest: row.try_get(3)?,
        created_ms: row.try_get(4)?,
        expires_ms: row.try_get(5)?,
        revoked_ms: row.try_get(6)?,
    })
}
