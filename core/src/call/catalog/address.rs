//! The address of a provider as data: fixed, or with variables that the environment fills in.
//!
//! ```text
//! https://bedrock-runtime.{AWS_REGION|AWS_DEFAULT_REGION}.amazonaws.com/openai/v1    a label of the host
//! https://api.lab.example/accounts/{LAB_ACCOUNT:demo}/v1                             a word of the path, or `demo`
//! {AZURE_OPENAI_ENDPOINT}/openai/v1                                                  the whole beginning: a URL itself
//! ```
//!
//! The shape of the address stands in the data and a variable fills its gap, nothing more: what stands in a host is one
//! label without a dot, what stands in a path one word without a slash. The filled address is then read as strictly as
//! any other. A variable that is the whole beginning may name any https host, as `TERTULIA_…_BASE_URL` may.

use std::fmt;

use http::Uri;

use super::base_url;
use crate::model::{Error, Result};

/// Where a provider is: a base URL, perhaps with variables such as `{AWS_REGION}`, `{AWS_REGION|AWS_DEFAULT_REGION}`
/// (the first that is set) or `{GOOGLE_CLOUD_LOCATION:global}` (with a default).
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pieces: Vec<Piece>,
    text: String,
    allow_http: bool,
    /// Without variables it is read once.
    fixed: Option<Uri>,
}

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable { names: Vec<String>, default: Option<String>, place: Place },
}

/// What a variable stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Scheme and host, perhaps with a path.
    Beginning,
    /// A part of one label of the host, or the port.
    Host,
    /// A part of one word of the path.
    Path,
}

impl Address {
    /// No address at all: for code of the application's own.
    pub(super) const fn nowhere() -> Self {
        Self { pieces: Vec::new(), text: String::new(), allow_http: false, fixed: None }
    }

    /// Reads an address as it stands in data. It is checked as far as it can be without its variables.
    ///
    /// # Errors
    /// `Invalid` (bad_url) that says what is wrong.
    pub(super) fn read(text: &str, allow_http: bool) -> Result<Self> {
        let pieces = pieces(text)?;
        let sample = pieces.iter().fold(String::new(), |whole, piece| match piece {
            Piece::Text(text) => whole + text,
            Piece::Variable { default: Some(default), .. } => whole + default,
            Piece::Variable { place: Place::Beginning, .. } => whole + "https://x.example",
            Piece::Variable { .. } if whole.ends_with(':') => whole + "1",
            Piece::Variable { .. } => whole + "x",
        });
        let read = base_url::check(&sample, allow_http)?;
        let is_fixed = pieces.iter().all(|piece| matches!(piece, Piece::Text(_)));
        Ok(Self { pieces, text: text.to_owned(), allow_http, fixed: is_fixed.then_some(read) })
    }

    /// The address itself, when no variable stands in it.
    #[must_use]
    pub const fn fixed(&self) -> Option<&Uri> {
        self.fixed.as_ref()
    }

    /// The address of this provider with its variables filled in from this environment.
    ///
    /// # Errors
    /// `Invalid` (address_missing) that names a variable which is not set, `Invalid` (bad_url) when one is set to what
    /// cannot stand there. The value is not shown.
    pub(super) fn fill(&self, provider: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Uri> {
        if let Some(uri) = &self.fixed {
            return Ok(uri.clone());
        }
        let mut whole = String::with_capacity(self.text.len());
        for piece in &self.pieces {
            match piece {
                // The endpoint that a console shows often has the path behind it already.
                Piece::Text(path) if self.ends_an_endpoint(path) && whole.ends_with(path.trim_end_matches('/')) => {}
                Piece::Text(text) => whole.push_str(text),
                Piece::Variable { names, default, place } => {
                    let set = names.iter().filter_map(|name| Some((name, variable(name)?.trim().to_owned())));
                    let mut set = set.filter(|(_, value)| !value.is_empty());
                    match (set.next(), default) {
                        (Some((name, value)), _) => whole.push_str(place.check(name, &value)?),
                        (None, Some(default)) => whole.push_str(default),
                        (None, None) => return Err(self.missing(provider, names)),
                    }
                }
            }
        }
        base_url::check(&whole, self.allow_http)
    }

    /// True for the path of `{ENDPOINT}/path`.
    fn ends_an_endpoint(&self, path: &str) -> bool {
        let begins = matches!(self.pieces.first(), Some(Piece::Variable { place: Place::Beginning, .. }));
        begins && self.pieces.len() == 2 && path.starts_with('/')
    }

    fn missing(&self, provider: &str, names: &[String]) -> Error {
        let names = names.join(" or ");
        let moved = super::base_url_variable(provider);
        Error::invalid(
            "address_missing",
            format!(
                "the address of `{provider}` is `{}`: set the environment variable {names}, or {moved} to the whole \
                 address, or hand the provider over with its base URL when the engine is opened",
                self.text
            ),
        )
    }
}

impl Place {
    /// The value as it stands in the address.
    fn check<'a>(self, name: &str, value: &'a str) -> Result<&'a str> {
        let bad = |what: &str| Err(Error::invalid("bad_url", format!("the environment variable {name} {what}")));
        match self {
            Self::Beginning => match base_url::check(value, true) {
                // Whether http is allowed is asked once the address is whole.
                Ok(_) => Ok(value.trim_end_matches('/')),
                Err(_) => bad("is no address: expected is one such as `https://llm.lab.example`"),
            },
            Self::Host if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                bad("stands in a host name: letters, digits and `-`, no dot")
            }
            Self::Path if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~:@".contains(&b)) => {
                bad("stands in a path: letters, digits, `-`, `_`, `.`, `~`, `:` and `@`, no slash")
            }
            Self::Host | Self::Path => Ok(value),
        }
    }
}

/// Takes an address apart at its braces.
fn pieces(text: &str) -> Result<Vec<Piece>> {
    let bad =
        |what: &str| Error::invalid("bad_url", format!("the base URL {what}, as `https://{{REGION}}.lab.example`"));
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut before = 0;
    while let Some((plain, behind)) = rest.split_once('{') {
        let (inner, after) = behind.split_once('}').ok_or_else(|| bad("has a `{` without its `}`"))?;
        before += plain.len();
        let place = place(&text[..before]);
        if place == Place::Beginning && !(after.is_empty() || after.starts_with('/')) {
            return Err(bad("begins with a variable, which is a whole address: only a path may follow"));
        }
        let (names, default) = match inner.split_once(':') {
            Some((names, default)) => (names, Some(default)),
            None => (inner, None),
        };
        let names: Vec<String> = names.split('|').map(str::to_owned).collect();
        let sound = |name: &String| {
            name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        if !names.iter().all(sound) {
            return Err(bad("has a variable that is not called like one of the environment"));
        }
        if names.iter().any(|name| names_a_key(name)) {
            return Err(bad("has a variable that holds a key, which no address may carry away: expected is a place"));
        }
        if let Some(default) = default {
            place.check(&names[0], default)?;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.to_owned()));
        }
        pieces.push(Piece::Variable { names, default: default.map(str::to_owned), place });
        before += inner.len() + 2;
        rest = after;
    }
    if rest.contains('}') || pieces.iter().any(|p| matches!(p, Piece::Text(text) if text.contains('}'))) {
        return Err(bad("has a `}` without its `{`"));
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// True for the name of a variable that holds a key, as `OPENAI_API_KEY`. Addresses come from files and from users, and
/// one with such a variable in it would send the key to its host, or to whoever looks up that host's name.
fn names_a_key(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["KEY", "KEYS", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "PAT", "CREDENTIAL", "CREDENTIALS"];
    name.split('_').any(|word| WORDS.contains(&word) || word.ends_with("APIKEY"))
}

/// Where a variable stands that has this before it.
fn place(before: &str) -> Place {
    match before.split_once("://") {
        None if before.is_empty() => Place::Beginning,
        Some((_, authority)) if authority.contains('/') => Place::Path,
        None if before.contains('/') => Place::Path,
        _ => Place::Host,
    }
}

impl fmt::Display for Address {
    /// Writes it as it stands in the data, variables unfilled, without a slash at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.to_string().as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ErrorKind;

    fn fill(text: &str, variables: &[(&str, &str)]) -> Result<String> {
        let address = Address::read(text, false)?;
        assert_eq!(address.fixed().is_some(), !text.contains('{'));
        let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Ok(address.fill("my-lab", get)?.to_string())
    }

    #[test]
    fn variables_fill_a_label_of_the_host_a_word_of_the_path_or_the_whole_beginning() {
        let region = "https://llm.{REGION|OTHER_REGION}.lab.example/v1";
        for (text, variables, filled) in [
            ("https://lab.example/v1/", &[][..], "https://lab.example/v1"),
            (region, &[("REGION", " eu-west-1\n")], "https://llm.eu-west-1.lab.example/v1"),
            (region, &[("OTHER_REGION", "us")], "https://llm.us.lab.example/v1"),
            (region, &[("REGION", ""), ("OTHER_REGION", "us")], "https://llm.us.lab.example/v1"),
            (
                "https://{R}-x.lab.example/p/{P}/l/{R}",
                &[("R", "a"), ("P", "b:c.d")],
                "https://a-x.lab.example/p/b:c.d/l/a",
            ),
            ("https://lab.example/{P:demo}/v1", &[], "https://lab.example/demo/v1"),
            ("https://lab.example/{P:demo}/v1", &[("P", "x")], "https://lab.example/x/v1"),
            ("https://lab.example:{PORT}/v1", &[("PORT", "8443")], "https://lab.example:8443/v1"),
            ("{E}/openai/v1", &[("E", "https://a.example")], "https://a.example/openai/v1"),
            ("{E}/openai/v1", &[("E", "https://a.example/x/")], "https://a.example/x/openai/v1"),
            ("{E}/openai/v1", &[("E", "https://a.example/openai/v1/")], "https://a.example/openai/v1"),
            ("{E}/openai/v1", &[("E", "http://127.0.0.1:8080")], "http://127.0.0.1:8080/openai/v1"),
            ("{E}/a/{B}/a", &[("E", "https://a.example"), ("B", "a")], "https://a.example/a/a/a"),
            ("{E}", &[("E", "https://a.example")], "https://a.example/"),
        ] {
            assert_eq!(fill(text, variables).unwrap(), filled, "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_what_else_can_be_done() {
        let error = fill("https://{REGION|OTHER}.lab.example/v1", &[("REGION", " ")]).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "address_missing"));
        for word in ["`my-lab`", "REGION or OTHER", "TERTULIA_MY_LAB_BASE_URL", "with its base URL"] {
            assert!(error.detail().contains(word), "{error}");
        }
    }

    #[test]
    fn a_value_cannot_smuggle_in_another_host_or_path() {
        let host = "https://llm.{V}.lab.example/v1";
        let path = "https://lab.example/accounts/{V}/v1";
        let beginning = "{V}/openai/v1";
        for (text, value) in [
            (host, "evil.example/"),
            (host, "a.b"),
            (host, "a@evil"),
            (host, "a:1"),
            (host, "a#"),
            (host, "a?b"),
            (host, "a\\b"),
            (host, "münchen"),
            (path, "a/b"),
            (path, ".."),
            (path, "%2e%2e"),
            (path, "a?b=c"),
            (path, "a#b"),
            (path, "a b"),
            (path, "a\r\nb"),
            (beginning, "evil"),
            (beginning, "http://10.0.0.7"),
            (beginning, "https://canary@evil.example"),
            (beginning, "https://evil.example/?x="),
            (beginning, "https://evil.example/#"),
            (beginning, "ftp://evil.example"),
            (beginning, "https://"),
        ] {
            let error = fill(text, &[("V", value)]).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_url"), "{text} with {value}");
            assert!(!format!("{error:?}").contains("evil"), "{error:?}");
        }
    }

    #[test]
    fn a_key_of_the_environment_cannot_be_written_into_an_address() {
        for name in [
            "OPENAI_API_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "GITHUB_TOKEN",
            "DB_PASSWORD",
            "SNOWFLAKE_PAT",
            "LAB_APIKEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "REGION|HF_TOKEN",
            "HF_TOKEN:none",
        ] {
            for text in [format!("https://evil.example/{{{name}}}/v1"), format!("https://{{{name}}}.evil.example/v1")] {
                let error = Address::read(&text, false).unwrap_err();
                assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_url"), "{text}");
                assert!(error.detail().contains("holds a key"), "{error}");
            }
        }
        for name in ["AZURE_OPENAI_ENDPOINT", "GOOGLE_CLOUD_PROJECT", "SNOWFLAKE_ACCOUNT", "COMPAT", "MONKEY_HOST"] {
            assert!(Address::read(&format!("{{{name}}}/v1"), false).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_address_that_no_variable_could_make_good_is_refused_where_it_is_written() {
        for text in [
            "https://{lab}.example/v1",
            "https://{A.example/v1",
            "https://A}.example/v1",
            "https://{}.example/v1",
            "https://{A|}.example/v1",
            "https://{A}/../v1",
            "http://{A}.lab.example/v1",
            "https://key@{A}.lab.example/v1",
            "{A}.lab.example/v1",
            "{A}{B}",
            "https://x.example/{A:a/b}",
            "{A:nowhere}/v1",
            "{SCHEME}://lab.example",
        ] {
            assert_eq!(Address::read(text, false).unwrap_err().reason(), "bad_url", "{text}");
        }
        assert!(Address::read("http://{A}.lab.example/v1", true).is_ok());
    }
}
