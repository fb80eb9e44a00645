//! The one stream that ends everything of a call: it takes the pieces of a reply, watches the limits, folds the reply,
//! and says how it ended. What a call holds is let go when this is dropped, however that happens.
//!
//! Before the first content a failure comes out as it is, and the call may be tried again. After it, every failure is
//! `Truncated` with what had arrived; nothing is ever restarted in silence.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::meter::Heard;
use super::pieces::{Piece, Pieces};
use super::target::Call;
use super::tokens::TokenCounts;
use crate::base::{Clock, ErrorKind, Ids, Retry, Sleep, Timestamp};
use crate::model::{
    Cost, CostSource, Error, Progress, Reply, ReplyDraft, Result, StreamEvent, StreamEventKind, Usage, UsageSource,
};
use crate::net::NetworkSettings;
use crate::policy::{Buckets, Measure};
use crate::wire::{Closing, tools};

/// What is known of a reply when its first byte is there.
pub(super) struct ReplyFrame {
    pub(super) started: Duration,
    /// How long the first byte of the body may take, from `started` on.
    pub(super) first_byte: Duration,
    pub(super) request_id: Option<String>,
    pub(super) limits: Arc<NetworkSettings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Ids,
    pub(super) tokens: TokenCounts,
}

/// The events of one reply, guarded.
pub(super) struct GuardedStream {
    call: Call,
    frame: ReplyFrame,
    source: Source,
    ready: VecDeque<StreamEvent>,
    scratch: Vec<StreamEvent>,
    draft: ReplyDraft,
    text_bytes: usize,
    /// How much of a tool call's arguments is counted already, by part.
    counted: BTreeMap<i32, usize>,
    /// Names that were made for tool calls without one, by part.
    made_names: Vec<(i32, String)>,
    first_content: Option<Duration>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Sleep,
    /// Nothing while the body has not begun.
    last_byte: Option<Duration>,
    last_event: Duration,
    /// Between arrivals of content, where somebody measures.
    gaps: Buckets,
}

enum Source {
    Streaming { pieces: Box<dyn Pieces> },
    Decoded { closing: Box<Closing> },
    Ended,
}

impl GuardedStream {
    /// Reads a reply that comes piece by piece.
    pub(super) fn streamed(call: Call, frame: ReplyFrame, pieces: impl Pieces + 'static) -> Self {
        Self::new(call, frame, Source::Streaming { pieces: Box::new(pieces) }, VecDeque::new())
    }

    /// Hands out a reply that was there in one piece.
    pub(super) fn decoded(call: Call, frame: ReplyFrame, events: Vec<StreamEvent>, closing: Closing) -> Self {
        Self::new(call, frame, Source::Decoded { closing: Box::new(closing) }, events.into())
    }

    fn new(call: Call, frame: ReplyFrame, source: Source, ready: VecDeque<StreamEvent>) -> Self {
        let now = frame.clock.monotonic();
        let cancelled = Box::pin(call.context.cancel.clone().cancelled_owned());
        let mut this = Self {
            timer: Box::pin(std::future::pending()),
            call,
            frame,
            source,
            ready,
            scratch: Vec::new(),
            draft: ReplyDraft::new(),
            text_bytes: 0,
            counted: BTreeMap::new(),
            made_names: Vec::new(),
            first_content: None,
            cancelled,
            last_byte: None,
            last_event: now,
            gaps: Buckets::default(),
        };
        this.arm(now);
        this
    }

    /// The nearest limit: when it passes, and what it is called. A head says little: a server may send it at once and
    /// think then, so until the body begins the time to the first byte goes on.
    fn limit(&self) -> (Duration, &'static str, Duration) {
        let ms = Duration::from_millis;
        let limits = &self.frame.limits;
        let idle = ms(limits.idle_timeout_ms);
        let progress = ms(limits.progress_timeout_ms);
        let context = &self.call.context;
        let total = if self.first_content.is_none() { context.begin_by() } else { context.until() };
        let total = total.unwrap_or(Duration::MAX);
        let mut nearest = if let Some(last_byte) = self.last_byte {
            let stalled = (self.last_event.saturating_add(progress), "progress", progress);
            let silent = (last_byte.saturating_add(idle), "idle", idle);
            if stalled.0 < silent.0 { stalled } else { silent }
        } else {
            let first = self.frame.first_byte.max(idle);
            (self.frame.started.saturating_add(first), "first_byte", first)
        };
        if total < nearest.0 {
            nearest = (total, "total", total.saturating_sub(self.frame.started));
        }
        nearest
    }

    fn arm(&mut self, now: Duration) {
        self.timer = self.frame.clock.sleep(self.limit().0.saturating_sub(now));
    }

    /// One step: an event, or nothing while nothing is there.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<StreamEvent>>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(self.pass(event)));
            }
            match &mut self.source {
                Source::Ended => return Poll::Ready(None),
                Source::Decoded { closing } => {
                    let closing = std::mem::take(&mut **closing);
                    return Poll::Ready(Some(Ok(self.done(closing))));
                }
                Source::Streaming { pieces } => {
                    if self.cancelled.as_mut().poll(cx).is_ready() {
                        let stopped = Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped");
                        return Poll::Ready(Some(Err(self.left_off(stopped))));
                    }
                    let piece = match pieces.poll_piece(cx, &mut self.scratch) {
                        Poll::Ready(piece) => piece,
                        Poll::Pending => match self.timer.as_mut().poll(cx) {
                            Poll::Pending => return Poll::Pending,
                            Poll::Ready(()) => {
                                let now = self.frame.clock.monotonic();
                                let (at, reason, limit) = self.limit();
                                if at <= now {
                                    let error = self.call.timed_out(reason, limit);
                                    return Poll::Ready(Some(Err(self.broken(error))));
                                }
                                self.arm(now);
                                continue;
                            }
                        },
                    };
                    let now = self.frame.clock.monotonic();
                    let mut begun = false;
                    let fed = match piece {
                        Ok(Piece::End(closing)) => {
                            self.source = Source::Decoded { closing };
                            Ok(())
                        }
                        Ok(Piece::More) => {
                            // From here on a nearer limit than the first byte's may count.
                            begun = self.last_byte.replace(now).is_none();
                            Ok(())
                        }
                        Err(error) => Err(error),
                    };
                    if self.scratch.iter().any(|e| !matches!(e.kind, StreamEventKind::Progress { .. })) {
                        // The first content ends the wait for it, which is measured otherwise.
                        if self.first_content.is_some() && self.call.context.witness.is_some() {
                            let gap = now.saturating_sub(self.last_event);
                            self.gaps.record(u64::try_from(gap.as_micros()).unwrap_or(u64::MAX));
                        }
                        self.last_event = now;
                    }
                    if begun {
                        self.arm(now);
                    }
                    // Whoever always has something ready never lets the timer be asked.
                    let fed = fed.and_then(|()| match self.limit() {
                        (at, reason, limit) if at <= now && matches!(self.source, Source::Streaming { .. }) => {
                            Err(self.call.timed_out(reason, limit))
                        }
                        _ => Ok(()),
                    });
                    if let Err(error) = fed {
                        // What was decoded before the failure belongs to the reply.
                        let decoded = std::mem::take(&mut self.scratch);
                        decoded.iter().for_each(|event| self.draft.push(event));
                        return Poll::Ready(Some(Err(self.broken(error))));
                    }
                    self.ready.extend(self.scratch.drain(..));
                }
            }
        }
    }

    /// Lets one event through: folds it, and holds the reply to its bounds.
    fn pass(&mut self, mut event: StreamEvent) -> Result<StreamEvent> {
        match &mut event.kind {
            StreamEventKind::Usage { usage, cost } if cost.nano_usd.is_none() => *cost = self.price(usage),
            StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms } } => {
                let idle = self.frame.clock.monotonic().saturating_sub(self.last_event);
                *idle_ms = millis(idle);
            }
            StreamEventKind::Text { delta }
            | StreamEventKind::Reasoning { delta }
            | StreamEventKind::Refusal { delta } => self.text_bytes += delta.len(),
            StreamEventKind::ToolCallDelta { call_id, arguments_delta, .. } => {
                self.count_arguments(event.part_index, arguments_delta.len());
                if call_id.is_empty() {
                    *call_id = self.name(event.part_index);
                }
            }
            StreamEventKind::ToolCall { call } => {
                let written = call.arguments.to_string().len();
                let counted = self.count_arguments(event.part_index, 0);
                self.count_arguments(event.part_index, written.saturating_sub(counted));
                if call.id.is_empty() {
                    call.id = self.name(event.part_index);
                }
                tools::unwrap_text(call, &self.call.request.tools);
            }
            _ => {}
        }
        if event.kind.is_content() && self.first_content.is_none() {
            self.first_content = Some(self.frame.clock.monotonic());
        }
        self.draft.push(&event);
        if self.text_bytes > self.frame.limits.max_text_bytes {
            let limit = self.frame.limits.max_text_bytes;
            let detail = format!("the reply is longer than the {limit} bytes that `network.max_text_bytes` allows");
            return Err(self.broken(Error::new(ErrorKind::Truncated, "too_large", detail)));
        }
        Ok(event)
    }

    /// Counts arguments of a tool call. Gives what is counted of this call, so that its whole form behind its pieces
    /// is not counted twice.
    fn count_arguments(&mut self, part_index: i32, bytes: usize) -> usize {
        self.text_bytes += bytes;
        let counted = self.counted.entry(part_index).or_default();
        *counted += bytes;
        *counted
    }

    /// The name of a tool call that came without one: made once for each part.
    fn name(&mut self, part_index: i32) -> String {
        if let Some((_, name)) = self.made_names.iter().find(|(part, _)| *part == part_index) {
            return name.clone();
        }
        let name = format!("call_{}", self.frame.ids.turn());
        self.made_names.push((part_index, name.clone()));
        name
    }

    /// What it cost at the hour it was asked for.
    fn price(&self, usage: &Usage) -> Cost {
        let price = self.call.target.info.as_ref().and_then(|info| info.price.as_ref());
        let clock = &self.frame.clock;
        let took = millis(clock.monotonic().saturating_sub(self.frame.started));
        let asked = Timestamp::from_millis(clock.now().as_millis().saturating_sub(took));
        price.map_or_else(Cost::default, |price| price.cost(usage, asked))
    }

    /// The reply, whole.
    fn done(&mut self, closing: Closing) -> StreamEvent {
        self.source = Source::Ended;
        let model = &self.call.target.model;
        let mut reply = Reply::empty(&*model.provider, closing.model.unwrap_or_else(|| model.model.clone()));
        reply.parts = std::mem::take(&mut self.draft).into_parts();
        reply.finish_reason = closing.finish_reason;
        reply.finish_reason_raw = closing.finish_reason_raw;
        reply.usage = match closing.usage {
            Some(usage) => {
                self.frame.tokens.learn(&self.call, &reply.parts, &usage);
                usage
            }
            None => self.estimate(&reply.parts),
        };
        reply.usage.requests = 1;
        reply.cost = closing.cost_nano_usd.map_or_else(|| self.price(&reply.usage), named);
        reply.request_id = self.frame.request_id.take().or(closing.id);
        reply.latency_ms = millis(self.frame.clock.monotonic().saturating_sub(self.frame.started));
        reply.first_token_ms = self.first_content.map(|at| millis(at.saturating_sub(self.frame.started)));
        reply.raw = closing.raw;
        // A reply that came in one piece has no speed.
        if let Some(first) = self.first_content.filter(|_| self.gaps.count() > 0) {
            let over = self.frame.clock.monotonic().saturating_sub(first);
            let (gaps, output_tokens) = (std::mem::take(&mut self.gaps), reply.usage.output_tokens);
            self.count(&Measure::Streamed { gaps, output_tokens, over });
        }
        StreamEvent::unnumbered(0, StreamEventKind::Done { reply: Box::new(reply) })
    }

    fn count(&self, what: &Measure) {
        if self.call.context.witness.is_some() {
            self.call.context.count(&self.call.target.model.to_string(), what);
        }
    }

    fn estimate(&self, parts: &[crate::model::Part]) -> Usage {
        let (model, tokens) = (&self.call.target.model, &self.frame.tokens);
        Usage {
            input_tokens: tokens.sent(model, &self.call.request),
            output_tokens: tokens.written(model, parts),
            source: UsageSource::Estimated,
            ..Usage::default()
        }
    }

    /// What a reply took and cost that ends before its time. What the provider had said by then stands; what it would
    /// have said last, how much it wrote, is estimated, so the figure as a whole is an estimate.
    fn spent(&self, parts: &[crate::model::Part]) -> (Usage, Cost) {
        let mut usage = self.estimate(parts);
        // Fragments of a tool call are paid for, too, though no part holds them.
        usage.output_tokens = usage.output_tokens.max(of_fragments(self.text_bytes));
        usage.requests = 1;
        let (closing, whole) = match &self.source {
            Source::Streaming { pieces } => (pieces.closing(), false),
            Source::Decoded { closing } => (&**closing, true),
            Source::Ended => return self.priced(usage),
        };
        if let Some(said) = &closing.usage {
            let wrote = if whole { said.output_tokens } else { said.output_tokens.max(usage.output_tokens) };
            let source = if whole { said.source } else { UsageSource::Estimated };
            usage = Usage { output_tokens: wrote, requests: 1, source, ..said.clone() };
        }
        match closing.cost_nano_usd {
            Some(nano) if whole => (usage, named(nano)),
            // The provider's figure so far is less than the whole; better than none.
            so_far => {
                let (usage, cost) = self.priced(usage);
                let cost = if cost.nano_usd.is_none() { so_far.map_or(cost, named) } else { cost };
                (usage, cost)
            }
        }
    }

    fn priced(&self, usage: Usage) -> (Usage, Cost) {
        let cost = self.price(&usage);
        (usage, cost)
    }

    /// Tells who accounts for the call what had come of a reply that ends before its time.
    fn tell(&self) {
        let closing = match &self.source {
            Source::Streaming { pieces } => pieces.closing(),
            Source::Decoded { closing } => closing,
            Source::Ended => return,
        };
        if let Some(meter) = &self.call.context.meter {
            meter.broke_off(Heard { usage: closing.usage.clone(), bytes: self.text_bytes });
        }
    }

    /// Ends the reply with this error, which gets what had arrived and what that took.
    fn left_off(&mut self, error: Error) -> Error {
        self.tell();
        let parts = std::mem::take(&mut self.draft).into_parts();
        let (usage, cost) = self.spent(&parts);
        self.source = Source::Ended;
        error.with_partial(parts).with_spent(usage, cost)
    }

    /// A failure: as it is before the first content, `Truncated` with what had arrived after it.
    fn broken(&mut self, error: Error) -> Error {
        let model = &self.call.target.model;
        let mut error = error.with_target(&model.provider, &model.model);
        if let Some(id) = self.frame.request_id.clone() {
            error = error.with_request_id(id);
        }
        // Fragments of a tool call are content, too, though no part of the draft: the reader has seen them.
        if self.first_content.is_none() && self.draft.is_empty() {
            self.tell();
            self.source = Source::Ended;
            return error;
        }
        if matches!(error.kind(), ErrorKind::Truncated) {
            return self.left_off(error);
        }
        let reason = match error.kind() {
            ErrorKind::TimedOut => "stalled",
            ErrorKind::Unavailable if error.provider_error().is_none() => "cut",
            _ => "provider_error",
        };
        let detail = format!("the reply broke off after it began: {}", error.detail());
        let mut truncated = Error::new(ErrorKind::Truncated, reason, detail)
            .with_target(&model.provider, &model.model)
            .with_retry(Retry::Safe);
        if let Some(account) = error.provider_error() {
            truncated = truncated.with_provider_error(account.clone());
        }
        if let Some(id) = error.request_id() {
            truncated = truncated.with_request_id(id.to_owned());
        }
        self.left_off(truncated.with_source(error))
    }
}

impl Drop for GuardedStream {
    /// Whoever lets go of a reply before its end has still to pay for it.
    fn drop(&mut self) {
        if self.gaps.count() > 0 {
            let gaps = std::mem::take(&mut self.gaps);
            self.count(&Measure::Streamed { gaps, output_tokens: 0, over: Duration::ZERO });
        }
        self.tell();
        if !matches!(self.source, Source::Ended) {
            let parts = std::mem::take(&mut self.draft).into_parts();
            let (usage, cost) = self.spent(&parts);
            self.call.context.note_lost(usage, cost);
        }
    }
}

impl Stream for GuardedStream {
    type Item = Result<StreamEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let step = self.step(cx);
        if matches!(step, Poll::Ready(Some(Err(_)))) {
            self.source = Source::Ended;
            self.ready.clear();
        }
        step
    }
}

/// Tokens by the rule of thumb of four bytes each, for what is kept nowhere but as a number of bytes.
fn of_fragments(bytes: usize) -> i64 {
    i64::try_from(bytes.div_ceil(4)).unwrap_or(i64::MAX)
}

/// The price that the provider named.
const fn named(nano_usd: i64) -> Cost {
    Cost { nano_usd: Some(nano_usd), source: CostSource::Provider, price_date: None }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
