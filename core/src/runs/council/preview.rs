//! What a council will cost, before anything is asked.

use super::asking::{heard, instructions};
use super::settings::Council;
use crate::base::Timestamp;
use crate::call::ModelRef;
use crate::engine::{Content, Conversation};
use crate::model::{CouncilPreview, Price, Result, Usage, UsageSource};
use crate::policy::{tokens, tokens_of_message, tokens_of_parts};

/// How much models write, in tokens.
#[derive(Clone, Copy)]
struct Lengths {
    answer: u64,
    /// For each answer that is judged.
    judgement: u64,
    /// Whether ballots cannot be read at first, and the first chairman fails behind its last word.
    is_unlucky: bool,
}

const LOW: Lengths = Lengths { answer: 150, judgement: 15, is_unlucky: false };
const LIKELY: Lengths = Lengths { answer: 600, judgement: 60, is_unlucky: false };
const HIGH: Lengths = Lengths { answer: 2_400, judgement: 240, is_unlucky: true };

impl Council {
    /// About what a run with this question will cost in this conversation as it stands: by the catalogue's prices, for
    /// answers of 150, 600 and 2,400 tokens. The highest figure has every review asked for twice, and the fallback
    /// chairman asked as well. Nothing is sent. A limit that holds is `max_cost_usd` of the run.
    ///
    /// # Errors
    /// As for a run before it begins: `Invalid`; `NotFound`, `Storage`, `Closed`.
    pub async fn preview(&self, chat: &Conversation, content: impl Into<Content>) -> Result<CouncilPreview> {
        let ground = chat.user().ground()?;
        let content = content.into();
        let work = async {
            self.check()?;
            let question = tokens_of_parts(&content.for_run()?);
            let history = heard(chat, None).await?.iter().map(tokens_of_message).sum::<u64>();
            let own = instructions(chat, None).await?.map_or(0, |text| tokens(&text));
            let price = |model: &str| model.parse::<ModelRef>().ok().and_then(|model| ground.model(&model)?.price);
            Ok(self.forecast(question, history, own, price, ground.clock.now()))
        };
        ground.tasks.on_runtime(work).await.map_err(|e| ground.failed(e, "council.preview"))
    }

    /// The same, of so many tokens: the question, what was said before, and the conversation's instructions.
    pub(super) fn forecast(
        &self,
        question: u64,
        history: u64,
        instructions: u64,
        price: impl Fn(&str) -> Option<Price>,
        at: Timestamp,
    ) -> CouncilPreview {
        let cost = |lengths: Lengths| {
            let calls = self.calls(lengths, question, history, instructions);
            calls.iter().map(|call| price(call.model).map_or(0, |price| call.cost(&price, at))).sum()
        };
        let mut models: Vec<&str> = self.members.iter().map(String::as_str).chain(self.chairmen()).collect();
        models.sort_unstable();
        models.dedup();
        CouncilPreview {
            low_nano_usd: cost(LOW),
            likely_nano_usd: cost(LIKELY),
            high_nano_usd: cost(HIGH),
            unpriced: models.into_iter().filter(|model| price(model).is_none()).map(str::to_owned).collect(),
        }
    }

    fn calls(&self, lengths: Lengths, question: u64, history: u64, instructions: u64) -> Vec<Expected<'_>> {
        let members = self.members.len() as u64;
        let prompt = |text: &str| tokens(text);
        let own = self.member_instructions.as_ref().map_or(instructions, |text| tokens(text));
        let mut calls = Vec::new();
        for model in &self.members {
            calls.push(Expected { model, input: own + history + question, output: lengths.answer });
            // With fewer answers nobody judges.
            if members > 2 {
                let shown = (members - 1) * lengths.answer;
                let output = (members - 1) * lengths.judgement;
                let input = history + prompt(&self.prompts.review) + question + shown;
                calls.push(Expected { model, input, output });
                if lengths.is_unlucky {
                    let input = input + output + prompt(&self.prompts.repair);
                    calls.push(Expected { model, input, output });
                }
            }
        }
        let asked = if lengths.is_unlucky { 2 } else { 1 };
        for model in self.chairmen().into_iter().take(asked) {
            let shown = members * lengths.answer;
            let input = instructions + prompt(&self.prompts.synthesis) + history + 2 * question + shown;
            calls.push(Expected { model, input, output: lengths.answer });
        }
        calls
    }
}

/// A call that is going to be made.
struct Expected<'a> {
    model: &'a str,
    input: u64,
    output: u64,
}

impl Expected<'_> {
    fn cost(&self, price: &Price, at: Timestamp) -> i64 {
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let usage = Usage {
            input_tokens: count(self.input),
            output_tokens: count(self.output),
            requests: 1,
            source: UsageSource::Estimated,
            ..Usage::default()
        };
        price.cost(&usage, at).nano_usd.unwrap_or_default()
    }
}
