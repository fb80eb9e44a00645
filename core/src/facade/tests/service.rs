//! Libraries, batches, budgets, tiers, figures, the catalogue, a provider's own answers and the store's upkeep.

use super::*;

fn text(text: &str) -> LibraryValue {
    LibraryValue::Text { text: text.to_owned() }
}

fn user(tertulia: &Tertulia, id: &str) -> Arc<UserScope> {
    tertulia.user(Some(id.to_owned()), HashMap::new())
}

fn chat(user: &UserScope) -> Arc<Conversation> {
    user.new_conversation(None, None, None, HashMap::new(), Vec::new(), None)
}

fn said(text: &str) -> NewMessage {
    NewMessage { role: Role::User, parts: say(text), metadata: HashMap::new() }
}

/// When the first message was saved.
async fn asked_at(chat: &Conversation) -> std::time::SystemTime {
    chat.history(None, 50, None, None, None).await.unwrap().items[0].created_at
}

/// An engine whose model costs what it is told, and takes 10 tokens in and 20 out.
async fn priced() -> (Simulator, Arc<Tertulia>) {
    let simulator = Simulator::start().await.unwrap();
    simulator.set_script("any", Script::parse("text=ok;usage=10/20").unwrap());
    let mut options = options(&simulator);
    let price =
        r#"{"input_nano_usd": 1000000000, "output_nano_usd": 1000000000, "tiers": [{"above_input_tokens": 9}]}"#;
    let models =
        format!(r#"{{"*": {{"price": {price}, "max_output_tokens": 1000, "capabilities": {{"tools": true}}}}}}"#);
    options.providers[0].models = Some(models);
    let tertulia = open_tertulia(options, None, Vec::new(), None).await.unwrap();
    (simulator, tertulia)
}

fn budget(limit: BudgetLimit, window: Window, scope: BudgetScope, key: Option<&str>) -> Budget {
    Budget { limit, window, scope, key: key.map(str::to_owned), warn_at: vec![0.5] }
}

#[tokio::test]
async fn a_value_comes_back_as_it_was_put_text_or_json_in_all_its_versions() {
    let (_simulator, tertulia, _) = open("text=ok").await;
    let prompts = tertulia.prompts();
    let get = async |name: &str| prompts.get(name.to_owned(), None).await.unwrap();
    let put = async |value, expected| prompts.put("guide".to_owned(), value, expected, None).await;
    assert_eq!(get("guide").await, None);
    assert_eq!(put(text("Hi {{who}}"), Some(0)).await.unwrap(), 1);
    assert_eq!(put(text("Hey {{who}}"), Some(1)).await.unwrap(), 2);
    assert_eq!(reason(put(text("x"), Some(1)).await), "conflict entry_moved");
    let entry = get("guide").await.unwrap();
    assert_eq!(
        (entry.kind.as_str(), entry.version, entry.shared, &entry.value),
        ("prompt", 2, true, &text("Hey {{who}}"))
    );
    assert!(entry.updated_at >= entry.created_at && entry.created_at > std::time::UNIX_EPOCH);
    assert_eq!(entry.render(HashMap::from([("who".to_owned(), "Ana".to_owned())])).unwrap(), "Hey Ana");
    assert_eq!(reason(entry.render(HashMap::new())), "invalid missing_value");
    let first = prompts.version("guide".to_owned(), 1, None).await.unwrap().unwrap();
    assert_eq!((first.version, first.value), (1, text("Hi {{who}}")));
    assert_eq!(prompts.version("guide".to_owned(), 9, None).await.unwrap(), None);

    let json = |json: &str| LibraryValue::Json { json: json.to_owned() };
    put(json(r#"{"a":[1,2.5,null,true]}"#), None).await.unwrap();
    let entry = get("guide").await.unwrap();
    assert_eq!(entry.value, json(r#"{"a":[1,2.5,null,true]}"#));
    assert_eq!(reason(entry.render(HashMap::new())), "invalid not_text");
    put(json(r#""plain""#), None).await.unwrap();
    assert_eq!(get("guide").await.unwrap().value, text("plain"));
    let error = put(json("{secret"), None).await.unwrap_err();
    assert_eq!((error.info().reason.as_str(), error.info().operation.as_str()), ("bad_json", "library.put"));
    assert!(!error.to_string().contains("secret"), "{error}");

    let numbers = |before, limit| prompts.versions("guide".to_owned(), before, limit, None);
    let kept: Vec<_> = numbers(None, 50).await.unwrap().iter().map(|v| (v.version, v.size_bytes)).collect();
    assert_eq!(kept, [(4, 7), (3, 23), (2, 13), (1, 12)]);
    assert_eq!(numbers(Some(3), 1).await.unwrap()[0].version, 2);
    assert_eq!(reason(numbers(None, -1).await), "invalid bad_limit");
    prompts.put("other".to_owned(), text("x"), None, None).await.unwrap();
    let names = async |prefix: &str, after: Option<&str>| -> Vec<String> {
        let items = prompts.list(prefix.to_owned(), after.map(str::to_owned), 50, None).await.unwrap();
        items.into_iter().map(|item| item.name).collect()
    };
    assert_eq!(names("", None).await, ["guide", "other"]);
    assert_eq!(
        (names("gu", None).await, names("", Some("guide")).await),
        (vec!["guide".to_owned()], vec!["other".to_owned()])
    );
    assert_eq!(reason(prompts.list(String::new(), None, 0, None).await), "invalid bad_limit");
    assert_eq!(reason(prompts.delete("guide".to_owned(), Some(1), None).await), "conflict entry_moved");
    prompts.delete("guide".to_owned(), None, None).await.unwrap();
    assert_eq!(reason(prompts.delete("guide".to_owned(), None, None).await), "not_found no_entry");
}

#[tokio::test]
async fn a_users_own_value_stands_before_the_applications_and_every_kind_has_its_library() {
    let (_simulator, tertulia, _) = open("text=ok").await;
    let ana = user(&tertulia, "ana");
    let pairs = [
        (tertulia.prompts(), ana.prompts(), "prompt"),
        (tertulia.personas(), ana.personas(), "persona"),
        (tertulia.councils(), ana.councils(), "council"),
        (tertulia.library("setting".to_owned()), ana.library("setting".to_owned()), "setting"),
    ];
    for (of_all, own, kind) in &pairs {
        of_all.put("x".to_owned(), text(kind), None, None).await.unwrap();
        let seen = own.get("x".to_owned(), None).await.unwrap().unwrap();
        assert_eq!((seen.kind.as_str(), &seen.value, seen.shared), (*kind, &text(kind), true));
        own.put("x".to_owned(), text("own"), None, None).await.unwrap();
        let seen = own.get("x".to_owned(), None).await.unwrap().unwrap();
        assert_eq!((&seen.value, seen.shared), (&text("own"), false));
        assert!(!own.list(String::new(), None, 50, None).await.unwrap()[0].shared);
    }
    let odd = tertulia.library("Not A Kind".to_owned()).get("x".to_owned(), None).await;
    assert_eq!(reason(odd), "invalid bad_kind");

    let (cache, before) = (tertulia.library_cache(), tertulia.library_cache().health());
    assert!(before.entries > 0 && before.misses > 0, "{before:?}");
    let mine = || pairs[0].1.get("x".to_owned(), None);
    mine().await.unwrap();
    let known = cache.health();
    assert_eq!((known.hits, known.misses), (before.hits + 1, before.misses));
    cache.invalidate("prompt".to_owned(), "x".to_owned(), "ana".to_owned());
    mine().await.unwrap();
    assert_eq!(cache.health().misses, known.misses + 1, "it was not read anew");
    cache.clear();
    assert_eq!(cache.health().entries, 0);
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all_unless_it_may_do_what_it_can() {
    let (_simulator, tertulia, _) = open("text=ok").await;
    let ana = user(&tertulia, "ana");
    let (a, b) = (chat(&ana), chat(&ana));
    for chat in [&a, &b] {
        chat.append(vec![said("hi")], None).await.unwrap();
    }
    let batch = ana.batch();
    batch.tag(vec![a.id(), b.id()], vec!["work".to_owned()]).unwrap();
    batch.retag(vec![a.id()], "work".to_owned(), "play".to_owned()).unwrap();
    batch.pin(vec![a.id()]).unwrap();
    batch.unpin(vec![a.id()]).unwrap();
    batch.archive(vec![b.id()]).unwrap();
    batch.unarchive(vec![b.id()]).unwrap();
    batch.untag(vec![b.id()], vec!["work".to_owned()]).unwrap();
    let title = Some(TextChange::Set { text: "B".to_owned() });
    batch.update(vec![b.id()], ConversationChange { title, ..ConversationChange::default() }).unwrap();
    let looked = batch.run(false, true, None).await.unwrap();
    assert_eq!((looked.dry_run, looked.done, looked.refused, looked.items.len()), (true, 9, 0, 9));
    let done = batch.run(false, false, None).await.unwrap();
    assert_eq!((done.dry_run, done.done, done.skipped), (false, 9, 0));
    let told: Vec<_> = done.items.iter().map(|item| (item.index, item.verb, item.state)).collect();
    assert_eq!(told[2], (2, BatchVerb::Retag, BatchState::Done));
    assert_eq!(done.items[2].conversation_id, Some(a.id()));
    let (of_a, of_b) = (a.summary(None).await.unwrap(), b.summary(None).await.unwrap());
    assert_eq!((of_a.tags, of_a.pinned, of_a.archived), (vec!["play".to_owned()], false, false));
    assert_eq!((of_b.tags, of_b.title.as_deref(), of_b.archived), (Vec::new(), Some("B"), false));

    let bad = ana.batch();
    bad.delete(vec![b.id()]).unwrap();
    bad.retag(vec![a.id()], "never".to_owned(), "x".to_owned()).unwrap();
    let refused = bad.run(false, false, None).await.unwrap_err();
    assert_eq!(reason::<()>(Err(refused.clone())), "invalid not_tagged");
    assert!(refused.info().detail.contains('1'), "the error does not name the item: {refused}");
    assert_eq!(b.history(None, 50, None, None, None).await.unwrap().items.len(), 1, "something of it was done");
    let report = bad.run(true, false, None).await.unwrap();
    assert_eq!((report.done, report.refused), (1, 1));
    let error = report.items[1].error.as_ref().unwrap();
    assert_eq!((report.items[1].state, error.reason.as_str()), (BatchState::Refused, "not_tagged"));
    let gone = ana.conversation(b.id()).unwrap();
    assert_eq!(reason(gone.history(None, 50, None, None, None).await), "not_found not_found");

    assert_eq!(reason(bad.pin(vec![a.id(), "no-id".to_owned()])), "invalid bad_id");
    assert_eq!(reason(bad.edit(a.clone(), "no-id".to_owned(), say("x"))), "invalid bad_id");
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(reason(bad.run(true, false, Some(token)).await), "cancelled cancelled");
}

#[tokio::test]
async fn a_batch_that_was_started_tells_how_far_it_is_and_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_simulator, tertulia, _) = open("text=one%20two%20three;chunks=3;stall=2").await;
    let ana = user(&tertulia, "ana");
    let (a, b, fresh, held) = (chat(&ana), chat(&ana), chat(&ana), chat(&ana));
    let ids = a.append(vec![said("one")], None).await.unwrap();
    b.append(vec![said("two")], None).await.unwrap();
    let file = folder.path().join("b.jsonl").display().to_string();
    let batch = ana.batch();
    batch.append(fresh.clone(), vec![said("first"), said("second")]).unwrap();
    batch.edit(a.clone(), ids[0].clone(), say("uno")).unwrap();
    batch.export(file.clone(), vec![b.id()]).unwrap();
    batch.delete(vec![b.id()]).unwrap();
    // It goes behind an answer that does not end by itself, so that it is not over before it is asked.
    let stream = held.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    until_words(&stream).await;
    batch.append(held, vec![said("behind it")]).unwrap();
    let run = batch.start(false);
    let next = async || run.next(None).await.unwrap();
    while next().await.expect("it is over and did not wait").phase != BatchPhase::Waiting {}
    assert_eq!(run.progress(), BatchProgress { phase: BatchPhase::Waiting, done: 0, total: 5 });
    stream.cancel();
    while let Some(progress) = next().await {
        assert!(progress.phase != BatchPhase::Over && progress.total == 5, "{progress:?}");
    }
    assert_eq!(run.progress(), BatchProgress { phase: BatchPhase::Over, done: 5, total: 5 });
    let report = run.report(None).await.unwrap();
    assert_eq!(run.report(None).await.unwrap(), report);
    let written = report.items[2].export.unwrap();
    assert_eq!((written.conversations, written.messages, written.files), (1, 1, 0));
    assert_eq!(written.bytes, i64::try_from(std::fs::metadata(&file).unwrap().len()).unwrap());
    let page = fresh.history(None, 50, None, None, None).await.unwrap();
    assert_eq!(page.items.iter().map(|m| m.id.clone()).collect::<Vec<_>>(), report.items[0].message_ids);
    assert_eq!(words(&a.history(None, 50, None, None, None).await.unwrap().items[0].parts), "uno");

    let token = CancelToken::new();
    token.cancel();
    assert_eq!(reason(run.report(Some(token.clone())).await), "cancelled cancelled");
    assert_eq!(reason(run.next(Some(token)).await), "cancelled cancelled");
    let late = ana.batch();
    late.delete(vec![b.id()]).unwrap();
    let run = late.start(true);
    assert_eq!(run.report(None).await.unwrap().refused, 1);
    run.cancel();
    assert_eq!(run.next(None).await.unwrap(), None);
}

#[tokio::test]
async fn a_call_that_a_budget_has_no_room_for_is_refused_and_says_what_is_left_of_it() {
    let (simulator, tertulia) = priced().await;
    let ana = user(&tertulia, "ana");
    let one = budget(BudgetLimit::Requests { requests: 1 }, Window::Day, BudgetScope::User, Some("ana"));
    tertulia.set_budget(one.clone(), None).await.unwrap();
    let chat = chat(&ana);
    chat.send(say("Hi"), CallOptions::default(), None).await.unwrap();
    let refused = chat.send(say("Hi"), CallOptions::default(), None).await.unwrap_err();
    let TertuliaError::BudgetExceeded { info } = &refused else { panic!("{refused}") };
    let status = info.budget.as_ref().unwrap();
    assert_eq!((&status.budget, status.key.as_deref(), info.saved), (&one, Some("ana"), true));
    assert_eq!((status.spent, status.reserved, status.remaining), (1, 0, 0));
    let resets_at = status.resets_at.unwrap();
    assert!(resets_at > asked_at(&chat).await, "{resets_at:?}");
    assert_eq!(simulator.request_count(), 1);
    for standing in [ana.budgets(None).await.unwrap(), chat.budgets(None).await.unwrap()] {
        assert_eq!((standing.len(), standing[0].remaining), (1, 0));
    }
    assert!(tertulia.budgets(None).await.unwrap().is_empty(), "a user's budget stands among those of the application");

    let month = budget(BudgetLimit::NanoUsd { nano_usd: 5_000_000_000 }, Window::Month, BudgetScope::Application, None);
    tertulia.set_budget(month.clone(), None).await.unwrap();
    assert_eq!(tertulia.budgets(None).await.unwrap()[0].budget, month);
    assert_eq!(tertulia.list_budgets(None).await.unwrap().len(), 2);
    tertulia.remove_budget(one.id(), None).await.unwrap();
    assert_eq!(tertulia.list_budgets(None).await.unwrap(), [month]);
    ana.ask(say("Hi"), CallOptions::default(), None).await.unwrap();
    assert_eq!(reason(tertulia.remove_budget("no-id".to_owned(), None).await), "invalid bad_id");
    let below = budget(BudgetLimit::Tokens { tokens: -1 }, Window::Total, BudgetScope::User, None);
    assert_eq!(reason(tertulia.set_budget(below, None).await), "invalid bad_budget");
}

#[test]
fn a_budget_keeps_its_id_and_all_that_it_says_across_the_border() {
    for limit in [model::BudgetLimit::NanoUsd(7), model::BudgetLimit::Tokens(7), model::BudgetLimit::Requests(7)] {
        let inner = model::Budget::new(limit).per(model::Window::Week).of(model::BudgetScope::Run, "r").warn_at([0.25]);
        let crossed = Budget::from(inner.clone());
        assert_eq!(crossed.id(), inner.id().to_string());
        assert_eq!(model::Budget::from(crossed), inner);
    }
}

#[tokio::test]
async fn users_of_a_tier_may_do_what_it_says() {
    let (_simulator, tertulia) = priced().await;
    let ana = user(&tertulia, "ana");
    let tier = Tier {
        requests_per_minute: Some(100),
        tokens_per_minute: Some(100_000),
        budgets: vec![budget(BudgetLimit::Requests { requests: 1 }, Window::Day, BudgetScope::User, None)],
        models: vec!["lab/*".to_owned()],
        priority: Some(Priority::Background),
    };
    tertulia.set_tier("free".to_owned(), tier.clone()).unwrap();
    assert_eq!(tertulia.tiers(), HashMap::from([("free".to_owned(), tier.clone())]));
    assert_eq!(ana.tier(), None);
    tertulia.assign_tier("ana".to_owned(), Some("free".to_owned())).unwrap();
    assert_eq!(ana.tier().as_deref(), Some("free"));
    let ask =
        |model: &str| ana.ask(say("Hi"), CallOptions { model: Some(model.to_owned()), ..CallOptions::default() }, None);
    assert_eq!(reason(ask("echo/any").await), "unauthorized not_allowed");
    ask("lab/any").await.unwrap();
    assert_eq!(reason(ask("lab/any").await), "budget_exceeded tier_budget");
    tertulia.assign_tier("ana".to_owned(), None).unwrap();
    ask("lab/any").await.unwrap();
    assert_eq!(reason(tertulia.assign_tier("ana".to_owned(), Some("gold".to_owned()))), "invalid unknown_tier");
    let bad = Tier { requests_per_minute: Some(-1), ..tier };
    assert_eq!(reason(tertulia.set_tier("bad".to_owned(), bad)), "invalid bad_tier");
    tertulia.remove_tier("free".to_owned());
    assert!(tertulia.tiers().is_empty());
}

#[tokio::test]
async fn what_was_spent_is_summed_up_and_foreseen() {
    let (_simulator, tertulia) = priced().await;
    let ana = user(&tertulia, "ana");
    let chat = chat(&ana);
    chat.send(say("one"), CallOptions::default(), None).await.unwrap();
    user(&tertulia, "bob").ask(say("two"), CallOptions::default(), None).await.unwrap();
    let of_ana = |by, since, until| ana.usage(by, since, until, None, 50, None);
    let mine = of_ana(None, None, None).await.unwrap();
    assert_eq!((mine.total.requests, mine.total.input_tokens, mine.total.output_tokens), (1, 10, 20));
    assert_eq!((mine.total.nano_usd, mine.rows[0].key.as_str(), &mine.next), (30_000, "lab/any", &None));
    assert_eq!(of_ana(Some(UsageBy::Conversation), None, None).await.unwrap().rows[0].key, chat.id());
    assert_eq!(reason(of_ana(Some(UsageBy::User), None, None).await), "invalid bad_usage_query");
    // Whole hours: what is spent now is before the one after next, and behind the one before.
    let hours = std::time::Duration::from_secs(2 * 3_600);
    let asked = asked_at(&chat).await;
    let (before, after) = (asked - hours, asked + hours);
    assert_eq!(of_ana(None, Some(before), Some(after)).await.unwrap().total.requests, 1);
    assert_eq!(of_ana(None, Some(after), None).await.unwrap().total.requests, 0);
    assert_eq!(of_ana(None, None, Some(before)).await.unwrap().total.requests, 0);
    let page =
        async |after: Option<String>| tertulia.usage(Some(UsageBy::User), None, None, after, 1, None).await.unwrap();
    let first = page(None).await;
    assert_eq!((first.total.requests, first.rows.len(), first.next.as_deref()), (2, 1, Some("ana")));
    let rest = page(first.next).await;
    assert_eq!((rest.rows[0].key.as_str(), rest.next), ("bob", None));

    let day = ana.forecast(Window::Day, None).await.unwrap();
    assert_eq!((day.spent_nano_usd, day.confidence, day.exceeds_at), (30_000, 0.9, None));
    assert!(day.low_nano_usd <= day.expected_nano_usd && day.expected_nano_usd <= day.high_nano_usd, "{day:?}");
    assert_eq!(tertulia.forecast(Window::Month, None).await.unwrap().spent_nano_usd, 60_000);
    assert_eq!(reason(tertulia.forecast(Window::Total, None).await), "invalid bad_window");
}

#[tokio::test]
async fn models_and_providers_are_known_and_change_while_the_engine_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (simulator, tertulia) = priced().await;
    let url = format!("{}/v1", simulator.url());
    let providers = tertulia.providers();
    assert!(providers.iter().any(|p| (p.name.as_str(), p.base_url.as_str()) == ("lab", url.as_str())));
    assert!(providers.iter().any(|p| p.name == "openai" && p.key_variable.as_deref() == Some("OPENAI_API_KEY")));
    let known = tertulia.models("openai/*".to_owned());
    assert!(known.iter().any(|model| model.capabilities.tools == Some(true) && model.context_window.is_some()));
    assert!(tertulia.models("nobody/*".to_owned()).is_empty());

    let provider = json!({"base_url": url, "dialect": "openai_chat", "auth": "none", "models": {"small": {}}});
    let catalogue = |name: &str| json!({"version": 1, "providers": {name: provider}}).to_string();
    let path = folder.path().join("more.json").display().to_string();
    std::fs::write(&path, catalogue("den")).unwrap();
    tertulia.load_catalogue(path.clone(), None).await.unwrap();
    tertulia.reconfigure(None, HashMap::new(), Some(catalogue("nook")), None).await.unwrap();
    for name in ["den", "nook"] {
        assert_eq!(tertulia.models(format!("{name}/*"))[0].id, format!("{name}/small"));
    }
    std::fs::write(&path, "{").unwrap();
    assert_eq!(reason(tertulia.load_catalogue(path, None).await), "invalid bad_catalogue");

    let settings = |json: &str| tertulia.reconfigure(Some(json.to_owned()), HashMap::new(), None, None);
    let failing =
        CallOptions { model: Some("lab/sim:status=503;fail=1;key=r;text=up".into()), ..CallOptions::default() };
    settings(r#"{"retry": {"max_attempts": 2, "base_delay_ms": 1}}"#).await.unwrap();
    assert_eq!(words(&tertulia.ask(say("Hi"), failing, None).await.unwrap().parts), "up");
    assert_eq!(reason(settings(r#"{"store": {"readers": 9}}"#).await), "invalid cannot_change");
    assert_eq!(reason(settings(r#"{"retyr": {}}"#).await), "invalid bad_settings");
    assert_eq!(reason(settings("{").await), "invalid bad_json");
    let keys = HashMap::from([("nobody".to_owned(), "x".to_owned())]);
    assert_eq!(reason(tertulia.reconfigure(None, keys, None, None).await), "invalid unknown_provider");

    tertulia.warm_up(vec!["lab/any".to_owned()], None).await.unwrap();
    assert_eq!(reason(tertulia.warm_up(vec!["nobody/any".to_owned()], None).await), "invalid unknown_provider");
    let stats: model::Stats = serde_json::from_str(&tertulia.stats(60_000).unwrap()).unwrap();
    assert_eq!((stats.window_ms, stats.total.calls, stats.total.retries), (60_000, 1, 1));
}

#[tokio::test]
async fn a_price_says_the_main_figures_and_keeps_all_others_as_json() {
    let (_simulator, tertulia) = priced().await;
    let listed = tertulia.provider("lab".to_owned()).models(None, None).await.unwrap();
    let any = listed.iter().find(|model| model.id == "lab/any").expect("the simulator lists its script");
    let price = any.price.as_ref().unwrap();
    assert_eq!((price.input_nano_usd, price.output_nano_usd), (1_000_000_000, 1_000_000_000));
    let whole: model::Price = serde_json::from_str(&price.whole).unwrap();
    assert_eq!(whole.tiers[0].above_input_tokens, 9);
}

#[tokio::test]
async fn a_provider_answers_requests_of_ones_own_whatever_it_says() {
    let (simulator, tertulia, _) = open("text=ok").await;
    let lab = tertulia.provider("lab".to_owned());
    let request = |method: &str, path: &str, body: Option<&str>, key: Option<&str>| {
        lab.request(method.to_owned(), path.to_owned(), body.map(str::to_owned), key.map(str::to_owned), None)
    };
    let answer = request("GET", "/v1/models", None, Some("sk-mine")).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_slice::<base::Json>(&answer.body).unwrap()["data"].is_array());
    assert!(answer.headers["content-type"][0].starts_with("application/json"), "{:?}", answer.headers);
    let sent = simulator.requests();
    assert_eq!((sent[0].method.as_str(), sent[0].header("authorization")), ("GET", Some("Bearer sk-mine")));
    assert_eq!(request("POST", "/v1/nowhere", Some(r#"{"a": 1}"#), None).await.unwrap().status, 404);
    assert_eq!(simulator.requests()[1].json(), json!({"a": 1}));
    assert_eq!(reason(request("GET", "nowhere", None, None).await), "invalid bad_request");
    assert_eq!(reason(request("POST", "/v1/x", Some("{secret"), None).await), "invalid bad_json");
    let nobody = tertulia.provider("nobody".to_owned()).models(None, None).await;
    assert_eq!(reason(nobody), "invalid unknown_provider");
}

#[tokio::test]
async fn a_store_is_looked_at_measured_and_copied_while_it_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let simulator = Simulator::start().await.unwrap();
    simulator.set_script("any", Script::parse("text=ok").unwrap());
    let at = |store: String| {
        open_tertulia(OpenOptions { store: Some(store), ..options(&simulator) }, None, Vec::new(), None)
    };
    let tertulia = at(path("chat.db")).await.unwrap();
    let diary = |tertulia: &Tertulia| user(tertulia, "ana").conversation_for("diary".to_owned());
    diary(&tertulia).send(say("Hi"), CallOptions::default(), None).await.unwrap();
    let store = tertulia.store();
    let found = store.verify(None).await.unwrap();
    assert_eq!((found.problems, found.conversations, found.messages), (Vec::new(), 1, 2));
    assert_eq!(store.repair(None).await.unwrap(), Repair { repaired: Vec::new(), left: Vec::new() });
    assert!(store.checkpoint(None).await.unwrap());
    let report = store.storage_report(None).await.unwrap();
    assert!(report.kinds.iter().any(|kind| kind.name == "messages" && kind.bytes > 0), "{report:?}");
    assert_eq!(report.file_bytes, report.pages * report.page_bytes);
    assert!(store.vacuum(None).await.unwrap() >= 0);
    let bytes = store.backup(path("copy.db"), None).await.unwrap();
    assert_eq!(bytes, i64::try_from(std::fs::metadata(path("copy.db")).unwrap().len()).unwrap());
    assert_eq!(reason(store.backup(path("chat.db"), None).await), "invalid bad_backup");
    let copy = at(path("copy.db")).await.unwrap();
    assert_eq!(diary(&copy).history(None, 50, None, None, None).await.unwrap().items.len(), 2);
    copy.shutdown().await.unwrap();
    tertulia.shutdown().await.unwrap();
    assert_eq!(reason(store.verify(None).await), "closed closed");
    let (_simulator, in_memory, _) = open("text=ok").await;
    assert_eq!(reason(in_memory.store().verify(None).await), "invalid unsupported");
}

#[test]
fn what_is_wrong_with_a_store_crosses_the_border_with_its_place() {
    let problem = model::StoreProblem {
        kind: model::StoreProblemKind::Count,
        place: "conversations".to_owned(),
        detail: "off by one".to_owned(),
        repairable: true,
    };
    let found = Repair::from(model::Repair { repaired: vec![problem], left: Vec::new() });
    let StoreProblem { kind, place, detail, repairable } = &found.repaired[0];
    assert_eq!(
        (*kind, place.as_str(), detail.as_str(), *repairable),
        (StoreProblemKind::Count, "conversations", "off by one", true)
    );
}
