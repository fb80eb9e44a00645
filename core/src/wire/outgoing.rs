//! What the requests of all dialects have in common: the URL, the headers, fields of the caller's own.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::value::{RawValue, to_raw_value};

use super::Target;
use crate::base::Json;
use crate::model::{Error, Result};

/// A POST of this JSON to the target. `path` is the dialect's own, behind the target's base URL.
///
/// # Errors
/// `Invalid` (bad_url, bad_header).
pub(crate) fn post(
    target: &Target<'_>,
    path: &str,
    extra_headers: &HashMap<String, String>,
    body: impl Into<Bytes>,
) -> Result<Request<Bytes>> {
    let mut request = Request::new(body.into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri(target, path)?;
    let accept = if target.stream { "text/event-stream" } else { "application/json" };
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
    add_headers(request.headers_mut(), extra_headers)?;
    Ok(request)
}

/// The target's base URL with this path and the query of its quirks behind it.
///
/// # Errors
/// `Invalid` (bad_url).
pub(crate) fn uri(target: &Target<'_>, path: &str) -> Result<Uri> {
    let bad =
        || Error::invalid("bad_url", "the base URL and the path of this provider make no URL; check its settings");
    let mut parts = target.base_url.clone().into_parts();
    if parts.scheme.is_none() || parts.authority.is_none() {
        return Err(Error::invalid("bad_url", "base_url needs a scheme and a host, as https://api.example.com/v1"));
    }
    let mut whole = target.base_url.path().trim_end_matches('/').to_owned();
    whole.push_str(path);
    let queries = target.base_url.query().into_iter().chain(target.quirks.query.as_deref());
    for query in queries.filter(|query| !query.is_empty()) {
        whole.push(if whole.contains('?') { '&' } else { '?' });
        whole.push_str(query);
    }
    parts.path_and_query = Some(PathAndQuery::try_from(whole).map_err(|_| bad())?);
    Uri::from_parts(parts).map_err(|_| bad())
}

/// Headers that carry keys, and headers that the engine answers for.
const REFUSED: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Beginnings and ends that name keys whoever the provider is.
const REFUSED_ENDINGS: &[&str] = &["api-key", "apikey", "auth-token", "access-token", "subscription-key"];

/// True for the name, in lower case, of a header that carries keys or that the engine answers for.
pub(crate) fn is_refused_header(lower: &str) -> bool {
    REFUSED.contains(&lower) || REFUSED_ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

fn add_headers(headers: &mut HeaderMap, extra: &HashMap<String, String>) -> Result<()> {
    for (name, value) in extra {
        let refused = |why: &str| Err(Error::invalid("bad_header", format!("extra_headers: {why}")));
        let Ok(header) = HeaderName::try_from(name.as_str()) else {
            return refused("a name that is no header name");
        };
        let lower = header.as_str();
        if is_refused_header(lower) {
            return refused(&format!("`{lower}` is not to be set here; keys go into the credentials"));
        }
        let Ok(value) = HeaderValue::from_str(value) else {
            return refused(&format!("the value of `{lower}` holds a line end or another forbidden character"));
        };
        headers.insert(header, value);
    }
    Ok(())
}

/// The same for a body that may be shared: without fields of the caller's own it stays as it is.
///
/// # Errors
/// `Invalid` (bad_request) when `extra` is no object.
pub(crate) fn laid_over(body: Bytes, extra: Option<&Json>) -> Result<Bytes> {
    match extra {
        None => Ok(body),
        extra => merge(body.into(), extra).map(Bytes::from),
    }
}

/// Lays the caller's own fields over the body: objects are merged, all else is replaced. Only the fields that
/// are named are read, so that a long history is not parsed again.
///
/// # Errors
/// `Invalid` (bad_request) when `extra` is no object.
pub(crate) fn merge(body: Vec<u8>, extra: Option<&Json>) -> Result<Vec<u8>> {
    let extra = match extra {
        None | Some(Json::Null) => return Ok(body),
        Some(Json::Object(extra)) if extra.is_empty() => return Ok(body),
        Some(Json::Object(extra)) => extra,
        Some(_) => return Err(Error::invalid("bad_request", "extra_body must be a JSON object")),
    };
    let broken =
        |error: serde_json::Error| Error::internal("a request body of our own cannot be read").with_source(error);
    let mut fields: BTreeMap<&str, &RawValue> = serde_json::from_slice(&body).map_err(broken)?;
    let mut laid: Vec<(&str, Box<RawValue>)> = Vec::with_capacity(extra.len());
    for (name, over) in extra {
        let raw = match fields.get(name.as_str()) {
            Some(under) if over.is_object() => {
                let mut under: Json = serde_json::from_str(under.get()).map_err(broken)?;
                lay_over(&mut under, over);
                to_raw_value(&under)
            }
            _ => to_raw_value(over),
        };
        laid.push((name, raw.map_err(broken)?));
    }
    fields.extend(laid.iter().map(|(name, raw)| (*name, &**raw)));
    serde_json::to_vec(&fields).map_err(broken)
}

fn lay_over(under: &mut Json, over: &Json) {
    match (under, over) {
        (Json::Object(under), Json::Object(over)) => {
            for (name, value) in over {
                match under.get_mut(name) {
                    Some(field) => lay_over(field, value),
                    None => {
                        under.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::ErrorKind;
    use crate::wire::Quirks;

    fn address(base: &str, path: &str, query: Option<&str>) -> Result<String> {
        let quirks = Quirks { query: query.map(str::to_owned), ..Quirks::default() };
        let base_url = base.parse().unwrap();
        let target = Target {
            provider: "p",
            base_url: &base_url,
            quirks: &quirks,
            stream: true,
            max_output_tokens: None,
            max_event_bytes: 16 << 20,
        };
        uri(&target, path).map(|uri| uri.to_string())
    }

    #[test]
    fn the_url_is_base_and_path_and_queries() {
        assert_eq!(address("https://a.example/v1", "/chat", None).unwrap(), "https://a.example/v1/chat");
        assert_eq!(address("https://a.example/v1/", "/chat", Some("v=1")).unwrap(), "https://a.example/v1/chat?v=1");
        assert_eq!(address("http://a:8080?x=1", "/chat", Some("v=1")).unwrap(), "http://a:8080/chat?x=1&v=1");
        assert_eq!(address("http://[::1]:80/", "/c?y=2", Some("")).unwrap(), "http://[::1]:80/c?y=2");
        for (base, path) in [("/v1", "/chat"), ("a.example", "/chat"), ("http://a", "/a b")] {
            assert_eq!(address(base, path, None).unwrap_err().reason(), "bad_url", "{base}{path}");
        }
    }

    #[test]
    fn headers_that_carry_keys_or_break_lines_are_refused() {
        let add = |name: &str, value: &str| {
            let mut headers = HeaderMap::new();
            add_headers(&mut headers, &HashMap::from([(name.to_owned(), value.to_owned())])).map(|()| headers)
        };
        assert_eq!(add("X-Title", "my app").unwrap()["x-title"], "my app");
        for (name, value) in [
            ("Authorization", "Bearer x"),
            ("x-api-key", "k"),
            ("API-KEY", "k"),
            ("x-goog-api-key", "k"),
            ("Cookie", "k"),
            ("Proxy-Authorization", "k"),
            ("Host", "evil"),
            ("content-length", "0"),
            ("transfer-encoding", "chunked"),
            ("Ocp-Apim-Subscription-Key", "k"),
            ("a b", "x"),
            ("", "x"),
            ("x-a\r\nx-b", "x"),
            ("x-a", "b\r\nx-c: d"),
            ("x-a", "b\nc"),
            ("x-a", "b\0"),
        ] {
            let error = add(name, value).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_header"), "{name:?}: {value:?}");
            assert!(!error.to_string().contains("evil") && !error.to_string().contains("Bearer"));
        }
    }

    #[test]
    fn extra_fields_are_merged_into_objects_and_replace_all_else() {
        let body = json!({"a": {"b": 1, "c": [1, 2], "d": {"e": 1}}, "f": 1, "g": "kept"}).to_string().into_bytes();
        let extra = json!({"a": {"c": [3], "d": {"x": null}}, "f": {"y": 1}, "new": true});
        let merged: Json = serde_json::from_slice(&merge(body, Some(&extra)).unwrap()).unwrap();
        let expected = json!({
            "a": {"b": 1, "c": [3], "d": {"e": 1, "x": null}}, "f": {"y": 1}, "g": "kept", "new": true
        });
        assert_eq!(merged, expected);
    }

    #[test]
    fn extra_fields_that_are_no_object_are_refused_and_none_change_nothing() {
        let body = b"{ \"a\":1}".to_vec();
        for nothing in [None, Some(json!(null)), Some(json!({}))] {
            assert_eq!(merge(body.clone(), nothing.as_ref()).unwrap(), body);
        }
        assert_eq!(merge(body, Some(&json!([1]))).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
