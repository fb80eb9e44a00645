//! Pictures, sounds and documents: what a provider or a model does not take is refused before it is saved, and does not
//! spoil the conversation when it moves to another model.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use serde_json::{Value, json};
use support::Lab;
use tertulia::call::MediaLimits;
use tertulia::{
    AttachmentId, Capabilities, Conversation, Error, ErrorKind, Media, MediaSource, ModelInfo, NewMessage, Part,
    ProviderSpec, Role, Tertulia,
};

const MODEL: &str = "narrow/sim:text=ok";
const BLIND: &str = "blind/sim:text=ok";

/// Two providers: one that takes 400 bytes a picture and 1,000 in all, and one whose model sees, hears and reads nothing.
async fn engine(lab: &Lab) -> Tertulia {
    let url = format!("{}/v1", lab.simulator.url());
    let limits = MediaLimits {
        image_base64_bytes: Some(400),
        file_base64_bytes: Some(800),
        request_base64_bytes: Some(1_000),
        ..MediaLimits::default()
    };
    let can = Capabilities { images: Some(false), audio: Some(false), files: Some(false), ..Capabilities::default() };
    let blind = ModelInfo { capabilities: can, ..ModelInfo::default() };
    lab.builder()
        .provider(ProviderSpec::openai_chat("narrow", url.clone()).media(limits))
        .provider(ProviderSpec::openai_chat("blind", url).model("*", blind))
        .open()
        .await
        .unwrap()
}

fn picture(bytes: usize) -> Part {
    Part::image(Media::data(vec![7; bytes], "image/png"))
}

fn pdf(bytes: usize) -> Part {
    Part::file(Media::data(vec![7; bytes], "application/pdf"))
}

async fn refusal(chat: &Conversation, parts: Vec<Part>, model: &str) -> Error {
    chat.send(parts).model(model).await.unwrap_err()
}

#[tokio::test]
async fn a_file_that_is_too_large_for_the_provider_is_refused_and_nothing_is_saved_or_sent() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    let long = format!("data:image/png;base64,{}", "A".repeat(400));
    for parts in [
        vec!["look".into(), picture(301)],
        vec![picture(10), pdf(601)],
        // A picture is one wherever it stands.
        vec![Part::file(Media::data(vec![7; 301], "image/png"))],
        vec![Part::image(Media::url(long))],
        // Each is small enough, all together are not.
        vec![picture(300), picture(300), picture(300)],
    ] {
        let error = refusal(&chat, parts, MODEL).await;
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "too_large"), "{error}");
        assert!(error.detail().contains("`narrow/sim:text=ok`") && error.detail().contains("base64"), "{error}");
    }
    let asked = tertulia.ask(vec![picture(301)]).model(MODEL).await.unwrap_err();
    assert_eq!(asked.reason(), "too_large");
    assert!(chat.history().await.unwrap().items.is_empty(), "nothing was stored");
    assert_eq!(lab.simulator.requests().len(), 0);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn files_of_exactly_what_the_provider_takes_go_along() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    chat.send(vec!["look".into(), picture(300), picture(300)]).model(MODEL).await.unwrap();
    let pieces = lab.last_request()["messages"][0]["content"].as_array().unwrap().len();
    assert_eq!(pieces, 3);
    // What the provider fetches itself is no bytes of ours.
    let far = Part::image(Media::url("https://pictures.example/large.png"));
    chat.send(vec!["and this?".into(), far]).model(MODEL).await.unwrap();
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_model_that_is_known_to_take_no_such_media_is_not_sent_any() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    let sound = Part::audio(Media::data(vec![7; 9], "audio/wav"));
    for (part, what) in [(picture(9), "pictures"), (sound, "sounds"), (pdf(9), "documents")] {
        let error = refusal(&chat, vec!["look".into(), part], BLIND).await;
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unsupported"));
        assert!(error.detail().contains(what), "{error}");
    }
    assert_eq!(lab.simulator.requests().len(), 0);
    // A text is read by everybody.
    let text = Part::file(Media { name: Some("a.txt".to_owned()), ..Media::data(b"plain".to_vec(), "text/plain") });
    chat.send(vec!["read".into(), text]).model(BLIND).await.unwrap();
    tertulia.close().await.unwrap();
    lab.close().await;
}

/// What the model was shown last: every text of every message, and `image` for a picture.
fn shown(lab: &Lab) -> Vec<String> {
    let piece = |piece: &Value| piece["text"].as_str().unwrap_or_else(|| piece["type"].as_str().unwrap()).to_owned();
    let messages = lab.last_request()["messages"].as_array().unwrap().clone();
    messages
        .iter()
        .flat_map(|message| match &message["content"] {
            Value::Array(pieces) => pieces.iter().map(piece).collect(),
            content => vec![content.as_str().unwrap_or_default().to_owned()],
        })
        .collect()
}

#[tokio::test]
async fn older_media_that_another_model_does_not_take_become_a_line_and_the_conversation_goes_on() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    let seeing = lab.text("a tower");
    chat.send(vec!["what is this?".into(), picture(900)]).model(&seeing).await.unwrap();

    chat.send("and how old?").model(BLIND).await.unwrap();
    let line = "[a picture was left out here: this model takes none]";
    assert_eq!(shown(&lab)[..2], ["what is this?", line]);

    chat.send("and how high?").model(MODEL).await.unwrap();
    assert_eq!(shown(&lab)[1], "[a file was left out here: it is too large for this model]");

    // Nothing is lost: a model that takes it is shown it again.
    chat.send("look again").model(&seeing).await.unwrap();
    assert_eq!(shown(&lab)[..2], ["what is this?", "image_url"]);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_picture_behind_an_address_is_left_out_for_a_model_that_sees_none() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    let far = Part::image(Media::url("https://pictures.example/a.png"));
    chat.send(vec!["what is this?".into(), far]).model(lab.text("a tower")).await.unwrap();
    chat.send("and how old?").model(BLIND).await.unwrap();
    assert_eq!(shown(&lab)[1], "[a picture was left out here: this model takes none]");
    tertulia.close().await.unwrap();
    lab.close().await;
}

const TOO_MANY: &str = "[a file was left out here: the conversation holds too many of them]";
const TOO_LARGE: &str = "[a file was left out here: it is too large for this model]";

/// A file that was sent before, with the size that somebody says it has.
fn again(id: AttachmentId, mime: &str, says: i64) -> Media {
    Media { source: MediaSource::Attachment { id }, mime_type: Some(mime.into()), name: None, size_bytes: Some(says) }
}

fn message(parts: impl IntoIterator<Item = Part>) -> NewMessage {
    NewMessage::new(Role::User, parts)
}

async fn first_attachment(chat: &Conversation) -> AttachmentId {
    let history = chat.history().await.unwrap();
    let found = history.items.iter().flat_map(|message| &message.parts).find_map(|part| match part {
        Part::Image { media: Media { source: MediaSource::Attachment { id }, .. } } => Some(*id),
        _ => None,
    });
    found.unwrap()
}

#[tokio::test]
async fn all_messages_of_an_ask_are_one_request() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let messages = |n: usize| vec![message([Part::text("look"), picture(300)]); n];
    let error = tertulia.ask(messages(3)).model(MODEL).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "too_large"), "{error}");
    assert_eq!(lab.simulator.requests().len(), 0);
    tertulia.ask(messages(2)).model(MODEL).await.unwrap();
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_turn_is_not_tried_again_on_a_model_that_does_not_take_its_media() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    let error = chat.send(vec!["look".into(), picture(900)]).model(lab.model("status=400")).await.unwrap_err();
    let turn = error.turn_id().unwrap();
    let asked = lab.simulator.requests().len();
    for (model, reason) in [(BLIND, "unsupported"), (MODEL, "too_large")] {
        let error = chat.retry(turn).model(model).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, reason), "{error}");
    }
    assert_eq!(lab.simulator.requests().len(), asked, "a refused picture was sent");
    assert_eq!(chat.retry(turn).model(lab.text("a tower")).await.unwrap().reply().await.unwrap().text(), "a tower");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn pictures_written_into_their_addresses_take_room_as_others_do() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    for name in ["one", "two", "three"] {
        let inline = Media::url(format!("data:image/png;base64,{}", "A".repeat(360)));
        chat.send(vec![name.into(), Part::image(inline)]).model(MODEL).await.unwrap();
    }
    assert_eq!(shown(&lab), ["one", TOO_MANY, "ok", "two", "image_url", "ok", "three", "image_url"]);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn the_size_that_somebody_says_a_file_has_does_not_bring_it_past_the_limits() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    chat.send(vec!["look".into(), picture(400)]).model(lab.text("a tower")).await.unwrap();
    let id = first_attachment(&chat).await;
    chat.append([message([Part::image(again(id, "image/png", 3))])]).await.unwrap();
    chat.send("and?").model(MODEL).await.unwrap();
    assert_eq!(shown(&lab), ["look", TOO_LARGE, "a tower", TOO_LARGE, "and?"]);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn sizes_that_no_file_has_are_refused_where_there_is_a_limit_and_break_nothing_elsewhere() {
    let lab = Lab::memory().await;
    let tertulia = engine(&lab).await;
    let chat = tertulia.user("ana").new_conversation();
    chat.send(vec!["look".into(), picture(9)]).model(MODEL).await.unwrap();
    let id = first_attachment(&chat).await;
    let endless = |mime: &str| Part::file(again(id, mime, i64::MAX));
    for mime in ["application/zip", "text/plain", "audio/wav"] {
        let error = refusal(&chat, vec![endless(mime), endless(mime), endless(mime)], MODEL).await;
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "too_large"), "{error}");
    }
    chat.append([message(vec![endless("text/plain"); 3])]).await.unwrap();
    assert_eq!(chat.send("and?").model(lab.text("fine")).await.unwrap().text(), "fine");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn media_limits_are_data_of_an_entry() {
    let json = json!({
        "version": 1,
        "providers": { "lab": { "base_url": "http://localhost:9/v1", "media": { "image_base64_bytes": 4 } } }
    });
    let catalogue = tertulia::call::Catalogue::from_json(&json.to_string()).unwrap();
    assert_eq!(catalogue.provider("lab").unwrap().media.image_base64_bytes, Some(4));
    let bundled = tertulia::call::Catalogue::bundled().unwrap();
    assert!(bundled.provider("anthropic").unwrap().media.image_base64_bytes.is_some());
}
