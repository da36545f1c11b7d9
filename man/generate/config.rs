//! solobot.toml(5).

use crate::roff::Page;

const EXAMPLE: &str = r#"[defaults]
wait = "30s"
grace = "10s"

[bots.main]
dir = "/home/bot/app"
module = "tg_bot.bot"
lock = "/tmp/telegram_polling.lock"
token = { env = "TELEGRAM_BOT_TOKEN", env_file = ".env" }
logs = ["logs/*.log", "unit:bot.service"]
command = ["venv/bin/python", "-m", "tg_bot.bot"]"#;

/// The keys of `[bots.NAME]`.
const BOT: &[(&str, &str)] = &[
    (
        "dir = \"PATH\"",
        "The bot's folder. Its `command` runs there, and its other relative paths start there. The default is the folder of \
         solobot.toml.",
    ),
    (
        "script = \"PATH\"",
        "The program: a script, or a pattern of scripts (`releases/*/main.py`). Give exactly one of `script`, `module` and \
         `exe`.",
    ),
    ("module = \"NAME\"", "The program: a Python module, as after `python3 -m`."),
    ("exe = \"PATH\"", "The program: an executable."),
    (
        "args = [\"WORD\", …]",
        "The first arguments of the program. Needed only if the same program with other arguments is another bot. If several \
         bots match, the one with the most words is meant.",
    ),
    (
        "lock = \"PATH\"",
        "The lock. `{token_hash}` becomes the first 12 hexadecimal digits of the token's SHA-256, `{bot_id}` the bot's \
         id. The default is `.solobot.lock` in the folder of the script, or in `dir` for a module. Two bots may share a lock \
         only if they share a token.",
    ),
    (
        "token = { env = \"NAME\", file = \"PATH\", env_file = \"PATH\" }",
        "Where the token is, never the token itself: a variable, a file that contains nothing else, or a .env file. The first \
         place that has it counts. `env` is also the variable's name in `env_file`. Without this key, solobot looks in the \
         usual variables and in `.env` in `dir`.",
    ),
    (
        "logs = [\"PATH\", …]",
        "Log files, patterns such as `logs/*.log`, or `unit:NAME` for the journal of a systemd unit. Used by `conflicts`, \
         `metrics` and `check --running`.",
    ),
    (
        "command = [\"WORD\", …]",
        "What `acquire NAME` runs, in `dir`. A single string is split into words as by a shell.",
    ),
    ("api_url = \"URL\"", "The base URL of a self-hosted Bot API server, such as `http://127.0.0.1:8081`."),
    (
        "skip_env = \"NAME\"",
        "The variable that is set to 1 for COMMAND, to tell it that solobot holds its lock. The default is \
         `SKIP_TELEGRAM_LOCK`. `false` sets none.",
    ),
    (
        "locks_itself = true",
        "The bot takes this lock itself: `acquire` releases it just before the bot starts, as with `--handover`.",
    ),
    (
        "wait = \"DURATION\"",
        "How long `acquire` waits for the lock: `30`, `500ms`, `5m`, `forever`. The default is 30s.",
    ),
    ("grace = \"DURATION\"", "How long a process may take to end before it is killed. The default is 10s."),
    (
        "lease = \"URL\"",
        "The engine of the lease that keeps the bot to one of many hosts: `postgres://USER@HOST/DATABASE`, `redis://HOST:6379/0`, \
         `rediss://…`, `valkey://…`, `etcd://HOST:2379,HOST:2379,…`, `etcds://…` or `ssh://USER@HOST/PATH`. If the URL has a password, `lease = { env = \"NAME\" }` names the variable that has it.",
    ),
    (
        "lease_name = \"NAME\"",
        "The lease's name, the same one on every host. The default is the bot's id. With ssh the path in the URL is the name.",
    ),
    (
        "lease_ttl = \"DURATION\"",
        "How long a grant of the lease lasts without renewal, from 5s to 10m, the same on every host. The default is 60s.",
    ),
    (
        "user = \"NAME\"",
        "The user who runs the bot, by name or number. Needed only if that is not you, root, or the owner of the program or \
         its folder. Processes of any other user are shown, but never stopped.",
    ),
];

/// The page.
pub fn page() -> String {
    let mut page = Page::new("solobot.toml", 5, "the bots that solobot knows by name");
    page.heading("DESCRIPTION");
    page.fill(
        "`solobot init` writes this file from what is running here. `--config` or `SOLOBOT_CONFIG` names it. Otherwise solobot \
         looks in the current folder and the ones above it, up to the home folder or a mount boundary, then for \
         `~/.config/solobot/solobot.toml` and `/etc/solobot/solobot.toml`. The first one found is used; nothing is merged.",
    );
    page.paragraph(
        "The file is TOML. Options override the environment, and the environment overrides the file. `solobot status -v` \
         shows where each setting came from. An unknown key is an error that names the line and the most similar key. `~` \
         is the home folder in every path.",
    );
    page.heading("TOP LEVEL");
    page.fill("These come before the first table.");
    page.item(
        "`journal = \"PATH\"`",
        &["The file that solobot appends to when it does something. A relative path starts at the folder of solobot.toml. The \
           default is `~/.local/state/solobot/journal.jsonl`."],
    );
    page.item(
        "`ping = \"URL\"`",
        &["An http or https URL that is asked for every minute while all is well, for a monitor that raises the alarm when it \
           hears nothing: by `acquire` while its bot is running under the lock, and by `status --watch -q` while every bot is \
           well. `{bot}` becomes the bot's name; then each bot has its own."],
    );
    page.heading("[on]");
    page.fill(
        "Commands that are run when something happens to a bot: arrays of words, which no shell reads. They find \
         `SOLOBOT_EVENT`, `SOLOBOT_BOT` and `SOLOBOT_DETAIL` in their environment, and no token. They run in the folder of \
         solobot.toml, for at most 10 s. The same event of a bot is told at most once in 10 min. A program that is missing is \
         exit code 78.",
    );
    page.item(
        "`up`, `down`, `lost`",
        &["The bot is running; it is not; its lock or lease was lost. Run by `acquire` and by `status --watch -q`."],
    );
    page.item(
        "`duplicate`, `conflict`, `deaf`",
        &["Several instances are running; its logs tell of another poller; it fetches no updates. Run by \
           `status --watch -q`. Only `deaf` asks Telegram."],
    );
    page.heading("[defaults]");
    page.fill("Defaults for all bots: `wait`, `grace` and `api_url`, as below.");
    page.heading("[bots.NAME]");
    page.fill("One table for each bot. NAME is the name after `solobot acquire`.");
    for (key, meaning) in BOT {
        page.item(&format!("`{key}`"), &[meaning]);
    }
    page.heading("EXAMPLES");
    page.fill("A bot that is a Python module, with the lock that it already uses:");
    page.code(EXAMPLE);
    page.paragraph("Two bots that run the same script, each with its own arguments and lock:");
    page.code(
        "[bots.shop]\nscript = \"main.py\"\nargs = [\"--config\", \"shop.toml\"]\nlock = \".solobot-shop.lock\"\n\n\
         [bots.news]\nscript = \"main.py\"\nargs = [\"--config\", \"news.toml\"]\nlock = \".solobot-news.lock\"",
    );
    page.paragraph("A bot that takes its lock itself, with Python's filelock:");
    page.code("[bots.main]\nscript = \"main.py\"\nlock = \".bot_instance.lock\"\nlocks_itself = true");
    page.heading("FILES");
    page.item("`~/.config/solobot/solobot.toml`", &["The configuration of a user."]);
    page.item("`/etc/solobot/solobot.toml`", &["The configuration of the machine."]);
    page.heading("NOTES");
    page.fill(
        "solobot runs the file's `command` and sends a token to its `api_url`. So a file that you did not name with `-c` is \
         used only if it and its folder belong to you or root, and no other user can write to them (except the owner's own \
         private group). Otherwise solobot exits with 78 and prints the `chmod` that fixes it. The same is true of `.env`.",
    );
    page.paragraph(
        "Root uses files of root. Under sudo, subcommands that only look also use your file, but without `command`, `exe`, `api_url` \
         and `lease`: those need `-c`. Without sudo, root can look with the file in another user's folder, but then `logs` \
         and `token` are not opened either: use `sudo -u OWNER solobot …`.",
    );
    page.heading("SEE ALSO");
    page.fill("solobot(1), solobot-init(1), solobot-acquire(1), solobot-status(1)");
    page.text()
}
