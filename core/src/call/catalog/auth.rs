//! How a provider wants to see its key.

use std::str::FromStr;

use http::header::HeaderName;
use serde::{Deserialize, Serialize};

use crate::model::{Error, Result};

/// How a provider wants to see its key. As data one word: `bearer`, `none`, the name of a header (`x-api-key`), or a
/// scheme that works the key out for each request: `google_oauth`, `aws_sigv4`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum AuthScheme {
    /// `Authorization: Bearer …`.
    #[default]
    Bearer,
    /// The bare key in this header.
    Header(HeaderName),
    /// It wants none; a key that is given is not sent.
    None,
    /// An access token of Google Cloud, fetched for the key and kept while it lives. The key is the JSON of a service
    /// account, the JSON that `gcloud auth application-default login` writes, or an access token itself.
    GoogleOauth,
    /// AWS Signature Version 4. The key is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind it when it
    /// is a temporary one; a Bedrock API key goes as a bearer token. Whom it signs for is read from the host
    /// (`bedrock-runtime.us-east-1.amazonaws.com`) unless it is said: `aws_sigv4:bedrock/us-east-1`.
    AwsSigv4(Option<AwsScope>),
}

/// Whom a signature of AWS is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsScope {
    /// The service by its signing name, as `bedrock`.
    pub service: String,
    /// The region, as `us-east-1`.
    pub region: String,
}

const GOOGLE: &str = "google_oauth";
const AWS: &str = "aws_sigv4";

impl FromStr for AuthScheme {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::invalid(
                "bad_provider",
                "`auth` is `bearer`, `none`, `google_oauth`, `aws_sigv4`, `aws_sigv4:service/region`, or the name of a \
                 header as `x-api-key`",
            )
        };
        match text {
            "bearer" => Ok(Self::Bearer),
            "none" => Ok(Self::None),
            GOOGLE => Ok(Self::GoogleOauth),
            AWS => Ok(Self::AwsSigv4(None)),
            // A key must not end up in a header because a scheme was misspelt.
            _ if text.contains('_') || [GOOGLE, AWS].contains(&text.replace('-', "_").as_str()) => {
                let scope = text.strip_prefix(AWS).and_then(|scope| scope.strip_prefix(':')).ok_or_else(bad)?;
                let (service, region) = scope.split_once('/').ok_or_else(bad)?;
                let sound = |word: &str| {
                    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                    !word.is_empty() && word.bytes().all(letter)
                };
                match sound(service) && sound(region) {
                    true => {
                        Ok(Self::AwsSigv4(Some(AwsScope { service: service.to_owned(), region: region.to_owned() })))
                    }
                    false => Err(bad()),
                }
            }
            header => header.parse().map(Self::Header).map_err(|_| bad()),
        }
    }
}

impl TryFrom<String> for AuthScheme {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<AuthScheme> for String {
    fn from(scheme: AuthScheme) -> Self {
        match scheme {
            AuthScheme::Bearer => "bearer".to_owned(),
            AuthScheme::None => "none".to_owned(),
            AuthScheme::Header(name) => name.as_str().to_owned(),
            AuthScheme::GoogleOauth => GOOGLE.to_owned(),
            AuthScheme::AwsSigv4(None) => AWS.to_owned(),
            AuthScheme::AwsSigv4(Some(AwsScope { service, region })) => format!("{AWS}:{service}/{region}"),
        }
    }
}
