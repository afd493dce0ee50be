//! Who asks, and whether they may: every request passes here before it reaches its handler.

mod authenticate;
mod pages;
mod routes;
#[cfg(test)]
mod tests;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;

use super::failure::ApiError;
use crate::error::Error;
use crate::registry::access::{Need, Role, TokenRecord, allows};
use crate::store::Tokens;
use routes::Class;

pub(crate) use pages::Hosts;

/// How the router knows who asks.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Always this one: the operating system's user of the embedded registry.
    Is(String),
    /// Whoever the request says, where a server has no access control.
    Claimed(Hosts),
    /// Whose token the request carries.
    Tokens(Tokens),
}

/// Who asks. A handler takes it to name the actor of what it does, and to ask for a role that
/// depends on what the request says.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    User(String),
    /// Nobody was asked who they are; what they claim is taken.
    Unknown,
    /// Nobody, on a route that is open to all.
    Anyone,
    Holder(std::sync::Arc<TokenRecord>),
}

impl Caller {
    /// The actor of what is done: whom the registry knows it to be, and only where it knows
    /// nobody the one that the request says that it is from.
    pub(super) fn actor(&self, claimed: Option<&str>) -> String {
        match self {
            Self::User(name) => name.clone(),
            Self::Holder(record) => record.name.to_string(),
            Self::Unknown | Self::Anyone => match claimed.map(str::trim) {
                Some(claimed) if !claimed.is_empty() => claimed.to_owned(),
                _ => "anonymous".to_owned(),
            },
        }
    }

    /// Whether the registry knows who it is, and doesn't take their word for it.
    pub(super) fn token(&self) -> Option<&TokenRecord> {
        match self {
            Self::Holder(record) => Some(record),
            _ => None,
        }
    }

    /// Refuse what the caller's roles don't cover.
    pub(super) fn require(&self, need: Need<'_>) -> Result<(), ApiError> {
        match self {
            Self::User(_) | Self::Unknown => Ok(()),
            Self::Holder(record) if allows(&record.roles, need) => Ok(()),
            Self::Holder(record) => Err(short_of(record, &need.to_string())),
            Self::Anyone => Err(ApiError::unauthenticated("This needs a token of this registry.")),
        }
    }

    /// Refuse what no role of the caller's can cover, whatever the request says.
    fn require_class(&self, class: Class) -> Result<(), ApiError> {
        match class {
            Class::Public => Ok(()),
            Class::Known => match self {
                Self::Anyone => self.require(Need::Read),
                _ => Ok(()),
            },
            Class::Read => self.require(Need::Read),
            Class::Write => self.require(Need::Write),
            Class::Admin => self.require(Need::Administer),
            Class::Ask => match self {
                Self::Holder(record)
                    if !record.roles.iter().any(|role| !matches!(role, Role::Reader)) =>
                {
                    Err(short_of(record, "`writer`, or `promoter` of the environment"))
                }
                _ => self.require(Need::Read),
            },
            Class::Move | Class::Decide => match self {
                Self::Holder(record) if !record.roles.iter().any(may_move_something) => {
                    Err(short_of(record, "`promoter` of the environment"))
                }
                _ => self.require(Need::Read),
            },
        }
    }
}

fn may_move_something(role: &Role) -> bool {
    matches!(role, Role::Promoter { .. } | Role::Admin)
}

fn short_of(record: &TokenRecord, needed: &str) -> ApiError {
    let roles: Vec<_> = record.roles.iter().map(|role| format!("`{role}`")).collect();
    ApiError::forbidden(format!(
        "The token '{}' has the role {}, and this needs {needed}.",
        record.name,
        roles.join(", ")
    ))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| ApiError::Broken(Error::bug("a request passed that nobody looked at")))
    }
}

/// What came of looking at a request.
pub(super) struct Admission {
    pub caller: Caller,
    pub allowed: Result<(), ApiError>,
    /// Whether the route is one that only reads.
    pub reads: bool,
}

/// Let a request in, or say why not. Whatever it says of a token goes no further than this.
pub(super) async fn admit(identity: &Identity, request: &mut Request) -> Admission {
    let stated = request.headers_mut().remove(header::AUTHORIZATION);
    let class = class_of(request);
    let reads = matches!(class, Some(Class::Public | Class::Known | Class::Read));
    let known = match identity {
        Identity::Is(user) => Ok(Caller::User(user.clone())),
        Identity::Claimed(_) => Ok(Caller::Unknown),
        Identity::Tokens(tokens) => match authenticate::holder(tokens, stated.as_ref()).await {
            Ok(record) => Ok(Caller::Holder(record)),
            // A probe with a stale token is still answered.
            Err(_) if class == Some(Class::Public) => Ok(Caller::Anyone),
            Err(error) => Err(error),
        },
    };
    let caller = match known {
        Ok(caller) => caller,
        Err(error) => return Admission { caller: Caller::Anyone, allowed: Err(error), reads },
    };
    let allowed = pages::check(identity, request.headers()).and_then(|()| match class {
        Some(class) => caller.require_class(class),
        // There is no such route, or nobody said who may use it: the same answer, and to
        // those who are known alone.
        None => match &caller {
            Caller::Holder(_) => Err(ApiError::no_endpoint(request.method(), request.uri())),
            _ => Ok(()),
        },
    });
    Admission { caller, allowed, reads }
}

fn class_of(request: &Request) -> Option<Class> {
    let path = request.extensions().get::<MatchedPath>()?;
    let method = match request.method() {
        &Method::HEAD => &Method::GET,
        method => method,
    };
    routes::class(method, path.as_str())
}

/// Whoever is not known is told the ways to say who they are.
pub(super) fn challenge(response: &mut Response) {
    for way in ["Bearer realm=\"mlx\"", "Basic realm=\"mlx\", charset=\"UTF-8\""] {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(way));
    }
}
