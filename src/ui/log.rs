//! What `tracing` says, on stderr: requests with `-v`, everything of ours with `-vv`.

use tracing_subscriber::fmt;

use super::Ui;

impl Ui {
    /// From here on, log what the flags ask for. Failures are logged even under `-q`.
    pub(crate) fn start_log(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) | (_, 0) => tracing::Level::ERROR,
            (_, 1) => tracing::Level::INFO,
            _ => tracing::Level::DEBUG,
        };
        // A log that somebody set already stays.
        let _ = fmt()
            .with_max_level(level)
            .with_target(false)
            .with_ansi(self.error_style.colour)
            .with_writer(std::io::stderr)
            .try_init();
    }
}
