//! clap's errors, in solobot's own words.

use std::num::ParseIntError;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The texts that clap knows of an error, such as the argument that it is about.
pub(super) fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// An option's name without its value: `--takeover` of `--takeover[=<WHOM>]`.
fn name(arg: &str) -> &str {
    if !arg.starts_with('-') {
        return arg;
    }
    arg.split([' ', '[', '=']).next().unwrap_or(arg).trim_end_matches("...")
}

/// What is wrong, in the style of all other errors.
pub(super) fn message(error: &clap::Error) -> String {
    let first = |kind| texts(error, kind).into_iter().next().unwrap_or_default();
    let arg = first(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidSubcommand => format!("unknown subcommand `{}`", first(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingSubcommand => "a subcommand is missing".to_owned(),
        ErrorKind::UnknownArgument if arg.starts_with('-') => format!("unknown option `{}`", name(&arg)),
        ErrorKind::UnknownArgument => format!("unexpected argument `{arg}`"),
        ErrorKind::InvalidValue if first(ContextKind::InvalidValue).is_empty() => {
            format!("`{}` needs a value: {arg}", name(&arg))
        }
        ErrorKind::InvalidValue => format!(
            "invalid value `{}` for `{}`: use {}",
            first(ContextKind::InvalidValue),
            name(&arg),
            one_of(&texts(error, ContextKind::ValidValue))
        ),
        ErrorKind::ValueValidation => invalid(name(&arg), &first(ContextKind::InvalidValue), error),
        ErrorKind::TooManyValues => format!("`{}` takes no value", name(&arg)),
        ErrorKind::ArgumentConflict => {
            let others = texts(error, ContextKind::PriorArg);
            if others.contains(&arg) {
                return format!("`{}` is given twice", name(&arg));
            }
            let others: Vec<String> = others.iter().map(|other| format!("`{}`", name(other))).collect();
            format!("`{}` cannot be used with {}", name(&arg), others.join(" and "))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing: Vec<String> = texts(error, ContextKind::InvalidArg);
            let missing: Vec<String> = missing.iter().map(|one| format!("`{one}`")).collect();
            format!("missing argument: {}", missing.join(" and "))
        }
        _ => {
            let text = error.render().to_string();
            text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

/// `bash, zsh or fish`.
fn one_of(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// solobot's own parsers name the value; what Rust says of a number does not.
fn invalid(option: &str, value: &str, error: &clap::Error) -> String {
    let source = std::error::Error::source(error);
    if source.is_some_and(<dyn std::error::Error>::is::<ParseIntError>) {
        return format!("invalid value `{value}` for `{option}`: it is not a number");
    }
    let why = source.map(ToString::to_string).unwrap_or_default();
    // As Rust writes a range.
    if let Some((from, to)) = why.strip_prefix(&format!("{value} is not in ")).and_then(|range| range.split_once("..="))
    {
        return format!("invalid value `{value}` for `{option}`: use a number from {from} to {to}");
    }
    if why.contains(value) {
        return format!("invalid value for `{option}`: {why}");
    }
    format!("invalid value `{value}` for `{option}`: {why}")
}
