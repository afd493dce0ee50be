//! The registry client: one implementation, over a socket or in process.
