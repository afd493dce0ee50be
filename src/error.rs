//! What can go wrong, what to try next, and the exit code that says which kind it was.

use std::fmt;
use std::path::Path;

use serde::Serialize;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// How a command ended. The table in README.md is this enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExitCode {
    /// Done.
    Done = 0,
    /// Failed, and the user can fix it.
    Failed = 1,
    /// The command line itself is wrong.
    Usage = 2,
    /// A gate said no.
    GateRefused = 3,
    /// Not allowed: authentication or role.
    NotAllowed = 4,
    /// A gate could not decide.
    Inconclusive = 5,
    /// Someone else moved first.
    Conflict = 6,
    /// The registry or the network is out of reach; a retry may help.
    Unreachable = 7,
    /// A bug in mlx.
    Bug = 70,
    /// Interrupted; the last checkpoint is kept.
    Interrupted = 130,
}

/// A failure as the user reads it: what happened, to which thing, why, and what to try.
///
/// Messages are lower case without a full stop. Context reads outside in:
/// `cannot register run 3f2a: cannot read .mlx/runs/3f2a/package/MLmodel: permission denied`.
#[derive(Debug)]
pub(crate) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: ExitCode,
    message: String,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), hint: None }))
    }

    /// The user can fix it: bad data, a missing file, an unknown name.
    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Failed, message)
    }

    /// The command line contradicts itself or names nothing.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Someone else moved first.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Conflict, message)
    }

    /// The registry or the network is out of reach.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Unreachable, message)
    }

    /// An invariant of mlx itself does not hold.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Bug, message)
            .hint("this is a bug in mlx; please report it with the command you ran")
    }

    /// A file operation failed: `cannot {verb} {path}: {why}`.
    pub(crate) fn file(verb: &str, path: &Path, why: impl fmt::Display) -> Self {
        Self::user(format!("cannot {verb} {}: {why}", path.display()))
    }

    /// As [`Error::file`], with what to do about a disk that is full or permissions that are missing.
    pub(crate) fn io(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        // A temporary file's error names that file too, which nobody knows.
        let why = error.to_string();
        let failed = Self::file(verb, path, why.split(" at path \"").next().unwrap_or(&why));
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) }.display();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                failed.hint(format!("make room on the disk of {folder}, and run the command again"))
            }
            ErrorKind::ReadOnlyFilesystem => failed.hint(format!(
                "the disk of {folder} can only be read: use a folder that can be written"
            )),
            ErrorKind::PermissionDenied => {
                failed.hint(format!("see whose it is: `ls -l {folder}`"))
            }
            ErrorKind::IsADirectory => failed.hint("it is a folder: name a file"),
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                failed.hint("a file is where a folder should be: name another folder")
            }
            _ => failed,
        }
    }

    /// What to try next. The first hint stays: it was made where the failure is understood.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// What the command line said is at fault, and not what it was said of.
    #[must_use]
    pub(crate) fn into_usage(mut self) -> Self {
        self.0.code = ExitCode::Usage;
        self
    }

    /// Put what was being attempted in front: `{attempt}: {message}`.
    #[must_use]
    pub(crate) fn context(mut self, attempt: impl fmt::Display) -> Self {
        self.0.message = format!("{attempt}: {}", self.0.message);
        self
    }

    pub(crate) fn code(&self) -> ExitCode {
        self.0.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// candle fails on shapes and devices that we chose, so by default it is our bug; but for memory, which
/// the user's batch and net are too large for.
/// Where the user chose (a device, a file of weights), map the error at that place instead.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        if is_out_of_memory(&error.to_string()) {
            return Self::user("the device is out of memory").hint(
                "lower `train.batch` first, then `model.members` and the widths in `model.hidden`; or train on the CPU: `--device cpu`",
            );
        }
        Self::bug(format!("tensor operation failed: {error}"))
    }
}

/// Whether a failed tensor operation ran out of the device's memory, which only its text tells: candle
/// keeps the driver's error in a type that builds without CUDA don't have.
fn is_out_of_memory(error: &str) -> bool {
    [
        // cudarc's `DriverError`, of the driver and of its memory pools.
        "CUDA_ERROR_OUT_OF_MEMORY",
        // Its `CublasError` and `CurandError`, for their own work space.
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CURAND_STATUS_ALLOCATION_FAILED",
        // candle's `MetalKernelError::FailedToCreateResource`, which a buffer is.
        "Failed to create metal resource: Buffer",
        // What Metal itself says of a command buffer.
        "kIOGPUCommandBufferCallbackErrorOutOfMemory",
    ]
    .iter()
    .any(|said| error.contains(said))
}

/// Adds what was being attempted to a failure on its way up.
pub(crate) trait Context<T> {
    fn context<C: fmt::Display>(self, attempt: impl FnOnce() -> C) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context<C: fmt::Display>(self, attempt: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| error.context(attempt()))
    }
}

/// The closest of `known` to a word that is none of them, for "did you mean".
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_reads_outside_in_and_the_first_hint_stays() {
        let error = Error::user("no column `ag`").hint("did you mean `age`?");
        let error = error.context("cannot read train.csv").hint("another");
        assert_eq!(error.message(), "cannot read train.csv: no column `ag`");
        assert_eq!(error.hint_text(), Some("did you mean `age`?"));
    }

    #[test]
    fn a_typo_finds_its_word() {
        assert_eq!(closest("promte", ["promote", "rollback"]), Some("promote"));
        assert_eq!(closest("xyz", ["promote", "rollback"]), None);
    }

    /// As candle 0.11 and cudarc 0.19 write them.
    #[test]
    fn out_of_memory_is_known_by_what_drivers_say() {
        for said in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\") when loading fill",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
            "CurandError(CURAND_STATUS_ALLOCATION_FAILED)",
            "Failed to create metal resource: Buffer",
            "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
        ] {
            assert!(is_out_of_memory(said), "{said}");
        }
        for said in [
            "DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access was encountered\")",
            "CublasError(CUBLAS_STATUS_EXECUTION_FAILED)",
            "Failed to create metal resource: ComputeCommandEncoder",
            "shape mismatch in matmul, lhs: [2, 3], rhs: [2, 3]",
        ] {
            assert!(!is_out_of_memory(said), "{said}");
        }
    }
}
