//! The README's road, typed line by line.

use crate::support::Home;

#[test]
fn the_road_works_in_the_order_in_which_it_is_told() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.expect("the README");
    let road = readme.split_once("## The road").expect("its heading").1;
    let road = road.split_once("```sh\n").expect("a block").1;
    let road = road.split_once("```").expect("its end").0;

    let home = Home::new();
    super::train::project(&home);
    home.write("customers.csv", home.read("churn/data/train.csv"));
    std::fs::remove_dir_all(home.join("churn")).expect("a folder");
    let mut folder = "";
    let mut typed = 0;
    for line in road.lines() {
        let line = line.split(" #").next().expect("a split gives one").trim();
        for command in line.split(" && ") {
            if let Some(entered) = command.strip_prefix("cd ") {
                folder = entered;
                continue;
            }
            let words = command.strip_prefix("mlx ").expect("a command of mlx");
            // The whole budget of a run would teach nothing here.
            let short = if words == "train" { " -q --max-epochs 12 --device cpu" } else { "" };
            home.mlx_in(folder, &format!("{words}{short}")).ok();
            typed += 1;
        }
    }
    assert!(typed >= 10, "{road}");
    let live = home.mlx("models show churn --json").ok().json();
    assert_eq!(live["environments"]["production"], 1);
}
