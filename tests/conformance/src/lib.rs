//! Recorded replies of providers, read through the real transport and the real dialects, compared with what a
//! person found in their bytes.
//!
//! ```text
//! folder ─ case ─▶ Case ─┬─ server (loopback, the case's status, headers and bytes) ─▶ HttpTransport ─┐
//!                        └─ bytes, cut in every way ──────────────────────────────────────────────────┤
//!                                                                                   Dialect ─▶ read ──┴─▶ expect
//! ```
//!
//! Every case is read whole, byte by byte and in random pieces, and must come out the same; and it is cut, and
//! must then be no success unless the provider's own proof of the end stood before the cut. `README.md` says how
//! a folder of cases is laid out and what is compared.
//!
//! The runner knows no dialect: a line in [`dialects`] is all that a new one takes.

pub mod case;
mod cuts;
pub mod dialects;
mod embeddings;
#[cfg(test)]
mod estimates;
mod expect;
pub mod loops;
mod read;
mod run;
mod server;
#[cfg(test)]
mod tests;

pub use run::{Summary, Verdict, run};
