//! Every role against every route of the router.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::routes::{Class, TABLE};
use super::*;
use crate::registry::access::Token;
use crate::serve::registry::router;
use crate::store::Store;
use crate::sys::clock;

/// Method and path of every route that the router has, read off how axum prints it.
fn routes_of(router: &Router) -> BTreeSet<(String, String)> {
    let text = format!("{router:?}");
    let text = text.split("fallback_router:").next().expect("a split gives one");
    let (mut methods, mut paths) = (BTreeMap::new(), BTreeMap::new());
    for part in text.split("RouteId(").skip(1) {
        let (id, rest) = part.split_once("): ").expect("an id is followed by what it is of");
        if let Some(path) = rest.strip_prefix('"') {
            paths.insert(id, path.split('"').next().expect("a split gives one"));
        } else {
            let allowed = rest.split_once("allow_header: Bytes(b\"").expect("its methods").1;
            methods.insert(id, allowed.split('"').next().expect("a split gives one"));
        }
    }
    assert!(paths.len() > 40, "axum prints its routes in another way: {text}");
    let of_path = |(id, path): (&&str, &&str)| {
        let methods = methods[id].split(',').filter(|method| *method != "HEAD");
        methods.map(|method| (method.to_owned(), (*path).to_owned())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

async fn store(folder: &Path) -> Store {
    Store::open(folder).await.expect("a store")
}

#[tokio::test]
async fn every_route_is_in_the_table_and_every_entry_is_a_route() {
    let folder = tempfile::tempdir().expect("a folder");
    let routes = routes_of(&router(store(folder.path()).await, Identity::Claimed(Hosts::Any)));
    let entry = |&(method, mount, path, _): &(&str, &str, &str, _)| {
        (method.to_owned(), format!("{mount}{path}"))
    };
    let table: BTreeSet<_> = TABLE.iter().map(entry).collect();
    assert_eq!(table.len(), TABLE.len(), "an entry is there twice");
    let lacking: Vec<_> = routes.difference(&table).collect();
    assert!(lacking.is_empty(), "`routes::TABLE` says of no role for {lacking:?}");
    let stale: Vec<_> = table.difference(&routes).collect();
    assert!(stale.is_empty(), "`routes::TABLE` tells of {stale:?}, which the router has not");
}

/// A registry with a token of each kind.
struct Guarded {
    router: Router,
    tokens: Tokens,
    _folder: tempfile::TempDir,
}

impl Guarded {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path()).await;
        let tokens = Tokens::in_database(store.clone());
        let router = router(store, Identity::Tokens(tokens.clone()));
        Self { router, tokens, _folder: folder }
    }

    async fn token(&self, number: u8, roles: &[&str], expires_ms: Option<i64>) -> Token {
        let token = Token::new([number; 8], [number; 32]);
        let record = TokenRecord {
            id: token.id().to_owned(),
            name: format!("holder-{number}").parse().expect("a name"),
            roles: roles.iter().map(|role| role.parse().expect("a role")).collect(),
            digest: token.digest(),
            created_ms: 0,
            expires_ms,
            revoked_ms: None,
        };
        self.tokens.add(&record, false, clock::now_ms()).await.expect("added");
        token
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: &Value,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Body::from(body.to_string())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let asked = response.headers().get_all(header::WWW_AUTHENTICATE).iter().count();
        assert_eq!(asked, if status == StatusCode::UNAUTHORIZED { 2 } else { 0 }, "{path}");
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

/// What any route may want to read, about this environment of this model.
fn request_about(path: &str, environment: &str, model: &str) -> (String, Value) {
    let mut filled = path.to_owned();
    for (parameter, value) in [
        ("{name}", model),
        ("{model}", model),
        ("{environment}", environment),
        ("{version}", "1"),
        ("{id}", "x"),
        ("{key}", "x"),
        ("{request}", "x"),
        ("{*path}", "0/x"),
    ] {
        filled = filled.replace(parameter, value);
    }
    assert!(!filled.contains('{'), "what shall stand in the place of the parameters of {path}?");
    let body = json!({
        "name": model, "alias": environment, "version": "1", "environment": environment, "to": 1,
        "expect": null, "kind": "promote", "operation_id": "x", "key": "k", "value": "v",
    });
    (filled, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_at_each_route() {
    let guarded = Guarded::new().await;
    let hour = clock::now_ms() + 3_600_000;
    let revoked = guarded.token(101, &["admin"], Some(hour)).await;
    guarded.tokens.revoke(revoked.id(), 1).await.expect("revoked");
    let expired = guarded.token(102, &["admin"], Some(1)).await;
    // Whoever knows an id and not the secret.
    let forged = Token::new([2; 8], [9; 32]);
    let mut callers: Vec<(String, Option<Vec<&str>>)> = vec![
        (String::new(), None),
        ("Bearer nonsense".into(), None),
        (format!("Bearer {}", Token::new([99; 8], [99; 32]).reveal()), None),
        (format!("Bearer {}", forged.reveal()), None),
        (format!("Bearer {}", revoked.reveal()), None),
        (format!("Bearer {}", expired.reveal()), None),
    ];
    for (number, roles) in [
        vec!["reader"],
        vec!["writer"],
        vec!["promoter:staging:churn"],
        vec!["promoter:production"],
        vec!["writer", "promoter:stag*:fr?ud"],
        vec!["admin"],
    ]
    .into_iter()
    .enumerate()
    {
        let token =
            guarded.token(1 + number as u8, &roles, number.is_multiple_of(2).then_some(hour)).await;
        callers.push((format!("Bearer {}", token.reveal()), Some(roles.clone())));
        let basic = STANDARD.encode(format!("anybody:{}", token.reveal()));
        callers.push((format!("Basic {basic}"), Some(roles)));
    }

    let mut cells = 0;
    for &(method, mount, path, class) in TABLE {
        for (authorization, roles) in &callers {
            for (environment, model) in
                [("staging", "churn"), ("production", "churn"), ("staging", "fraud")]
            {
                let (path, body) = request_about(&format!("{mount}{path}"), environment, model);
                let stated = Some(authorization.as_str()).filter(|text| !text.is_empty());
                let (status, answer) = guarded.ask(method, &path, stated, &body).await;
                let expected = expected(class, roles.as_deref(), environment, model);
                let cell =
                    format!("{method} {path} of {environment} as {roles:?}: {status} {answer}");
                match expected {
                    None => assert!(!matches!(status.as_u16(), 401 | 403 | 500..), "{cell}"),
                    Some(refusal) => {
                        assert_eq!(status, refusal, "{cell}");
                        let code = match refusal {
                            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
                            _ => "PERMISSION_DENIED",
                        };
                        assert_eq!(answer["error_code"], code, "{cell}");
                    }
                }
                cells += 1;
            }
        }
    }
    assert!(cells >= 18 * 3 * 50, "{cells}");
}

/// The refusal that a caller of these roles is to get, written down apart from the code that gives it.
fn expected(
    class: Class,
    roles: Option<&[&str]>,
    environment: &str,
    model: &str,
) -> Option<StatusCode> {
    let Some(roles) = roles else {
        return (class != Class::Public).then_some(StatusCode::UNAUTHORIZED);
    };
    let has = |role: &str| roles.contains(&role);
    let allowed = match class {
        Class::Public | Class::Known | Class::Read => true,
        Class::Write => has("writer") || has("admin"),
        Class::Admin => has("admin"),
        // Of which environment, the stored request says.
        Class::Decide => has("admin") || roles.iter().any(|role| role.starts_with("promoter")),
        Class::Ask => roles.iter().any(|role| *role != "reader"),
        Class::Move => {
            has("admin")
                || (has("promoter:production") && environment == "production")
                || (has("promoter:staging:churn") && (environment, model) == ("staging", "churn"))
                || (has("promoter:stag*:fr?ud") && (environment, model) == ("staging", "fraud"))
        }
    };
    (!allowed).then_some(StatusCode::FORBIDDEN)
}

#[tokio::test]
async fn a_route_that_is_not_there_is_told_to_those_alone_who_are_known() {
    let guarded = Guarded::new().await;
    let token = guarded.token(1, &["reader"], None).await;
    let bearer = format!("Bearer {}", token.reveal());
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api/2.0/mlflow/nothing"),
        ("GET", "/api/2.0/mlflow/runs/create"),
        ("PATCH", "/health"),
        ("OPTIONS", "/api/mlx/1/whoami"),
    ] {
        let (status, _) = guarded.ask(method, path, None, &Value::Null).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        let (status, answer) = guarded.ask(method, path, Some(&bearer), &Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer["error_code"], "ENDPOINT_NOT_FOUND", "{path}");
    }
}

#[tokio::test]
async fn the_holder_of_a_token_is_who_acts_whatever_the_request_says() {
    let guarded = Guarded::new().await;
    let token = guarded.token(1, &["writer"], Some(i64::MAX)).await;
    let bearer = format!("Bearer {}", token.reveal());
    let (status, me) = guarded.ask("GET", "/api/mlx/1/whoami", Some(&bearer), &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(me, json!({ "name": "holder-1", "roles": ["writer"], "expires_ms": i64::MAX }));
    let body = json!({ "experiment_id": "0", "user_id": "somebody-else" });
    let (status, made) =
        guarded.ask("POST", "/api/2.0/mlflow/runs/create", Some(&bearer), &body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(made["run"]["info"]["user_id"], "holder-1");
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let router = router(store(folder.path()).await, Identity::Claimed(Hosts::Local));
    let status = async |host: &str, origin: Option<&str>| {
        let mut request = Request::builder().uri("/api/2.0/mlflow/registered-models/search");
        request = request.header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let request = request.body(Body::empty()).expect("a request");
        router.clone().oneshot(request).await.expect("an answer").status().as_u16()
    };
    assert_eq!(status("127.0.0.1:5000", None).await, 200);
    assert_eq!(status("localhost:5000", Some("http://localhost:5000")).await, 200);
    assert_eq!(status("127.0.0.1:5000", Some("https://evil.example")).await, 403);
    assert_eq!(status("evil.example:5000", None).await, 403);
}
