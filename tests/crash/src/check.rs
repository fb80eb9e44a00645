//! What must be true of the store after a kill.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tertulia::{Conversation, ConversationId, Message, MessageStatus, ProviderSpec, Role, Tertulia, TurnId, TurnState};

use crate::Outcome;

/// What the children were told is safe.
#[derive(Default)]
pub struct Ledger {
    turns: BTreeMap<TurnId, Promise>,
    interrupted: u64,
    with_partial: u64,
    retried: u64,
    batches: u64,
    /// What the last acknowledged batch said.
    batched: Option<String>,
}

struct Promise {
    conversation: ConversationId,
    words: String,
    reply_bytes: Option<usize>,
    checked: bool,
}

impl Ledger {
    /// Takes in what a child said. Its last line may be cut.
    pub fn add(&mut self, said: &[String]) -> Outcome<()> {
        for line in said {
            if let Some(words) = line.strip_prefix("batched ") {
                if let Some(words) = words.strip_suffix(" .") {
                    self.batches += 1;
                    self.batched = Some(words.to_owned());
                }
                continue;
            }
            let mut words = line.splitn(4, ' ');
            let (verb, conversation, turn, rest) = (words.next(), words.next(), words.next(), words.next());
            let (Some(verb), Some(conversation), Some(turn), Some(rest)) = (verb, conversation, turn, rest) else {
                continue;
            };
            let turn: TurnId = turn.parse()?;
            match verb {
                "saved" => {
                    let conversation = conversation.parse()?;
                    let promise = Promise { conversation, words: rest.to_owned(), reply_bytes: None, checked: false };
                    self.turns.insert(turn, promise);
                }
                "done" => {
                    let promise = self.turns.get_mut(&turn).ok_or("a turn was done before it was saved")?;
                    promise.reply_bytes = Some(rest.parse()?);
                }
                _ => return Err(format!("the child said `{line}`").into()),
            }
        }
        Ok(())
    }

    /// Opens the store and looks for anything lost, doubled or stuck. With `all`, old promises are looked at again and
    /// one interrupted turn is asked for again.
    pub async fn check(&mut self, store: &str, url: &str, all: bool) -> Outcome<()> {
        let lab = ProviderSpec::openai_chat("lab", format!("{url}/v1"));
        let tertulia = Tertulia::builder().store(store).provider(lab).open().await?;
        let me = tertulia.user("ana");
        self.check_batches(&tertulia).await?;
        let mut histories: BTreeMap<ConversationId, Vec<Message>> = BTreeMap::new();
        let mut again = None;
        for (turn, promise) in &mut self.turns {
            if promise.checked && !all {
                continue;
            }
            let chat = me.conversation(promise.conversation);
            let messages = match histories.entry(promise.conversation) {
                Entry::Occupied(read) => read.into_mut(),
                Entry::Vacant(unread) => unread.insert(everything(&chat).await?),
            };
            let asked: Vec<_> = messages.iter().filter(|m| m.turn_id == Some(*turn) && m.role == Role::User).collect();
            if asked.len() != 1 || asked[0].text() != promise.words {
                return Err(format!("turn {turn}: {} messages for `{}`", asked.len(), promise.words).into());
            }
            let hits = me.search(format!("\"{}\"", promise.words)).await?.items;
            if hits.iter().filter(|hit| hit.message_id == asked[0].id).count() != 1 {
                return Err(format!("turn {turn}: `{}` is found {} times", promise.words, hits.len()).into());
            }
            let answers: Vec<_> =
                messages.iter().filter(|m| m.turn_id == Some(*turn) && m.role == Role::Assistant).collect();
            if answers.len() > 1 {
                return Err(format!("turn {turn} has {} answers on its branch", answers.len()).into());
            }
            let state = chat.turn(*turn).await?.state;
            match (state, answers.first(), promise.reply_bytes) {
                (TurnState::Done, Some(answer), bytes) if bytes.is_none_or(|bytes| bytes == answer.text().len()) => {
                    if answer.status != MessageStatus::Complete {
                        return Err(format!("turn {turn} is done, its answer {:?}", answer.status).into());
                    }
                }
                (TurnState::Interrupted, answer, None) => {
                    if !promise.checked {
                        self.interrupted += 1;
                        self.with_partial += u64::from(answer.is_some_and(|a| !a.text().is_empty()));
                    }
                    // Only the last turn: a new answer to an older one begins a branch of its own.
                    if messages.last().is_some_and(|m| m.turn_id == Some(*turn)) {
                        again = Some((chat.clone(), *turn));
                    }
                }
                (state, answer, bytes) => {
                    let length = answer.map(|a| a.text().len());
                    return Err(format!("turn {turn} is {state:?} with {length:?} bytes, promised {bytes:?}").into());
                }
            }
            promise.checked = true;
        }
        if let Some((chat, turn)) = again.filter(|_| all) {
            let reply = chat.retry(turn).model(crate::child::MODELS[0]).await?.reply().await?;
            let promise = self.turns.get_mut(&turn).ok_or("a turn is gone")?;
            promise.reply_bytes = Some(reply.text().len());
            self.retried += 1;
            if chat.turn(turn).await?.state != TurnState::Done {
                return Err(format!("turn {turn} was asked for again and is not done").into());
            }
        }
        tertulia.close().await?;
        Ok(())
    }

    /// What is said in one batch stands on both sides, or on none.
    async fn check_batches(&self, tertulia: &Tertulia) -> Outcome<()> {
        let ben = tertulia.user("ben");
        let mut sides = Vec::new();
        for side in crate::child::SIDES {
            let page = ben.conversation_for(side).history().limit(200).await?;
            sides.push(page.items.iter().map(Message::text).collect::<Vec<_>>());
        }
        if sides[0] != sides[1] {
            return Err(format!("a batch was divided: {:?} and {:?}", sides[0].last(), sides[1].last()).into());
        }
        match &self.batched {
            Some(words) if !sides[0].contains(words) => Err(format!("the batch `{words}` is lost").into()),
            _ => Ok(()),
        }
    }

    /// Fails when the kills missed a state that they are there to meet.
    pub fn must_have_seen_everything(&self, runs: u64) -> Outcome<()> {
        let done = self.turns.values().filter(|p| p.reply_bytes.is_some()).count();
        if runs >= 100
            && (self.batches == 0 || self.interrupted == 0 || self.with_partial == 0 || self.retried == 0 || done == 0)
        {
            return Err("the kills did not meet every state; the harness proves nothing".into());
        }
        Ok(())
    }

    pub fn summary(&self) -> String {
        format!(
            "{} acknowledged messages, {} batches, {} interrupted turns, {} of them with text, {} asked for again",
            self.turns.len(),
            self.batches,
            self.interrupted,
            self.with_partial,
            self.retried
        )
    }
}

/// Every message of a conversation, page by page.
async fn everything(chat: &Conversation) -> Outcome<Vec<Message>> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let mut page = chat.history().limit(200).before(before).await?;
        page.items.append(&mut all);
        all = page.items;
        match page.before {
            Some(cursor) => before = Some(cursor),
            None => return Ok(all),
        }
    }
}
