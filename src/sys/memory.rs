//! How much memory this process uses, and the machine has.

use std::path::{Path, PathBuf};

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

/// What this process could still take before the system ends it, in bytes: what is free or can be freed,
/// swap included, and no more than its control groups (cgroups(7)) leave it. Known on Linux.
pub(crate) fn available_bytes() -> Option<u64> {
    let file = Path::new("/proc/meminfo");
    let machine = field(file, "MemAvailable")? + field(file, "SwapFree").unwrap_or(0);
    Some(group_bytes().map_or(machine, |group| group.min(machine)))
}

/// What the control groups around this process leave it; absent where none has a limit.
fn group_bytes() -> Option<u64> {
    let mut least = None;
    let mut saw = |left: Option<u64>| {
        if let Some(left) = left {
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
    };
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, names) = match controllers {
            "" => ("/sys/fs/cgroup", ["memory.max", "memory.current", "inactive_file"]),
            named if named.split(',').any(|name| name == "memory") => (
                "/sys/fs/cgroup/memory",
                ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"],
            ),
            _ => continue,
        };
        let inside = PathBuf::from(path.trim_start_matches('/'));
        for folder in inside.ancestors() {
            saw(left(&Path::new(root).join(folder), names));
        }
    }
    least
}

/// What the group of this folder may still take; absent where it has no limit. Pages of files that nobody
/// has read lately can be freed, so they count as free.
fn left(folder: &Path, [limit, usage, freeable]: [&str; 3]) -> Option<u64> {
    /// Where version 1 has no limit, it has one near the largest number there is.
    const NONE: u64 = 1 << 60;
    let number = |name: &str| -> Option<u64> {
        std::fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
    };
    let limit = number(limit).filter(|&limit| limit < NONE)?;
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let freeable = stat.lines().find_map(|line| line.strip_prefix(freeable)?.trim().parse().ok());
    let used = number(usage).unwrap_or(0).saturating_sub(freeable.unwrap_or(0));
    Some(limit.saturating_sub(used))
}

/// A size as people write it, such as `512MB`, `20 GB` or `4GiB`, in bytes.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => f64::from(1 << 10),
        "mib" => f64::from(1 << 20),
        "gib" => f64::from(1 << 30),
        "tib" => f64::from(1 << 20) * f64::from(1 << 20),
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    (bytes < 1e18).then_some(bytes as u64)
}

/// A size as people read it, in powers of 1000: `1.4 GB`.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let size = bytes as f64;
    if size >= 1e9 { format!("{:.1} GB", size / 1e9) } else { format!("{:.1} MB", size / 1e6) }
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

    #[test]
    fn sizes_are_read_and_written_as_people_do() {
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("20GB", 20_000_000_000),
            (" 1.5 mb ", 1_500_000),
            ("4GiB", 4 << 30),
        ] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "12 apples", "-1", "1e40GB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
        assert_eq!([45_200_000, 1_420_000_000].map(show_bytes), ["45.2 MB", "1.4 GB"]);
    }

    #[test]
    fn a_control_group_leaves_its_limit_less_what_can_not_be_freed() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["memory.max", "memory.current", "inactive_file"];
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        assert_eq!(left(folder.path(), names), None);
        write("memory.max", "max\n");
        assert_eq!(left(folder.path(), names), None);
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        assert_eq!(left(folder.path(), names), Some(300));
        write("memory.stat", "anon 100\ninactive_file 200\nslab 3\n");
        assert_eq!(left(folder.path(), names), Some(500));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_peak_is_at_least_what_is_held() {
        let held = vec![1_u8; 8 << 20];
        let peak = peak_bytes().expect("Linux tells");
        assert!(peak > held.iter().map(|&byte| u64::from(byte)).sum());
        let (total, available) = machine_bytes().expect("Linux tells");
        assert!(total >= available && available > 0);
        assert!(available_bytes().is_some_and(|bytes| bytes > 0));
    }
}
