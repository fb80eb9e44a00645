//! Google Cloud: a key becomes an access token. Pure: the request that asks for one, and what its answer says.
//!
//! A key file names the address that it is to be sent to, and on a server it may come from a tenant. So only Google's
//! own endpoints are asked; one of this machine only when the provider itself is on this machine (tests, emulators), so
//! that no key can make a server knock at its own doors.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as STANDARD_BASE64, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

use super::tokens::Granted;
use super::{malformed, percent};
use crate::base::{ErrorKind, Json, Retry, Secret, Timestamp};
use crate::call::catalog::base_url;
use crate::model::{Error, Result};

/// Where Google gives tokens: today's host, and those of older key files.
const HOSTS: [&str; 3] = ["oauth2.googleapis.com", "www.googleapis.com", "accounts.google.com"];
const STANDARD: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that Google allows.
const ASSERTION_LIVES_S: i64 = 3_600;
/// Where an answer does not say it.
const TOKEN_LIVES_S: u64 = 300;

/// What a key is.
pub(super) enum Credential {
    /// A token already.
    Token(Secret),
    /// What a token is given for.
    Grant(Grant),
}

/// What a token is given for, and by whom.
pub(super) struct Grant {
    endpoint: Uri,
    of: Of,
}

enum Of {
    ServiceAccount { email: String, key_id: Option<String>, private_key: Secret },
    User { client_id: String, client_secret: Secret, refresh_token: Secret },
}

/// The JSON of a key file; what is not named here is not needed.
#[derive(Deserialize)]
struct KeyFile {
    r#type: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    token_uri: Option<String>,
}

/// Reads a key. `may_loop_back` allows a token endpoint on this machine.
pub(super) fn read(key: &Secret, may_loop_back: bool) -> Result<Credential> {
    let text = key.expose();
    if !text.starts_with('{') {
        if text.ends_with(".json") {
            return Err(malformed(
                "the key is the name of a file: hand over its content, or its path in the environment variable \
                 GOOGLE_APPLICATION_CREDENTIALS",
            ));
        }
        // No token of Google is this; sent as one, the private key would leave the machine.
        if STANDARD_BASE64.decode(text).is_ok_and(|bytes| bytes.first() == Some(&b'{')) {
            return Err(malformed(
                "the key is a key file in base64: hand over the file's content as it was downloaded",
            ));
        }
        return Ok(Credential::Token(key.clone()));
    }
    // The parser's own words may quote the key, so only the place is told.
    let file: KeyFile = serde_json::from_str(text).map_err(|e| {
        malformed(format!(
            "the key is no JSON of Google Cloud (line {}, column {}): hand over the key file as it was downloaded",
            e.line(),
            e.column()
        ))
    })?;
    let missing = |field: &str| malformed(format!("the JSON of the key has no `{field}`: download the key file again"));
    let need = |value: Option<String>, field: &str| value.filter(|v| !v.is_empty()).ok_or_else(|| missing(field));
    let of = match file.r#type.as_deref() {
        Some("service_account") => Of::ServiceAccount {
            email: need(file.client_email, "client_email")?,
            key_id: file.private_key_id,
            private_key: Secret::from(need(file.private_key, "private_key")?),
        },
        Some("authorized_user") => Of::User {
            client_id: need(file.client_id, "client_id")?,
            client_secret: Secret::from(need(file.client_secret, "client_secret")?),
            refresh_token: Secret::from(need(file.refresh_token, "refresh_token")?),
        },
        _ => {
            return Err(malformed(
                "the `type` in the JSON of the key is neither `service_account` nor `authorized_user`: hand over one \
                 of these, or an access token (`gcloud auth print-access-token`), which a key source can renew",
            ));
        }
    };
    let endpoint = endpoint(file.token_uri.as_deref().unwrap_or(STANDARD), may_loop_back)?;
    Ok(Credential::Grant(Grant { endpoint, of }))
}

fn endpoint(text: &str, may_loop_back: bool) -> Result<Uri> {
    let uri = base_url::check(text, false).ok().filter(|uri| {
        let is_google = uri.scheme_str() == Some("https")
            && uri.port().is_none()
            && uri.host().is_some_and(|host| HOSTS.contains(&host.to_ascii_lowercase().as_str()));
        is_google || (may_loop_back && base_url::is_on_loopback(uri))
    });
    uri.ok_or_else(|| {
        malformed(
            "the `token_uri` in the JSON of the key is no token endpoint of Google, and no other gets a key: take it \
             out, or check who made this file",
        )
    })
}

impl Grant {
    /// The request for a token.
    pub(super) fn request(&self, now: Timestamp) -> Result<Request<Bytes>> {
        let form = match &self.of {
            Of::ServiceAccount { email, key_id, private_key } => {
                let assertion = self.assertion(email, key_id.as_deref(), private_key, now)?;
                percent::form(&[("grant_type", JWT_BEARER), ("assertion", &assertion)])
            }
            Of::User { client_id, client_secret, refresh_token } => percent::form(&[
                ("grant_type", "refresh_token"),
                ("client_id", client_id),
                ("client_secret", client_secret.expose()),
                ("refresh_token", refresh_token.expose()),
            ]),
        };
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Ok(request)
    }

    /// A JSON Web Token that says who asks, signed with the account's own key (RS256).
    fn assertion(&self, email: &str, key_id: Option<&str>, private_key: &Secret, now: Timestamp) -> Result<String> {
        let unreadable =
            || malformed("the `private_key` in the JSON of the key cannot be read: download the key file again");
        let der = PrivatePkcs8KeyDer::from_pem_slice(private_key.expose().as_bytes()).map_err(|_| unreadable())?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| unreadable())?;
        let seconds = now.as_millis().div_euclid(1_000);
        let mut head = json!({"alg": "RS256", "typ": "JWT"});
        if let (Some(head), Some(key_id)) = (head.as_object_mut(), key_id) {
            head.insert("kid".to_owned(), Json::from(key_id));
        }
        let claims = json!({
            "iss": email,
            "scope": SCOPE,
            "aud": self.endpoint.to_string(),
            "iat": seconds,
            "exp": seconds + ASSERTION_LIVES_S,
        });
        let encode = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let mut token = format!("{}.{}", encode(&head), encode(&claims));
        let mut signature = vec![0; pair.public().modulus_len()];
        // This padding is deterministic; the generator only blinds.
        let random = ring::rand::SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature)
            .map_err(|_| Error::internal("a token of RSA could not be signed"))?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<Json>,
}

/// Reads what the endpoint answered.
pub(super) fn granted(status: StatusCode, body: &[u8]) -> Result<Granted> {
    let answer = serde_json::from_slice::<Answer>(body).ok();
    if status.is_success() {
        let token = answer.as_ref().and_then(|answer| answer.access_token.as_deref()).map(Secret::new);
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| unavailable("answered without a token; check a proxy in between"))?;
        let seconds = answer.and_then(|answer| answer.expires_in).unwrap_or(TOKEN_LIVES_S);
        return Ok(Granted { token, lives: Duration::from_secs(seconds.min(24 * 3_600)) });
    }
    let word = answer.as_ref().and_then(|answer| answer.error.as_ref()?.as_str());
    // Its description may name the account; the word is from a short list of the standard.
    let word = word.filter(|word| word.len() <= 40 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    match status.as_u16() {
        400 | 401 | 403 => Err(Error::new(
            ErrorKind::Unauthorized,
            "key_rejected",
            format!(
                "Google gives no token for this key (`{}`): it was deleted, disabled or has expired, or the clock of \
                 this machine is wrong. Make a new key, or log in again (`gcloud auth application-default login`)",
                word.unwrap_or("no reason given")
            ),
        )
        .with_status(status.as_u16())),
        status => Err(unavailable(&format!("answered with status {status}"))),
    }
}

/// The endpoint is there but of no use now.
pub(super) fn unavailable(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "token_endpoint", format!("Google's token endpoint {what}"))
        .with_retry(Retry::Safe)
}
