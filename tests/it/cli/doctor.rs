//! `mlx doctor`.

use crate::support::Home;

#[test]
fn a_missing_data_file_is_a_red_line_with_a_remedy() {
    let home = Home::new();
    home.write(
        "churn/mlx.toml",
        "[project]\nname = \"churn\"\ntask = \"classification\"\n\n[data]\ntrain = \"gone.csv\"\ntarget = \"y\"\n",
    );
    let answer = home.mlx_in("churn", "doctor").fails_with(1);
    let project: Vec<_> = answer
        .stdout()
        .lines()
        .skip_while(|line| !line.contains("project"))
        .map(str::to_owned)
        .collect();
    insta::assert_snapshot!(project.join("\n"), @"
    ok      project   churn (classification) in [HOME]/churn
    broken  project   the data file gone.csv is not there
                      try: mend data.train and data.test in mlx.toml, or bring the file back
    note    project   not trained yet: no mlx.lock
                      try: mlx train

    1 broken
    ");
}

#[test]
fn a_clean_home_has_nothing_broken() {
    let home = Home::new();
    let checks = home.mlx("doctor --json").ok().json()["checks"].clone();
    let areas: Vec<_> =
        checks.as_array().expect("checks").iter().map(|check| check["area"].clone()).collect();
    for area in ["mlx", "devices", "registry", "project"] {
        assert!(areas.contains(&area.into()), "{area}");
    }
}

#[test]
fn a_registry_that_does_not_answer_is_named() {
    let home = Home::new();
    // Port 9 of the loopback has no listener here.
    let answer = home.mlx("doctor --registry http://127.0.0.1:9").fails_with(1);
    assert!(answer.stdout().contains("127.0.0.1:9"), "{}", answer.show());
}
