//! `mlx registry token create|list|revoke`.

use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::cli::Globals;
use crate::cli::registry::{TokenCommand, TokenCreateArgs, TokenPlaceArgs};
use crate::error::{Error, ExitCode, Result};
use crate::outcome::token::{
    TokenCreateOutcome, TokenListOutcome, TokenRevokeOutcome, TokenSummary,
};
use crate::registry::access::{Role, Token, TokenName, TokenRecord};
use crate::settings;
use crate::settings::serve::TokenPlace;
use crate::store::{Store, Tokens};
use crate::sys::clock;
use crate::ui::Ui;

pub(super) async fn token(globals: &Globals, command: TokenCommand, ui: &Ui) -> Result<ExitCode> {
    match command {
        TokenCommand::Create(args) => ui.answer(&create(globals, args).await?),
        TokenCommand::List(args) => {
            let (tokens, place) = open(globals, &args.place).await?;
            let now = clock::now_ms();
            let tokens = tokens.all().await?;
            let tokens = tokens.iter().map(|record| TokenSummary::new(record, now)).collect();
            ui.answer(&TokenListOutcome { place, tokens })
        }
        TokenCommand::Revoke(args) => {
            let (tokens, place) = open(globals, &args.place).await?;
            let now = clock::now_ms();
            let revoked = tokens.revoke(&args.token, now).await?;
            let revoked = revoked.iter().map(|record| TokenSummary::new(record, now)).collect();
            ui.answer(&TokenRevokeOutcome { place, revoked })
        }
    }
}

async fn create(globals: &Globals, args: TokenCreateArgs) -> Result<TokenCreateOutcome> {
    let name: TokenName = settings::typed(&args.name)?;
    let roles: Vec<Role> =
        args.roles.iter().map(|role| settings::typed(role)).collect::<Result<_>>()?;
    let now_ms = clock::now_ms();
    let expires_ms = match args.expires.as_str() {
        "never" => None,
        text => {
            let lasting = clock::parse_duration(text).map_err(Error::into_usage)?;
            if lasting.is_zero() {
                return Err(Error::usage("a token that is good for no time is good for nothing"));
            }
            Some(now_ms.saturating_add(i64::try_from(lasting.as_millis()).unwrap_or(i64::MAX)))
        }
    };
    let (tokens, place) = open(globals, &args.place).await?;
    let token = Token::new(random()?, random()?);
    let record = TokenRecord {
        id: token.id().to_owned(),
        name,
        roles,
        digest: token.digest(),
        created_ms: now_ms,
        expires_ms,
        revoked_ms: None,
    };
    tokens.add(&record, args.another, now_ms).await?;
    Ok(TokenCreateOutcome { place, token, made: TokenSummary::new(&record, now_ms) })
}

/// The tokens of the flags, and where they are.
async fn open(globals: &Globals, args: &TokenPlaceArgs) -> Result<(Tokens, String)> {
    let place = args.auth.as_deref().map(|auth| TokenPlace::new(globals, auth)).transpose()?;
    match place {
        Some(TokenPlace::File(path)) => {
            if super::is_said(&args.registry) {
                return Err(Error::usage("`--auth FILE` and a registry name two places for tokens")
                    .hint("give the one that the server was given: tokens in its file, or in its database"));
            }
            Ok((Tokens::in_file(path.clone()), path.display().to_string()))
        }
        Some(TokenPlace::Database) | None => {
            let place = super::place(globals, &args.registry)?;
            Ok((Tokens::in_database(Store::open_at(&place).await?), place.to_string()))
        }
    }
}

/// Bytes that nobody can guess.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| {
        Error::user(format!("the operating system has no random bytes: {error}"))
    })?;
    Ok(bytes)
}
