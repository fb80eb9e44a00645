//! Full-text search without an index: every message of the user is read and cut into words, each time.

use super::state::{Body, ConversationRow, MessageRow, State};
use crate::base::{ConversationId, MessageId};
use crate::model::{Result, SearchHit, SearchSort};
use crate::store::search::{Has, MAX_RANKED, Query, Rank, cut, is_found, searchable, snippet};
use crate::store::{Content, SearchPlace, SearchQuery, SearchRows};

/// A message that says what is looked for.
struct Match {
    order: i64,
    id: MessageId,
    has: Has,
    score: f64,
}

/// The place of a message in the order of what was saved: milliseconds, and within one the number of the change.
const fn order(row: &MessageRow) -> i64 {
    let (millis, change) = row.made;
    (millis << 21) | (change & ((1 << 21) - 1))
}

impl State {
    pub(super) fn search(&self, owner: &str, query: &SearchQuery) -> Result<Option<SearchRows>> {
        let conversations: Vec<ConversationId> = match query.conversation {
            Some(id) if self.conversation(owner, id).is_ok() => vec![id],
            Some(_) => return Ok(None),
            None => {
                let is_there = |row: &&ConversationRow| row.shown.expires_at.is_none_or(|at| at > self.now);
                self.all_of(owner).filter(is_there).map(|row| row.shown.id).collect()
            }
        };
        let Some(asked) = Query::parse(&query.words)? else { return Ok(Some(SearchRows::default())) };
        let mut rank = Rank::new(&asked);
        let mut found = Vec::new();
        for conversation in conversations {
            let all =
                (conversation, MessageId::from_bytes([0; 16]))..=(conversation, MessageId::from_bytes([0xff; 16]));
            for ((_, id), ()) in self.messages_of.range(all) {
                let Some(row) = self.messages.get(id).filter(|row| is_found(row.role, row.status)) else { continue };
                let text = cut(&self.words_of(row)?);
                let has = rank.see(&text);
                if asked.matches(&text) {
                    found.push(Match { order: order(row), id: *id, has, score: 0.0 });
                }
            }
        }
        let bound = query.after.map_or(i64::MAX, |place| place.order);
        found.sort_by_key(|found| std::cmp::Reverse(found.order));
        let from = match query.sort {
            SearchSort::Recent => found.partition_point(|found| found.order >= bound),
            SearchSort::Relevance => {
                found.retain(|found| found.order <= bound);
                found.truncate(MAX_RANKED);
                for found in &mut found {
                    found.score = rank.score(&found.has);
                }
                // Those that fit as well stay in their order, the newest first.
                found.sort_by(|one, other| other.score.total_cmp(&one.score));
                let position = |place: SearchPlace| found.iter().position(|found| found.id == place.message);
                query.after.map_or(0, |place| place.goes_on_at(position(place)))
            }
        };
        let until = from.saturating_add(query.limit).min(found.len());
        let page = found.get(from..until).unwrap_or_default();
        let items = page.iter().map(|found| self.hit(found, &asked)).collect::<Result<Vec<_>>>()?;
        let next = page.last().filter(|_| until < found.len()).map(|last| SearchPlace {
            message: last.id,
            order: match query.sort {
                SearchSort::Recent => last.order,
                SearchSort::Relevance => found.iter().map(|found| found.order).max().unwrap_or(bound),
            },
            count: u16::try_from(until).unwrap_or(u16::MAX),
        });
        Ok(Some(SearchRows { items, next }))
    }

    fn hit(&self, found: &Match, asked: &Query) -> Result<SearchHit> {
        let row = self.messages.get(&found.id).ok_or_else(crate::store::refusal::no_message)?;
        let head = self.conversations.get(&row.conversation).and_then(|conversation| conversation.shown.head_id);
        Ok(SearchHit {
            message_id: found.id,
            conversation_id: row.conversation,
            score: found.score,
            snippet: snippet(&self.words_of(row)?, asked),
            on_current_branch: self.ancestor(head, row.depth) == Some(found.id),
        })
    }

    fn words_of(&self, row: &MessageRow) -> Result<String> {
        let json = match &row.body {
            Body::Row(json) => json,
            Body::Blob(name) => match self.blobs.get(name) {
                Some(blob) => &blob.data,
                None => return Ok(String::new()),
            },
        };
        Content::decode(json).map(|parts| searchable(&parts))
    }
}
