//! The policies, and what events say of those that they satisfied.

use std::collections::BTreeMap;

use super::super::Failure;
use super::super::policies::{COLUMNS, revision};
use super::super::sql::{Sql, Transaction};
use super::Verification;
use super::log::Logs;
use crate::registry::Policy;

/// Every policy against its digest, and every event's policy against the revision that it names.
pub(super) async fn check(
    snapshot: &mut Transaction<'_>,
    logs: &Logs,
    found: &mut Verification,
) -> Result<(), Failure> {
    let rows =
        Sql::new(format!("SELECT {COLUMNS} FROM policies ORDER BY environment, models, revision"))
            .query()
            .fetch_all(&mut **snapshot)
            .await?;
    let mut digests = BTreeMap::new();
    for row in rows {
        let revision = match revision(row) {
            Ok(revision) => revision,
            Err(error) => {
                found.problems.push(format!("a policy cannot be read: {error}"));
                continue;
            }
        };
        let digest = revision.policy.as_ref().map(Policy::digest).unwrap_or_default();
        if digest != revision.digest {
            found.problems.push(format!(
                "revision {} of {} is not what its digest says: it was changed",
                revision.revision,
                revision.named()
            ));
        }
        digests.insert((revision.environment, revision.models, revision.revision), revision.digest);
    }
    for event in logs.values().flatten() {
        let (Some(environment), Some(policy)) = (&event.environment, &event.policy) else {
            continue;
        };
        let named = (environment.clone(), policy.models.clone(), policy.revision);
        if digests.get(&named) != Some(&policy.digest) {
            found.problems.push(format!(
                "event {} of `{}` satisfied revision {} of the policy of {environment} for {}, \
                 which is not there as it was",
                event.sequence, event.model, policy.revision, policy.models
            ));
        }
    }
    Ok(())
}
