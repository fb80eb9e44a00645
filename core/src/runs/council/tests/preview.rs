//! What a council will cost.

use super::super::{Council, CouncilPrompts};
use crate::base::Timestamp;
use crate::model::{CouncilPreview, Price};

/// A millionth of a dollar for each token in, two for each token out; nobody knows what `a/free` costs.
fn price(model: &str) -> Option<Price> {
    let price = Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() };
    (model != "a/free").then_some(price)
}

fn forecast(council: &Council, history: u64) -> CouncilPreview {
    council.forecast(100, history, 10, price, Timestamp::from_millis(0))
}

/// Without words of their own, so that the sums can be seen.
fn bare() -> CouncilPrompts {
    let empty = String::new;
    CouncilPrompts { review: empty(), repair: empty(), synthesis: empty(), ..CouncilPrompts::default() }
}

#[test]
fn the_sum_is_that_of_all_answers_reviews_and_the_synthesis() {
    let council = Council::new(["a/1", "a/2", "a/3"]).prompts(bare());
    let answer = 10 + 1_000 + 100 + 2 * 600;
    let review = 1_000 + 100 + 2 * 600 + 2 * (2 * 60);
    let synthesis = 10 + 1_000 + 200 + 3 * 600 + 2 * 600;
    assert_eq!(forecast(&council, 1_000).likely_nano_usd, 1_000 * (3 * answer + 3 * review + synthesis));
    // Two do not judge each other.
    let council = Council::new(["a/1", "a/2"]).prompts(bare());
    let synthesis = 10 + 1_000 + 200 + 2 * 600 + 2 * 600;
    assert_eq!(forecast(&council, 1_000).likely_nano_usd, 1_000 * (2 * answer + synthesis));
}

#[test]
fn the_highest_figure_has_reviews_repaired_and_the_fallback_chairman_asked() {
    let council = Council::new(["a/1", "a/2", "a/3"]).prompts(bare()).chairman("a/4");
    let answer = 10 + 100 + 2 * 2_400;
    let judged = 2 * 240;
    let review = (100 + 2 * 2_400 + 2 * judged) + (100 + 2 * 2_400 + judged + 2 * judged);
    let synthesis = 10 + 200 + 3 * 2_400 + 2 * 2_400;
    assert_eq!(forecast(&council, 0).high_nano_usd, 1_000 * (3 * answer + 3 * review + synthesis));
    let council = council.fallback_chairman("a/5");
    assert_eq!(forecast(&council, 0).high_nano_usd, 1_000 * (3 * answer + 3 * review + 2 * synthesis));
    assert_eq!(forecast(&council, 0).likely_nano_usd, forecast(&council.chairman("a/5"), 0).likely_nano_usd);
}

#[test]
fn a_model_of_unknown_price_is_named_once_and_not_counted() {
    let council = Council::new(["a/free", "a/1", "a/free"]).chairman("a/free");
    let preview = forecast(&council, 0);
    assert_eq!(preview.unpriced, ["a/free"]);
    assert!(preview.low_nano_usd < preview.likely_nano_usd && preview.likely_nano_usd < preview.high_nano_usd);
    assert!(preview.likely_nano_usd < forecast(&Council::new(["a/1", "a/1", "a/1"]), 0).likely_nano_usd);
}
