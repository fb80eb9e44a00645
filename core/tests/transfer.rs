//! Conversations that leave the store in a file and come back: whole, with all branches, and never twice.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tertulia::base::{Ids, ManualClock, Random, SeededRandom};
use tertulia::model::{CostSource, UsageSource};
use tertulia::store::{
    Content, Durability, MemoryStore, NewAttachment, NewConversation, NewRow, Op, Parent, SqliteSettings, SqliteStore,
    Store, WriteBatch,
};
use tertulia::{
    ConversationId, ConversationOptions, Cost, ErrorKind, FinishReason, ImportFormat, ImportReport, Media, MediaSource,
    Message, MessageId, MessageStatus, NewMessage, Part, PreferencesChange, Role, Tertulia, Timestamp, ToolCall,
    ToolResult, Usage, UserScope,
};

async fn over(store: Arc<dyn Store>) -> Tertulia {
    Tertulia::builder().with_store(store).model("echo/any").open().await.unwrap()
}

async fn opened() -> Tertulia {
    over(Arc::new(MemoryStore::new())).await
}

async fn in_file(path: &Path) -> Arc<dyn Store> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_900_000_000_000)));
    Arc::new(SqliteStore::open(path, SqliteSettings::default(), clock).await.unwrap())
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines with numbers in the place of ids, in the order in which these are met.
fn without_ids(mut lines: Vec<Value>) -> Vec<Value> {
    let mut numbers = BTreeMap::new();
    let mut numbered = |id: &mut Value| {
        if let Some(text) = id.as_str() {
            let next = numbers.len();
            *id = json!(*numbers.entry(text.to_owned()).or_insert(next));
        }
    };
    for line in &mut lines {
        if let Some(id) = line.get_mut("shown") {
            numbered(id);
        }
        for kind in ["conversation", "message", "file"] {
            let Some(fields) = line.get_mut(kind).and_then(Value::as_object_mut) else { continue };
            for name in ["id", "parent", "message"] {
                if let Some(id) = fields.get_mut(name) {
                    numbered(id);
                }
            }
            for part in fields.get_mut("parts").and_then(Value::as_array_mut).into_iter().flatten() {
                let source = part.get_mut("media").and_then(|media| media.get_mut("source"));
                if let Some(id) = source.and_then(|source| source.get_mut("id")) {
                    numbered(id);
                }
            }
        }
    }
    lines
}

struct Author<'a> {
    store: &'a dyn Store,
    ids: Ids,
    random: Arc<SeededRandom>,
    at: i64,
}

impl Author<'_> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
    fn below(&self, n: usize) -> usize {
        (self.random.unit() * n as f64) as usize
    }

    fn batch(&mut self) -> WriteBatch {
        self.at += 1_000;
        WriteBatch::new("ana", Timestamp::from_millis(self.at))
    }

    async fn apply(&mut self, ops: impl IntoIterator<Item = Op>) {
        let mut batch = self.batch();
        batch.ops.extend(ops);
        self.store.apply(batch, Durability::ProcessSafe).await.unwrap();
    }

    fn parts(&self, step: usize) -> Vec<Part> {
        let call = || ToolCall {
            id: format!("call {step}"),
            name: "weather".to_owned(),
            arguments: json!({"place": ["Cádiz", step]}),
            provider_executed: step.is_multiple_of(2),
            free_text: false,
        };
        match self.below(7) {
            0 => vec![Part::Reasoning { text: "hm".to_owned() }, Part::ToolCall { call: call() }],
            1 => {
                let output = json!({"deg": step});
                vec![Part::tool_result(ToolResult { call_id: call().id, output, is_error: true, media: vec![] })]
            }
            2 => vec![Part::Opaque {
                provider: "anthropic".to_owned(),
                name: "thing".to_owned(),
                attached: false,
                data: json!({"a": [1, null]}),
            }],
            // Longer than what stands in a row.
            3 => vec![Part::text(format!("{step} ") + &"long 東京 ".repeat(8_000))],
            4 => vec![Part::Refusal { text: "no\n\"\\ \u{1f600}".to_owned() }, Part::image(Media::url("https://a/b"))],
            _ => vec![Part::text(format!("words {step}"))],
        }
    }

    fn row(&self, conversation: ConversationId, parent: Parent, step: usize) -> NewRow {
        let role = [Role::User, Role::Assistant, Role::Tool, Role::System][self.below(4)];
        let status = [MessageStatus::Complete, MessageStatus::Pending, MessageStatus::Cancelled];
        let details = HashMap::from([("audio".to_owned(), 3)]);
        let usage =
            Usage { input_tokens: 7, output_tokens: 5, details, source: UsageSource::Reported, ..Usage::default() };
        let cost = Cost { nano_usd: Some(12_345), source: CostSource::Catalogue, price_date: None };
        let is_said = self.below(2) == 0;
        NewRow {
            id: self.ids.message(),
            conversation,
            parent,
            turn: None,
            role,
            status: status[self.below(3)],
            content: Content::encode(&self.parts(step)).unwrap(),
            model: is_said.then(|| "echo/any".to_owned()),
            metadata: HashMap::from([("step".to_owned(), step.to_string())]),
            finish_reason: is_said.then_some(FinishReason::Length),
            usage: is_said.then_some(usage),
            cost: is_said.then_some(cost),
            created_at: None,
        }
    }

    /// A conversation with branches, deleted messages and files, moved about in at random.
    async fn write(&mut self, number: usize) -> ConversationId {
        let id = self.ids.conversation();
        self.apply([Op::PutConversation(NewConversation {
            id,
            title: Some(format!("chat {number}")),
            system: (number.is_multiple_of(2)).then(|| "be brief".to_owned()),
            model: Some("echo/any".to_owned()),
            metadata: HashMap::from([("lang".to_owned(), "es".to_owned())]),
            tags: (0..number % 3).map(|tag| format!("tag {tag}")).collect(),
            expires_in: None,
        })])
        .await;
        let mut known: Vec<MessageId> = Vec::new();
        for step in 0..30 + self.below(40) {
            let any = (!known.is_empty()).then(|| known[self.below(known.len().max(1))]);
            let op = match (self.below(11), any) {
                (0, Some(message)) => Op::SwitchTo { conversation: id, message },
                (1, Some(message)) => Op::ForkAt { conversation: id, message },
                (2, Some(id)) => Op::WipeMessage { id },
                (3, Some(top)) if step % 4 == 0 => {
                    Op::RemoveMessages { conversation: id, top, from: None, steps: 1_000 }
                }
                (choice, any) => {
                    let parent = match (choice, any) {
                        (_, None) | (4, _) => Parent::Start,
                        (5, Some(any)) => Parent::Message(any),
                        (6, Some(any)) => Parent::Below(any),
                        (7, Some(any)) => Parent::Beside(any),
                        _ => Parent::Head,
                    };
                    let mut row = self.row(id, parent, step);
                    let (file, message) = (self.ids.attachment(), row.id);
                    let has_file = self.below(5) == 0;
                    if has_file {
                        let media = Media { name: Some("a.bin".to_owned()), ..Media::data([], "image/png") };
                        let media = Media { source: MediaSource::Attachment { id: file }, ..media };
                        row.content = Content::encode(&[Part::image(media)]).unwrap();
                    }
                    self.apply([Op::AppendMessage(row)]).await;
                    if has_file {
                        let data = bytes::Bytes::from(format!("bytes of {step}"));
                        let (mime_type, name) = ("image/png".to_owned(), Some("a.bin".to_owned()));
                        let new = NewAttachment { id: file, message, part_index: 0, mime_type, name, data };
                        self.apply([Op::PutAttachment(new)]).await;
                    }
                    known.push(message);
                    continue;
                }
            };
            self.apply([op]).await;
            let still = self.store.known("ana", id, known).await.unwrap();
            known = still;
        }
        if number.is_multiple_of(3) {
            let change = tertulia::ConversationChange { archived: Some(true), ..Default::default() };
            self.apply([Op::UpdateConversation { id, change }]).await;
        }
        if number.is_multiple_of(4) {
            let change = tertulia::ConversationChange { pinned: Some(true), ..Default::default() };
            self.apply([Op::UpdateConversation { id, change }]).await;
        }
        id
    }
}

fn is_clean(report: &ImportReport, told: &str) {
    assert_eq!((report.problem_count, &report.problems[..]), (0, &[][..]), "{told}");
}

#[tokio::test]
async fn what_is_exported_imported_and_exported_again_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for seed in 1..=6 {
        let path = at(&format!("{seed}.db"));
        let store: Arc<dyn Store> = if seed % 2 == 0 { in_file(&path).await } else { Arc::new(MemoryStore::new()) };
        let random = Arc::new(SeededRandom::new(seed));
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let ids = Ids::new(clock, random.clone());
        let mut author = Author { store: &*store, ids, random, at: 1_700_000_000_000 };
        let mut chats = Vec::new();
        for number in 0..5 {
            chats.push(author.write(number).await);
        }
        let t = over(store.clone()).await;
        let ana = t.user("ana");
        let first = at("first.jsonl");
        let written = ana.export_conversations(&first).await.unwrap();
        assert_eq!(written.conversations, 5, "seed {seed}");
        assert_eq!(written.bytes, i64::try_from(std::fs::metadata(&first).unwrap().len()).unwrap(), "seed {seed}");
        let before = lines(&first);
        assert!(before.len() > 100 && written.files > 0, "seed {seed}: {} lines", before.len());

        // Into the same user: everything is there.
        let again = ana.import_conversations(&first).await.unwrap();
        is_clean(&again, &format!("seed {seed}"));
        assert_eq!((again.conversations, again.messages, again.skipped), (0, 0, written.messages), "seed {seed}");
        ana.export_conversations(at("same.jsonl")).await.unwrap();
        assert_eq!(lines(&at("same.jsonl")), before, "seed {seed}");

        // Into another store: with the same ids. Into another user of the same store: with others.
        let elsewhere = over(if seed % 2 == 0 {
            Arc::new(MemoryStore::new())
        } else {
            in_file(&at(&format!("{seed}-other.db"))).await
        })
        .await;
        for (user, keeps) in [(elsewhere.user("ana"), true), (t.user("bo"), false)] {
            let told = format!("seed {seed}, ids are kept: {keeps}");
            let dry = user.import_conversations(&first).dry_run(true).await.unwrap();
            assert!(user.list_conversations().await.unwrap().items.is_empty(), "{told}");
            let report = user.import_conversations(&first).await.unwrap();
            is_clean(&report, &told);
            assert_eq!(ImportReport { dry_run: false, ..dry }, report, "{told}");
            assert_eq!((report.conversations, report.messages), (5, written.messages), "{told}");
            for turn in 0..2 {
                let path = at("second.jsonl");
                let again = user.export_conversations(&path).await.unwrap();
                let after = lines(&path);
                if keeps {
                    for (old, new) in before.iter().zip(&after) {
                        assert_eq!(new, old, "{told}");
                    }
                    assert_eq!(again, written, "{told}");
                } else {
                    assert_eq!(without_ids(after), without_ids(before.clone()), "{told}");
                }
                let twice = user.import_conversations(&first).await.unwrap();
                let counted = (twice.conversations, twice.messages, twice.skipped);
                assert_eq!(counted, (0, 0, written.messages), "{told}, turn {turn}");
            }
        }
        // What is shown, and what each branch leads to, is the same.
        for id in &chats {
            let (old, new) = (ana.conversation(*id), elsewhere.user("ana").conversation(*id));
            let texts = |page: tertulia::Page<Message>| page.items.iter().map(Message::text).collect::<Vec<_>>();
            assert_eq!(
                texts(old.history().limit(200).await.unwrap()),
                texts(new.history().limit(200).await.unwrap()),
                "seed {seed}"
            );
            let (one, other) = (old.summary().await.unwrap(), new.summary().await.unwrap());
            assert_eq!(
                (one.updated_at, one.created_at, one.last_preview, one.depth),
                (other.updated_at, other.created_at, other.last_preview, other.depth),
                "seed {seed}"
            );
        }
        let in_a_file = if seed % 2 == 0 { &t } else { &elsewhere };
        assert!(in_a_file.store().verify().await.unwrap().is_sound(), "seed {seed}");
        elsewhere.close().await.unwrap();
        t.close().await.unwrap();
    }
}

async fn said(me: &UserScope, title: &str, words: &[&str]) -> ConversationId {
    let chat = me.new_conversation_with(ConversationOptions { title: Some(title.to_owned()), ..Default::default() });
    chat.append(words.iter().map(|words| NewMessage::user(*words))).await.unwrap();
    chat.id()
}

#[tokio::test]
async fn conversations_are_chosen_by_id_or_as_in_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let t = opened().await;
    let me = t.user("ana");
    let (one, two, three) =
        (said(&me, "one", &["a"]).await, said(&me, "two", &["b", "c"]).await, said(&me, "three", &["d"]).await);
    let change = tertulia::ConversationChange { archived: Some(true), ..Default::default() };
    me.conversation(two).update(change).await.unwrap();
    let tags = tertulia::ConversationChange { tags: Some(vec!["x".to_owned()]), ..Default::default() };
    me.conversation(three).update(tags).await.unwrap();
    let titles = || -> Vec<String> {
        let all = lines(&path);
        let titles = all.iter().filter_map(|line| Some(line.get("conversation")?["title"].as_str()?.to_owned()));
        titles.collect()
    };
    me.export_conversations(&path).await.unwrap();
    assert_eq!(titles(), ["one", "two", "three"]);
    me.export_conversations(&path).archived(true).await.unwrap();
    assert_eq!(titles(), ["two"]);
    me.export_conversations(&path).archived(false).await.unwrap();
    assert_eq!(titles(), ["one", "three"]);
    me.export_conversations(&path).tag("x".to_owned()).await.unwrap();
    assert_eq!(titles(), ["three"]);
    me.export_conversations(&path).pinned(true).await.unwrap();
    assert_eq!(titles(), [""; 0]);
    let report = me.export_conversations(&path).conversations([three, one, three]).await.unwrap();
    assert_eq!(titles(), ["three", "one"]);
    assert_eq!((report.conversations, report.messages), (2, 2));
    // Another user's is not there, and what was written before stays.
    let before = std::fs::read(&path).unwrap();
    let error = t.user("bo").export_conversations(&path).conversations([one]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "notes").unwrap();
    for not_an_export in [folder.path(), &other] {
        let error = me.export_conversations(not_an_export).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_path"));
    }
    assert_eq!(std::fs::read(&other).unwrap(), b"notes");
    std::fs::remove_file(&other).unwrap();
    let error = me.export_conversations(folder.path().join("no/such/folder.jsonl")).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, "io"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of what failed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn an_export_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let t = opened().await;
    let me = t.user("ana");
    for number in 0..10 {
        said(&me, &number.to_string(), &["words ".repeat(100).as_str(); 100]).await;
    }
    let mut polls = 0;
    loop {
        let mut export = Box::pin(me.export_conversations(&path).into_future());
        let mut left = polls;
        let done = std::future::poll_fn(|cx| {
            let polled = export.as_mut().poll(cx);
            left -= i32::from(left > 0);
            if polled.is_ready() || left == 0 {
                std::task::Poll::Ready(polled.is_ready())
            } else {
                std::task::Poll::Pending
            }
        });
        let done = done.await;
        drop(export);
        if done {
            break;
        }
        let names = || -> Vec<_> {
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        };
        // It may be dropped when all is done but to hear of it.
        if names() == ["out.jsonl"] {
            assert!(lines(&path).last().unwrap().get("end").is_some(), "after {polls} polls");
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(names(), [""; 0], "after {polls} polls");
        polls += 1;
    }
    assert!(polls > 1, "{polls}");
}

#[tokio::test]
async fn what_a_user_prefers_goes_along_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let t = opened().await;
    let (ana, bo) = (t.user("ana"), t.user("bo"));
    let change = PreferencesChange { language: Some(Some("pt-BR".to_owned())), ..Default::default() };
    ana.update_preferences(change).await.unwrap();
    ana.export_conversations(&path).await.unwrap();
    bo.import_conversations(&path).await.unwrap();
    assert_eq!(bo.preferences().await.unwrap().language, None);
    ana.export_conversations(&path).with_preferences(true).await.unwrap();
    bo.import_conversations(&path).dry_run(true).await.unwrap();
    assert_eq!(bo.preferences().await.unwrap().language, None);
    bo.import_conversations(&path).await.unwrap();
    assert_eq!(bo.preferences().await.unwrap().language.as_deref(), Some("pt-BR"));
    let change = PreferencesChange { language: Some(Some("es".to_owned())), ..Default::default() };
    bo.update_preferences(change).await.unwrap();
    bo.import_conversations(&path).await.unwrap();
    assert_eq!(bo.preferences().await.unwrap().language.as_deref(), Some("es"), "what a user prefers already stays");
}

#[tokio::test]
async fn a_later_export_adds_what_was_said_since_and_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let t = opened().await;
    let (ana, bo) = (t.user("ana"), t.user("bo"));
    let chat = ana.conversation(said(&ana, "one", &["a", "b"]).await);
    ana.export_conversations(&path).await.unwrap();
    bo.import_conversations(&path).await.unwrap();
    chat.append([NewMessage::user("c")]).await.unwrap();
    ana.export_conversations(&path).await.unwrap();
    let report = bo.import_conversations(&path).await.unwrap();
    assert_eq!((report.conversations, report.messages, report.skipped), (0, 1, 2));
    let copy = bo.conversation(bo.list_conversations().await.unwrap().items[0].id);
    let texts = async || -> Vec<String> { copy.history().await.unwrap().items.iter().map(Message::text).collect() };
    assert_eq!(texts().await, ["a", "b", "c"]);
    // Where the user went on, that is what stays shown.
    copy.append([NewMessage::user("mine")]).await.unwrap();
    chat.append([NewMessage::user("d")]).await.unwrap();
    ana.export_conversations(&path).await.unwrap();
    let report = bo.import_conversations(&path).await.unwrap();
    assert_eq!((report.messages, report.skipped), (1, 3));
    assert_eq!(texts().await, ["a", "b", "c", "mine"]);
    assert_eq!(copy.branches().await.unwrap().items.len(), 2);
}

/// Imports this text.
async fn imported(me: &UserScope, text: impl AsRef<[u8]>) -> tertulia::Result<ImportReport> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.json");
    std::fs::write(&path, text).unwrap();
    let dry = me.import_conversations(&path).dry_run(true).await;
    let report = me.import_conversations(&path).await;
    if let (Ok(dry), Ok(report)) = (&dry, &report) {
        assert_eq!(&ImportReport { dry_run: false, ..dry.clone() }, report, "a dry run says the same");
    }
    if let Ok(first) = &report {
        let again = me.import_conversations(&path).await.unwrap();
        assert_eq!((again.conversations, again.messages), (0, 0), "the same file twice is the same file once");
        assert!(again.skipped >= first.messages);
    }
    report
}

async fn only(me: &UserScope) -> tertulia::Conversation {
    let all = me.list_conversations().await.unwrap();
    assert_eq!(all.items.len(), 1);
    me.conversation(all.items[0].id)
}

async fn shown(me: &UserScope) -> Vec<(Role, String)> {
    let page = only(me).await.history().limit(200).await.unwrap();
    page.items.iter().map(|message| (message.role, message.text())).collect()
}

fn reasons(report: &ImportReport) -> Vec<&str> {
    report.problems.iter().map(|problem| problem.reason.as_str()).collect()
}

fn node(id: &str, parent: Option<&str>, role: &str, text: &str) -> (String, Value) {
    let message = json!({
        "id": id, "author": {"role": role, "name": null, "metadata": {}}, "create_time": 1_700_000_000.5,
        "content": {"content_type": "text", "parts": [text]}, "status": "finished_successfully",
        "recipient": "all", "metadata": {"model_slug": "gpt-4o", "finish_details": {"type": "stop"}},
    });
    (id.to_owned(), json!({"id": id, "message": message, "parent": parent, "children": []}))
}

fn chatgpt(nodes: impl IntoIterator<Item = (String, Value)>, current: &str) -> Value {
    let mapping: serde_json::Map<String, Value> = nodes.into_iter().collect();
    json!({"title": "Trip", "create_time": 1_700_000_000.0, "update_time": 1_700_000_100.25, "mapping": mapping,
           "current_node": current, "conversation_id": "c1", "is_archived": false})
}

#[tokio::test]
async fn an_export_from_chatgpt_keeps_its_branches_and_shows_the_current_one() {
    let t = opened().await;
    let me = t.user("ana");
    let root = ("root".to_owned(), json!({"id": "root", "message": null, "parent": null, "children": ["hidden"]}));
    let mut hidden = node("hidden", Some("root"), "system", "");
    hidden.1["children"] = json!(["q"]);
    let mut question = node("q", Some("hidden"), "user", "Where to?");
    question.1["children"] = json!(["b", "a"]);
    let mut code = node("code", Some("a"), "assistant", "");
    code.1["message"]["content"] = json!({"content_type": "code", "language": "python", "text": "1+1"});
    code.1["message"]["recipient"] = json!("python");
    let mut output = node("output", Some("code"), "tool", "");
    output.1["message"]["author"]["name"] = json!("python");
    output.1["message"]["content"] = json!({"content_type": "execution_output", "text": "2"});
    let mut picture = node("picture", Some("output"), "user", "");
    picture.1["message"]["content"] = json!({"content_type": "multimodal_text", "parts": [
        {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}, "look"]});
    let mut thoughts = node("thoughts", Some("picture"), "assistant", "");
    thoughts.1["message"]["content"] =
        json!({"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "c"}]});
    let nodes = [
        picture,
        thoughts,
        output,
        code,
        node("a", Some("q"), "assistant", "Cádiz"),
        node("b", Some("q"), "assistant", "Córdoba"),
        question,
        hidden,
        root,
    ];
    let report = imported(&me, json!([chatgpt(nodes, "thoughts")]).to_string()).await.unwrap();
    assert_eq!((report.format, report.conversations, report.messages), (ImportFormat::Chatgpt, 1, 7));
    assert_eq!(reasons(&report), ["file_missing"]);
    let texts: Vec<_> = shown(&me).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        texts,
        ["Where to?", "Cádiz", "1+1", "2", "[a file that was not exported with the conversation]look", ""]
    );
    let chat = only(&me).await;
    let page = chat.history().await.unwrap();
    let answer = &page.items[1];
    assert_eq!(answer.model.as_deref(), Some("openai/gpt-4o"));
    assert_eq!((answer.finish_reason, answer.created_at.as_millis()), (Some(FinishReason::Stop), 1_700_000_000_500));
    assert_eq!((answer.sibling_index, answer.sibling_count), (1, 2), "in the order of the children");
    assert_eq!(page.items[2].metadata["recipient"], "python");
    assert_eq!(page.items[3].metadata["tool"], "python");
    assert_eq!(page.items[5].parts, [Part::Reasoning { text: "c".to_owned() }]);
    let other = chat.siblings(answer.id).await.unwrap().items[0].clone();
    assert_eq!(other.text(), "Córdoba");
    chat.switch_to(other.id).await.unwrap();
    assert_eq!(shown(&me).await.len(), 2);
    let row = chat.summary().await.unwrap();
    assert_eq!((row.title.as_deref(), row.created_at.as_millis()), (Some("Trip"), 1_700_000_000_000));
}

#[tokio::test]
async fn an_export_from_claude_keeps_its_branches_and_attachments() {
    let t = opened().await;
    let me = t.user("ana");
    let message = |uuid: &str, parent: &str, sender: &str, text: &str| {
        json!({"uuid": uuid, "text": text, "content": [{"type": "text", "text": text}], "sender": sender,
               "created_at": "2025-05-21T10:00:00.250000Z", "parent_message_uuid": parent,
               "attachments": [], "files": []})
    };
    let mut first = message("1", "00000000-0000-4000-8000-000000000000", "human", "Sum it up");
    first["attachments"] = json!([{"file_name": "a.txt", "extracted_content": "long text"}]);
    first["files"] = json!([{"file_name": "a.txt"}, {"file_name": "b.png"}]);
    let mut answer = message("2", "1", "assistant", "Short.");
    answer["content"] = json!([
        {"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "name": "web", "input": {"q": 1}},
        {"type": "tool_result", "content": []}, {"type": "text", "text": "Short."}]);
    let messages = [first, answer, message("3", "1", "assistant", "Shorter."), message("4", "3", "human", "Thanks")];
    let exported = json!([{"uuid": "c", "name": "Summary", "created_at": "2025-05-21T09:00:00+00:00",
        "updated_at": "2025-05-22T09:00:00Z", "account": {"uuid": "x"}, "chat_messages": messages}]);
    let report = imported(&me, serde_json::to_string_pretty(&exported).unwrap()).await.unwrap();
    assert_eq!((report.format, report.conversations, report.messages), (ImportFormat::Claude, 1, 4));
    assert_eq!(reasons(&report), ["file_missing"]);
    let chat = only(&me).await;
    let page = chat.history().await.unwrap();
    let texts: Vec<_> = page.items.iter().map(Message::text).collect();
    assert_eq!(texts, ["Sum it up[a file that was not exported with the conversation]", "Shorter.", "Thanks"]);
    assert!(matches!(&page.items[0].parts[1], Part::File { media } if media.name.as_deref() == Some("a.txt")));
    assert_eq!(page.items[0].created_at.to_string(), "2025-05-21T10:00:00.250Z");
    let siblings = chat.siblings(page.items[1].id).await.unwrap();
    let kinds: Vec<_> = siblings.items[0].parts.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 4);
    assert!(matches!(&siblings.items[0].parts[1], Part::ToolCall { call } if call.provider_executed));
    // Without parents they stand in a row.
    let bo = t.user("bo");
    let row = json!([{"uuid": "d", "name": "", "chat_messages": [
        {"uuid": "1", "sender": "human", "text": "a"}, {"uuid": "2", "sender": "assistant", "text": "b"}]}]);
    imported(&bo, row.to_string()).await.unwrap();
    assert_eq!(shown(&bo).await, [(Role::User, "a".to_owned()), (Role::Assistant, "b".to_owned())]);
}

#[tokio::test]
async fn lists_of_messages_are_taken_in_every_wrapping() {
    let t = opened().await;
    let list = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "assistant", "content": "done"},
    ]);
    let object = json!({"messages": list, "title": "One"});
    let another = json!({"messages": [{"role": "user", "content": "x"}]});
    let flat: Vec<String> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    for (name, text, conversations, messages) in [
        ("a list", list.to_string(), 1, 5),
        ("a list, pretty", serde_json::to_string_pretty(&list).unwrap(), 1, 5),
        ("an object", object.to_string(), 1, 5),
        ("lines of objects", format!("{object}\n{another}\n"), 2, 6),
        ("lines of lists", format!("{list}\n[{{\"role\":\"user\",\"content\":\"y\"}}]"), 2, 6),
        ("lines of messages", flat.join("\n"), 1, 5),
        ("a list of objects", format!("[{object}, {another}]"), 2, 6),
        ("a list of lists", format!("\u{feff}[{list}]"), 1, 5),
    ] {
        let me = t.user(name);
        let report = imported(&me, text).await.unwrap();
        is_clean(&report, name);
        assert_eq!(report.format, ImportFormat::Messages, "{name}");
        assert_eq!((report.conversations, report.messages), (conversations, messages), "{name}");
        if conversations == 1 {
            let page = only(&me).await.history().await.unwrap();
            assert_eq!(
                page.items.iter().map(|m| m.role).collect::<Vec<_>>(),
                [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Assistant]
            );
            let Part::Image { media } = &page.items[1].parts[1] else { panic!("{name}: {:?}", page.items[1]) };
            assert!(matches!(media.source, MediaSource::Attachment { .. }), "{name}");
            assert!(matches!(&page.items[2].parts[0], Part::ToolCall { call } if call.arguments["a"] == 1), "{name}");
        }
    }
}

#[tokio::test]
async fn what_other_programs_write_the_latest_first_is_listed_the_latest_first() {
    let t = opened().await;
    let me = t.user("ana");
    let chat = |number: u32, updated: u32| {
        let mut chat = chatgpt([node("a", None, "user", "a")], "a");
        chat["conversation_id"] = json!(format!("c{number}"));
        chat["title"] = json!(number.to_string());
        chat["update_time"] = json!(updated);
        chat
    };
    imported(&me, json!([chat(1, 1_700_000_900), chat(2, 1_700_000_500), chat(3, 1_700_000_700)]).to_string())
        .await
        .unwrap();
    let page = me.list_conversations().await.unwrap();
    let titles: Vec<_> = page.items.iter().map(|row| row.title.as_deref().unwrap()).collect();
    assert_eq!(titles, ["1", "3", "2"]);
    assert_eq!(page.items[0].updated_at.as_millis(), 1_700_000_900_000);
}

/// A whole export with these lines inside.
fn own(body: &[Value]) -> String {
    let count = |kind: &str| body.iter().filter(|line| line.get(kind).is_some()).count();
    let end = json!({"end": {"conversations": count("conversation"), "messages": count("message")}});
    let first = json!({"format": "tertulia.conversations", "version": 1});
    let lines: Vec<String> = [&first].into_iter().chain(body).chain([&end]).map(Value::to_string).collect();
    lines.join("\n")
}

fn uuid(number: u32) -> String {
    format!("01900000-0000-7000-8000-{number:012}")
}

fn conversation(number: u32) -> Value {
    json!({"conversation": {"id": uuid(number), "created_at": 5, "updated_at": 6}})
}

fn message(number: u32, parent: Option<u32>, words: &str) -> Value {
    json!({"message": {"id": uuid(number), "parent": parent.map(uuid), "role": "user", "created_at": 7,
                       "parts": [{"type": "text", "text": words}]}})
}

#[tokio::test]
async fn what_is_no_file_of_conversations_is_refused_with_its_place_and_nothing_is_written() {
    let t = opened().await;
    let me = t.user("ana");
    let good = own(&[conversation(1), message(2, None, "secret words")]);
    let cut = |from_end: usize| good[..good.len() - from_end].to_owned();
    let without_end = good[..good.rfind('\n').unwrap()].to_owned();
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!("[{{\"role\":\"user\",\"content\":{open}{close}}}]")
    };
    let cases: Vec<(&str, String, &str, &str)> = vec![
        ("empty", String::new(), "unknown_format", "line 1, item 1"),
        ("an empty list", "[]".to_owned(), "unknown_format", "line 1, item 1"),
        ("another object", "{\"a\":1}".to_owned(), "unknown_format", "line 1, item 1"),
        ("numbers", "[1, 2]".to_owned(), "malformed", "line 1, item 1"),
        ("text", "hello".to_owned(), "malformed", "line 1, item 1"),
        ("binary", "\u{1}\u{2}".to_owned(), "malformed", "line 1, item 1"),
        ("cut in a line", cut(3), "truncated", "line 4, item 4"),
        ("cut before the end", without_end, "truncated", "line 3, item 3"),
        ("a newer version", good.replace("\"version\":1", "\"version\":2"), "newer_format", "line 1, item 1"),
        ("a wrong type", good.replace("\"created_at\":7", "\"created_at\":\"x\""), "malformed", "line 3, item 3"),
        ("a wrong role", good.replace("\"user\"", "\"emperor\""), "malformed", "line 3, item 3"),
        ("no id", good.replace(&uuid(2), "me"), "malformed", "line 3, item 3"),
        ("lines lost", good.replace("\"messages\":1", "\"messages\":2"), "truncated", "line 4, item 4"),
        ("no conversation", own(&[message(2, None, "secret words")]), "malformed", "line 2, item 2"),
        (
            "a broken list",
            "[{\"role\":\"user\",\"content\":\"a\"}\n,{\"role\":\"user\"".to_owned(),
            "truncated",
            "line 2, item 2",
        ),
        ("an open list", "[{\"role\":\"user\",\"content\":\"a\"}\n".to_owned(), "truncated", "line 2, item 2"),
        ("broken inside", "[{\"role\":\"user\",\"content\":\"a\" \"b\"}]".to_owned(), "malformed", "line 1, item 1"),
        ("too deep", deep(10_000), "too_deep", "line 1, item 1"),
    ];
    for (name, text, reason, place) in cases {
        let error = imported(&me, &text).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, reason), "{name}: {error}");
        let told = error.to_string();
        assert!(told.contains(place), "{name}: {told}");
        assert!(!format!("{error:?}").contains("secret"), "{name}: {error:?}");
        assert!(me.list_conversations().await.unwrap().items.is_empty(), "{name}");
    }
    let error = me.import_conversations("/no/such/file").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unreadable_file"));
    let error = me.import_conversations(std::env::temp_dir()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unreadable_file"));
    is_clean(&imported(&me, good).await.unwrap(), "the whole one");
}

#[tokio::test]
async fn what_does_not_fit_is_told_and_put_where_it_does_the_least_harm() {
    let t = opened().await;
    let me = t.user("own");
    let mut local = message(14, Some(11), "");
    local["message"]["parts"] = json!([
        {"type": "file", "media": {"source": {"type": "path", "path": "/etc/passwd"}}},
        {"type": "text", "text": "nul \u{0}"}]);
    let mut streaming = message(15, Some(14), "half");
    streaming["message"]["status"] = json!("streaming");
    let file = |message: u32| json!({"file": {"id": uuid(90), "message": uuid(message), "part": 0, "mime_type": "a/b", "data": "AAEC"}});
    let report = imported(
        &me,
        own(&[
            conversation(1),
            message(10, None, "a"),
            message(11, Some(99), "an orphan"),
            message(12, Some(12), "its own parent"),
            message(11, Some(10), "twice"),
            local,
            streaming,
            file(77),
            file(15),
            json!({"shown": uuid(77)}),
            json!({"shown": uuid(15)}),
            conversation(1),
            message(40, None, "of the second"),
        ]),
    )
    .await
    .unwrap();
    assert_eq!(reasons(&report), ["orphan", "orphan", "duplicate_id", "local_file", "orphan", "duplicate_id"]);
    assert_eq!((report.conversations, report.messages, report.skipped), (1, 5, 2));
    let lines: Vec<_> = report.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [4, 5, 6, 7, 9, 13]);
    let page = only(&me).await.history().await.unwrap();
    let texts: Vec<_> = page.items.iter().map(Message::text).collect();
    assert_eq!(texts, ["an orphan", "nul \u{fffd}", "half"]);
    assert_eq!(page.items[2].status, MessageStatus::Interrupted);

    // Circles and missing ones in another program's tree.
    let me = t.user("chatgpt");
    let nodes = [
        node("a", Some("b"), "user", "one of a circle"),
        node("b", Some("a"), "user", "the other"),
        node("self", Some("self"), "user", "alone"),
        node("lost", Some("nowhere"), "user", "lost"),
        node("fine", None, "user", "fine"),
        node("below", Some("a"), "assistant", "below the circle"),
        ("odd".to_owned(), json!({"message": {"author": {"role": "emperor"}}, "parent": "fine"})),
        node("last", Some("odd"), "assistant", "last"),
    ];
    let report = imported(&me, json!([chatgpt(nodes, "last")]).to_string()).await.unwrap();
    let mut found = reasons(&report);
    found.sort_unstable();
    assert_eq!(found, ["bad_message", "circle", "circle", "orphan"]);
    assert_eq!(report.messages, 7);
    assert_eq!(shown(&me).await, [(Role::User, "fine".to_owned()), (Role::Assistant, "last".to_owned())]);

    // One conversation of many that is odd stands in nobody's way.
    let me = t.user("odd");
    let text = json!([chatgpt([node("a", None, "user", "a")], "a"), {"mapping": 7}, {"title": "x"}]).to_string();
    let report = imported(&me, text).await.unwrap();
    assert_eq!((reasons(&report), report.messages), (vec!["bad_item", "bad_item"], 1));
    assert_eq!(report.problems.iter().map(|problem| problem.item).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn a_message_with_a_hundred_thousand_answers_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    for (store, count) in [("memory:", 100_000), (file.to_str().unwrap(), 5_000)] {
        let t = Tertulia::builder().store(store).model("echo/any").open().await.unwrap();
        let me = t.user("ana");
        let answers = (0..count).map(|number| node(&format!("n{number:06}"), Some("q"), "assistant", "yes"));
        let nodes = [node("q", None, "user", "really?")].into_iter().chain(answers);
        let path = folder.path().join("conversations.json");
        std::fs::write(&path, json!([chatgpt(nodes, "n002500")]).to_string()).unwrap();
        let report = me.import_conversations(&path).await.unwrap();
        assert_eq!((report.messages, report.problem_count), (count + 1, 0));
        let page = only(&me).await.history().await.unwrap();
        assert_eq!(page.items.len(), 2);
        assert_eq!((page.items[1].sibling_index, i64::from(page.items[1].sibling_count)), (2_500, count));
    }
}

#[tokio::test]
async fn nobody_gets_at_anothers_conversations_by_a_file() {
    let t = opened().await;
    let (ana, bo) = (t.user("ana"), t.user("bo"));
    let chat = ana.conversation(said(&ana, "mine", &["a", "b"]).await);
    let head = chat.summary().await.unwrap().head_id.unwrap();
    let forged = own(&[
        json!({"conversation": {"id": chat.id(), "title": "stolen", "created_at": 5, "updated_at": 6}}),
        json!({"message": {"id": head, "role": "user", "created_at": 7, "parts": [{"type": "text", "text": "forged"}]}}),
        json!({"shown": head}),
        conversation(3),
        json!({"message": {"id": chat.history().await.unwrap().items[0].id, "role": "user", "created_at": 7,
                           "parts": [{"type": "text", "text": "forged"}]}}),
    ]);
    let report = imported(&bo, forged).await.unwrap();
    is_clean(&report, "other ids are found");
    assert_eq!((report.conversations, report.messages), (2, 2));
    let texts: Vec<_> = chat.history().await.unwrap().items.iter().map(Message::text).collect();
    assert_eq!(texts, ["a", "b"]);
    assert_eq!(chat.summary().await.unwrap().title.as_deref(), Some("mine"));
    assert_eq!(bo.list_conversations().await.unwrap().items.len(), 2);
    assert!(bo.conversation(chat.id()).summary().await.is_err());
}
