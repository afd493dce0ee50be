//! The servers that are measured: started on loopback, asked until they answer, ended with all their processes.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::http::{Connection, request};

pub struct Server {
    child: Child,
    pub port: u16,
    /// From its start to its first answer.
    pub ready: Duration,
}

impl Server {
    /// Ours, as it comes.
    pub fn mlx(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlx"));
        command.args(["registry", "serve", "--port", "0", "--data"]).arg(folder);
        let started = Instant::now();
        let mut child = start(command.stdout(Stdio::piped()));
        let output = child.stdout.take().expect("it has an output");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        Self::when_ready(child, port.unwrap_or_else(|| panic!("no address in `{line}`")), started)
    }

    /// `mlflow server` as it comes, on SQLite and a folder.
    pub fn mlflow(python: &str, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let port = free_port();
        let mut command = Command::new(python);
        command.args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--port"]);
        command.arg(port.to_string()).arg("--backend-store-uri");
        command.arg(format!("sqlite:///{}", folder.join("mlflow.db").display()));
        command.arg("--artifacts-destination").arg(folder.join("artifacts"));
        command.current_dir(folder).stdout(Stdio::null());
        let started = Instant::now();
        let child = start(&mut command);
        Self::when_ready(child, port, started)
    }

    fn when_ready(child: Child, port: u16, started: Instant) -> Self {
        let health = request("GET", "/health", None);
        while started.elapsed() < Duration::from_mins(2) {
            if let Ok(mut connection) = Connection::open(port)
                && matches!(connection.ask(&health), Ok((200, _)))
            {
                return Self { child, port, ready: started.elapsed() };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no server on port {port} after two minutes");
    }

    /// Its process and all that it started, by their group.
    pub fn processes(&self) -> Vec<u32> {
        let group = self.child.id().to_string();
        let Ok(all) = std::fs::read_dir("/proc") else { return vec![] };
        all.flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|process: &u32| {
                let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
                // `pid (name) state parent group`, and a name may hold anything but its last `)`.
                stat.is_ok_and(|stat| {
                    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2))
                        == Some(&group)
                })
            })
            .collect()
    }

    /// Resident now, all its processes together.
    pub fn memory_mib(&self) -> f64 {
        self.processes().into_iter().map(|process| status(process, "VmRSS:")).sum()
    }

    /// The most that was ever resident, all its processes together.
    pub fn peak_mib(&self) -> f64 {
        self.processes().into_iter().map(|process| status(process, "VmHWM:")).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        std::thread::sleep(Duration::from_millis(300));
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

fn start(command: &mut Command) -> Child {
    command.process_group(0).stderr(Stdio::null()).spawn().expect("the server starts")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A figure of `/proc/…/status`, MiB.
fn status(process: u32, key: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1024.0)
}
