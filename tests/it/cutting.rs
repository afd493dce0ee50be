//! A proxy that cuts connections: after so many bytes of either way, by a seeded choice, or never.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Which connections are cut, and where.
#[derive(Clone, Copy, Debug)]
pub enum Cuts {
    Never,
    /// One of so many, somewhere below so many bytes of the way there, or of the way back.
    Random {
        one_in: u32,
        below_bytes: u64,
    },
    /// Each, as soon as one way has had so many bytes.
    After(u64),
}

pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    target: Mutex<String>,
    cuts: Mutex<(Cuts, ChaCha8Rng)>,
    /// A pause after every 64 KiB, to have a transfer last.
    pause: Mutex<Duration>,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
    cuts_made: AtomicU64,
}

impl Proxy {
    /// Before the server of this address, with the choices of this seed.
    pub fn before(url: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let shared = Arc::new(Shared {
            target: Mutex::new(String::new()),
            cuts: Mutex::new((Cuts::Never, ChaCha8Rng::seed_from_u64(seed))),
            pause: Mutex::new(Duration::ZERO),
            up_bytes: AtomicU64::new(0),
            down_bytes: AtomicU64::new(0),
            cuts_made: AtomicU64::new(0),
        });
        let proxy = Self {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            shared: shared.clone(),
        };
        proxy.aim(url);
        // It ends with the test process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.connect(&client));
            }
        });
        proxy
    }

    /// Where connections go from now on.
    pub fn aim(&self, url: &str) {
        let target = url.trim_start_matches("http://").to_owned();
        *self.shared.target.lock().expect("a lock") = target;
    }

    pub fn cut(&self, cuts: Cuts) {
        self.shared.cuts.lock().expect("a lock").0 = cuts;
    }

    pub fn pause(&self, pause: Duration) {
        *self.shared.pause.lock().expect("a lock") = pause;
    }

    /// Bytes that went to the server so far.
    pub fn up_bytes(&self) -> u64 {
        self.shared.up_bytes.load(Ordering::SeqCst)
    }

    /// How many connections were cut.
    pub fn cuts_made(&self) -> u64 {
        self.shared.cuts_made.load(Ordering::SeqCst)
    }

    /// Bytes that came from it.
    pub fn down_bytes(&self) -> u64 {
        self.shared.down_bytes.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn connect(&self, client: &TcpStream) {
        let target = self.target.lock().expect("a lock").clone();
        let Ok(server) = TcpStream::connect(target) else { return };
        let (up, down) = {
            let (cuts, choice) = &mut *self.cuts.lock().expect("a lock");
            match *cuts {
                Cuts::Never => (u64::MAX, u64::MAX),
                Cuts::After(bytes) => (bytes, bytes),
                Cuts::Random { one_in, below_bytes } => {
                    let mut at = || choice.random_range(0..below_bytes);
                    let (up, down) = (at(), at());
                    match choice.random_range(0..one_in) {
                        0 => (up, down),
                        _ => (u64::MAX, u64::MAX),
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| self.pump(client, &server, up, &self.up_bytes));
            scope.spawn(|| self.pump(&server, client, down, &self.down_bytes));
        });
    }

    /// Copy until the end, or until there were so many; then nothing goes through any more.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, most: u64, count: &AtomicU64) {
        let mut buffer = vec![0; 64 << 10];
        let mut left = most;
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let passed = left.min(read as u64);
            left -= passed;
            count.fetch_add(passed, Ordering::SeqCst);
            if to.write_all(&buffer[..passed as usize]).is_err() {
                break;
            }
            if left == 0 {
                self.cuts_made.fetch_add(1, Ordering::SeqCst);
                break;
            }
            std::thread::sleep(*self.pause.lock().expect("a lock"));
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
