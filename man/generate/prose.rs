//! The manual's own words: what neither an option's help nor a table says.

/// What a subcommand's page says besides its options.
pub struct Prose {
    /// More paragraphs of the description.
    pub more: &'static [&'static str],
    /// The rows of the exit-code table that it can end with.
    pub codes: &'static [&'static str],
    /// The variables that it reads, by their first names.
    pub variables: &'static [&'static str],
    /// What it does to stay safe, and what it does not promise.
    pub notes: &'static [&'static str],
    /// Subcommands to read about next.
    pub near: &'static [&'static str],
}

/// The description of solobot itself, behind its long help.
pub const MAIN: &[&str] = &[
    "A lock is a path, and the kernel's flock(2) on it is the truth: whoever takes it with flock(1), with Python's \
     fcntl.flock or with filelock excludes solobot, and is excluded. The PID in the file and the owner record beside it \
     are hints for people. A crash leaves no lock behind, only a stale text.",
    "Instances are counted, not processes: wrappers, workers, forks and reloaders belong to the bot that they serve. A \
     program is recognised as its interpreter would read the command line, never by a pattern.",
    "Tables are for people, `--json` for programs: one object with `schema` 1, described by the JSON Schemas in \
     docs/schema. stdout carries data, stderr everything else.",
];

/// How a bot is named.
pub const WHICH_BOT: &[&str] = &[
    "BOT is a name in solobot.toml(5). Without a file, `-m` names the program: a path (`app/main.py`), a bare script \
     name, which means every script so named, or a dotted module (`tg_bot.bot`). `-l` names a lock.",
    "With neither, a subcommand that looks shows every bot of the file. Without a file `status`, `doctor`, `conflicts`, \
     `metrics` and `init` show whatever on this machine looks like a bot: by a token in any variable or in the `.env` that \
     it would read, by its connection, by a lock that it holds. `check`, `stop`, `kill-duplicates`, `release` and \
     `clean-stale` take the bot whose lock lies in the current folder, or the only likely bot of that folder; where \
     several could be meant they name the commands and exit with 2. `delete-webhook` needs nothing but a token.",
    "The lock is `.solobot.lock` in the folder of the script (of a module: the folder that it runs from) unless the \
     file or `--lock` names another, so that cron, ssh and systemd mean the same one.",
    "A token is never an argument. It comes from `--token-file`, `--token-env`, `--env-file`, the bot's `token` table, \
     the usual variables, or `.env` in the bot's folder, in this order.",
];

/// What solobot promises and what not.
pub const NOTES: &[&str] = &[
    "Per host: a lock on this machine proves nothing about a laptop or an old server that uses the same token. Per path: \
     two starts that name two files do not exclude each other, nor do containers that do not share the folder, nor a \
     unit with `PrivateTmp=` and a lock in /tmp.",
    "A process is signalled through a pidfd, after its identity was read again: a reused PID is never hit. solobot never \
     signals itself, an ancestor or PID 1, and never a process group.",
    "A lock file is never unlinked on release: a waiter on the old file and a newcomer on a new one would both hold it. \
     `clean-stale --remove` unlinks one only if no process has it open.",
    "A token reaches no argument, log, error, JSON, file name or owner record; foreign command lines are shown masked. \
     What is shown is the bot's id and a fingerprint, by which two hosts can be compared.",
    "solobot never calls getUpdates: that would end the bot's own poll. A connection to Telegram is evidence of \
     polling, not proof.",
    "Linux 5.4 or newer. Network file systems are refused unless `--allow-network-fs`: not all of them know a flock \
     that other hosts see.",
];

/// Files that every page names.
pub const FILES: &[(&str, &str)] = &[
    (
        "./solobot.toml",
        "The configuration, in the current folder or one above it; then `~/.config/solobot/solobot.toml` and \
         `/etc/solobot/solobot.toml`. The first one counts. See solobot.toml(5).",
    ),
    (".solobot.lock", "The default lock, in the folder of the bot's program. Its text is a PID while it is held."),
    ("LOCK.info", "The owner record of a lock: who took it, when and for what, as JSON."),
];

const fn prose(
    more: &'static [&'static str],
    codes: &'static [&'static str],
    variables: &'static [&'static str],
    notes: &'static [&'static str],
    near: &'static [&'static str],
) -> Prose {
    Prose { more, codes, variables, notes, near }
}

const CONFIG: &str = "SOLOBOT_CONFIG";
const TOKEN: &str = "TELEGRAM_BOT_TOKEN";
const URL: &str = "SOLOBOT_API_URL";
const COLOR: &str = "NO_COLOR";

/// The prose of a subcommand's page.
#[expect(clippy::too_many_lines, reason = "a table of texts")]
pub fn of(name: &str) -> Prose {
    match name {
        "status" => prose(
            &[
                "The column LOCK says `holder` (one of its processes holds the lock), `covered` (an ancestor does), \
                 `unlocked` or `unknown`; POLLING says whether the instance is connected to Telegram.",
                "With `-v` it also says where each setting came from, and shows the journal's last events.",
            ],
            &["0", "2", "70", "77", "78"],
            &[CONFIG, TOKEN, URL, COLOR],
            &[
                "It looks and changes nothing: no file is created or written. Only where /proc/locks is silent a shared \
                 lock is tried for an instant.",
                "Other users' processes hide their folder and environment. The first line says how many could not be \
                 inspected; then it says \"one instance seen\", never \"one instance\".",
            ],
            &["check", "doctor", "kill-duplicates"],
        ),
        "acquire" => acquire(),
        "release" => prose(
            &["A keeper is the small process in the background that holds a lock for another one (`acquire --pid`). \
                 From outside the kept process's tree release asks first; without a terminal that needs `--yes`."],
            &["0", "1", "2", "73", "77", "78"],
            &[CONFIG, COLOR],
            &["The lock file is never unlinked: its text is cleared, its owner record is removed, and it is unlocked."],
            &["acquire", "stop", "clean-stale"],
        ),
        "kill-duplicates" | "stop" => stopping(),
        "clean-stale" => prose(
            &[
                "Stale is a lock file or an owner record that nobody has locked and whose recorded process is gone: dead, \
                 a zombie, another one under the same PID, or of another boot. It says of each file why it was kept or \
                 cleaned.",
            ],
            &["0", "1", "2", "73", "77", "78"],
            &[CONFIG, COLOR],
            &[
                "It holds the lock itself while it clears. A file whose content is neither empty nor a PID is no lock, \
                 and is kept.",
                "`--remove` is refused while any process has the file open or any process cannot be inspected: Python's \
                 lockers and flock(1) do not look at the path again, so an unlink makes two holders.",
            ],
            &["status", "release", "doctor"],
        ),
        "delete-webhook" => prose(
            &["A webhook and getUpdates exclude each other: while one is set, every poll ends with 409 Conflict."],
            &["0", "1", "2", "69", "78"],
            &[CONFIG, TOKEN, URL, "https_proxy", "http_proxy", "all_proxy", "no_proxy", COLOR],
            &[
                "Updates that wait at Telegram are kept unless `--drop-pending-updates`.",
                "The token is sent to the Bot API's base URL and to nobody else. An `api_url` in a file that another \
                 user wrote is not used.",
            ],
            &["acquire", "doctor", "conflicts"],
        ),
        "check" => prose(
            &[
                "Yes means: no instance runs, and the lock is absent, free or stale. In doubt the answer is no: the same \
                 file with the same arguments and a token that cannot be seen counts as the bot. With `--running` yes means: exactly \
                 one instance runs, it or its ancestor holds the lock if there is one, and nothing shows that it is not \
                 connected.",
                "In a systemd unit it belongs into `ExecCondition=`, and only a plain no should skip the start: \
                 `ExecCondition=/bin/sh -c 'solobot check main; test $$? -ne 1'`. `acquire` checks again, and waits.",
            ],
            &["0", "1", "2", "77", "78"],
            &[CONFIG, TOKEN, COLOR],
            &[
                "A yes holds for the moment in which it was said. Between it and the start another one may begin: only \
                 `acquire` excludes.",
                "What cannot be seen fails `--running` only where something speaks against it: a health check must not \
                 restart a healthy bot.",
            ],
            &["acquire", "status", "doctor"],
        ),
        "doctor" => prose(
            &[
                "Findings have stable codes; `--explain` tells a finding's cause, how to be sure of it, and what mends it.",
            ],
            &["0", "1", "2", "78"],
            &[CONFIG, TOKEN, URL, COLOR],
            &[
                "It looks and changes nothing, and mends nothing: each finding ends with the command that does.",
                "A young instance that a manager would start again is watched for up to 12 seconds: a respawn loop shows \
                 only in time.",
            ],
            &["status", "conflicts", "kill-duplicates"],
        ),
        "conflicts" => prose(
            &[
                "Only \"terminated by other getUpdates request\" is a second poller; \"webhook is active\" is another fault.",
            ],
            &["0", "1", "2", "77", "78"],
            &[CONFIG, COLOR],
            &[
                "Logs are streamed: their size does not matter, and a damaged or truncated one is said to be so.",
                "Conflicts without a second instance on this machine come from another one: look there with the same \
                 token's fingerprint.",
            ],
            &["doctor", "metrics", "delete-webhook"],
        ),
        "metrics" => prose(
            &["With `--output` the file is written in one step: a reader sees the old text or the new one."],
            &["0", "2", "73", "77", "78"],
            &[CONFIG, TOKEN, URL, COLOR],
            &[
                "No label holds a token; a bot is labelled with its name. Telegram is asked once, for at most three seconds.",
            ],
            &["status", "conflicts", "check"],
        ),
        "init" => prose(
            &[
                "A bot that runs gets an entry with its program, its lock (also one of its own, if it takes one), the \
                 variable and the file that its token comes from, its systemd unit's journal, and its command line. What \
                 may be a bot but does not run is written as comments.",
                "If no bot runs, it asks on a terminal which program is the bot. Without a terminal, or with `--yes`, it takes \
                 the likeliest script here that polls Telegram, and says so. If there is none, it writes a template.",
            ],
            &["0", "2", "73", "77"],
            &[CONFIG, COLOR],
            &[
                "No token is written. A command line that has one in it is left out, with a word about that.",
                "The file is written beside its place and then linked there, or with `--force` renamed over what is \
                 there; its mode is 0644. In a folder that others may write, solobot will not believe it unless it is \
                 named with `-c`, and init says so.",
                "An existing file without `--force` is exit code 73.",
            ],
            &["status", "acquire", "doctor"],
        ),
        _ => panic!("man/generate/prose.rs: no prose for {name}"),
    }
}

fn acquire() -> Prose {
    prose(
        &[
            "`acquire -- COMMAND` holds the lock until COMMAND has ended, with every descendant that runs its program. \
             `acquire -F -- COMMAND` becomes COMMAND, which inherits the lock. `acquire --pid $$` returns at once and a \
             keeper holds the lock until that process ends, or `release`. `exec 9<>LOCK; solobot acquire --fd 9` holds \
             it until the shell closes descriptor 9.",
            "While it waits it says who holds the lock: PID, command, since when, started by whom, and what would \
             resolve it. A bot that runs without the lock (started by hand, or one that knows no lock) counts as a \
             holder; `--lock-only` does not look for one.",
            "In a systemd unit: `ExecStart=solobot acquire main --wait forever` with `KillMode=mixed` and \
             `RestartPreventExitStatus=78`.",
        ],
        &["0", "2", "69", "70", "73", "75", "77", "78", "126, 127", "signal"],
        &[CONFIG, TOKEN, URL, "SKIP_TELEGRAM_LOCK", "https_proxy", "http_proxy", "all_proxy", "no_proxy", COLOR],
        &[
            "COMMAND inherits the lock's descriptor: if solobot is killed with SIGKILL, the bot still holds the lock, and \
             no second one can start. Such an orphan is stopped with `solobot stop` or replaced with \
             `--takeover=orphan`, which is safe in units.",
            "`--takeover` stops only what it can prove to hold this very lock, the holding solobot first, and only the \
             one that it saw at its start. It refuses an ancestor, a holder that a manager would start again (and names \
             the manager's own command), and one that has itself just taken over.",
            "A lock path is refused that must not be one: a folder, FIFO, socket, device, symlink or hard link, somebody \
             else's file in a folder for everybody, a file with content that is no PID.",
            "Without COMMAND's consent nothing is killed: solobot forwards SIGTERM and never escalates by itself, but a \
             second SIGTERM later than `--grace` kills.",
        ],
        &["check", "release", "stop", "status"],
    )
}

fn stopping() -> Prose {
    prose(
        &[
            "The plan is printed first: each instance with what will be done to it, and why. `--dry-run` prints that \
             very plan and stops. A terminal is asked, a script needs `--yes`.",
            "An instance is sent TERM and CONT; what is left of it and of its descendants after `--grace` is killed. All \
             are waited for at the same time.",
        ],
        &["0", "1", "2", "77", "78"],
        &[CONFIG, TOKEN, COLOR],
        &[
            "What a manager (systemd, pm2, supervisord, runit, a container, a shell loop) would start again is not \
             stopped unless `--include-managed`: its manager's own command stops it for good, and is printed.",
            "What is only probably this bot is reported, and not stopped unless `--include-probable`.",
            "An instance that is an ancestor of solobot is the one that is kept. Nothing is ever sent to PID 1, to \
             solobot itself or to its ancestors.",
        ],
        &["status", "acquire", "doctor"],
    )
}
