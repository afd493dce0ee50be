//! What `mlx predict` was asked to do.

use std::path::{Path, PathBuf};

use super::{Project, find_project, working_folder};
use crate::cli::Globals;
use crate::cli::predict::PredictArgs;
use crate::data;
use crate::error::{Error, Result};
use crate::model::answers::Rolling;

#[derive(Clone, Debug)]
pub(crate) struct PredictSettings {
    pub model: Option<String>,
    /// `-` is standard input.
    pub input: PathBuf,
    /// `-` is standard output.
    pub output: PathBuf,
    /// The formats of what names no format.
    pub input_format: Option<String>,
    pub output_format: Option<String>,
    pub rolling: Option<Rolling>,
    /// Sets of classes that miss the true one for at most this share of rows.
    pub miss_at_most: Option<f64>,
    pub project: Option<Project>,
    pub globals: Globals,
}

impl PredictSettings {
    pub(crate) fn new(globals: &Globals, args: &PredictArgs) -> Result<Self> {
        let here = working_folder(globals)?;
        let place = |file: &str| if file == "-" { PathBuf::from(file) } else { here.join(file) };
        if args.output == "-" && globals.json {
            return Err(Error::usage("`--json` and `-o -` both answer on standard output").hint(
                "for predictions as JSON lines, without `--json`: `-o - --output-format jsonl`",
            ));
        }
        if args.rolling == Some(0) {
            return Err(Error::usage("`--rolling 0` would never move on").hint("use 1 or more"));
        }
        if let Some(share) = args.sets.filter(|share| !(*share > 0.0 && *share < 1.0)) {
            return Err(Error::usage(format!("`--sets {share}` is no share of rows"))
                .hint("it is between 0 and 1: `--sets 0.1` misses one row in ten"));
        }
        for name in args.format.iter().chain(&args.output_format) {
            data::check_format(name).map_err(Error::into_usage)?;
        }
        Ok(Self {
            model: args.model.clone(),
            input: place(&args.input),
            output: place(&args.output),
            input_format: args.format.clone(),
            output_format: args.output_format.clone().or_else(|| args.format.clone()),
            miss_at_most: args.sets,
            rolling: args.rolling.map(|every| Rolling { every, from: args.from.clone() }),
            project: find_project(globals, &[])?,
            globals: globals.clone(),
        })
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.output == Path::new("-")
    }
}
