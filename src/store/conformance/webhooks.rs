//! Of webhooks and their outbox.

use super::*;

conformance! {
    webhooks_are_kept_changed_and_listed,
    a_change_is_announced_with_itself,
    nobody_is_told_of_what_did_not_happen,
    of_sixteen_claims_one_holds,
    what_failed_holds_up_its_own_model_alone,
    a_claim_that_was_lost_settles_nothing,
    a_webhook_that_goes_takes_its_outbox_along,
    what_is_old_or_too_much_is_dropped,
}

mod checks {
    use super::*;
    use crate::registry::webhook::WebhookEvent::{self, *};
    use crate::sys::clock;
    use crate::sys::secret::Secret;

    fn new_webhook(name: &str, events: &[WebhookEvent]) -> NewWebhook {
        NewWebhook {
            name: name.into(),
            description: String::new(),
            url: format!("https://{name}.example/"),
            secret: Secret::new("s3cret".into()),
            active: true,
            events: events.to_vec(),
        }
    }

    async fn webhook(store: &Store, name: &str, events: &[WebhookEvent]) -> String {
        store.create_webhook(&new_webhook(name, events)).await.unwrap()
    }

    /// The claim of what is due somewhere.
    async fn claim(store: &Store) -> Claim {
        let ready = store.ready_webhooks(9).await.unwrap();
        assert_eq!(ready.len(), 1, "{ready:?}");
        store.claim_webhook(&ready[0]).await.unwrap().expect("nobody else claims")
    }

    /// All that is due to the one webhook that has something due, delivered.
    async fn delivered(store: &Store) -> Vec<Delivery> {
        let mut all = Vec::new();
        let mut claim = claim(store).await;
        while let Some(delivery) = store.next_delivery(&claim).await.unwrap() {
            claim = store.settle(claim, &delivery, Settled::Gone).await.unwrap().expect("held");
            all.push(delivery);
        }
        store.release_webhook(claim).await.unwrap();
        all
    }

    pub(super) async fn webhooks_are_kept_changed_and_listed(store: &Store) {
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(webhook(store, name, &[AliasDeleted, ModelCreated]).await);
        }
        let first = store.webhook(&ids[0]).await.unwrap();
        assert_eq!((first.name.as_str(), first.active), ("a", true));
        assert_eq!(first.events, [ModelCreated, AliasDeleted]);

        let page = store.webhooks(0, 2).await.unwrap();
        assert_eq!((page.items.len(), page.next_offset), (2, Some(2)));
        let rest = store.webhooks(2, 2).await.unwrap();
        assert_eq!((rest.items.len(), rest.next_offset), (1, None));
        let mut listed: Vec<_> =
            page.items.iter().chain(&rest.items).map(|row| row.id.clone()).collect();
        listed.sort_unstable();
        ids.sort_unstable();
        assert_eq!(listed, ids);

        let change = WebhookChange {
            url: Some("https://elsewhere.example/".into()),
            description: Some("what it is for".into()),
            active: Some(false),
            events: Some(vec![VersionCreated]),
            ..WebhookChange::default()
        };
        store.change_webhook(&first.id, &change).await.unwrap();
        let changed = store.webhook(&first.id).await.unwrap();
        assert_eq!(changed.name, "a");
        assert_eq!(changed.url, "https://elsewhere.example/");
        assert_eq!(changed.description, "what it is for");
        assert_eq!((changed.active, changed.events), (false, vec![VersionCreated]));
        let target = store.webhook_target(&first.id).await.unwrap();
        assert_eq!(target.secret.reveal(), "s3cret");

        let nothing = WebhookChange::default();
        for id in ["nobody", ""] {
            assert!(matches!(store.webhook(id).await, Err(Failure::Missing(_))));
            assert!(matches!(store.webhook_target(id).await, Err(Failure::Missing(_))));
            assert!(matches!(store.delete_webhook(id).await, Err(Failure::Missing(_))));
            let changed = store.change_webhook(id, &nothing).await;
            assert!(matches!(changed, Err(Failure::Missing(_))));
        }
    }

    pub(super) async fn a_change_is_announced_with_itself(store: &Store) {
        use crate::registry::webhook::WebhookEvent as E;
        let all = [
            E::ModelCreated,
            E::VersionCreated,
            E::VersionTagSet,
            E::VersionTagDeleted,
            E::AliasCreated,
            E::AliasDeleted,
        ];
        webhook(store, "all", &all).await;
        model_with(store, "churn", 1).await;
        let (churn, one) = (name("churn"), VersionNumber(1));
        store.tag_version(&churn, one, "k", Some("v")).await.unwrap();
        store.tag_version(&churn, one, "k", None).await.unwrap();
        store.apply(&a_move("one", 1, None)).await.unwrap();
        // Said again, it is the same move, and one that changes nothing is none.
        store.apply(&a_move("one", 1, None)).await.unwrap();
        let plain = Move {
            kind: EventKind::AliasSet,
            expect: Expect::Anything,
            operation_id: "two".into(),
            ..a_move("two", 1, None)
        };
        store.apply(&plain).await.unwrap();
        let gone =
            Move { kind: EventKind::AliasRemoved, to: None, operation_id: "three".into(), ..plain };
        store.apply(&gone).await.unwrap();

        let told = delivered(store).await;
        let events: Vec<_> = told.iter().map(|delivery| delivery.event.as_str()).collect();
        assert_eq!(
            events,
            [
                "registered_model.created",
                "model_version.created",
                "model_version_tag.set",
                "model_version_tag.deleted",
                "model_version_alias.created",
                "model_version_alias.deleted",
            ]
        );
        assert!(told.iter().all(|delivery| delivery.model == "churn" && delivery.attempts == 0));
        let ids: BTreeSet<_> = told.iter().map(|delivery| &delivery.id).collect();
        assert_eq!(ids.len(), told.len());
        let moved: serde_json::Value = serde_json::from_str(&told[4].payload).unwrap();
        assert_eq!(moved["data"]["version"], "1");
        assert_eq!(moved["mlx"]["kind"], "promote");
        assert!(store.ready_webhooks(9).await.unwrap().is_empty());
        assert_eq!(store.backlog().await.unwrap().deliveries, 0);
    }

    pub(super) async fn nobody_is_told_of_what_did_not_happen(store: &Store) {
        webhook(store, "models", &[ModelCreated]).await;
        let silent = webhook(store, "silent", &[ModelCreated]).await;
        let change = WebhookChange { active: Some(false), ..WebhookChange::default() };
        store.change_webhook(&silent, &change).await.unwrap();
        webhook(store, "tags", &[VersionTagSet, VersionTagDeleted]).await;

        model_with(store, "churn", 1).await;
        assert!(store.create_model(&name("churn"), "", &[]).await.is_err());
        let tagged = store.tag_version(&name("churn"), VersionNumber(9), "k", Some("v")).await;
        assert!(tagged.is_err());
        store.tag_version(&name("churn"), VersionNumber(1), "no such key", None).await.unwrap();
        assert!(store.apply(&a_move("one", 1, Some(7))).await.is_err());

        let told = delivered(store).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(store.backlog().await.unwrap().deliveries, 0);
    }

    pub(super) async fn of_sixteen_claims_one_holds(store: &Store) {
        let id = webhook(store, "models", &[ModelCreated]).await;
        let tries = (0..16).map(|_| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move { store.claim_webhook(&id).await.unwrap() })
        });
        let mut held = Vec::new();
        for attempt in tries.collect::<Vec<_>>() {
            held.extend(attempt.await.unwrap());
        }
        assert_eq!(held.len(), 1);
        assert!(store.claim_webhook(&id).await.unwrap().is_none());
        store.release_webhook(held.remove(0)).await.unwrap();
        assert!(store.claim_webhook(&id).await.unwrap().is_some());
    }

    pub(super) async fn what_failed_holds_up_its_own_model_alone(store: &Store) {
        webhook(store, "all", &[ModelCreated, VersionCreated]).await;
        model_with(store, "a", 1).await;
        model_with(store, "b", 1).await;

        let held = claim(store).await;
        let first = store.next_delivery(&held).await.unwrap().expect("due");
        assert_eq!((first.model.as_str(), first.event.as_str()), ("a", "registered_model.created"));
        let soon = clock::now_ms() + 300;
        let later = Settled::Later { due_ms: soon, rest_until_ms: 0 };
        assert!(store.settle(held, &first, later).await.unwrap().is_none());

        let others = delivered(store).await;
        assert!(others.iter().all(|delivery| delivery.model == "b"), "{others:?}");
        assert_eq!(others.len(), 2);
        assert!(store.ready_webhooks(9).await.unwrap().is_empty(), "all of it waits");

        while clock::now_ms() <= soon {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let rest = delivered(store).await;
        assert_eq!(rest.len(), 2);
        assert_eq!((rest[0].id.as_str(), rest[0].attempts), (first.id.as_str(), 1));
        assert_eq!(rest[0].payload, first.payload);
        assert_eq!(rest[1].event, "model_version.created");
    }

    pub(super) async fn a_claim_that_was_lost_settles_nothing(store: &Store) {
        let id = webhook(store, "models", &[ModelCreated]).await;
        store.create_model(&name("a"), "", &[]).await.unwrap();
        let lost = claim(store).await;
        let delivery = store.next_delivery(&lost).await.unwrap().expect("due");
        // As if its time had run out.
        store.release_webhook(lost.clone()).await.unwrap();
        let held = store.claim_webhook(&id).await.unwrap().expect("free");
        assert!(store.settle(lost.clone(), &delivery, Settled::Gone).await.unwrap().is_none());
        store.release_webhook(lost).await.unwrap();
        assert!(store.claim_webhook(&id).await.unwrap().is_none(), "it is held by the other");
        assert!(store.next_delivery(&held).await.unwrap().is_some(), "and still to be delivered");
    }

    pub(super) async fn a_webhook_that_goes_takes_its_outbox_along(store: &Store) {
        let id = webhook(store, "models", &[ModelCreated]).await;
        store.create_model(&name("a"), "", &[]).await.unwrap();
        let held = claim(store).await;
        let delivery = store.next_delivery(&held).await.unwrap().expect("due");
        store.delete_webhook(&id).await.unwrap();
        assert!(store.settle(held, &delivery, Settled::Gone).await.unwrap().is_none());
        assert_eq!(store.backlog().await.unwrap().deliveries, 0);
        assert!(store.ready_webhooks(9).await.unwrap().is_empty());
    }

    pub(super) async fn what_is_old_or_too_much_is_dropped(store: &Store) {
        webhook(store, "models", &[ModelCreated]).await;
        for number in 0..5 {
            store.create_model(&name(&format!("m{number}")), "", &[]).await.unwrap();
        }
        assert!(store.sweep_outbox(0, 5).await.unwrap().is_empty());
        let dropped = store.sweep_outbox(0, 3).await.unwrap();
        assert_eq!(dropped.iter().map(|dropped| dropped.deliveries).sum::<u64>(), 2);
        let backlog = store.backlog().await.unwrap();
        assert_eq!(backlog.deliveries, 3);
        assert!(backlog.since_ms.is_some_and(|since| since > 0 && since <= clock::now_ms()));
        let told = delivered(store).await;
        let models: Vec<_> = told.iter().map(|delivery| delivery.model.as_str()).collect();
        assert_eq!(models, ["m2", "m3", "m4"], "the oldest go");

        store.create_model(&name("old"), "", &[]).await.unwrap();
        let dropped = store.sweep_outbox(clock::now_ms() + 1, 100).await.unwrap();
        assert_eq!(dropped.iter().map(|dropped| dropped.deliveries).sum::<u64>(), 1);
        assert!(store.ready_webhooks(9).await.unwrap().is_empty());
    }
}
