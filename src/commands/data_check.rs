//! `mlx data check`: read the data as training would, and say what it holds and what is wrong.

use crate::data::check::{check, check_file};
use crate::data::{LoadRequest, ReadOptions};
use crate::error::Result;
use crate::outcome::data_check::DataCheckOutcome;
use crate::settings::data_check::DataCheckSettings;

pub(crate) fn data_check(settings: &DataCheckSettings) -> Result<DataCheckOutcome> {
    let DataCheckSettings { root, task, data, columns, means } = settings;
    let report = match *task {
        Some(task) => check(&LoadRequest { task, settings: data, columns, root, means })?,
        None => check_file(root, data, ReadOptions::new(data, columns))?,
    };
    Ok(DataCheckOutcome { report })
}
