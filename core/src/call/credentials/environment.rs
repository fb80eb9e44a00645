//! The key that the environment holds, in the form that the provider's scheme asks for.

use tokio::io::AsyncReadExt as _;

use super::Environment;
use crate::base::{ErrorKind, Secret};
use crate::call::catalog::{AuthScheme, ProviderEntry};
use crate::model::{Error, Result};

/// Key files of Google have about 3 KiB.
const MAX_FILE_BYTES: u64 = 1 << 16;
const AWS_ID: &str = "AWS_ACCESS_KEY_ID";
const AWS_SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const AWS_SESSION: &str = "AWS_SESSION_TOKEN";

/// The key in the provider's variable. For AWS, where that is not set, what its own three variables hold; for Google,
/// the content of the file that the variable names. Only the environment may name a file: a key from elsewhere may be
/// a tenant's, who must not reach the files of the machine.
pub(super) async fn key(environment: &dyn Environment, provider: &ProviderEntry) -> Result<Option<Secret>> {
    let Some(variable) = &provider.key_variable else { return Ok(None) };
    let get = |name: &str| environment.get(name).map(Secret::from).filter(|value| !value.is_empty());
    match (get(variable), &provider.auth) {
        (found, AuthScheme::AwsSigv4(_)) if found.is_none() || variable == AWS_ID => {
            Ok(get(AWS_ID).zip(get(AWS_SECRET)).map(|(id, secret)| {
                let session = get(AWS_SESSION).map(|token| format!(":{}", token.expose())).unwrap_or_default();
                Secret::from(format!("{}:{}{session}", id.expose(), secret.expose()))
            }))
        }
        (Some(found), AuthScheme::GoogleOauth) if is_path(found.expose()) => {
            read(variable, found.expose()).await.map(Some)
        }
        (found, _) => Ok(found),
    }
}

/// Which variables to set, in words.
pub(super) fn variables(provider: &ProviderEntry, variable: &str) -> String {
    match &provider.auth {
        AuthScheme::AwsSigv4(_) if variable == AWS_ID => format!("variables {AWS_ID} and {AWS_SECRET}"),
        AuthScheme::AwsSigv4(_) => format!("variable {variable}, or {AWS_ID} and {AWS_SECRET}"),
        AuthScheme::GoogleOauth => format!(
            "variable {variable} to the path of a key file (a service account's, or the one that `gcloud auth \
             application-default login` writes)"
        ),
        _ => format!("variable {variable}"),
    }
}

/// Neither the JSON of a key nor a token.
fn is_path(text: &str) -> bool {
    let is_token = text.starts_with("ya29.");
    !text.starts_with('{') && !is_token && (text.contains(['/', '\\']) || text.ends_with(".json"))
}

async fn read(variable: &str, path: &str) -> Result<Secret> {
    // What was taken for a path may be the key itself, as base64, which has slashes, too: it is not shown.
    let unreadable = |e: std::io::Error| {
        Error::new(
            ErrorKind::Unauthorized,
            "key_file",
            format!("the file that {variable} names cannot be read: set it to the path of a key file ({})", e.kind()),
        )
        .with_source(e)
    };
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).await.map_err(unreadable)?;
    Ok(Secret::from(text))
}
