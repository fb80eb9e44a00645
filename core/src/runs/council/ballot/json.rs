//! The ranking in JSON, as it was asked for or nearly so.

use super::loose::{Found, Loose, found};
use super::tokens::{Token, tokens};
use super::{Meaning, Order, Unread, by_numbers, named, prose, tidy, words};

/// What a text says in JSON, if anything, and what else is in it. The last ranking counts; a mistaken one only when there
/// is no other.
pub(super) fn read(text: &str, labels: usize) -> (Option<Result<Order, Unread>>, String) {
    let all = found(text);
    let outside = |except: &Found| text[..except.from].trim().is_empty() && text[except.to..].trim().is_empty();
    let mut read: Option<Result<Order, Unread>> = None;
    for piece in &all {
        let said = match &piece.value {
            Loose::List(values) => bare_list(values, labels, outside(piece)),
            value => stated(value, labels, 0).or_else(|| implied(value, labels, 0)),
        };
        let said = said.map(|said| said.and_then(|order| whole_enough(order, piece.is_whole, labels)));
        read = match (read, said) {
            (read, None) => read,
            (Some(Ok(order)), Some(Err(_))) => Some(Ok(order)),
            (_, said) => said,
        };
    }
    // What was said in JSON is not read once more as words. A list may be words in brackets.
    let mut rest = text.to_owned();
    for piece in all.iter().rev().filter(|piece| matches!(piece.value, Loose::Object(_))) {
        rest.replace_range(piece.from..piece.to, "\n");
    }
    (read, rest)
}

/// An order out of JSON that breaks off counts when no more than the last place is missing.
fn whole_enough(order: Order, is_whole: bool, labels: usize) -> Result<Order, Unread> {
    if is_whole || named(&order) + 1 >= labels { Ok(order) } else { Err(Unread::CutOff) }
}

/// A ranking under a name that says so, at any depth.
fn stated(value: &Loose, labels: usize, depth: usize) -> Option<Result<Order, Unread>> {
    let Loose::Object(fields) = value else { return None };
    let own = fields
        .iter()
        .find(|(key, _)| words::is_ranking_key(&key.to_lowercase()) && !is_answer(key, labels) && place(key).is_none());
    if let Some((_, value)) = own.filter(|(_, value)| !matches!(value, Loose::Number(_))) {
        return Some(ranking(value, labels, depth));
    }
    fields.iter().find_map(|(_, value)| stated(value, labels, depth + 1))
}

/// What stands under such a name.
fn ranking(value: &Loose, labels: usize, depth: usize) -> Result<Order, Unread> {
    match value {
        Loose::Text(text) => prose::announced(text, labels),
        Loose::Number(_) => Err(Unread::Ambiguous),
        Loose::List(values) => match values.as_slice() {
            [] => Err(Unread::NoRanking),
            [Loose::Text(text)] if answers(text, labels).is_empty() || text.contains(['>', ',']) => {
                prose::announced(text, labels).map_err(|_| Unread::UnknownLabels)
            }
            values if values.iter().all(|value| matches!(value, Loose::Number(_))) => Err(Unread::Ambiguous),
            values => numbered(values, labels).unwrap_or_else(|| listed(values, labels)),
        },
        Loose::Object(_) => stated(value, labels, depth + 1)
            .or_else(|| beside_answers(value, labels, true))
            .or_else(|| beside_places(value, labels))
            .unwrap_or(Err(Unread::NoRanking)),
    }
}

/// A ranking that follows from points, or from numbers without a name.
fn implied(value: &Loose, labels: usize, depth: usize) -> Option<Result<Order, Unread>> {
    let Loose::Object(fields) = value else { return None };
    beside_answers(value, labels, false).or_else(|| beside_places(value, labels)).or_else(|| {
        fields.iter().find_map(|(key, value)| match value {
            Loose::List(values) => numbered(values, labels),
            Loose::Object(_) if words::is_points(&key.to_lowercase()) => {
                by_numbers(&pairs(value, labels)?.0, Some(Meaning::Points), false, labels)
            }
            Loose::Object(_) if depth < 4 => implied(value, labels, depth + 1),
            _ => None,
        })
    })
}

/// `{"A": 7, "B": 9}`
fn beside_answers(value: &Loose, labels: usize, is_ranking: bool) -> Option<Result<Order, Unread>> {
    let (pairs, meaning) = pairs(value, labels)?;
    by_numbers(&pairs, meaning, is_ranking, labels)
}

/// Answers with a number each, and what the numbers are called.
type Pairs = (Vec<(usize, f64)>, Option<Meaning>);

/// Answers that are keys, with the number beside each, and what the numbers are called.
fn pairs(value: &Loose, labels: usize) -> Option<Pairs> {
    let Loose::Object(fields) = value else { return None };
    let mut meaning = None;
    let mut pairs = Vec::new();
    for (key, value) in fields {
        if let (Some(at), Some((number, meant))) = (one(&answers(key, labels)), number(value)) {
            meaning = meaning.or(meant);
            pairs.push((at, number));
        }
    }
    (!pairs.is_empty()).then_some((pairs, meaning))
}

/// `{"1": "B", "2": "A"}`
fn beside_places(value: &Loose, labels: usize) -> Option<Result<Order, Unread>> {
    let Loose::Object(fields) = value else { return None };
    let mut places = Vec::new();
    for (key, value) in fields {
        let Some(place) = place(key) else { continue };
        let there = match value {
            Loose::Text(text) => answers(text, labels),
            Loose::List(values) => values.iter().flat_map(|value| answer_in(value, labels)).collect(),
            Loose::Object(_) => answer_in(value, labels),
            Loose::Number(_) => Vec::new(),
        };
        places.extend(there.into_iter().map(|at| (at, place)));
    }
    by_numbers(&places, Some(Meaning::Places), true, labels)
}

/// A list of objects with an answer and a number each: `[{"label": "A", "score": 7}, …]`
fn numbered(values: &[Loose], labels: usize) -> Option<Result<Order, Unread>> {
    let mut meaning = None;
    let mut pairs = Vec::new();
    for value in values {
        let Loose::Object(fields) = value else { return None };
        let named = |is_it: fn(&str) -> bool| fields.iter().find(|(key, _)| is_it(&key.to_lowercase()));
        let is_rank: fn(&str) -> bool = |key| words::is_place(key) || words::is_ranking_key(key);
        let (meant, (_, value_of)) = named(is_rank)
            .map(|field| (Meaning::Places, field))
            .or_else(|| named(words::is_points).map(|field| (Meaning::Points, field)))?;
        let (number, _) = number(value_of)?;
        meaning = meaning.or(Some(meant));
        pairs.extend(one(&answer_in(value, labels)).map(|at| (at, number)));
    }
    by_numbers(&pairs, meaning, true, labels)
}

/// A list in the order meant; lists in it are of equals.
fn listed(values: &[Loose], labels: usize) -> Result<Order, Unread> {
    let place = |value: &Loose| match value {
        Loose::List(equals) => equals.iter().flat_map(|value| answer_in(value, labels)).collect(),
        value => answer_in(value, labels),
    };
    tidy(values.iter().map(place).collect(), labels).ok_or(Unread::UnknownLabels)
}

/// A list without a name is a ranking when it is of labels alone, and is all that was written or names all of them.
fn bare_list(values: &[Loose], labels: usize, is_all: bool) -> Option<Result<Order, Unread>> {
    if let Some(read) = numbered(values, labels) {
        return Some(read);
    }
    if values.iter().any(|value| matches!(value, Loose::Number(_)) || answer_deep(value, labels).is_empty()) {
        return None;
    }
    let order = listed(values, labels).ok()?;
    (named(&order) == labels || (is_all && named(&order) > 1)).then_some(Ok(order))
}

fn answer_deep(value: &Loose, labels: usize) -> Vec<usize> {
    match value {
        Loose::List(values) => values.iter().flat_map(|value| answer_in(value, labels)).collect(),
        value => answer_in(value, labels),
    }
}

/// The answers that a value names: itself a label, or an object with one.
fn answer_in(value: &Loose, labels: usize) -> Vec<usize> {
    match value {
        Loose::Text(text) => answers(text, labels),
        Loose::Object(fields) => {
            let own = fields.iter().find_map(|(_, value)| match value {
                Loose::Text(text) => Some(answers(text, labels)).filter(|found| !found.is_empty() && text.len() < 40),
                _ => None,
            });
            // `[{"B": "why"}, …]`
            own.or_else(|| match fields.as_slice() {
                [(key, _)] => Some(answers(key, labels)),
                _ => None,
            })
            .unwrap_or_default()
        }
        Loose::Number(_) | Loose::List(_) => Vec::new(),
    }
}

/// The answers that a text begins with: "C", "Response C (best)", "A = B".
fn answers(text: &str, labels: usize) -> Vec<usize> {
    prose::head(&tokens(text, labels)).map_or_else(Vec::new, |head| head.labels)
}

/// The only one.
fn one(answers: &[usize]) -> Option<usize> {
    if let [at] = answers { Some(*at) } else { None }
}

/// True when a key names an answer and no more.
fn is_answer(key: &str, labels: usize) -> bool {
    matches!(tokens(key, labels).as_slice(), [Token::Label(..)])
}

/// The number of a value, and what it is called.
fn number(value: &Loose) -> Option<(f64, Option<Meaning>)> {
    match value {
        Loose::Number(number) => Some((*number, None)),
        Loose::Text(text) => match tokens(text, 0).as_slice() {
            [Token::Place(place), ..] => Some((*place, Some(Meaning::Places))),
            [Token::Sign('#'), Token::Number(place)] => Some((*place, Some(Meaning::Places))),
            [Token::Number(points), Token::Sign('/'), Token::Number(_), ..] => Some((*points, Some(Meaning::Points))),
            [Token::Number(number)] => Some((*number, None)),
            [Token::Number(points), Token::Word(word)] if words::is_points(word) => {
                Some((*points, Some(Meaning::Points)))
            }
            _ => None,
        },
        Loose::Object(fields) => fields.iter().find_map(|(key, value)| {
            let key = key.to_lowercase();
            let meaning = if words::is_place(&key) || words::is_ranking_key(&key) {
                Meaning::Places
            } else if words::is_points(&key) {
                Meaning::Points
            } else {
                return None;
            };
            Some((number(value)?.0, Some(meaning)))
        }),
        Loose::List(_) => None,
    }
}

/// The place that a key stands for: "1", "1st", "first place", "rank_2".
fn place(key: &str) -> Option<f64> {
    match tokens(&key.replace('_', " ").to_lowercase(), 0).as_slice() {
        [Token::Number(place) | Token::Place(place)] => Some(*place),
        [Token::Place(place), Token::Word(word)] if words::is_place(word) => Some(*place),
        _ => None,
    }
}
