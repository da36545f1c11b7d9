//! The logs that nobody has named: what running instances, or their managers, write to.

use super::input::{self, Input};
use crate::process::instance::Instance;
use crate::process::logs::{self, Place};

/// Where these instances write to now, each place once.
pub fn by<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Vec<Input> {
    let places = instances.into_iter().flat_map(logs::of).map(|place| match place {
        Place::File(path) => Input::File(path),
        Place::Unit(unit) => Input::Unit(unit),
    });
    once(places)
}

/// The same, with what was rotated away beside each file; the oldest first.
pub fn with_rotated<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Vec<Input> {
    once(by(instances).into_iter().flat_map(|input| match input {
        Input::File(path) => input::with_rotated(&path).into_iter().map(Input::File).collect(),
        other => vec![other],
    }))
}

fn once(inputs: impl Iterator<Item = Input>) -> Vec<Input> {
    inputs.fold(Vec::new(), |mut seen, input| {
        if !seen.contains(&input) {
            seen.push(input);
        }
        seen
    })
}
