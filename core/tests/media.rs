//! Pictures, sounds and documents: what a provider or a model does not take is refused before it is saved, and does not
//! spoil the conversation when it moves to another model.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use serde_json::{Value, json};
use support::Lab;
use tertulia::call::MediaLimits;
use tertulia::{Capabilities, Conversation, Error, ErrorKind, Media, ModelInfo, Part, ProviderSpec, Tertulia};

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
