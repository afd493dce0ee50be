//! The calls, and a client that makes them one after the other on each of its connections.

use std::time::{Duration, Instant};

use super::http::{Connection, request};

/// A call that clients make.
pub struct Call {
    pub name: &'static str,
    /// The n-th request of it; no two connections share an n.
    make: fn(&Bench, u64) -> Vec<u8>,
}

/// What is asked of each server, in the order that the table has.
pub const CALLS: &[Call] = &[
    Call {
        name: "runs/create",
        make: |bench, n| {
            bench.post(
                "runs/create",
                &format!(
                    r#"{{"experiment_id":"{}","start_time":1,"run_name":"r{n}"}}"#,
                    bench.experiment
                ),
            )
        },
    },
    Call {
        name: "runs/log-metric",
        make: |bench, n| {
            bench.post(
                "runs/log-metric",
                &format!(
                    r#"{{"run_id":"{}","key":"m","value":{n}.5,"timestamp":1,"step":{n}}}"#,
                    bench.run
                ),
            )
        },
    },
    Call {
        name: "runs/log-batch, 100 metrics",
        make: |bench, n| {
            let metrics: Vec<String> = (0..100)
                .map(|k| format!(r#"{{"key":"k{k}","value":{k},"timestamp":1,"step":{n}}}"#))
                .collect();
            bench.post(
                "runs/log-batch",
                &format!(r#"{{"run_id":"{}","metrics":[{}]}}"#, bench.run, metrics.join(",")),
            )
        },
    },
    Call {
        name: "runs/get",
        make: |bench, _| bench.get(&format!("runs/get?run_id={}", bench.run)),
    },
    Call {
        name: "runs/search, 100 of them",
        make: |bench, _| {
            bench.post(
                "runs/search",
                &format!(r#"{{"experiment_ids":["{}"],"max_results":100}}"#, bench.experiment),
            )
        },
    },
    Call {
        name: "model-versions/create",
        make: |bench, n| {
            bench.post(
                "model-versions/create",
                &format!(
                    r#"{{"name":"{}","source":"s3://b/{n}","run_id":"{}"}}"#,
                    bench.model, bench.run
                ),
            )
        },
    },
    Call {
        name: "registered-models/alias POST",
        make: |bench, n| {
            bench.post(
                "registered-models/alias",
                &format!(
                    r#"{{"name":"{}","alias":"champion","version":"{}"}}"#,
                    bench.model,
                    1 + n % 1000
                ),
            )
        },
    },
    Call {
        name: "registered-models/alias GET",
        make: |bench, _| {
            bench.get(&format!("registered-models/alias?name={}&alias=champion", bench.model))
        },
    },
    Call {
        name: "model-versions/get",
        make: |bench, n| {
            bench.get(&format!("model-versions/get?name={}&version={}", bench.model, 1 + n % 1000))
        },
    },
    Call {
        name: "model-versions/search, 100 of them",
        make: |bench, _| {
            bench.get(&format!(
                "model-versions/search?filter=name%3D'{}'&max_results=100",
                bench.model
            ))
        },
    },
    Call {
        name: "model-versions/search by a tag",
        make: |bench, n| {
            bench.get(&format!(
                "model-versions/search?filter=name%3D'{}'%20and%20tags.place%3D'{}'",
                bench.model,
                n % 1000
            ))
        },
    },
];

/// A server with an experiment, a run, and a model of a thousand versions of its own.
pub struct Bench {
    port: u16,
    experiment: String,
    run: String,
    model: String,
    /// The next n of any call.
    next: u64,
}

impl Bench {
    pub fn new(port: u16) -> Self {
        let mark = Instant::now();
        let unique = format!("{:x}{:p}", std::process::id(), &raw const mark);
        let mut bench = Self {
            port,
            experiment: String::new(),
            run: String::new(),
            model: format!("m{unique}"),
            next: 0,
        };
        let mut connection = Connection::open(port).expect("a connection");
        let made = connection
            .done(&bench.post("experiments/create", &format!(r#"{{"name":"e{unique}"}}"#)));
        bench.experiment = text(&made, "experiment_id");
        let made = connection.done(&bench.post(
            "runs/create",
            &format!(r#"{{"experiment_id":"{}","start_time":1}}"#, bench.experiment),
        ));
        bench.run = text(&made, "run_id");
        connection.done(
            &bench.post("registered-models/create", &format!(r#"{{"name":"{}"}}"#, bench.model)),
        );
        bench.versions(&mut connection, 0, 1000);
        connection.done(&bench.post(
            "registered-models/alias",
            &format!(r#"{{"name":"{}","alias":"champion","version":"7"}}"#, bench.model),
        ));
        bench
    }

    fn versions(&self, connection: &mut Connection, from: u64, to: u64) {
        for place in from..to {
            connection.done(&self.post("model-versions/create", &format!(
                r#"{{"name":"{}","source":"s3://bucket/{place}","run_id":"{}","tags":[{{"key":"place","value":"{place}"}}]}}"#,
                self.model, self.run
            )));
        }
    }

    /// As many versions, and as many points of metrics in the run and beside it.
    pub fn fill(&mut self, versions: u64, points: u64) {
        let mut connection = Connection::open(self.port).expect("a connection");
        self.versions(&mut connection, 1000, versions);
        for batch in 0..points / 1000 {
            let metrics: Vec<String> = (0..1000)
                .map(|k| {
                    format!(
                        r#"{{"key":"k{}","value":{k},"timestamp":{batch},"step":{batch}{k:03}}}"#,
                        k % 100
                    )
                })
                .collect();
            connection.done(&self.post(
                "runs/log-batch",
                &format!(r#"{{"run_id":"{}","metrics":[{}]}}"#, self.run, metrics.join(",")),
            ));
        }
    }

    /// Make a call again and again on each of some connections for this long.
    pub fn run(&mut self, call: &Call, connections: u64, time: Duration) -> Figures {
        const WARM: u64 = 5;
        let first = self.next;
        let bench = &*self;
        let started = Instant::now();
        let latencies: Vec<Vec<Duration>> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..connections)
                .map(|client| {
                    scope.spawn(move || {
                        let mut connection = Connection::open(bench.port).expect("a connection");
                        let mut took = Vec::new();
                        let mut n = first + client;
                        let mut began = Instant::now();
                        for count in 0_u64.. {
                            if count == WARM {
                                began = Instant::now();
                            }
                            if count > WARM && began.elapsed() > time {
                                break;
                            }
                            let request = (call.make)(bench, n);
                            n += connections;
                            let sent = Instant::now();
                            connection.done(&request);
                            if count >= WARM {
                                took.push(sent.elapsed());
                            }
                        }
                        took
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().expect("a client")).collect()
        });
        let calls: usize = latencies.iter().map(Vec::len).sum();
        self.next += (calls as u64 + 10 * connections) * 2;
        Figures { seconds: started.elapsed().as_secs_f64(), latencies: latencies.concat() }
    }

    fn post(&self, path: &str, body: &str) -> Vec<u8> {
        request("POST", &format!("/api/2.0/mlflow/{path}"), Some(body))
    }

    fn get(&self, path: &str) -> Vec<u8> {
        request("GET", &format!("/api/2.0/mlflow/{path}"), None)
    }
}

/// What came of a call.
#[derive(Default)]
pub struct Figures {
    seconds: f64,
    latencies: Vec<Duration>,
}

impl Figures {
    pub fn add(&mut self, more: Self) {
        self.seconds += more.seconds;
        self.latencies.extend(more.latencies);
    }

    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let place = (quantile * sorted.len() as f64) as usize;
        sorted
            .get(place.min(sorted.len().saturating_sub(1)))
            .map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }

    pub fn shown(&self) -> String {
        format!(
            "{:>8.0} {:>8.2} {:>8.2}",
            self.rate(),
            self.quantile_ms(0.5),
            self.quantile_ms(0.99)
        )
    }
}

/// The text of a key in JSON that is known to hold it.
fn text(json: &str, key: &str) -> String {
    let value = json.split(&format!("\"{key}\"")).nth(1).expect("the answer has the key");
    value.split('"').nth(1).expect("the key has text").to_owned()
}
