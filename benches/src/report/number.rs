//! Numbers in JSON that may be infinite: written as the string `inf`, since JSON has no word
//! for it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(String),
}

/// Writes a number, or `"inf"`.
///
/// # Errors
///
/// Returns the writer's error, or one of ours for NaN, which no figure may be.
pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if value.is_nan() {
        Err(serde::ser::Error::custom("a figure is not a number"))
    } else if value.is_infinite() {
        to.serialize_str("inf")
    } else {
        to.serialize_f64(*value)
    }
}

/// Reads a number, or `"inf"`.
///
/// # Errors
///
/// Returns the reader's error, or one that names a word other than `inf`.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    match Number::deserialize(from)? {
        Number::Finite(value) => Ok(value),
        Number::Word(word) if word == "inf" => Ok(f64::INFINITY),
        Number::Word(word) => {
            Err(D::Error::custom(format!("{word:?} is neither a number nor \"inf\"")))
        }
    }
}
