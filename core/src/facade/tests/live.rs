//! What changes by itself, told across the border: timelines, lists, the outbox, events; and an engine that rests.

use tokio::sync::mpsc;

use super::super::ground::Ground;
use super::super::pull::{Pull, Source};
use super::*;

/// Gives 1, 2, 3, … at once and says each time that it was asked.
struct Counting(i32, mpsc::UnboundedSender<i32>);

impl Source for Counting {
    type Item = i32;

    async fn next(&mut self) -> model::Result<Option<i32>> {
        self.0 += 1;
        self.1.send(self.0).unwrap();
        Ok((self.0 < 4).then_some(self.0))
    }
}

#[tokio::test]
async fn what_came_while_nobody_waited_any_more_is_given_to_who_asks_next() {
    #[expect(clippy::disallowed_methods, reason = "three numbers go through it")]
    let (sender, mut asked) = mpsc::unbounded_channel();
    let pull = Pull::new(Counting(0, sender), Ground::new().unwrap());
    let mut waiting = Box::pin(pull.next(None));
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(asked.recv().await, Some(1));
    drop(waiting);
    let spent = CancelToken::new();
    spent.cancel();
    assert_eq!(reason(pull.next(Some(spent)).await), "cancelled cancelled");
    for wanted in [Some(1), Some(2), Some(3), None] {
        assert_eq!(pull.next(None).await.unwrap(), wanted);
    }
}

#[test]
fn every_change_of_a_list_crosses_as_it_is() {
    use model::{TimelineDiff as Inner, TimelineItemKind as Kind};
    let row = |kind: Kind| model::TimelineItem { id: "row".to_owned(), kind };
    let day = || row(Kind::DayDivider { day: "2026-11-22".to_owned() });
    let changes = [
        Inner::Append { items: vec![day(), row(Kind::Gap)] },
        Inner::Clear,
        Inner::PushFront { item: day() },
        Inner::PushBack { item: row(Kind::UnreadMarker) },
        Inner::PopFront,
        Inner::PopBack,
        Inner::Insert { index: 3, item: day() },
        Inner::Set { index: 4, item: row(Kind::Gap) },
        Inner::Remove { index: 5 },
        Inner::Truncate { length: 6 },
        Inner::Reset { items: vec![row(Kind::UnreadMarker)] },
        Inner::AppendText { index: 1, part_index: 2, from: 3, text: "words".to_owned(), stable_prefix: 4 },
    ];
    for change in changes {
        let written = format!("{change:?}");
        assert_eq!(format!("{:?}", TimelineDiff::from(change)), written);
    }
}

/// The rows that a batch brings.
fn rows(batch: Vec<TimelineDiff>) -> Vec<TimelineItem> {
    let brought = batch.into_iter().map(|diff| match diff {
        TimelineDiff::Append { items } | TimelineDiff::Reset { items } => items,
        TimelineDiff::PushFront { item }
        | TimelineDiff::PushBack { item }
        | TimelineDiff::Insert { item, .. }
        | TimelineDiff::Set { item, .. } => vec![item],
        _ => Vec::new(),
    });
    brought.flatten().collect()
}

/// Pulls until there is a row that fulfils this.
async fn until_row(timeline: &Timeline, wanted: impl Fn(&Message, Option<Delivery>) -> bool) -> TimelineItem {
    loop {
        let batch = timeline.next(None).await.unwrap().expect("the timeline ended");
        let is_wanted = |item: &TimelineItem| match &item.kind {
            TimelineItemKind::Message { message, delivery, .. } => wanted(message, *delivery),
            _ => false,
        };
        if let Some(item) = rows(batch).into_iter().find(is_wanted) {
            return item;
        }
    }
}

#[tokio::test]
async fn a_timeline_gives_all_rows_and_then_an_answer_as_it_comes() {
    let (_simulator, tertulia, chat) = open("text=ok").await;
    let first = chat.send(say("one"), CallOptions::default(), None).await.unwrap();
    let timeline = chat.timeline(None, 60, None, None).await.unwrap();
    let batch = timeline.next(None).await.unwrap().unwrap();
    assert!(matches!(&batch[..], [TimelineDiff::Reset { .. }]), "{batch:?}");
    let shown = rows(batch);
    assert!(matches!(&shown[0].kind, TimelineItemKind::DayDivider { .. }), "{shown:?}");
    assert_eq!(Some(&shown[2].id), first.message_id.as_ref());

    let slow = CallOptions { model: Some("lab/sim:text=a%20b%20c;chunks=3".into()), ..CallOptions::default() };
    let asking = chat.send(say("two"), slow, None);
    let showing = until_row(&timeline, |message, _| {
        words(&message.parts) == "a b c" && message.status == MessageStatus::Complete
    });
    let (second, answer) = tokio::join!(asking, showing);
    assert_eq!(Some(answer.id), second.unwrap().message_id);

    // Nobody else writes, so that there is nothing to wait for but the end.
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(reason(timeline.next(Some(token)).await), "cancelled cancelled");
    tertulia.shutdown().await.unwrap();
    while timeline.next(None).await.unwrap().is_some() {}
    assert_eq!(reason(timeline.load_older(10, None).await), "closed closed");
}

#[tokio::test]
async fn a_timeline_begins_where_it_is_told_and_goes_elsewhere() {
    let (_simulator, _tertulia, chat) = open("text=ok").await;
    let said = |n: i32| NewMessage { role: Role::User, parts: say(&format!("q{n}")), metadata: HashMap::new() };
    let ids = chat.append((1..=160).map(said).collect(), None).await.unwrap();
    let about = |n: usize| Some(TimelineFocus::Message { id: ids[n].clone() });
    let holds = |shown: &[TimelineItem], n: usize| shown.iter().any(|row| row.id == ids[n]);

    let timeline = chat.timeline(about(80), 0, Some(ids[79].clone()), None).await.unwrap();
    let shown = rows(timeline.next(None).await.unwrap().unwrap());
    assert!(holds(&shown, 80) && !holds(&shown, 0) && !holds(&shown, 159));
    assert!(shown.iter().any(|row| row.kind == TimelineItemKind::UnreadMarker) && shown.last().unwrap().id != ids[159]);
    assert!(timeline.load_older(200, None).await.unwrap());
    assert!(holds(&rows(timeline.next(None).await.unwrap().unwrap()), 0));
    timeline.set_visible(0, -1);
    assert!(timeline.load_newer(200, None).await.unwrap());
    assert!(holds(&rows(timeline.next(None).await.unwrap().unwrap()), 159));
    timeline.set_read(None, None).await.unwrap();
    timeline.focus(about(3), None).await.unwrap();
    assert!(holds(&rows(timeline.next(None).await.unwrap().unwrap()), 3));
    timeline.focus(Some(TimelineFocus::Branch { head: ids[9].clone() }), None).await.unwrap();
    assert_eq!(rows(timeline.next(None).await.unwrap().unwrap()).last().unwrap().id, ids[9]);
    timeline.focus(None, None).await.unwrap();
    assert_eq!(rows(timeline.next(None).await.unwrap().unwrap()).last().unwrap().id, ids[159]);
    assert!(!timeline.dismiss(ids[3].clone()).unwrap());

    let stranger = Some(TimelineFocus::Message { id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned() });
    assert!(reason(timeline.focus(stranger, None).await).starts_with("not_found"));
    assert_eq!(reason(timeline.load_older(-1, None).await), "invalid bad_limit");
    assert_eq!(reason(timeline.load_newer(201, None).await), "invalid bad_limit");
    assert_eq!(reason(timeline.dismiss("no id".to_owned())), "invalid bad_id");
    assert_eq!(reason(timeline.set_read(Some(String::new()), None).await), "invalid bad_id");
    let nowhere = || Some(TimelineFocus::Branch { head: "no id".to_owned() });
    assert_eq!(timeline.focus(nowhere(), None).await.unwrap_err().info().operation, "timeline.focus");
    assert_eq!(reason(chat.timeline(nowhere(), 0, None, None).await.map(|_| ())), "invalid bad_id");
    assert_eq!(reason(chat.timeline(None, 1_081, None, None).await.map(|_| ())), "invalid bad_offset");
}

#[tokio::test]
async fn a_page_is_told_a_timeline_as_bytes() {
    let (_simulator, tertulia, chat) = open("reasoning=Hm;text=ok").await;
    chat.send(say("one"), CallOptions::default(), None).await.unwrap();
    for (detail, kind) in [(false, "\"hidden\""), (true, "\"reasoning\"")] {
        let sse = chat.timeline(None, 0, None, None).await.unwrap().sse(Some(60_000), detail);
        let mut told = String::new();
        while !told.contains("data: ") {
            let piece = sse.next(None).await.unwrap().expect("it ended before it told the rows");
            told.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert!(told.contains("\"reset\"") && told.contains("one") && told.contains(kind), "{told}");
        if detail {
            tertulia.shutdown().await.unwrap();
            assert_eq!(sse.next(None).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_list_of_conversations_changes_by_itself() {
    let (_simulator, tertulia, _chat) = open("text=ok").await;
    let user = tertulia.user(Some("ana".to_owned()), HashMap::new());
    let watch = user.watch_conversations().unwrap();
    assert_eq!(watch.next(None).await.unwrap(), Some(vec![ConversationDiff::Reset { items: Vec::new() }]));
    let chat = user.new_conversation(None, None, Some("Trip".to_owned()), HashMap::new(), Vec::new(), None);
    chat.send(say("Hi"), CallOptions::default(), None).await.unwrap();
    let mut shown = None;
    while shown.as_ref().is_none_or(|row: &ConversationSummary| row.message_count < 2) {
        for diff in watch.next(None).await.unwrap().expect("the list ended") {
            match diff {
                ConversationDiff::Append { mut items } | ConversationDiff::Reset { mut items } => shown = items.pop(),
                ConversationDiff::PushFront { item }
                | ConversationDiff::PushBack { item }
                | ConversationDiff::Insert { item, .. }
                | ConversationDiff::Set { item, .. } => shown = Some(item),
                other => panic!("{other:?}"),
            }
        }
    }
    let shown = shown.unwrap();
    assert_eq!((shown.id, shown.title.as_deref(), shown.last_role), (chat.id(), Some("Trip"), Some(Role::Assistant)));
    assert!(shown.updated_at >= shown.created_at && shown.created_at > std::time::UNIX_EPOCH);
    assert!(watch.load_older(10, None).await.unwrap());
    assert_eq!(reason(watch.load_older(0, None).await), "invalid bad_limit");
}

#[tokio::test]
async fn a_message_that_waits_is_told_of_sent_and_taken_back() {
    let simulator = Simulator::start().await.unwrap();
    let patient = r#"{"retry": {"max_attempts": 1}, "breaker": {"enabled": false},
        "outbox": {"first_delay_ms": 3600000, "max_delay_ms": 3600000}}"#;
    let options = OpenOptions { settings: Some(patient.to_owned()), ..options(&simulator) };
    let tertulia = open_tertulia(options, None, Vec::new(), None).await.unwrap();
    let user = tertulia.user(None, HashMap::new());
    let chat = user.new_conversation(None, None, None, HashMap::new(), Vec::new(), None);
    let (outbox, events) = (user.outbox(), tertulia.events());
    let watch = outbox.watch();
    let later = |model: &str| CallOptions {
        model: Some(format!("lab/sim:{model}")),
        degrade: Some(true),
        ..CallOptions::default()
    };

    let waiting = chat.send(say("Hello?"), later("text=back;status=503;fail=1"), None).await.unwrap();
    assert_eq!(waiting.status, ReplyStatus::Waiting);
    let turn = waiting.turn_id.unwrap();
    let told = watch.next(None).await.unwrap().unwrap();
    assert_eq!((told.turn_id.as_str(), told.delivery), (turn.as_str(), Delivery::Pending));
    let item = outbox.list(None).await.unwrap().remove(0);
    assert_eq!((item.preview.as_str(), item.conversation_id), ("Hello?", chat.id()));
    assert!(item.not_before.unwrap() > std::time::UNIX_EPOCH && item.expires_at > item.not_before);
    outbox.retry(turn.clone(), None).await.unwrap();
    while watch.next(None).await.unwrap().unwrap().delivery != Delivery::Sent {}
    loop {
        let event = events.next(None).await.unwrap().expect("the events ended");
        if let EngineEventKind::OutboxChanged { pending, reason } = event.kind
            && reason == "sent"
        {
            assert_eq!((pending, event.at > std::time::UNIX_EPOCH), (0, true));
            break;
        }
    }
    assert_eq!(outbox.list(None).await.unwrap(), []);
    assert!(reason(outbox.retry(turn, None).await).starts_with("not_found"));

    let unwanted = chat.send(say("Not this"), later("status=503"), None).await.unwrap().turn_id.unwrap();
    outbox.discard(unwanted.clone(), None).await.unwrap();
    assert!(reason(outbox.discard(unwanted, None).await).starts_with("not_found"));
    let strange = outbox.discard("no id".to_owned(), None).await.unwrap_err();
    assert_eq!((strange.info().reason.as_str(), strange.info().operation.as_str()), ("bad_id", "outbox.discard"));
}

#[tokio::test]
async fn preferences_are_set_cleared_and_refused_field_by_field() {
    let (_simulator, tertulia, _chat) = open("text=ok").await;
    let user = tertulia.user(None, HashMap::new());
    let set = |text: &str| Some(TextChange::Set { text: text.to_owned() });
    let nothing = || PreferencesChange { name: None, language: None, time_zone: None, values: HashMap::new() };
    let values = HashMap::from([("theme".to_owned(), Some("dark".to_owned())), ("font".to_owned(), None)]);
    let change = PreferencesChange { name: set("Ana"), language: set("pt-BR"), values, ..nothing() };
    user.update_preferences(change, None).await.unwrap();
    let change = PreferencesChange { name: Some(TextChange::Clear), time_zone: set("America/Lima"), ..nothing() };
    user.update_preferences(change, None).await.unwrap();
    let kept = Preferences {
        name: None,
        language: Some("pt-BR".to_owned()),
        time_zone: Some("America/Lima".to_owned()),
        values: HashMap::from([("theme".to_owned(), "dark".to_owned())]),
    };
    assert_eq!(user.preferences(None).await.unwrap(), kept);
    let refused = user.update_preferences(PreferencesChange { language: set("not one!"), ..nothing() }, None).await;
    assert_eq!(reason(refused), "invalid bad_language");
    assert_eq!(user.preferences(None).await.unwrap(), kept);
}

#[tokio::test]
async fn an_engine_rests_and_wakes_and_its_timelines_go_on() {
    let (_simulator, tertulia, chat) = open("text=ok").await;
    chat.send(say("one"), CallOptions::default(), None).await.unwrap();
    let timeline = chat.timeline(None, 0, None, None).await.unwrap();
    assert_eq!(rows(timeline.next(None).await.unwrap().unwrap()).len(), 3);
    tertulia.suspend(None).await.unwrap();
    tertulia.suspend(None).await.unwrap();
    assert_eq!(reason(chat.send(say("two"), CallOptions::default(), None).await), "closed suspended");
    tertulia.resume(None).await.unwrap();
    tertulia.resume(None).await.unwrap();
    tertulia.network_changed();
    let reply = chat.send(say("two"), CallOptions::default(), None).await.unwrap();
    let shown =
        until_row(&timeline, |message, delivery| words(&message.parts) == "two" && delivery == Some(Delivery::Sent));
    assert!(matches!(shown.await.kind, TimelineItemKind::Message { message, .. } if message.turn_id == reply.turn_id));
    tertulia.shutdown().await.unwrap();
    assert_eq!(reason(tertulia.resume(None).await), "closed closed");
}

#[tokio::test]
async fn who_watches_hears_of_every_try_and_sees_how_the_parts_are() {
    let simulator = Simulator::start().await.unwrap();
    let settings = r#"{"retry": {"max_attempts": 2, "base_delay_ms": 1}}"#.to_owned();
    let options = OpenOptions { settings: Some(settings), ..options(&simulator) };
    let tertulia = open_tertulia(options, None, Vec::new(), None).await.unwrap();
    let chat = tertulia.user(Some("ana".to_owned()), HashMap::new()).conversation_for("diary".to_owned());
    let events = tertulia.events();
    let model = "lab/sim:status=503;fail=1;text=up".to_owned();
    let call = CallOptions { model: Some(model.clone()), ..CallOptions::default() };
    let reply = chat.send(say("Hi"), call, None).await.unwrap();
    let mut heard = Vec::new();
    loop {
        let event = events.next(None).await.unwrap().expect("the events ended");
        assert_eq!(
            (event.owner.as_deref(), event.turn_id.as_ref()),
            (Some("ana"), reply.turn_id.as_ref()),
            "{event:?}"
        );
        let last = matches!(event.kind, EngineEventKind::TurnChanged { state: TurnState::Done, .. });
        heard.push(event.kind);
        if last {
            break;
        }
    }
    let is_retry = |kind: &EngineEventKind| match kind {
        EngineEventKind::RetryScheduled { model: asked, attempt, kind, .. } => {
            (asked, *attempt, *kind) == (&model, 2, ErrorKind::Unavailable)
        }
        _ => false,
    };
    assert!(heard.iter().any(is_retry), "{heard:?}");

    let health = tertulia.health();
    assert_eq!((health.store.name.as_str(), health.store.state, health.outbox_pending), ("store", HealthState::Ok, 0));
    assert!(health.providers.iter().any(|part| part.name == "lab") && health.at > std::time::UNIX_EPOCH);
    let report: serde_json::Value = serde_json::from_str(&health.report).unwrap();
    assert!(report["store_operations"].is_array() && report["state"].is_string(), "{report}");

    // What was told before the end is not lost with the thread.
    let last = chat.send(say("Bye"), CallOptions::default(), None).await.unwrap();
    tertulia.shutdown().await.unwrap();
    let mut ended = false;
    while let Some(event) = events.next(None).await.unwrap() {
        ended = event.turn_id == last.turn_id
            && matches!(event.kind, EngineEventKind::TurnChanged { state: TurnState::Done, .. });
    }
    assert!(ended, "the last turn's end was not told");
}
