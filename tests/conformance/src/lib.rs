//! Recorded replies of real providers, and what every decoder must make of them.
//!
//! ```text
//! folder ──load──▶ Case { body, headers, Expected }
//! dialect over the body, any way it is cut ──▶ Seen ──differences──▶ nothing, or one line for each
//! ```
//!
//! The recordings are other people's data and stay outside of the project: `TERTULIA_WIRE_CASES` names their
//! folder, or it stands in `shared/wire` beside the workspace. Without it there are no cases.

mod case;
mod seen;

pub use case::{Case, Expected, ExpectedCall, ExpectedError, ExpectedUsage, Framing, load};
pub use seen::Seen;
