//! `mlx tour`: everything that it does stays in its sandbox.

use crate::support::Home;

#[test]
fn the_tour_leaves_a_home_as_it_was() {
    let home = Home::new();
    let temporary = tempfile::tempdir().expect("a folder");
    let mut command = home.command_in("");
    // A home that can't be written: `root` may write to any folder, and nobody into a file.
    command.env("HOME", home.write("home", "")).env("TMPDIR", temporary.path());
    let answer = home.answer(command.args(["tour", "--template", "classification", "--json"])).ok();
    let steps = answer.json()["steps"].as_array().expect("steps").len();
    assert_eq!(steps, 12, "{}", answer.show());
    assert_eq!(home.read("home"), "");
    let left = std::fs::read_dir(temporary.path()).expect("a folder").count();
    assert_eq!(left, 0, "the sandbox is gone");
}
