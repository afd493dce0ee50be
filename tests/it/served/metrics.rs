//! `/metrics`: what Prometheus would read of it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{MLFLOW, Server, client, home};

/// The samples of a text, by name and labels, as a strict reader finds them: each of a family that was
/// declared before it, none twice.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut families = BTreeMap::new();
    let mut described = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a text");
            described.insert(name.to_owned(), help.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            let name = series.split('{').next().expect("a name");
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let of_histogram =
                |name: &&str| families.get(*name).is_some_and(|kind| kind == "histogram");
            let family = base.filter(of_histogram).unwrap_or(name);
            let kind = families.get(family).unwrap_or_else(|| panic!("no type: {line}"));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    assert_eq!(
        families.keys().collect::<Vec<_>>(),
        described.keys().collect::<Vec<_>>(),
        "every family has a type and a help"
    );
    samples
}

#[test]
fn requests_moves_and_bytes_are_counted_by_what_they_are() {
    let home = home();
    let server = Server::start(&home, &[]);
    server.create_model("churn");
    server.create_version("churn");
    for path in ["/nowhere/at/all", "/nor/here"] {
        server.request("GET", path, &json!({}));
    }
    server.request("BREW", "/health", &json!({}));
    let file = {
        let (_, files) =
            server.request("GET", "/api/mlx/1/models/churn/versions/1/files", &json!({}));
        files["files"][0]["size_bytes"].as_f64().expect("a size")
    };
    let version = format!("{MLFLOW}/model-versions/get-download-uri?name=churn&version=1");
    let (_, uri) = server.request("GET", &version, &json!({}));
    let place = uri["artifact_uri"].as_str().expect("a place").replace("mlflow-artifacts:/", "");
    let path = format!("/api/2.0/mlflow-artifacts/artifacts/{place}/weights");
    assert_eq!(server.request("GET", &path, &json!({})).0, 200);
    let wanted = |operation: &str, to: u64, expect: Option<u64>| {
        json!({
            "operation_id": operation, "kind": "promote", "environment": "production", "to": to,
            "expect": expect, "actor": "ada",
        })
    };
    let moves = "/api/mlx/1/models/churn/moves";
    assert_eq!(server.request("POST", moves, &wanted("a", 1, None)).0, 200);
    assert_eq!(server.request("POST", moves, &wanted("b", 1, None)).0, 409);
    assert_eq!(server.request("POST", moves, &wanted("c", 9, Some(1))).0, 404);

    let text = server.metrics();
    let samples = samples(&text);
    let count = |series: &str| *samples.get(series).unwrap_or_else(|| panic!("{series}\n{text}"));
    let requests = |route: &str, method: &str, status: &str| {
        count(&format!(
            "mlx_registry_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
        ))
    };
    let files = "/api/2.0/mlflow-artifacts/artifacts/{*path}";
    assert_eq!(requests("/api/2.0/mlflow/registered-models/create", "POST", "2xx"), 1.0);
    assert_eq!(requests(files, "PUT", "2xx"), 1.0);
    assert_eq!(requests(files, "GET", "2xx"), 1.0);
    assert_eq!(requests("/api/mlx/1/models/{name}/moves", "POST", "2xx"), 1.0);
    assert_eq!(requests("/api/mlx/1/models/{name}/moves", "POST", "4xx"), 2.0);
    assert_eq!(requests("none", "GET", "4xx"), 2.0);
    assert!(!text.contains("nowhere") && !text.contains("BREW") && !text.contains("churn"));
    let took = "mlx_registry_http_request_duration_seconds_count{route=\"/api/mlx/1/models/{name}/moves\",method=\"POST\"}";
    assert_eq!(count(took), 3.0);
    assert_eq!(count("mlx_registry_http_requests_in_flight"), 1.0, "this very one");

    assert_eq!(count("mlx_registry_artifact_bytes_total{direction=\"received\"}"), file);
    assert_eq!(count("mlx_registry_artifact_bytes_total{direction=\"sent\"}"), file);
    for outcome in ["won", "conflict", "refused"] {
        let series = format!("mlx_registry_moves_total{{kind=\"promote\",outcome=\"{outcome}\"}}");
        assert_eq!(count(&series), 1.0);
    }
    assert_eq!(count("mlx_registry_database_up"), 1.0);
    assert_eq!(count("mlx_registry_webhook_queue_length"), 0.0);
    assert!(count("mlx_registry_database_connections{pool=\"reader\",state=\"idle\"}") >= 1.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(count(&format!("mlx_registry_build_info{{version=\"{version}\"}}")), 1.0);
    assert!(count("process_start_time_seconds") > 1.7e9);
}

#[test]
fn prometheus_is_answered_in_the_words_it_asks_for() {
    let home = home();
    let server = Server::start(&home, &[]);
    let answer = client()
        .get(format!("{}/metrics", server.url))
        .header(
            "accept",
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
        )
        .send()
        .expect("an answer");
    let kind = answer.headers()["content-type"].to_str().expect("a text").to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().expect("a text");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# UNIT process_start_time_seconds seconds\n"), "{text}");

    let plain = client().get(format!("{}/metrics", server.url)).send().expect("an answer");
    assert_eq!(plain.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
}
