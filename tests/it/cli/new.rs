//! `mlx new` and `mlx init`: what is made, what is refused, and that nothing is half-made.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::{Answer, Home};

/// The answer without the commit's id, which holds the time and the author.
fn show(answer: &Answer) -> String {
    let mut text = answer.show();
    if let Some(at) = text.find("made, first commit ") {
        let id = at + "made, first commit ".len();
        text.replace_range(id..id + 7, "[COMMIT]");
    }
    text
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn commit_count(folder: &Path) -> usize {
    let repository = git2::Repository::open(folder).expect("a repository");
    let mut walk = repository.revwalk().expect("a walk");
    walk.push_head().expect("a commit");
    walk.count()
}

#[test]
fn a_format_is_for_names_that_say_none() {
    let home = Home::new();
    let rows: Vec<_> = (0..40).map(|row| format!("{row},{}", ["yes", "no"][row % 2])).collect();
    let csv = format!("x,y\n{}\n", rows.join("\n"));
    home.write("named.csv", &csv);
    home.write("unnamed", &csv);
    home.mlx("new a --data named.csv --target y --format jsonl --no-git").ok();
    assert!(!home.read("a/mlx.toml").contains("format ="));
    home.mlx("new b --data unnamed --target y --format csv --no-git").ok();
    assert!(home.read("b/mlx.toml").contains("format = \"csv\""));
    home.mlx("new c --data unnamed --target y --format exel --no-git").fails_with(2);
}

#[test]
fn a_variable_without_a_team_template_is_refused() {
    insta::assert_snapshot!(Home::new().mlx("new q4 --template classification --var a=b").show(), @"
    exit 2
    --- stderr
    error: `--var` is for a team's own template, and `--from` names none
      try: leave it out, or name the template: `--from GIT-URL|PATH`
    ");
}

#[test]
fn a_template_becomes_a_project_with_a_first_commit() {
    let home = Home::new();
    let answer = home.mlx("new churn --template classification").ok();
    insta::assert_snapshot!(show(&answer), @"
    exit 0
    --- stdout
    churn is a classification project in [HOME]/churn

      mlx.toml                     what the project is; start here
      data/customers.csv           3000 rows of invented data
      README.md                    the way from data to production, and what each file is for
      .gitignore                   keeps runs out of git
      .github/workflows/model.yml  trains and evaluates on every push

    git repository made, first commit [COMMIT]

    next:
      cd churn
      mlx train
    ");
    assert_eq!(
        names(&home.join("churn")),
        [".git", ".github", ".gitignore", "README.md", "data", "mlx.toml"]
    );
    assert_eq!(names(home.path()), ["churn"]);

    // Nobody told git who they are here, and nothing was left out of the commit.
    let repository = git2::Repository::open(home.join("churn")).expect("a repository");
    let head = repository.head().expect("a head");
    assert_eq!(head.shorthand(), Ok("main"));
    let commit = head.peel_to_commit().expect("a commit");
    assert_eq!(commit.message(), Ok("Start churn from mlx new"));
    assert!(repository.statuses(None).expect("a status").is_empty());
}

#[test]
fn every_template_says_what_its_project_is() {
    let home = Home::new();
    for task in ["classification", "forecasting", "ranking"] {
        home.mlx(&format!("new {task} --template {task} --no-git --owner a-team")).ok();
        let settings: toml::Table =
            home.read(&format!("{task}/mlx.toml")).parse().expect("a valid mlx.toml");
        let project = settings["project"].as_table().expect("[project]");
        assert_eq!(project["name"].as_str(), Some(task));
        assert_eq!(project["task"].as_str(), Some(task));
        assert_eq!(project["owner"].as_str(), Some("a-team"));
        assert_eq!(project["id"].as_str().map(str::len), Some(16));
        let train = settings["data"]["train"].as_str().expect("data.train");
        assert!(home.join(task).join(train).is_file());
        assert!(!home.join(task).join(".git").exists());
        // Every key that the file sets is one that mlx knows.
        home.mlx_in(task, "config show").ok();
    }
    let of = |task: &str| home.read(&format!("{task}/mlx.toml"));
    assert_ne!(of("ranking"), of("forecasting"));
}

#[test]
fn two_projects_have_the_same_data_and_different_ids() {
    let home = Home::new();
    home.mlx("new a --template ranking --no-git --name same").ok();
    home.mlx("new b --template ranking --no-git --name same").ok();
    assert_eq!(home.read("a/data/searches.csv"), home.read("b/data/searches.csv"));
    assert_ne!(home.read("a/mlx.toml"), home.read("b/mlx.toml"));
}

#[test]
fn inside_another_repository_no_other_is_made() {
    let home = Home::new();
    home.mlx("new outer --template ranking").ok();
    let answer = home.mlx_in("outer", "new inner --template forecasting").ok();
    insta::assert_snapshot!(show(&answer), @"
    exit 0
    --- stdout
    inner is a forecasting project in [HOME]/outer/inner

      mlx.toml                     what the project is; start here
      data/sales.csv               4432 rows of invented data
      README.md                    the way from data to production, and what each file is for
      .gitignore                   keeps runs out of git
      .github/workflows/model.yml  trains and evaluates on every push

    inside the git repository [HOME]/outer: no other is nested into it, and the commit is yours to make

    next:
      cd inner
      mlx train
    ");
    assert!(!home.join("outer/inner/.git").exists());
    assert_eq!(commit_count(&home.join("outer")), 1);
}

#[test]
fn what_surrounding_git_commands_and_settings_say_does_not_matter() {
    let home = Home::new();
    home.write(".gitconfig", "[init]\n\ttemplateDir = /nowhere\n[commit]\n\tgpgsign = true\n[core]\n\texcludesFile = ~/ignored\n\thooksPath = /nowhere\n");
    home.write("ignored", "*\n");
    let answer = home
        .command_in("")
        .args(["new", "churn", "--template", "classification", "--json"])
        .env("GIT_DIR", home.join("elsewhere"))
        .env("GIT_WORK_TREE", home.join("elsewhere"))
        .env("GIT_INDEX_FILE", home.join("elsewhere/index"))
        .output()
        .expect("mlx starts");
    assert!(answer.status.success());
    let document: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!(document["schema"], "mlx.new/1");
    assert_eq!(document["data"]["git"]["state"], "made", "{document}");
    assert_eq!(commit_count(&home.join("churn")), 1);
    assert!(!home.join("elsewhere").exists());
}

#[test]
fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let home = Home::new();
    let answer = home.mlx("new churn --template classification --dry-run").ok();
    insta::assert_snapshot!(show(&answer), @"
    exit 0
    --- stdout
    churn would be a classification project in [HOME]/churn

      mlx.toml                     what the project is; start here
      data/customers.csv           3000 rows of invented data
      README.md                    the way from data to production, and what each file is for
      .gitignore                   keeps runs out of git
      .github/workflows/model.yml  trains and evaluates on every push

    a git repository with a first commit would be made
    ");
    assert_eq!(names(home.path()), Vec::<String>::new());
}

#[test]
fn what_cannot_be_made_is_refused_and_nothing_is_left() {
    let home = Home::new();
    home.write("full/mine.txt", "mine");
    home.write("file", "mine");
    let refused = |line: &str, code: i32| home.mlx(line).fails_with(code).stderr();
    insta::assert_snapshot!(refused("new full --template ranking", 1), @"
    error: [HOME]/full is not empty
      try: choose another folder, or add what is missing to this one: `mlx init full`
    ");
    insta::assert_snapshot!(refused("new file --template ranking", 1), @"error: [HOME]/file is a file, not a folder");
    insta::assert_snapshot!(refused("new x --template clasification", 2), @"
    error: no template is named `clasification`
      try: did you mean `--template classification`?
    ");
    insta::assert_snapshot!(refused("new x --template regression", 2), @"
    error: no template is named `regression`
      try: use `--template classification`, `forecasting` or `ranking`, or a team's own with `--from`
    ");
    insta::assert_snapshot!(refused("new x", 2), @"
    error: say what kind of project to make
      try: `--template classification`, `forecasting` or `ranking`; or start from your own data: `--data FILE --target COLUMN`
    ");
    insta::assert_snapshot!(refused("new .hidden --template ranking", 1), @"
    error: the folder's name, `.hidden`, cannot be the model's name, which has 1 to 200 letters, digits, spaces, `_`, `-` and `.`, and starts with a letter or digit
      try: give the model a name of its own: `--name NAME`
    ");
    insta::assert_snapshot!(refused("new x --template ranking --name a/b", 2), @"
    error: `a/b` is not a valid model name
      try: use 1 to 200 letters, digits, spaces, `_`, `-` and `.`, starting with a letter or digit
    ");
    insta::assert_snapshot!(refused("init nowhere --template ranking", 1), @"
    error: no folder [HOME]/nowhere
      try: make it with `mlx new nowhere`
    ");
    assert_eq!(names(home.path()), ["file", "full"]);
    assert_eq!(names(&home.join("full")), ["mine.txt"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let closed = home.join("closed");
    std::fs::create_dir(&closed).expect("a folder");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).expect("closed");
    // Root may write everywhere, and then there is nothing to see.
    if std::fs::write(closed.join("x"), "x").is_err() {
        let answer = home.mlx("new closed/x --template ranking").fails_with(1);
        assert!(answer.stderr().contains("ermission denied"), "{}", answer.show());
    }
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).expect("open");
}

#[test]
fn init_overwrites_nothing() {
    let home = Home::new();
    home.write("work/README.md", "mine\n");
    home.write("work/.gitignore", "*.log\n");
    home.write("work/data/customers.csv", "mine\n");
    let answer = home.mlx_in("work", "init --template classification --name churn").ok();
    insta::assert_snapshot!(show(&answer), @"
    exit 0
    --- stdout
    churn is a classification project in [HOME]/work

      mlx.toml                     what the project is; start here
      data/customers.csv           was there, and stays as it is
      README.md                    was there, and stays as it is
      .gitignore                   was there, and stays as it is
      .github/workflows/model.yml  trains and evaluates on every push

    add a line `.mlx/` to .gitignore: runs are large
    git repository made, first commit [COMMIT]

    next:
      mlx train
    ");
    assert_eq!(home.read("work/README.md"), "mine\n");
    assert_eq!(home.read("work/data/customers.csv"), "mine\n");

    // The commit has what mlx wrote; what was there is for its owner to add.
    let repository = git2::Repository::open(home.join("work")).expect("a repository");
    let tree = repository.head().and_then(|head| head.peel_to_tree()).expect("a commit");
    assert!(tree.get_name("mlx.toml").is_some());
    assert!(tree.get_name("README.md").is_none());

    let again = home.mlx_in("work", "init --template classification --name churn").fails_with(1);
    insta::assert_snapshot!(again.stderr(), @"
    error: [HOME]/work/mlx.toml is there: this is a project already
      try: go on with it: `mlx train`
    ");
}

/// A team's template as a git repository: tag `v1`, then another commit on `main`.
fn team_template(home: &Home) {
    let commit = |message: &str| {
        let folder = home.join("team");
        let repository = git2::Repository::open(&folder)
            .or_else(|_| git2::Repository::init(&folder))
            .expect("a repository");
        let mut index = repository.index().expect("an index");
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).expect("added");
        index.write().expect("written");
        let tree = repository.find_tree(index.write_tree().expect("a tree")).expect("a tree");
        let author = git2::Signature::now("team", "team@localhost").expect("a signature");
        let parent = repository.head().and_then(|head| head.peel_to_commit()).ok();
        let parents: Vec<_> = parent.iter().collect();
        repository
            .commit(Some("HEAD"), &author, &author, message, &tree, &parents)
            .expect("a commit")
    };
    home.write(
        "team/template.toml",
        "name = \"scoring\"\ntask = \"classification\"\n[variables.pager]\ndescription = \"who is called at night\"\n[variables.tier]\ndefault = \"two\"\n",
    );
    home.write(
        "team/mlx.toml.j2",
        "[project]\nname = {{ project.name | toml }}\ntask = \"classification\"\nowner = {{ vars.pager | toml }}\nid = {{ project.id | toml }}\n[data]\ntrain = \"data.csv\"\ntarget = \"y\"\n",
    );
    home.write("team/data.csv", "y,x\na,1\nb,2\n");
    home.write("team/docs/{{ kept }}.md", "{{ not rendered }}\n");
    home.write("team/.github/CODEOWNERS.j2", "* @{{ vars.pager }} tier-{{ vars.tier }}\n");
    let id = commit("one");
    let repository = git2::Repository::open(home.join("team")).expect("a repository");
    let object = repository.find_object(id, None).expect("the commit");
    repository.tag_lightweight("v1", &object, false).expect("a tag");
    home.write("team/later.txt", "added later\n");
    commit("two");
}

#[test]
fn a_teams_template_is_taken_at_its_tag() {
    let home = Home::new();
    team_template(&home);
    let answer = home.mlx("new churn --from team@v1 --var pager=ana").ok();
    insta::assert_snapshot!(show(&answer), @"
    exit 0
    --- stdout
    churn is a classification project in [HOME]/churn

      mlx.toml
      .github/CODEOWNERS
      data.csv
      docs/{{ kept }}.md

    git repository made, first commit [COMMIT]

    next:
      cd churn
      mlx train
    ");
    let project = home.join("churn");
    assert_eq!(names(&project), [".git", ".github", "data.csv", "docs", "mlx.toml"]);
    assert_eq!(home.read("churn/.github/CODEOWNERS"), "* @ana tier-two\n");
    assert_eq!(home.read("churn/docs/{{ kept }}.md"), "{{ not rendered }}\n");
    assert!(home.read("churn/mlx.toml").contains("owner = \"ana\""));
    assert_eq!(commit_count(&project), 1);

    // The folder as it is, and over git's own protocol, both with what came later.
    home.mlx("new folder --from team --var pager=ana").ok();
    assert!(home.join("folder/later.txt").is_file());
    let url = format!("file://{}", home.join("team").display());
    home.mlx(&format!("new clone --from {url} --var pager=ana")).ok();
    assert!(home.join("clone/later.txt").is_file());
    home.mlx(&format!("new tagged --from {url}@v1 --var pager=ana")).ok();
    assert!(!home.join("tagged/later.txt").exists());
}

#[test]
fn a_template_that_cannot_be_had_is_refused() {
    let home = Home::new();
    team_template(&home);
    home.write("empty/notes.txt", "x");
    home.write("broken/mlx.toml.j2", "[project]\nname = {{ project.nam }}\n");
    home.write("broken/template.toml", "task = \"ranking\"\n");
    home.write("invalid/mlx.toml", "[project]\nname = \"x\"\n");
    home.write("invalid/template.toml", "task = \"ranking\"\n");
    home.write("endless/template.toml", "task = \"ranking\"\n");
    home.write(
        "endless/mlx.toml.j2",
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    );
    let refused = |line: &str, code: i32| home.mlx(line).fails_with(code).stderr();
    insta::assert_snapshot!(refused("new x --from team@v2 --var pager=a", 1), @"
    error: [HOME]/team has no tag, branch or commit `v2`
      try: leave `@REV` out for what is current
    ");
    insta::assert_snapshot!(refused("new x --from nowhere", 1), @"
    error: no folder [HOME]/nowhere to take a template from
      try: give a folder, or the address of a git repository, such as `https://host/team/template@v1`
    ");
    insta::assert_snapshot!(refused("new x --from empty", 1), @"error: empty is not a template: it has no mlx.toml or mlx.toml.j2");
    insta::assert_snapshot!(refused("new x --from team", 1), @"
    error: the template `scoring` needs a value for `pager` (who is called at night)
      try: give it: `--var pager=VALUE`
    ");
    insta::assert_snapshot!(refused("new x --from team --var pagr=a", 1), @"
    error: the template `scoring` has no variable `pagr`
      try: did you mean `--var pager=…`?
    ");
    insta::assert_snapshot!(refused("new x --from broken", 1), @"error: cannot render `mlx.toml` of the template: undefined value in line 2, `name = {{ project.nam }}`");
    insta::assert_snapshot!(refused("new x --from invalid", 1), @"
    error: the template `invalid` gives a mlx.toml that is not valid: TOML parse error at line 1, column 1
      |
    1 | [project]
      | ^^^^^^^^^
    missing field `task`
    ");
    insta::assert_snapshot!(refused("new x --from endless", 1), @"error: cannot render `mlx.toml` of the template: it computes too much in line 1, `{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}`");
    insta::assert_snapshot!(refused("new x --from http://127.0.0.1:1/team.git", 7), @"
    error: cannot fetch http://127.0.0.1:1/team.git: cannot reach the server: Connection refused (os error 111)
      try: check the address and the network, and try again
    ");
    insta::assert_snapshot!(refused("new x --from team --template ranking", 2), @"
    error: the argument '--from <GIT-URL|PATH[@REV]>' cannot be used with '--template <TASK>'

    Usage: mlx new --from <GIT-URL|PATH[@REV]> <DIR>

    For more information, try '--help'.
    ");
    assert!(!home.join("x").exists());
}

#[cfg(unix)]
#[test]
fn a_template_cannot_reach_outside_the_project() {
    let home = Home::new();
    home.write("secret", "secret");
    home.write("linked/mlx.toml", "");
    std::os::unix::fs::symlink(home.join("secret"), home.join("linked/data.csv")).expect("a link");
    let refused = |line: &str| home.mlx(line).fails_with(1).stderr();
    insta::assert_snapshot!(refused("new x --from linked"), @"
    error: the template linked holds a link, `data.csv`
      try: put the file itself there; mlx follows no links out of a template
    ");

    // Trees that no ordinary git would write, as an attacker's server would send them.
    for (number, name) in ["..", ".git", ".GIT"].iter().enumerate() {
        let folder = format!("hostile{number}");
        let repository = git2::Repository::init(home.join(&folder)).expect("a repository");
        let odb = repository.odb().expect("objects");
        let blob = repository.blob(b"x").expect("a blob");
        let tree = |entries: &[(&str, &str, git2::Oid)]| {
            let mut bytes = Vec::new();
            for (mode, name, id) in entries {
                bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
                bytes.extend_from_slice(id.as_bytes());
            }
            odb.write(git2::ObjectType::Tree, &bytes).expect("a tree")
        };
        let inner = tree(&[("100644", "config", blob)]);
        let root = tree(&[("40000", name, inner), ("100644", "mlx.toml", blob)]);
        let author = git2::Signature::now("x", "x@localhost").expect("a signature");
        let root = repository.find_tree(root).expect("a tree");
        let commit = repository.commit(Some("refs/heads/evil"), &author, &author, "x", &root, &[]);
        commit.expect("a commit");
        let answer = refused(&format!("new x --from {folder}@evil"));
        assert!(
            answer.contains("outside the project") || answer.contains("git folder"),
            "{answer}"
        );
    }
    assert!(!home.join("x").exists());
    assert!(!home.join("config").exists());
}

/// Git's own server program behind a socket; what is under `/moved/` is redirected.
fn git_over_http(root: &Path) -> (String, tokio::runtime::Runtime) {
    use axum::body::{Bytes, to_bytes};
    use axum::extract::Request;
    use axum::http::{Response, StatusCode, header};
    use std::io::Write as _;

    let root = root.to_owned();
    let answer = move |request: Request| {
        let root = root.clone();
        async move {
            let path = request.uri().path().to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            if let Some(path) = path.strip_prefix("/moved") {
                return Response::builder()
                    .status(StatusCode::FOUND)
                    .header(header::LOCATION, format!("{path}?{query}"))
                    .body(axum::body::Body::empty())
                    .expect("a redirect");
            }
            let mut command = std::process::Command::new("git");
            command
                .arg("http-backend")
                .env("GIT_PROJECT_ROOT", root)
                .env("GIT_HTTP_EXPORT_ALL", "1")
                .env("PATH_INFO", &path)
                .env("QUERY_STRING", &query)
                .env("REQUEST_METHOD", request.method().as_str())
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped());
            if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
                command.env("CONTENT_TYPE", kind.to_str().expect("a type"));
            }
            let body: Bytes = to_bytes(request.into_body(), usize::MAX).await.expect("a body");
            command.env("CONTENT_LENGTH", body.len().to_string());
            let mut backend = command.spawn().expect("git http-backend starts");
            backend.stdin.take().expect("its stdin").write_all(&body).expect("read");
            let said = backend.wait_with_output().expect("it ends").stdout;
            let end = said.windows(4).position(|four| four == b"\r\n\r\n").expect("a header");
            let mut response = Response::builder();
            for line in String::from_utf8_lossy(&said[..end]).lines() {
                let (name, value) = line.split_once(": ").expect("a header line");
                response = if name == "Status" {
                    response.status(value[..3].parse::<u16>().expect("a status"))
                } else {
                    response.header(name, value)
                };
            }
            response.body(said[end + 4..].to_vec().into()).expect("a response")
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    runtime.spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    (address, runtime)
}

#[test]
fn a_teams_template_comes_over_http() {
    let has_git = |word: &str| {
        std::process::Command::new("git").arg(word).output().is_ok_and(|output| {
            !String::from_utf8_lossy(&output.stderr).contains("is not a git command")
        })
    };
    if !has_git("http-backend") {
        println!("skipped: git http-backend is not here");
        return;
    }
    let home = Home::new();
    team_template(&home);
    let (address, _server) = git_over_http(home.path());
    home.mlx(&format!("new tagged --from {address}/team/.git@v1 --var pager=ana")).ok();
    assert!(!home.join("tagged/later.txt").exists());
    home.mlx(&format!("new moved --from {address}/moved/team/.git --var pager=ana")).ok();
    assert!(home.join("moved/later.txt").exists());
    let answer = home.mlx(&format!("new x --from {address}/nothing.git")).fails_with(1);
    let said = answer.stderr().replace(&address, "[SERVER]");
    insta::assert_snapshot!(said, @"
    error: cannot fetch [SERVER]/nothing.git: there is no such repository
      try: check the address
    ");
}

/// A file of `../shared/data`, which is not everywhere.
fn shared(path: &str) -> Option<String> {
    let folder = std::env::var_os("MLX_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        std::path::PathBuf::from,
    );
    let file = folder.join("data").join(path);
    file.is_file().then(|| file.canonicalize().expect("a file").display().to_string())
}

/// The `mlx.toml` without what differs from run to run.
fn settings(home: &Home, project: &str) -> toml::Table {
    let mut settings: toml::Table =
        home.read(&format!("{project}/mlx.toml")).parse().expect("a valid mlx.toml");
    settings["project"].as_table_mut().expect("[project]").remove("id");
    settings
}

#[test]
fn own_data_is_read_named_and_given_a_gate() {
    let home = Home::new();
    let mut rows = String::from("who,zip,plan,constant,age,left\n");
    for row in 0..60 {
        let left = ["yes", "no", "no"][row % 3];
        let plan = ["a", "b"][row % 2];
        let _ =
            writeln!(rows, "P{row},{},{plan},1,{},{left}", 10_000 + row % 40, 20.5 + row as f64);
    }
    home.write("raw/people.csv", rows);
    home.mlx("new churn --data raw/people.csv --target left --id who").ok();
    let settings = settings(&home, "churn");
    insta::assert_snapshot!(settings, @r#"
    [project]
    name = "churn"
    task = "classification"

    [data]
    train = "../raw/people.csv"
    target = "left"
    id = ["who"]

    [data.split]
    kind = "random"
    test = 0.2
    valid = 0.1
    stratify = true

    [columns]
    zip = "categorical"
    constant = "ignore"

    [model]
    kind = "auto"

    [train]
    max_epochs = 200
    patience = 16
    seed = 7

    [package]

    [eval]

    [gates.staging.auc]
    min = 0.5

    [gates.production.auc]
    min = 0.5
    no_worse_than = "production"

    [registry]
    "#);
    let file = home.read("churn/mlx.toml");
    let columns: Vec<_> = file
        .lines()
        .skip_while(|line| *line != "[columns]")
        .take_while(|line| !line.is_empty())
        .collect();
    insta::assert_snapshot!(columns.join("\n"), @r#"
    [columns]
    zip = "categorical"  # digits, and the name speaks of a code rather than an amount
    constant = "ignore"  # the same in every row
    "#);
    // Nothing of a shop that doesn't exist is in a project with data of its own.
    assert_eq!(
        names(&home.join("churn")),
        [".git", ".github", ".gitignore", "README.md", "mlx.toml"]
    );
    home.mlx("new copied --data raw/people.csv --target left --copy").ok();
    assert_eq!(home.read("copied/data/people.csv"), home.read("raw/people.csv"));
}

#[test]
fn own_data_that_does_not_fit_is_refused() {
    let home = Home::new();
    home.write(
        "a.csv",
        "day,shop,sold,same\n2024-01-01,x,1,1\n2024-01-02,x,2,1\n2024-01-03,x,4,1\n",
    );
    home.write("b.csv", "day,shop\n2024-01-01,x\n");
    let refused = |line: &str, code: i32| home.mlx(line).fails_with(code).stderr();
    insta::assert_snapshot!(refused("new x --data a.csv --target slod", 1), @"
    error: [HOME]/a.csv has no column `slod`
      try: did you mean `--target sold`?
    ");
    insta::assert_snapshot!(refused("new x --data a.csv", 2), @"
    error: say which column to predict: `--target COLUMN`
      try: the columns of [HOME]/a.csv are day, shop, sold, same
    ");
    insta::assert_snapshot!(refused("new x --data a.csv --target same", 1), @"error: every row of `same` says `1`: there is nothing to tell apart");
    insta::assert_snapshot!(refused("new x --data nothing.csv --target y", 1), @"
    error: cannot read [HOME]/nothing.csv: there is no such file
      try: paths in mlx.toml are relative to its folder, others to yours
    ");
    insta::assert_snapshot!(refused("new x --data a.csv --target sold --time day", 2), @"
    error: say how many steps ahead to forecast
      try: `--horizon STEPS`, such as `--horizon 28` for four weeks of days
    ");
    insta::assert_snapshot!(refused("new x --data a.csv --target sold --horizon 1", 2), @"
    error: say which column holds the times: `--time COLUMN`
      try: the columns of [HOME]/a.csv are day, shop, sold, same
    ");
    insta::assert_snapshot!(refused("new x --data a.csv --target sold --time day --query shop", 2), @"error: `--query` belongs to ranking, and the other flags to forecasting");
    insta::assert_snapshot!(refused("new x --template ranking --data a.csv --target sold --time day", 2), @"error: `--time` belongs to forecasting, and this is to be a ranking project");
    insta::assert_snapshot!(refused("new x --data a.csv --target shop --time day --horizon 1", 1), @"
    error: the column `shop` does not hold numbers
      try: see what it holds: a single text in it is enough, such as `-` for a missing value
    ");
    insta::assert_snapshot!(refused("new x --data a.csv --target sold --test b.csv", 1), @"
    error: [HOME]/b.csv has no column `sold`, and [HOME]/a.csv has
      try: its columns are day, shop
    ");
    assert!(!home.join("x").exists());
}

#[test]
fn the_shared_data_sets_become_projects() {
    let home = Home::new();
    if shared("adult/train.csv.gz").is_none() {
        println!("skipped: ../shared is not here");
        return;
    }
    let both = |name: &str| {
        Some((shared(&format!("{name}/train.csv.gz"))?, shared(&format!("{name}/test.csv.gz"))?))
    };
    let mut lines = Vec::new();
    for (name, target) in [
        ("adult", "income"),
        ("telco_churn", "Churn"),
        ("letter", "letter"),
        ("mammography", "label"),
    ] {
        let Some((train, test)) = both(name) else { return };
        lines.push((
            name,
            "classification",
            format!("--data {train} --test {test} --target {target}"),
        ));
    }
    let Some((train, test)) = both("m4_hourly") else { return };
    lines.push(("m4_hourly", "forecasting", format!("--data {train} --test {test} --time ds --series unique_id --target y --horizon 48 --season 24")));
    let (Some(train), Some(test)) =
        (shared("lightgbm_rank/train.svm.gz"), shared("lightgbm_rank/test.svm.gz"))
    else {
        return;
    };
    lines.push(("lightgbm_rank", "ranking", format!("--data {train} --test {test}")));
    let Some(file) = shared("airline_passengers/airline-passengers.csv.gz") else { return };
    lines.push((
        "airline",
        "forecasting",
        format!("--data {file} --time Month --target Passengers --horizon 24 --season 12"),
    ));
    let Some(file) = shared("etth1/ETTh1.csv.gz") else { return };
    lines.push((
        "etth1",
        "forecasting",
        format!("--data {file} --time date --layout wide --horizon 96"),
    ));

    let mut gates = String::new();
    for (name, task, flags) in lines {
        home.mlx(&format!("new {name} --no-git {flags}")).ok();
        let settings = settings(&home, name);
        assert_eq!(settings["project"]["task"].as_str(), Some(task), "{name}");
        let _ = writeln!(
            gates,
            "{name}: {} · columns: {}",
            settings["gates"]["production"], settings["columns"]
        );
        home.mlx_in(name, "config show").ok();
    }
    insta::assert_snapshot!(gates, @r#"
    adult: { auc = { min = 0.5, no_worse_than = "production" } } · columns: {}
    telco_churn: { auc = { min = 0.5, no_worse_than = "production" } } · columns: {}
    letter: { accuracy = { min = 0.04, no_worse_than = "production" } } · columns: {}
    mammography: { auc = { min = 0.5, no_worse_than = "production" } } · columns: {}
    m4_hourly: { mae = { max = 906.0, no_worse_than = "production" } } · columns: {}
    lightgbm_rank: { "ndcg@5" = { min = 0.489, no_worse_than = "production" } } · columns: {}
    airline: { mae = { max = 99.6, no_worse_than = "production" } } · columns: {}
    etth1: { mae = { max = 2.91, no_worse_than = "production" } } · columns: {}
    "#);
}
