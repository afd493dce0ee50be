//! The package: the directory that a run produces and the registry stores, named by the digest of its manifest.
//!
//! `mlx/manifest.json` lists every other file with its size and SHA-256; the SHA-256 of the
//! manifest's own bytes is the package's digest, and so the model's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackageFile {
    pub sha256: String,
    pub size_bytes: u64,
}

/// Every file of a package but the manifest itself, by path with forward slashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    pub files: BTreeMap<String, PackageFile>,
}

/// A package on disk whose manifest was read; `verify` checks the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub dir: PathBuf,
    pub manifest: Manifest,
    /// SHA-256 of `mlx/manifest.json`, lower-case hex.
    pub digest: String,
}

impl Package {
    pub(crate) const MANIFEST: &'static str = "mlx/manifest.json";

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}
