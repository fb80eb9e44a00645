//! AWS Signature Version 4. Pure: a request, a key and a moment in, three headers out.
//!
//! ```text
//! canonical request ─sha256─▶ string to sign ─HMAC with a key of day, region and service─▶ signature
//! ```

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header};
use ring::hmac;
use sha2::{Digest as _, Sha256};

use super::{header as plain, malformed, percent};
use crate::base::{Secret, Timestamp};
use crate::call::catalog::AwsScope;
use crate::model::{Error, Result};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// How the API keys of Bedrock begin, those for long and those for hours. They are bearer tokens.
const API_KEYS: [&str; 2] = ["ABSK", "bedrock-api-key-"];

/// A key of AWS in its parts.
struct Parts<'a> {
    id: &'a str,
    secret: &'a str,
    session: Option<&'a str>,
}

/// Signs the request for its host as of this moment.
pub(super) fn sign(request: &mut Request<Bytes>, key: &Secret, scope: Option<&AwsScope>, now: Timestamp) -> Result<()> {
    if API_KEYS.iter().any(|start| key.expose().starts_with(start)) {
        return plain::bearer(key, request.headers_mut());
    }
    let parts = parts(key)?;
    let scope = match scope {
        Some(scope) => scope.clone(),
        None => scope_of(request.uri())?,
    };
    let moment = moment(now);
    let date = HeaderValue::try_from(moment.as_str()).map_err(|_| Error::internal("a date is no header"))?;
    request.headers_mut().insert(DATE, date);
    if let Some(session) = parts.session {
        let mut session = HeaderValue::try_from(session).map_err(|_| form())?;
        session.set_sensitive(true);
        request.headers_mut().insert(TOKEN, session);
    }
    let (signed, canonical) = canonical(request);
    let day = &moment[..8];
    let AwsScope { service, region } = &scope;
    let place = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{place}\n{}", hex(&Sha256::digest(canonical)));
    let start = format!("AWS4{}", parts.secret).into_bytes();
    let steps = [day, region, service, "aws4_request", &text];
    let signature = steps.iter().fold(start, |key, step| mac(&key, step.as_bytes()));
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={signed}, Signature={}",
        parts.id,
        hex(&signature)
    );
    let mut value = HeaderValue::try_from(value).map_err(|_| form())?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

fn form() -> Error {
    malformed(
        "a key of AWS is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind it when it is a temporary one, \
         or an API key of Bedrock",
    )
}

fn parts(key: &Secret) -> Result<Parts<'_>> {
    let mut words = key.expose().split(':');
    let (id, secret, session) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
    let sound =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/+=-_.".contains(&b));
    if words.next().is_some() || ![Some(id), Some(secret), session].into_iter().flatten().all(sound) {
        return Err(form());
    }
    Ok(Parts { id, secret, session })
}

/// Whom a host of AWS belongs to: `service.region.amazonaws.com`, `service.region.api.aws`.
fn scope_of(uri: &Uri) -> Result<AwsScope> {
    let unknown = || {
        Error::invalid(
            "bad_provider",
            "service and region of this host are not known: write `auth` as `aws_sigv4:bedrock/us-east-1`",
        )
    };
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let of_aws = [".amazonaws.com", ".api.aws", ".amazonaws.com.cn"].iter().find_map(|end| host.strip_suffix(end));
    let (service, region) = of_aws.and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
    if service.is_empty() || region.is_empty() || region.contains('.') {
        return Err(unknown());
    }
    // The one service whose hosts are called otherwise than it signs.
    let service = match service {
        "bedrock-runtime" | "bedrock-runtime-fips" => "bedrock",
        service => service,
    };
    Ok(AwsScope { service: service.to_owned(), region: region.to_owned() })
}

/// The names of the headers that are signed, and the request in the one form that both sides agree on.
fn canonical(request: &Request<Bytes>) -> (String, String) {
    let uri = request.uri();
    let path: Vec<String> = uri.path().split('/').map(|word| percent::encode(word.as_bytes())).collect();
    let path = if uri.path().is_empty() { "/".to_owned() } else { path.join("/") };
    let mut query: Vec<(String, String)> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent::encode(&percent::decode(name)), percent::encode(&percent::decode(value)))
        })
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();

    // In the order of their names. What a proxy may touch (`accept-encoding`, `user-agent`) is left out.
    let mut headers = vec![("host".to_owned(), host(uri))];
    for (name, value) in request.headers() {
        let is_signed = *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-");
        if is_signed {
            let value = String::from_utf8_lossy(value.as_bytes());
            let words: Vec<&str> = value.split_ascii_whitespace().collect();
            headers.push((name.as_str().to_owned(), words.join(" ")));
        }
    }
    headers.sort();
    let signed: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let signed = signed.join(";");
    let lines = headers.iter().fold(String::new(), |lines, (name, value)| format!("{lines}{name}:{value}\n"));
    let method = request.method();
    let body = hex(&Sha256::digest(request.body()));
    let canonical = format!("{method}\n{path}\n{}\n{lines}\n{signed}\n{body}", query.join("&"));
    (signed, canonical)
}

/// The host as the HTTP client will send it: in lower case, with its port only where that is not the scheme's own.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => host,
        (Some(port), _) => format!("{host}:{port}"),
    }
}

/// `20261121T093000Z`.
fn moment(now: Timestamp) -> String {
    let text = now.to_string();
    let whole = text.split('.').next().unwrap_or_default();
    whole.chars().filter(|c| !matches!(c, '-' | ':')).chain(['Z']).collect()
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
