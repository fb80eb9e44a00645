//! One call of a tool: within its time, its answer within its size, and whatever goes wrong told to the model.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;

use super::tool::{Tool, ToolContext, ToolFailure};
use crate::base::{Clock, Json};
use crate::model::{ToolCall, ToolResult};

/// What stands behind an answer that was cut.
const CUT: &str = "… [cut: the answer was longer than a tool may answer]";

/// Calls the tool. Never fails: what goes wrong is an answer that says so.
pub(in crate::runs) async fn answer(
    tool: &Tool,
    call: &ToolCall,
    context: ToolContext,
    clock: &dyn Clock,
    timeout: Duration,
    max_bytes: usize,
) -> ToolResult {
    let timeout = tool.timeout.unwrap_or(timeout);
    let _ends = context.cancel.clone().drop_guard();
    // A function may panic before it gives a future.
    let work = async { (tool.function)(call.arguments.clone(), context).await };
    let done = tokio::select! {
        biased;
        done = AssertUnwindSafe(work).catch_unwind() => done,
        () = clock.sleep(timeout) => return failed(call, format!("it did not answer within {} ms", timeout.as_millis())),
    };
    match done {
        Ok(Ok(output)) => call.result(cut(output, max_bytes)),
        Ok(Err(ToolFailure::Arguments(why))) => failed(call, format!("the arguments do not fit its schema: {why}")),
        Ok(Err(ToolFailure::Failed(why))) => failed(call, why),
        Err(_) => failed(call, "it broke down".to_owned()),
    }
}

/// An answer that says why there is none.
pub(in crate::runs) fn failed(call: &ToolCall, why: String) -> ToolResult {
    let output = match cut(Json::String(why), MAX_REASON_BYTES) {
        Json::String(why) => why,
        other => other.to_string(),
    };
    ToolResult { is_error: true, ..call.result(format!("`{}`: {output}", call.name)) }
}

/// The longest reason that a model is told.
const MAX_REASON_BYTES: usize = 8 * 1_024;

/// The answer, cut where it is too long: then it is text, whatever it was.
fn cut(output: Json, max_bytes: usize) -> Json {
    let text = match output {
        Json::String(text) if text.len() <= max_bytes => return Json::String(text),
        Json::String(text) => text,
        // Its length is that of what the model reads.
        other => match other.to_string() {
            text if text.len() <= max_bytes => return other,
            text => text,
        },
    };
    let room = max_bytes.saturating_sub(CUT.len());
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Json::String(format!("{}{CUT}", &text[..end]))
}
