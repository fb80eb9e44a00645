//! How near the estimate of tokens is to what providers reported in recorded replies, before and after it has learnt.

use std::path::{Path, PathBuf};

use tertulia::Catalogue;
use tertulia::model::{Part, ReplyDraft};
use tertulia::policy::{Calibration, tokens_of_parts};

use crate::dialects::{self, Reader};
use crate::read::Recording;

/// A reply of which all that was written can be seen.
struct Written {
    model: String,
    estimated: u64,
    bytes: u64,
    reported: i64,
}

/// The cases that lie beside the repository or where `TERTULIA_CASES` says, else the few within it.
fn folder() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = std::env::var_os("TERTULIA_CASES").map_or_else(|| here.join("../../../shared/wire"), PathBuf::from);
    if beside.is_dir() { beside } else { here.join("cases") }
}

/// Whole replies in words alone. Thoughts that are not shown, pictures and calls are written, too, and cannot be counted.
fn written(folder: &Path) -> Vec<Written> {
    let catalogue = Catalogue::bundled().unwrap();
    let mut all = Vec::new();
    for (_, case) in crate::case::load(folder, "").unwrap() {
        let Ok(case) = case else { continue };
        let Reader::Built(dialect) = dialects::reader(&case) else { continue };
        let quirks = dialects::quirks(&catalogue, &case);
        let recording = Recording { case, dialect, quirks };
        let reading = recording.read_pieces([&recording.case.body[..]]);
        let (Ok(()), Some(usage)) = (&reading.outcome, &reading.closing.usage) else { continue };
        let mut draft = ReplyDraft::new();
        reading.events.iter().for_each(|event| draft.push(event));
        let parts = draft.into_parts();
        let reported = usage.output_tokens - usage.reasoning_output_tokens;
        if reported < 8 || parts.is_empty() || !parts.iter().all(|part| matches!(part, Part::Text { .. })) {
            continue;
        }
        let model = format!("{}/{}", recording.case.provider, reading.closing.model.unwrap_or_default());
        let bytes =
            parts.iter().map(|part| if let Part::Text { text, .. } = part { text.len() as u64 } else { 0 }).sum();
        all.push(Written { model, estimated: tokens_of_parts(&parts), bytes, reported });
    }
    all
}

/// The middle one of the errors, as a share of what was reported.
fn error(all: &[Written], guess: impl Fn(&Written) -> i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let mut errors: Vec<f64> =
        all.iter().map(|one| (guess(one) - one.reported).abs() as f64 / one.reported as f64).collect();
    errors.sort_by(f64::total_cmp);
    errors[errors.len() / 2]
}

#[test]
fn an_estimate_is_nearer_than_four_bytes_a_token_and_nearer_still_when_it_has_learnt() {
    let all = written(&folder());
    let mut known = Calibration::new();
    for one in &all {
        known.learn(&one.model, one.estimated, one.reported);
    }
    let signed = |tokens: u64| i64::try_from(tokens).unwrap();
    let rule = error(&all, |one| signed(one.bytes.div_ceil(4)));
    let before = error(&all, |one| signed(one.estimated));
    let after = error(&all, |one| known.tokens(&one.model, one.estimated));
    println!(
        "token estimate, {} replies of {} models, median error: four bytes a token {:.1}%, before {:.1}%, after one \
         report of each {:.1}%",
        all.len(),
        known.len(),
        rule * 100.0,
        before * 100.0,
        after * 100.0,
    );
    assert!(all.len() >= 2, "only {} replies can be counted", all.len());
    assert!(after <= before, "learning made it worse: {before} before, {after} after");
    // The few cases within the repository are short made-up replies whose counts are no tokenizer's.
    if all.len() >= 15 {
        assert!(before <= 0.20 && before <= rule, "{rule} {before} {after}");
    }
}

/// Learning from a reply and guessing the same reply proves little: here each is guessed by what the other replies of its
/// model taught. So few and such short ones cannot make it better, but they must not make it much worse either.
#[test]
fn what_other_replies_of_a_model_have_taught_does_not_spoil_the_estimate_of_one() {
    let all = written(&folder());
    let mut guessed = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let mut known = Calibration::new();
        let others = all.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
        others.filter(|other| other.model == one.model).for_each(|other| {
            known.learn(&other.model, other.estimated, other.reported);
        });
        if !known.is_empty() {
            guessed.push((one, known.tokens(&one.model, one.estimated)));
        }
    }
    let (mut before, mut after, mut reported) = (0, 0, 0);
    for (one, learnt) in &guessed {
        println!("{}: {} reported, {} before, {learnt} after", one.model, one.reported, one.estimated);
        before += one.reported.abs_diff(i64::try_from(one.estimated).unwrap());
        after += one.reported.abs_diff(*learnt);
        reported += one.reported.unsigned_abs();
    }
    println!("{} replies, {reported} tokens: {before} off before, {after} after", guessed.len());
    assert!(after <= before + reported / 20, "{before} of {reported} were off, and {after} are");
}
