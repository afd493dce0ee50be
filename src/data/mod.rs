//! Tables: read from files in many formats, typed, checked, split, batched.
//!
//! A [`Table`] is columns in memory. What a project says about its data is
//! [`DataSettings`]; what was read for it, split three ways, is a [`Dataset`].

pub(crate) mod axis;
pub(crate) mod dataset;
pub(crate) mod season;
pub(crate) mod series;
pub(crate) mod settings;
pub(crate) mod table;

pub(crate) use dataset::{Dataset, Source};
pub(crate) use series::{SeriesSet, TimeAxis};
pub(crate) use settings::{ColumnKind, DataSettings, Layout, Split, SplitKind, Task};
pub(crate) use table::{Column, Dictionary, Table, Values};
