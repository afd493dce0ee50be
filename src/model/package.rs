//! The package: the directory that a run produces and the registry stores, named by the digest of its manifest.
//!
//! `mlx/manifest.json` lists every other file with its size and SHA-256; the SHA-256 of the
//! manifest's own bytes is the package's digest, and so the model's. A package holds data alone:
//! loading one executes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::contents::{
    EXAMPLE, EXAMPLE_INPUT, PackageContext, SPEC, Stored, WEIGHTS, contents, json,
};
use super::{Example, Model};
use crate::error::{Context, Error, Result};
use crate::sys::files;

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

const FORMAT: u32 = 1;

impl Package {
    pub(crate) const MANIFEST: &'static str = "mlx/manifest.json";

    /// Write a model as a package: built beside `dir` and renamed into place, replacing one that is there.
    pub(crate) fn write(dir: &Path, model: &Model, context: &PackageContext) -> Result<Self> {
        let parent = dir.parent().ok_or_else(|| Error::bug("a package needs a parent folder"))?;
        fs::create_dir_all(parent).map_err(|error| Error::io("make", parent, &error))?;
        let building = tempfile::Builder::new()
            .prefix(".mlx-package-")
            .tempdir_in(parent)
            .map_err(|error| Error::io("make a folder in", parent, &error))?;
        let mut manifest = Manifest { format: FORMAT, files: BTreeMap::new() };
        for (path, bytes) in contents(model, context)? {
            files::write_atomic(&building.path().join(path), &bytes)?;
            let file =
                PackageFile { sha256: files::digest_bytes(&bytes), size_bytes: bytes.len() as u64 };
            manifest.files.insert(path.to_owned(), file);
        }
        files::write_atomic(&building.path().join(Self::MANIFEST), &json(&manifest)?)?;
        if dir.exists() {
            fs::remove_dir_all(dir).map_err(|error| Error::io("replace", dir, &error))?;
        }
        let built = building.keep();
        fs::rename(&built, dir).map_err(|error| Error::io("write", dir, &error))?;
        files::let_all_read_folder(dir)?;
        Self::open(dir)
    }

    /// Read the manifest and check that its files are there with their sizes; bytes are `verify`'s matter.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(Self::MANIFEST);
        if !path.is_file() {
            return Err(Error::user(format!(
                "{} is not an mlx package: it has no {}",
                dir.display(),
                Self::MANIFEST
            ))
            .hint("name a run, a registered model, or a package's folder"));
        }
        let bytes = files::read(&path)?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| Error::file("read", &path, error).hint(DAMAGED))?;
        if manifest.format > FORMAT {
            return Err(Error::user(format!(
                "{} has format {}, and this mlx reads up to {FORMAT}",
                path.display(),
                manifest.format
            ))
            .hint("install a newer mlx"));
        }
        for (name, file) in &manifest.files {
            refuse_outside(name)?;
            let path = dir.join(name);
            let found = fs::metadata(&path)
                .map_err(|error| Error::file("read", &path, error).hint(DAMAGED))?;
            if found.len() != file.size_bytes {
                return Err(Error::user(format!(
                    "{} has {} bytes, and the manifest says {}",
                    path.display(),
                    found.len(),
                    file.size_bytes
                ))
                .hint(DAMAGED));
            }
        }
        Ok(Self { dir: dir.to_owned(), manifest, digest: files::digest_bytes(&bytes) })
    }

    /// Check every byte against the manifest, and that nothing else is there.
    pub(crate) fn verify(&self) -> Result<()> {
        for (name, file) in &self.manifest.files {
            let path = self.dir.join(name);
            let (sha256, _) = files::digest(&path)?;
            if sha256 != file.sha256 {
                return Err(Error::user(format!(
                    "{} is not the file that was packaged: its SHA-256 is {sha256}, and the manifest says {}",
                    path.display(),
                    file.sha256
                ))
                .hint(DAMAGED));
            }
        }
        let known: BTreeSet<&str> = self.files().collect();
        if let Some(extra) =
            files_under(&self.dir)?.into_iter().find(|path| !known.contains(path.as_str()))
        {
            return Err(Error::user(format!(
                "{} holds {extra}, which its manifest has not",
                self.dir.display()
            ))
            .hint("remove the file, or take the package anew"));
        }
        Ok(())
    }

    /// The fitted model, ready to score on this device.
    pub(crate) fn model(&self, device: &Device) -> Result<Model> {
        Stored { spec: self.read(SPEC)?, weights: self.read(WEIGHTS)? }
            .model(device)
            .context(|| format!("cannot load the model in {}", self.dir.display()))
            .map_err(|error| error.hint(DAMAGED))
    }

    /// The rows that the package holds with what the model answered to them; `None` where it holds none.
    pub(crate) fn example(&self) -> Result<Option<Example>> {
        if !self.manifest.files.contains_key(EXAMPLE) {
            return Ok(None);
        }
        Example::from_parts(self.read(EXAMPLE_INPUT)?, &self.read(EXAMPLE)?)
            .context(|| format!("cannot read the example in {}", self.dir.display()))
            .map_err(|error| error.hint(DAMAGED))
            .map(Some)
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        files::read(&self.dir.join(name))
    }

    /// Every file by its path in the package, the manifest included.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.manifest.files.keys().map(String::as_str).chain([Self::MANIFEST])
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

const DAMAGED: &str = "the package is damaged: train again, or pull it anew with `mlx models pull`";

/// A manifest from elsewhere may not reach out of its folder.
fn refuse_outside(name: &str) -> Result<()> {
    let fine =
        Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if fine && !name.contains('\\') {
        return Ok(());
    }
    Err(Error::user(format!("the package's manifest names `{name}`, which is outside the package"))
        .hint("don't trust this package"))
}

/// The files under a folder, by path with forward slashes.
fn files_under(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let failed = |error| Error::file("read", &folder, error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push((entry.path(), name + "/"));
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}
