//! `mlx env`, `mlx approve`, and what a policy makes of `mlx promote` and `mlx rollback`.
//!
//! Other people come over HTTP, with names of their own; a registry without access control takes
//! their word for it.

use serde_json::{Value, json};

use crate::road::Road;
use crate::support::Home;

#[test]
fn a_policy_is_set_changed_shown_and_removed() {
    Road::both(|road| {
        road.registered(1);
        road.home.write(
            "churn/gate.toml",
            "auc = { min = 0.8, no_worse_than = \"production\", by = 0.01 }\n",
        );
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("env list")), @"
            exit 0
            --- stdout
            nothing is live in [REGISTRY], and no environment has a policy
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env set production --gate gate.toml --reason first")), @"
            exit 0
            --- stdout
            the policy of production is set

            models  all
            approvals  0
            promoters  anybody
            set  [TIME] by [USER] (revision 1): first
            gate  dc043ef8a550
              metric  min  max  no worse than  by
              auc  0.8  –  production  0.01
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env set production --approvals 1 --promoters bob,alice")), @"
            exit 0
            --- stdout
            the policy of production is set

            models  all
            approvals  1
            promoters  alice, bob
            set  [TIME] by [USER] (revision 2)
            gate  dc043ef8a550
              metric  min  max  no worse than  by
              auc  0.8  –  production  0.01
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env set production --approvals 1")), @"
            exit 0
            --- stdout
            the policy of production says so already; nothing to do
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env set production --model fraud-* --approvals 2")), @"
            exit 0
            --- stdout
            the policy of production for fraud-* is set

            models  fraud-*
            approvals  2
            promoters  anybody
            set  [TIME] by [USER] (revision 1)
            gate  none; a project's own is asked
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env list")), @"
            exit 0
            --- stdout
            environment  models live  policy for  gate  approvals  promoters  waiting
            production  0  *  auc  1  alice, bob  0
                                      fraud-*  –  2  anybody
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env unset production --model fraud-*")), @"
            exit 0
            --- stdout
            removed the policy of production for fraud-*
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env unset production --model fraud-*")), @"
            exit 1
            --- stderr
            error: production has no policy for fraud-*
              try: see which it has: `mlx env show production`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env show production")), @"
            exit 0
            --- stdout
            production
            live  0 models

            models  all
            approvals  1
            promoters  alice, bob
            set  [TIME] by [USER] (revision 2)
            gate  dc043ef8a550
              metric  min  max  no worse than  by
              auc  0.8  –  production  0.01

            revisions
            when  for  revision  gate  approvals  promoters  who  why
            [TIME]  fraud-*  2  removed  –  –  [USER]
            [TIME]  fraud-*  1  –  2  anybody  [USER]
            [TIME]  *  2  auc  1  alice, bob  [USER]
            [TIME]  *  1  auc  0  anybody  [USER]  first
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("env show prodction")), @"
            exit 1
            --- stderr
            error: nothing was ever live in prodction, and it has no policy
              try: did you mean `production`?
            ");
        }
        let shown = road.mlx("env show production --json").ok().json();
        assert_eq!(shown["policies"][0]["policy"]["promoters"], json!(["alice", "bob"]));
        assert_eq!(shown["policies"][0]["policy"]["gate"]["auc"]["min"], 0.8);
        assert_eq!(road.mlx("registry verify").code(), 0);
    });
}

#[test]
fn a_policy_that_means_nothing_is_refused() {
    let road = Road::embedded();
    road.registered(1);
    road.home.write("churn/empty.toml", "");
    road.home.write("churn/odd.toml", "auc = { minimum = 0.8 }\n");
    road.home.write("churn/broken.toml", "auc = \n");
    for (line, code) in [
        ("env set production", 2),
        ("env set latest --approvals 1", 2),
        ("env set production --approvals 0", 2),
        ("env set production --approvals -1", 2),
        ("env set production --approvals 2 --promoters alice", 2),
        ("env set production --model a*b --approvals 1", 2),
        ("env set production --gate absent.toml", 1),
        ("env set production --gate empty.toml", 1),
        ("env set production --gate odd.toml", 1),
        ("env set production --gate broken.toml", 1),
        ("env set production --gate mlx.toml", 1),
        ("env set production --gate empty.toml --no-gate", 2),
        ("env unset production", 1),
        ("approve", 2),
        ("approve churn/1", 2),
        ("approve churn --to production", 2),
        ("approve churn/1 --to production", 1),
        ("approve 0123", 1),
        ("approve churn/1 --to production --reject --withdraw", 2),
        ("promote churn/1 --to production --request", 1),
    ] {
        road.mlx(line).fails_with(code);
    }
    insta::assert_snapshot!(road.shown(&road.mlx("env set production --gate odd.toml")), @"
    exit 1
    --- stderr
    error: [HOME]/churn/odd.toml: unknown field `minimum`, expected one of `min`, `max`, `no_worse_than`, `by` in `auc`
      try: a rule is a metric and what it must satisfy: `auc = { min = 0.8 }`
    ");
    insta::assert_snapshot!(road.shown(&road.mlx("approve churn/1 --to production")), @"
    exit 1
    --- stderr
    error: there is no request of churn/1 for production
      try: see what waits: `mlx approve --list`; ask for one: `mlx promote NAME/VERSION --to ENV --request`
    ");
    assert_eq!(road.mlx("env list --json").ok().json()["environments"], json!([]));
}

#[test]
fn a_promotion_waits_until_somebody_else_approves_it() {
    Road::both(|road| {
        road.registered(3);
        road.mlx("promote churn/1 --to production").ok();
        road.mlx("env set production --approvals 1").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/2 --to production")), @"
            exit 4
            --- stderr
            error: the policy of production asks for approvals (1), and none were asked for
              try: ask for them: `mlx promote churn/2 --to production --request`
            ");
            insta::assert_snapshot!(masked(road, &road.mlx("promote churn/2 --to production --request --reason better")), @"
            exit 0
            --- stdout
            asked to promote churn/2 to production, from churn/1: 1 other person has to approve it
            they type `mlx approve churn/2 --to production` (request [ID])
            --- stderr
            warning: ungated: mlx.toml has no [gates.production], so nothing is checked
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("approve churn/2 --to production")), @"
            exit 4
            --- stderr
            error: the policy of production: [USER] asked for it, and others have to approve it
              try: see what production asks for: `mlx env show production`, and as whom you ask: `mlx doctor`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/2 --to production")), @"
            exit 4
            --- stderr
            error: churn/2 to production has 0 of 1 approvals
              try: others type `mlx approve churn/2 --to production`; the last of them promotes it
            ");
            insta::assert_snapshot!(masked(road, &road.mlx("approve --list")), @"
            exit 0
            --- stdout
            id  asked  what  to  replaces  who  approved by  why
            [ID]  [TIME]  churn/2  production  1  [USER]  –  better
            ");
        }
        assert_eq!(live(road), 1, "asking moves nothing");
        let (other, third) = (waiting(road, 2), {
            road.mlx("promote churn/3 --to production --request").ok();
            waiting(road, 3)
        });
        let (status, said) = answer(road, &other, "approve", "bob");
        assert_eq!((status, &said["event"]["to"]), (200, &json!(2)), "{said}");
        assert_eq!(live(road), 2);
        // What waited for another version to be replaced waits no more.
        let (status, said) = answer(road, &third, "approve", "bob");
        assert_eq!((status, &said["error_code"]), (409, &json!("MLX_CONFLICT")), "{said}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("approve churn/2 --to production")), @"
            exit 6
            --- stderr
            error: churn/2 to production is promoted: bob gave the last approval
              try: see what is live and what waits: `mlx env show production`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("approve churn/3 --to production")), @"
            exit 6
            --- stderr
            error: the request is stale: churn/3 to production was asked for while version 1 was live there, and version 2 is now
              try: see what is live and what waits: `mlx env show production`
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("approve --list")), @"
            exit 0
            --- stdout
            nothing waits for approval in [REGISTRY]
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("models history churn --env production")), @"
            exit 0
            --- stdout
            when  environment  what  from  to  gate  who  why
            [TIME]  production  promote  –  1  ungated  [USER]
            [TIME]  production  promote  1  2  ungated, approved by bob  [USER]  better

            production has 2 live; a rollback goes to 1
            ");
            // An incident waits for nobody; going forward again does.
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production")), @"
            exit 0
            --- stdout
            checked churn/1: 4 files, 7393 bytes, every digest right; it has no stored example, so nothing was scored
            rolled production back to churn/1, from churn/2
            --- stderr
            checking churn/1 before production moves to it
            ");
            insta::assert_snapshot!(road.shown(&road.mlx("rollback churn --env production --version 2")), @"
            exit 4
            --- stderr
            checking churn/2 before production moves to it
            error: the policy of production (revision 1): version 2 was rolled back from, and comes back by a promotion: `mlx promote churn/2 --to production`
              try: see what production asks for: `mlx env show production`, and as whom you ask: `mlx doctor`
            ");
        }
        road.mlx("promote churn/3 --to production --request").ok();
        road.mlx("approve churn/3 --to production --withdraw").ok();
        assert_eq!(live(road), 1);
        assert_eq!(road.mlx("registry verify").code(), 0);
    });
}

#[test]
fn who_is_no_promoter_asks_and_promoters_decide() {
    Road::both(|road| {
        road.registered(2);
        road.mlx("env set production --promoters alice,bob").ok();
        insta::allow_duplicates! {
            insta::assert_snapshot!(road.shown(&road.mlx("promote churn/1 --to production")), @"
            exit 4
            --- stderr
            warning: ungated: mlx.toml has no [gates.production], so nothing is checked
            error: the policy of production (revision 1): [USER] is none of its promoters: alice, bob
              try: see what production asks for: `mlx env show production`, and as whom you ask: `mlx doctor`
            ");
        }
        road.mlx("env set production --approvals 1").ok();
        road.mlx("promote churn/1 --to production --request").ok();
        let id = waiting(road, 1);
        let (status, said) = answer(road, &id, "approve", "eve");
        assert_eq!((status, &said["error_code"]), (403, &json!("PERMISSION_DENIED")), "{said}");
        assert_eq!(answer(road, &id, "approve", "alice").0, 200);
        assert_eq!(live(road), 1);
        road.mlx("promote churn/2 --to production --request").ok();
        let id = waiting(road, 2);
        assert_eq!(answer(road, &id, "reject", "bob").0, 200);
        let said = road.mlx("approve churn/2 --to production").fails_with(6).stderr();
        assert!(said.contains("error: churn/2 to production was rejected by bob"), "{said}");
    });
}

#[test]
fn an_alias_call_does_not_go_round_a_policy() {
    Road::both(|road| {
        road.registered(2);
        road.mlx("promote churn/1 --to production").ok();
        road.mlx("env set production --model churn --approvals 1").ok();
        let alias = "/api/2.0/mlflow/registered-models/alias";
        let set = json!({ "name": "churn", "alias": "production", "version": "2" });
        for method in ["POST", "DELETE"] {
            let (status, said) = road.send(method, alias, &set);
            assert_eq!((status, &said["error_code"]), (403, &json!("PERMISSION_DENIED")));
            let said = said["message"].as_str().unwrap_or_default();
            assert!(
                said.contains("the policy of production for churn (revision 1)")
                    && said.contains("`mlx promote"),
                "{said}"
            );
        }
        assert_eq!(live(road), 1);
        // Another environment's alias is anybody's, and lands in the same log.
        let staging = json!({ "name": "churn", "alias": "staging", "version": "2" });
        assert_eq!(road.send("POST", alias, &staging).0, 200);
        let events = road.mlx("models history churn --json").ok().json()["events"].clone();
        assert_eq!((&events[1]["kind"], &events[1]["to"]), (&json!("alias_set"), &json!(2)));
    });
}

/// Eight versions asked for, each approved by somebody else at once.
#[test]
fn of_many_approvals_at_once_one_promotes() {
    const RACERS: u8 = 8;
    let road = Road::served();
    road.registered(RACERS);
    road.mlx("env set production --approvals 1").ok();
    let ids: Vec<_> = (1..=RACERS)
        .map(|version| {
            road.mlx(&format!("promote churn/{version} --to production --request")).ok();
            waiting(&road, u64::from(version))
        })
        .collect();
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let racers: Vec<_> =
            ids.iter().map(|id| scope.spawn(|| answer(&road, id, "approve", "bob").0)).collect();
        racers.into_iter().map(|racer| racer.join().expect("it ends")).collect()
    });
    let count = |code| codes.iter().filter(|ended| **ended == code).count();
    assert_eq!((count(200), count(409)), (1, usize::from(RACERS) - 1), "{codes:?}");
    let events = road.mlx("models history churn --json").ok().json();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(road.mlx("registry verify").code(), 0);
}

#[test]
fn the_registrys_gate_is_held_against_trained_models() {
    Road::both(|road| {
        let [better, worse] = road.trained();
        road.mlx(&format!("register {better}")).ok();
        road.mlx(&format!("register {worse}")).ok();
        road.home.write("churn/gate.toml", "accuracy = { min = 0.75 }\n");
        road.mlx("env set production --gate gate.toml").ok();
        // The project asks for nothing; the registry does.
        road.mlx("promote churn/2 --to production").fails_with(3);
        let said = road.mlx("promote churn/2 --to production --ungated").fails_with(4).stderr();
        assert!(
            said.contains("the policy of production has a gate, and `--ungated` can't go round it"),
            "{said}"
        );
        std::fs::create_dir_all(road.home.join("elsewhere")).expect("a folder");
        let said =
            road.mlx_in("elsewhere", "promote churn/1 --to production").fails_with(1).stderr();
        assert!(!said.contains("--ungated"), "{said}");

        let event = road.mlx("promote churn/1 --to production --json").ok().json()["event"].clone();
        assert_eq!(event["policy"]["revision"], 1);
        assert_eq!(event["evidence"]["gate"], json!({ "accuracy": { "min": 0.75 } }));

        // Evidence of one version moves no other, whoever sends it.
        let moves = "/api/mlx/1/models/churn/moves";
        let mut body = json!({
            "operation_id": "forged", "kind": "promote", "environment": "production", "to": 2,
            "expect": 1, "evidence": event["evidence"], "actor": "eve",
        });
        let (status, said) = road.send("POST", moves, &body);
        assert_eq!(status, 403, "{said}");
        assert!(
            said["message"].as_str().is_some_and(|said| said.contains("other bytes")),
            "{said}"
        );
        body["evidence"]["model"]["version"] = json!(2);
        assert_eq!(road.send("POST", moves, &body).0, 403);

        // Both gates are asked: what the project alone refuses is refused.
        road.gates("[gates.production]\naccuracy = { min = 0.75 }\nece = { max = 0.0 }");
        let line = "promote churn/1 --to staging --json";
        road.home.write("churn/gate.toml", "accuracy = { min = 0.1 }\n");
        road.mlx("env set staging --gate gate.toml").ok();
        road.mlx(line).ok();
        let refused = road.mlx("promote churn/2 --to production --json").fails_with(3).json();
        let rules = refused["gate"]["rules"].as_array().expect("rules").len();
        assert_eq!(rules, 2, "a rule that both have is told once");
        assert_eq!(live(road), 1);
    });
}

#[test]
fn a_token_says_who_asks_and_who_approves() {
    let home = Home::new();
    let token = |name: &str, roles: &[&str]| crate::guarded::token(&home, name, roles);
    let root = token("root", &["admin"]);
    let ada = token("ada", &["writer"]);
    let bob = token("bob", &["promoter:production"]);
    let eve = token("eve", &["promoter:staging", "writer"]);
    let server = crate::guarded::Guarded::start(&home, &[]);
    let road = Road::embedded();
    let mlx = |token: &str, line: &str| {
        let mut command = road.home.command_in("churn");
        command.envs([("MLX_REGISTRY_URL", server.url.as_str()), ("MLX_REGISTRY_TOKEN", token)]);
        road.home.answer(command.args(line.split_whitespace()))
    };
    road.run(1, "model 1");
    mlx(&ada, "register").ok();
    let said = mlx(&ada, "env set production --approvals 1").fails_with(4).stderr();
    assert!(said.contains("this needs `admin`"), "{said}");
    mlx(&root, "env set production --approvals 1").ok();
    // A writer asks, and can't promote; a promoter of another environment has no say.
    mlx(&ada, "promote churn/1 --to production --request").ok();
    mlx(&eve, "approve churn/1 --to production").fails_with(4);
    mlx(&ada, "approve churn/1 --to production").fails_with(4);
    let made = mlx(&bob, "approve churn/1 --to production --json").ok().json();
    assert_eq!(made["event"]["actor"], "ada");
    assert_eq!(made["event"]["policy"]["approvals"][0]["actor"], "bob");
}

fn live(road: &Road) -> u64 {
    let shown = road.mlx("models show churn --json").ok().json();
    shown["environments"]["production"].as_u64().expect("a version")
}

/// The id of the open request of a version.
fn waiting(road: &Road, version: u64) -> String {
    let list = road.mlx("approve --list --json").ok().json();
    let open = list["requests"].as_array().expect("requests");
    let found = open.iter().find(|request| request["version"] == version).expect("a request");
    found["id"].as_str().expect("an id").to_owned()
}

/// What somebody else says to a request, and what the registry answers.
fn answer(road: &Road, id: &str, answer: &str, actor: &str) -> (u16, Value) {
    let body = json!({ "operation_id": format!("{id}-{answer}-{actor}"), "actor": actor });
    road.send("POST", &format!("/api/mlx/1/requests/{id}/{answer}"), &body)
}

/// As it is shown, with ids as `[ID]`.
fn masked(road: &Road, answer: &crate::support::Answer) -> String {
    let is_id = |word: &str| {
        word.len() == 8
            && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let mut masked = String::new();
    for word in road.shown(answer).split_inclusive([' ', '\n', ')']) {
        let bare = word.trim_end_matches([' ', '\n', ')']);
        masked.push_str(&if is_id(bare) { word.replace(bare, "[ID]") } else { word.to_owned() });
    }
    masked
}
