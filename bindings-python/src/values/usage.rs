//! What a call took and what it cost.

use tertulia::base::Attempt as AttemptRecord;
use tertulia::model::{Cost as CostRecord, Usage as UsageRecord};

use crate::convert::{InItem, OutItem};

values! {
    /// Tokens of a call.
    Usage(record UsageRecord) {
        input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens, reasoning_output_tokens,
        requests, details, source, raw,
    }
    matches(input_tokens, output_tokens) shows(input_tokens, output_tokens, source) hashes(input_tokens, output_tokens)

    /// What a call cost. Nothing = unknown, never 0.
    Cost(record CostRecord) { nano_usd, source, price_date }
    matches(nano_usd) shows(nano_usd, source) hashes(nano_usd)
    + {
        /// The cost in US dollars.
        #[getter]
        fn usd(&self) -> Option<f64> {
            #[expect(clippy::cast_precision_loss, reason = "floats leave at this edge; nano_usd is exact")]
            self.0.get().nano_usd.map(|nano| nano as f64 / 1e9)
        }

        fn __str__(&self) -> String {
            self.0.get().to_string()
        }
    }

    /// One try of a call.
    Attempt(record AttemptRecord) { model, kind, status, delay_ms, duration_ms }
    matches(model, kind) shows(model, kind, status) hashes(model, status, duration_ms)
}

records!(Usage = UsageRecord, Cost = CostRecord, Attempt = AttemptRecord);

impl OutItem for AttemptRecord {}
impl InItem for AttemptRecord {}
