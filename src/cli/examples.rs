//! Three examples from real use for each subcommand: the end of its `--help`, and a section of its manual page.

use crate::platform::advice::{manual, typed_here};

/// A purpose and the command line for it, for sh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    pub purpose: &'static str,
    pub line: &'static str,
}

const fn example(purpose: &'static str, line: &'static str) -> Example {
    Example { purpose, line }
}

/// The examples of a subcommand; of solobot itself for an empty name. None for the hidden ones.
pub fn of(name: &str) -> &'static [Example] {
    ALL.iter().find(|(known, _)| *known == name).map_or(&[], |(_, examples)| examples)
}

const ALL: &[(&str, &[Example])] = &[
    (
        "",
        &[
            example("Write solobot.toml from what is running here:", "solobot init"),
            example("See what runs, under which lock, and what started it:", "solobot status"),
            example("Run a bot, and make sure that it is the only one:", "solobot acquire -- python3 main.py"),
        ],
    ),
    (
        "status",
        &[
            example("Every bot in solobot.toml, or everything that looks like a bot:", "solobot status"),
            example("One script, without a configuration, every five seconds:", "solobot status -m main.py --watch=5"),
            example(
                "The PIDs of a bot's instances, for a script:",
                "solobot status main --json | jq '.bots[0].instances[].pid'",
            ),
        ],
    ),
    (
        "acquire",
        &[
            example(
                "In a terminal or a script: run the bot, or say who already runs it:",
                "solobot acquire -- python3 main.py",
            ),
            example(
                "In a systemd unit: if someone started the bot by hand, wait until it ends:",
                "solobot acquire main --wait forever",
            ),
            example(
                "In a deploy script: hold the lock until the script ends:",
                "solobot acquire main --pid $$ --wait 1m",
            ),
        ],
    ),
    (
        "release",
        &[
            example("Early, in a script that has run `solobot acquire main --pid $$`:", "solobot release main"),
            example(
                "The same, from another shell, for a lock that is not in solobot.toml:",
                "solobot release --lock /srv/bot/.solobot.lock --yes",
            ),
            example(
                "Unlock what `solobot acquire --fd 9` locked, and keep descriptor 9 open:",
                "solobot release --fd 9",
            ),
        ],
    ),
    (
        "kill-duplicates",
        &[
            example("See what would be kept and what would be stopped:", "solobot kill-duplicates main --dry-run"),
            example(
                "After a deploy: keep the newest, without a question:",
                "solobot kill-duplicates main --keep newest --yes",
            ),
            example(
                "Without solobot.toml, with a minute for each instance to end:",
                "solobot kill-duplicates -m /srv/bot/main.py --grace 1m",
            ),
        ],
    ),
    (
        "stop",
        &[
            example("Stop a bot, wherever it was started:", "solobot stop main"),
            example(
                "In a deploy script: stop what runs, then wait until it is safe to start:",
                "solobot stop main --yes && solobot check main --wait 30s",
            ),
            example(
                "Stop what holds a lock, without a configuration:",
                "solobot stop --lock /tmp/telegram_polling.lock",
            ),
        ],
    ),
    (
        "restart",
        &[
            example("After an update of its code:", "solobot restart main"),
            example("See what would be run: systemctl restart, or solobot itself:", "solobot restart main --dry-run"),
            example("In a script, without solobot.toml:", "solobot restart -m /srv/bot/main.py --yes"),
        ],
    ),
    (
        "clean-stale",
        &[
            example("Clear what crashed bots left in their locks:", "solobot clean-stale"),
            example(
                "See what would be done with some lock files, and why:",
                "solobot clean-stale --dry-run /tmp/*.lock",
            ),
            example(
                "Also remove the lock file, if no process has it open:",
                "solobot clean-stale --remove /tmp/telegram_polling.lock",
            ),
        ],
    ),
    (
        "delete-webhook",
        &[
            example("Clear the webhook, and check that it is gone:", "solobot delete-webhook main"),
            example("Only see whether a webhook is set:", "solobot delete-webhook main --dry-run"),
            example(
                "With a token from a .env file, at a self-hosted Bot API server:",
                "solobot delete-webhook --env-file .env --api-url http://127.0.0.1:8081",
            ),
        ],
    ),
    (
        "check",
        &[
            example(
                "In a crontab: start the bot only if it is not running:",
                "solobot check -q main && solobot acquire main -n",
            ),
            example("In a deploy script: wait until the old instance has ended:", "solobot check main --wait 1m"),
            example(
                "As a health check: is exactly one running, and does it fetch its updates?",
                "solobot check --running --responsive main",
            ),
        ],
    ),
    (
        "doctor",
        &[
            example("Why are there conflicts?", "solobot doctor"),
            example(
                "Does another machine poll? Stop the bot here, and send it a message:",
                "solobot doctor --elsewhere main",
            ),
            example("What a finding means, and how to fix it:", "solobot doctor --explain duplicate-instances"),
        ],
    ),
    (
        "conflicts",
        &[
            example(
                "Since when are there conflicts, and how many? From the logs in solobot.toml:",
                "solobot conflicts main",
            ),
            example("By the hour, from a unit's journal:", "solobot conflicts unit:bot.service --by hour --since 1d"),
            example(
                "From a pipe, and fail if there is any conflict:",
                "docker logs bot 2>&1 | solobot conflicts --max 0 -",
            ),
        ],
    ),
    (
        "lease",
        &[
            example("Which host runs the bot, and since when:", "solobot lease main"),
            example(
                "Without solobot.toml, on a Redis server with a password:",
                "solobot lease --lease-env LEASE_URL --token-env BOT_TOKEN",
            ),
            example("The host, for a script:", "solobot lease main --json | jq -r '.bots[0].lease.holder.host'"),
        ],
    ),
    (
        "metrics",
        &[
            example("Print them:", "solobot metrics"),
            example(
                "In a crontab, for node_exporter:",
                "solobot metrics --telegram -o /var/lib/node_exporter/textfile_collector/solobot.prom",
            ),
            example(
                "One bot's, with at most one second for each request to Telegram:",
                "solobot metrics main --telegram --timeout 1s",
            ),
        ],
    ),
    (
        "init",
        &[
            example("In the bot's folder, while the bot is running:", "solobot init"),
            example("See what it would write:", "solobot init --dry-run"),
            example(
                "For the whole machine, and overwrite the file that exists:",
                "sudo solobot init -c /etc/solobot/solobot.toml --force",
            ),
        ],
    ),
];

/// The space inside of what clap must not break: a command in help is broken as every command is, so that it can be pasted.
pub const NO_BREAK: char = '\u{a0}';

fn unbroken(text: &str) -> String {
    text.replace(' ', &NO_BREAK.to_string())
}

/// The last line of `-h`: what it leaves out.
pub(super) fn short(name: &str, path: &str) -> String {
    let examples = if of(name).is_empty() { "" } else { ", with examples" };
    let (file, color, help) = (unbroken("-c FILE"), unbroken("--color WHEN"), unbroken(&format!("{path} --help")));
    format!("Also: {file}, --json, -q, -v, {color}, -V\nAll options{examples}: {help}")
}

/// The end of `--help`. Hidden subcommands have neither examples nor a manual page.
pub(super) fn long(name: &str, path: &str) -> String {
    let examples = of(name);
    if examples.is_empty() {
        return manual("solobot").map_or_else(String::new, |page| format!("Manual: {page}"));
    }
    let mut text = String::from("Examples:\n");
    for Example { purpose, line } in examples {
        let line = typed_here(line);
        if line.is_empty() {
            continue;
        }
        text.push_str("  ");
        text.push_str(&typed_here(purpose));
        text.push_str("\n    ");
        text.push_str(&unbroken(&line));
        text.push('\n');
    }
    if let Some(page) = manual(&path.replace(' ', "-")) {
        text.push_str("\nManual: ");
        text.push_str(&page);
    }
    text
}
