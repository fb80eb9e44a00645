//! The agent as a value.

use std::marker::PhantomData;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounds::Bounds;
use super::output::Shape;
use crate::base::Json;
use crate::model::{AgentResult, Error, OutputSchema, Result};
use crate::runs::Program;
use crate::runs::program::work::{Work, Works};
use crate::runs::tools::Tool;

/// Instructions, tools, and the type of the answer. A value: make it once, run it in any conversation.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> tertulia::Result<()> {
/// use tertulia::Tertulia;
/// use tertulia::runs::Agent;
///
/// let tertulia = Tertulia::builder().store("memory:").model("echo/any").open().await?;
/// let chat = tertulia.user("ana").new_conversation();
/// let result = chat.run(&Agent::new("You plan trips."), "A weekend in Cádiz").await?;
/// assert!(result.output.contains("Cádiz"));
/// tertulia.close().await
/// # }
/// ```
pub struct Agent<T = String> {
    pub(super) instructions: String,
    pub(super) model: Option<String>,
    pub(super) tools: Vec<Tool>,
    pub(super) bounds: Bounds,
    pub(super) shape: Shape,
    output: PhantomData<fn() -> T>,
}

impl Agent {
    /// An agent with these instructions, whose answer is its words.
    #[must_use]
    pub fn new(instructions: impl Into<String>) -> Self {
        Self {
            instructions: instructions.into(),
            model: None,
            tools: Vec::new(),
            bounds: Bounds::default(),
            shape: Shape::Words,
            output: PhantomData,
        }
    }
}

impl<T> Agent<T> {
    /// Its model, as `provider/model`, where the run is given none.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// One tool more.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// What a run of it may do at most.
    #[must_use]
    pub const fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Its answer is a value of this type: the model is shown its schema, what it answers is read as the type, and where it
    /// does not fit the model is told why and asked to mend it.
    #[must_use]
    pub fn output<O: DeserializeOwned + Serialize + JsonSchema + 'static>(self) -> Agent<O> {
        self.shaped(Shape::of::<O>())
    }

    /// Its answer is a value of this schema, which is read by a function of yours. It gets the answer's JSON, and gives the
    /// value, or the reason why it is none, for the model to read.
    #[must_use]
    pub fn output_by(
        self,
        schema: OutputSchema,
        read: impl Fn(&str) -> std::result::Result<Json, String> + Send + Sync + 'static,
    ) -> Agent<Json> {
        self.shaped(Shape::Value { schema, read: Arc::new(read) })
    }

    /// The same agent, whose output is given as JSON: one type for agents of any output.
    #[must_use]
    pub fn untyped(self) -> Agent<Json> {
        let shape = self.shape.clone();
        self.shaped(shape)
    }

    fn shaped<O>(self, shape: Shape) -> Agent<O> {
        let Self { instructions, model, tools, bounds, .. } = self;
        Agent { instructions, model, tools, bounds, shape, output: PhantomData }
    }
}

impl<T: DeserializeOwned + Send + 'static> Program for Agent<T> {
    type Output = AgentResult<T>;
}

impl<T: 'static> Works for Agent<T> {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn check(&self) -> Result<()> {
        self.bounds.check()?;
        for (place, tool) in self.tools.iter().enumerate() {
            let name = &tool.spec().name;
            let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || name.len() > 64 || !name.chars().all(is_letter) {
                let detail = format!("a tool's name is 1 to 64 letters, digits, `_` and `-`; `{name}` is not");
                return Err(Error::invalid("bad_tool", detail));
            }
            if self.tools[..place].iter().any(|other| other.spec().name == *name) {
                return Err(Error::invalid("bad_tool", format!("two tools of the agent are called `{name}`")));
            }
        }
        Ok(())
    }

    fn work(self, work: Work) -> futures::future::BoxFuture<'static, Result<Json>> {
        Box::pin(super::rounds::rounds(self, work))
    }
}

impl<T> Clone for Agent<T> {
    fn clone(&self) -> Self {
        Self {
            instructions: self.instructions.clone(),
            model: self.model.clone(),
            tools: self.tools.clone(),
            bounds: self.bounds.clone(),
            shape: self.shape.clone(),
            output: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Agent<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("tools", &self.tools).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
