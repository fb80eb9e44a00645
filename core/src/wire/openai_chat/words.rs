//! The shape that the events of most streams have: some words, at the end why there are no more and what they took, and
//! nothing else that counts.
//!
//! ```text
//! {"id": …, "model": …, "choices": [{"index": 0, "delta": {"content": "…"}, "finish_reason": null}], "usage": null, …}
//! ```
//! What the general shape ([`Chunk`](super::chunk::Chunk)) knows and this one does not must be null or absent; whatever
//! else stands in the event is passed over, in any order, as the general shape passes it over. An event that is anything
//! else is no error but is left to the general shape. That one is thrice as large, and most of its time goes into fields
//! that are not there.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::chunk::Text;

/// An event of words.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    pub(super) id: Text<'a>,
    pub(super) model: Text<'a>,
    /// Nothing when there is no choice, as in the event that tells the usage.
    pub(super) choice: Option<Choice<'a>>,
    pub(super) usage: Option<&'a RawValue>,
}

/// What the first choice says.
#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    pub(super) delta: Option<Delta<'a>>,
    pub(super) finish_reason: Text<'a>,
}

/// The next words, and the next thoughts.
#[derive(Debug, Default)]
pub(super) struct Delta<'a> {
    pub(super) content: Text<'a>,
    pub(super) reasoning: Text<'a>,
    pub(super) reasoning_content: Text<'a>,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Id,
    Model,
    Choices,
    Usage,
    // Empty in an event of words.
    Type,
    XGroq,
    Error,
    Detail,
    Message,
    Citations,
    SearchResults,
    #[serde(other)]
    Unknown,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ChoiceField {
    Index,
    Delta,
    FinishReason,
    // Empty in an event of words.
    Message,
    Error,
    #[serde(other)]
    Unknown,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum DeltaField {
    Content,
    Reasoning,
    ReasoningContent,
    // Empty in an event of words.
    ReasoningDetails,
    Refusal,
    ToolCalls,
    FunctionCall,
    Annotations,
    Audio,
    Images,
    ExtraContent,
    #[serde(other)]
    Unknown,
}

/// A string, or nothing.
struct Said<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Said<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText<'a>(PhantomData<&'a str>);

        impl<'de: 'a, 'a> Visitor<'de> for AnyText<'a> {
            type Value = Said<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Said(Text(text.into())))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Said(Text(text.to_owned().into())))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Said(Text::default()))
            }
        }

        deserializer.deserialize_any(AnyText(PhantomData))
    }
}

/// Reads a value that is to stand once and be a string or null.
fn said<'de: 'a, 'a, A: MapAccess<'de>>(map: &mut A, into: &mut Text<'a>) -> Result<(), A::Error> {
    let Said(text) = map.next_value()?;
    if !into.is_empty() {
        return Err(A::Error::custom("twice"));
    }
    *into = text;
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Event<'a>(PhantomData<&'a str>);

        impl<'de: 'a, 'a> Visitor<'de> for Event<'a> {
            type Value = Words<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event of words")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut words, mut has_choices) = (Words::default(), false);
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::Id => said(&mut map, &mut words.id)?,
                        Field::Model => said(&mut map, &mut words.model)?,
                        Field::Choices if !has_choices => {
                            OneChoice(words.choice) = map.next_value()?;
                            has_choices = true;
                        }
                        Field::Usage if words.usage.is_none() => words.usage = map.next_value()?,
                        Field::Unknown => drop(map.next_value::<IgnoredAny>()?),
                        _ => map.next_value::<()>()?,
                    }
                }
                if has_choices { Ok(words) } else { Err(A::Error::custom("no choices")) }
            }
        }

        deserializer.deserialize_map(Event(PhantomData))
    }
}

/// A list of one choice, or of none.
struct OneChoice<'a>(Option<Choice<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for OneChoice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<'a>(PhantomData<&'a str>);

        impl<'de: 'a, 'a> Visitor<'de> for List<'a> {
            type Value = OneChoice<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one choice")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let Some(choice) = list.next_element()? else { return Ok(OneChoice(None)) };
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(OneChoice(Some(choice))),
                    Some(_) => Err(A::Error::custom("several choices")),
                }
            }
        }

        deserializer.deserialize_seq(List(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One<'a>(PhantomData<&'a str>);

        impl<'de: 'a, 'a> Visitor<'de> for One<'a> {
            type Value = Choice<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a choice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut choice = Choice::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        ChoiceField::Index => match map.next_value::<u64>()? {
                            0 => {}
                            _ => return Err(A::Error::custom("another choice")),
                        },
                        ChoiceField::Delta if choice.delta.is_none() => choice.delta = Some(map.next_value()?),
                        ChoiceField::FinishReason => said(&mut map, &mut choice.finish_reason)?,
                        ChoiceField::Unknown => drop(map.next_value::<IgnoredAny>()?),
                        _ => map.next_value::<()>()?,
                    }
                }
                Ok(choice)
            }
        }

        deserializer.deserialize_map(One(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Delta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces<'a>(PhantomData<&'a str>);

        impl<'de: 'a, 'a> Visitor<'de> for Pieces<'a> {
            type Value = Delta<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a delta of words")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut delta = Delta::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        DeltaField::Content => said(&mut map, &mut delta.content)?,
                        DeltaField::Reasoning => said(&mut map, &mut delta.reasoning)?,
                        DeltaField::ReasoningContent => said(&mut map, &mut delta.reasoning_content)?,
                        DeltaField::Unknown => drop(map.next_value::<IgnoredAny>()?),
                        _ => map.next_value::<()>()?,
                    }
                }
                Ok(delta)
            }
        }

        deserializer.deserialize_map(Pieces(PhantomData))
    }
}
