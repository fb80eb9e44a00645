//! Whether a value is what a scenario expects.

use serde_json::Value;

/// Nothing when the value is what was wanted; else where it is not, and how.
pub(crate) fn check(wanted: &Value, value: &Value, place: &str) -> Result<(), String> {
    let at = |step: &str| if place.is_empty() { step.to_owned() } else { format!("{place}.{step}") };
    let holds = |holds: bool| if holds { Ok(()) } else { Err(format!("{place}: {value} is not {wanted}")) };
    if let Some(outcome) = test(wanted, value) {
        return holds(outcome);
    }
    match (wanted, value) {
        (Value::Object(fields), Value::Object(found)) => fields.iter().try_for_each(|(name, wanted)| {
            let value = found.get(name).ok_or_else(|| format!("{}: there is no such field", at(name)))?;
            check(wanted, value, &at(name))
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let mut pairs = wanted.iter().zip(found).enumerate();
            pairs.try_for_each(|(index, (wanted, value))| check(wanted, value, &at(&index.to_string())))
        }
        (Value::Number(wanted), Value::Number(value)) => holds(wanted.as_f64() == value.as_f64()),
        _ => holds(wanted == value),
    }
}

/// The outcome of a test such as `{"contains": …}`; nothing when it is none.
fn test(wanted: &Value, value: &Value) -> Option<bool> {
    let (test, wanted) = wanted.as_object().filter(|fields| fields.len() == 1)?.iter().next()?;
    Some(match (test.as_str(), wanted, value) {
        ("any", wanted, _) => *wanted == Value::Bool(true) && !value.is_null(),
        ("contains", Value::String(part), Value::String(text)) => text.contains(part.as_str()),
        ("contains", part, Value::Array(items)) => items.iter().any(|item| check(part, item, "").is_ok()),
        ("count", count, Value::Array(items)) => count.as_u64() == Some(items.len() as u64),
        ("contains" | "count", ..) => false,
        ("more_than", bound, _) => value.as_f64().zip(bound.as_f64()).is_some_and(|(value, bound)| value > bound),
        ("not", wanted, _) => check(wanted, value, "").is_err(),
        _ => return None,
    })
}
