//! Uploads that can be resumed, under `/api/mlx/1/uploads`, advertised in `server-info` as the feature
//! [`FEATURE`].
//!
//! | route | request | reply |
//! |---|---|---|
//! | `POST uploads` | [`BeginUploads`] | [`BegunUploads`], in the order asked; the same file again is the same upload |
//! | `HEAD uploads/{id}` | – | 204 with `Upload-Offset` and `Upload-Length` |
//! | `PATCH uploads/{id}` | `Upload-Offset`, and bytes from there on | 204 with the new `Upload-Offset`; 409 with the one that is expected |
//! | `POST uploads/{id}/complete` | [`CompleteUpload`] | [`StoredFile`]; 202 while the file is put together: ask again |
//! | `DELETE uploads/{id}` | – | `{}` |
//!
//! The manner is that of tus 1.0 and of the IETF's draft "Resumable Uploads for HTTP": an offset is
//! what the server has on disk, and the client goes on from there.
//!
//! Where the server has the bytes already, an upload need not send them, but has to prove that it has
//! them: see [`Proof`]. To know a file's SHA-256, which manifests and logs are full of, is not to have it.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The word for these routes among the features of `server-info`.
pub(crate) const FEATURE: &str = "uploads";

/// How many bytes of an upload are on the server's disk.
pub(crate) const OFFSET_HEADER: &str = "upload-offset";

/// How many bytes it will have.
pub(crate) const LENGTH_HEADER: &str = "upload-length";

/// The most files that one request may begin to upload.
pub(crate) const MOST_AT_ONCE: usize = 1000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BeginUploads {
    pub files: Vec<FileToUpload>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FileToUpload {
    /// Below `mlflow-artifacts:/`.
    pub path: String,
    pub size_bytes: u64,
    /// In lower-case hex.
    pub sha256: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BegunUploads {
    pub uploads: Vec<BegunUpload>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BegunUpload {
    /// Unguessable, and the key of the [`Proof`].
    pub id: String,
    pub offset: u64,
    /// The server has these bytes: a proof completes the upload.
    #[serde(default)]
    pub known: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CompleteUpload {
    /// Instead of the bytes, where the server knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

/// What an upload came to; empty fields in a 202.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredFile {
    pub sha256: String,
    pub size_bytes: u64,
}

/// HMAC-SHA256 of a file's bytes under the upload's id: only who has every byte can make it, and for
/// one upload only.
pub(crate) struct Proof(Hmac<Sha256>);

impl Proof {
    pub(crate) fn of(upload_id: &str) -> Self {
        Self(
            Hmac::new_from_slice(upload_id.as_bytes()).expect("a key of HMAC may be of any length"),
        )
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In lower-case hex.
    pub(crate) fn finish(self) -> String {
        hex::encode(self.0.finalize().into_bytes())
    }

    /// Whether this is what the other side made, in a time that tells nothing.
    pub(crate) fn matches(self, claimed: &str) -> bool {
        hex::decode(claimed).is_ok_and(|claimed| self.0.verify_slice(&claimed).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(id: &str, bytes: &[u8]) -> Proof {
        let mut proof = Proof::of(id);
        bytes.chunks(3).for_each(|chunk| proof.update(chunk));
        proof
    }

    #[test]
    fn a_proof_is_of_one_upload_and_every_byte() {
        // RFC 4231, test case 2.
        let made = proof("Jefe", b"what do ya want for nothing?").finish();
        assert_eq!(made, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(proof("Jefe", b"what do ya want for nothing?").matches(&made));
        assert!(!proof("jefe", b"what do ya want for nothing?").matches(&made));
        assert!(!proof("Jefe", b"what do ya want for nothing!").matches(&made));
        for claimed in ["", "zz", &made[2..]] {
            assert!(!proof("Jefe", b"what do ya want for nothing?").matches(claimed), "{claimed}");
        }
    }
}
