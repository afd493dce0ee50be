use super::*;
use crate::store::DatasetField;

fn one(search: Search, filter: &str) -> Condition {
    let mut conditions = conditions(search, filter).unwrap_or_else(|why| panic!("{filter}: {why}"));
    assert_eq!(conditions.len(), 1, "{filter}");
    conditions.remove(0)
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[test]
fn filters_read_as_clients_write_them() {
    use Comparison::*;
    let attribute = |name: &str| Field::Attribute(name.into());
    let tag = |key: &str| Field::Tag(key.into());
    let param = |key: &str| Field::Param(key.into());
    let metric = |key: &str| Field::Metric(key.into());
    let texts = |texts: &[&str]| Value::Texts(texts.iter().map(|&text| text.into()).collect());
    let runs: &[(&str, Field, Comparison, Value)] = &[
        ("tags.`a key` = 'x'", tag("a key"), Equal, text("x")),
        ("tag.\"a key\" != \"it's\"", tag("a key"), NotEqual, text("it's")),
        ("tags.'a' = 'it''s'", tag("a"), Equal, text("it's")),
        ("tags.mlflow.user='ada'", tag("mlflow.user"), Equal, text("ada")),
        ("tags.`a.b` ILIKE 'A%'", tag("a.b"), ILike, text("A%")),
        ("`tags`.AND = 'AND'", tag("AND"), Equal, text("AND")),
        ("metrics.auc >= -0.5e-3", metric("auc"), GreaterOrEqual, Value::Number(-0.5e-3)),
        ("metric.`val/auc`<.5", metric("val/auc"), Less, Value::Number(0.5)),
        ("params.1x like \"a%\"", param("1x"), Like, text("a%")),
        ("parameters.depth IS NULL", param("depth"), IsNull, Value::Nothing),
        ("tags.t is  not null", tag("t"), IsNotNull, Value::Nothing),
        ("status = 'FINISHED'", attribute("status"), Equal, text("FINISHED")),
        ("attributes.`Run Name` = 'a'", attribute("run_name"), Equal, text("a")),
        ("run.created > 5", attribute("start_time"), Greater, Value::Number(5.0)),
        ("run_id in ('a', \"b\",)", attribute("run_id"), In, texts(&["a", "b"])),
        ("run_id NOT IN ('a')", attribute("run_id"), NotIn, texts(&["a"])),
        (
            "datasets.context IN ('train')",
            Field::Dataset(DatasetField::Context),
            In,
            texts(&["train"]),
        ),
        ("dataset.name LIKE 'a%'", Field::Dataset(DatasetField::Name), Like, text("a%")),
    ];
    for (filter, field, comparison, value) in runs {
        let expected =
            Condition { field: field.clone(), comparison: *comparison, value: value.clone() };
        assert_eq!(one(Search::Runs, filter), expected, "{filter}");
    }
    assert_eq!(one(Search::Experiments, "experiment_id IN ('1')").value, texts(&["1"]));
    assert_eq!(one(Search::Models, "name ilike '%Churn%'").comparison, ILike);
    for number in ["version_number = 1", "version_number = '1'"] {
        assert_eq!(one(Search::Versions, number).value, Value::Number(1.0));
    }
    assert_eq!(one(Search::LoggedModels, "params.lr = 0.01").value, text("0.01"));
    assert_eq!(one(Search::LoggedModels, "attributes.name IN ('a')").value, texts(&["a"]));
}

#[test]
fn conditions_are_joined_as_mlflow_joins_them() {
    for (filter, count) in [
        ("", 0),
        ("metrics.a > 1 AND params.b = 'c' and tags.d != 'e'", 3),
        ("metrics.a>1 AND\n\tparams.b='c'AND tags.d='e'", 3),
        ("metrics.a > 1 params.b = 'c'", 2),
        ("AND metrics.a > 1 AND AND params.b = 'c' AND", 2),
        ("AND", 0),
    ] {
        assert_eq!(
            conditions(Search::Runs, filter).map(|found| found.len()),
            Ok(count),
            "{filter}"
        );
    }
}

#[test]
fn what_is_not_understood_is_refused_in_mlflows_words() {
    for (search, filter, words) in [
        (Search::Runs, "  ", "Invalid filter '  '. Could not be parsed."),
        (Search::Runs, "metrics.a", "Invalid clause(s) in filter string: 'metrics.a'"),
        (Search::Runs, "metrics.a >", "Invalid clause(s) in filter string: 'metrics.a', '>'"),
        (Search::Runs, "= 1", "Invalid clause(s) in filter string: '=', '1'"),
        (
            Search::Runs,
            "metrics.a > 1 OR metrics.b > 1",
            "Invalid clause(s) in filter string: 'OR'",
        ),
        (Search::Runs, "(metrics.a > 1)", "Invalid clause(s) in filter string: '(metrics.a > 1)'"),
        (
            Search::Runs,
            "run_id IN 'a'",
            "Invalid clause(s) in filter string: 'run_id', 'IN', ''a''",
        ),
        (
            Search::Runs,
            "run_id IN ('a'",
            "Invalid clause(s) in filter string: 'run_id', 'IN', '(', ''a''",
        ),
        (Search::Runs, "tags.a = 'x", "Invalid clause(s) in filter string: 'tags.a', '='"),
        (
            Search::Runs,
            "metrics.a > 1; metrics.b > 1",
            "Search filter contained multiple expression 'metrics.a > 1; metrics.b > 1'. Provide AND-ed expression list.",
        ),
        (Search::Experiments, "name = 'a';", "Invalid clause(s) in filter string: ;"),
        (
            Search::Runs,
            "tags.my-tag = 'x'",
            "Invalid comparison clause. Expected 'Identifier' found 'tags.my-tag'",
        ),
        (
            Search::Runs,
            "colours.red = 'x'",
            "Invalid entity type 'colours'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
        ),
        (Search::Runs, "Tags.a = 'x'", "Invalid entity type 'Tags'."),
        (
            Search::Experiments,
            "attributes.name = 'x'",
            "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag', 'tags')",
        ),
        (
            Search::LoggedModels,
            "attribute.name = 'x'",
            "Invalid entity type: 'attribute'. Expected one of ['attributes', 'metrics', 'params', 'tags'].",
        ),
        (
            Search::Models,
            "description = 'x'",
            "Invalid attribute key 'description' specified. Valid keys are '{'name'}'",
        ),
        (Search::Runs, "datasets.source = 'x'", "Invalid dataset key 'source' specified."),
        (Search::Runs, "metrics.a = 'x'", "Expected numeric value type for metric. Found 'x'"),
        (Search::Runs, "metrics.a = b", "Expected numeric value type for metric. Found b"),
        (
            Search::Runs,
            "start_time > '5'",
            "Expected numeric value type for numeric attribute: start_time. Found '5'",
        ),
        (
            Search::Runs,
            "tags.a = 1",
            "Expected a quoted string value for tag (e.g. 'my-value'). Got value 1",
        ),
        (
            Search::Runs,
            "params.a = b",
            "Parameter value is either not quoted or unidentified quote types used for string value b. Use either single or double quotes.",
        ),
        (Search::Runs, "tags.a = `b`", "Parameter value is either not quoted"),
        (
            Search::Runs,
            "status IN ('a')",
            "Only ['run_id'] attributes support comparison with a list of quoted string values.",
        ),
        (
            Search::Runs,
            "run_id IN ()",
            "expected a non-empty list of string values, but got empty list",
        ),
        (Search::Runs, "run_id IN (1)", "but got different type in list"),
        (Search::Runs, "run_id IN ('a' 'b')", "but got ill-formed list."),
        (Search::Runs, "run_id IN (,)", "but got ill-formed list."),
        (Search::Runs, "run_id = ('a')", "Invalid comparator '=' not one of"),
        (
            Search::Runs,
            "params.a > 'b'",
            "Invalid comparator '>' not one of '{'!=', '=', 'ILIKE', 'LIKE', 'IS NOT NULL', 'IS NULL'}'",
        ),
        (Search::Runs, "tags.a == 'b'", "Invalid comparator '==' not one of"),
        (Search::Runs, "tags.a NOT LIKE 'b'", "Invalid comparator 'NOT LIKE' not one of"),
        (
            Search::Runs,
            "metrics.a LIKE 1",
            "Invalid comparator 'LIKE' not one of '{'!=', '<', '<=', '=', '>', '>='}'",
        ),
        (
            Search::Runs,
            "start_time IS NULL",
            "IS NULL / IS NOT NULL is only supported for tags and params, not for 'attribute' 'start_time'",
        ),
        (
            Search::Experiments,
            "name IS NULL",
            "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'",
        ),
        (Search::Versions, "name > 'a'", "Invalid comparator for attribute: >"),
        (Search::Versions, "tags.t > '0'", "Invalid comparator for tag: >"),
        (
            Search::LoggedModels,
            "name > 'a'",
            "Invalid comparison operator for attributes.name: '>'. Expected one of ('!=', '=',",
        ),
        (
            Search::LoggedModels,
            "name",
            "Invalid filter string: 'name'. Expected a list of comparisons separated by 'AND'",
        ),
        (
            Search::Runs,
            "name = 'x'; DROP TABLE runs",
            "Search filter contained multiple expression",
        ),
        (Search::Runs, "ü💥", "Invalid clause(s) in filter string: 'ü', '💥'"),
    ] {
        let said = conditions(search, filter).expect_err(filter);
        assert!(said.contains(words), "{filter}\n  said: {said}\n  not:  {words}");
    }
}

#[test]
fn orders_read_as_clients_write_them() {
    let by = |text| order(Search::Runs, text).map(|order| (order.field, order.descending));
    let metric = |key: &str| Field::Metric(key.into());
    assert_eq!(by("metrics.`val auc` DESC"), Ok((metric("val auc"), true)));
    assert_eq!(by("metric.a"), Ok((metric("a"), false)));
    assert_eq!(by("attributes.start_time asc"), Ok((Field::Attribute("start_time".into()), false)));
    assert_eq!(by("Created desc"), Ok((Field::Attribute("start_time".into()), true)));
    for (search, text, words) in [
        (Search::Runs, "", "Invalid order_by clause ''. Could not be parsed."),
        (
            Search::Runs,
            "metrics.a-b",
            "Invalid order_by clause 'metrics.a-b'. Could not be parsed.",
        ),
        (Search::Runs, "metrics.a, metrics.b", "Could not be parsed."),
        (
            Search::Runs,
            "metrics.a sideways",
            "Invalid ordering key in order_by clause 'metrics.a sideways'.",
        ),
        (Search::Runs, "attributes.foo", "Invalid attribute key 'foo' specified."),
        (Search::Runs, "datasets.name", "Invalid identifier type 'dataset'"),
        (Search::Experiments, "tags.a", "Invalid order_by entity: tag"),
        (Search::Versions, "source_path", "Invalid attribute key 'source_path' specified."),
    ] {
        let said = order(search, text).expect_err(text);
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn logged_models_are_ordered_by_parts() {
    let dataset = OfDataset { name: "d".into(), digest: None };
    let by = |field, dataset| logged_model_order(field, true, dataset).map(|order| order.field);
    assert_eq!(by("metrics.a.b", None), Ok(Field::Metric("a.b".into())));
    assert_eq!(by("metrics.a", Some(dataset.clone())), Ok(Field::MetricOn("a".into(), dataset)));
    assert_eq!(by("name", None), Ok(Field::Attribute("name".into())));
    for field in ["params.a", "attributes.name", "nothing", ""] {
        let said = by(field, None).expect_err(field);
        assert!(said.starts_with(&format!("Invalid order by field name: {field}")), "{said}");
    }
}

/// A search is asked by anybody: whatever they write is read to its end and never panics.
#[test]
fn no_text_breaks_it() {
    const PIECES: &[&str] = &[
        "tags",
        ".",
        "`",
        "\"",
        "'",
        " ",
        "=",
        "!",
        "<",
        "(",
        ")",
        ",",
        ";",
        "AND",
        "IN",
        "NOT",
        "NULL",
        "IS",
        "LIKE",
        "1",
        "-",
        "e",
        "a",
        "ü",
        "💥",
        "\0",
        "%",
        "\\",
        "''",
        "metrics.a",
        "run_id",
        "--",
        "/*",
    ];
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let text: String = (0..next(12)).map(|_| PIECES[next(PIECES.len())]).collect();
        for search in [Search::Runs, Search::Experiments, Search::Versions, Search::LoggedModels] {
            let _ = conditions(search, &text);
            let _ = order(search, &text);
        }
        let _ = logged_model_order(&text, false, None);
    }
}

/// A filter may be long, such as a list of many runs; one that is meant to hold up the server doesn't.
#[test]
fn long_texts_take_no_time() {
    let ids: Vec<_> = (0..20_000).map(|id| format!("'{id}'")).collect();
    let long = format!("run_id IN ({})", ids.join(", "));
    assert_eq!(conditions(Search::Runs, &long).map(|found| found.len()), Ok(1));
    for piece in ["(", "(')", "'", "''`", "\"`", "(()", "a.", "-", "1e", "a = (", "<", ";"] {
        let _ = conditions(Search::Runs, &piece.repeat(100_000));
        let _ = order(Search::Runs, &piece.repeat(100_000));
    }
}
