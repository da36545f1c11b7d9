//! `init`: what it writes of what runs, and that solobot takes it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Background, Terminal, Test, Venv, alone, token, wait_until};
use crate::holding::holding;

/// A bot in `folder`, started there by hand with a token in its environment.
#[track_caller]
fn bot(test: &Test, folder: &str, script: &str, variable: &str, token: &str) -> Background {
    test.bot(&format!("{folder}/{script}"));
    let mut command = test.command("python3");
    command.arg(script).current_dir(test.path(folder)).env(variable, token).env("BOT_OPTIONS", "--pid-file bot.pid");
    let bot = test.start_command(command);
    test.wait_for_pid(&format!("{folder}/bot.pid"));
    bot
}

/// `init`, then what `status` says of each bot by its name.
#[track_caller]
fn status_after_init(test: &Test, folder: &str) -> Vec<(String, Vec<i64>, String, String)> {
    test.solobot("init --yes").in_dir(folder).run().code(0).stdout_has(&["wrote ", "solobot status"]);
    let json = test.solobot("status --json").in_dir(folder).run().code(0).json();
    let owned = |value: &Value| value.as_str().unwrap().to_owned();
    let bots = json["bots"].as_array().unwrap();
    bots.iter()
        .map(|bot| {
            let pids = bot["instances"].as_array().unwrap().iter().map(|one| one["pid"].as_i64().unwrap());
            (owned(&bot["name"]), pids.collect(), owned(&bot["lock"]["path"]), owned(&bot["lock"]["state"]))
        })
        .collect()
}

/// A file that only its owner may read.
fn secret(test: &Test, name: &str, content: &str) {
    test.write(name, content);
    fs::set_permissions(test.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn other_token() -> String {
    format!("{}:{}", 987_654_321, "B".repeat(35))
}

#[test]
fn a_bot_with_a_token_in_its_environment() {
    alone(|test| {
        let bot = bot(test, "shop", "main.py", "BOT_TOKEN", &token());
        let seen = status_after_init(test, "shop");
        let lock = test.name("shop/.solobot.lock");
        assert_eq!(seen, [("main".to_owned(), vec![i64::from(bot.pid())], lock, "absent".to_owned())]);
        let text = test.read("shop/solobot.toml");
        for line in ["[bots.main]\n", "script = \"main.py\"\n", "token = { env = \"BOT_TOKEN\" }\n"] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(text.contains(&format!("# running as PID {}", bot.pid())), "{text}");
        assert!(!text.contains("AAAA"), "a token in\n{text}");
        let meta = fs::metadata(test.path("shop/solobot.toml")).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o644, 1));
        assert_eq!(fs::read_dir(test.path("shop")).unwrap().count(), 3, "no temporary file is left");
        // What it wrote is enough to start the bot.
        bot.kill();
        let held = test.solobot("acquire").in_dir("shop").env("BOT_OPTIONS", "--pid-file held.pid").start();
        test.wait_for_pid("shop/held.pid");
        drop(held);
    });
}

#[test]
fn a_module_with_its_token_in_a_file() {
    alone(|test| {
        test.bot("srv/tg_bot/bot.py");
        test.write("srv/tg_bot/__init__.py", "");
        secret(test, "srv/.env", &format!("# the bot's\nOTHER=1\nTELEGRAM_TOKEN={}\n", token()));
        let mut command = test.command("python3 -m tg_bot.bot");
        let options = format!("--pid-file {}", test.name("bot.pid"));
        command.current_dir(test.path("srv")).env("TELEGRAM_TOKEN", token()).env("BOT_OPTIONS", options);
        let bot = test.start_command(command);
        test.wait_for_pid("bot.pid");
        fs::create_dir(test.path("etc")).unwrap();
        // From another folder: `dir` says where.
        let seen = status_after_init(test, "etc");
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!((seen[0].0.as_str(), &seen[0].1), ("bot", &vec![i64::from(bot.pid())]));
        let text = test.read("etc/solobot.toml");
        let dir = format!("dir = \"{}\"\n", test.name("srv"));
        for line in [&*dir, "module = \"tg_bot.bot\"\n", "token = { env = \"TELEGRAM_TOKEN\", env_file = \".env\" }\n"]
        {
            assert!(text.contains(line), "{line}{text}");
        }
        let json = test.solobot("status --json").in_dir("etc").run().code(0).json();
        assert_eq!(json["bots"][0]["token"]["bot_id"], "123456789", "{json}");
    });
}

#[test]
fn two_bots_get_two_names_and_two_locks() {
    alone(|test| {
        let one = bot(test, "srv", "shop.py", "BOT_TOKEN", &token());
        fs::remove_file(test.path("srv/bot.pid")).unwrap();
        let two = bot(test, "srv", "news.py", "BOT_TOKEN", &other_token());
        let three = bot(test, "other", "shop.py", "MY_OWN_TOKEN", &format!("{}:{}", 555_555_555, "C".repeat(35)));
        fs::create_dir(test.path("all")).unwrap();
        let pids = [&two, &three, &one].map(|bot| i64::from(bot.pid()));
        let names = [("news", pids[0]), ("other", pids[1]), ("shop", pids[2])];
        // A project's file is about that project; in a folder that is none, all are drafted.
        for (folder, expected) in [("srv", vec![names[0], names[2]]), ("all", names.to_vec())] {
            let mut seen = status_after_init(test, folder);
            seen.sort();
            let found: Vec<(&str, i64)> = seen.iter().map(|one| (one.0.as_str(), one.1[0])).collect();
            assert_eq!(found, expected, "{folder}");
            let locks: std::collections::BTreeSet<&str> = seen.iter().map(|one| one.2.as_str()).collect();
            assert_eq!(locks.len(), expected.len(), "{seen:?}");
            let has_third = test.read(&format!("{folder}/solobot.toml")).contains("token = { env = \"MY_OWN_TOKEN\" }");
            assert_eq!(has_third, folder == "all");
        }
    });
}

#[test]
fn two_instances_are_one_bot() {
    alone(|test| {
        let one = bot(test, "srv", "main.py", "BOT_TOKEN", &token());
        fs::remove_file(test.path("srv/bot.pid")).unwrap();
        let two = bot(test, "srv", "main.py", "BOT_TOKEN", &token());
        let json = test.solobot("init --json").in_dir("srv").run().code(0).json();
        assert_eq!(json["bots"].as_array().map(Vec::len), Some(1), "{json}");
        assert_eq!(json["bots"][0]["pids"], serde_json::json!([one.pid(), two.pid()]));
        assert_eq!((&json["written"], &json["path"]), (&true.into(), &test.name("srv/solobot.toml").into()));
        assert_eq!(json["text"], test.read("srv/solobot.toml"));
    });
}

/// Its token is nowhere to be seen; its lock shows it.
#[test]
fn a_bot_of_layout_a_keeps_its_lock() {
    alone(|test| {
        let lock = test.path("../home/.local/state/jarvis/locks/telegram_polling_0123456789ab.lock");
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        let lock = fs::canonicalize(lock.parent().unwrap()).unwrap().join("telegram_polling_0123456789ab.lock");
        let lock = lock.to_str().unwrap();
        let line = format!("hold {lock} 5 {}", test.name("ready"));
        let bot = test.start_command(test.python(Venv::None, "layout_a.py", &line));
        test.wait_for_pid("ready");
        let seen = status_after_init(test, ".");
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!((&seen[0].1, seen[0].2.as_str(), seen[0].3.as_str()), (&vec![i64::from(bot.pid())], lock, "held"));
    });
}

#[test]
fn a_bot_of_layout_b_keeps_its_lock_and_takes_it_itself() {
    alone(|test| {
        // Beside the script, as that layout has it.
        let folder = fs::canonicalize(test.path("..")).unwrap();
        let line = format!("{} 5 {}", folder.display(), test.name("ready"));
        let bot = test.start_command(test.python(Venv::OldFilelock, "layout_b.py", &line));
        test.wait_for_pid("ready");
        let seen = status_after_init(test, ".");
        assert_eq!(seen.len(), 1, "{seen:?}");
        let lock = folder.join(".bot_instance.lock");
        assert_eq!((&seen[0].1, seen[0].2.as_str()), (&vec![i64::from(bot.pid())], lock.to_str().unwrap()));
        assert!(test.read("solobot.toml").contains("\nlocks_itself = true"), "{}", test.read("solobot.toml"));
    });
}

#[test]
fn a_bot_under_solobots_own_lock() {
    alone(|test| {
        test.bot("bot.py");
        let held = test.start("flock bot.lock python3 bot.py --pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        let seen = status_after_init(test, ".");
        assert!(seen.is_empty(), "a lock of any name shows nothing: {seen:?}");
        drop(held);
        // But solobot's record beside it does.
        fs::remove_file(test.path("solobot.toml")).unwrap();
        let held = holding(test);
        let seen = status_after_init(test, ".");
        assert_eq!((seen.len(), &seen[0].1), (1, &vec![i64::from(held.bot)]), "{seen:?}");
        assert_eq!((seen[0].2.clone(), seen[0].3.as_str()), (test.name("bot.lock"), "held"));
        drop(held);
        fs::remove_file(test.path("solobot.toml")).unwrap();
        fs::remove_file(test.path("bot.pid")).unwrap();
        let held = test.solobot("acquire -- python3 bot.py --pid-file bot.pid").start();
        let pid = test.wait_for_pid("bot.pid");
        let seen = status_after_init(test, ".");
        let lock = test.name(".solobot.lock");
        assert_eq!((seen.len(), &seen[0].1, &seen[0].2), (1, &vec![i64::from(pid)], &lock), "{seen:?}");
        assert!(!test.read("solobot.toml").contains("\nlock = "), "the default needs no word");
        drop(held);
    });
}

#[test]
fn a_unit_and_a_script_that_do_not_run() {
    alone(|test| {
        test.write("main.py", "from aiogram import Dispatcher\nDispatcher().start_polling()\n");
        fs::create_dir_all(test.path("../home/.config/systemd/user")).unwrap();
        secret(test, "bot.env", &format!("BOT_TOKEN={}\n", token()));
        let (folder, env) = (test.dir().display(), test.name("bot.env"));
        let unit = format!(
            "[Service]\nWorkingDirectory={folder}\nEnvironmentFile={env}\nExecStart=/usr/bin/python3 -u shop.py --fast\n"
        );
        test.write("../home/.config/systemd/user/shop@.service", &unit);
        test.write("../home/.config/systemd/user/shop.service", unit);
        test.write("../home/.config/systemd/user/web.service", "[Service]\nExecStart=/usr/sbin/nginx\n");
        let seen = status_after_init(test, ".");
        assert_eq!(seen.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["shop"]);
        let text = test.read("solobot.toml");
        let command = "command = [\"/usr/bin/python3\", \"-u\", \"shop.py\", \"--fast\"]\n";
        let wanted =
            ["logs = [\"unit:shop.service\"]\n", command, "token = { env = \"BOT_TOKEN\", env_file = \"bot.env\" }\n"];
        for line in wanted.into_iter().chain(["# script = \"main.py\"\n", "# [bots.main]\n"]) {
            assert!(text.contains(line), "{line}{text}");
        }
        // Alone, the script is the bot.
        fs::remove_file(test.path("../home/.config/systemd/user/shop.service")).unwrap();
        test.solobot("init --force").run().code(0).stdout_has(&["main.py, not running", "solobot acquire main"]);
        assert!(test.read("solobot.toml").contains("\nscript = \"main.py\"\n"));
    });
}

/// It shows no token, and another one does.
#[test]
fn what_a_unit_starts_is_a_bot() {
    alone(|test| {
        let main = bot(test, ".", "main.py", "BOT_TOKEN", &token());
        fs::create_dir_all(test.path("../home/.config/systemd/user")).unwrap();
        secret(test, "bot.env", &format!("BOT_TOKEN={}\n", other_token()));
        let (folder, env) = (test.dir().display(), test.name("bot.env"));
        let unit = format!(
            "[Service]\nWorkingDirectory={folder}\nEnvironmentFile={env}\nExecStart=/usr/bin/python3 -u shop.py\n"
        );
        test.write("../home/.config/systemd/user/shop.service", unit);
        test.bot("shop.py");
        let mut command = test.command("python3 -u shop.py");
        command.env("BOT_OPTIONS", "--pid-file shop.pid");
        let shop = test.start_command(command);
        test.wait_for_pid("shop.pid");
        let json = test.solobot("init --json --dry-run").run().code(0).json();
        let pids = |bot: &Value| bot["pids"].as_array().unwrap().iter().map(|pid| pid.as_i64().unwrap()).collect();
        let seen: Vec<Vec<i64>> = json["bots"].as_array().unwrap().iter().map(pids).collect();
        assert_eq!(seen, [main.pid(), shop.pid()].map(|pid| vec![i64::from(pid)]), "{json:#}");
    });
}

/// A path inside a container means nothing outside.
#[test]
fn a_bot_in_another_root_is_only_a_comment() {
    alone(|test| {
        test.bot("main.py");
        let inside =
            "mount -t tmpfs none /mnt && cp main.py /mnt && cd /mnt && exec python3 main.py --pid-file bot.pid";
        let mut command = test.command("unshare -m sh -c");
        command.arg(inside).env("BOT_TOKEN", token());
        let bot = test.start_command(command);
        wait_until("it runs", || fs::metadata(format!("/proc/{}/root/mnt/bot.pid", bot.pid())).is_ok());
        test.solobot("init --yes").run().code(0).stdout_has(&["a template"]);
        let text = test.read("solobot.toml");
        assert!(text.contains("# its folder does not exist here") && text.contains("# dir = \"/mnt\"\n"), "{text}");
        assert!(!text.contains("\n[bots."), "{text}");
        drop(bot);
    });
}

#[test]
fn with_nothing_running_it_writes_a_template() {
    alone(|test| {
        test.solobot("init").run().code(0).stdout_has(&["a template", "nano", "solobot status"]);
        assert!(test.read("solobot.toml").contains("# [bots.main]\n"));
        test.solobot("status").run().code(0).stdout_has(&["host ", "solobot.toml` has no bot yet"]);
        let _ = test.solobot("check").run().code(2).stderr_has(&["has no bot yet"]);
        // Every line of the template that is code is valid once its mark is gone.
        let text = test.read("solobot.toml");
        let marked = text.lines().filter_map(|line| line.strip_prefix("# "));
        let code: Vec<&str> = marked.filter(|line| line.contains(" = ") || line.starts_with('[')).collect();
        test.write("solobot.toml", code.join("\n"));
        test.write("main.py", "");
        test.solobot("check").run().code(0).stdout_has(&["main"]);
    });
}

#[test]
fn without_a_terminal_the_likeliest_script_is_taken() {
    alone(|test| {
        let bot = "from aiogram import Dispatcher\nDispatcher().start_polling()\n";
        test.write("main.py", bot);
        let init = |line: &str| test.run(&format!("sh -c '{} {line} </dev/null'", env!("CARGO_BIN_EXE_solobot")));
        let one = "guessed `main.py`: the only script here that polls Telegram";
        init("init").code(0).stdout_has(&["one bot", "main: main.py, not running", one, "solobot acquire main"]);
        assert!(test.read("solobot.toml").contains("\nscript = \"main.py\"\n"));
        // The usual name, although another one comes first; the others are comments.
        for name in ["admin.py", "old/main.py"] {
            test.bot(name);
            test.write(name, bot);
        }
        let three = "guessed `main.py`: the likeliest of 3 scripts here that poll Telegram";
        init("init --force").code(0).stdout_has(&["one bot", three]);
        let text = test.read("solobot.toml");
        assert!(text.contains("\nscript = \"main.py\"\n") && text.contains("\n# script = \"admin.py\"\n"), "{text}");
        init("init --dry-run").code(0).stdout_is(&text);
        init("init --force --yes").code(0).stdout_has(&[three]);
        assert_eq!(test.read("solobot.toml"), text);
        // On a terminal it is what is proposed.
        let mut terminal = Terminal::start(test, "solobot init --force");
        terminal.wait_for("Which program is the bot? [main.py]");
        terminal.keys("\r");
        terminal.wait_for("solobot acquire main");
        assert!(terminal.ended().success());
    });
}

#[test]
fn a_variable_with_the_url_of_an_engine_is_proposed_for_the_lease() {
    alone(|test| {
        test.write("main.py", "from aiogram import Dispatcher\nDispatcher().start_polling()\n");
        let written = |name: &str, url: &str| {
            test.solobot("init --yes --force").env(name, url).run().code(0).stdout_has(&["wrote "]);
            test.read("solobot.toml")
        };
        for (name, url) in [("DATABASE_URL", "postgres://bot:hunter2@db/bot"), ("REDIS_URL", "redis://:hunter2@db")] {
            let text = written(name, url);
            let proposed = format!("# lease = {{ env = \"{name}\" }}\n");
            assert!(text.contains(&proposed) && !text.contains("hunter2"), "{text}");
            test.write("solobot.toml", text.replace(&proposed, &proposed[2..]));
            test.solobot("status").run().code(0).stdout_has(&["main: no instance"]);
        }
        for url in ["mysql://bot:hunter2@db/bot", "sqlite:///bot.db", "postgres+asyncpg://db/bot", ""] {
            let text = written("DATABASE_URL", url);
            assert!(!text.contains("lease ="), "{url}: {text}");
        }
        // The running bot's own environment, whatever that of init has.
        test.bot("live/main.py");
        let mut command = test.command("python3 main.py");
        command.current_dir(test.path("live")).env("BOT_TOKEN", token()).env("BOT_OPTIONS", "--pid-file bot.pid");
        let bot = test.start_command({
            command.env("DATABASE_URL", "postgres://bot:hunter2@db/bot");
            command
        });
        test.wait_for_pid("live/bot.pid");
        test.solobot("init --yes").in_dir("live").run().code(0).stdout_has(&["wrote "]);
        let text = test.read("live/solobot.toml");
        assert!(text.contains("# lease = { env = \"DATABASE_URL\" }\n"), "{text}");
        bot.kill();
    });
}

#[test]
fn a_terminal_is_asked() {
    alone(|test| {
        test.bot("job.py");
        let mut terminal = Terminal::start(test, "solobot init");
        terminal.wait_for("Which program is the bot?");
        terminal.keys("job.py\r");
        terminal.wait_for("solobot acquire job");
        assert!(terminal.ended().success());
        let text = test.read("solobot.toml");
        assert!(text.contains("script = \"job.py\"\n") && text.contains("command = [\"python3\", "), "{text}");
        // An answer that names nothing is refused, and nothing is written.
        fs::remove_file(test.path("solobot.toml")).unwrap();
        let mut terminal = Terminal::start(test, "solobot init");
        terminal.wait_for("Which program is the bot?");
        terminal.keys("python\r");
        terminal.wait_for("would match every");
        assert_eq!(terminal.ended().code(), Some(2));
        assert!(!test.has("solobot.toml"));
        // An empty answer is a template.
        let mut terminal = Terminal::start(test, "solobot init");
        terminal.wait_for("Which program is the bot?");
        terminal.keys("\r");
        terminal.wait_for("a template");
        assert!(terminal.ended().success());
    });
}

/// Whoever may write to the folder can put anything there.
#[test]
fn what_is_no_regular_file_or_no_small_one_is_not_read() {
    alone(|test| {
        let bot = "from aiogram import Dispatcher\nDispatcher().start_polling()\n";
        test.write("main.py", bot);
        test.write("../elsewhere.py", bot);
        symlink(test.path("../elsewhere.py"), test.path("link.py")).unwrap();
        let units = test.path("../home/.config/systemd/user");
        fs::create_dir_all(&units).unwrap();
        test.run(&format!("mkfifo a.py .env {0}/a.service", units.display())).code(0);
        let init = || {
            let said = test.solobot("init --json --force").start().finish_within(Duration::from_secs(20)).code(0);
            said.json()["text"].as_str().unwrap().to_owned()
        };
        let text = init();
        assert!(text.contains("\nscript = \"main.py\"\n") && !text.contains("link.py"), "{text}");
        assert!(!text.contains("\ntoken = "), "{text}");
        // A token, and 10 MB behind it.
        fs::remove_file(test.path(".env")).unwrap();
        let line = format!("BOT_TOKEN={}\n", token());
        secret(test, ".env", &format!("{line}{}", "#\n".repeat(5_000_000)));
        assert!(!init().contains("\ntoken = "));
        // What the link leads to may not be the operator's.
        fs::remove_file(test.path(".env")).unwrap();
        secret(test, "../env", &line);
        symlink(test.path("../env"), test.path(".env")).unwrap();
        assert!(!init().contains("\ntoken = "));
        fs::remove_file(test.path(".env")).unwrap();
        secret(test, ".env", &line);
        assert!(init().contains("\ntoken = "));
    });
}

#[test]
fn a_lock_that_an_entry_names_is_not_listed_again() {
    alone(|test| {
        test.write("main.py", "from aiogram import Dispatcher\nDispatcher().start_polling()\n");
        for lock in [".bot_instance.lock", ".solobot.lock"] {
            test.write(lock, "");
        }
        test.solobot("init -q").run().code(0);
        let text = test.read("solobot.toml");
        assert!(text.contains("\nlock = \".bot_instance.lock\"\n"), "{text}");
        assert_eq!(text.matches(".bot_instance.lock\"").count(), 1, "{text}");
        // The other one is nobody's.
        assert!(text.contains(&format!("# lock = \"{}\"", test.name(".solobot.lock"))), "{text}");
        fs::remove_file(test.path(".bot_instance.lock")).unwrap();
        test.solobot("init -q --force").run().code(0);
        assert!(!test.read("solobot.toml").contains("none of these bots holds"), "it is the default of main.py");
    });
}

/// A web front end that has the bot's `.env` is another program.
#[test]
fn two_programs_with_one_token_are_two_bots() {
    alone(|test| {
        let web = bot(test, "srv", "web.py", "BOT_TOKEN", &token());
        fs::remove_file(test.path("srv/bot.pid")).unwrap();
        let main = bot(test, "srv", "main.py", "BOT_TOKEN", &token());
        fs::remove_file(test.path("srv/bot.pid")).unwrap();
        let second = bot(test, "srv", "main.py", "BOT_TOKEN", &token());
        let of = |line: &str, key: &str, code: i32| {
            let json = test.solobot(line).run().code(code).json();
            let pids = |bot: &Value| {
                let all = bot[key].as_array().unwrap().iter();
                all.map(|one| one["pid"].as_i64().or(one.as_i64()).unwrap()).collect::<Vec<_>>()
            };
            json["bots"].as_array().unwrap().iter().map(pids).collect::<Vec<_>>()
        };
        let wanted = [vec![i64::from(web.pid())], [&main, &second].map(|bot| i64::from(bot.pid())).to_vec()];
        assert_eq!(of("status --json", "instances", 0), wanted);
        assert_eq!(of("doctor --json", "instances", 1), wanted);
        assert_eq!(of("init --json --dry-run", "pids", 0), wanted);
    });
}

#[test]
fn nothing_is_overwritten_without_force() {
    alone(|test| {
        let hints = ["already exists", "solobot init --dry-run", "solobot init --force"];
        test.write("solobot.toml", "this is = no TOML at all [");
        test.solobot("init").run().code(73).stderr_has(&hints);
        let json = test.solobot("init --json").run().code(73).json();
        assert_eq!((&json["error"]["kind"], &json["error"]["code"]), (&"config-exists".into(), &73.into()), "{json}");
        assert_eq!(test.read("solobot.toml"), "this is = no TOML at all [");
        test.solobot("init --dry-run").run().code(0).stdout_has(&["# solobot.toml", "[bots.main]"]);
        assert_eq!(test.read("solobot.toml"), "this is = no TOML at all [");
        test.solobot("init --force -q").run().code(0);
        test.solobot("status").run().code(0).stdout_has(&["host "]);
        // A link is replaced, what it points to is not written.
        test.write("precious", "mine");
        fs::remove_file(test.path("solobot.toml")).unwrap();
        symlink("precious", test.path("solobot.toml")).unwrap();
        test.solobot("init").run().code(73).stderr_has(&hints);
        test.solobot("init --force -q").run().code(0);
        assert_eq!(test.read("precious"), "mine");
        assert!(!test.path("solobot.toml").is_symlink());
        // A dangling one is there, too.
        symlink("nowhere", test.path("other.toml")).unwrap();
        test.solobot("init -c other.toml").run().code(73).stderr_has(&hints);
    });
}

#[test]
fn bad_places_are_named() {
    alone(|test| {
        test.solobot("init -c none/solobot.toml")
            .run()
            .code(73)
            .stderr_has(&["none/solobot.toml", "solobot init -c FILE"]);
        fs::create_dir(test.path("folder")).unwrap();
        test.solobot("init --force -c folder").run().code(73).stderr_has(&["folder"]);
        assert!(fs::read_dir(test.dir()).unwrap().count() == 1, "no temporary file is left");
        // Written, but not to be believed there: it says so.
        fs::create_dir(test.path("open")).unwrap();
        fs::set_permissions(test.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
        let said = test.solobot("init --yes").in_dir("open").run().code(0);
        said.stdout_has(&["wrote "]).stderr_has(&["warning", "chmod o-w", "solobot -c"]);
        fs::set_permissions(test.dir(), fs::Permissions::from_mode(0o777)).unwrap();
        test.solobot_as(65534, "init -q -c mine.toml").code(0).stderr_has(&["warning"]);
        fs::set_permissions(test.dir(), fs::Permissions::from_mode(0o755)).unwrap();
        test.solobot_as(65534, "init -c other.toml").code(77).stderr_has(&["other.toml", "ermission denied"]);
    });
}

#[test]
fn odd_names_stay_one_line_each() {
    alone(|test| {
        let folder = "a \"b\"\n[bots.evil]\nscript = 'x'";
        let bot = bot(test, folder, "it's.py", "BOT_TOKEN", &token());
        let seen = status_after_init(test, ".");
        assert_eq!(seen.len(), 1, "{seen:?}\n{}", test.read("solobot.toml"));
        assert_eq!(seen[0].1, [i64::from(bot.pid())]);
    });
}

#[test]
fn a_token_on_a_command_line_is_not_written() {
    alone(|test| {
        test.bot("main.py");
        let mut command = test.command("python3 main.py --pid-file bot.pid --say");
        command.arg(token()).env("BOT_TOKEN", token());
        let bot = test.start_command(command);
        test.wait_for_pid("bot.pid");
        wait_until("it has said it", || bot.stdout().contains("AAAA"));
        test.solobot("init").run().code(0).stdout_has(&["wrote"]);
        let text = test.read("solobot.toml");
        assert!(!text.contains("AAAA") && !text.contains("\ncommand") && text.contains("move it into .env"), "{text}");
        let json = test.solobot("init --dry-run --json").run().code(0).json().to_string();
        assert!(!json.contains("AAAA"), "{json}");
        // Its own output has the token: the harness would take it for solobot's.
        drop(bot);
        for entry in fs::read_dir(test.path("../out")).unwrap().flatten() {
            if fs::read_to_string(entry.path()).is_ok_and(|text| text.contains("AAAA")) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    });
}
