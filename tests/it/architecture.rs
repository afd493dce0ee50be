//! Who may use whom: the table of ARCHITECTURE.md, held against the `use crate::…` lines of `src/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may use; everyone may use `error`.
const ROOMS: &[(&str, &str)] = &[
    ("cli", ""),
    ("sys", ""),
    ("metrics", ""),
    ("engine", ""),
    ("registry", ""),
    ("trees", ""),
    ("data", "sys"),
    ("scaffold", "sys data"),
    ("model", "data engine trees sys"),
    ("api", "registry"),
    ("train", "model data engine trees metrics sys"),
    ("bench", "data engine model train trees"),
    ("eval", "model data metrics sys"),
    ("remote", "api registry sys"),
    ("store", "registry sys"),
    ("serve", "api registry store model data sys"),
    ("outcome", "registry eval train data"),
    ("ui", "outcome train"),
    ("settings", "cli data model train eval registry scaffold sys ui"),
    ("commands", "*"),
];

#[test]
fn rooms_use_only_what_the_table_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut broken = Vec::new();
    let mut seen = 0;
    for file in rust_files(&source) {
        let inside = file.strip_prefix(&source).expect("a file of src");
        let mut parts =
            inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let room = parts.next().expect("a name").trim_end_matches(".rs").to_owned();
        if ["main", "lib", "error"].contains(&room.as_str()) {
            continue;
        }
        let allowed =
            rooms.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` is not in the table"));
        let text = std::fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            for used in used_rooms(line) {
                seen += 1;
                let fine = used == room
                    || used == "error"
                    || *allowed == "*"
                    || allowed.split_whitespace().any(|name| name == used);
                if !fine {
                    broken.push(format!(
                        "{}:{}: `{room}` uses `{used}`",
                        inside.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} uses seen: the reader is broken");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The rooms after `crate::` in a line of code.
fn used_rooms(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .map(|(at, found)| {
            code[at + found.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .filter(|name: &String| !name.is_empty())
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
