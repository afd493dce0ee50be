//! How much memory this process uses, and the machine has.

use std::path::Path;

/// The most memory that this process has held at once, in bytes (its peak resident set).
///
/// Linux tells (`VmHWM` of `/proc/self/status`, see proc(5)); elsewhere asking takes code that this
/// crate does without, and nothing is known.
pub(crate) fn peak_bytes() -> Option<u64> {
    field(Path::new("/proc/self/status"), "VmHWM")
}

/// What the machine has, and what a new process could take of it, in bytes; known on Linux.
pub(crate) fn machine_bytes() -> Option<(u64, u64)> {
    let file = Path::new("/proc/meminfo");
    Some((field(file, "MemTotal")?, field(file, "MemAvailable")?))
}

fn field(file: &Path, name: &str) -> Option<u64> {
    parse(&std::fs::read_to_string(file).ok()?, name)
}

/// The value of a line such as `VmHWM:    5312 kB`, whose kB are of 1024 bytes.
fn parse(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(known, _)| *known == name)?;
    let kibibytes = value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "Name:\tmlx\nVmHWMs:\t   1 kB\nVmHWM:\t    5312 kB\nThreads:\t2\n";
        assert_eq!(parse(text, "VmHWM"), Some(5312 * 1024));
        assert_eq!(parse(text, "Threads"), None);
        assert_eq!(parse(text, "VmRSS"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_peak_is_at_least_what_is_held() {
        let held = vec![1_u8; 8 << 20];
        let peak = peak_bytes().expect("Linux tells");
        assert!(peak > held.iter().map(|&byte| u64::from(byte)).sum());
        let (total, available) = machine_bytes().expect("Linux tells");
        assert!(total >= available && available > 0);
    }
}
