//! A tool: what a model is told of it, and the function behind it.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::base::{Json, RunId};
use crate::model::ToolSpec;

/// The function behind a tool: arguments in, an answer or the reason why there is none out.
pub(super) type Function = dyn Fn(Json, ToolContext) -> BoxFuture<'static, Result<Json, ToolFailure>> + Send + Sync;

/// Why a call has no answer; the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolFailure {
    /// The arguments do not fit; the function was not called.
    Arguments(String),
    /// The function's own reason.
    Failed(String),
}

/// A tool: a function of yours, with a name and a description for the model.
///
/// # Examples
/// ```
/// use std::convert::Infallible;
/// use tertulia::runs::Tool;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct City {
///     /// As people call it.
///     city: String,
/// }
///
/// let weather = Tool::new("weather", "The weather in a city, today", async |asked: City| {
///     Ok::<_, Infallible>(format!("{}: 24 °C", asked.city))
/// });
/// assert_eq!(weather.spec().name, "weather");
/// ```
#[derive(Clone)]
pub struct Tool {
    pub(super) spec: ToolSpec,
    pub(super) function: Arc<Function>,
    pub(super) needs_approval: bool,
    pub(super) is_idempotent: bool,
    pub(super) timeout: Option<Duration>,
}

/// What a tool may know of its call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolContext {
    /// The run.
    pub run_id: RunId,
    /// Names the call in its round; some providers count anew in each.
    pub call_id: String,
    /// The same for a call that is made again after a crash, and for no other: give it to whom you call as the key by which
    /// a second request is known.
    pub key: String,
    /// Ends when the run is stopped, or the call's time is up. The function's future is dropped then, too; this is for work
    /// that it has given to others.
    pub cancel: CancellationToken,
}

impl Tool {
    /// A tool over a function of one argument, a struct whose fields are what the model fills in. What the model sends is
    /// read as that struct before your function sees it; what does not fit is told to the model, and so is the error that
    /// your function gives.
    ///
    /// Names are letters, digits, `_` and `-`, at most 64.
    pub fn new<A, O, E, F, Fut>(name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize,
        E: Display,
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        Self::with_context(name, description, move |arguments: A, _| function(arguments))
    }

    /// The same, for a function that wants to know of its call.
    pub fn with_context<A, O, E, F, Fut>(name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize,
        E: Display,
        F: Fn(A, ToolContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        let function = Arc::new(function);
        let called = move |arguments: Json, context: ToolContext| -> BoxFuture<'static, Result<Json, ToolFailure>> {
            let function = function.clone();
            Box::pin(async move {
                let arguments = serde_json::from_value(arguments).map_err(|e| ToolFailure::Arguments(e.to_string()))?;
                let answer = function(arguments, context).await.map_err(|e| ToolFailure::Failed(e.to_string()))?;
                serde_json::to_value(answer).map_err(|e| ToolFailure::Failed(e.to_string()))
            })
        };
        Self::of(ToolSpec::new(name, description, schema_of::<A>()), called)
    }

    /// A tool with a schema of your own, over a function that reads its arguments itself. They are not checked before.
    pub fn of<F>(spec: ToolSpec, function: F) -> Self
    where
        F: Fn(Json, ToolContext) -> BoxFuture<'static, Result<Json, ToolFailure>> + Send + Sync + 'static,
    {
        Self { spec, function: Arc::new(function), needs_approval: false, is_idempotent: false, timeout: None }
    }

    /// Each call waits until somebody approves it.
    #[must_use]
    pub const fn needs_approval(mut self) -> Self {
        self.needs_approval = true;
        self
    }

    /// A second call with the same arguments changes nothing more than the first: one that a crash broke off may simply be
    /// made again. Of all other tools the model is told then that nobody knows how it went.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// How long a call may take, instead of what the agent's bounds say.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What a model is told of it.
    #[must_use]
    pub const fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// True when each call waits until somebody approves it.
    #[must_use]
    pub const fn is_approved_first(&self) -> bool {
        self.needs_approval
    }

    /// True when a call that was broken off may be made again.
    #[must_use]
    pub const fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }
}

/// The schema of a type, in itself: providers do not follow references.
pub(in crate::runs) fn schema_of<T: JsonSchema>() -> Json {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("title");
    }
    schema
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tool").field("name", &self.spec.name).finish_non_exhaustive()
    }
}
