//! Files up and down, beside a plain server of static files.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::http::Connection;
use super::row;
use super::servers::Server;

const MIB: usize = 256;
const ROUNDS: usize = 3;

/// Medians of some rounds in turn, MiB a second, and what memory it took.
pub fn measure(servers: &[Server], folder: &Path) {
    let mut content: Vec<u8> = (0..MIB << 20).map(|place| ((place * 31) >> 7) as u8).collect();
    let file = folder.join("static.bin");
    std::fs::write(&file, &content).expect("room for the file");
    let static_port = serve_file(file);
    let path = |round| format!("/api/2.0/mlflow-artifacts/artifacts/0/bench/artifacts/{round}.bin");
    let mut up = vec![vec![]; servers.len()];
    let mut down = vec![vec![]; servers.len()];
    let mut plain = vec![];
    for round in 0..ROUNDS {
        // Other bytes each time: the same ones would be stored once.
        content[..8].copy_from_slice(&(round as u64 + 1).to_le_bytes());
        for (place, server) in servers.iter().enumerate() {
            up[place].push(speed(server.port, |connection| connection.put(&path(round), &content)));
            down[place].push(speed(server.port, |connection| {
                connection.fetch(&path(round), content.len());
            }));
        }
        plain.push(speed(static_port, |connection| connection.fetch("/", content.len())));
    }
    let at = |server: &Server| {
        servers.iter().position(|other| other.port == server.port).expect("one of them")
    };
    println!(
        "{:<44} {:>10} {:>10}",
        format!("{MIB} MiB, medians of {ROUNDS} rounds in turn"),
        "mlx",
        "mlflow"
    );
    row("up, MiB/s", servers, |server| median(&up[at(server)]), 0);
    row("down, MiB/s", servers, |server| median(&down[at(server)]), 0);
    println!("{:<44} {:>10.0}", "down from a plain static server, MiB/s", median(&plain));
    row("most memory of all its processes ever, MiB", servers, Server::peak_mib, 0);
}

/// MiB a second of moving the file once over a new connection.
fn speed(port: u16, transfer: impl FnOnce(&mut Connection)) -> f64 {
    let mut connection = Connection::open(port).expect("a connection");
    let started = Instant::now();
    transfer(&mut connection);
    MIB as f64 / started.elapsed().as_secs_f64()
}

/// A server that answers every request with this file, which the kernel copies.
fn serve_file(file: PathBuf) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut held) = (stream, [0; 4096]);
            let _ = stream.read(&mut held);
            let Ok(mut file) = File::open(&file) else { return };
            let length = file.metadata().map_or(0, |meta| meta.len());
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            let _ = std::io::copy(&mut file, &mut stream);
        }
    });
    port
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
