//! A pretend registry, for faults that a real one is not made to have.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What it does with each connection.
#[derive(Clone, Copy)]
pub enum Fault {
    /// Answer with this status, content type and body.
    Answer(u16, &'static str, &'static str),
    /// Promise more than is sent, and hang up.
    CutBody,
    /// Read the request and hang up.
    HangUp,
    /// Read the request and never answer.
    Silence,
    /// 503 for so many times, then an empty list.
    FailFirst(usize),
}

pub struct PretendRegistry {
    pub url: String,
    requests: Arc<AtomicUsize>,
}

impl PretendRegistry {
    pub fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        // It ends with the test process; each connection is its own thread, so silence holds up nothing.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(connection, fault, number));
            }
        });
        Self { url, requests }
    }

    /// How many requests arrived.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(mut connection: TcpStream, fault: Fault, number: usize) {
    let mut request = [0; 16 * 1024];
    let _ = connection.read(&mut request);
    let answer = |status: u16, kind: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} Whatever\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match fault {
        Fault::Answer(status, kind, body) => answer(status, kind, body),
        Fault::FailFirst(times) if number < times => answer(503, "text/plain", "busy"),
        Fault::FailFirst(_) => answer(200, "application/json", "{}"),
        Fault::CutBody => {
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{\"registered".into()
        }
        Fault::HangUp => return,
        Fault::Silence => {
            std::thread::sleep(std::time::Duration::from_mins(1));
            return;
        }
    };
    let _ = connection.write_all(text.as_bytes());
}
