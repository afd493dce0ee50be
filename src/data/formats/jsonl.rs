//! JSON lines: one object a line, a column for every key that any of them has.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::check_names;
use crate::data::raw::{Raw, RawColumn, RawTable};
use crate::data::storage::{Input, read_failed};
use crate::data::texts::Texts;
use crate::error::{Error, Result};

#[derive(Default)]
struct Building {
    name: String,
    cells: Texts,
    texts: bool,
    others: bool,
}

pub(super) fn read(input: Input) -> Result<RawTable> {
    let (name, stream) = input.stream();
    let mut reader = BufReader::new(stream);
    let mut columns: Vec<Building> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let (mut line, mut number, mut rows) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(|error| read_failed(&name, &error))? == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let object = match serde_json::from_slice(&line) {
            Ok(Value::Object(object)) => object,
            Ok(other) => return Err(not_an_object(&name, number, &other)),
            Err(error) => return Err(not_json(&name, number, &line, &error)),
        };
        for (key, value) in object {
            let at = *places.entry(key).or_insert_with_key(|key| {
                columns.push(Building { name: key.clone(), ..Building::default() });
                columns.len() - 1
            });
            let column = &mut columns[at];
            column.cells.pad(rows);
            match value {
                Value::Null => column.cells.push_missing(),
                Value::String(text) => {
                    column.texts = true;
                    column.cells.push(text.trim());
                }
                Value::Bool(_) | Value::Number(_) => {
                    column.others = true;
                    column.cells.push_display(value);
                }
                Value::Array(_) | Value::Object(_) => {
                    let what = format!("row {} column `{}` holds {value}", rows + 1, column.name);
                    return Err(Error::file("read", &name, what).hint(
                        "a cell is a text, a number, true, false or null: flatten the rest first",
                    ));
                }
            }
        }
        rows += 1;
    }
    check_names(&name, columns.iter().map(|column| column.name.as_str()))?;
    let columns = columns
        .into_iter()
        .map(|mut column| {
            column.cells.pad(rows);
            let text = column.texts && !column.others;
            RawColumn { name: column.name, raw: Raw::Texts(column.cells.finish()), text }
        })
        .collect();
    Ok(RawTable { columns, rows, decimal: None })
}

fn not_an_object(name: &Path, line: usize, value: &Value) -> Error {
    let what = match value {
        Value::Array(_) => "an array",
        Value::String(_) => "a text",
        _ => "a value",
    };
    Error::file("read", name, format!("line {line} is {what}, not an object"))
        .hint("JSON lines have one object a line: `jq -c '.[]' FILE` makes them of an array")
}

fn not_json(name: &Path, line: usize, text: &[u8], error: &serde_json::Error) -> Error {
    let why = error.to_string();
    // serde counts lines inside the one line that it was given.
    let why = why.split(" at line ").next().unwrap_or_default();
    let error = Error::file(
        "read",
        name,
        format!("line {line} is not JSON: {why} at column {}", error.column()),
    );
    if line == 1 && text.trim_ascii() == b"[" || text.trim_ascii() == b"{" {
        return error
            .hint("JSON lines have one object a line: `jq -c '.[]' FILE` makes them of an array");
    }
    error.hint("mend the line, or leave it out")
}
