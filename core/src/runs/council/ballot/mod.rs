//! Ballots: the ranking in what a reviewer wrote.
//!
//! Reviewers are asked for JSON and write all sorts of things. What is meant beyond doubt is read, in whichever form; what
//! could be meant in two ways is not, because a wrong ballot is worse than none. The reviewer is asked once more then.
//! Where a text holds several rankings the last one counts, and a stated ranking counts more than scores.

mod json;
mod loose;
mod prose;
mod runs;
mod signs;
mod table;
mod tokens;
mod words;

/// Places in the order of the slate, the best first; those of one place are equal.
pub(super) type Order = Vec<Vec<usize>>;

/// Why no ranking could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// There are no words.
    Empty,
    /// Nothing in it puts answers in order.
    NoRanking,
    /// What is put in order is none of the answers.
    UnknownLabels,
    /// It says different things in different places.
    Several,
    /// Numbers that may be places or points.
    Ambiguous,
    /// It breaks off before all answers are named.
    CutOff,
}

impl Unread {
    /// What is wrong, in words for who wrote it and for developers.
    pub(super) const fn problem(self) -> &'static str {
        match self {
            Self::Empty => "it was empty",
            Self::NoRanking => "it puts the answers in no order",
            Self::UnknownLabels => "it names labels that are not among those shown",
            Self::Several => "it gives more than one order",
            Self::Ambiguous => "its numbers may be places or points",
            Self::CutOff => "it breaks off",
        }
    }
}

/// More than this at the end of a text is not looked at.
const MAX_BYTES: usize = 64 * 1024;

/// Reads the ranking of the first so many labels out of a text. A label that it does not name is in no place.
///
/// # Errors
/// Why there is none.
pub(super) fn read(text: &str, labels: usize) -> Result<Order, Unread> {
    let mut from = text.len().saturating_sub(MAX_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let said = signs::without_thoughts(&text[from..]);
    let said = signs::plain(&said);
    if said.trim().is_empty() {
        return Err(if text.trim().is_empty() { Unread::Empty } else { Unread::CutOff });
    }
    let (stated, rest) = json::read(&said, labels);
    match stated {
        Some(Ok(order)) => Ok(order),
        Some(Err(problem)) => prose::read(&rest, labels).map_err(|_| problem),
        None => prose::read(&rest, labels),
    }
}

/// An order of so many labels: what is named twice keeps its first place, what is empty is left out. Nothing when nobody
/// is named.
fn tidy(places: Order, labels: usize) -> Option<Order> {
    let mut seen = vec![false; labels];
    let mut order = Order::new();
    for place in places {
        let new: Vec<usize> =
            place.into_iter().filter(|&at| at < labels && !std::mem::replace(&mut seen[at], true)).collect();
        if !new.is_empty() {
            order.push(new);
        }
    }
    (!order.is_empty()).then_some(order)
}

/// How many labels an order names.
fn named(order: &Order) -> usize {
    order.iter().map(Vec::len).sum()
}

/// What the numbers beside labels mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Places: 1 is the best.
    Places,
    /// Points: the most is the best.
    Points,
}

/// The order that numbers beside labels say. Without a word for what they mean it is seen from them, unless they could be
/// both; `is_ranking` says that they were announced as a ranking, which makes such numbers places.
fn by_numbers(
    pairs: &[(usize, f64)],
    meaning: Option<Meaning>,
    is_ranking: bool,
    labels: usize,
) -> Option<Result<Order, Unread>> {
    if pairs.len() < 2.min(labels) {
        return None;
    }
    let meaning = match meaning {
        Some(meaning) => meaning,
        None if !may_be_places(pairs) => Meaning::Points,
        None if is_ranking => Meaning::Places,
        None => return Some(Err(Unread::Ambiguous)),
    };
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| match meaning {
        Meaning::Places => a.1.total_cmp(&b.1),
        Meaning::Points => b.1.total_cmp(&a.1),
    });
    let mut places = Order::new();
    let mut last = None;
    for (at, number) in sorted {
        match places.last_mut().filter(|_| last == Some(number)) {
            Some(place) => place.push(at),
            None => places.push(vec![at]),
        }
        last = Some(number);
    }
    // Who is not named is not behind the last one.
    if meaning == Meaning::Places && last == Some(words::LAST_PLACE) {
        let left = (0..labels).filter(|at| !pairs.iter().any(|pair| pair.0 == *at)).collect();
        places.insert(places.len() - 1, left);
    }
    tidy(places, labels).map(Ok)
}

/// True when these are numbers such as places have: from 1 on, none beyond their count.
fn may_be_places(pairs: &[(usize, f64)]) -> bool {
    let lowest = pairs.iter().map(|pair| pair.1).fold(f64::INFINITY, f64::min);
    let is_one =
        |number: f64| number.fract() == 0.0 && number - lowest < f64::from(u32::try_from(pairs.len()).unwrap_or(0));
    (lowest == 0.0 || lowest == 1.0) && pairs.iter().all(|pair| is_one(pair.1))
}
