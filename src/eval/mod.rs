//! A model against a dataset: metrics beside the baselines, and later intervals, slices and reports.

pub(crate) mod settings;

pub(crate) use settings::EvalSettings;
