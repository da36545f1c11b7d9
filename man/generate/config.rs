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
        "The bot's folder. Its `command` runs there, and its other relative paths start there. The default is the file's \
         own folder.",
    ),
    (
        "script = \"PATH\"",
        "The program: a script, or a pattern of scripts (`releases/*/main.py`). Exactly one of `script`, `module` and \
         `exe` must be there.",
    ),
    ("module = \"NAME\"", "The program: a Python module, as behind `python -m`."),
    ("exe = \"PATH\"", "The program: an executable."),
    (
        "args = [\"WORD\", …]",
        "What the arguments behind the program begin with, only where one program with other arguments is another bot. Of \
         several bots whose words fit, it is the one with the most.",
    ),
    (
        "lock = \"PATH\"",
        "The lock. `{token_hash}` becomes the first 12 hexadecimal digits of the token's SHA-256, `{bot_id}` the bot's \
         id. The default is `.solobot.lock` in the folder of the script, of a module in `dir`. Two bots may share a lock \
         only if they share a token.",
    ),
    (
        "token = { env = \"NAME\", file = \"PATH\", env_file = \"PATH\" }",
        "Where the token is: a variable, a file that holds nothing else, a .env file; what is found first counts. `env` is \
         also the variable's name in `env_file`. Never the token itself. Without this key the usual variables and `.env` \
         in `dir` are looked at.",
    ),
    (
        "logs = [\"PATH\", …]",
        "Log files, patterns of them, or `unit:NAME` for a systemd unit's journal: for `conflicts`, `metrics` and \
         `check --running`.",
    ),
    ("command = [\"WORD\", …]", "What `acquire NAME` runs, in `dir`. A single string is split as a shell would."),
    ("api_url = \"URL\"", "The base URL of a self-hosted Bot API server: `http://127.0.0.1:8081`."),
    (
        "skip_env = \"NAME\"",
        "The variable that is set to 1 for COMMAND, to tell it that its lock is held. The default is \
         `SKIP_TELEGRAM_LOCK`; `false` sets none.",
    ),
    (
        "locks_itself = true",
        "The bot takes this very lock itself: `acquire` lets go of it just before the bot starts, as with `--handover`.",
    ),
    (
        "wait = \"DURATION\"",
        "How long `acquire` waits for the lock: `30`, `500ms`, `5m`, `forever`. The default is 30s.",
    ),
    ("grace = \"DURATION\"", "How long a process may take to end before it is killed. The default is 10s."),
    (
        "user = \"NAME\"",
        "The user, by name or number, who runs the bot, where that is neither you, nor root, nor the owner of the program \
         or its folder. Any other user's process is shown, but never stopped.",
    ),
];

/// The page.
pub fn page() -> String {
    let mut page = Page::new("solobot.toml", 5, "the bots that solobot knows by name");
    page.heading("DESCRIPTION");
    page.fill(
        "`solobot init` writes this file from what runs here. It is looked for as `--config` or `SOLOBOT_CONFIG` say, else \
         in the current folder and the ones above it up to the home folder or a mount boundary, then as \
         `~/.config/solobot/solobot.toml` and `/etc/solobot/solobot.toml`. The first one counts; nothing is merged.",
    );
    page.paragraph(
        "It is TOML. Flags beat the environment, and that beats the file; `solobot status -v` says where each setting came \
         from. An unknown key is an error that names the line and the nearest known key. `~` is the home folder in every \
         path.",
    );
    page.heading("TOP LEVEL");
    page.fill("These stand before the first table.");
    page.item(
        "`journal = \"PATH\"`",
        &["Where solobot appends what it did. Relative to the file's folder. None by default."],
    );
    page.heading("[defaults]");
    page.fill("What holds for every bot that does not say otherwise: `wait`, `grace` and `api_url`, as below.");
    page.heading("[bots.NAME]");
    page.fill("One table a bot. NAME is what stands behind `solobot acquire`.");
    for (key, meaning) in BOT {
        page.item(&format!("`{key}`"), &[meaning]);
    }
    page.heading("EXAMPLES");
    page.fill("A bot that is a Python module, and keeps the lock that it has always had:");
    page.code(EXAMPLE);
    page.paragraph("Two bots of one script, each with its own arguments and lock:");
    page.code(
        "[bots.shop]\nscript = \"main.py\"\nargs = [\"--config\", \"shop.toml\"]\nlock = \".solobot-shop.lock\"\n\n\
         [bots.news]\nscript = \"main.py\"\nargs = [\"--config\", \"news.toml\"]\nlock = \".solobot-news.lock\"",
    );
    page.paragraph("A bot that takes its lock itself, with Python's filelock:");
    page.code("[bots.main]\nscript = \"main.py\"\nlock = \".bot_instance.lock\"\nlocks_itself = true");
    page.heading("FILES");
    page.item("`~/.config/solobot/solobot.toml`", &["The user's."]);
    page.item("`/etc/solobot/solobot.toml`", &["The machine's."]);
    page.heading("NOTES");
    page.fill(
        "solobot runs the file's `command` and sends a token to its `api_url`. So a file that was found, rather than named \
         with `-c`, counts only if it and its folder belong to the caller or root and nobody else may write them; a group \
         may where it is the owner's private one. Otherwise solobot exits with 78 and names the `chmod` that mends it. The \
         same holds for `.env`.",
    );
    page.paragraph(
        "Root takes root's files. Under sudo it takes the caller's for looking, without `command`, `exe` and `api_url`: \
         those need `-c`. Without sudo root may look with the file of another user's folder; its `logs` and `token` are \
         then not opened either: `sudo -u OWNER solobot …` opens them.",
    );
    page.heading("SEE ALSO");
    page.fill("solobot(1), solobot-init(1), solobot-acquire(1), solobot-status(1)");
    page.text()
}
