//! The text of the manual that comes neither from the help of an option nor from a table.

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

/// The description of solobot itself, after its long help.
pub const MAIN: &[&str] = &[
    "A lock is a path. Whether it is held is decided by the kernel's flock(2) on that file, so solobot works together with \
     flock(1), Python's fcntl.flock and filelock. The PID in the file and the owner record beside it are only hints. A \
     crash leaves no lock behind, only an old PID in the file.",
    "solobot counts instances, not processes: wrappers, workers, forks and reloaders are part of one instance. It \
     recognises a program the way its interpreter reads the command line, never by searching for a pattern.",
    "Tables are for people, `--json` is for programs: one object with `schema` 1, described by the JSON Schemas in \
     docs/schema. Data goes to stdout, everything else to stderr.",
];

/// How a bot is named.
pub const WHICH_BOT: &[&str] = &[
    "BOT is a name in solobot.toml(5). Without that file, `-m` names the program: a path (`app/main.py`), a script name \
     without a path (every script of that name), or a dotted module (`tg_bot.bot`). `-l` names a lock.",
    "With neither, a subcommand that only looks shows every bot in the file. Without a file, `status`, `doctor`, \
     `conflicts`, `metrics` and `init` show everything on this machine that looks like a bot, because of a token in a \
     variable or in the `.env` that it would read, a connection to Telegram, or a lock that it holds. `check`, `stop`, \
     `kill-duplicates`, `release` and `clean-stale` use the bot whose lock is in the current folder, or the only likely \
     bot of that folder. If there are several, they print the command for each and exit with 2. `delete-webhook` only \
     needs a token.",
    "The lock is `.solobot.lock` in the folder of the script (for a module: the folder it is started in), unless the file \
     or `--lock` names another one. So cron, ssh and systemd all use the same lock.",
    "A token is never an argument. It comes from `--token-file`, `--token-env`, `--env-file`, the bot's `token` table, \
     the usual variables, or `.env` in the bot's folder, in this order.",
];

/// What solobot promises, and what it does not.
pub const NOTES: &[&str] = &[
    "A lock works on one host: it says nothing about a laptop or an old server that uses the same token. A lock works for \
     one path: two starts that use two lock files do not exclude each other. The same is true of containers that do not \
     share the folder, and of a unit with `PrivateTmp=` and a lock in /tmp.",
    "solobot sends signals through a pidfd, after it has checked the identity of the process again, so a reused PID is \
     never hit. It never signals itself, an ancestor, PID 1 or a process group.",
    "A lock file is not removed on release: a process that waits on the old file and one that creates a new file would \
     both hold the lock. `clean-stale --remove` removes a lock file only if no process has it open.",
    "A token never appears in an argument, log, error, JSON, file name or owner record, and tokens in command lines of \
     other processes are masked. solobot shows the bot's id and a fingerprint, which tells whether two hosts have the \
     same token.",
    "solobot never calls getUpdates, because that would end the bot's own poll. A connection to Telegram is evidence of \
     polling, not proof.",
    "Needs Linux 5.4 or newer. Network file systems are refused without `--allow-network-fs`, because on some of them \
     other hosts do not see a flock.",
];

/// Files that every page names.
pub const FILES: &[(&str, &str)] = &[
    (
        "./solobot.toml",
        "The configuration, in the current folder or one above it, otherwise `~/.config/solobot/solobot.toml` or \
         `/etc/solobot/solobot.toml`. The first one found is used. See solobot.toml(5).",
    ),
    (".solobot.lock", "The default lock, in the folder of the bot's program. While it is held it contains a PID."),
    ("LOCK.info", "The owner record of a lock, as JSON: who took it, when and for what."),
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
                "The column LOCK says `holder` (a process of the instance holds the lock), `covered` (an ancestor holds it), \
                 `unlocked` or `unknown`. POLLING says whether the instance is connected to Telegram.",
                "With `-v` it also shows where each setting came from, and the last events of the journal.",
            ],
            &["0", "1", "2", "3", "70", "77", "78"],
            &[CONFIG, TOKEN, URL, COLOR],
            &[
                "It changes nothing: no file is created or written. Only if /proc/locks does not tell, it takes a shared lock \
                 for an instant.",
                "Processes of other users hide their folder and environment. The first line says how many could not be \
                 inspected, and then says \"one instance seen\" instead of \"one instance\".",
            ],
            &["check", "doctor", "kill-duplicates"],
        ),
        "acquire" => acquire(),
        "release" => prose(
            &[
                "A keeper is the small background process that holds a lock for another process (`acquire --pid`). If you \
                 run release outside that process's tree, it asks first; without a terminal it needs `--yes`.",
            ],
            &["0", "1", "2", "73", "77", "78"],
            &[CONFIG, COLOR],
            &["The lock file itself stays: its text is cleared, its owner record is removed, and it is unlocked."],
            &["acquire", "stop", "clean-stale"],
        ),
        "kill-duplicates" | "stop" => stopping(),
        "restart" => prose(
            &[
                "It restarts one instance. If a manager runs it, also through a solobot, the manager's own command is run: \
                 `systemctl restart`, `pm2 restart`, `supervisorctl restart`, `sv restart`, `s6-svc -r`, `docker restart`, \
                 `launchctl kickstart -k`. In a shell loop, the bot is stopped, and the loop starts it again. Otherwise it is \
                 stopped, and `solobot acquire --detach` starts it again in the background. A bot that already runs under \
                 solobot gets the same line again, and its log.",
                "Then it waits up to a minute for the new instance. On a terminal it asks first.",
            ],
            &["0", "1", "2", "73", "77", "78"],
            &[CONFIG, TOKEN, COLOR],
            &[
                "Everything that the start needs is read before anything is stopped. If it cannot be read, or if nobody knows \
                 who would start the bot again, the exit code is 1 and the bot runs on.",
                "The environment, with the token, goes from the old process to the new one, and nowhere else. A bot with a \
                 token in its command line is not restarted.",
            ],
            &["stop", "acquire", "status"],
        ),
        "clean-stale" => prose(
            &[
                "A lock file or owner record is stale if it is not locked and the process it names is gone: dead, a zombie, \
                 replaced by another process with the same PID, or of an earlier boot. For each file, clean-stale says why \
                 it was kept or cleaned.",
            ],
            &["0", "1", "2", "73", "77", "78"],
            &[CONFIG, COLOR],
            &[
                "It holds the lock itself while it clears. A file whose content is neither empty nor a PID is not a lock, and \
                 is kept.",
                "`--remove` is refused while any process has the file open, or if a process cannot be inspected. Python's \
                 lockers and flock(1) do not look at the path again, so removing the file could make two holders.",
            ],
            &["status", "release", "doctor"],
        ),
        "delete-webhook" => prose(
            &["A bot cannot poll while a webhook is set: every getUpdates ends with 409 Conflict."],
            &["0", "1", "2", "69", "78"],
            &[CONFIG, TOKEN, URL, "https_proxy", "http_proxy", "all_proxy", "no_proxy", COLOR],
            &[
                "Updates that are waiting at Telegram are kept, unless `--drop-pending-updates` is given.",
                "The token is sent only to the Bot API's base URL. An `api_url` in a file that another user wrote is not \
                 used.",
            ],
            &["acquire", "doctor", "conflicts"],
        ),
        "check" => prose(
            &[
                "Yes means that no instance is running, and that the lock is absent, free or stale. If check is not sure, the \
                 answer is no: a process that runs the same file with the same arguments, and whose token cannot be seen, \
                 counts as the bot. With `--running`, yes means that exactly one instance is running, that it or its \
                 ancestor holds the lock (if there is one), and that nothing shows that it is not connected.",
                "In a systemd unit, use it in `ExecCondition=`, so that only a plain no skips the start: \
                 `ExecCondition=/bin/sh -c 'solobot check main; test $$? -ne 1'`. `acquire` checks again, and waits.",
            ],
            &["0", "1", "2", "77", "78"],
            &[CONFIG, TOKEN, COLOR],
            &[
                "A yes is true for that moment only: another instance may start before you do. Only `acquire` prevents that.",
                "With `--running`, what cannot be seen does not make the answer no unless there is a sign of trouble: a \
                 health check must not restart a healthy bot.",
            ],
            &["acquire", "status", "doctor"],
        ),
        "doctor" => prose(
            &[
                "Findings have stable codes. `--explain` tells the cause of a finding, how to be sure of it, and how to fix it.",
            ],
            &["0", "1", "2", "78"],
            &[CONFIG, TOKEN, URL, COLOR],
            &[
                "It changes nothing and fixes nothing: each finding ends with the command that fixes it.",
                "If an instance started a moment ago and a manager would start it again, doctor watches it for up to 12 \
                 seconds, to see whether it is in a respawn loop.",
            ],
            &["status", "conflicts", "kill-duplicates"],
        ),
        "conflicts" => prose(
            &[
                "Only \"terminated by other getUpdates request\" means a second poller. \"webhook is active\" has another cause.",
            ],
            &["0", "1", "2", "77", "78"],
            &[CONFIG, COLOR],
            &[
                "Logs may be of any size. If a compressed log is damaged or cut off, conflicts says so.",
                "If there are conflicts but no second instance on this machine, the other one is on another machine: look \
                 there for the same token fingerprint.",
            ],
            &["doctor", "metrics", "delete-webhook"],
        ),
        "lease" => prose(
            &["Nothing is written. Another host's lease is never taken from it."],
            &["0", "2", "69", "77", "78"],
            &[CONFIG, TOKEN, COLOR],
            &[
                "A host that holds a lease renews it every sixth of the TTL. Each renewal has another number: two looks show \
                 whether that host is alive.",
            ],
            &["acquire", "status", "check"],
        ),
        "metrics" => prose(
            &["With `--output` the file is replaced in one step, so a reader never sees half of it."],
            &["0", "2", "73", "77", "78"],
            &[CONFIG, TOKEN, URL, COLOR],
            &["No label contains a token; a bot is labelled with its name. For each bot \
                 that you or solobot.toml name, Telegram is asked once whether a webhook is set, for at most three seconds."],
            &["status", "conflicts", "check"],
        ),
        "init" => prose(
            &[
                "A running bot gets an entry with its program, its lock (or the lock that it takes itself), the variable and \
                 file that its token comes from, the journal of its systemd unit, and its command line. What may be a bot \
                 but is not running is written as a comment.",
                "If no bot is running, it asks for the program on a terminal. Without a terminal, or with `--yes`, it takes \
                 the likeliest script here that polls Telegram, and says so. If there is none, it writes a template.",
            ],
            &["0", "2", "73", "77"],
            &[CONFIG, COLOR],
            &[
                "No token is written. A command line that contains one is left out, and init says so.",
                "The file appears in one step, with mode 0644; with `--force` it replaces the existing one. In a folder \
                 that others may write to, solobot trusts the file only if you name it with `-c`; init then says so.",
                "If the file exists and `--force` is not given, the exit code is 73.",
            ],
            &["status", "acquire", "doctor"],
        ),
        _ => panic!("man/generate/prose.rs: no prose for {name}"),
    }
}

fn acquire() -> Prose {
    prose(
        &[
            "`acquire -- COMMAND` holds the lock until COMMAND and every descendant that runs the same program have ended. \
             `acquire -F -- COMMAND` becomes COMMAND, which inherits the lock. `acquire --pid $$` returns at once, and a \
             keeper holds the lock until that process ends or you run `release`. `exec 9<>LOCK; solobot acquire --fd 9` \
             holds it until the shell closes descriptor 9.",
            "While it waits, it says who holds the lock: PID, command, since when, what started it, and what you can do. A \
             bot that runs without the lock, for example one started by hand, counts as a holder; `--lock-only` does not \
             look for one.",
            "`acquire --detach` runs COMMAND in the background. It waits for the lock in the foreground, and returns once COMMAND has \
             run for 2 seconds. If COMMAND ends sooner, even with `--restart`, it shows the last lines of the log and ends with \
             COMMAND's exit code. What COMMAND and solobot print goes to `--log FILE`, otherwise to NAME.log in the state \
             folder. At 10 MiB the log is copied to FILE.1 and emptied.",
            "In a systemd unit: `ExecStart=solobot acquire main --wait forever` with `KillMode=mixed` and \
             `RestartPreventExitStatus=78`. With `Type=notify` the unit is active once COMMAND has started, `systemctl status` \
             says whom it waits for, and the wait is not ended by `TimeoutStartSec=`. With `WatchdogSec=` systemd ends the \
             unit if solobot hangs or the lock is lost. With `-F` COMMAND has to speak to systemd itself.",
        ],
        &["0", "2", "69", "70", "73", "75", "77", "78", "126, 127", "signal"],
        &[
            CONFIG,
            TOKEN,
            URL,
            "SKIP_TELEGRAM_LOCK",
            "https_proxy",
            "http_proxy",
            "all_proxy",
            "no_proxy",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "SYSTEMD_EXEC_PID",
            COLOR,
        ],
        &[
            "COMMAND inherits the lock's descriptor. If solobot is killed with SIGKILL, the bot still holds the lock, and no \
             second one can start. Stop such an orphan with `solobot stop`, or replace it with `--takeover=orphan`, which \
             is safe in systemd units.",
            "`--takeover` stops only processes that it can prove hold this lock, the holding solobot first, and only the \
             holder that it saw when it started. It refuses to stop an ancestor, a holder that a manager would start again \
             (and prints the manager's own command), and a holder that took over itself in the last ten minutes.",
            "Some paths are refused as a lock: a folder, FIFO, socket, device, symlink or hard link, another user's file in \
             a folder that every user can write to, and a file whose content is not a PID.",
            "solobot forwards SIGTERM to COMMAND and does not kill it by itself. A second SIGTERM later than `--grace` \
             kills.",
        ],
        &["check", "release", "stop", "status"],
    )
}

fn stopping() -> Prose {
    prose(
        &[
            "It first prints the plan: each instance, what will be done with it, and why. `--dry-run` prints the same plan and \
             ends. On a terminal it asks, unless `--yes` is given; in a script it does not ask.",
            "Each instance is sent TERM and CONT. What is left of it and of its descendants after `--grace` is killed. All \
             instances are stopped at the same time.",
        ],
        &["0", "1", "2", "77", "78"],
        &[CONFIG, TOKEN, COLOR],
        &[
            "An instance that a manager (systemd, pm2, supervisord, runit, a container, a shell loop) would start again is \
             not stopped without `--include-managed`. The manager's own command, which stops it for good, is printed \
             instead.",
            "An instance that is only probably this bot is reported, but not stopped without `--include-probable`.",
            "If solobot runs inside an instance, that instance is kept. solobot never sends a signal to PID 1, to itself or \
             to its ancestors.",
        ],
        &["status", "acquire", "doctor"],
    )
}
