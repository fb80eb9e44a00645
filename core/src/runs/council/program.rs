//! The council as a program: what `run` and `start` take.

use futures::future::BoxFuture;

use super::session::hold;
use super::settings::Council;
use crate::base::Json;
use crate::model::{CouncilResult, Result};
use crate::runs::Program;
use crate::runs::program::work::{Work, Works};

impl Program for Council {
    type Output = CouncilResult;
}

impl Works for Council {
    fn name(&self) -> &'static str {
        "council"
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn work(self, work: Work) -> BoxFuture<'static, Result<Json>> {
        Box::pin(hold(self, work))
    }
}
