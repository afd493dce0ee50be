//! Small projects to spoil.

use std::fmt::Write as _;

use crate::support::Home;

pub const SETTINGS: &str = r#"[project]
id = "one-project"
name = "churn"
task = "classification"

[data]
train = "train.csv"
target = "churned"
id = "customer"

[model]
kind = "mlp"

[train]
device = "cpu"
max_epochs = 1
"#;

/// Sixty customers: an id, a number, a category, and whether they left.
pub fn customers() -> String {
    let mut text = String::from("customer,age,plan,churned\n");
    for row in 0..60 {
        text += &customer(row);
    }
    text
}

pub fn customer(row: usize) -> String {
    let plan = ["basic", "pro", "max"][row % 3];
    let churned = if row * 7 % 10 < 3 { "yes" } else { "no" };
    format!("c{row},{},{plan},{churned}\n", 20 + row * 13 % 41)
}

/// A project that trains as it is.
pub fn project() -> Home {
    with_data(customers())
}

pub fn with_data(train: impl AsRef<[u8]>) -> Home {
    let home = Home::new();
    home.write("churn/mlx.toml", SETTINGS);
    home.write("churn/train.csv", train);
    home
}

/// The project with another word in its `mlx.toml`.
pub fn with_settings(from: &str, to: &str) -> Home {
    let home = project();
    assert!(SETTINGS.contains(from), "{from}");
    home.write("churn/mlx.toml", SETTINGS.replacen(from, to, 1));
    home
}

/// The project with more at the end of its `mlx.toml`.
pub fn with_more(more: &str) -> Home {
    let home = project();
    home.write("churn/mlx.toml", format!("{SETTINGS}\n{more}\n"));
    home
}

/// A project with one finished run.
pub fn trained() -> Home {
    let home = project();
    home.mlx_in("churn", "train -q").ok();
    home
}

/// The trained project with its run registered as `churn/1`, and live in staging.
pub fn registered() -> Home {
    let home = trained();
    home.mlx_in("churn", "register -q").ok();
    home.mlx_in("churn", "promote churn/1 --to staging -q").ok();
    home
}

/// The folder of the only run, relative to the home.
pub fn run_folder(home: &Home) -> String {
    let runs = std::fs::read_dir(home.join("churn/.mlx/runs")).expect("runs");
    let name = runs.map(|entry| entry.expect("an entry").file_name()).next().expect("a run");
    format!("churn/.mlx/runs/{}", name.to_string_lossy())
}

/// Daily sales of two shops.
pub fn sales() -> String {
    let mut text = String::from("ds,shop,sold\n");
    for shop in ["north", "south"] {
        for day in 0..60 {
            let (month, date) = (1 + day / 28, 1 + day % 28);
            let _ = writeln!(text, "2024-{month:02}-{date:02},{shop},{}", 10 + day % 7);
        }
    }
    text
}

/// A forecasting project over `train`.
pub fn forecasting(train: impl AsRef<[u8]>) -> Home {
    let home = with_data(train);
    home.write(
        "churn/mlx.toml",
        "[project]\nname = \"sales\"\ntask = \"forecasting\"\n\n[data]\ntrain = \"train.csv\"\ntarget = \"sold\"\n\
         time = \"ds\"\nseries = \"shop\"\nhorizon = 7\n\n[train]\ndevice = \"cpu\"\nmax_epochs = 1\n",
    );
    home
}
