//! Nodes of another program's tree, in any order, as messages of which each stands behind the one above it. Nodes without
//! words (roots, hidden marks) are gone; what stood below them stands below what was above.

use std::collections::{HashMap, HashSet};

use super::items::At;
use super::steps::{Said, Step, Taker, Words};
use crate::base::{ConversationId, MessageId};
use crate::model::{Result, text_of};

/// A node as its program knows it.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) above: Option<String>,
    /// What it says, if anything.
    pub(super) words: Option<Words>,
}

/// A node that says something, in its place.
struct Placed {
    node: usize,
    above: Option<usize>,
    on_way: bool,
}

/// Gives the messages, and the one that is shown: the one that is named, or the last one. Nodes that stand in the same
/// place keep their order.
pub(super) fn grow(
    (at, conversation): (At, ConversationId),
    nodes: Vec<Node>,
    shown: Option<&str>,
    each: &mut Taker<'_>,
) -> Result<()> {
    let mut index: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
    let mut doubled = HashSet::new();
    for (number, node) in nodes.iter().enumerate() {
        if index.contains_key(node.name.as_str()) {
            doubled.insert(number);
            each(at.problem("duplicate_id", "two messages have the same id; the first one was taken").into())?;
        } else {
            index.insert(&node.name, number);
        }
    }
    let mut below: Vec<Vec<usize>> = nodes.iter().map(|_| Vec::new()).collect();
    let mut roots = Vec::new();
    let mut above: Vec<Option<usize>> = Vec::with_capacity(nodes.len());
    for (number, node) in nodes.iter().enumerate() {
        let parent = node.above.as_deref().map(|name| index.get(name).copied());
        above.push(parent.flatten());
        if doubled.contains(&number) {
            continue;
        }
        match parent {
            Some(Some(parent)) => {
                if let Some(children) = below.get_mut(parent) {
                    children.push(number);
                }
            }
            Some(None) => {
                each(at.problem("orphan", "the message above one is missing; it was put at the beginning").into())?;
                roots.push(number);
            }
            None => roots.push(number),
        }
    }
    let way = way_to(shown.and_then(|name| index.get(name).copied()), &above);
    let mut seen = vec![false; nodes.len()];
    let mut placed: Vec<Placed> = Vec::with_capacity(nodes.len());
    for root in roots {
        place(root, &nodes, &below, &way, &mut seen, &mut placed);
    }
    for number in 0..nodes.len() {
        if seen.get(number) == Some(&false) && !doubled.contains(&number) {
            each(at.problem("circle", "messages stand above each other in a circle; it was cut").into())?;
            place(number, &nodes, &below, &way, &mut seen, &mut placed);
        }
    }
    emit((at, conversation), nodes, &placed, shown.is_some(), each)
}

/// The nodes from this one to the beginning.
fn way_to(node: Option<usize>, above: &[Option<usize>]) -> HashSet<usize> {
    let (mut way, mut next) = (HashSet::new(), node);
    while let Some(at) = next.filter(|at| way.insert(*at)) {
        next = above.get(at).copied().flatten();
    }
    way
}

/// Puts everything from this node on into its place.
fn place(
    root: usize,
    nodes: &[Node],
    below: &[Vec<usize>],
    way: &HashSet<usize>,
    seen: &mut [bool],
    placed: &mut Vec<Placed>,
) {
    let mut open = vec![(root, None)];
    while let Some((number, mut above)) = open.pop() {
        let Some(seen) = seen.get_mut(number).filter(|seen| !**seen) else { continue };
        *seen = true;
        if nodes.get(number).is_some_and(|node| node.words.is_some()) {
            placed.push(Placed { node: number, above, on_way: way.contains(&number) });
            above = Some(placed.len() - 1);
        }
        let children = below.get(number).map_or(&[][..], Vec::as_slice);
        open.extend(children.iter().rev().map(|child| (*child, above)));
    }
}

fn emit(
    (at, conversation): (At, ConversationId),
    mut nodes: Vec<Node>,
    placed: &[Placed],
    is_named: bool,
    each: &mut Taker<'_>,
) -> Result<()> {
    let beginning = placed.len();
    let place_of = |placed: &Placed| placed.above.unwrap_or(beginning);
    // Of each place the child with which the way goes on: the one on the way that is shown, or the last.
    let mut goes_on: Vec<Option<usize>> = vec![None; placed.len() + 1];
    let mut head = None;
    for (number, one) in placed.iter().enumerate() {
        let current = goes_on.get(place_of(one)).copied().flatten();
        let is_fixed = current.and_then(|other| placed.get(other)).is_some_and(|other| other.on_way);
        if !is_fixed && let Some(slot) = goes_on.get_mut(place_of(one)) {
            *slot = Some(number);
        }
        if one.on_way {
            head = Some(number);
        }
    }
    if head.is_none() || !is_named {
        let mut next = goes_on.get(beginning).copied().flatten();
        while let Some(number) = next {
            head = Some(number);
            next = goes_on.get(number).copied().flatten();
        }
    }
    if let Some(slot) = head.and_then(|head| goes_on.get_mut(head)) {
        *slot = None;
    }
    let mut ids: Vec<MessageId> = Vec::with_capacity(placed.len());
    for (number, one) in placed.iter().enumerate() {
        let Some(node) = nodes.get_mut(one.node) else { continue };
        let Some(words) = node.words.take() else { continue };
        let id = MessageId::imported(conversation, node.name.as_bytes());
        ids.push(id);
        let parent = one.above.and_then(|above| ids.get(above)).copied();
        let selected = goes_on.get(place_of(one)).copied().flatten() == Some(number);
        let size = 256 + text_of(&words.parts).len();
        each(Step::Message(Box::new(Said { at, id, parent, selected, words, size })))?;
    }
    match head.and_then(|head| ids.get(head)) {
        Some(head) => each(Step::Shown(*head)),
        None => Ok(()),
    }
}
