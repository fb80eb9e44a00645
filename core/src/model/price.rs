//! What a model costs, and what a call to it has cost.
//!
//! A price is whole nano-USD for a million tokens, so that every cost is a sum of integers and is rounded once, at its
//! end. What providers do with their prices and what is here:
//!
//! ```text
//! other prices for cached, cache-written, audio, picture, reasoning tokens   a field; left out: as any other token
//! dearer above a length of the prompt                                        `tiers`: then for every token of the call
//! other prices from a day on, or at some hours of the day                    `changes`: the last one that is in force
//! ```

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::usage::{Cost, CostSource, Usage, UsageSource};
use crate::base::Timestamp;

/// What a model costs. Unless it says otherwise, a figure is nano-USD for a million tokens: 3 US dollars are
/// 3,000,000,000.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Price {
    /// For a million tokens sent in.
    pub input_nano_usd: i64,
    /// For a million tokens written.
    pub output_nano_usd: i64,
    /// For a million tokens from the provider's cache; left out: as sent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_nano_usd: Option<i64>,
    /// For a million tokens written to the provider's cache; left out: as sent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_nano_usd: Option<i64>,
    /// For a million tokens written to the provider's cache for an hour; left out: as others written to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_1h_nano_usd: Option<i64>,
    /// For a million tokens of sound sent in; left out: as other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio_nano_usd: Option<i64>,
    /// For a million tokens of sound from the provider's cache; left out: as other tokens from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_audio_nano_usd: Option<i64>,
    /// For a million tokens of sound written; left out: as other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio_nano_usd: Option<i64>,
    /// For a million tokens of pictures written; left out: as other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_image_nano_usd: Option<i64>,
    /// For a million tokens of reasoning written; left out: as other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_reasoning_nano_usd: Option<i64>,
    /// For each request, in nano-USD; left out: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_nano_usd: Option<i64>,
    /// For each search of the web by the provider, in nano-USD; left out: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search_nano_usd: Option<i64>,
    /// Other prices for long prompts, by their lengths, the shortest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<PriceTier>,
    /// Other prices at other times; the last one in force holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PriceChange>,
    /// The day the price was taken down, as `2026-11-21`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// Prices above a length of the prompt, for every token of the call. What is left out stays as below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceTier {
    /// They hold when more tokens than these are sent in, cached ones included.
    pub above_input_tokens: i64,
    /// For a million tokens sent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_nano_usd: Option<i64>,
    /// For a million tokens written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_nano_usd: Option<i64>,
    /// For a million tokens from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_nano_usd: Option<i64>,
    /// For a million tokens written to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_nano_usd: Option<i64>,
    /// For a million tokens written to the provider's cache for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_1h_nano_usd: Option<i64>,
}

/// Another price from a day on, at some hours of each day, or both. All times are UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceChange {
    /// The first day, as `2027-01-01`; left out: every day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_date: Option<String>,
    /// The first minute of the hours, as `06:00`; left out with `to_time`: all day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_time: Option<String>,
    /// The minute after the hours, as `10:00`; hours that end before they begin span midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_time: Option<String>,
    /// The whole price in that time. Changes of its own mean nothing.
    pub price: Price,
}

/// How many tokens at which price.
type Lot = (i64, i64);

impl Price {
    /// What these tokens cost when they were asked for at this moment, to the nearest nano-USD; what costs anything costs
    /// at least one. Unknown when it is not known how many they are.
    #[must_use]
    pub fn cost(&self, usage: &Usage, at: Timestamp) -> Cost {
        let source = match usage.source {
            UsageSource::Reported => CostSource::Catalogue,
            UsageSource::Estimated => CostSource::Estimated,
            UsageSource::Unknown => return Cost::default(),
        };
        let price = self.in_force(at).at_length(usage.input_tokens);
        let million = 1_000_000_i128;
        let product = |(count, price): Lot| i128::from(count.max(0)) * i128::from(price);
        // A provider may count anything: more than can be summed is as dear as a cost can be.
        let lots = price.input(usage).into_iter().chain(price.output(usage));
        let tokens = lots.map(product).fold(0_i128, i128::saturating_add);
        let pieces = product((i64::from(usage.requests), price.request_nano_usd.unwrap_or(0)))
            .saturating_add(product((Detail::WebSearches.of(usage), price.web_search_nano_usd.unwrap_or(0))));
        let of_tokens = tokens.saturating_add(million / 2) / million;
        let nano_usd = pieces.saturating_add(of_tokens).max(i128::from(tokens > 0));
        let nano_usd = i64::try_from(nano_usd).unwrap_or(i64::MAX);
        Cost { nano_usd: Some(nano_usd), source, price_date: self.date.clone() }
    }

    /// The most that a request with so many tokens in, so many out and so many searches of the web can cost at this
    /// moment, in nano-USD: each token at the dearest price that one of its side can have, whatever kind it is.
    #[must_use]
    pub fn most(&self, input_tokens: i64, output_tokens: i64, searches: i64, at: Timestamp) -> i64 {
        let now = self.in_force(at);
        let lengths = now.tiers.iter().map(|tier| tier.above_input_tokens.saturating_add(1));
        let (mut input, mut output) = (0, 0);
        // A shorter prompt than the bound may be dearer for a token: every tier up to it is looked at.
        for length in lengths.filter(|length| *length <= input_tokens).chain([0]) {
            let price = now.at_length(length);
            let kinds = [
                price.cache_read_nano_usd,
                price.cache_creation_nano_usd,
                price.cache_creation_1h_nano_usd,
                price.input_audio_nano_usd,
                price.cache_read_audio_nano_usd,
            ];
            input = kinds.into_iter().flatten().fold(input.max(price.input_nano_usd), i64::max);
            let kinds = [price.output_audio_nano_usd, price.output_image_nano_usd, price.output_reasoning_nano_usd];
            output = kinds.into_iter().flatten().fold(output.max(price.output_nano_usd), i64::max);
        }
        let product = |count: i64, price: i64| i128::from(count.max(0)) * i128::from(price);
        let million = 1_000_000_i128;
        let tokens = product(input_tokens, input).saturating_add(product(output_tokens, output));
        let pieces = i128::from(now.request_nano_usd.unwrap_or(0))
            .saturating_add(product(searches, now.web_search_nano_usd.unwrap_or(0)));
        // What costs anything costs at least one, as it is counted afterwards.
        i64::try_from((tokens.saturating_add(million - 1) / million).saturating_add(pieces)).unwrap_or(i64::MAX)
    }

    /// The price at this moment.
    fn in_force(&self, at: Timestamp) -> &Self {
        let now = at.to_string();
        self.changes.iter().rev().find(|change| change.holds(&now)).map_or(self, |change| &change.price)
    }

    /// The price of a prompt this long: each tier lays its figures over those below.
    fn at_length(&self, input_tokens: i64) -> Self {
        let mut price = Self { changes: Vec::new(), tiers: Vec::new(), date: None, ..self.clone() };
        for tier in self.tiers.iter().filter(|tier| input_tokens > tier.above_input_tokens) {
            price.input_nano_usd = tier.input_nano_usd.unwrap_or(price.input_nano_usd);
            price.output_nano_usd = tier.output_nano_usd.unwrap_or(price.output_nano_usd);
            price.cache_read_nano_usd = tier.cache_read_nano_usd.or(price.cache_read_nano_usd);
            price.cache_creation_nano_usd = tier.cache_creation_nano_usd.or(price.cache_creation_nano_usd);
            price.cache_creation_1h_nano_usd = tier.cache_creation_1h_nano_usd.or(price.cache_creation_1h_nano_usd);
        }
        price
    }

    /// The input in lots, each token in one of them.
    fn input(&self, usage: &Usage) -> [Lot; 6] {
        let cached = usage.cache_read_input_tokens.max(0);
        let heard = Detail::InputAudio.of(usage);
        let cached_audio = Detail::CachedAudio.of(usage).min(cached);
        let written = usage.cache_creation_input_tokens.max(0);
        let written_1h = Detail::WrittenForAnHour.of(usage).min(written);

        let cache_read = self.cache_read_nano_usd.unwrap_or(self.input_nano_usd);
        let cache_creation = self.cache_creation_nano_usd.unwrap_or(self.input_nano_usd);
        let audio = self.input_audio_nano_usd.unwrap_or(self.input_nano_usd);
        let cached_audio_price = self.cache_read_audio_nano_usd.unwrap_or(cache_read);
        let others = [cached, written, (heard - cached_audio).max(0)];
        let plain = others.into_iter().fold(usage.input_tokens, i64::saturating_sub);
        [
            (plain, self.input_nano_usd),
            (cached - cached_audio, cache_read),
            (cached_audio, cached_audio_price),
            (heard - cached_audio, audio),
            (written - written_1h, cache_creation),
            (written_1h, self.cache_creation_1h_nano_usd.unwrap_or(cache_creation)),
        ]
    }

    /// The output in lots, each token in one of them.
    fn output(&self, usage: &Usage) -> [Lot; 4] {
        let (audio, image) = (Detail::OutputAudio.of(usage), Detail::OutputImage.of(usage));
        let reasoning = usage.reasoning_output_tokens.max(0);
        let plain = [audio, image, reasoning].into_iter().fold(usage.output_tokens, i64::saturating_sub);
        let or_plain = |price: Option<i64>| price.unwrap_or(self.output_nano_usd);
        [
            (plain, self.output_nano_usd),
            (audio, or_plain(self.output_audio_nano_usd)),
            (image, or_plain(self.output_image_nano_usd)),
            (reasoning, or_plain(self.output_reasoning_nano_usd)),
        ]
    }

    /// Checks that the price can be counted with.
    ///
    /// # Errors
    /// `Invalid` (bad_price) that says what is wrong: a price below nothing, tiers out of their order, a day or an hour
    /// that is none.
    pub fn check(&self) -> Result<()> {
        let bad = |problem: &str| Err(Error::invalid("bad_price", problem));
        let figures = [Some(self.input_nano_usd), Some(self.output_nano_usd)].into_iter().chain([
            self.cache_read_nano_usd,
            self.cache_creation_nano_usd,
            self.cache_creation_1h_nano_usd,
            self.input_audio_nano_usd,
            self.cache_read_audio_nano_usd,
            self.output_audio_nano_usd,
            self.output_image_nano_usd,
            self.output_reasoning_nano_usd,
            self.request_nano_usd,
            self.web_search_nano_usd,
        ]);
        let of_tiers = self.tiers.iter().flat_map(|tier| {
            [
                tier.input_nano_usd,
                tier.output_nano_usd,
                tier.cache_read_nano_usd,
                tier.cache_creation_nano_usd,
                tier.cache_creation_1h_nano_usd,
            ]
        });
        if figures.chain(of_tiers).flatten().any(|nano| nano < 0) {
            return bad("a price is below nothing");
        }
        if !self.tiers.is_sorted_by(|a, b| a.above_input_tokens < b.above_input_tokens) {
            return bad("the tiers of a price begin with the shortest prompt, each once");
        }
        for change in &self.changes {
            if change.from_date.as_deref().is_some_and(|day| !fits(day, "0000-00-00")) {
                return bad("the `from_date` of a price is a day as `2027-01-01`");
            }
            let hours = [&change.from_time, &change.to_time];
            if change.from_time.is_some() != change.to_time.is_some()
                || hours.into_iter().flatten().any(|time| !fits(time, "00:00"))
            {
                return bad("`from_time` and `to_time` of a price come as a pair, as `06:00` and `10:00`");
            }
            if !change.price.changes.is_empty() {
                return bad("the price within a change has changes of its own");
            }
            change.price.check()?;
        }
        Ok(())
    }
}

impl PriceChange {
    /// Whether it holds at this moment, written `2026-11-21T09:30:00.000Z`. Days and hours written that way sort as
    /// they follow each other.
    fn holds(&self, now: &str) -> bool {
        let (day, time) = (now.get(..10).unwrap_or_default(), now.get(11..16).unwrap_or_default());
        let begun = self.from_date.as_deref().is_none_or(|from| from <= day);
        let hours = match (self.from_time.as_deref(), self.to_time.as_deref()) {
            (Some(from), Some(to)) if to < from => time >= from || time < to,
            (Some(from), Some(to)) => from <= time && time < to,
            _ => true,
        };
        begun && hours
    }
}

/// Whether a text has the form of a pattern in which every 0 stands for a digit.
fn fits(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(b, p)| if p == b'0' { b.is_ascii_digit() } else { b == p })
}

/// Counts that stand among `Usage::details` under the names of whoever counted.
enum Detail {
    InputAudio,
    CachedAudio,
    OutputAudio,
    OutputImage,
    WrittenForAnHour,
    WebSearches,
}

impl Detail {
    fn of(&self, usage: &Usage) -> i64 {
        let names: &[&str] = match self {
            Self::InputAudio => &[
                "prompt_tokens_details.audio_tokens",
                "input_tokens_details.audio_tokens",
                "promptTokensDetails.AUDIO",
            ],
            Self::CachedAudio => &["cacheTokensDetails.AUDIO"],
            Self::OutputAudio => &[
                "completion_tokens_details.audio_tokens",
                "output_tokens_details.audio_tokens",
                "candidatesTokensDetails.AUDIO",
            ],
            Self::OutputImage => &[
                "completion_tokens_details.image_tokens",
                "output_tokens_details.image_tokens",
                "candidatesTokensDetails.IMAGE",
            ],
            Self::WrittenForAnHour => &["ephemeral_1h_input_tokens"],
            Self::WebSearches => &["web_search_requests"],
        };
        names.iter().find_map(|name| usage.details.get(*name)).copied().unwrap_or(0).max(0)
    }
}
