//! Providers and models of the catalogue.

use tertulia::model::{
    Capabilities as CapabilitiesRecord, ModelInfo as ModelRecord, Price as PriceRecord, PriceChange as ChangeRecord,
    PriceTier as TierRecord, ProviderInfo as ProviderRecord, Usage as UsageRecord,
};

use pyo3::prelude::*;
use tertulia::base::{Clock as _, SystemClock, Timestamp};

use crate::convert::{FromPython as _, InItem, OutItem, Place, ToPython as _};

values! {
    /// What a model can do. Nothing = not known.
    Capabilities(record CapabilitiesRecord) { streaming, tools, output_schema, reasoning, images, audio, files }
    matches(streaming, tools) shows(streaming, tools, output_schema, reasoning, images, audio, files)
    hashes(streaming, tools, output_schema, reasoning, images, audio, files)

    /// What a model costs.
    Price(record PriceRecord) {
        input_nano_usd, output_nano_usd, cache_read_nano_usd, cache_creation_nano_usd, cache_creation_1h_nano_usd,
        input_audio_nano_usd, cache_read_audio_nano_usd, output_audio_nano_usd, output_image_nano_usd,
        output_reasoning_nano_usd, request_nano_usd, web_search_nano_usd, tiers, changes, date,
    }
    matches(input_nano_usd, output_nano_usd) shows(input_nano_usd, output_nano_usd, date)
    hashes(input_nano_usd, output_nano_usd)
    + {
        /// What these tokens cost when they were asked for at this moment; left out: now.
        #[pyo3(signature = (usage, *, at = None))]
        fn cost<'py>(
            &self,
            py: Python<'py>,
            usage: &Bound<'py, PyAny>,
            at: Option<&Bound<'py, PyAny>>,
        ) -> PyResult<Bound<'py, PyAny>> {
            let usage = UsageRecord::from_python(usage, &Place::named("usage"))?;
            let at = match at {
                Some(at) => Timestamp::from_python(at, &Place::named("at"))?,
                None => SystemClock::default().now(),
            };
            self.0.get().cost(&usage, at).to_python(py)
        }
    }

    /// Prices above a length of the prompt.
    PriceTier(record TierRecord) {
        above_input_tokens, input_nano_usd, output_nano_usd, cache_read_nano_usd, cache_creation_nano_usd,
        cache_creation_1h_nano_usd,
    }
    matches(above_input_tokens) shows(above_input_tokens, input_nano_usd, output_nano_usd)
    hashes(above_input_tokens, input_nano_usd)

    /// Another price from a day on, at some hours of each day, or both.
    PriceChange(record ChangeRecord) { from_date, from_time, to_time, price }
    matches(from_date) shows(from_date, from_time, to_time) hashes(from_date, from_time, to_time)

    /// A model of the catalogue.
    ModelInfo(record ModelRecord) { id, context_window, max_output_tokens, price, capabilities }
    matches(id) shows(id, context_window) hashes(id)

    /// A provider of the catalogue.
    ProviderInfo(record ProviderRecord) { name, title, base_url, key_variable }
    matches(name) shows(name, base_url) hashes(name)
}

records!(
    Capabilities = CapabilitiesRecord,
    Price = PriceRecord,
    PriceTier = TierRecord,
    PriceChange = ChangeRecord,
    ModelInfo = ModelRecord,
    ProviderInfo = ProviderRecord
);

impl OutItem for ModelRecord {}
impl OutItem for ProviderRecord {}
impl OutItem for TierRecord {}
impl OutItem for ChangeRecord {}
impl InItem for TierRecord {}
impl InItem for ChangeRecord {}
