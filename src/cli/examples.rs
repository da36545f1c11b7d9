//! Three examples from real use a subcommand: the end of its `--help`, and its manual page's section of that name.

/// A purpose and the command line that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// What one wants, as a sentence.
    pub purpose: &'static str,
    /// What one types.
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
            example("Write solobot.toml from what runs here:", "solobot init"),
            example("See who runs, under which lock, started by whom:", "solobot status"),
            example("Run a bot so that it is the only one:", "solobot acquire -- python3 main.py"),
        ],
    ),
    (
        "status",
        &[
            example("Every bot of solobot.toml, or whatever looks like one:", "solobot status"),
            example(
                "One script, without any configuration, again every five seconds:",
                "solobot status -m main.py --watch=5",
            ),
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
                "In a terminal or a script: run the bot, or say who runs it already:",
                "solobot acquire -- python3 main.py",
            ),
            example(
                "In a systemd unit: wait for a hand-started bot to end, never fail for it:",
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
            example("Before the end of a script that has run `solobot acquire main --pid $$`:", "solobot release main"),
            example(
                "The same for a lock that was taken without solobot.toml, from another shell:",
                "solobot release --lock /srv/bot/.solobot.lock --yes",
            ),
            example("Unlock what `solobot acquire --fd 9` locked, and keep it open:", "solobot release --fd 9"),
        ],
    ),
    (
        "kill-duplicates",
        &[
            example("See what would be kept, and what stopped:", "solobot kill-duplicates main --dry-run"),
            example(
                "After a deploy: keep the newest, and do not ask:",
                "solobot kill-duplicates main --keep newest --yes",
            ),
            example(
                "Without solobot.toml, with a minute for each to end:",
                "solobot kill-duplicates -m /srv/bot/main.py --grace 1m",
            ),
        ],
    ),
    (
        "stop",
        &[
            example("Stop a bot for good, wherever it was started:", "solobot stop main"),
            example(
                "In a deploy script: stop whatever runs, then start the new release:",
                "solobot stop main --yes && solobot check main --wait 30s",
            ),
            example(
                "Stop what holds a lock that no bot is configured for:",
                "solobot stop --lock /tmp/telegram_polling.lock",
            ),
        ],
    ),
    (
        "clean-stale",
        &[
            example("Clear what a crash left of every bot's lock:", "solobot clean-stale"),
            example(
                "Say of some lock files what would be done with each, and why:",
                "solobot clean-stale --dry-run /tmp/*.lock",
            ),
            example(
                "Remove the file as well, if no process has it open:",
                "solobot clean-stale --remove /tmp/telegram_polling.lock",
            ),
        ],
    ),
    (
        "delete-webhook",
        &[
            example("Clear the webhook, and prove that it is gone:", "solobot delete-webhook main"),
            example("Only look whether one is set:", "solobot delete-webhook main --dry-run"),
            example(
                "With the token of a .env file, at a Bot API server of one's own:",
                "solobot delete-webhook --env-file .env --api-url http://127.0.0.1:8081",
            ),
        ],
    ),
    (
        "check",
        &[
            example(
                "In a crontab: start the bot only if nobody else has:",
                "solobot check -q main && solobot acquire main -n",
            ),
            example("In a deploy script: wait until the old release has ended:", "solobot check main --wait 1m"),
            example(
                "As a health check: is exactly one running, under its lock, and connected?",
                "solobot check --running main",
            ),
        ],
    ),
    (
        "doctor",
        &[
            example("Why are there conflicts?", "solobot doctor"),
            example("Only one bot, for a script:", "solobot doctor main --json | jq '.findings[].code'"),
            example("What a finding means, and how to be sure of it:", "solobot doctor --explain duplicate-instances"),
        ],
    ),
    (
        "conflicts",
        &[
            example("Since when, and how often? From the logs in solobot.toml:", "solobot conflicts main"),
            example("By the hour, from a unit's journal:", "solobot conflicts unit:bot.service --by hour --since 1d"),
            example("In a pipe, and fail if there is any:", "docker logs bot 2>&1 | solobot conflicts --max 0 -"),
        ],
    ),
    (
        "metrics",
        &[
            example("Look at them:", "solobot metrics"),
            example(
                "In a crontab, for node_exporter:",
                "solobot metrics -o /var/lib/node_exporter/textfile/solobot.prom",
            ),
            example("Only one bot, and do not wait for Telegram:", "solobot metrics main --timeout 1s"),
        ],
    ),
    (
        "init",
        &[
            example("In the bot's folder, while the bot runs:", "solobot init"),
            example("See what it would write:", "solobot init --dry-run"),
            example(
                "For the whole machine, instead of what is there:",
                "sudo solobot init -c /etc/solobot/solobot.toml --force",
            ),
        ],
    ),
];

/// The last line of `-h`: what it leaves out.
pub(super) fn short(name: &str, path: &str) -> String {
    let examples = if of(name).is_empty() { "" } else { ", with examples" };
    format!("Also: -c FILE, --json, -q, -v, --color WHEN, -V\nAll options{examples}: {path} --help")
}

/// The end of `--help`. Hidden subcommands have neither examples nor a manual page.
pub(super) fn long(name: &str, path: &str) -> String {
    let examples = of(name);
    if examples.is_empty() {
        return "Manual: man solobot".to_owned();
    }
    let mut text = String::from("Examples:\n");
    for Example { purpose, line } in examples {
        text.push_str("  ");
        text.push_str(purpose);
        text.push_str("\n    $ ");
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("\nManual: man ");
    text.push_str(&path.replace(' ', "-"));
    text
}
