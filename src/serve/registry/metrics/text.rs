//! The two spellings of metrics: OpenMetrics for whoever asks for it, as Prometheus does, and
//! Prometheus' older text for all others.

use axum::http::{HeaderMap, header};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type and the text that a client takes, of a text of OpenMetrics.
pub(super) fn negotiated(headers: &HeaderMap, open: String) -> (&'static str, String) {
    let asked = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/openmetrics-text"));
    if asked { (OPEN_METRICS, open) } else { (PLAIN, plain(&open)) }
}

/// In the older text a family is named as its samples are: with `_total` and `_info`. It has no
/// units, no info and no end.
fn plain(open: &str) -> String {
    let types: Vec<(&str, &str)> =
        open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let renamed = |name: &str| match types.iter().find(|(known, _)| *known == name) {
        Some((_, "counter")) => format!("{name}_total"),
        Some((_, "info")) => format!("{name}_info"),
        _ => name.to_owned(),
    };
    let mut text = String::with_capacity(open.len() + 1024);
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                text.push_str(&format!("# HELP {} {help}", renamed(name)));
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let kind = if kind == "info" { "gauge" } else { kind };
                text.push_str(&format!("# TYPE {} {kind}", renamed(name)));
            }
            (Some("#"), ..) => continue,
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "# HELP a_requests Requests.\n# TYPE a_requests counter\n\
        a_requests_total{route=\"/x # y\"} 1\n# HELP b_bytes Bytes.\n# TYPE b_bytes gauge\n\
        # UNIT b_bytes bytes\nb_bytes 2\n# HELP c What.\n# TYPE c info\nc_info{v=\"1\"} 1\n# EOF\n";

    #[test]
    fn whoever_asks_for_nothing_gets_the_older_text() {
        let (kind, text) = negotiated(&HeaderMap::new(), OPEN.to_owned());
        assert_eq!(kind, PLAIN);
        insta::assert_snapshot!(text, @r#"
        # HELP a_requests_total Requests.
        # TYPE a_requests_total counter
        a_requests_total{route="/x # y"} 1
        # HELP b_bytes Bytes.
        # TYPE b_bytes gauge
        b_bytes 2
        # HELP c_info What.
        # TYPE c_info gauge
        c_info{v="1"} 1
        "#);
        let mut headers = HeaderMap::new();
        let asked = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.4";
        headers.insert(header::ACCEPT, asked.parse().expect("a header's value"));
        assert_eq!(negotiated(&headers, OPEN.to_owned()), (OPEN_METRICS, OPEN.to_owned()));
    }
}
