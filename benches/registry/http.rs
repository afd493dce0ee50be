//! HTTP/1.1 by hand, so that the client costs as little as can be: a request is bytes that are made before the
//! clock starts, and an answer is read to its end and not looked into.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request, ready to be sent.
pub fn request(method: &str, path: &str, body: Option<&str>) -> Vec<u8> {
    let body = body.unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Connection {
    pub fn open(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1 << 16) })
    }

    /// Send a request and read its answer: the status, and the body's text.
    pub fn ask(&mut self, request: &[u8]) -> std::io::Result<(u16, &[u8])> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if let Some(length) = text.split("content-length:").nth(1) {
            let length: usize =
                length.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0);
            while self.buffer.len() < head + length {
                self.more()?;
            }
        } else if text.contains("chunked") {
            while !self.buffer[head..].ends_with(b"0\r\n\r\n") {
                self.more()?;
            }
        }
        Ok((status, &self.buffer[head..]))
    }

    /// As [`Connection::ask`], where anything but success ends the benchmark.
    pub fn done(&mut self, request: &[u8]) -> String {
        let (status, body) = self.ask(request).expect("the server answers");
        let body = String::from_utf8_lossy(body).into_owned();
        assert!(status == 200, "{status}: {body}\n{}", String::from_utf8_lossy(request));
        body
    }

    /// Send a file's bytes as the body of a PUT.
    pub fn put(&mut self, path: &str, content: &[u8]) {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        self.stream.write_all(head.as_bytes()).expect("sent");
        self.stream.write_all(content).expect("sent");
        let status = self.done(b"");
        assert!(status.len() < 1000, "a short answer");
    }

    /// Read a file to its end and say how many bytes came. Nothing is kept.
    pub fn fetch(&mut self, path: &str, length: usize) {
        self.stream.write_all(&request("GET", path, None)).expect("sent");
        let mut part = vec![0; 1 << 18];
        let mut head = Vec::new();
        let mut came = loop {
            let read = self.stream.read(&mut part).expect("read");
            assert!(read > 0, "the server hung up");
            head.extend_from_slice(&part[..read]);
            if let Some(end) = find(&head, b"\r\n\r\n") {
                break head.len() - end - 4;
            }
        };
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head[..200]));
        while came < length {
            let read = self.stream.read(&mut part).expect("read");
            assert!(read > 0, "the server hung up after {came} of {length} bytes");
            came += read;
        }
    }

    fn more(&mut self) -> std::io::Result<()> {
        let held = self.buffer.len();
        self.buffer.resize(held + (1 << 16), 0);
        let read = self.stream.read(&mut self.buffer[held..])?;
        self.buffer.truncate(held + read);
        if read == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        Ok(())
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
