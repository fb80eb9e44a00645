//! Providers and models of the catalogue.

use tertulia::model::{
    Capabilities as CapabilitiesRecord, ModelInfo as ModelRecord, Price as PriceRecord, ProviderInfo as ProviderRecord,
};

use crate::convert::OutItem;

values! {
    /// What a model can do. Nothing = not known.
    Capabilities(record CapabilitiesRecord) { streaming, tools, output_schema, reasoning, images, audio, files }
    matches(streaming, tools) shows(streaming, tools, output_schema, reasoning, images, audio, files)
    hashes(streaming, tools, output_schema, reasoning, images, audio, files)

    /// What a million tokens cost.
    Price(record PriceRecord) {
        input_nano_usd, output_nano_usd, cache_read_nano_usd, cache_creation_nano_usd, date,
    }
    matches(input_nano_usd, output_nano_usd) shows(input_nano_usd, output_nano_usd, date)
    hashes(input_nano_usd, output_nano_usd)

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
    ModelInfo = ModelRecord,
    ProviderInfo = ProviderRecord
);

impl OutItem for ModelRecord {}
impl OutItem for ProviderRecord {}
