//! A reply that goes on where it broke off: its beginning is shown to the model once more, and what comes is joined to
//! it without repeating anything.
//!
//! Words alone are continued. Thoughts that a model has before it goes on are its own business, and what was kept beside
//! them for its provider fits nothing any more.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tower::Service;

use super::super::target::{Call, ReplyEvents};
use super::fallback::Way;
use crate::base::ErrorKind;
use crate::model::{Cost, Error, Part, Progress, Reply, ReplyDraft, Result, StreamEvent, StreamEventKind, Usage};
use crate::policy::Splice;

/// A reply that breaks off more often than this is given up.
const MAX_TIMES: u32 = 3;

/// The events of a reply, whoever says them.
pub(super) struct Continuing<S> {
    way: Way<S>,
    events: ReplyEvents,
    /// Who answers now.
    at: usize,
    /// What was delivered.
    draft: ReplyDraft,
    ready: VecDeque<StreamEvent>,
    seam: Option<Seam>,
    /// The part that holds the newest words.
    words: i32,
    /// A tool call has begun that is not whole.
    calls: bool,
    times: u32,
    /// What the tries before this one took.
    spent: Option<(Usage, Cost)>,
    first_token_ms: i64,
    is_over: bool,
}

/// Where a continuation is joined.
struct Seam {
    splice: Splice,
    /// From the numbers of the continuation's parts to those of the reply, once its first part is there.
    shift: Option<i32>,
    /// The words of the continuation's first part go into this part.
    into: i32,
    /// How many characters stand in it already.
    before: usize,
    /// True while the first part is the one that goes on.
    joins: bool,
}

impl<S> Continuing<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    /// Passes on the events of a reply that this target has begun.
    pub(super) fn new(way: Way<S>, at: usize, events: ReplyEvents, started: Duration) -> Self {
        let first_token_ms = i64::try_from(way.now().saturating_sub(started).as_millis()).unwrap_or(i64::MAX);
        Self {
            way,
            events,
            at,
            draft: ReplyDraft::new(),
            ready: VecDeque::new(),
            seam: None,
            words: 0,
            calls: false,
            times: 0,
            spent: None,
            first_token_ms,
            is_over: false,
        }
    }

    pub(super) fn into_events(self) -> ReplyEvents {
        Box::pin(stream::unfold(self, async |mut this| this.next().await.map(|event| (event, this))))
    }

    async fn next(&mut self) -> Option<Result<StreamEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.note(&event);
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            match self.events.next().await {
                Some(Ok(StreamEvent { kind: StreamEventKind::Done { reply }, .. })) => self.end(*reply),
                Some(Ok(event)) if self.seam.is_none() => self.ready.push_back(event),
                Some(Ok(event)) => self.join(event),
                Some(Err(error)) => {
                    if let Err(error) = self.go_on(error).await {
                        self.is_over = true;
                        return Some(Err(error));
                    }
                }
                None => self.is_over = true,
            }
        }
    }

    /// Takes in an event on its way to the reader.
    fn note(&mut self, event: &StreamEvent) {
        self.draft.push(event);
        match event.kind {
            StreamEventKind::Text { .. } => self.words = event.part_index,
            StreamEventKind::ToolCallDelta { .. } => self.calls = true,
            _ => {}
        }
    }

    /// Brings one event of a continuation into its place.
    fn join(&mut self, mut event: StreamEvent) {
        let Some(seam) = &mut self.seam else { return };
        match &mut event.kind {
            StreamEventKind::Progress { .. } | StreamEventKind::Usage { .. } => return self.ready.push_back(event),
            StreamEventKind::Reasoning { .. } => return,
            StreamEventKind::Part { part: Part::Opaque { attached: true, .. } }
                if seam.shift.is_none_or(|shift| event.part_index + shift <= seam.into) =>
            {
                return;
            }
            _ => {}
        }
        let is_text = matches!(event.kind, StreamEventKind::Text { .. });
        let shift = *seam.shift.get_or_insert_with(|| {
            seam.joins = is_text;
            seam.into - event.part_index + i32::from(!is_text)
        });
        event.part_index = event.part_index.saturating_add(shift);
        if !seam.joins || event.part_index != seam.into {
            self.flush();
            return self.ready.push_back(event);
        }
        match &mut event.kind {
            StreamEventKind::Text { delta } => {
                *delta = seam.splice.push(delta);
                if !delta.is_empty() {
                    self.ready.push_back(event);
                }
            }
            StreamEventKind::Citation { citation } => {
                let moved =
                    i32::try_from(seam.before).unwrap_or(i32::MAX) - i32::try_from(seam.splice.cut()).unwrap_or(0);
                citation.start = citation.start.saturating_add(moved).max(0);
                citation.end = citation.end.saturating_add(moved).max(0);
                self.flush();
                self.ready.push_back(event);
            }
            _ => self.ready.push_back(event),
        }
    }

    /// Delivers the words that are held back.
    fn flush(&mut self) {
        let Some(seam) = &mut self.seam else { return };
        let delta = seam.splice.finish();
        if !delta.is_empty() {
            self.ready.push_back(StreamEvent::unnumbered(seam.into, StreamEventKind::Text { delta }));
        }
    }

    /// The reply is whole: everything that was delivered, and everything that it took.
    fn end(&mut self, mut reply: Reply) {
        self.flush();
        self.is_over = true;
        if self.times > 0 {
            let mut draft = self.draft.clone();
            self.ready.iter().for_each(|event| draft.push(event));
            reply.parts = draft.into_parts();
            reply.first_token_ms = Some(self.first_token_ms);
            reply.continued = true;
            if let Some((usage, cost)) = self.spent.take() {
                reply.usage = usage.plus(reply.usage);
                reply.cost = cost.plus(reply.cost);
            }
        }
        self.ready.push_back(StreamEvent::unnumbered(0, StreamEventKind::Done { reply: Box::new(reply) }));
    }

    /// Asks for the rest of a reply that broke off.
    ///
    /// # Errors
    /// The failure, with all that was delivered and all that it took, when nothing can or may be continued.
    async fn go_on(&mut self, error: Error) -> Result<()> {
        let brought = self.seam.is_none() || self.seam.as_ref().is_some_and(|seam| seam.shift.is_some());
        self.flush();
        let more = error.spent().map(|(usage, cost)| (usage.clone(), cost.clone()));
        let spent = match (self.spent.take(), more) {
            (Some((usage, cost)), Some((more, dearer))) => Some((usage.plus(more), cost.plus(dearer))),
            (spent, more) => spent.or(more),
        };
        let mut whole = self.draft.clone();
        self.ready.iter().for_each(|event| whole.push(event));
        let parts = whole.into_parts();
        let whole = |error: Error| {
            let error = match &spent {
                Some((usage, cost)) => error.with_spent(usage.clone(), cost.clone()),
                None => error,
            };
            // Before the first continuation the failure itself knows best what had arrived.
            if self.times == 0 && !error.partial().is_empty() { error } else { error.with_partial(parts.clone()) }
        };
        let Call { request, context, .. } = &self.way.call;
        let said = said(&parts).filter(|_| {
            let may = error.kind() == ErrorKind::Truncated && error.reason() != "too_large" && !self.calls;
            let is_time = !context.left(self.way.now()).is_zero();
            may && is_time && brought && self.times < MAX_TIMES && request.output_schema.is_none()
        });
        let Some((said, newest)) = said else { return Err(whole(error)) };
        context.note_broken();
        super::trace::continued(&self.way.call, &error);
        let attempt = i32::try_from(context.attempt_count() + 1).unwrap_or(i32::MAX);
        context.report(Progress::Retrying { attempt, kind: error.kind(), delay_ms: 0 });
        let splice = Splice::new(&said);
        let begun = self.way.begin(self.at, Some(splice.beginning())).await;
        let (at, events) = match begun {
            Ok(begun) => begun,
            // Who stopped the call hears that it was stopped; for everybody else it broke off.
            Err(stopped) if stopped.kind() == ErrorKind::Cancelled => return Err(whole(stopped)),
            Err(_) => return Err(whole(error)),
        };
        (self.at, self.events, self.times) = (at, events, self.times + 1);
        self.spent = spent;
        self.seam = Some(Seam { splice, shift: None, into: self.words, before: newest, joins: false });
        Ok(())
    }
}

/// The words of an answer that can be continued, and how many characters its newest part holds: words, perhaps behind
/// thoughts, and nothing else.
fn said(parts: &[Part]) -> Option<(String, usize)> {
    let mut said = String::new();
    let mut newest = None;
    for part in parts {
        match part {
            Part::Text { text, .. } => {
                said.push_str(text);
                newest = Some(text.chars().count());
            }
            Part::Reasoning { .. } => newest = None,
            Part::Opaque { attached: true, .. } => {}
            _ => return None,
        }
    }
    newest.filter(|_| !said.trim().is_empty()).map(|newest| (said, newest))
}
