//! The registry client: one implementation, over a socket or in process.
//!
//! A method of [`Remote`] is a path, a request and a reply, grouped by what it speaks of; beneath
//! them `request` is the one road that every call takes (retries, errors) and `transport` how it travels.

mod access;
mod artifacts;
mod capabilities;
mod download;
mod failure;
mod journal;
mod lifecycle;
mod models;
mod policies;
mod pulled;
mod request;
mod runs;
mod tls;
mod transport;
mod unpinned;
mod upload;

pub(crate) use models::VersionRecord;
pub(crate) use policies::RequestFilter;
pub(crate) use request::Remote;
pub(crate) use runs::NewRun;
pub(crate) use transport::{Credentials, HttpSettings};
pub(crate) use upload::LocalFile;
