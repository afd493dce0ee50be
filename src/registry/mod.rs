//! The rules of models, versions, environments and their history. Pure: no disk, no network, no clock.

pub(crate) mod access;
pub(crate) mod artifact_path;
pub(crate) mod event;
pub(crate) mod evidence;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod journal;
pub(crate) mod name;
pub(crate) mod policy;
pub(crate) mod promotion;
pub(crate) mod reference;
pub(crate) mod request;
pub(crate) mod webhook;

pub(crate) use artifact_path::ArtifactPath;
pub(crate) use event::{Event, EventKind};
pub(crate) use gate::Gate;
pub(crate) use journal::Journal;
pub(crate) use name::{EnvironmentName, ModelName, RunId, VersionNumber};
pub(crate) use policy::{ModelPattern, Policy};
pub(crate) use reference::ModelReference;
pub(crate) use request::Request;
