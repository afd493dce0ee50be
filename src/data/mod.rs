//! Tables: read from files in many formats, typed, checked, split, batched.
//!
//! A [`Table`] is columns in memory. What a project says about its data is
//! [`DataSettings`]; what was read for it, split three ways, is a [`Dataset`].

pub(crate) mod axis;
mod cache;
mod cells;
pub(crate) mod check;
pub(crate) mod dataset;
mod demand;
mod digesting;
pub(crate) mod season;
mod formats;
pub(crate) mod frame;
mod infer;
mod load;
mod means;
mod numbers;
mod parts;
mod print;
mod raw;
mod read;
pub(crate) mod series;
pub(crate) mod settings;
mod split;
mod storage;
mod stream;
mod suspicion;
pub(crate) mod table;
mod texts;
mod time;
mod write;

pub(crate) use cache::Cache;
pub(crate) use dataset::{Dataset, Source};
pub(crate) use formats::{check_format, names_format};
pub(crate) use load::{LoadRequest, load};
pub(crate) use means::Means;
pub(crate) use parts::{Work, files, read_in_parts};
pub(crate) use read::{ReadOptions, read, read_with_sources};
pub(crate) use series::{Covariate, Covariates, SeriesSet, TimeAxis};
pub(crate) use settings::{ColumnKind, DataSettings, Layout, Split, SplitKind, Task};
pub(crate) use stream::Stream;
pub(crate) use table::{Column, Dictionary, Table, Values};
pub(crate) use write::{Writer, write};
