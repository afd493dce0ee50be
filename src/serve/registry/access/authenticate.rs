//! From the `Authorization` header to the record of a token: Bearer, and Basic with the token as the password.

use std::sync::Arc;

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::registry::access::{Standing, Token, TokenRecord};
use crate::serve::registry::failure::ApiError;
use crate::store::Tokens;
use crate::sys::clock;

/// Whose token this is, if it is good.
pub(super) async fn holder(
    tokens: &Tokens,
    stated: Option<&HeaderValue>,
) -> Result<Arc<TokenRecord>, ApiError> {
    let stated = stated.ok_or_else(|| {
        ApiError::unauthenticated("This registry wants to know who asks: send a token of it.")
    })?;
    // Unknown, malformed and wrong are one answer; only its holder learns that a token ran out.
    let unknown = || ApiError::unauthenticated("The token is none of this registry's.");
    let token = token(stated).ok_or_else(unknown)?;
    let record = tokens.find(token.id()).await.map_err(ApiError::Broken)?;
    let record = record.filter(|record| record.is_of(&token)).ok_or_else(unknown)?;
    match record.standing(clock::now_ms()) {
        Standing::Good => Ok(record),
        Standing::Expired => {
            Err(ApiError::unauthenticated(format!("The token '{}' has expired.", record.name)))
        }
        Standing::Revoked => {
            Err(ApiError::unauthenticated(format!("The token '{}' was revoked.", record.name)))
        }
    }
}

/// The token of a header. Of Basic the user may be anything, for clients can't leave it out.
fn token(stated: &HeaderValue) -> Option<Token> {
    let (scheme, rest) = stated.to_str().ok()?.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return rest.parse().ok();
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (_user, password) = pair.split_once(':')?;
        return password.parse().ok();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_as_bearer_or_as_a_password() {
        let known = Token::new([1; 8], [2; 32]);
        let text = known.reveal();
        let of = |header: String| token(&HeaderValue::from_str(&header).expect("a header"));
        let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
        for header in [
            format!("Bearer {text}"),
            format!("bearer  {text} "),
            basic(format!("anna:{text}")),
            basic(format!(":{text}")),
        ] {
            assert_eq!(of(header.clone()), Some(known.clone()), "{header}");
        }
        for header in [
            text.to_owned(),
            format!("Token {text}"),
            "Bearer".into(),
            "Bearer x".into(),
            "Basic !!".into(),
            basic(text.to_owned()),
            basic(format!("{text}:")),
        ] {
            assert_eq!(of(header.clone()), None, "{header}");
        }
    }
}
