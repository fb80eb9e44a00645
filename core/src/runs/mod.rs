//! Floor 5: runs. What takes several calls: tools, agents, councils, as streams of events that outlive the process.

mod council;

pub use council::{
    Council, CouncilPrompts, CouncilResult, CouncilRule, CouncilStage, Degraded, MemberAnswer, Standing,
};
