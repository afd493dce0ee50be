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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, DataSettings, LoadRequest, Means};
    use crate::scaffold::{Content, Context, ProjectContext, place, render};

    #[test]
    fn every_template_has_data_that_loads_as_its_settings_say() {
        let home = tempfile::tempdir().unwrap();
        for task in [Task::Classification, Task::Forecasting, Task::Ranking] {
            let project = ProjectContext {
                name: "x".into(),
                owner: Some("\"a\" team".into()),
                id: "1".into(),
            };
            let context = Context::example("new", task, project);
            let files = render(&template(task, true), &context).unwrap();
            let folder = home.path().join(task.name());
            place::new_folder(&folder, &files, |_| Ok(())).unwrap();

            let Content::Bytes(settings) = &files[0].content else { panic!("mlx.toml is text") };
            let settings: toml::Table = String::from_utf8_lossy(settings).parse().unwrap();
            assert_eq!(settings["project"]["owner"].as_str(), Some("\"a\" team"));
            let data: DataSettings = settings["data"].clone().try_into().unwrap();
            let request = LoadRequest {
                task,
                settings: &data,
                columns: &BTreeMap::new(),
                root: &folder,
                means: &Means::default(),
            };
            let dataset = data::load(&request).unwrap();
            for (name, part) in
                [("train", &dataset.train), ("valid", &dataset.valid), ("test", &dataset.test)]
            {
                assert!(part.rows > 50, "{task:?} {name}: {} rows", part.rows);
            }
            // Nothing that the reader would have to warn a newcomer of.
            assert_eq!(dataset.notices, Vec::<String>::new(), "{task:?}");
        }
    }
}
