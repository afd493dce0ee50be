//! What `tracing` says, on stderr: changes and refusals as they are, every request with `-v`, and
//! with `-vv` all that we and the libraries beneath have to say.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

use super::Ui;

impl Ui {
    /// From here on, log what the flags ask for. Failures are logged even under `-q`.
    pub(crate) fn start_log(&self) {
        let ours = |level| Targets::new().with_target(env!("CARGO_PKG_NAME"), level);
        let told = match (self.quiet, self.verbose) {
            (true, _) => ours(LevelFilter::ERROR),
            (_, 0) => ours(LevelFilter::INFO),
            (_, 1) => ours(LevelFilter::DEBUG),
            _ => Targets::new().with_default(LevelFilter::TRACE),
        };
        let lines = fmt::layer()
            .with_target(false)
            .with_ansi(self.error_style.colour)
            .with_writer(std::io::stderr);
        // A log that somebody set already stays.
        let _ = registry().with(lines).with(told).try_init();
    }
}
