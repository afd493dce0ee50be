//! `install.sh` with releases: nothing is installed whose checksum does not agree.
//!
//! The build from a clone takes minutes and is run by `.ci/run`.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::support::Home;

struct Install {
    home: Home,
}

impl Install {
    fn new() -> Self {
        Self { home: Home::new() }
    }

    /// A release folder as `just dist` makes it, around the binary under test.
    fn release(&self) -> PathBuf {
        let folder = self.home.join("mlx-release");
        std::fs::create_dir_all(&folder).expect("a folder");
        let binary = folder.join("mlx");
        std::fs::copy(env!("CARGO_BIN_EXE_mlx"), &binary).expect("the binary is copied");
        let sums = format!("{}  mlx\n", digest(&std::fs::read(&binary).expect("the binary")));
        std::fs::write(folder.join("SHA256SUMS"), sums).expect("checksums");
        folder
    }

    fn tarball(&self) -> PathBuf {
        let release = self.release();
        let tarball = self.home.join("mlx.tar.gz");
        let made = Command::new("tar")
            .arg("-czf")
            .arg(&tarball)
            .arg("-C")
            .arg(self.home.path())
            .arg("mlx-release")
            .status();
        assert!(made.expect("tar runs").success());
        std::fs::remove_dir_all(release).expect("the folder goes");
        tarball
    }

    /// Exit code and everything printed, the home's folder as `[HOME]`.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");
        let output = Command::new("sh")
            .arg(script)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("http_proxy", "")
            .current_dir(self.home.path())
            .output()
            .expect("sh runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text)
            .replace(&self.home.path().display().to_string(), "[HOME]");
        (output.status.code().unwrap_or(-1), text)
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn a_release_folder_installs_twice_and_uninstalls_to_nothing() {
    let install = Install::new();
    install.release();
    for _ in 0..2 {
        let (code, text) = install.run(&["--from", "mlx-release", "--prefix", "there"]);
        assert_eq!(code, 0, "{text}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r#"
            installed [HOME]/there/bin/mlx
            installed [HOME]/there/share/bash-completion/completions/mlx
            installed [HOME]/there/share/zsh/site-functions/_mlx
            installed [HOME]/there/share/fish/vendor_completions.d/mlx.fish
            mlx 0.1.0 is installed
            note: [HOME]/there/bin is not on your PATH; add it: export PATH="[HOME]/there/bin:$PATH"
            next: mlx tour
            "#);
        }
    }
    let version = Command::new(install.home.join("there/bin/mlx"))
        .arg("--version")
        .output()
        .expect("it runs");
    assert!(version.status.success());
    let (code, text) = install.run(&["--uninstall", "--prefix", "there"]);
    assert_eq!(code, 0, "{text}");
    assert!(!install.home.join("there/bin/mlx").exists());
    let (code, text) = install.run(&["--uninstall", "--prefix", "there"]);
    assert_eq!((code, text.starts_with("nothing to remove")), (0, true), "{text}");
}

#[test]
fn completions_go_where_the_users_shells_look() {
    let install = Install::new();
    install.release();
    let (code, text) = install.run(&["--from", "mlx-release"]);
    assert_eq!(code, 0, "{text}");
    for path in [
        ".cargo/bin/mlx",
        ".local/share/bash-completion/completions/mlx",
        ".local/share/zsh/site-functions/_mlx",
        ".config/fish/completions/mlx.fish",
    ] {
        assert!(install.home.join(path).is_file(), "{path}");
    }
}

#[test]
fn a_wrong_or_missing_checksum_installs_nothing() {
    let install = Install::new();
    install.tarball();
    let (code, text) = install.run(&["--from", "mlx.tar.gz", "--prefix", "there"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(text, @"
    error: mlx.tar.gz.sha256 is not there to check mlx.tar.gz with
      try: ./install.sh --from mlx.tar.gz --sha256 HEX
    ");
    let wrong = "0".repeat(64);
    let (code, text) =
        install.run(&["--from", "mlx.tar.gz", "--sha256", &wrong, "--prefix", "there"]);
    assert_eq!(code, 1);
    assert!(text.contains("expected 0000"), "{text}");
    let (code, text) =
        install.run(&["--from", "mlx.tar.gz", "--sha256", "abc;", "--prefix", "there"]);
    assert_eq!(code, 1);
    assert!(text.contains("not a SHA-256"), "{text}");
    assert!(!install.home.join("there/bin").exists());
}

#[test]
fn a_release_is_fetched_from_an_address() {
    let install = Install::new();
    let tarball = std::fs::read(install.tarball()).expect("a tarball");
    let checksum = format!("{}  mlx.tar.gz\n", digest(&tarball));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // Two requests, then it stops: the tarball and its checksum.
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut request = [0; 2048];
            let read = stream.read(&mut request).expect("a request");
            let wants_checksum = String::from_utf8_lossy(&request[..read]).contains(".sha256 ");
            let body = if wants_checksum { checksum.as_bytes() } else { &tarball };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).expect("a head");
            stream.write_all(body).expect("a body");
        }
    });
    let url = format!("http://{address}/mlx.tar.gz");
    let (code, text) = install.run(&["--from", &url, "--prefix", "there"]);
    assert_eq!(code, 0, "{text}");
    server.join().expect("the server ended");
    assert!(install.home.join("there/bin/mlx").is_file());
}
