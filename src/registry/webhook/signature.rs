//! How a receiver knows that a delivery is ours, and unchanged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The value of MLflow's signature header: `v1,` and the base64 of the HMAC-SHA-256, under the
/// webhook's secret, of the delivery's id, the attempt's time in seconds and the payload, with dots
/// between.
pub(crate) fn sign(secret: &str, delivery_id: &str, timestamp_s: i64, payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .expect("a key of HMAC may have any length");
    mac.update(format!("{delivery_id}.{timestamp_s}.").as_bytes());
    mac.update(payload.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected text is of Python's `hmac`, over the same three.
    #[test]
    fn a_signature_is_what_mlflow_makes_of_the_same() {
        assert_eq!(
            sign("s3cret", "id-1", 1_764_108_000, r#"{"a":"ü"}"#),
            "v1,xjdamBwNgitzTG6/pWVpo9BANEjcrMfBlWKDJ2IfNCY="
        );
    }
}
