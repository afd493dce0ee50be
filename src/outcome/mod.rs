//! What commands answer: plain values that serialise. How they look is `ui`'s matter.

pub(crate) mod approve;
pub(crate) mod config;
pub(crate) mod environments;
pub(crate) mod eval;
pub(crate) mod predict;
pub(crate) mod data_check;
pub(crate) mod new;
pub(crate) mod doctor;
pub(crate) mod login;
pub(crate) mod registry;
pub(crate) mod token;
pub(crate) mod tour;
pub(crate) mod models;
pub(crate) mod promote;
pub(crate) mod register;
pub(crate) mod runs;
pub(crate) mod train;

use serde::Serialize;

use crate::error::ExitCode;

/// An answer. Its serialised form is the `data` of `{"schema": SCHEMA, "data": …}`.
pub(crate) trait Outcome: Serialize {
    /// `mlx.<verb>/<number>`; change the shape, raise the number.
    const SCHEMA: &'static str;

    /// An answer may itself say no, such as a gate that refuses.
    fn exit_code(&self) -> ExitCode {
        ExitCode::Done
    }
}
