//! Outcomes and errors as one JSON object with `"schema": 1`. The field names are the words of `docs/src/concepts.md`,
//! and `docs/schema` describes them.
//!
//! Invariant: everything that is printed comes from [`line()`]. It masks tokens, even in the name of a folder, a lock
//! or a bot, and it escapes characters that reverse the direction of text on a terminal.

use serde::Serialize;
use serde_json::Value;

use super::sanitize;
use crate::base::error::Error;
use crate::cli::again::TypedLine;
use crate::outcome::Outcome;

/// The layout of everything printed with `--json`.
const SCHEMA: u32 = 1;

/// Written as it comes: as a [`Value`] the days and hours of a long log would take ten times the memory.
#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: ErrorView<'a>,
}

#[derive(Serialize)]
struct ErrorView<'a> {
    code: u32,
    kind: &'a str,
    message: &'a str,
    hints: &'a [String],
}

/// An outcome as an object that is not masked yet.
pub fn value(content: &impl Serialize) -> Option<Value> {
    serde_json::to_value(Document { schema: SCHEMA, content }).ok()
}

/// An object as it is printed: in one line, tokens masked, hidden characters escaped. In JSON's own text a token is what it
/// is anywhere else, as nothing in it needs an escape; and what takes its secret's place needs none either.
///
/// Nothing that is printed fails to become JSON: it has no other keys than strings.
pub fn line(value: &impl Serialize) -> String {
    let mut line = sanitize::json(serde_json::to_string(value).unwrap_or_default());
    line.push('\n');
    line
}

/// An outcome as it is printed; `None` for one that says nothing.
pub fn outcome(outcome: &Outcome) -> Option<String> {
    (!outcome.is_silent()).then(|| line(&Document { schema: SCHEMA, content: outcome }))
}

/// An error as it is printed.
pub fn error(error: &Error, typed: TypedLine<'_>) -> String {
    let hints: Vec<String> = error.hints().iter().filter_map(|hint| typed.complete(hint)).collect();
    usage_or_error(error.exit().code(), error.kind(), &error.to_string(), &hints)
}

/// The same from its parts.
pub fn usage_or_error(code: u32, kind: &str, message: &str, hints: &[String]) -> String {
    line(&Document { schema: SCHEMA, content: ErrorDocument { error: ErrorView { code, kind, message, hints } } })
}
