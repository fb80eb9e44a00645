//! The one stream that ends everything of a call: it takes the pieces of a reply, watches the limits, folds the reply,
//! and says how it ended. What a call holds is let go when this is dropped, however that happens.
//!
//! Before the first content a failure comes out as it is, and the call may be tried again. After it, every failure is
//! `Truncated` with what had arrived; nothing is ever restarted in silence.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::limits::stopped;
use super::meter::Heard;
use super::pieces::{Piece, Pieces};
use super::target::Call;
use super::timer::Timer;
use super::tokens::TokenCounts;
use crate::base::{Clock, ErrorKind, Ids, Retry, Timestamp};
use crate::model::{
    Cost, CostSource, Error, Part, Progress, Reply, ReplyDraft, Result, StreamEvent, StreamEventKind, Usage,
    UsageSource,
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
    /// What was set for the wait until now.
    pub(super) timer: Timer,
    pub(super) limits: Arc<NetworkSettings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Ids,
    pub(super) tokens: TokenCounts,
}

/// The events of one reply, guarded.
///
/// What each event walks has to fit into the processor's cache of instructions, together with what the client walks for
/// it: beyond that it is read anew for every event, and takes twice as long. So what is done once for each reply stands
/// apart (`inline(never)`, `cold`), here and in the decoder.
pub(super) struct GuardedStream {
    call: Call,
    frame: ReplyFrame,
    source: Source,
    /// Events that wait to be handed out, the newest first.
    ready: Vec<StreamEvent>,
    scratch: Vec<StreamEvent>,
    draft: ReplyDraft,
    text_bytes: usize,
    /// How much of a tool call's arguments is counted already, by part.
    counted: BTreeMap<i32, usize>,
    /// The parts that the names of tool calls belong to.
    call_names: BTreeMap<String, i32>,
    /// Names that were made for tool calls without one, by part.
    made_names: Vec<(i32, String)>,
    first_content: Option<Duration>,
    /// Told when the call is stopped, once there was something to wait for.
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Who is told then.
    listener: Option<Waker>,
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
        Self::new(call, frame, Source::Streaming { pieces: Box::new(pieces) }, Vec::with_capacity(1))
    }

    /// Hands out a reply that was there in one piece.
    pub(super) fn decoded(call: Call, frame: ReplyFrame, mut events: Vec<StreamEvent>, closing: Closing) -> Self {
        events.reverse();
        Self::new(call, frame, Source::Decoded { closing: Box::new(closing) }, events)
    }

    fn new(call: Call, frame: ReplyFrame, source: Source, ready: Vec<StreamEvent>) -> Self {
        let now = frame.clock.monotonic();
        Self {
            call,
            frame,
            source,
            ready,
            // Mostly one event comes at a time, and a call is small where it can be.
            scratch: Vec::with_capacity(1),
            draft: ReplyDraft::new(),
            text_bytes: 0,
            counted: BTreeMap::new(),
            call_names: BTreeMap::new(),
            made_names: Vec::new(),
            first_content: None,
            cancelled: None,
            listener: None,
            last_byte: None,
            last_event: now,
            gaps: Buckets::default(),
        }
    }

    /// The nearest limit: when it passes, and what it is called. A head says little: a server may send it at once and
    /// think then, so until the body begins the time to the first byte goes on.
    #[inline(never)]
    fn limit(&self) -> (Duration, &'static str, Duration) {
        let limits = &self.frame.limits;
        let idle = Duration::from_millis(limits.idle_timeout_ms);
        let mut nearest = if let Some(last_byte) = self.last_byte {
            let progress = Duration::from_millis(limits.progress_timeout_ms);
            let stalled = (self.last_event.saturating_add(progress), "progress", progress);
            let silent = (last_byte.saturating_add(idle), "idle", idle);
            if stalled.0 < silent.0 { stalled } else { silent }
        } else {
            let first = self.frame.first_byte.max(idle);
            (self.frame.started.saturating_add(first), "first_byte", first)
        };
        let total = self.end();
        if total < nearest.0 {
            nearest = (total, "total", total.saturating_sub(self.frame.started));
        }
        nearest
    }

    /// When the time of the whole call is up, or before the first content its share of it.
    fn end(&self) -> Duration {
        let context = &self.call.context;
        let end = if self.first_content.is_none() { context.begin_by() } else { context.until() };
        end.unwrap_or(Duration::MAX)
    }

    /// One step: an event, or nothing while nothing is there.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<StreamEvent>>> {
        loop {
            if let Some(event) = self.ready.pop() {
                return Poll::Ready(Some(self.pass(event)));
            }
            match &mut self.source {
                Source::Ended => return Poll::Ready(None),
                Source::Decoded { closing } => {
                    let closing = std::mem::take(&mut **closing);
                    return Poll::Ready(Some(Ok(self.done(closing))));
                }
                Source::Streaming { pieces } => {
                    let taken = match pieces.poll_piece(cx, &mut self.scratch) {
                        Poll::Ready(piece) => self.take_in(piece),
                        Poll::Pending => Err(std::task::ready!(self.wait(cx))),
                    };
                    if let Err(error) = taken {
                        // What was decoded before the failure belongs to the reply.
                        let decoded = std::mem::take(&mut self.scratch);
                        decoded.iter().for_each(|event| self.draft.push(event));
                        let is_stopped =
                            error.kind() == ErrorKind::Cancelled && self.call.context.cancel.is_cancelled();
                        let error = if is_stopped { self.left_off(error) } else { self.broken(error) };
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }

    /// Takes in a piece with the events that it completes.
    ///
    /// # Errors
    /// What ends the reply now: the piece itself, a limit that has passed, or that the call was stopped.
    fn take_in(&mut self, piece: Result<Piece>) -> Result<()> {
        if self.call.context.cancel.is_cancelled() {
            return Err(stopped());
        }
        let now = self.frame.clock.monotonic();
        let piece = piece.map(|piece| match piece {
            Piece::End(closing) => self.source = Source::Decoded { closing },
            Piece::More => self.last_byte = Some(now),
        });
        if self.scratch.iter().any(|event| !matches!(event.kind, StreamEventKind::Progress { .. })) {
            // The first content ends the wait for it, which is measured otherwise.
            if self.first_content.is_some() && self.call.context.witness.is_some() {
                let gap = now.saturating_sub(self.last_event);
                self.gaps.record(u64::try_from(gap.as_micros()).unwrap_or(u64::MAX));
            }
            self.last_event = now;
        }
        piece?;
        // Whoever always has something ready never waits for the timer.
        if matches!(self.source, Source::Streaming { .. }) {
            let (at, reason, limit) = self.limit();
            if at <= now {
                return Err(self.call.timed_out(reason, limit));
            }
        }
        std::mem::swap(&mut self.scratch, &mut self.ready);
        self.ready.reverse();
        Ok(())
    }

    /// Waits for the call to be stopped or for its nearest limit to pass, and gives the error of that.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let cancel = &self.call.context.cancel;
        if cancel.is_cancelled() {
            return Poll::Ready(stopped());
        }
        // Whoever listens already is told; to listen anew for each event costs more than to look.
        if !self.listener.as_ref().is_some_and(|listener| listener.will_wake(cx.waker())) {
            let cancelled = self.cancelled.get_or_insert_with(|| Box::pin(cancel.clone().cancelled_owned()));
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(stopped());
            }
            self.listener = Some(cx.waker().clone());
        }
        let (at, reason, limit) = self.limit();
        self.frame.timer.poll(at, &self.frame.clock, cx).map(|()| self.call.timed_out(reason, limit))
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
                self.name_apart(event.part_index, call_id);
            }
            StreamEventKind::ToolCall { call } => {
                let written = call.arguments.to_string().len();
                let counted = self.count_arguments(event.part_index, 0);
                self.count_arguments(event.part_index, written.saturating_sub(counted));
                self.name_apart(event.part_index, &mut call.id);
                tools::unwrap_text(call, &self.call.request.tools);
            }
            _ => {}
        }
        if event.kind.is_content() && self.first_content.is_none() {
            // It was the first thing that came, so this is when it came.
            self.first_content = Some(self.last_event);
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

    /// Gives a tool call a name of its own where it came without one, or with that of another call of this reply: an answer
    /// would belong to both.
    fn name_apart(&mut self, part_index: i32, name: &mut String) {
        if name.is_empty() || *self.call_names.entry(name.clone()).or_insert(part_index) != part_index {
            *name = self.name(part_index);
        }
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
        let Some(price) = price else { return Cost::default() };
        let clock = &self.frame.clock;
        let took = millis(clock.monotonic().saturating_sub(self.frame.started));
        let asked = Timestamp::from_millis(clock.now().as_millis().saturating_sub(took));
        price.cost(usage, asked)
    }

    /// The reply, whole.
    #[inline(never)]
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
        let now = self.frame.clock.monotonic();
        reply.latency_ms = millis(now.saturating_sub(self.frame.started));
        reply.first_token_ms = self.first_content.map(|at| millis(at.saturating_sub(self.frame.started)));
        reply.raw = closing.raw;
        // A reply that came in one piece has no speed.
        if let Some(first) = self.first_content.filter(|_| self.gaps.count() > 0) {
            let over = now.saturating_sub(first);
            let (gaps, output_tokens) = (std::mem::take(&mut self.gaps), reply.usage.output_tokens);
            self.count(&Measure::Streamed { gaps, output_tokens, over });
        }
        StreamEvent::unnumbered(0, StreamEventKind::Done { reply: Box::new(reply) })
    }

    fn count(&self, what: &Measure) {
        self.call.context.count(self.call.target.name(), what);
    }

    fn estimate(&self, parts: &[Part]) -> Usage {
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
    fn spent(&self, parts: &[Part]) -> (Usage, Cost) {
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
    #[cold]
    fn left_off(&mut self, error: Error) -> Error {
        self.tell();
        let parts = std::mem::take(&mut self.draft).into_parts();
        let (usage, cost) = self.spent(&parts);
        self.source = Source::Ended;
        error.with_partial(parts).with_spent(usage, cost)
    }

    /// A failure: as it is before the first content, `Truncated` with what had arrived after it.
    #[cold]
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
        for event in std::mem::take(&mut self.ready).iter().rev() {
            self.text_bytes = self.text_bytes.saturating_add(bytes_unread(&event.kind));
            self.draft.push(event);
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

    /// The least is what is there already.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ready.len(), None)
    }
}

/// What an event counts that came and was handed to nobody. What cannot be counted counts as the most there can be.
fn bytes_unread(kind: &StreamEventKind) -> usize {
    match kind {
        StreamEventKind::Text { delta }
        | StreamEventKind::Reasoning { delta }
        | StreamEventKind::Refusal { delta }
        | StreamEventKind::ToolCallDelta { arguments_delta: delta, .. } => delta.len(),
        StreamEventKind::Part { part: Part::Text { .. } | Part::Opaque { .. } } => 0,
        StreamEventKind::Part { .. } => usize::MAX,
        _ => 0,
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
