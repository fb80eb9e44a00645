//! Where words come from.

use crate::base::Json;
use crate::model::Citation;

/// The source that an annotation names; nothing for one that names none.
///
/// Pages have a URL and the words they stand for; files have a name and stand at one place.
pub(super) fn citation(annotation: &Json) -> Option<Citation> {
    // Some gateways nest it as chat completions do.
    let annotation = annotation.get("url_citation").filter(|inner| inner.is_object()).unwrap_or(annotation);
    let word =
        |name: &str| annotation.get(name).and_then(Json::as_str).filter(|word| !word.is_empty()).map(str::to_owned);
    let place = |name: &str| {
        annotation
            .get(name)
            .and_then(Json::as_i64)
            .and_then(|place| i32::try_from(place).ok())
            .map(|place| place.max(0))
    };
    let start = place("start_index").or_else(|| place("index")).unwrap_or(0);
    let (url, title) = (word("url"), word("title").or_else(|| word("filename")).or_else(|| word("file_id")));
    (url.is_some() || title.is_some()).then(|| Citation {
        start,
        end: place("end_index").unwrap_or(start),
        url,
        title,
        quote: word("content").or_else(|| word("quote")),
    })
}
