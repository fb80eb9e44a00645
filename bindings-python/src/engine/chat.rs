//! What both handles of a conversation hold, and how its streams begin.

use std::sync::Arc;

use futures::FutureExt as _;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::{ConversationId, ConversationOptions, Detail, MessageId, Result, TurnId};

use super::incoming::Opening;
use super::messages::Reading;
use super::options::options;
use super::twins::during;
use super::user::{Scope, User};
use crate::bridge::Feed;
use crate::content::parts;
use crate::convert::{FromPython, Place};

/// What both handles of a conversation hold.
#[derive(Clone)]
pub(super) struct Chat {
    pub(super) scope: Scope,
    pub(super) id: ConversationId,
    pub(super) origin: Origin,
    /// The message from which it is seen.
    pub(super) from: Option<MessageId>,
}

/// Whether a conversation must be there already.
#[derive(Clone)]
pub(super) enum Origin {
    New(Arc<ConversationOptions>),
    Existing,
}

/// A conversation on the way to the engine.
pub(super) struct Open {
    user: User,
    id: ConversationId,
    origin: Origin,
    from: Option<MessageId>,
}

impl Open {
    pub(super) async fn chat(&self) -> Result<tertulia::Conversation> {
        let user = self.user.open().await?;
        let chat = match &self.origin {
            Origin::New(options) => user.new_conversation_at(self.id, (**options).clone()),
            Origin::Existing => user.conversation(self.id),
        };
        Ok(match self.from {
            Some(message) => chat.at(message),
            None => chat,
        })
    }
}

pub(super) fn turn_id(value: &Bound<'_, PyAny>) -> PyResult<TurnId> {
    FromPython::from_python(value, &Place::named("turn_id"))
}

pub(super) fn message_id(value: &Bound<'_, PyAny>) -> PyResult<MessageId> {
    FromPython::from_python(value, &Place::named("message_id"))
}

impl Chat {
    pub(super) fn open(&self, py: Python<'_>) -> PyResult<Open> {
        Ok(Open { user: self.scope.user(py)?, id: self.id, origin: self.origin.clone(), from: self.from })
    }

    /// The conversation as it is seen from this message.
    pub(super) fn at(&self, message: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { from: Some(message_id(message)?), ..self.clone() })
    }

    /// Another conversation of the same user.
    pub(super) fn other(&self, id: ConversationId) -> Self {
        Self { id, origin: Origin::Existing, from: None, ..self.clone() }
    }

    pub(super) fn editing(
        &self,
        py: Python<'_>,
        message: &Bound<'_, PyAny>,
        content: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Opening> {
        let (message, said) = (message_id(message)?, parts(content, &Place::named("content"))?);
        let (options, open) = (options("edit", py, given)?, self.open(py)?);
        let call = async move { open.chat().await?.edit(message, said).with(options).await };
        Ok(during("conversation.edit", call).boxed())
    }

    pub(super) fn regenerating(
        &self,
        py: Python<'_>,
        message: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Opening> {
        let (message, options) = (message_id(message)?, options("regenerate", py, given)?);
        let open = self.open(py)?;
        let call = async move { open.chat().await?.regenerate(message).with(options).await };
        Ok(during("conversation.regenerate", call).boxed())
    }

    pub(super) fn duplicating(
        &self,
        py: Python<'_>,
        message: &Bound<'_, PyAny>,
    ) -> PyResult<impl Future<Output = Result<Self>> + use<>> {
        let (message, open, this) = (message_id(message)?, self.open(py)?, self.clone());
        let call = async move { open.chat().await?.duplicate(message).await.map(|copy| this.other(copy.id())) };
        Ok(during("conversation.duplicate", call))
    }

    pub(super) fn streaming(
        &self,
        py: Python<'_>,
        content: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Opening> {
        let (said, options) = (parts(content, &Place::named("content"))?, options("stream", py, given)?);
        let open = self.open(py)?;
        Ok(during("conversation.stream", async move { open.chat().await?.stream(said).with(options).await }).boxed())
    }

    pub(super) fn retrying(
        &self,
        py: Python<'_>,
        turn: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Opening> {
        let (turn, options) = (turn_id(turn)?, options("retry", py, given)?);
        let open = self.open(py)?;
        Ok(during("conversation.retry", async move { open.chat().await?.retry(turn).with(options).await }).boxed())
    }

    /// Its messages one after the other.
    pub(super) fn reading(
        &self,
        py: Python<'_>,
        newest_first: bool,
        detail: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Feed<Reading>> {
        let detail = self::detail(detail)?;
        Ok(Feed::new(Reading::Closed { open: self.open(py)?, newest_first, detail }))
    }

    pub(super) fn attaching(&self, py: Python<'_>, turn: &Bound<'_, PyAny>, after_seq: i64) -> PyResult<Opening> {
        let turn = turn_id(turn)?;
        let open = self.open(py)?;
        Ok(during("conversation.attach", async move { open.chat().await?.attach(turn, after_seq).await }).boxed())
    }
}

/// How much of each message.
pub(super) fn detail(given: Option<&Bound<'_, PyAny>>) -> PyResult<Detail> {
    given.map_or(Ok(Detail::Full), |word| FromPython::from_python(word, &Place::named("detail")))
}
