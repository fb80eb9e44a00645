//! Values on their way between Rust and Python.
//!
//! Out: [`ToPython`], one value at a time, when Python reads it; [`plain`] for the plain form that
//! `to_dict` gives (what serde writes). In: [`FromPython`], with the place of what is wrong in the
//! error (`messages[2].parts[0].text`), and never the text that was wrong.

mod fields;
mod from_python;
mod json;
mod plain;
mod to_python;

pub(crate) use fields::{Fields, did_you_mean};
pub(crate) use from_python::{
    FromPython, Item as InItem, Place, duration_ms, expected_of, invalid, kind_of, text, wrong_type,
};
pub(crate) use json::json;
pub(crate) use plain::{plain, word};
pub(crate) use to_python::{Item as OutItem, ToPython};
