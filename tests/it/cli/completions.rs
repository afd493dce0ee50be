//! `mlx completions` and the scripts of `completions/`.

use std::path::Path;

use crate::support::Home;

const SCRIPTS: &[(&str, &str)] =
    &[("bash", "mlx.bash"), ("zsh", "_mlx"), ("fish", "mlx.fish"), ("powershell", "mlx.ps1")];

#[test]
fn the_scripts_in_the_repository_are_what_the_binary_prints() {
    let home = Home::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, file) in SCRIPTS {
        let printed = home.mlx(&format!("completions {shell}")).ok().stdout();
        let path = folder.join(file);
        if std::env::var_os("MLX_REWRITE").is_some() {
            std::fs::write(&path, &printed).expect("a writable repository");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            kept, printed,
            "completions/{file} is out of date: `just completions` writes it anew"
        );
    }
}

#[test]
fn an_unknown_shell_is_named() {
    insta::assert_snapshot!(Home::new().mlx("completions fsh").show(), @"
    exit 2
    --- stderr
    error: no completions for a shell named `fsh`
      try: did you mean `fish`?
    ");
}

/// What bash's script asks when the last of `words` is being typed.
fn completed(home: &Home, folder: &str, words: &[&str]) -> Vec<String> {
    let output = home
        .command_in(folder)
        .env("COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", (words.len()).to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true")
        .args(["--", "mlx"])
        .args(words)
        .output()
        .expect("mlx starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn verbs_and_flags_complete_at_the_prompt() {
    let home = Home::new();
    assert_eq!(completed(&home, "", &["roll"]), ["rollback"]);
    assert!(completed(&home, "", &["promote", "--t"]).contains(&"--to".to_owned()));
}
