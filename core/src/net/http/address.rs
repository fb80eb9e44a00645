//! Addresses as the client wants them. It reads one from text, and most calls go where the one before went.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use http::Uri;
use reqwest::Url;

use crate::model::{Error, Result};

/// So many addresses are remembered, those that were met last.
const REMEMBERED: usize = 16;

/// Longer ones are read each time.
const MAX_BYTES: usize = 1_024;

/// The addresses that were met last.
#[derive(Default)]
pub(super) struct Addresses(Mutex<VecDeque<(Uri, Url)>>);

impl Addresses {
    /// The same address in the client's form.
    ///
    /// # Errors
    /// `Invalid` (url) when it is not an absolute one.
    pub(super) fn url(&self, uri: &Uri) -> Result<Url> {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, url)) = met.iter().find(|(before, _)| before == uri) {
            return Ok(url.clone());
        }
        let url = Url::parse(&uri.to_string())
            .map_err(|_| Error::invalid("url", "the request needs an absolute `http` or `https` URL"))?;
        if url.as_str().len() <= MAX_BYTES {
            met.truncate(REMEMBERED - 1);
            met.push_front((uri.clone(), url.clone()));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_whether_it_was_met_before_or_not_and_few_are_remembered() {
        let addresses = Addresses::default();
        for round in 0..2 {
            for number in 0..40 {
                let text = format!("http://a{}.example:8080/v1/chat?x={number}", number % 3);
                let uri: Uri = text.parse().unwrap();
                for _ in 0..2 {
                    assert_eq!(addresses.url(&uri).unwrap().as_str(), text, "round {round}");
                }
                assert!(addresses.0.lock().unwrap().len() <= REMEMBERED);
            }
        }
        let long: Uri = format!("http://a.example/{}", "x".repeat(2_000)).parse().unwrap();
        let before = addresses.0.lock().unwrap().clone();
        assert_eq!(addresses.url(&long).unwrap().path().len(), 2_001);
        assert_eq!(*addresses.0.lock().unwrap(), before, "what is long is not kept");
    }

    #[test]
    fn what_is_no_absolute_address_is_refused() {
        for text in ["/v1/chat", "*"] {
            assert_eq!(addresses_refuse(text), "url", "{text}");
        }
    }

    fn addresses_refuse(text: &str) -> String {
        Addresses::default().url(&text.parse().unwrap()).unwrap_err().reason().to_owned()
    }
}
