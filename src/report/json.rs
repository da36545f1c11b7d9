//! Outcomes and errors as one JSON object: `"schema": 1`, field names are the words of `docs/src/concepts.md`
//! and described in `docs/schema`.
//!
//! Invariant: all that is printed comes from [`line()`], which masks tokens, whatever was named by one: a folder, a lock, a
//! bot; and which escapes what would turn text around on a terminal.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::sanitize;
use crate::base::error::Error;
use crate::outcome::Outcome;
use crate::outcome::acquire::AcquireOutcome;
use crate::outcome::doctor::DoctorOutcome;
use crate::outcome::release::{Reason, ReleaseOutcome};
use crate::outcome::status::StatusOutcome;

/// The layout of everything printed with `--json`.
const SCHEMA: u32 = 1;

/// What `status` sees, as an object that is not masked yet.
pub fn status(seen: &StatusOutcome) -> Option<Value> {
    serde_json::to_value(seen).ok().map(with_schema)
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
    let value = match outcome {
        Outcome::Status(seen) => return status(seen).as_ref().map(line),
        Outcome::Check(check) => serde_json::to_value(check).ok()?,
        Outcome::CleanStale(cleaned) => serde_json::to_value(cleaned).ok()?,
        Outcome::Doctor(DoctorOutcome::Explained(code)) => {
            let mut value = serde_json::to_value(code.explanation()).ok()?;
            value.as_object_mut()?.insert("code".into(), code.word().into());
            value
        }
        Outcome::Doctor(DoctorOutcome::Diagnosed(diagnosis)) => serde_json::to_value(diagnosis).ok()?,
        Outcome::DeleteWebhook(deleted) => serde_json::to_value(deleted).ok()?,
        Outcome::KillDuplicates(done) => serde_json::to_value(done).ok()?,
        Outcome::Release(released) => release(released),
        Outcome::Metrics(measured) => serde_json::to_value(measured).ok()?,
        Outcome::Init(drafted) => serde_json::to_value(drafted).ok()?,
        Outcome::Completions { shell, text } => {
            let shell = shell.to_possible_value()?.get_name().to_owned();
            json!({ "shell": shell, "text": text })
        }
        Outcome::Conflicts(counted) => return Some(line(&super::conflicts::json(counted, SCHEMA))),
        Outcome::Acquire(AcquireOutcome::Descriptor(fd)) => json!({ "acquired": true, "fd": fd }),
        Outcome::Acquire(AcquireOutcome::Kept(pid)) => json!({ "acquired": true, "keeper": pid }),
        Outcome::Acquire(AcquireOutcome::HeldForUs) => json!({ "acquired": false, "held_for_us": true }),
        Outcome::Acquire(AcquireOutcome::Ended(_)) | Outcome::Keeper => return None,
    };
    Some(line(&with_schema(value)))
}

fn release(outcome: &ReleaseOutcome) -> Value {
    let holding = match &outcome.reason {
        Reason::HeldByBot(holding) => serde_json::to_value(holding).ok(),
        _ => None,
    };
    let reason = super::human::release_reason(outcome);
    let mut value =
        json!({ "lock": outcome.lock.to_string_lossy(), "released": outcome.is_released(), "reason": reason });
    if let (Some(holding), Some(fields)) = (holding, value.as_object_mut()) {
        fields.insert("holding".into(), holding);
    }
    value
}

/// An error as it is printed.
pub fn error(error: &Error) -> String {
    usage_or_error(error.exit().code(), error.kind(), &error.to_string(), &error.hints())
}

/// The same from its parts.
pub fn usage_or_error(code: u8, kind: &str, message: &str, hints: &[String]) -> String {
    line(&with_schema(json!({ "error": { "code": code, "kind": kind, "message": message, "hints": hints } })))
}

fn with_schema(value: Value) -> Value {
    let mut object = Map::from_iter([("schema".to_owned(), Value::from(SCHEMA))]);
    if let Value::Object(fields) = value {
        object.extend(fields);
    }
    Value::Object(object)
}
