//! Dialects that lie, each of which must be caught.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use tertulia::base::ErrorKind;
use tertulia::model::{ChatRequest, StreamEvent, StreamEventKind};
use tertulia::wire::{Anthropic, Closing, Counts, Dialect, Quirks, StreamDecoder, Target};
use tertulia::{Error, Result};

use crate::case::Case;
use crate::cuts;
use crate::expect::Mismatch;
use crate::read::Recording;
use crate::run::without_network;

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n",
    "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" you\"}}\n\n",
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
    "data: {\"type\":\"message_stop\"   }   \r\n\r\n",
);

fn case(body: &str) -> Case {
    Case {
        name: "a case".to_owned(),
        api: "messages".to_owned(),
        provider: "anthropic".to_owned(),
        host: None,
        stream: true,
        status: 200,
        headers: Vec::new(),
        body: body.to_owned().into(),
        expected: serde_json::json!({"api": "messages", "stream": true, "text": "Hello you", "error": null}),
    }
}

fn caught(lie: Lie) -> Mismatch {
    let recording = Recording { case: case(STREAM), dialect: Box::new(Liar(lie)), quirks: Quirks::default() };
    without_network(&recording).expect_err("the lie was not found")
}

#[test]
fn an_honest_dialect_passes() {
    let recording = Recording { case: case(STREAM), dialect: Box::new(Anthropic), quirks: Quirks::default() };
    assert_eq!(without_network(&recording), Ok(()));
}

#[test]
fn a_decoder_that_takes_a_cut_stream_for_a_whole_one_is_caught() {
    let mismatch = caught(Lie::EndsWellAlways);
    assert!(mismatch.field.starts_with("outcome (cut at byte 0)"), "{mismatch}");
}

#[test]
fn a_decoder_that_takes_the_stop_reason_for_the_end_is_caught() {
    let mismatch = caught(Lie::EndsAtStopReason);
    let stop_reason = STREAM.find("message_stop").unwrap();
    let cut: usize = mismatch.field.trim_start_matches("outcome (cut at byte ").trim_end_matches(')').parse().unwrap();
    assert!(cut < stop_reason, "{mismatch}");
}

#[test]
fn a_decoder_that_makes_up_words_when_it_is_cut_is_caught() {
    let mismatch = caught(Lie::MakesUpWords);
    assert!(mismatch.field.starts_with("event "), "{mismatch}");
    assert!(mismatch.got.contains("made up"), "{mismatch}");
}

#[test]
fn a_decoder_that_depends_on_the_cutting_is_caught() {
    let mismatch = caught(Lie::DropsWhatComesInSingleBytes);
    assert!(mismatch.field.starts_with("text (byte by byte)"), "{mismatch}");
}

#[test]
fn a_decoder_whose_pieces_depend_on_the_cutting_is_caught() {
    let mismatch = caught(Lie::DoublesEventsOfSingleBytes);
    assert!(mismatch.field.starts_with("event ") && mismatch.field.ends_with("(byte by byte)"), "{mismatch}");
}

#[test]
fn the_proof_is_the_end_of_the_json_that_says_it() {
    let proof = cuts::proof(&case(STREAM)).unwrap();
    assert!(STREAM[..proof].ends_with("{\"type\":\"message_stop\"   }"));
    assert_eq!(cuts::proof(&case("data: {\"type\":\"message_delta\"}\n\n")), None);
    assert_eq!(cuts::proof(&case("{\"content\":[]}\n")), Some(14));

    let chat = |body: &str| cuts::proof(&Case { api: "chat".to_owned(), ..case(body) });
    let second = "data: {\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}]}\n\n";
    let first = "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n";
    let none = "data: {\"choices\":[{\"index\":0,\"finish_reason\":null}]}\n\n";
    assert_eq!(chat(none), None);
    assert_eq!(chat(second), None, "the second candidate ends nothing");
    assert_eq!(chat(&format!("{none}{second}{first}")), Some(none.len() + second.len() + first.len() - 2));
    assert_eq!(chat("data: {}\r\n\r\ndata: [DONE] \r\n\r\n"), Some(24));
    assert_eq!(cuts::proof(&Case { status: 500, ..case(STREAM) }), None);
}

#[test]
fn the_proof_of_lines_is_the_one_that_is_done_and_says_why() {
    let ollama = |body: &str| cuts::proof(&Case { api: "ollama_chat".to_owned(), ..case(body) });
    let text = "{\"message\":{\"content\":\"a\"},\"done\":false,\"done_reason\":\"stop\"}\n";
    let cut_off = "{\"done\":true,\"done_reason\":\"\"}\n";
    let done = "{\"done\":true,\"done_reason\":\"stop\"} \r\n";
    assert_eq!(ollama(&format!("{text}{cut_off}")), None);
    assert_eq!(ollama(&format!("{text}{done}{text}")), Some(text.len() + done.len() - 3));
    assert_eq!(cuts::borders(format!("{text}{cut_off}").as_bytes()), [text.len(), text.len() + cut_off.len()]);
}

/// A dialect that reads well but for one thing.
struct Liar(Lie);

#[derive(Clone, Copy, PartialEq)]
enum Lie {
    EndsWellAlways,
    EndsAtStopReason,
    MakesUpWords,
    DropsWhatComesInSingleBytes,
    DoublesEventsOfSingleBytes,
}

struct LyingDecoder {
    lie: Lie,
    honest: Box<dyn StreamDecoder>,
}

impl Dialect for Liar {
    fn name(&self) -> &'static str {
        "liar"
    }

    fn encode(&self, request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<bytes::Bytes>> {
        Anthropic.encode(request, target)
    }

    fn decode(&self, body: &[u8], target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
        Anthropic.decode(body, target)
    }

    fn decoder(&self, target: &Target<'_>) -> Box<dyn StreamDecoder> {
        Box::new(LyingDecoder { lie: self.0, honest: Anthropic.decoder(target) })
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        Anthropic.classify(status, headers, body)
    }
}

impl StreamDecoder for LyingDecoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        let before = events.len();
        self.honest.feed(bytes, events)?;
        let is_text = |event: &StreamEvent| matches!(event.kind, StreamEventKind::Text { .. });
        match self.lie {
            Lie::DropsWhatComesInSingleBytes if bytes.len() == 1 => events.truncate(before),
            // The same words in other pieces.
            Lie::DoublesEventsOfSingleBytes if bytes.len() == 1 && events[before..].iter().any(is_text) => {
                let delta = String::new();
                events.push(StreamEvent::unnumbered(0, StreamEventKind::Text { delta }));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        let honest = self.honest.finish(events);
        match (self.lie, honest) {
            (Lie::EndsWellAlways, _) => Ok(()),
            (Lie::EndsAtStopReason, _) if self.honest.closing().finish_reason.is_some() => Ok(()),
            (Lie::MakesUpWords, Err(error)) if error.kind() == ErrorKind::Truncated => {
                let delta = "made up".to_owned();
                events.push(StreamEvent::unnumbered(0, StreamEventKind::Text { delta }));
                Err(error)
            }
            (_, honest) => honest,
        }
    }

    fn is_complete(&self) -> bool {
        self.honest.is_complete()
    }

    fn closing(&self) -> &Closing {
        self.honest.closing()
    }

    fn counts(&self) -> Counts {
        self.honest.counts()
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_clean_end_however_much_had_come() {
    use tertulia::base::SystemClock;
    use tertulia::net::{HttpTransport, NetworkSettings, Transport};

    use crate::server::{Delivery, Server};

    let server = Server::start().await.unwrap();
    let transport: Arc<dyn Transport> =
        Arc::new(HttpTransport::new(&NetworkSettings::default(), Arc::new(SystemClock::default())).unwrap());
    let recording =
        Recording { case: case(STREAM), dialect: Box::new(Liar(Lie::EndsWellAlways)), quirks: Quirks::default() };
    for cut in [0, 1, STREAM.len() / 2, STREAM.len()] {
        let delivery = Delivery { borders: vec![STREAM.len() / 3], cut: Some(cut) };
        let reading = recording.read_over(&transport, &server, delivery).await;
        assert!(reading.outcome.is_err(), "cut at {cut}");
    }
    let clean = Delivery { borders: (0..STREAM.len()).collect(), cut: None };
    assert!(recording.read_over(&transport, &server, clean).await.outcome.is_ok());
    transport.close().await;
}
