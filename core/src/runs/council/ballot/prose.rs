//! The ranking in words: announced, or so whole that it can be nothing else.

use super::runs::{self, Run};
use super::tokens::{Form, Token, tokens};
use super::{Meaning, Order, Unread, by_numbers, named, table, tidy, words};

/// What a line begins with: an answer, or several that are equal.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) labels: Vec<usize>,
    /// True when nothing follows that says why.
    pub(super) is_bare: bool,
    place: Option<f64>,
}

/// A ranking that was found, and in which line it begins.
#[derive(Debug)]
struct Reading {
    line: usize,
    read: Result<Order, Unread>,
}

/// More than these last lines are not looked at, nor more pieces at the end of a line, nor more announcements: enough for
/// any ballot, and few enough to go through them several times.
const MAX_LINES: usize = 1_000;
const MAX_PIECES: usize = 2_000;
const MAX_ANNOUNCEMENTS: usize = 8;

/// The order that a text states: behind its last announcement of one, or in it as a whole.
pub(super) fn read(text: &str, labels: usize) -> Result<Order, Unread> {
    let page = Page::new(text, labels);
    let mut problem = None;
    for (line, from, is_reversed) in page.announcements().into_iter().rev().take(MAX_ANNOUNCEMENTS) {
        match page.behind(line, from).announced(is_reversed) {
            Some(Ok(order)) => return Ok(order),
            Some(Err(found)) => problem = problem.or(Some(found)),
            None => {}
        }
    }
    page.unannounced().unwrap_or(Err(problem.unwrap_or(Unread::NoRanking)))
}

/// The order of a text that stands where one was asked for.
pub(super) fn announced(text: &str, labels: usize) -> Result<Order, Unread> {
    let page = Page::new(text, labels);
    page.announced(false).or_else(|| page.unannounced()).unwrap_or_else(|| read(text, labels))
}

/// What these pieces begin with, if it is an answer. A number before it is its place.
pub(super) fn head(line: &[Token]) -> Option<Head> {
    let is_lead = |token: &Token| matches!(token, Token::Sign('-' | '+' | '#' | '=' | '(' | ')' | '.' | ':' | '>'));
    let after_lead = |from: usize| from + line[from..].iter().take_while(|token| is_lead(token)).count();
    let mut at = after_lead(0);
    let mut place = None;
    match line.get(at)? {
        Token::Number(number)
            if matches!(line.get(at + 1), Some(Token::Sign('.' | ')' | ':' | '-' | '=' | '>') | Token::Label(..))) =>
        {
            place = Some(*number);
            at = after_lead(at + 1);
        }
        Token::Place(number) => {
            place = Some(*number);
            // "First place goes to Response C"; "First, Response C" only begins a sentence.
            let filled =
                |token: &&Token| matches!(token, Token::Word(_) | Token::Sign(':' | '-' | '.' | '(' | ')' | '='));
            at += 1 + line[at + 1..].iter().take(5).take_while(filled).count();
        }
        _ => {}
    }
    let Token::Label(first, form) = *line.get(at)? else { return None };
    at += 1;
    if form == Form::Small && matches!(line.get(at), Some(Token::Word(_) | Token::Number(_))) {
        return None;
    }
    let mut labels = vec![first];
    while let Some((next, behind)) = equal(line, at) {
        labels.push(next);
        at = behind;
    }
    let is_bare = line[at..].iter().all(|token| matches!(token, Token::Sign(_)));
    Some(Head { labels, is_bare, place })
}

/// The answer that is said to be equal at this place, and what is behind it.
fn equal(line: &[Token], at: usize) -> Option<(usize, usize)> {
    let is_sure = match line.get(at)? {
        Token::Sign('=' | '/' | '&') => true,
        Token::Sign(',') => false,
        Token::Word(word) if words::between(&[word.as_str()]) == Some(words::Between::And) => false,
        _ => return None,
    };
    let Token::Label(next, form) = *line.get(at + 1)? else { return None };
    let ends = !matches!(line.get(at + 2), Some(Token::Word(word)) if words::between(&[word.as_str()]).is_none());
    (is_sure || (ends && form > Form::Small)).then_some((next, at + 2))
}

/// A text in lines of pieces.
struct Page {
    text: Vec<String>,
    lines: Vec<Vec<Token>>,
    labels: usize,
}

impl Page {
    fn new(text: &str, labels: usize) -> Self {
        let mut page = Self { text: Vec::new(), lines: Vec::new(), labels };
        let skipped = text.lines().count().saturating_sub(MAX_LINES);
        for line in text.lines().skip(skipped) {
            let mut pieces = tokens(line, labels);
            pieces.drain(..pieces.len().saturating_sub(MAX_PIECES));
            if let [Token::Sign('>' | '='), rest @ ..] = pieces.as_slice() {
                // A chain that goes on in the next line, or a quotation.
                match (page.lines.last_mut().filter(|last| matches!(last.last(), Some(Token::Label(..)))), rest.first())
                {
                    (Some(last), Some(Token::Label(..))) => {
                        last.append(&mut pieces);
                        continue;
                    }
                    _ => pieces.retain({
                        let mut is_first = true;
                        move |_| !std::mem::take(&mut is_first)
                    }),
                }
            }
            page.text.push(line.to_owned());
            page.lines.push(pieces);
        }
        page
    }

    /// What is behind this piece of this line.
    fn behind(&self, line: usize, from: usize) -> Self {
        let mut lines = self.lines[line..].to_vec();
        let from = from.min(lines[0].len());
        lines[0].drain(..from);
        Self { text: self.text[line..].to_vec(), lines, labels: self.labels }
    }

    /// Where rankings are announced: the line, the piece behind the announcement, and whether the worst comes first.
    fn announcements(&self) -> Vec<(usize, usize, bool)> {
        let mut all = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            for at in 0..line.len() {
                let announces = match &line[at..] {
                    [Token::Word(word), ..] if word == "order" => {
                        !matches!(at.checked_sub(1).map(|at| &line[at]), Some(Token::Word(before)) if before == "in")
                    }
                    [Token::Word(word), ..] => words::is_ranking(word),
                    [Token::Place(from), Token::Word(_), Token::Place(to), ..] => from.max(*to) == words::LAST_PLACE,
                    _ => false,
                };
                if announces
                    && !is_denied(&line[..at])
                    && let Some(from) = content(line, at)
                {
                    all.push((number, from, worst_first(line)));
                }
            }
        }
        all
    }

    /// The first order here, where one was announced.
    fn announced(&self, is_reversed: bool) -> Option<Result<Order, Unread>> {
        let enough = 2.min(self.labels);
        let runs = self.runs();
        let chain = runs.iter().find(|(_, run)| run.is_alone && run.labels() >= enough);
        let chain = chain.map(|(line, run)| match run.order() {
            _ if is_reversed && run.is_chain() => Reading { line: *line, read: Err(Unread::Ambiguous) },
            read => Reading { line: *line, read },
        });
        let table = table::read(&self.text.join("\n"), self.labels, true);
        let table =
            table.map(|read| Reading { line: self.text.iter().position(|l| l.contains('|')).unwrap_or(0), read });
        let all = [self.numbered(true), chain, self.valued(true), self.lined(true), table];
        let first = all
            .into_iter()
            .flatten()
            .filter(|reading| reading.read.as_ref().map_or(true, |order| named(order) >= enough));
        let mut order = first.min_by_key(|reading| reading.line)?.read;
        if is_reversed && let Ok(order) = &mut order {
            order.reverse();
        }
        Some(order)
    }

    /// The last order here that names all answers and cannot be a mere list of them.
    fn unannounced(&self) -> Option<Result<Order, Unread>> {
        let table = table::read(&self.text.join("\n"), self.labels, false);
        let table =
            table.map(|read| Reading { line: self.text.iter().rposition(|l| l.contains('|')).unwrap_or(0), read });
        let all = [self.chained(), self.numbered(false), self.valued(false), self.lined(false), table];
        let whole = all
            .into_iter()
            .flatten()
            .filter(|reading| reading.read.as_ref().map_or(true, |order| named(order) == self.labels));
        // Of what begins in one line the first kind.
        whole.rev().max_by_key(|reading| (reading.read.is_ok(), reading.line)).map(|reading| reading.read)
    }

    fn runs(&self) -> Vec<(usize, Run)> {
        let line = |(number, line): (usize, &Vec<Token>)| {
            runs::runs(line).into_iter().map(move |run| (number, run)).collect::<Vec<_>>()
        };
        self.lines.iter().enumerate().flat_map(line).collect()
    }

    /// `C > A > B`, or `C, A, B` when that is all there is.
    fn chained(&self) -> Option<Reading> {
        let runs = self.runs();
        let mut whole = runs.iter().filter(|(line, run)| {
            let is_denied = is_denied(&self.lines[*line][..run.from]);
            run.labels() == self.labels
                && !is_denied
                && (run.is_chain() || (run.is_alone && run.from == 0 && self.is_last(*line)))
        });
        if let Some((line, run)) = whole.clone().rev().find(|(_, run)| run.is_alone) {
            return Some(Reading { line: *line, read: run.order() });
        }
        let (line, first) = whole.next()?;
        let read = first.order();
        let agree = whole.all(|(_, run)| run.order() == read);
        Some(Reading { line: *line, read: if agree { read } else { Err(Unread::Several) } })
    }

    /// True when nothing follows this line.
    fn is_last(&self, line: usize) -> bool {
        self.lines[line + 1..].iter().all(Vec::is_empty)
    }

    /// `1. C`, `2. A`, in lines of their own or one behind the other.
    fn numbered(&self, is_announced: bool) -> Option<Reading> {
        let mut groups: Vec<Vec<(usize, Head)>> = vec![Vec::new()];
        for (number, line) in self.lines.iter().enumerate() {
            for head in inline(line) {
                let place = head.place;
                let group = groups.last_mut()?;
                // Whoever counts from 1 again begins another list, unless all numbers are 1, as Markdown allows.
                let is_anew = place == Some(1.0)
                    && group.iter().any(|(_, head)| head.place == Some(1.0))
                    && group.iter().any(|(_, head)| head.place > Some(1.0));
                if is_anew {
                    groups.push(vec![(number, head)]);
                } else {
                    group.push((number, head));
                }
            }
        }
        let group = if is_announced { groups.into_iter().find(|g| !g.is_empty()) } else { groups.pop() }?;
        let line = group.first()?.0;
        let is_bare = group.iter().all(|(_, head)| head.is_bare) && self.is_all(&group);
        let is_counted = group.iter().any(|(_, head)| head.place != group[0].1.place);
        let order = if is_counted {
            let pairs: Vec<(usize, f64)> = group
                .iter()
                .flat_map(|(_, head)| head.labels.iter().map(|&at| (at, head.place.unwrap_or_default())))
                .collect();
            by_numbers(&pairs, Some(Meaning::Places), true, self.labels)?.ok()?
        } else {
            tidy(group.into_iter().map(|(_, head)| head.labels).collect(), self.labels)?
        };
        (is_announced || is_bare || !is_alphabetical(&order)).then_some(Reading { line, read: Ok(order) })
    }

    /// True when nothing but these lines is there.
    fn is_all(&self, group: &[(usize, Head)]) -> bool {
        let is_there = |number: usize| group.iter().any(|(line, _)| *line == number);
        self.lines.iter().enumerate().all(|(number, line)| line.is_empty() || is_there(number))
    }

    /// `A: 7/10`, `B: second`.
    fn valued(&self, is_announced: bool) -> Option<Reading> {
        let mut first = None;
        let mut meaning = None;
        let mut pairs: Vec<(usize, f64)> = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            for (at, value, meant) in runs::values(line) {
                // Nobody is valued twice in one list; the first one counts where it was announced, else the last.
                let known = pairs.iter().position(|pair| pair.0 == at);
                match known {
                    Some(_) if is_announced => continue,
                    Some(known) => pairs[known].1 = value,
                    None => pairs.push((at, value)),
                }
                meaning = meaning.or(meant);
                first = first.or(Some(number));
            }
        }
        if pairs.len() < self.labels {
            return None;
        }
        let read = by_numbers(&pairs, meaning, is_announced, self.labels)?;
        Some(Reading { line: first?, read })
    }

    /// One answer in each line, the best first.
    fn lined(&self, is_announced: bool) -> Option<Reading> {
        let mut lines = self.lines.iter().enumerate().filter(|(_, line)| !line.is_empty());
        let mut places = Vec::new();
        let mut first = None;
        let mut is_bare = true;
        for (number, line) in lines.by_ref() {
            let Some(head) = head(line).filter(|head| head.place.is_none()) else { break };
            first = first.or(Some(number));
            is_bare &= head.is_bare;
            places.push(head.labels);
        }
        let order = tidy(places.clone(), self.labels).filter(|_| places.len() > 1)?;
        let is_meant =
            if is_announced { is_bare || !is_alphabetical(&order) } else { is_bare && lines.next().is_none() };
        is_meant.then_some(Reading { line: first?, read: Ok(order) })
    }
}

/// The places of one line: the one it begins with, and those behind it that are given in the same way.
fn inline(line: &[Token]) -> Vec<Head> {
    let Some(first) = head(line).filter(|head| head.place.is_some()) else { return Vec::new() };
    let is_word = line.iter().find_map(|token| match token {
        Token::Place(_) => Some(true),
        Token::Number(_) => Some(false),
        _ => None,
    });
    let starts = line.iter().enumerate().skip(1).filter(|(_, token)| match token {
        Token::Place(_) => is_word == Some(true),
        Token::Number(_) => is_word == Some(false),
        _ => false,
    });
    let mut all = vec![first];
    for head in starts.filter_map(|(at, _)| head(&line[at..])) {
        let is_next = all.last().is_some_and(|last: &Head| head.place > last.place);
        if is_next && !all.iter().any(|known| known.labels == head.labels) {
            all.push(head);
        }
    }
    all
}

/// The place of the first piece that an announcement announces; nothing when it announces none.
fn content(line: &[Token], announcement: usize) -> Option<usize> {
    const LEADS: &[&str] = &[
        "is",
        "are",
        "as",
        "be",
        "them",
        "follows",
        "ist",
        "lautet",
        "est",
        "es",
        "sont",
        "son",
        "these",
        "answers",
        "responses",
    ];
    for at in announcement + 1..line.len() {
        match &line[at] {
            Token::Sign(':') => return Some(at + 1),
            Token::Sign('=') if !matches!(line[at - 1], Token::Label(..)) => return Some(at + 1),
            Token::Sign(',' | '.' | ';' | '?' | '!') => return None,
            Token::Label(..) | Token::Number(_) => {
                let is_led = match &line[at - 1] {
                    Token::Word(word) => at - 1 == announcement || LEADS.contains(&word.as_str()),
                    _ => true,
                };
                return is_led.then_some(at);
            }
            _ if at > announcement + 12 => return None,
            _ => {}
        }
    }
    Some(line.len())
}

fn worst_first(line: &[Token]) -> bool {
    let places = |pair: &[Token]| {
        matches!(pair, [Token::Place(from), Token::Word(_), Token::Place(to)]
        if *from == words::LAST_PLACE && *to == 1.0)
    };
    line.windows(3).any(places)
        || line.contains(&Token::Word("ascending".to_owned()))
        || line.windows(2).any(|pair| pair == [Token::Place(words::LAST_PLACE), Token::Place(1.0)])
}

/// True when the last sentence of these pieces denies what follows it.
fn is_denied(before: &[Token]) -> bool {
    let sentence = before.rsplit(|token| matches!(token, Token::Sign('.' | '!' | '?'))).next().unwrap_or_default();
    sentence.iter().any(|token| matches!(token, Token::Word(word) if words::is_denial(word)))
}

/// True for answers one by one in the order shown.
fn is_alphabetical(order: &Order) -> bool {
    order.iter().enumerate().all(|(at, place)| place.as_slice() == [at])
}
