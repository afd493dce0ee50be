//! Servers that share a registry, and a database that goes away under one and comes back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Home;

/// A server of `mlx registry serve`, and its address.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("mlx starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, url }
    }

    fn post(&self, client: &reqwest::blocking::Client, path: &str, body: &Value) -> (u16, Value) {
        let sent = client.post(format!("{}{path}", self.url)).body(body.to_string()).send();
        answer(sent)
    }

    fn get(&self, client: &reqwest::blocking::Client, path: &str) -> (u16, Value) {
        answer(client.get(format!("{}{path}", self.url)).send())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A status and a body; 0 where no answer came.
fn answer(sent: reqwest::Result<reqwest::blocking::Response>) -> (u16, Value) {
    let Ok(response) = sent else { return (0, Value::Null) };
    let status = response.status().as_u16();
    let text = response.text().unwrap_or_default();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn client() -> reqwest::blocking::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let timeout = Duration::from_mins(1);
    reqwest::blocking::Client::builder().no_proxy().timeout(timeout).build().expect("a client")
}

fn serve(home: &Home, database: Option<&str>) -> Served {
    let mut command = home.command_in("");
    command.args(["registry", "serve", "--port", "0", "--data", "shared"]);
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    Served::start(&mut command)
}

/// The address of an empty database on the server for tests.
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn postgres_database() -> Option<String> {
    use sqlx::{ConnectOptions, Connection};
    let Some(server) = std::env::var("MLX_TEST_POSTGRES").ok().filter(|said| !said.is_empty())
    else {
        eprintln!("SKIPPED: MLX_TEST_POSTGRES is not set to the address of a PostgreSQL server");
        return None;
    };
    let name = format!("mlx_it_{}_{:?}", std::process::id(), thread::current().id());
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let name = name.to_lowercase();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let options: sqlx::postgres::PgConnectOptions = server.parse().expect("an address");
        let mut connection = options.connect().await.expect("a server");
        let make = format!("CREATE DATABASE {name}");
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await;
        made.expect("a database");
        connection.close().await.expect("an end");
    });
    let mut address = url::Url::parse(&server).expect("an address");
    address.set_path(&name);
    Some(address.into())
}

/// A model with two versions that have files.
fn registered(server: &Served) {
    let client = client();
    let mlflow = "/api/2.0/mlflow";
    let (status, _) = server.post(
        &client,
        &format!("{mlflow}/registered-models/create"),
        &json!({ "name": "churn" }),
    );
    assert_eq!(status, 200);
    for number in 1..=2 {
        let file =
            format!("/api/2.0/mlflow-artifacts/artifacts/0/{number}/artifacts/model/weights");
        let put =
            client.put(format!("{}{file}", server.url)).body(format!("weights {number}")).send();
        assert!(put.expect("an answer").status().is_success());
        let source = format!("mlflow-artifacts:/0/{number}/artifacts/model");
        let (status, body) = server.post(
            &client,
            &format!("{mlflow}/model-versions/create"),
            &json!({ "name": "churn", "source": source }),
        );
        assert_eq!(status, 200, "{body}");
    }
}

fn live(server: &Served, client: &reqwest::blocking::Client) -> Option<u64> {
    let path = "/api/2.0/mlflow/registered-models/alias?name=churn&alias=production";
    let (_, body) = server.get(client, path);
    body["model_version"]["version"].as_str().and_then(|version| version.parse().ok())
}

/// Clients that promote as fast as they can, each through one of the servers, and what each of
/// their operations was answered.
fn promote_for(servers: &[Served], clients: usize, time: Duration) -> BTreeMap<String, u16> {
    let answers = Mutex::new(BTreeMap::new());
    let until = Instant::now() + time;
    thread::scope(|scope| {
        for number in 0..clients {
            let answers = &answers;
            let server = &servers[number % servers.len()];
            scope.spawn(move || {
                let client = client();
                for turn in 0.. {
                    if Instant::now() > until {
                        break;
                    }
                    let expect = live(server, &client);
                    let to = if expect == Some(1) { 2 } else { 1 };
                    let operation = format!("{number}-{turn}");
                    let body = json!({
                        "operation_id": operation, "kind": "promote", "environment": "production",
                        "to": to, "expect": expect, "actor": format!("client {number}"),
                    });
                    let moves = "/api/mlx/1/models/churn/moves";
                    let (status, _) = server.post(&client, moves, &body);
                    answers.lock().expect("no panic").insert(operation, status);
                }
            });
        }
    });
    answers.into_inner().expect("no panic")
}

/// How often each operation is in the log, read in pages.
fn logged(server: &Served) -> BTreeMap<String, usize> {
    let client = client();
    let mut log = BTreeMap::new();
    let mut after = 0;
    loop {
        let path = format!("/api/mlx/1/models/churn/events?after={after}");
        let (status, page) = server.get(&client, &path);
        assert_eq!(status, 200, "{page}");
        for event in page["events"].as_array().expect("a list") {
            let operation = event["operation_id"].as_str().expect("an id");
            *log.entry(operation.to_owned()).or_default() += 1;
        }
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => return log,
        }
    }
}

/// Everybody was told the truth: who was answered 200 is in the log once, who was refused is not,
/// and nothing else is. Of those without an answer nobody said anything.
#[expect(clippy::print_stderr, reason = "how much was tried is said")]
fn told_the_truth(answers: &BTreeMap<String, u16>, log: &BTreeMap<String, usize>) {
    let mut counts = BTreeMap::<u16, usize>::new();
    for (operation, status) in answers {
        *counts.entry(*status).or_default() += 1;
        let times = log.get(operation).copied().unwrap_or_default();
        match status {
            200 => assert_eq!(times, 1, "{operation} was answered 200"),
            // The version was live already when the move came to be looked at.
            400 | 409 => assert_eq!(times, 0, "{operation} was answered {status}"),
            0 | 503 => assert!(times <= 1, "{operation} had no answer"),
            other => panic!("{operation} was answered {other}"),
        }
    }
    for operation in log.keys() {
        assert!(answers.contains_key(operation), "nobody asked for {operation}");
    }
    eprintln!("answers by status: {counts:?}; {} moves in the log", log.len());
    assert!(counts.get(&200).is_some_and(|moves| *moves > 5), "{counts:?}");
}

fn soak(home: &Home, database: Option<&str>) {
    let seconds = std::env::var("MLX_SOAK_SECONDS").ok().and_then(|said| said.parse().ok());
    let servers = [serve(home, database), serve(home, database)];
    registered(&servers[0]);
    let answers = promote_for(&servers, 32, Duration::from_secs(seconds.unwrap_or(3)));
    told_the_truth(&answers, &logged(&servers[1]));
    verified(home, database);
}

/// Every hash follows from the one before, every alias is what the log says, every byte is there.
fn verified(home: &Home, database: Option<&str>) {
    let mut command = home.command_in("");
    command.args(["registry", "verify", "--data", "shared"]);
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    home.answer(&mut command).ok();
}

#[test]
fn two_servers_on_one_folder_have_one_history() {
    soak(&Home::new(), None);
}

#[test]
fn two_servers_on_one_database_have_one_history() {
    if let Some(database) = postgres_database() {
        soak(&Home::new(), Some(&database));
    }
}

/// A road to the database that can be cut.
struct Gate {
    port: u16,
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Gate {
    fn before(database: &str) -> Self {
        let options: sqlx::postgres::PgConnectOptions = database.parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let roads = Arc::clone(&open);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut roads = roads.lock().expect("no panic");
                let Some(roads) = roads.as_mut() else {
                    continue; // Dropped: whoever called hears that the line is dead.
                };
                roads.push(near.try_clone().expect("a handle"));
                connect(&options, near);
            }
        });
        Self { port, open }
    }

    fn cut(&self) {
        let roads = self.open.lock().expect("no panic").take();
        for road in roads.into_iter().flatten() {
            let _ = road.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        *self.open.lock().expect("no panic") = Some(Vec::new());
    }

    /// The database's address by this road.
    fn address(&self, database: &str) -> String {
        let options: sqlx::postgres::PgConnectOptions = database.parse().expect("an address");
        let (user, port) = (options.get_username(), self.port);
        let name = options.get_database().expect("a name");
        format!("postgres://{user}@127.0.0.1:{port}/{name}?sslmode=disable")
    }
}

/// Carry bytes both ways until either side ends.
fn connect(options: &sqlx::postgres::PgConnectOptions, near: TcpStream) {
    fn carry(
        mut from: impl std::io::Read + Send + 'static,
        mut to: impl std::io::Write + Send + 'static,
        end: impl FnOnce() + Send + 'static,
    ) {
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            end();
        });
    }
    let other = near.try_clone().expect("a handle");
    let (near_end, far_near) = (near.try_clone().expect("a handle"), near);
    match options.get_socket() {
        #[cfg(unix)]
        Some(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{}", options.get_port()));
            let far = std::os::unix::net::UnixStream::connect(socket).expect("a server");
            let far_end = far.try_clone().expect("a handle");
            carry(other, far.try_clone().expect("a handle"), move || {
                let _ = far_end.shutdown(Shutdown::Both);
            });
            carry(far, far_near, move || {
                let _ = near_end.shutdown(Shutdown::Both);
            });
        }
        _ => {
            let far =
                TcpStream::connect((options.get_host(), options.get_port())).expect("a server");
            let far_end = far.try_clone().expect("a handle");
            carry(other, far.try_clone().expect("a handle"), move || {
                let _ = far_end.shutdown(Shutdown::Both);
            });
            carry(far, far_near, move || {
                let _ = near_end.shutdown(Shutdown::Both);
            });
        }
    }
}

#[test]
fn a_database_that_was_gone_and_is_back() {
    let Some(database) = postgres_database() else { return };
    let gate = Gate::before(&database);
    let home = Home::new();
    let server = serve(&home, Some(&gate.address(&database)));
    registered(&server);
    let client = client();
    let models = "/api/2.0/mlflow/registered-models/get?name=churn";
    assert_eq!(server.get(&client, models).0, 200);

    gate.cut();
    let (status, body) = server.get(&client, models);
    assert_eq!((status, &body["error_code"]), (503, &json!("TEMPORARILY_UNAVAILABLE")), "{body}");
    assert!(body["message"].as_str().expect("a text").contains("try again"), "{body}");
    let create = "/api/2.0/mlflow/registered-models/create";
    let (status, body) = server.post(&client, create, &json!({ "name": "fraud" }));
    assert_eq!((status, &body["error_code"]), (503, &json!("TEMPORARILY_UNAVAILABLE")), "{body}");
    assert_eq!(server.get(&client, "/health").0, 200, "the server itself is well");

    gate.mend();
    assert_eq!(server.get(&client, models).0, 200);
    assert_eq!(server.post(&client, create, &json!({ "name": "fraud" })).0, 200);
}

#[test]
fn a_database_that_is_cut_off_in_the_midst_of_moves() {
    let Some(database) = postgres_database() else { return };
    let gate = Gate::before(&database);
    let home = Home::new();
    let servers = [serve(&home, Some(&gate.address(&database)))];
    registered(&servers[0]);
    let answers = thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..6 {
                thread::sleep(Duration::from_millis(300));
                gate.cut();
                thread::sleep(Duration::from_millis(50));
                gate.mend();
            }
        });
        promote_for(&servers, 8, Duration::from_secs(3))
    });
    told_the_truth(&answers, &logged(&servers[0]));
    verified(&home, Some(&database));
}
