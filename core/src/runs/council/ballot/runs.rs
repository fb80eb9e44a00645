//! Labels one behind the other: `C > A = B`, `C, A, B`, "C, then A"; and labels with a value each.

use super::tokens::{Form, Token};
use super::words::{self, Between};
use super::{Meaning, Order, Unread, tidy};

/// What stands between two labels of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// `>`
    Before,
    /// "then", "followed by"
    Then,
    /// `<`
    Behind,
    /// `=`
    Equal,
    /// "and", `&`
    And,
    /// `,`
    Comma,
    /// `-`
    Dash,
    /// A blank.
    Nothing,
}

/// Labels in a line, one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Run {
    names: Vec<usize>,
    joints: Vec<Joint>,
    /// The piece it begins with.
    pub(super) from: usize,
    /// True when nothing but an introduction is before it in its line, and nothing behind it.
    pub(super) is_alone: bool,
}

impl Run {
    /// How many labels it names.
    pub(super) fn labels(&self) -> usize {
        let mut names = self.names.clone();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// True when a sign or word says who is before whom.
    pub(super) fn is_chain(&self) -> bool {
        self.joints.iter().any(|joint| matches!(joint, Joint::Before | Joint::Then | Joint::Behind))
    }

    /// The order that it states.
    pub(super) fn order(&self) -> Result<Order, Unread> {
        let has = |joint| self.joints.contains(&joint);
        if has(Joint::Behind) && (has(Joint::Before) || has(Joint::Then)) {
            return Err(Unread::Several);
        }
        // Where signs say what is before what, a comma says that it is equal. A list is in order itself, its last "and", too.
        let is_signed = has(Joint::Before) || has(Joint::Behind);
        let is_even = |at: usize, joint: Joint| match joint {
            Joint::Equal => true,
            Joint::And => is_signed || has(Joint::Then) || at + 1 < self.joints.len() || self.joints.len() == 1,
            Joint::Comma | Joint::Nothing | Joint::Dash => is_signed,
            Joint::Before | Joint::Then | Joint::Behind => false,
        };
        let mut places = vec![vec![self.names[0]]];
        for (at, (&joint, &name)) in self.joints.iter().zip(&self.names[1..]).enumerate() {
            match places.last_mut().filter(|_| is_even(at, joint)) {
                Some(place) => place.push(name),
                None => places.push(vec![name]),
            }
        }
        if has(Joint::Behind) {
            places.reverse();
        }
        let labels = self.names.iter().max().map_or(0, |last| last + 1);
        tidy(places, labels).ok_or(Unread::NoRanking)
    }
}

/// All runs of two labels and more in a line, and a line that is one label.
pub(super) fn runs(line: &[Token]) -> Vec<Run> {
    let pieces = without_asides(line);
    let mut runs = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let Some((name, _)) = label(&pieces, at) else {
            at += 1;
            continue;
        };
        let (start, mut end) = (at, at + 1);
        let mut run = Run { names: vec![name], joints: Vec::new(), from: pieces[start].0, is_alone: false };
        while let Some((joint, next)) = joint(&pieces, end) {
            let Some((name, _)) = label(&pieces, next) else { break };
            run.joints.push(joint);
            run.names.push(name);
            end = next + 1;
        }
        run.is_alone = introduces(&pieces[..start]) && ends(&pieces[end..]);
        let is_small = pieces[start..end].iter().any(|(_, token)| matches!(token, Token::Label(_, Form::Small)));
        let is_list = !run.is_chain() && !run.joints.contains(&Joint::Equal);
        // Small letters are labels where nothing else can be meant.
        if run.names.len() > 1 && !(is_small && is_list && !run.is_alone) {
            runs.push(run);
        }
        at = end;
    }
    runs
}

/// A line without what is in parentheses, unless that is labels; each piece with its place in the line.
fn without_asides(line: &[Token]) -> Vec<(usize, &Token)> {
    let is_sign = |token: &Token, sign| *token == Token::Sign(sign);
    let mut kept = Vec::with_capacity(line.len());
    let mut at = 0;
    while at < line.len() {
        let is_open = is_sign(&line[at], '(');
        let close = is_open.then(|| line[at..].iter().position(|token| is_sign(token, ')'))).flatten();
        match close.map(|more| at + more) {
            Some(close) => {
                let inside = &line[at + 1..close];
                let is_labels =
                    inside.iter().all(|t| matches!(t, Token::Label(..) | Token::Sign('=' | ',' | '&' | '>' | '/')));
                if is_labels {
                    kept.extend(inside.iter().enumerate().map(|(more, token)| (at + 1 + more, token)));
                }
                at = close + 1;
            }
            None => {
                kept.push((at, &line[at]));
                at += 1;
            }
        }
    }
    kept
}

fn label(pieces: &[(usize, &Token)], at: usize) -> Option<(usize, Form)> {
    match pieces.get(at)?.1 {
        Token::Label(name, form) => Some((*name, *form)),
        _ => None,
    }
}

/// What joins the label before this place to the next one, and where that is.
fn joint(pieces: &[(usize, &Token)], from: usize) -> Option<(Joint, usize)> {
    let mut joint = Joint::Nothing;
    let mut spoken: Vec<&str> = Vec::new();
    for (more, (_, token)) in pieces.get(from..)?.iter().enumerate().take(8) {
        let next = match token {
            Token::Label(..) => {
                let said = if spoken.is_empty() { None } else { Some(words::between(&spoken)?) };
                let joint = match said {
                    Some(Between::Before) => Joint::Then,
                    Some(Between::And) => Joint::And,
                    None => joint,
                };
                return Some((joint, from + more));
            }
            Token::Word(word) => {
                // "which is" adds nothing, and neither does an article.
                let is_article = matches!(word.as_str(), "the" | "la" | "le" | "el" | "die" | "il" | "a");
                if !is_article && !matches!(word.as_str(), "which" | "by" if spoken.is_empty()) {
                    spoken.push(word);
                }
                continue;
            }
            Token::Sign('>') => Joint::Before,
            Token::Sign('<') => Joint::Behind,
            Token::Sign('=' | '/') => Joint::Equal,
            Token::Sign('&') => Joint::And,
            Token::Sign(',' | ';') => Joint::Comma,
            Token::Sign('-') => Joint::Dash,
            Token::Sign('.' | ':') if joint == Joint::Before => continue,
            _ => return None,
        };
        // "C > > A", "A , > B": the stronger sign counts.
        joint = match (joint, next) {
            (Joint::Before, _) | (_, Joint::Before) => Joint::Before,
            (Joint::Behind, _) | (_, Joint::Behind) => Joint::Behind,
            (_, next) => next,
        };
    }
    None
}

/// True when these pieces lead to an order: nothing, or words up to a colon and the like.
fn introduces(before: &[(usize, &Token)]) -> bool {
    const LEADS: &[&str] = &["is", "be", "as", "them", "follows", "ist", "lautet", "est", "es", "ranking", "order"];
    match before.last().map(|(_, token)| *token) {
        None => true,
        Some(Token::Sign(':' | '=' | '>' | '(' | '-' | '#')) => true,
        Some(Token::Word(word)) => LEADS.contains(&word.as_str()) || words::is_ranking(word),
        _ => false,
    }
}

fn ends(behind: &[(usize, &Token)]) -> bool {
    matches!(behind, [] | [(_, Token::Sign('.' | '!' | ';' | ')' | '-')), ..])
}

/// Labels of a line with the value of each: `A: 7/10`, "A ranks second".
pub(super) fn values(line: &[Token]) -> Vec<(usize, f64, Option<Meaning>)> {
    let starts: Vec<usize> = line
        .iter()
        .enumerate()
        .filter(|(_, token)| matches!(token, Token::Label(_, form) if *form > Form::Small))
        .map(|(at, _)| at)
        .collect();
    // Values belong to labels before them: the line begins with one.
    let is_lead = |token: &Token| matches!(token, Token::Sign('-' | '+' | '#' | '.' | '('));
    if starts.first().is_none_or(|&first| !line[..first].iter().all(is_lead)) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(line.len()).min(start + 12);
        let Token::Label(at, _) = line[start] else { continue };
        if let Some((value, meaning)) = value(&line[start + 1..end]) {
            all.push((at, value, meaning));
        } else if starts.len() > 1 {
            // A label without a value: the line compares answers.
            return Vec::new();
        }
    }
    all
}

fn value(behind: &[Token]) -> Option<(f64, Option<Meaning>)> {
    let points = Some(Meaning::Points);
    for at in 0..behind.len() {
        match &behind[at..] {
            [Token::Place(place), ..] => return Some((*place, Some(Meaning::Places))),
            [Token::Sign('#'), Token::Number(place), ..] => return Some((*place, Some(Meaning::Places))),
            [Token::Number(number), Token::Sign('/'), Token::Number(_), ..] => return Some((*number, points)),
            [Token::Number(number), Token::Word(word), Token::Number(_), ..]
                if matches!(word.as_str(), "of" | "von" | "sur" | "out") =>
            {
                return Some((*number, points));
            }
            [Token::Number(number), Token::Word(word), ..] if words::is_points(word) => return Some((*number, points)),
            [Token::Word(word), Token::Number(number), ..] if words::is_points(word) => return Some((*number, points)),
            [Token::Word(word), Token::Sign(':' | '=' | '-'), Token::Number(number), ..] if words::is_points(word) => {
                return Some((*number, points));
            }
            _ => {}
        }
    }
    // A number and nothing else.
    match behind {
        [Token::Sign(':' | '-' | '=' | '('), Token::Number(number), rest @ ..]
            if rest.iter().all(|token| matches!(token, Token::Sign(_))) =>
        {
            Some((*number, None))
        }
        _ => None,
    }
}
