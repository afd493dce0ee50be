//! TFRecord, the framing of TensorBoard's event files: length, its checksum, data, its checksum.
//!
//! Checksums are CRC-32C (Castagnoli; RFC 3720, B.4), masked as TensorFlow does, so that a record that
//! holds records has no checksum of itself in it.

/// A record with its frame around it.
pub(crate) fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut framed = Vec::with_capacity(data.len() + 16);
    framed.extend(length);
    framed.extend(masked(&length).to_le_bytes());
    framed.extend(data);
    framed.extend(masked(data).to_le_bytes());
    framed
}

/// The records of a file, up to its end or to the first that is cut off or damaged.
pub(crate) fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((data, rest)) = first(bytes) {
        found.push(data);
        bytes = rest;
    }
    found
}

fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_sum, rest) = rest.split_first_chunk::<4>()?;
    if masked(length) != u32::from_le_bytes(*length_sum) {
        return None;
    }
    let (data, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (data_sum, rest) = rest.split_first_chunk::<4>()?;
    (masked(data) == u32::from_le_bytes(*data_sum)).then_some((data, rest))
}

fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xA282_EAD8)
}

fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |sum, &byte| (sum >> 8) ^ TABLE[usize::from((sum as u8) ^ byte)])
}

/// What a byte does to the sum: the polynomial is 0x1EDC6F41, its bits reversed.
const TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0x82F6_3B78 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&rising), 0x46DD_794E);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn records_come_back_up_to_the_one_that_is_cut_off() {
        let mut file = [frame(b"one"), frame(b""), frame(b"three")].concat();
        assert_eq!(records(&file), [&b"one"[..], b"", b"three"]);
        assert_eq!(records(&file[..file.len() - 1]), [&b"one"[..], b""]);
        assert_eq!(records(&file[..10]), [&b""[..]; 0]);
        // One bit of the first record's data.
        file[12] ^= 1;
        assert_eq!(records(&file), [&b""[..]; 0]);
        // A length that is longer than any file is damage, however its checksum looks.
        let huge = u64::MAX.to_le_bytes();
        let file = [&huge[..], &masked(&huge).to_le_bytes(), b"data"].concat();
        assert_eq!(records(&file), [&b""[..]; 0]);
    }
}
