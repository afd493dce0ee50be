//! The operating system's keyring, which may not be there and must not hold anybody up.
//!
//! A keyring is asked in a thread of its own: one that is locked waits for somebody to unlock it,
//! and where nobody sits before the machine that is for ever.

use std::sync::mpsc;
use std::time::Duration;

use keyring::{Entry, Error as Refusal};

use super::secret::Secret;

/// Under which all of ours stand.
const SERVICE: &str = "mlx";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyring {
    patience: Duration,
}

impl Keyring {
    /// `attended`: somebody may unlock it.
    pub(crate) fn new(attended: bool) -> Self {
        Self { patience: Duration::from_secs(if attended { 60 } else { 5 }) }
    }

    /// Keep a secret under this name. An error says why the keyring does not.
    pub(crate) fn keep(self, name: &str, secret: &Secret) -> Result<(), String> {
        let secret = secret.clone();
        self.ask(name, move |entry| entry.set_password(secret.reveal()))
    }

    pub(crate) fn look_up(self, name: &str) -> Result<Secret, String> {
        self.ask(name, |entry| entry.get_password().map(Secret::new))
    }

    /// Forget a secret; one that is not there is forgotten.
    pub(crate) fn forget(self, name: &str) -> Result<(), String> {
        self.ask(name, |entry| match entry.delete_credential() {
            Err(Refusal::NoEntry) => Ok(()),
            done => done,
        })
    }

    fn ask<T: Send + 'static>(
        self,
        name: &str,
        question: impl FnOnce(&Entry) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, String> {
        let name = name.to_owned();
        let (answer, answered) = mpsc::channel();
        std::thread::spawn(move || {
            let said = Entry::new(SERVICE, &name).and_then(|entry| question(&entry));
            // Who asked may have given up.
            let _ = answer.send(said.map_err(|refusal| shown(&refusal)));
        });
        answered.recv_timeout(self.patience).unwrap_or_else(|_| {
            Err(format!("it did not answer within {} seconds", self.patience.as_secs()))
        })
    }
}

/// Some of their errors carry what was read, which must not get into a message.
fn shown(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoEntry => "it holds no such entry".into(),
        Refusal::NoDefaultStore => match Entry::store_status() {
            Err(cause) => cause.to_string(),
            Ok(()) => "there is none".into(),
        },
        Refusal::BadEncoding(_) => "the entry is not text".into(),
        Refusal::Ambiguous(_) => "it holds several such entries".into(),
        other => other.to_string(),
    }
}
