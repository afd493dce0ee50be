//! A proxy before a registry that does something to one kind of request: lets it hang, or loses its answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What befalls a request.
#[derive(Clone, Copy, PartialEq)]
pub enum Mishap {
    /// It never arrives, and nobody answers.
    Hang,
    /// It arrives and is done, and the answer is lost; once.
    LoseAnswer,
}

pub struct Proxy {
    pub url: String,
    met: Arc<AtomicUsize>,
}

impl Proxy {
    /// Before `registry`; requests whose first line starts with `victim` meet the mishap.
    pub fn before(registry: &str, victim: &'static str, mishap: Mishap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let upstream = registry.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let met = Arc::new(AtomicUsize::new(0));
        let counter = met.clone();
        // It ends with the test process; each connection carries one request.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, counter) = (upstream.clone(), counter.clone());
                std::thread::spawn(move || forward(client, &upstream, victim, mishap, &counter));
            }
        });
        Self { url, met }
    }

    /// How often the mishap happened.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

fn forward(mut client: TcpStream, upstream: &str, victim: &str, mishap: Mishap, met: &AtomicUsize) {
    let Some(request) = read_request(&mut client) else { return };
    let is_victim = request.starts_with(victim.as_bytes());
    if is_victim && mishap == Mishap::Hang {
        met.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_mins(2));
        return;
    }
    let Ok(mut server) = TcpStream::connect(upstream) else { return };
    if server.write_all(&request).is_err() {
        return;
    }
    let mut answer = Vec::new();
    let _ = server.read_to_end(&mut answer);
    if is_victim && mishap == Mishap::LoseAnswer && met.fetch_add(1, Ordering::SeqCst) == 0 {
        return;
    }
    let _ = client.write_all(&answer);
}

/// A whole request, that asks the server to close the connection behind its answer.
fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = find(&read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0_usize);
            while read.len() < end + 4 + length {
                match client.read(&mut buffer) {
                    Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
                    _ => return None,
                }
            }
            let mut request = head.into_bytes();
            request.extend_from_slice(b"\r\nconnection: close\r\n\r\n");
            request.extend_from_slice(&read[end + 4..]);
            return Some(request);
        }
        match client.read(&mut buffer) {
            Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
