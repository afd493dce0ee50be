//! What policies let pass and what they don't, requests and their approvals.

use serde_json::{Value, json};

use super::*;
use crate::registry::evidence::Held;
use crate::registry::policy::Revision;
use crate::registry::request::{Answer, Status};
use crate::registry::{Gate, Policy};

fn policy(approvals: u32, promoters: &[&str], gate: &str) -> Policy {
    Policy {
        gate: toml::from_str(gate).unwrap(),
        approvals,
        promoters: promoters.iter().map(|name| (*name).to_owned()).collect(),
    }
}

async fn set(store: &Store, models: &str, policy: Option<Policy>, expect: Option<u64>) -> Revision {
    try_set(store, models, policy, expect).await.unwrap()
}

async fn try_set(
    store: &Store,
    models: &str,
    policy: Option<Policy>,
    expect: Option<u64>,
) -> Result<Revision, Failure> {
    let wanted = NewPolicy {
        environment: "production".parse().unwrap(),
        models: models.parse().unwrap(),
        policy,
        expect,
        actor: "root".into(),
        reason: None,
        operation_id: crate::sys::random::hex_id(16),
    };
    store.set_policy(&wanted).await
}

/// churn with versions that are packages, each by ada.
async fn packages(store: &Store, versions: u64) {
    store.create_model(&name("churn"), "", &[]).await.unwrap();
    for number in 1..=versions {
        let folder = format!("0/churn-{number}/artifacts/model");
        put(store, &format!("{folder}/mlx/manifest.json"), number.to_string().as_bytes()).await;
        store.create_version(&new_version("churn", &folder, &[])).await.unwrap();
    }
}

fn held(version: u64) -> Held {
    let digest = crate::sys::files::digest_bytes(version.to_string().as_bytes());
    Held { version: VersionNumber(version), digest: Some(digest) }
}

/// Evidence that a version passed `auc = { min = 0.8 }`.
fn passed(version: u64) -> Value {
    let gate: Gate = toml::from_str(AUC).unwrap();
    json!({
        "decision": "pass",
        "environment": "production",
        "gate": gate,
        "rules": [{ "metric": "auc", "rule": "at least 0.8", "candidate": 0.9, "reference": 0.8,
                    "verdict": "pass", "why": null }],
        "model": { "version": version, "digest": held(version).digest },
        "compared": {},
    })
}

const AUC: &str = "auc = { min = 0.8 }";

fn move_by(actor: &str, to: u64, expect: Option<u64>, evidence: Option<Value>) -> Move {
    Move { actor: actor.into(), evidence, ..a_move(&crate::sys::random::hex_id(16), to, expect) }
}

fn ask(actor: &str, version: u64, expect: Option<u64>) -> Ask {
    Ask {
        model: name("churn"),
        environment: "production".parse().unwrap(),
        version: VersionNumber(version),
        expect: expect.map(VersionNumber),
        evidence: Some(passed(version)),
        actor: actor.into(),
        reason: Some("better".into()),
        operation_id: crate::sys::random::hex_id(16),
    }
}

fn say(id: &str, answer: Answer, actor: &str) -> Say {
    Say {
        id: id.into(),
        answer,
        actor: actor.into(),
        reason: None,
        operation_id: crate::sys::random::hex_id(16),
    }
}

fn denied<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match result {
        Err(Failure::Denied(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn conflict<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match result {
        Err(Failure::Conflict { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_policy_is_changed_from_its_last_revision(store: &Store) {
    let first = set(store, "*", Some(policy(1, &[], "")), None).await;
    assert_eq!((first.revision, first.digest.len()), (1, 64));
    let again = try_set(store, "*", Some(policy(2, &[], "")), None).await;
    assert!(conflict(again).contains("root set the policy of production first"));
    let second = set(store, "*", Some(policy(2, &[], "")), Some(1)).await;
    let of_churn = set(store, "churn*", Some(policy(0, &["ada"], "")), None).await;
    assert_eq!((second.revision, of_churn.revision), (2, 1));
    let production = "production".parse().unwrap();
    let asked = async |model| store.policy(&production, &name(model)).await.unwrap();
    assert_eq!(asked("fraud").await, Some(second));
    assert_eq!(asked("churn-eu").await, Some(of_churn));
    assert_eq!(store.policy(&"staging".parse().unwrap(), &name("churn")).await.unwrap(), None);

    set(store, "*", None, Some(2)).await;
    assert_eq!(asked("fraud").await, None);
    assert!(matches!(try_set(store, "*", None, Some(3)).await, Err(Failure::Missing(_))));
    assert_eq!(set(store, "*", Some(policy(1, &[], "")), Some(3)).await.revision, 4);
    assert_eq!(store.revisions(&production).await.unwrap().len(), 5);
    let known = store.environments().await.unwrap();
    assert_eq!((known.len(), known[0].policies.len(), known[0].live), (1, 2, 0));

    let mut repeated = NewPolicy {
        environment: production,
        models: "fraud".parse().unwrap(),
        policy: Some(policy(1, &[], "")),
        expect: None,
        actor: "root".into(),
        reason: None,
        operation_id: "once".into(),
    };
    let once = store.set_policy(&repeated).await.unwrap();
    assert_eq!(store.set_policy(&repeated).await.unwrap(), once);
    repeated.policy = None;
    assert!(matches!(store.set_policy(&repeated).await, Err(Failure::Invalid(_))));
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

pub(super) async fn only_evidence_of_these_bytes_and_this_gate_is_let_pass(store: &Store) {
    packages(store, 2).await;
    let revision = set(store, "*", Some(policy(0, &["ada", "bob"], AUC)), None).await;
    let of = async |evidence| store.apply(&move_by("ada", 1, None, evidence)).await;
    assert!(denied(of(None).await).contains("no evidence"));
    let mut other = passed(1);
    other["model"] = passed(2)["model"].clone();
    assert!(denied(of(Some(other)).await).contains("other bytes"));
    let mut weaker = passed(1);
    weaker["gate"] = json!({ "auc": { "min": 0.1 } });
    assert!(denied(of(Some(weaker)).await).contains("other rules"));
    let mut failed = passed(1);
    failed["rules"][0]["candidate"] = json!(0.7);
    assert!(denied(of(Some(failed)).await).contains("doesn't show `auc` at least 0.8"));
    let eve = store.apply(&move_by("eve", 1, None, Some(passed(1)))).await;
    assert!(denied(eve).contains("eve is none of its promoters: ada, bob"));
    assert_eq!(log(store).await, []);

    let event = of(Some(passed(1))).await.unwrap().unwrap();
    let satisfied = event.policy.clone().unwrap();
    assert_eq!((satisfied.revision, satisfied.digest), (1, revision.digest));
    assert_eq!((satisfied.request, satisfied.approvals), (None, vec![]));
    assert_eq!(log(store).await, [event]);
    // Another environment asks for nothing.
    let staging = Move { environment: "staging".parse().unwrap(), ..move_by("eve", 1, None, None) };
    assert_eq!(store.apply(&staging).await.unwrap().unwrap().policy, None);
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

pub(super) async fn a_plain_alias_call_does_not_go_round_a_policy(store: &Store) {
    packages(store, 2).await;
    store.apply(&move_by("ada", 1, None, None)).await.unwrap();
    set(store, "churn", Some(policy(0, &["ada"], "")), None).await;
    let plain = |to: Option<u64>| Move {
        to: to.map(VersionNumber),
        kind: if to.is_some() { EventKind::AliasSet } else { EventKind::AliasRemoved },
        expect: Expect::Anything,
        ..move_by("ada", 1, None, None)
    };
    let refused = denied(store.apply(&plain(Some(2))).await);
    assert!(
        refused.contains("the policy of production for churn (revision 1)")
            && refused.contains("`mlx promote churn/2 --to production`"),
        "{refused}"
    );
    denied(store.apply(&plain(None)).await);
    // What changes nothing goes round nothing.
    assert_eq!(store.apply(&plain(Some(1))).await.unwrap(), None);
    assert_eq!(store.alias(&name("churn"), "production").await.unwrap(), Some(VersionNumber(1)));
    set(store, "churn", None, Some(1)).await;
    store.apply(&plain(Some(2))).await.unwrap().unwrap();
}

pub(super) async fn a_rollback_needs_a_promoter_and_no_approval(store: &Store) {
    packages(store, 3).await;
    for (to, expect) in [(1, None), (2, Some(1)), (3, Some(2))] {
        store.apply(&move_by("ada", to, expect, None)).await.unwrap();
    }
    set(store, "*", Some(policy(2, &["ada", "bob", "dan"], AUC)), None).await;
    let back = |actor: &str, to, expect| Move {
        kind: EventKind::Rollback,
        ..move_by(actor, to, Some(expect), None)
    };
    denied(store.apply(&back("eve", 2, 3)).await);
    let event = store.apply(&back("bob", 2, 3)).await.unwrap().unwrap();
    assert_eq!(event.policy.map(|policy| policy.revision), Some(1));
    // Forward again is no rollback, though it was live.
    assert!(denied(store.apply(&back("bob", 3, 2)).await).contains("rolled back from"));
    store.apply(&back("bob", 1, 2)).await.unwrap().unwrap();
}

pub(super) async fn a_promotion_waits_for_other_people(store: &Store) {
    packages(store, 2).await;
    set(store, "*", Some(policy(2, &[], AUC)), None).await;
    // ada registered the versions.
    let missing = store.apply(&move_by("bob", 1, None, Some(passed(1)))).await;
    assert!(denied(missing).contains("it asks for 2 approvals"));
    let mut without = ask("bob", 1, None);
    without.evidence = None;
    denied(store.ask(&without).await);

    let wanted = ask("bob", 1, None);
    let asked = store.ask(&wanted).await.unwrap();
    let id = asked.request.id.clone();
    assert_eq!((asked.needed, asked.counted, asked.event), (2, 0, None));
    assert_eq!(asked.request.author, "ada");
    assert_eq!(asked.request.package_digest, held(1).digest);
    assert_eq!(store.ask(&wanted).await.unwrap().request.id, id, "the same request");
    assert!(matches!(store.ask(&ask("eve", 1, None)).await, Err(Failure::Exists(_))));

    let approve = |actor: &str| say(&id, Answer::Approve, actor);
    denied(store.answer(&approve("ada")).await);
    denied(store.answer(&approve("bob")).await);
    let eve = approve("eve");
    let first = store.answer(&eve).await.unwrap();
    assert_eq!((first.counted, first.event.clone()), (1, None));
    assert_eq!(store.answer(&eve).await.unwrap(), first, "repeated, it is the same answer");
    assert_eq!(store.answer(&approve("eve")).await.unwrap().counted, 1, "a person counts once");
    let half = store.apply(&move_by("bob", 1, None, None)).await;
    assert!(denied(half).contains("has 1 of 2 approvals"));

    let dan = approve("dan");
    let last = store.answer(&dan).await.unwrap();
    let event = last.event.clone().unwrap();
    assert_eq!((event.actor.as_str(), event.to), ("bob", Some(VersionNumber(1))));
    assert_eq!(event.evidence, Some(passed(1)));
    let satisfied = event.policy.unwrap();
    let people: Vec<_> = satisfied.approvals.iter().map(|by| by.actor.as_str()).collect();
    assert_eq!((people, satisfied.request), (vec!["eve", "dan"], Some(id.clone())));
    assert_eq!(last.request.status, Status::Done);
    assert_eq!(store.answer(&dan).await.unwrap().event, last.event, "repeated, it is the same");
    assert!(conflict(store.answer(&approve("liz")).await).contains("dan gave the last approval"));
    assert_eq!(log(store).await.len(), 1);
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

pub(super) async fn a_request_is_for_what_was_seen(store: &Store) {
    packages(store, 4).await;
    set(store, "*", Some(policy(1, &[], AUC)), None).await;
    let [one, two] = [1, 2].map(|version| ask("bob", version, None));
    let one = store.ask(&one).await.unwrap().request.id;
    let two = store.ask(&two).await.unwrap().request.id;
    store.answer(&say(&one, Answer::Approve, "eve")).await.unwrap();
    // Something else is live now.
    let stale = conflict(store.answer(&say(&two, Answer::Approve, "eve")).await);
    assert!(stale.contains("while nothing was live there, and version 1 is now"), "{stale}");
    assert!(conflict(store.answer(&say(&two, Answer::Approve, "dan")).await).contains("is stale"));
    assert!(conflict(store.ask(&ask("bob", 2, None)).await).contains("was to be replaced"));

    // Other rules hold now.
    let two = store.ask(&ask("bob", 2, Some(1))).await.unwrap().request.id;
    set(store, "*", Some(policy(1, &[], "auc = { min = 0.85 }")), Some(1)).await;
    let stale = conflict(store.answer(&say(&two, Answer::Approve, "eve")).await);
    assert!(stale.contains("by another gate"), "{stale}");

    set(store, "*", Some(policy(1, &["eve", "dan"], AUC)), Some(2)).await;
    let three = store.ask(&ask("bob", 3, Some(1))).await.unwrap().request.id;
    assert!(denied(store.answer(&say(&three, Answer::Approve, "liz")).await).contains("promoters"));
    denied(store.answer(&say(&three, Answer::Withdraw, "eve")).await);
    let gone = store.answer(&say(&three, Answer::Withdraw, "bob")).await.unwrap();
    assert_eq!(gone.request.status, Status::Withdrawn);
    assert!(
        conflict(store.answer(&say(&three, Answer::Approve, "eve")).await)
            .contains("withdrawn by bob")
    );
    let four = store.ask(&ask("bob", 4, Some(1))).await.unwrap().request.id;
    let no = say(&four, Answer::Reject, "eve");
    assert_eq!(store.answer(&no).await.unwrap().request.status, Status::Rejected);
    assert_eq!(store.answer(&no).await.unwrap().request.status, Status::Rejected, "repeated");

    // Yanked meanwhile, it is not moved to.
    let three = store.ask(&ask("bob", 3, Some(1))).await.unwrap().request.id;
    let yank = Yank {
        model: name("churn"),
        version: VersionNumber(3),
        kind: EventKind::Yank,
        actor: "ada".into(),
        reason: None,
        operation_id: "yank".into(),
    };
    store.yank(&yank).await.unwrap();
    let refused = store.answer(&say(&three, Answer::Approve, "eve")).await;
    assert!(matches!(refused, Err(Failure::Forbidden(_))), "{refused:?}");
    assert_eq!(log(store).await.iter().filter(|event| event.kind.is_move()).count(), 1);

    // Fewer approvals are asked for now: what has enough is promoted, with the evidence of then.
    set(store, "*", Some(policy(2, &[], AUC)), Some(3)).await;
    let two = store.ask(&ask("bob", 2, Some(1))).await.unwrap().request.id;
    store.answer(&say(&two, Answer::Approve, "eve")).await.unwrap();
    set(store, "*", Some(policy(1, &[], AUC)), Some(4)).await;
    let event = store.apply(&move_by("bob", 2, Some(1), None)).await.unwrap().unwrap();
    assert_eq!(event.evidence, Some(passed(2)));
    assert_eq!(event.policy.unwrap().request, Some(two));
    let which = Which { status: Some(Status::Open), ..Which::default() };
    let open = store.requests(&which).await.unwrap();
    assert_eq!(open.iter().map(|open| open.version.0).collect::<Vec<_>>(), [3]);
    assert_eq!(store.requests(&Which::default()).await.unwrap().len(), 7);
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}

/// Eight requests of eight versions, each approved by two people at once: one promotion is made.
pub(super) async fn of_many_approvals_at_once_one_promotes(store: &Store) {
    packages(store, 8).await;
    set(store, "*", Some(policy(1, &[], AUC)), None).await;
    let mut said = Vec::new();
    for version in 1..=8 {
        let id = store.ask(&ask("bob", version, None)).await.unwrap().request.id;
        said.extend(["eve", "dan"].map(|actor| say(&id, Answer::Approve, actor)));
    }
    let answers = said.into_iter().map(|said| {
        let store = store.clone();
        tokio::spawn(async move { store.answer(&said).await })
    });
    let (mut made, mut lost) = (Vec::new(), 0);
    for ended in futures::future::join_all(answers).await {
        match ended.unwrap() {
            Ok(asked) => made.push(asked.event.expect("one approval is enough")),
            Err(Failure::Conflict { .. }) => lost += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((made.len(), lost), (1, 15));
    assert_eq!(log(store).await, made);
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
}
