//! `acquire -v`: every setting and where it came from, including the flags of this run.

use super::request::Request;
use crate::outcome::events::{Events, Notice};
use crate::settings::{SetBy, Settings};

/// Says what was settled.
pub fn explain(request: &Request<'_>, settings: &Settings, events: &mut dyn Events) {
    let args = request.args;
    let mut bot = request.bot.clone();
    (bot.wait, bot.grace) = (request.wait, request.grace);
    let flags = [
        (args.wait.is_some(), "wait", "--wait"),
        (args.nonblock, "wait", "--nonblock"),
        (args.grace.is_some(), "grace", "--grace"),
        (args.handover, "locks_itself", "--handover"),
        (args.no_skip_env, "skip_env", "--no-skip-env"),
    ];
    for (_, setting, flag) in flags.into_iter().filter(|(is_given, _, _)| *is_given) {
        bot.provenance.note(setting, SetBy::Flag(flag));
    }
    bot.locks_itself |= args.handover;
    bot.skip_env = bot.skip_env.filter(|_| !args.no_skip_env);
    events.notice(&Notice::Settings { file: settings.file().map(ToOwned::to_owned), all: bot.explained() });
}
