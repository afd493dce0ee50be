//! The three templates inside the binary, from `templates/`.

use std::collections::BTreeMap;

use super::{Template, TemplateFile, generate};
use crate::data::Task;

/// The template of a task; with `example`, its generated data too.
pub(crate) fn template(task: Task, example: bool) -> Template {
    let settings = match task {
        Task::Classification => include_str!("../../templates/classification/mlx.toml.j2"),
        Task::Forecasting => include_str!("../../templates/forecasting/mlx.toml.j2"),
        Task::Ranking => include_str!("../../templates/ranking/mlx.toml.j2"),
    };
    let mut files = vec![file("mlx.toml", settings, "what the project is; start here")];
    if example {
        let data = generate::example(task);
        files.push(TemplateFile {
            path: data.path.to_owned(),
            content: data.content.into_bytes(),
            rendered: false,
            executable: false,
            why: format!("{} rows of invented data", data.rows),
        });
    }
    files.extend([
        file(
            "README.md",
            include_str!("../../templates/common/README.md.j2"),
            "the way from data to production, and what each file is for",
        ),
        file(
            ".gitignore",
            include_str!("../../templates/common/gitignore.j2"),
            "keeps runs out of git",
        ),
        file(
            ".github/workflows/model.yml",
            include_str!("../../templates/common/model.yml.j2"),
            "trains and evaluates on every push",
        ),
    ]);
    Template { name: task.name().to_owned(), task: Some(task), variables: BTreeMap::new(), files }
}

fn file(path: &str, content: &str, why: &str) -> TemplateFile {
    TemplateFile {
        path: path.to_owned(),
        content: content.as_bytes().to_vec(),
        rendered: true,
        executable: false,
        why: why.to_owned(),
    }
}
