//! Who may ask a registry what: tokens and roles over a socket, TLS, `mlx login`, and what the log says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::guarded::{Guarded, token, told, with};
use crate::support::Home;

/// A server that tells of the first request to it, and answers nothing of use.
fn eavesdropper() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut request = vec![0; 16 << 10];
            let length = connection.read(&mut request).unwrap_or(0);
            let _ = tell.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = connection.write_all(
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
    });
    (address, told)
}

/// Send these bytes and read until the server hangs up.
fn raw(address: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let _ = socket.write_all(bytes);
    let mut answer = vec![];
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let home = Home::new();
    let made = home.mlx("registry token create ci --role writer --role promoter:staging:churn-* --auth tokens.toml").ok();
    let text = made.stdout();
    let token = text.lines().next().expect("a line").to_owned();
    assert!(token.starts_with("mlxt_") && token.len() == 86, "{token}");
    assert!(!home.read("tokens.toml").contains(&token[22..]), "it is kept as it is");
    let listed = home.mlx("registry token list --auth tokens.toml --json").ok().json();
    assert_eq!(listed["tokens"][0]["roles"], json!(["writer", "promoter:staging:churn-*"]));
    assert_eq!(listed["tokens"][0]["standing"], "good");
    home.mlx("registry token create ci --role reader --auth tokens.toml").fails_with(1);
    home.mlx("registry token create ci --role reader --another --auth tokens.toml").ok();
    home.mlx("registry token revoke ci --auth tokens.toml").ok();
    home.mlx("registry token revoke ci --auth tokens.toml").fails_with(1);
    // In the registry's own database, too.
    home.mlx("registry token create anna --role admin --expires never").ok();
    let listed = home.mlx("registry token list --json").ok().json();
    assert_eq!(listed["tokens"][0]["expires_ms"], json!(null));
    for (line, said) in [
        ("create x --role reeder", "did you mean `reader`?"),
        ("create x --role promoter", "a promoter is one of named environments"),
        ("create anonymous --role reader", "what nobody in particular is called"),
        ("create x --role reader --expires soon", "not a duration"),
    ] {
        let refused = home.mlx(&format!("registry token {line} --auth tokens.toml")).fails_with(2);
        assert!(refused.stderr().contains(said), "{}", refused.show());
    }
}

#[test]
fn other_machines_are_not_served_without_asking_who_they_are() {
    let home = Home::new();
    insta::assert_snapshot!(home.mlx("registry serve --host 0.0.0.0 --port 0 --data registry").show(), @"
    exit 2
    --- stderr
    error: 0.0.0.0 can be reached from other machines, and nobody would be asked who they are
      try: ask for tokens: `--auth FILE` (make the first: `mlx registry token create NAME --role admin --auth FILE`), or say that all may: `--no-auth`
    ");
    insta::assert_snapshot!(home.mlx("registry serve --port 0 --data registry --auth tokens.toml").show(), @"
    exit 1
    --- stderr
    error: there is no file of tokens [HOME]/tokens.toml
      try: make the first: `mlx registry token create NAME --role admin --auth [HOME]/tokens.toml`
    ");
}

#[test]
fn what_a_token_may_is_what_its_roles_say() {
    let home = Home::new();
    let reader = token(&home, "rita", &["reader"]);
    let server = Guarded::start(&home, &[]);
    let list = format!("models list --registry {}", server.url);
    let shown = |answer: crate::support::Answer| answer.show().replace(&server.url, "[URL]");

    insta::assert_snapshot!(shown(home.mlx(&list)), @"
    exit 4
    --- stderr
    error: registry [URL] does not know you: This registry wants to know who asks: send a token of it.
      try: log in: `mlx login [URL]`, or set MLX_REGISTRY_TOKEN; `mlx doctor` says what is sent
    ");
    with(&home, &[("MLX_REGISTRY_TOKEN", &reader)], &list).ok();
    home.write("secret", format!("{reader}\n"));
    with(&home, &[("MLX_REGISTRY_TOKEN_FILE", "secret")], &list).ok();
    with(&home, &[("MLX_REGISTRY_TOKEN_FILE", "nowhere")], &list).fails_with(1);
    let mlflow = [("MLFLOW_TRACKING_URI", server.url.as_str()), ("MLFLOW_TRACKING_TOKEN", &reader)];
    with(&home, &mlflow, "models list").ok();
    let mlflow = [
        ("MLFLOW_TRACKING_URI", server.url.as_str()),
        ("MLFLOW_TRACKING_USERNAME", "anybody"),
        ("MLFLOW_TRACKING_PASSWORD", &reader),
    ];
    with(&home, &mlflow, "models list").ok();

    let refused = with(
        &home,
        &[("MLX_REGISTRY_TOKEN", &reader), ("MLX_REGISTRY_URL", &server.url)],
        "registry verify",
    );
    insta::assert_snapshot!(shown(refused), @"
    exit 4
    --- stderr
    error: registry [URL] does not allow this: The token 'rita' has the role `reader`, and this needs `admin`.
      try: ask whoever runs the registry for the role that may do it
    ");
    let status = with(
        &home,
        &[("MLX_REGISTRY_TOKEN", &reader)],
        &format!("registry status --json --registry {}", server.url),
    );
    let promises = status.ok().json()["promises"].clone();
    assert_eq!(promises.as_array().and_then(|all| all.last()).expect("promises")["kept"], true);

    // Tokens that are made or revoked while it runs are taken up.
    let late = token(&home, "late", &["admin"]);
    with(&home, &[("MLX_REGISTRY_TOKEN", &late)], &list).ok();
    home.mlx("registry token revoke late --auth tokens.toml").ok();
    std::thread::sleep(Duration::from_millis(2500));
    let revoked = with(&home, &[("MLX_REGISTRY_TOKEN", &late)], &list).fails_with(4);
    assert!(revoked.stderr().contains("The token 'late' was revoked."), "{}", revoked.show());
}

#[test]
fn a_login_is_tried_kept_used_and_forgotten() {
    let home = Home::new();
    let reader = token(&home, "rita", &["reader"]);
    let server = Guarded::start(&home, &[]);
    let login = format!("login {}", server.url);
    let shown = |answer: crate::support::Answer| {
        let text = answer.show().replace(&server.url, "[URL]");
        let at = text.find("; until").map_or(text.len(), |at| at + 7);
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        format!("{}{}", &text[..at], &text[end..])
    };
    let wrong = format!("{}{}", &reader[..reader.len() - 4], "0000");
    insta::assert_snapshot!(shown(told(&home, &[], &login, &wrong)), @"
    exit 4
    --- stderr
    error: registry [URL] does not know you: The token is none of this registry's.; nothing was kept
      try: ask whoever runs the registry for a token: `mlx registry token create NAME`
    ");
    told(&home, &[], &login, &reader[..40]).fails_with(1);
    told(&home, &[], &login, "").fails_with(1);
    assert!(!home.join(".config/mlx/logins.toml").exists());
    insta::assert_snapshot!(shown(told(&home, &[], &login, &format!("{reader}\n"))), @"
    exit 0
    --- stdout
    [URL] knows you as rita: reader; until
    kept in [HOME]/.config/mlx/logins.toml
    ");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let kept = std::fs::metadata(home.join(".config/mlx/logins.toml")).expect("the file");
        assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    }
    let url = [("MLX_REGISTRY_URL", server.url.as_str())];
    with(&home, &url, "models list").ok();
    let config = with(&home, &url, "config show --json").ok();
    assert_eq!(
        config.json()["login"],
        json!(format!("`mlx login` ({})", home.join(".config/mlx/logins.toml").display()))
    );
    let doctor = with(&home, &url, "doctor").stdout();
    assert!(doctor.contains("you are rita (reader)"), "{doctor}");
    for text in [config.stdout(), doctor] {
        assert!(!text.contains(&reader[22..]), "{text}");
    }
    // A variable of ours wins over it, and the doctor says so.
    let variables = [("MLX_REGISTRY_URL", server.url.as_str()), ("MLX_REGISTRY_TOKEN", "other")];
    with(&home, &variables, "models list").fails_with(4);
    let config = with(&home, &variables, "config show").ok().stdout();
    assert!(config.contains("login     MLX_REGISTRY_TOKEN"), "{config}");

    with(&home, &url, "logout").ok();
    with(&home, &url, "models list").fails_with(4);
    with(&home, &url, "logout").fails_with(1);
    home.mlx("login").fails_with(2);
    home.mlx("login http://ana:hunter2@127.0.0.1:9").fails_with(2);
}

#[cfg(unix)]
#[test]
fn a_keyring_that_does_not_answer_holds_nobody_up() {
    let home = Home::new();
    let reader = token(&home, "rita", &["reader"]);
    let server = Guarded::start(&home, &[]);
    let bus = std::os::unix::net::UnixListener::bind(home.join("bus")).expect("a socket");
    bus.set_nonblocking(true).expect("a socket");
    let address = format!("unix:path={}", home.join("bus").display());
    let started = Instant::now();
    let variables = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let kept = told(&home, &variables, &format!("login {}", server.url), &reader).ok();
    assert!(kept.stdout().contains("logins.toml"), "{}", kept.show());
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let (_waiting, _) = bus.accept().expect("the keyring was asked");
    // What is in the file is not looked for anywhere else.
    let list = format!("models list --registry {}", server.url);
    with(&home, &variables, &list).ok();
    assert!(bus.accept().is_err(), "the keyring was asked though the file has it");
    // Where the keyring has it and is gone, there is an answer, and what to do.
    let logins = home.read(".config/mlx/logins.toml");
    let without = logins.lines().filter(|line| !line.starts_with("secret")).collect::<Vec<_>>();
    home.write(".config/mlx/logins.toml", without.join("\n"));
    let started = Instant::now();
    let refused = with(&home, &[], &list).fails_with(4);
    assert!(refused.stderr().contains("mlx login"), "{}", refused.show());
    with(&home, &variables, &list).fails_with(4);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn a_token_goes_to_the_registry_that_it_is_of() {
    let home = Home::new();
    let (address, heard) = eavesdropper();
    let list = format!("models list --registry http://{address}");
    let secret = "mlxt_secret";
    for (variables, sent) in [
        (vec![("MLX_REGISTRY_TOKEN", secret)], true),
        (vec![("MLX_REGISTRY_TOKEN", secret), ("MLX_REGISTRY_URL", "http://127.0.0.1:1")], false),
        (vec![("MLFLOW_TRACKING_TOKEN", secret)], true),
        (vec![("MLFLOW_TRACKING_TOKEN", secret), ("MLFLOW_TRACKING_URI", "https://x.test")], false),
        (
            vec![
                ("MLFLOW_TRACKING_USERNAME", "ana"),
                ("MLFLOW_TRACKING_PASSWORD", secret),
                ("MLFLOW_TRACKING_URI", "https://x.test"),
            ],
            false,
        ),
    ] {
        with(&home, &variables, &list).fails_with(1);
        let request = heard.recv_timeout(Duration::from_secs(10)).expect("a request");
        assert_eq!(
            request.to_lowercase().contains("authorization:"),
            sent,
            "{variables:?}: {request}"
        );
        let config = with(&home, &variables, &format!("config show --registry http://{address}"));
        assert_eq!(config.ok().stdout().contains("not sent to this one"), !sent, "{variables:?}");
    }
}

#[test]
fn a_token_does_not_go_in_the_clear_to_another_machine() {
    let home = Home::new();
    // Of the addresses for documentation, which no machine has.
    let list = "models list --registry http://192.0.2.1:5000";
    insta::assert_snapshot!(with(&home, &[("MLX_REGISTRY_TOKEN", "x")], list).show(), @"
    exit 4
    --- stderr
    error: what MLX_REGISTRY_TOKEN says would go to http://192.0.2.1:5000/ in the clear: it is plain http
      try: use the registry's https address, or allow it on a network that you trust: `MLX_REGISTRY_PLAIN_HTTP=1`
    ");
    told(&home, &[], "login http://192.0.2.1:5000", "x").fails_with(4);
    home.mlx("models list --registry http://ana:hunter2@192.0.2.1:5000").fails_with(4);
    let (proxy, heard) = eavesdropper();
    let variables = [
        ("MLX_REGISTRY_TOKEN", "x"),
        ("MLX_REGISTRY_PLAIN_HTTP", "1"),
        ("HTTP_PROXY", &format!("http://{proxy}")),
    ];
    with(&home, &variables, list).fails_with(1);
    let request = heard.recv_timeout(Duration::from_secs(10)).expect("a request");
    assert!(request.starts_with("GET http://192.0.2.1:5000/api/2.0/mlflow/"), "{request}");
}

#[test]
fn proxies_of_the_environment_are_used() {
    let home = Home::new();
    let (proxy, heard) = eavesdropper();
    let proxy = format!("http://{proxy}");
    // A name that is never anybody's, which only a proxy could look up.
    let line = "registry status --registry https://registry.invalid";
    with(&home, &[("HTTPS_PROXY", &proxy)], line).fails_with(7);
    let request = heard.recv_timeout(Duration::from_secs(10)).expect("a request");
    assert!(request.starts_with("CONNECT registry.invalid:443"), "{request}");
    let _tried_again = heard.try_iter().count();
    with(&home, &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "registry.invalid")], line).fails_with(7);
    assert!(heard.try_recv().is_err(), "the proxy was asked for what NO_PROXY names");
    // What may go in the clear to this machine does not go to a proxy.
    let (server, direct) = eavesdropper();
    let line = format!("registry status --registry http://{server}");
    with(&home, &[("HTTP_PROXY", &proxy)], &line).fails_with(1);
    assert!(direct.recv_timeout(Duration::from_secs(10)).is_ok());
    assert!(heard.try_recv().is_err(), "the proxy was asked for this machine");
}

/// A CA, and a certificate of its for this name, in PEM: CA, certificate, key.
fn certificates(home: &Home, name: &str, host: &str) {
    let mut authority = rcgen::CertificateParams::new(vec![]).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, format!("{name} CA"));
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new(vec![host.to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
    home.write(&format!("{name}-ca.pem"), certificate.pem());
    home.write(&format!("{name}.pem"), leaf.pem());
    home.write(&format!("{name}-key.pem"), key.serialize_pem());
}

#[test]
fn tls_with_a_private_ca_is_trusted_where_its_certificate_is_named() {
    let home = Home::new();
    certificates(&home, "our", "127.0.0.1");
    certificates(&home, "other", "127.0.0.1");
    certificates(&home, "named", "registry.test");
    let reader = token(&home, "rita", &["reader"]);
    let server = Guarded::start(&home, &["--tls-cert", "our.pem", "--tls-key", "our-key.pem"]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let variables = |more: &[(&'static str, &'static str)]| {
        let mut all =
            vec![("MLX_REGISTRY_URL", server.url.clone()), ("MLX_REGISTRY_TOKEN", reader.clone())];
        all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        all
    };
    let list = |more: &[(&'static str, &'static str)]| {
        let all = variables(more);
        let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        with(&home, &all, "models list")
    };
    list(&[("MLX_CA_BUNDLE", "our-ca.pem")]).ok();
    list(&[("SSL_CERT_FILE", "our-ca.pem")]).ok();
    let started = Instant::now();
    insta::assert_snapshot!(list(&[("MLX_CA_BUNDLE", "other-ca.pem")]).show().replace(&server.url, "[URL]"), @"
    exit 1
    --- stderr
    error: [URL]/ does not prove to be who it says: invalid peer certificate: UnknownIssuer
      try: if its CA is your own, name the file of its certificate: `MLX_CA_BUNDLE=ca.pem`
    ");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "it was tried again: {:?}",
        started.elapsed()
    );
    list(&[("MLX_CA_BUNDLE", "nowhere.pem")]).fails_with(1);
    let empty = list(&[("MLX_CA_BUNDLE", "tokens.toml")]).fails_with(1);
    assert!(empty.stderr().contains("there is no certificate in it"), "{}", empty.show());
    // MLflow's variables speak of MLflow's address.
    list(&[("MLFLOW_TRACKING_SERVER_CERT_PATH", "our-ca.pem")]).fails_with(1);
    let mlflow = |more: (&str, &str)| {
        let all = [
            ("MLFLOW_TRACKING_URI", server.url.as_str()),
            ("MLFLOW_TRACKING_TOKEN", &reader),
            more,
        ];
        with(&home, &all, "doctor")
    };
    mlflow(("MLFLOW_TRACKING_SERVER_CERT_PATH", "our-ca.pem")).ok();
    let insecure = mlflow(("MLFLOW_TRACKING_INSECURE_TLS", "true")).ok().stderr();
    assert!(insecure.contains("whoever it is gets your token"), "{insecure}");

    // One who speaks no TLS to it is turned away, and the server goes on.
    let _ = raw(server.address(), b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    list(&[("MLX_CA_BUNDLE", "our-ca.pem")]).ok();

    let named = Guarded::start(&home, &["--tls-cert", "named.pem", "--tls-key", "named-key.pem"]);
    let all = [
        ("MLX_REGISTRY_URL", named.url.as_str()),
        ("MLX_REGISTRY_TOKEN", &reader),
        ("MLX_CA_BUNDLE", "named-ca.pem"),
    ];
    let refused = with(&home, &all, "models list").fails_with(1);
    assert!(
        refused.stderr().contains("use the name that its certificate is for"),
        "{}",
        refused.show()
    );
    let line = "registry serve --port 0 --data registry --tls-cert our.pem --tls-key other-key.pem";
    let refused = home.mlx(line).fails_with(1);
    assert!(
        refused.stderr().contains("the key must be that of the first certificate"),
        "{}",
        refused.show()
    );
}

/// Everything that a caller can do with a token, good and bad, at a server that says all it knows.
#[test]
fn the_log_says_who_did_what_and_never_a_token() {
    let home = Home::new();
    let writer = token(&home, "ci", &["writer"]);
    let reader = token(&home, "rita", &["reader"]);
    let server = Guarded::start(&home, &["-vv"]);
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            server.address()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        raw(server.address(), request.as_bytes())
    };
    let bearer = format!("Bearer {writer}");
    let create = "/api/2.0/mlflow/registered-models/create";
    let made = ask(
        "POST",
        create,
        &[("authorization", &bearer), ("x-request-id", "build-17")],
        r#"{"name":"churn"}"#,
    );
    assert!(made.starts_with("HTTP/1.1 200") && made.contains("x-request-id: build-17"), "{made}");
    // An id that would forge a line is not taken over.
    let forged = ask("GET", "/health", &[("x-request-id", "a b\tactor=admin")], "");
    assert!(forged.contains("x-request-id: ") && !forged.contains("actor=admin"), "{forged}");
    let reading = format!("Bearer {reader}");
    assert!(
        ask("POST", create, &[("authorization", &reading)], r#"{"name":"x"}"#)
            .starts_with("HTTP/1.1 403")
    );
    assert!(
        ask("POST", create, &[("authorization", &format!("{bearer}x"))], "{}")
            .starts_with("HTTP/1.1 401")
    );
    assert!(ask("POST", create, &[("authorization", &writer)], "{}").starts_with("HTTP/1.1 401"));
    assert!(
        ask("POST", create, &[("authorization", &bearer)], "{not json").starts_with("HTTP/1.1 400")
    );
    assert!(ask("GET", "/nothing", &[("authorization", &bearer)], "").starts_with("HTTP/1.1 404"));
    let basic = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("x:{reader}"))
    };
    let basic = format!("Basic {basic}");
    assert!(
        ask("GET", "/api/mlx/1/whoami", &[("authorization", &basic)], "")
            .starts_with("HTTP/1.1 200")
    );
    with(
        &home,
        &[("MLX_REGISTRY_TOKEN", &writer)],
        &format!("models list -vv --registry {}", server.url),
    )
    .ok();

    #[cfg(target_os = "linux")]
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", server.id())).expect("the process");
        assert!(!String::from_utf8_lossy(&bytes).contains("mlxt_"));
    }
    drop(server);
    let log = home.read("server.log");
    let line = log
        .lines()
        .find(|line| line.contains("request=build-17"))
        .unwrap_or_else(|| panic!("{log}"));
    for part in [
        "INFO",
        "actor=ci",
        "method=POST",
        r#"path="/api/2.0/mlflow/registered-models/create""#,
        "route=",
        "status=200",
        "received=16",
        "sent=",
        "ms=",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(
        log.lines().any(|line| line.contains("actor=rita") && line.contains("status=403")),
        "{log}"
    );
    assert!(
        log.lines().any(|line| line.contains("actor=anonymous") && line.contains("status=401")),
        "{log}"
    );
    assert!(log.contains("DEBUG"), "the server didn't say all it knows");
    for secret in [&writer[22..], &reader[22..], basic.as_str(), "mlxt_"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let home = Home::new();
    token(&home, "ci", &["writer"]);
    let server = Guarded::start(&home, &[]);
    let long = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    assert!(raw(server.address(), long.as_bytes()).starts_with("HTTP/1.1 431"));
    let many = format!("GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    assert!(raw(server.address(), many.as_bytes()).starts_with("HTTP/1.1 431"));
    // A body of JSON has a limit, and one that is refused for its sender is not read to its end.
    let body = vec![b' '; 17 << 20];
    let mut request =
        format!("POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend(&body);
    assert!(
        raw(server.address(), b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .contains("OK")
    );
    let small = b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 900000\r\n\r\n";
    let mut small = small.to_vec();
    small.extend(&body[..900_000]);
    assert!(raw(server.address(), &small).starts_with("HTTP/1.1 401"));
}

/// Unmodified clients of MLflow, which know of tokens what their own variables say.
#[test]
fn the_python_client_says_who_it_is() {
    let Some(python) = std::env::var_os("MLX_MLFLOW3_PYTHON") else {
        eprintln!("skipped: MLX_MLFLOW3_PYTHON names no Python with mlflow 3");
        return;
    };
    let home = Home::new();
    let writer = token(&home, "ci", &["writer", "promoter:staging"]);
    let reader = token(&home, "rita", &["reader"]);
    let server = Guarded::start(&home, &[]);
    let script = home.write(
        "script.py",
        r#"
import mlflow
from mlflow import MlflowClient
client = MlflowClient()
run = client.create_run("0", run_name="by hand")
client.log_metric(run.info.run_id, "auc", 0.9)
client.log_text(run.info.run_id, "weights", "model/weights")
client.set_terminated(run.info.run_id)
client.create_registered_model("churn")
version = client.create_model_version("churn", f"runs:/{run.info.run_id}/model", run.info.run_id)
client.set_registered_model_alias("churn", "staging", version.version)
print("aliased", client.get_model_version_by_alias("churn", "staging").version, run.info.user_id)
client.set_registered_model_alias("churn", "production", version.version)
"#,
    );
    let run = |variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(&python);
        command
            .arg(&script)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .env("MLFLOW_TRACKING_URI", &server.url)
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
            .envs(variables.iter().copied());
        home.answer(&mut command)
    };
    let stranger = run(&[]).fails_with(1);
    assert!(stranger.stderr().contains("UNAUTHENTICATED"), "{}", stranger.show());
    let stopped = run(&[("MLFLOW_TRACKING_TOKEN", &writer)]).fails_with(1);
    assert!(stopped.stdout().contains("aliased 1 ci"), "{}", stopped.show());
    assert!(stopped.stderr().contains("PERMISSION_DENIED"), "{}", stopped.show());
    assert!(stopped.stderr().contains("promoter:production:churn"), "{}", stopped.show());
    let reading =
        run(&[("MLFLOW_TRACKING_USERNAME", "rita"), ("MLFLOW_TRACKING_PASSWORD", &reader)]);
    assert!(reading.fails_with(1).stderr().contains("PERMISSION_DENIED"));
    let events = with(
        &home,
        &[("MLX_REGISTRY_TOKEN", &reader)],
        &format!("models history churn --json --registry {}", server.url),
    );
    assert_eq!(events.ok().json()["events"][0]["actor"], "ci");
}
