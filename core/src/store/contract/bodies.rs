//! What is said comes back as it was said.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::scene::{NOW, Scene, chunk, later, new_turn, refused, text, user_row, whole};
use crate::base::{ErrorKind, Timestamp};
use crate::model::{
    Citation, Cost, CostSource, Error, FinishReason, Media, MediaSource, MessageStatus, Part, Role, ToolCall,
    ToolResult, TurnState, Usage, UsageSource,
};
use crate::store::{
    Anchor, Content, ConversationChange, ListQuery, NewAttachment, NewConversation, NewRow, NewStep, NewTurn, Op,
    Parent, StepKind, Store, TurnChange,
};

const SPITEFUL: &str = "'; DROP TABLE message; -- \" \\ % _ ` $1 ?1 :a @b [x] \u{0} \r\n \u{202e} 'é' NULL /* */";

pub(super) async fn every_field_of_a_message_comes_back(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let attachment = scene.ids.attachment();
    let mut image = Media::url("https://example.org/a.png");
    image.source = MediaSource::Attachment { id: attachment };
    image.size_bytes = Some(4);
    let call = ToolCall {
        id: "c1".to_owned(),
        name: "look".to_owned(),
        arguments: json!({"z": 1, "a": [true, null, 1.5]}),
        provider_executed: true,
        free_text: false,
    };
    let parts = vec![
        Part::Reasoning { text: "hm".to_owned() },
        Part::Opaque {
            provider: "p".to_owned(),
            name: "sig".to_owned(),
            attached: true,
            data: json!({"b": 1, "a": 2}),
        },
        Part::Text {
            text: "words".to_owned(),
            citations: vec![Citation {
                start: 0,
                end: 5,
                url: Some("https://example.org".to_owned()),
                ..Citation::default()
            }],
        },
        Part::image(image),
        Part::ToolCall { call: call.clone() },
        Part::tool_result(ToolResult { media: vec![Media::path("a.pdf")], ..call.result("done") }),
        Part::Refusal { text: "no".to_owned() },
    ];
    let usage = Usage {
        input_tokens: 11,
        output_tokens: 12,
        cache_read_input_tokens: 3,
        cache_creation_input_tokens: 4,
        reasoning_output_tokens: 5,
        requests: 2,
        details: HashMap::from([("audio".to_owned(), 6)]),
        source: UsageSource::Reported,
        raw: Some(json!({"prompt_tokens": 11, "b": {"y": 1, "x": 2}}).into()),
    };
    let cost = Cost { nano_usd: None, source: CostSource::Provider, price_date: Some("2026-11-21".to_owned()) };
    let metadata = HashMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
    let sent = scene.send(conversation, "question").await;
    let row = NewRow {
        id: sent.reply,
        conversation,
        parent: Parent::Message(sent.message),
        turn: Some(sent.turn),
        role: Role::Assistant,
        status: MessageStatus::Complete,
        content: Content::encode(&parts).unwrap(),
        model: Some("test/any".to_owned()),
        metadata: metadata.clone(),
        finish_reason: Some(FinishReason::ToolCalls),
        usage: Some(usage.clone()),
        cost: Some(cost.clone()),
        created_at: None,
    };
    let batch = scene.batch().op(Op::AppendMessage(row));
    let at = batch.at;
    scene.apply(batch).await.unwrap();
    let message = scene.store.message(scene.owner, sent.reply).await.unwrap().unwrap();
    assert_eq!(serde_json::to_string(&message.parts).unwrap(), serde_json::to_string(&parts).unwrap());
    assert_eq!((message.usage, message.cost), (Some(usage), Some(cost)));
    assert_eq!((message.metadata, message.model.as_deref()), (metadata, Some("test/any")));
    assert_eq!((message.finish_reason, message.created_at), (Some(FinishReason::ToolCalls), at));
    assert_eq!((message.turn_id, message.conversation_id), (Some(sent.turn), conversation));
    let question = scene.store.message(scene.owner, sent.message).await.unwrap().unwrap();
    assert_eq!((question.usage, question.cost, question.model, question.finish_reason), (None, None, None, None));
    for role in [Role::System, Role::User, Role::Assistant, Role::Tool] {
        for status in [
            MessageStatus::Pending,
            MessageStatus::Complete,
            MessageStatus::Interrupted,
            MessageStatus::Cancelled,
            MessageStatus::Deleted,
        ] {
            let row = NewRow { role, status, ..user_row(scene.ids.message(), conversation, Parent::Head, "x") };
            let id = row.id;
            scene.apply_op(Op::AppendMessage(row)).await.unwrap();
            let message = scene.store.message(scene.owner, id).await.unwrap().unwrap();
            assert_eq!((message.role, message.status), (role, status));
            assert_eq!(scene.shown(conversation).await.last_role, Some(role));
        }
    }
}

pub(super) async fn unicode_and_empty_text_round_trip(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let texts =
        ["", " ", "héllo", "日本語", "👩‍👩‍👧‍👦", "\u{0}", "\u{feff}bom", "a\u{301}", "\u{10ffff}", "\"\\\n\t", SPITEFUL];
    for words in texts {
        scene.append(conversation, Parent::Head, words).await;
    }
    assert_eq!(scene.texts(conversation).await, texts);
    let empty = NewRow {
        content: Content::encode(&[]).unwrap(),
        ..user_row(scene.ids.message(), conversation, Parent::Head, "")
    };
    let id = empty.id;
    scene.apply_op(Op::AppendMessage(empty)).await.unwrap();
    assert_eq!(scene.store.message(scene.owner, id).await.unwrap().unwrap().parts, []);
    assert_eq!(scene.shown(conversation).await.last_preview, None);
}

pub(super) async fn large_messages_round_trip(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let around_the_border = 64 * 1024 - text("").json.len();
    for length in [around_the_border, around_the_border + 1, 300 * 1024, 15 << 20] {
        let words = "abcdefghijklmnopqrstuvw".repeat(length / 23 + 1).split_at(length).0.to_owned();
        let content = text(&words);
        assert_eq!(content.spilled.is_some(), length > around_the_border);
        let id = scene.append(conversation, Parent::Head, &words).await;
        let message = scene.store.message(scene.owner, id).await.unwrap().unwrap();
        assert!(message.text() == words, "{length} characters came back otherwise");
        let page = scene.page(conversation, Anchor::End, 1).await;
        assert!(page.items[0].text() == words, "{length} characters came back otherwise");
        // The same when it ends a stream.
        let sent = scene.stream(conversation, "question", "par").await;
        scene.apply_op(Op::EndMessage(whole(sent.reply, &words))).await.unwrap();
        let message = scene.store.message(scene.owner, sent.reply).await.unwrap().unwrap();
        assert!(message.text() == words, "{length} characters came back otherwise");
    }
}

pub(super) async fn content_over_the_limit_is_refused(store: Arc<dyn Store>) {
    refused(Content::encode(&[Part::text("x".repeat(16 << 20))]), ErrorKind::Invalid, "too_large");
    let in_hand = Part::image(Media::data(vec![1, 2, 3], "image/png"));
    assert_eq!(Content::encode(&[in_hand]).unwrap_err().kind(), ErrorKind::Internal);
    // A draft may have grown beyond it; recovery keeps its beginning.
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let sent = scene.stream(conversation, "question", "begins ").await;
    for seq in 2..7 {
        scene.apply_op(Op::AppendDraft(chunk(sent.reply, seq, &"x".repeat(4 << 20)))).await.unwrap();
    }
    assert_eq!(scene.store.recover(later(60_000)).await.unwrap().len(), 1);
    let kept = scene.store.message(scene.owner, sent.reply).await.unwrap().unwrap().text();
    assert!(kept.starts_with("begins xx"));
    assert_eq!(kept.len(), "begins ".len() + 3 * (4 << 20));
}

pub(super) async fn attachments_round_trip_and_equal_bytes_are_shared(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    let large: Bytes = (0..3 << 20).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect::<Vec<u8>>().into();
    for data in [Bytes::new(), Bytes::from_static(&[0, 255, 1]), large.clone(), large] {
        let new = NewAttachment {
            id: scene.ids.attachment(),
            message: scene.append(conversation, Parent::Head, "see").await,
            part_index: 1,
            mime_type: "image/png".to_owned(),
            name: None,
            data,
        };
        scene.apply_op(Op::PutAttachment(new.clone())).await.unwrap();
        let stored = scene.store.attachment(scene.owner, new.id).await.unwrap().unwrap();
        assert_eq!((stored.id, stored.mime_type.as_str(), &stored.name), (new.id, "image/png", &None));
        assert!(stored.data == new.data);
        refused(scene.apply_op(Op::PutAttachment(new)).await, ErrorKind::Conflict, "id_taken");
    }
}

pub(super) async fn sql_metacharacters_stay_text_in_every_field(store: Arc<dyn Store>) {
    let scene = Scene::new(store).of(SPITEFUL);
    let some = || Some(SPITEFUL.to_owned());
    let metadata = HashMap::from([(SPITEFUL.to_owned(), SPITEFUL.to_owned())]);
    let conversation = scene.ids.conversation();
    let sent = scene.planned(conversation);
    let attachment = NewAttachment {
        id: scene.ids.attachment(),
        message: sent.message,
        part_index: 0,
        mime_type: SPITEFUL.to_owned(),
        name: some(),
        data: Bytes::from_static(SPITEFUL.as_bytes()),
    };
    let row = NewRow {
        model: some(),
        metadata: metadata.clone(),
        ..user_row(sent.message, conversation, Parent::Head, SPITEFUL)
    };
    let turn = NewTurn { client_id: some(), model: SPITEFUL.to_owned(), holder: SPITEFUL.to_owned(), ..new_turn(sent) };
    let error = Error::new(ErrorKind::Unavailable, SPITEFUL, SPITEFUL).info();
    let step = NewStep {
        turn: sent.turn,
        index: 1,
        kind: StepKind::Tool,
        target: SPITEFUL.to_owned(),
        error: some(),
        data: Bytes::from_static(SPITEFUL.as_bytes()),
        ended_at: Some(NOW),
    };
    let new = NewConversation {
        id: conversation,
        title: some(),
        system: some(),
        model: some(),
        metadata: metadata.clone(),
        tags: vec![SPITEFUL.to_owned()],
        expires_in: None,
    };
    let change = ConversationChange { title: Some(some()), ..ConversationChange::default() };
    let advance = TurnChange {
        state: Some(TurnState::Sending),
        error: Some(Some(error.clone())),
        model: some(),
        lease: Some(Some((SPITEFUL.to_owned(), later(9)))),
        ..TurnChange::default()
    };
    let batch = scene
        .batch()
        .op(Op::PutConversation(new))
        .op(Op::AppendMessage(row))
        .op(Op::PutAttachment(attachment.clone()))
        .op(Op::PutTurn(turn))
        .op(Op::PutStep(step.clone()))
        .op(Op::PutStep(step))
        .op(Op::UpdateConversation { id: conversation, change })
        .op(Op::AdvanceTurn { id: sent.turn, change: advance });
    scene.apply(batch).await.unwrap();

    let shown = scene.shown(conversation).await;
    assert_eq!((shown.title, shown.system, shown.model, shown.metadata), (some(), some(), some(), metadata.clone()));
    let message = scene.store.message(scene.owner, sent.message).await.unwrap().unwrap();
    assert_eq!((message.text().as_str(), message.model, message.metadata), (SPITEFUL, some(), metadata));
    let found = scene.store.turn_of_client(scene.owner, conversation, SPITEFUL).await.unwrap().unwrap();
    assert_eq!((found.id(), found.client_id.as_deref(), found.model.as_str()), (sent.turn, Some(SPITEFUL), SPITEFUL));
    assert_eq!((found.turn.error, found.owner.as_str()), (Some(error), SPITEFUL));
    let stored = scene.store.attachment(scene.owner, attachment.id).await.unwrap().unwrap();
    assert_eq!((stored.mime_type.as_str(), stored.name, stored.data), (SPITEFUL, some(), attachment.data));
    let list = ListQuery { limit: 5, ..ListQuery::default() };
    assert_eq!(scene.store.conversations(scene.owner, list.clone()).await.unwrap().items.len(), 1);
    assert!(scene.store.conversations(&SPITEFUL[..5], list).await.unwrap().items.is_empty());
}

pub(super) async fn a_preview_is_the_beginning_on_one_line(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let conversation = scene.new_conversation().await;
    scene.append(conversation, Parent::Head, " two \n words\t").await;
    assert_eq!(scene.shown(conversation).await.last_preview.as_deref(), Some("two words"));
    scene.append(conversation, Parent::Head, &"é".repeat(500)).await;
    assert_eq!(scene.shown(conversation).await.last_preview, Some("é".repeat(160)));
    // Times before 1970 and far ahead are kept as they are.
    for millis in [-1, 0, i64::from(i32::MAX) * 1_000, 1 << 45] {
        let at = Timestamp::from_millis(millis);
        let row = user_row(scene.ids.message(), conversation, Parent::Head, "x");
        let id = row.id;
        let batch = crate::store::WriteBatch::new(scene.owner, at).op(Op::AppendMessage(row));
        scene.apply(batch).await.unwrap();
        assert_eq!(scene.store.message(scene.owner, id).await.unwrap().unwrap().created_at, at);
        assert_eq!(scene.shown(conversation).await.updated_at, at);
    }
}
