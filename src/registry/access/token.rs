//! Tokens: what their holder knows, and what is kept of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Role;
use crate::error::{Error, Result};

/// `mlxt_<16 hexadecimal digits>_<64 hexadecimal digits>`: an id, which is no secret, and 256 random bits.
///
/// The prefix is for scanners that look for secrets in code and logs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) const PREFIX: &str = "mlxt_";
    const ID: usize = 16;
    const SECRET: usize = 64;

    /// The token of these random bytes.
    pub(crate) fn new(id: [u8; 8], secret: [u8; 32]) -> Self {
        Self(format!("{}{}_{}", Self::PREFIX, hex::encode(id), hex::encode(secret)))
    }

    pub(crate) fn id(&self) -> &str {
        &self.0[Self::PREFIX.len()..Self::PREFIX.len() + Self::ID]
    }

    /// The token itself, for whoever shows it to its holder.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it: SHA-256 in lower-case hex. It needs no salt and no slow hash, for
    /// nobody guesses 256 random bits.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// By its shape alone. The error doesn't repeat the text, which may be some other secret.
impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_hex = |text: &str, length: usize| {
            text.len() == length
                && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let parts = text.strip_prefix(Self::PREFIX).and_then(|rest| rest.split_once('_'));
        match parts {
            Some((id, secret)) if is_hex(id, Self::ID) && is_hex(secret, Self::SECRET) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Error::user("that is not a token of an mlx registry").hint(format!(
                "they begin with `{}` and are {} characters long",
                Self::PREFIX,
                Self::PREFIX.len() + Self::ID + 1 + Self::SECRET
            ))),
        }
    }
}

/// Whose token it is, as events and the log name them: 1 to 100 of `a-z A-Z 0-9 _ - . @ +`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TokenName(String);

impl TokenName {
    /// What the log calls those of whom it knows nothing.
    const RESERVED: &str = "anonymous";

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@+".contains(&byte);
        if name == Self::RESERVED {
            return Err(Error::user(format!("`{name}` is what nobody in particular is called"))
                .hint("name a person or a machine, such as `anna@example.com` or `ci`"));
        }
        if (1..=100).contains(&name.len())
            && name.as_bytes()[0].is_ascii_alphanumeric()
            && name.bytes().all(plain)
        {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::user(format!("`{name}` cannot name a token"))
            .hint("use 1 to 100 letters, digits and `_-.@+`, such as `anna@example.com` or `ci`"))
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for TokenName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.0
    }
}

/// What a registry keeps of a token: everything but the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRecord {
    pub id: String,
    pub name: TokenName,
    pub roles: Vec<Role>,
    /// [`Token::digest`].
    pub digest: String,
    /// Milliseconds since 1970, as the others.
    pub created_ms: i64,
    /// None: never.
    pub expires_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

/// Whether a token is good at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Good,
    Expired,
    Revoked,
}

impl TokenRecord {
    /// Whether this is what is kept of `token`, in a time that doesn't depend on where they differ.
    pub(crate) fn is_of(&self, token: &Token) -> bool {
        self.digest.as_bytes().ct_eq(token.digest().as_bytes()).into()
    }

    pub(crate) fn standing(&self, now_ms: i64) -> Standing {
        if self.revoked_ms.is_some() {
            Standing::Revoked
        } else if self.expires_ms.is_some_and(|at| at <= now_ms) {
            Standing::Expired
        } else {
            Standing::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(token: &Token) -> TokenRecord {
        TokenRecord {
            id: token.id().to_owned(),
            name: "ci".parse().expect("a name"),
            roles: vec![Role::Reader],
            digest: token.digest(),
            created_ms: 0,
            expires_ms: Some(1000),
            revoked_ms: None,
        }
    }

    #[test]
    fn a_token_is_read_back_and_never_shown_by_accident() {
        let token = Token::new([1; 8], [0xab; 32]);
        assert_eq!(token.reveal().parse::<Token>().expect("a token"), token);
        assert_eq!(token.id(), "0101010101010101");
        assert_eq!(format!("{token:?}"), "***");
        assert!(!format!("{:?}", record(&token)).contains(&"ab".repeat(32)));
        for text in ["", "mlxt_", "hunter2", "mlxt_01_ab", &token.reveal().to_uppercase()] {
            let error = text.parse::<Token>().expect_err("no token");
            assert!(text.is_empty() || !error.message().contains(text), "{text}");
        }
    }

    #[test]
    fn a_record_knows_its_token_and_its_time() {
        let token = Token::new([1; 8], [2; 32]);
        let mut record = record(&token);
        assert!(record.is_of(&token));
        assert!(!record.is_of(&Token::new([1; 8], [3; 32])));
        assert_eq!(record.standing(999), Standing::Good);
        assert_eq!(record.standing(1000), Standing::Expired);
        record.revoked_ms = Some(5);
        assert_eq!(record.standing(10), Standing::Revoked);
        record.expires_ms = None;
        record.revoked_ms = None;
        assert_eq!(record.standing(i64::MAX), Standing::Good);
    }

    #[test]
    fn names_fit_into_a_line_of_a_log() {
        for name in ["ci", "anna@example.com", "a+b.c-d_1"] {
            assert!(name.parse::<TokenName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "a\nb", "anonymous", "ü", "-x", &"a".repeat(101)] {
            assert!(name.parse::<TokenName>().is_err(), "{name}");
        }
    }
}
