//! Registries that are away, are something else, or say no.

use super::Rows;
use super::fixture::{SETTINGS, customers, project, registered};
use crate::pretend::{Fault, PretendRegistry};
use crate::support::{Answer, Home};

#[test]
fn registry() {
    let mut rows = Rows::of("Registry");
    let home = registered();
    let mut tried = |wrong: &str, line: &str| rows.tried(wrong, &home, line);

    insta::assert_snapshot!(tried("a typo in a model's name", "models show chrun"), @"
    exit 1
    --- stderr
    error: no model `chrun` in [HOME]/.local/share/mlx/registry (embedded)
      try: did you mean `churn`?
    ");
    insta::assert_snapshot!(tried("a version that is not there", "models show churn/9"), @"
    exit 1
    --- stderr
    error: `churn` has no version 9
      try: the latest is 1; see all of them: `mlx models show churn`
    ");
    insta::assert_snapshot!(tried("an environment where nothing is", "eval churn@production"), @"
    exit 1
    --- stderr
    error: nothing of `churn` is live in production
      try: promote a version: `mlx promote churn --to production`
    ");
    insta::assert_snapshot!(tried("a typo in an environment", "eval churn@stagign"), @"
    exit 1
    --- stderr
    error: nothing of `churn` is live in stagign
      try: did you mean `churn@staging`?
    ");
    insta::assert_snapshot!(tried("promoting a version that is not there", "promote churn/9 --to staging"), @"
    exit 1
    --- stderr
    error: `churn` has no version 9
      try: the latest is 1; see all of them: `mlx models show churn`
    ");
    insta::assert_snapshot!(tried("promoting a model that is not there", "promote chrun --to staging"), @"
    exit 1
    --- stderr
    error: no model `chrun` in [HOME]/.local/share/mlx/registry (embedded)
      try: did you mean `churn`?
    ");
    insta::assert_snapshot!(tried("expecting another version than is live", "promote churn/1 --to staging --expect 4"), @"
    exit 6
    --- stderr
    error: staging has churn/1, where churn/4 was expected: [USER] promoted churn/1 first
      try: look at `mlx models history churn`, then decide again
    ");
    insta::assert_snapshot!(tried("nothing to roll back to", "rollback churn --env staging"), @"
    exit 1
    --- stderr
    error: nothing to roll back to in staging for `churn`: no version but 1 has been live there
      try: see what was live when: `mlx models history churn`
    ");
    insta::assert_snapshot!(tried("rolling back where nothing was", "rollback churn --env production"), @"
    exit 1
    --- stderr
    error: nothing to roll back to in production for `churn`: nothing is live there
      try: see what was live when: `mlx models history churn`
    ");
    insta::assert_snapshot!(tried("rolling back to a version that is not there", "rollback churn --env staging --version 9"), @"
    exit 1
    --- stderr
    error: `churn` has no version 9
      try: the latest is 1; see all of them: `mlx models show churn`
    ");
    insta::assert_snapshot!(tried("deleting a live version", "models delete churn/1"), @"
    exit 1
    --- stderr
    error: cannot delete what is live: churn/1 in staging
      try: promote another version there, or roll back, first
    ");
    insta::assert_snapshot!(tried("deleting a model with a live version", "models delete churn --all"), @"
    exit 1
    --- stderr
    error: cannot delete what is live: churn/1 in staging
      try: promote another version there, or roll back, first
    ");
    insta::assert_snapshot!(tried("deleting a model without saying so", "models delete churn"), @"
    exit 2
    --- stderr
    error: `churn` names a model and not a version
      try: delete one version with `mlx models delete churn/VERSION`, or all of it with `--all`
    ");
    insta::assert_snapshot!(tried("deleting what is not there", "models delete churn/9"), @"
    exit 1
    --- stderr
    error: `churn` has no version 9
      try: the latest is 1; see all of them: `mlx models show churn`
    ");
    insta::assert_snapshot!(tried("pulling into a folder that holds something", "models pull churn/1 -o ."), @"
    exit 1
    --- stderr
    error: [HOME]/churn/. is there already
      try: name another folder: `mlx models pull … -o DIR`
    ");
    insta::assert_snapshot!(tried("registering under a name that can't be", "register --name a@b"), @"
    exit 2
    --- stderr
    error: `a@b` is not a valid model name
      try: use 1 to 200 letters, digits, spaces, `_`, `-` and `.`, starting with a letter or digit
    ");

    insta::assert_snapshot!(tried("a registry that is a file", "models list --registry ./mlx.toml"), @"
    exit 1
    --- stderr
    error: cannot open [HOME]/churn/mlx.toml: File exists (os error 17)
      try: a file is where a folder should be: name another folder
    ");
    insta::assert_snapshot!(tried("an address of an unknown kind", "models list --registry ftp://example.com"), @"
    exit 2
    --- stderr
    error: a registry can't be reached by `ftp`: `ftp://example.com`
      try: use an http or https address, a folder, or `embedded`
    ");
    insta::assert_snapshot!(tried("an address that is none", "models list --registry http://"), @"
    exit 2
    --- stderr
    error: `http://` is not an address: empty host
      try: write it like `https://registry.example.com`
    ");
    insta::assert_snapshot!(tried("a backup over something", "registry backup ."), @"
    exit 1
    --- stderr
    error: [HOME]/churn/. exists already
      try: name a folder that does not, such as one with today's date
    ");
    insta::assert_snapshot!(tried("a backup of nothing", "registry backup copy --data ./nothing"), @"
    exit 1
    --- stderr
    error: there is no registry in [HOME]/churn/./nothing
      try: see which one is in use: `mlx registry status`
    ");
    insta::assert_snapshot!(tried("a restore from nothing", "registry restore ./nothing"), @"
    exit 1
    --- stderr
    error: there is no registry in [HOME]/churn/./nothing
      try: see which one is in use: `mlx registry status`
    ");
    home.mlx_in("churn", "registry backup copy -q").ok();
    insta::assert_snapshot!(tried("a restore over a registry", "registry restore copy"), @"
    exit 1
    --- stderr
    error: there is a registry in [HOME]/.local/share/mlx/registry
      try: give `--replace` to put the backup in its place; what is there is kept beside it
    ");

    home.write("churn/text/registry.db", "this is no database, but it is longer than a header of one is: it has to be so long that somebody reads it\n");
    insta::assert_snapshot!(tried("a database that is none", "models list --registry ./text"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/text/registry.db: the registry's database is damaged: error returned from database: (code: 26) file is not a database
      try: put a backup in its place: `mlx registry restore BACKUP --replace`
    ");
    stamp(&home, 60, 99);
    insta::assert_snapshot!(tried("a database of a newer mlx", "models list --registry ./copy"), @"
    exit 1
    --- stderr
    error: the registry [HOME]/churn/copy/registry.db was written by a newer mlx: its format is 99, and this mlx reads up to [FORMAT]
      try: update mlx on this machine
    ");
    stamp(&home, 68, 7);
    insta::assert_snapshot!(tried("a database of something else", "models list --registry ./copy"), @"
    exit 1
    --- stderr
    error: [HOME]/churn/copy/registry.db is not a registry of mlx
      try: name another folder: `--data DIR`, or `--registry DIR`
    ");

    home.write("other/mlx.toml", SETTINGS.replacen("one-project", "another", 1));
    home.write("other/train.csv", customers());
    home.mlx_in("other", "train -q").ok();
    let line = "register -q";
    let answer = home.mlx_in("other", line);
    insta::assert_snapshot!(rows.saw("a name of another project", line, &answer), @"
    exit 1
    --- stderr
    error: the name `churn` belongs to another project in [HOME]/.local/share/mlx/registry (embedded)
      try: use another name: `mlx register --name NAME`, or take `churn` over: `mlx register --adopt`
    ");
    rows.end();
}

#[test]
fn servers() {
    let mut rows = Rows::of("Registry servers");
    let mut asked = |wrong: &str, fault: Fault| {
        let server = PretendRegistry::start(fault);
        rows.saw(wrong, "models list", &list(&server.url))
    };
    insta::assert_snapshot!(asked("a server of web pages", Fault::Answer(200, "text/html", "<html>Welcome</html>")), @"
    exit 1
    --- stderr
    error: http://127.0.0.1:[PORT] does not answer like an MLflow registry: GET /api/2.0/mlflow/registered-models/search gave something else (expected value at line 1 column 1)
      try: check the address: `mlx registry status`
    ");
    insta::assert_snapshot!(asked("a page that is not there", Fault::Answer(404, "text/html", "<html>Not found</html>")), @"
    exit 1
    --- stderr
    error: http://127.0.0.1:[PORT] does not answer like an MLflow registry: GET /api/2.0/mlflow/registered-models/search gave 404 Not Found
      try: check the address: `mlx registry status`
    ");
    insta::assert_snapshot!(asked("a server that wants to know who asks", Fault::Answer(401, "text/plain", "who?")), @"
    exit 4
    --- stderr
    error: registry http://127.0.0.1:[PORT] does not know you: it answered 401 Unauthorized
      try: log in: `mlx login http://127.0.0.1:[PORT]`, or set MLX_REGISTRY_TOKEN; `mlx doctor` says what is sent
    ");
    insta::assert_snapshot!(asked("a server that does not allow it", Fault::Answer(403, "text/plain", "no")), @"
    exit 4
    --- stderr
    error: registry http://127.0.0.1:[PORT] does not allow this: it answered 403 Forbidden
      try: ask whoever runs the registry for the role that may do it
    ");
    insta::assert_snapshot!(asked("a server that fails", Fault::Answer(500, "text/plain", "oh")), @"
    exit 7
    --- stderr
    error: registry http://127.0.0.1:[PORT] failed: it answered 500 Internal Server Error
      try: try again in a while; the server's log says more
    ");
    insta::assert_snapshot!(asked("a server that hangs up", Fault::HangUp), @"
    exit 7
    --- stderr
    error: lost the registry at http://127.0.0.1:[PORT]: connection closed before message completed
      try: check that it runs, and where its address was said: `mlx config show registry`
    ");
    insta::assert_snapshot!(asked("an answer that is cut off", Fault::CutBody), @"
    exit 7
    --- stderr
    error: lost the registry at http://127.0.0.1:[PORT]: end of file before message length reached
      try: check that it runs, and where its address was said: `mlx config show registry`
    ");
    insta::assert_snapshot!(asked("a server that never answers, MLX_REGISTRY_TIMEOUT=1s", Fault::Silence), @"
    exit 7
    --- stderr
    error: lost the registry at http://127.0.0.1:[PORT]: no answer in time
      try: check that it runs, and where its address was said: `mlx config show registry`
    ");
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let answer = list(&format!("http://{nobody}"));
    insta::assert_snapshot!(rows.saw("an address where nobody listens", "models list", &answer), @"
    exit 7
    --- stderr
    error: cannot reach the registry at http://127.0.0.1:[PORT]: Connection refused (os error 111)
      try: check that it runs, and where its address was said: `mlx config show registry`
    ");
    rows.end();
}

fn list(url: &str) -> Answer {
    let home = project();
    let mut command = home.command_in("churn");
    command.env("MLX_REGISTRY_URL", url).env("MLX_REGISTRY_TIMEOUT", "1s");
    home.answer(command.args(["models", "list"]))
}

/// Write a number into the header of the copied database: 60 is its format, 68 whose it is.
fn stamp(home: &Home, at: usize, number: u32) {
    let path = home.join("churn/copy/registry.db");
    let mut bytes = std::fs::read(&path).expect("a database");
    bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    std::fs::write(path, bytes).expect("written");
}
