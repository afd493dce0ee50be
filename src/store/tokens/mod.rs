//! Tokens, hashed: in a file of their own, or in the registry's database, where every server finds them.

mod file;
mod table;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::Store;
use crate::error::{Error, Result};
use crate::registry::access::{Standing, TokenName, TokenRecord};

/// How old what is known may be. A token that was revoked elsewhere is good for so long.
const FRESH: Duration = Duration::from_secs(2);
/// The same for an id that is not known: one who just got a token is not told that it is wrong, and
/// one who guesses doesn't make us read all the time, but waits.
const FRESH_ENOUGH: Duration = Duration::from_millis(200);

/// Where tokens are kept, and those that were there a moment ago. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    place: Place,
    known: Arc<RwLock<Known>>,
    /// Held by the one that reads them again.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Table(Store),
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<String, Arc<TokenRecord>>,
    /// None: never read.
    read: Option<Instant>,
    /// The file's state when it was read.
    state: Option<file::State>,
}

impl Tokens {
    pub(crate) fn in_file(path: PathBuf) -> Self {
        Self::at(Place::File(path))
    }

    pub(crate) fn in_database(store: Store) -> Self {
        Self::at(Place::Table(store))
    }

    fn at(place: Place) -> Self {
        Self { place, known: Arc::default(), reading: Arc::default() }
    }

    /// All of them as they are now, in the order in which they were made.
    pub(crate) async fn all(&self) -> Result<Vec<TokenRecord>> {
        match &self.place {
            Place::File(path) => file::read(path),
            Place::Table(store) => table::read(store).await,
        }
    }

    /// Keep another. A name that has a good token already gets a second one only if it is `another`.
    pub(crate) async fn add(&self, record: &TokenRecord, another: bool, now_ms: i64) -> Result<()> {
        let admit = |records: &[TokenRecord]| {
            let same = |old: &&TokenRecord| {
                old.name == record.name && old.standing(now_ms) == Standing::Good
            };
            match records.iter().find(same) {
                Some(old) if !another => Err(Error::user(format!(
                    "there is a token named `{}` already: {}",
                    old.name, old.id
                ))
                .hint(format!(
                    "revoke it first: `mlx registry token revoke {}`; or make a second one, to change them without a gap: `--another`",
                    old.id
                ))),
                _ => Ok(()),
            }
        };
        match &self.place {
            Place::File(path) => file::change(path, |records| {
                admit(records)?;
                records.push(record.clone());
                Ok(())
            }),
            Place::Table(store) => table::add(store, record, admit).await,
        }
    }

    /// Revoke the token of this id, or all good ones of this name, and answer which those were.
    pub(crate) async fn revoke(&self, id_or_name: &str, now_ms: i64) -> Result<Vec<TokenRecord>> {
        let name = id_or_name.parse::<TokenName>().ok();
        let meant = |record: &TokenRecord| {
            record.standing(now_ms) == Standing::Good
                && (record.id == id_or_name || Some(&record.name) == name.as_ref())
        };
        let revoked = match &self.place {
            Place::File(path) => {
                let mut revoked = vec![];
                file::change(path, |records| {
                    for record in records.iter_mut().filter(|record| meant(record)) {
                        record.revoked_ms = Some(now_ms);
                        revoked.push(record.clone());
                    }
                    Ok(())
                })?;
                revoked
            }
            Place::Table(store) => table::revoke(store, meant, now_ms).await?,
        };
        if revoked.is_empty() {
            return Err(Error::user(format!(
                "no good token is named `{id_or_name}` or has that id"
            ))
            .hint("see which there are: `mlx registry token list`"));
        }
        Ok(revoked)
    }

    /// The record of this id, as it was at most a moment ago.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Arc<TokenRecord>>> {
        let (mut found, mut age) = self.look(id);
        if let (None, Some(known)) = (&found, age)
            && known < FRESH_ENOUGH
        {
            // It may have been made since; nobody is told that theirs is wrong by what is older.
            tokio::time::sleep(FRESH_ENOUGH.saturating_sub(known)).await;
            (found, age) = self.look(id);
        }
        if found.is_some() && age.is_some_and(|age| age < FRESH) {
            return Ok(found);
        }
        // While one reads, the others go by what is known; where nothing is, they wait.
        let _reading = match (age, self.reading.try_lock()) {
            (Some(_), Err(_)) if found.is_some() => return Ok(found),
            (_, Ok(guard)) => guard,
            (_, Err(_)) => self.reading.lock().await,
        };
        let (_, now) = self.look(id);
        if now.is_none_or(|now| now >= FRESH_ENOUGH) {
            self.read_again(age.is_some()).await?;
        }
        Ok(self.look(id).0)
    }

    fn look(&self, id: &str) -> (Option<Arc<TokenRecord>>, Option<Duration>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.by_id.get(id).cloned(), known.read.map(|at| at.elapsed()))
    }

    /// Where they can't be read, those of the last time stay good: a file that is being mended
    /// must not lock everybody out. The log says so each time.
    async fn read_again(&self, once_read: bool) -> Result<()> {
        let state = match &self.place {
            Place::File(path) => file::State::of(path),
            Place::Table(_) => None,
        };
        let unchanged = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.read.is_some() && state.is_some() && known.state == state
        };
        let read = if unchanged { None } else { Some(self.all().await) };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            None => {}
            Some(Ok(records)) => {
                let by_id = |record: TokenRecord| (record.id.clone(), Arc::new(record));
                known.by_id = records.into_iter().map(by_id).collect();
                known.state = state;
            }
            Some(Err(error)) if once_read => {
                tracing::error!("the tokens of the last reading stay good: {error}");
            }
            Some(Err(error)) => return Err(error),
        }
        known.read = Some(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::access::{Role, Token};

    fn record(number: u8, name: &str) -> TokenRecord {
        let token = Token::new([number; 8], [number; 32]);
        TokenRecord {
            id: token.id().to_owned(),
            name: name.parse().expect("a name"),
            roles: vec![Role::Writer, "promoter:staging:churn-*".parse().expect("a role")],
            digest: token.digest(),
            created_ms: i64::from(number),
            expires_ms: number.is_multiple_of(2).then_some(1_900_000_000_123),
            revoked_ms: None,
        }
    }

    #[tokio::test]
    async fn tokens_are_kept_named_once_and_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("registry")).await.expect("a store");
        let file = folder.path().join("tokens.toml");
        for tokens in [Tokens::in_file(file), Tokens::in_database(store)] {
            let (one, two) = (record(1, "ci"), record(2, "anna@example.com"));
            tokens.add(&one, false, 10).await.expect("added");
            tokens.add(&two, false, 10).await.expect("added");
            assert_eq!(tokens.all().await.expect("read"), [one.clone(), two.clone()]);
            assert_eq!(tokens.find(&two.id).await.expect("read").as_deref(), Some(&two));

            let error = tokens.add(&record(3, "ci"), false, 10).await.expect_err("a second");
            assert!(error.message().contains("`ci` already"), "{error}");
            tokens.add(&record(3, "ci"), true, 10).await.expect("another");
            let revoked = tokens.revoke("ci", 20).await.expect("revoked");
            assert_eq!(revoked.len(), 2);
            assert!(tokens.revoke("ci", 30).await.is_err());
            let kept = tokens.all().await.expect("read");
            assert_eq!(
                kept.iter().map(|kept| kept.revoked_ms).collect::<Vec<_>>(),
                [Some(20), None, Some(20)]
            );
            // A name whose tokens are all gone may be given again.
            tokens.add(&record(4, "ci"), false, 30).await.expect("added");
            assert_eq!(tokens.revoke(&record(4, "ci").id, 40).await.expect("revoked").len(), 1);
        }
    }

    #[tokio::test]
    async fn a_server_learns_of_changes_and_survives_a_broken_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        let (server, admin) = (Tokens::in_file(path.clone()), Tokens::in_file(path.clone()));
        let (one, two) = (record(1, "ci"), record(2, "anna"));
        assert!(server.find(&one.id).await.is_err(), "there is no file");
        admin.add(&one, false, 10).await.expect("added");
        assert!(server.find(&one.id).await.expect("read").is_some());
        admin.add(&two, false, 10).await.expect("added");
        tokio::time::sleep(FRESH_ENOUGH).await;
        assert!(server.find(&two.id).await.expect("read").is_some());
        admin.revoke("ci", 20).await.expect("revoked");
        tokio::time::sleep(FRESH).await;
        let found = server.find(&one.id).await.expect("read").expect("kept");
        assert_eq!(found.revoked_ms, Some(20));

        std::fs::write(&path, "half a fi").expect("written");
        tokio::time::sleep(FRESH).await;
        assert!(server.find(&two.id).await.expect("what was known").is_some());
    }
}
