//! Webhooks: made over MLflow's wire, told of changes by a real server.

use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{MLFLOW, Server, home, until};

const OPEN: &[&str] = &["--webhooks-allow", "private,http"];

const ALL: &[(&str, &str)] = &[
    ("REGISTERED_MODEL", "CREATED"),
    ("MODEL_VERSION", "CREATED"),
    ("MODEL_VERSION_TAG", "SET"),
    ("MODEL_VERSION_TAG", "DELETED"),
    ("MODEL_VERSION_ALIAS", "CREATED"),
    ("MODEL_VERSION_ALIAS", "DELETED"),
];

fn webhook(url: &str, events: &[(&str, &str)]) -> Value {
    let event = |(entity, action): &(&str, &str)| json!({ "entity": entity, "action": action });
    let events: Vec<_> = events.iter().map(event).collect();
    json!({ "name": "ci", "url": url, "events": events, "secret": "s3cret" })
}

/// The id of a new webhook.
#[track_caller]
fn create(server: &Server, url: &str, events: &[(&str, &str)]) -> String {
    let made = server.post(&format!("{MLFLOW}/webhooks"), &webhook(url, events));
    made["webhook"]["webhook_id"].as_str().expect("an id").to_owned()
}

#[test]
fn changes_arrive_signed_and_in_their_order() {
    let (home, receiver) = (home(), Receiver::content());
    let server = Server::start(&home, OPEN);
    create(&server, &receiver.url, ALL);
    server.create_model("churn");
    server.create_version("churn");
    let version = json!({ "name": "churn", "version": "1", "key": "k", "value": "ü" });
    server.post(&format!("{MLFLOW}/model-versions/set-tag"), &version);
    server.request("DELETE", &format!("{MLFLOW}/model-versions/delete-tag"), &version);
    server.post(
        "/api/mlx/1/models/churn/moves",
        &json!({
            "operation_id": "op", "kind": "promote", "environment": "production", "to": 1,
            "expect": null, "actor": "ada",
        }),
    );
    let alias = json!({ "name": "churn", "alias": "production" });
    server.request("DELETE", &format!("{MLFLOW}/registered-models/alias"), &alias);

    let received = receiver.wait_for(6);
    let events: Vec<_> = received.iter().map(super::receiver::Received::event).collect();
    assert_eq!(
        events,
        [
            "registered_model.created",
            "model_version.created",
            "model_version_tag.set",
            "model_version_tag.deleted",
            "model_version_alias.created",
            "model_version_alias.deleted",
        ]
    );
    for request in &received {
        assert_eq!(request.path, "/hook");
        assert!(request.is_signed_by("s3cret"), "{request:?}");
        assert!(!request.is_signed_by("another"));
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.json()["data"]["name"], "churn");
    }
    assert_eq!(received[2].json()["data"]["value"], "ü");
    let moved = received[4].json();
    assert_eq!(moved["data"], json!({ "name": "churn", "alias": "production", "version": "1" }));
    assert_eq!((&moved["mlx"]["kind"], &moved["mlx"]["actor"]), (&json!("promote"), &json!("ada")));
}

#[test]
fn what_fails_is_sent_again_under_the_same_id() {
    let home = home();
    let receiver = Receiver::start(|number, _| match number {
        0 => (500, "", ""),
        1 => (429, "retry-after: 2\r\n", ""),
        _ => (204, "", ""),
    });
    let server = Server::start(&home, OPEN);
    create(&server, &receiver.url, ALL);
    server.create_model("churn");
    server.create_version("churn");

    let received = receiver.wait_for(4);
    let first = &received[0];
    for again in &received[1..3] {
        assert_eq!((again.id(), &again.body), (first.id(), &first.body));
        assert!(again.is_signed_by("s3cret"));
    }
    let waited = received[2].at.duration_since(received[1].at);
    assert!(waited >= Duration::from_millis(1900), "it was asked to wait for 2 s: {waited:?}");
    assert_eq!(received[3].event(), "model_version.created", "it waits for what was before it");
    assert_ne!(received[3].id(), first.id());
    until("the counters say so", || {
        let metrics = server.metrics();
        metrics.contains("mlx_registry_webhook_deliveries_total{outcome=\"failed\"} 2")
            && metrics.contains("mlx_registry_webhook_deliveries_total{outcome=\"delivered\"} 2")
            && metrics.contains("mlx_registry_webhook_queue_length 0")
    });
}

#[test]
fn a_server_that_is_killed_delivers_once_it_is_back() {
    let home = home();
    // A port that was free a moment ago and is nobody's now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let server = Server::start(&home, OPEN);
    create(&server, &format!("http://127.0.0.1:{port}/hook"), ALL);
    server.create_model("churn");
    // Answered, so it is in the outbox, whether or not somebody tried to deliver it.
    server.kill();

    let receiver = Receiver::at(port);
    let _server = Server::start(&home, OPEN);
    let received = receiver.wait_for(1);
    assert_eq!(received[0].event(), "registered_model.created");
    assert_eq!(received[0].json()["data"]["name"], "churn");
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_stop_leaves_it_to_the_next() {
    let home = home();
    let receiver = Receiver::start(|number, _| {
        if number == 0 {
            // Longer than a server takes to stop.
            std::thread::sleep(Duration::from_secs(12));
        }
        (200, "", "")
    });
    let server = Server::start(&home, OPEN);
    create(&server, &receiver.url, ALL);
    server.create_model("churn");
    until("it is under way", || !receiver.received().is_empty());
    let stopping = std::time::Instant::now();
    server.stop();
    assert!(stopping.elapsed() < Duration::from_secs(8), "nobody waits for a receiver");

    let _server = Server::start(&home, OPEN);
    let received = receiver.wait_for(2);
    assert_eq!(received[0].id(), received[1].id());
    let waited = received[1].at.duration_since(received[0].at);
    assert!(waited < Duration::from_secs(25), "its claim was given back: {waited:?}");
}

#[test]
fn no_webhook_leads_to_where_the_server_alone_can_look() {
    let home = home();
    let server = Server::start(&home, &[]);
    for (url, words) in [
        ("http://example.com/", "not https"),
        ("https://127.0.0.1/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://127.1/", "private network"),
        ("https://localhost/", "private network"),
        ("https://169.254.169.254/latest/meta-data", "never go to"),
        ("https://name.invalid/", "cannot look up"),
        ("https://ada:pw@example.com/", "no user"),
    ] {
        let path = format!("{MLFLOW}/webhooks");
        let (status, answer) = server.request("POST", &path, &webhook(url, ALL));
        assert_eq!(status, 400, "{url}: {answer}");
        assert_eq!(answer["error_code"], "INVALID_PARAMETER_VALUE", "{url}: {answer}");
        assert!(answer["message"].as_str().expect("a text").contains(words), "{url}: {answer}");
    }
    drop(server);
    let server = Server::start(&home, OPEN);
    let metadata = webhook("http://169.254.169.254/latest", ALL);
    assert_eq!(server.request("POST", &format!("{MLFLOW}/webhooks"), &metadata).0, 400);
}

#[test]
fn what_is_allowed_no_longer_is_given_up_and_told() {
    let (home, receiver) = (home(), Receiver::content());
    let server = Server::start(&home, OPEN);
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    let id = create(&server, &by_name, ALL);
    drop(server);

    // Its address is looked at again when it is connected to.
    let server = Server::start(&home, &["--webhooks-allow", "http"]);
    server.create_model("churn");
    until("it is given up", || {
        server.metrics().contains("mlx_registry_webhook_deliveries_total{outcome=\"given_up\"} 1")
    });
    let log = home.read("log");
    assert!(log.contains("given up") && log.contains(&id), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    let path = format!("{MLFLOW}/webhooks/{id}/test");
    let tested = server.post(&path, &json!({}));
    assert_eq!(tested["result"]["success"], false, "{tested}");
    let why = tested["result"]["error_message"].as_str().expect("a text");
    assert!(why.contains("localhost is not allowed"), "{why}");
    assert!(receiver.received().is_empty());
}

#[test]
fn a_redirect_is_not_followed() {
    let home = home();
    let elsewhere = Receiver::content();
    let place: &'static str = Box::leak(format!("location: {}\r\n", elsewhere.url).into());
    let receiver = Receiver::start(move |_, _| (307, place, ""));
    let server = Server::start(&home, OPEN);
    create(&server, &receiver.url, ALL);
    server.create_model("churn");
    until("it is given up", || home.read("log").contains("it answered 307"));
    assert!(elsewhere.received().is_empty());
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_webhook_is_tried_out_with_an_example() {
    let home = home();
    let receiver = Receiver::start(|number, _| match number {
        0 => (200, "", "thanks"),
        _ => (503, "", "not now"),
    });
    let server = Server::start(&home, OPEN);
    let id = create(&server, &receiver.url, &[("MODEL_VERSION", "CREATED")]);
    let path = format!("{MLFLOW}/webhooks/{id}/test");
    let first = server.post(&path, &json!({}));
    assert_eq!(
        first["result"],
        json!({ "success": true, "response_status": 200, "response_body": "thanks" })
    );
    let event = json!({ "event": { "entity": "MODEL_VERSION_ALIAS", "action": "DELETED" } });
    let second = server.post(&path, &event);
    assert_eq!(
        second["result"],
        json!({ "success": false, "response_status": 503, "response_body": "not now" })
    );
    let received = receiver.received();
    let events: Vec<_> = received.iter().map(super::receiver::Received::event).collect();
    assert_eq!(events, ["model_version.created", "model_version_alias.deleted"]);
    assert!(received.iter().all(|request| request.is_signed_by("s3cret")));
}

#[test]
fn webhooks_are_made_changed_and_removed_and_their_secret_never_told() {
    let home = home();
    let server = Server::start(&home, OPEN);
    let path = format!("{MLFLOW}/webhooks");
    let made = server.post(&path, &webhook("https://1.1.1.1/a", ALL));
    let id = made["webhook"]["webhook_id"].as_str().expect("an id").to_owned();
    assert_eq!(made["webhook"]["status"], "ACTIVE");
    assert_eq!(
        made["webhook"]["events"][0],
        json!({ "entity": "REGISTERED_MODEL", "action": "CREATED" })
    );
    let one = format!("{path}/{id}");
    let (_, changed) = server.request(
        "PATCH",
        &one,
        &json!({ "description": "for CI", "status": "DISABLED", "secret": "n3w" }),
    );
    assert_eq!(changed["webhook"]["description"], "for CI");
    assert_eq!(changed["webhook"]["status"], "DISABLED");
    assert_eq!(changed["webhook"]["name"], "ci");
    server.post(&path, &webhook("https://1.1.1.1/b", ALL));
    let (_, page) = server.request("GET", &format!("{path}?max_results=1"), &json!({}));
    let token = page["next_page_token"].as_str().expect("a token");
    let (_, rest) =
        server.request("GET", &format!("{path}?max_results=1&page_token={token}"), &json!({}));
    assert_eq!(rest["webhooks"].as_array().map(Vec::len), Some(1));
    assert!(rest.get("next_page_token").is_none());
    let (_, shown) = server.request("GET", &one, &json!({}));
    for answer in [&made, &changed, &page, &rest, &shown] {
        let text = answer.to_string();
        assert!(!text.contains("s3cret") && !text.contains("n3w"), "{text}");
    }
    assert_eq!(server.request("DELETE", &one, &json!({})), (200, json!({})));
    for (method, path) in [
        ("GET", one.clone()),
        ("PATCH", one.clone()),
        ("DELETE", one.clone()),
        ("POST", format!("{one}/test")),
    ] {
        let (status, answer) = server.request(method, &path, &json!({}));
        assert_eq!((status, &answer["error_code"]), (404, &json!("RESOURCE_DOES_NOT_EXIST")));
    }
    let refused = |change: &dyn Fn(&mut Value), words: &str| {
        let mut body = webhook("https://1.1.1.1/", ALL);
        change(&mut body);
        let (status, answer) = server.request("POST", &path, &body);
        assert_eq!((status, &answer["error_code"]), (400, &json!("INVALID_PARAMETER_VALUE")));
        assert!(answer["message"].as_str().expect("a text").contains(words), "{answer}");
    };
    refused(&|body| body["name"] = json!("-"), "no name of a webhook");
    refused(&|body| body["name"] = json!(""), "required parameter 'name'");
    refused(&|body| body["url"] = json!(""), "required parameter 'url'");
    refused(&|body| body["events"] = json!([]), "required parameter 'events'");
    refused(&|body| body["status"] = json!("SLEEPING"), "no status of a webhook");
    refused(
        &|body| body["events"][0] = json!({ "entity": "PROMPT", "action": "CREATED" }),
        "no prompts",
    );
    refused(
        &|body| body["events"][0] = json!({ "entity": "BUDGET_POLICY", "action": "EXCEEDED" }),
        "no budgets",
    );
    refused(
        &|body| body["events"][0] = json!({ "entity": "MODEL_VERSION", "action": "SET" }),
        "no event of entity",
    );
    refused(&|body| body["secret"] = json!("x".repeat(1001)), "at most 1000 bytes");
    assert!(!home.read("log").contains("s3cret"));
}

/// The flow of MLflow's own client, by a script that ends with 0 if all of it held.
#[test]
fn the_client_of_mlflow_3_makes_webhooks_and_reads_their_signature() {
    let Some(python) = std::env::var_os("MLX_MLFLOW3_PYTHON") else {
        eprintln!("skipped: MLX_MLFLOW3_PYTHON names no Python with mlflow 3");
        return;
    };
    let home = home();
    let server = Server::start(&home, OPEN);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/webhooks.py");
    let output = std::process::Command::new(python)
        .arg(script)
        .env("MLFLOW_TRACKING_URI", &server.url)
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .expect("Python starts");
    assert!(
        output.status.success(),
        "{}{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        home.read("log")
    );
}
