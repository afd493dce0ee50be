//! Variables that are named like mlx's own and are none: a typo should not pass in silence.

use super::env;
use super::known::Known;
use super::layers::VARIABLES;
use crate::error::closest;

const PREFIX: &str = "MLX_";

/// A sentence for each variable that is set, begins with `MLX_`, and is read by nobody.
pub(crate) fn unknown() -> Vec<String> {
    let mut names: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !is_known(name))
        .collect();
    names.sort_unstable();
    names.iter().map(|name| format!("mlx reads no variable `{name}`{}", meant(name))).collect()
}

fn is_known(name: &str) -> bool {
    env::OURS.contains(&name) || env::DEVELOPMENT.contains(&name)
}

fn meant(name: &str) -> String {
    let word = &name[PREFIX.len()..];
    // Named for its key, as other tools do it.
    let key =
        Known::of_project().leaves().find(|key| key.replace('.', "_").eq_ignore_ascii_case(word));
    if let Some(key) = key {
        return match VARIABLES.iter().find(|(_, known)| *known == key) {
            Some((variable, _)) => format!(": did you mean `{variable}`?"),
            None => format!(": set `{key}` in mlx.toml, or by `--set {key}=…`"),
        };
    }
    // The prefix is alike in all, and says nothing of how near they are.
    let ours = env::OURS.iter().map(|name| &name[PREFIX.len()..]);
    closest(word, ours).map_or(String::new(), |near| format!(": did you mean `{PREFIX}{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_a_variable_or_a_key() {
        assert_eq!(meant("MLX_TRAIN_SEED"), ": did you mean `MLX_SEED`?");
        assert_eq!(meant("MLX_SED"), ": did you mean `MLX_SEED`?");
        assert_eq!(meant("MLX_REGISTRY"), ": did you mean `MLX_REGISTRY_URL`?");
        assert_eq!(
            meant("MLX_TRAIN_PATIENCE"),
            ": set `train.patience` in mlx.toml, or by `--set train.patience=…`"
        );
        assert_eq!(meant("MLX_QQQ"), "");
    }

    /// `NAME` of every `const …: &str = "NAME";` in `env.rs`.
    fn named_in_env() -> Vec<&'static str> {
        include_str!("env.rs")
            .lines()
            .filter_map(|line| line.split_once(": &str = \"")?.1.strip_suffix("\";"))
            .collect()
    }

    #[test]
    fn what_tests_and_benches_read_is_known() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut read = std::collections::BTreeSet::new();
        for folder in ["tests", "benches"] {
            let files = glob::glob(&root.join(folder).join("**/*.rs").to_string_lossy());
            for file in files.expect("a pattern").flatten() {
                let text = std::fs::read_to_string(file).expect("a source file");
                for (at, _) in text.match_indices("(\"MLX_") {
                    // What a test sets for the binary is not what it reads, nor are words of a message.
                    let said = ["env", "expect", "json!"];
                    if !said.iter().any(|said| text[..at].ends_with(said)) {
                        read.extend(text[at + 2..].split(['"', '=']).next().map(str::to_owned));
                    }
                }
            }
        }
        assert!(read.contains("MLX_SHARED"), "{read:?}");
        read.retain(|name| !is_known(name));
        assert!(read.is_empty(), "`env::DEVELOPMENT` lacks {read:?}");
    }

    #[test]
    fn every_variable_is_in_the_list_and_in_the_readme() {
        let named = named_in_env();
        assert!(named.len() > 10, "{named:?}");
        let ours: Vec<&str> =
            named.iter().copied().filter(|name| name.starts_with(PREFIX)).collect();
        assert_eq!(ours, env::OURS);
        let readme = include_str!("../../README.md");
        let section =
            readme.split("## Variables").nth(1).and_then(|rest| rest.split("\n## ").next());
        let section = section.expect("README.md has a section of variables");
        let listed: Vec<&str> = section
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
            .collect();
        // What a shell or a session sets for itself is no setting.
        let missing: Vec<_> = named
            .iter()
            .filter(|name| {
                let sessions = ["PATH", "COMPLETE", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"];
                !listed.contains(name) && !sessions.contains(name)
            })
            .collect();
        assert!(missing.is_empty(), "README.md does not list {missing:?}");
        let stale: Vec<_> = listed.iter().filter(|name| !named.contains(name)).collect();
        assert!(stale.is_empty(), "README.md lists {stale:?}, which mlx does not read");
    }
}
