//! `solobot.toml`: found, trusted, understood; and errors that name file, line and remedy.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use crate::harness::{Test, alone, token};

const PLAIN: &str = "[bots.main]\ndir = \".\"\nscript = \"bot.py\"\nlock = \"main.lock\"\n";

#[test]
fn a_bot_by_name_and_the_only_bot() {
    alone(|test| {
        test.bot("bot.py");
        test.write("up", "");
        let text = format!("{PLAIN}command = [\"python3\", \"bot.py\", \"--until\", \"up\", \"--code\", \"4\"]\n");
        test.write("solobot.toml", text);
        test.solobot("acquire main").run().code(4);
        test.solobot("acquire").run().code(4);
        assert!(test.has("main.lock"));
        // COMMAND that is the file's bot takes the file's lock.
        fs::remove_file(test.path("main.lock")).unwrap();
        test.solobot("acquire -- python3 bot.py --until up").run().code(0);
        assert!(test.has("main.lock") && !test.has(".solobot.lock"));
        test.solobot("acquire other").run().code(2).stderr_has(&["other", "main"]);
        test.solobot("acquire man").run().code(2).stderr_has(&["main"]);
    });
}

#[test]
fn found_from_below_and_relative_to_the_file() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", PLAIN);
        fs::create_dir_all(test.path("deep/below")).unwrap();
        let json = test.solobot("status --json").in_dir("deep/below").run().code(0).json();
        assert_eq!(json["bots"][0]["name"], "main");
        assert_eq!(json["bots"][0]["lock"]["path"], test.name("main.lock"));
    });
}

#[test]
fn named_beats_found_and_flags_beat_all() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", PLAIN);
        test.write("named.toml", PLAIN.replace("main.lock", "named.lock"));
        test.write("variable.toml", PLAIN.replace("main.lock", "variable.lock"));
        let lock = |solobot: crate::harness::Solobot<'_>| {
            let json = solobot.run().code(0).json();
            json["bots"][0]["lock"]["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        };
        assert_eq!(lock(test.solobot("status --json")), "main.lock");
        assert_eq!(lock(test.solobot("status --json").env("SOLOBOT_CONFIG", "variable.toml")), "variable.lock");
        let named = test.solobot("status --json -c named.toml").env("SOLOBOT_CONFIG", "variable.toml");
        assert_eq!(lock(named), "named.lock");
        assert_eq!(lock(test.solobot("status --json main -l flag.lock")), "flag.lock");
    });
}

#[test]
fn status_and_check_take_every_bot() {
    alone(|test| {
        test.bot("bot.py");
        test.bot("other.py");
        let text = format!("{PLAIN}[bots.second]\ndir = \".\"\nscript = \"other.py\"\nlock = \"second.lock\"\n");
        test.write("solobot.toml", text);
        let json = test.solobot("status --json").run().code(0).json();
        let names: Vec<_> = json["bots"].as_array().unwrap().iter().map(|bot| bot["name"].clone()).collect();
        assert_eq!(names, ["main", "second"]);
        test.solobot("status").run().code(0).stdout_has(&["main.lock", "second.lock"]);
        let output = test.solobot("check").run().code(0);
        assert_eq!(output.stdout().lines().count(), 2, "one line a bot");
        let by_hand = test.by_hand("other.py", "--pid-file hand.pid");
        test.wait_for_pid("hand.pid");
        test.solobot("check").run().code(1).stdout_has(&["main", "second"]);
        test.solobot("check main").run().code(0).stdout_has(&["main"]);
        let json = test.solobot("check --json").run().code(1).json();
        assert_eq!(json["bots"].as_array().unwrap().len(), 2);
        assert_eq!((&json["ok"], &json["bots"][0]["ok"]), (&false.into(), &true.into()), "{json}");
        test.solobot("acquire -- true").run().settled();
        test.solobot("acquire").run().code(2).stderr_has(&["main", "second"]);
        drop(by_hand);
    });
}

#[test]
fn unknown_keys_name_line_and_nearest_key() {
    alone(|test| {
        let cases = [
            (format!("{PLAIN}lok = \"x\"\n"), "5", "lock"),
            ("[defaults]\nwiat = \"3s\"\n".into(), "2", "wait"),
            ("jornal = \"x\"\n".into(), "1", "journal"),
            ("[bot.main]\nscript = \"a.py\"\n".into(), "1", "bots"),
            (format!("{PLAIN}token = {{ evn = \"A\" }}\n"), "5", "env"),
        ];
        for (text, line, nearest) in cases {
            test.write("solobot.toml", &text);
            let wanted = format!("{}:{line}: ", test.name("solobot.toml"));
            test.solobot("status").run().code(78).stderr_has(&[&wanted, nearest]);
            let output = test.solobot("status --json").run().code(78);
            assert_eq!(output.json()["error"]["code"], 78);
        }
    });
}

#[test]
fn wrong_types_and_values() {
    alone(|test| {
        for (line, why) in [
            ("wait = \"soon\"", "soon"),
            ("grace = []", "duration"),
            ("command = 3", "expected"),
            ("args = [1]", "expected"),
            ("lock = 7", "expected"),
            ("module = \"a.b\"", "script"),
            ("token = \"123\"", "token"),
            ("logs = \"a.log\"", "expected"),
            ("skip_env = true", "false"),
            ("= 3", "solobot.toml"),
        ] {
            test.write("solobot.toml", format!("[bots.main]\nscript = \"bot.py\"\n{line}\n"));
            test.solobot("status").run().code(78).stderr_has(&[&format!("{}:3", test.name("solobot.toml")), why]);
        }
        test.write("solobot.toml", [0xff, 0xfe]);
        test.solobot("status").run().code(78).stderr_has(&[&test.name("solobot.toml")]);
        test.write("solobot.toml", "[bots.main]\nlock = \"x\"\n");
        test.solobot("status").run().code(78).stderr_has(&["script", "module", "exe"]);
    });
}

#[test]
fn a_token_in_the_file_is_never_repeated() {
    alone(|test| {
        let token = token();
        test.write("solobot.toml", format!("[bots.main]\nscript = \"bot.py\"\ntoken = \"{token}\"\n"));
        test.solobot("status").run().code(78).stderr_has(&["token"]).nowhere(&token).nowhere(&"A".repeat(35));
    });
}

#[test]
fn a_named_file_that_is_not_there() {
    alone(|test| {
        test.solobot("status -c missing.toml").run().code(2).stderr_has(&["missing.toml"]);
        test.solobot("status").env("SOLOBOT_CONFIG", "missing.toml").run().code(2).stderr_has(&["missing.toml"]);
    });
}

/// A folder as `/tmp` is, with one's own folder below it, and a file that some user put into it.
fn shared(test: &Test, owner: u32) {
    fs::create_dir_all(test.path("tmp/app")).unwrap();
    fs::set_permissions(test.path("tmp"), Permissions::from_mode(0o1777)).unwrap();
    test.write("tmp/solobot.toml", "nonsense");
    chown(test.path("tmp/solobot.toml"), Some(owner), Some(owner)).unwrap();
}

#[test]
fn what_a_stranger_planted_above_stops_no_call() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", PLAIN);
        shared(test, 65534);
        let planted = test.name("tmp/solobot.toml");
        let says = format!("warning: `{planted}` is ignored: ");
        let name_it = format!("solobot -c {planted} …");
        for line in
            ["status main", "check main", "doctor main", "clean-stale main", "stop --dry-run main", "metrics main"]
        {
            let output = test.solobot(line).in_dir("tmp/app").run().settled();
            assert!(output.stderr().contains(&says) && output.stderr().contains(&name_it), "{}", output.stderr());
            output.code_is_not(78);
        }
        // The search goes on: the bot of the file above it.
        let json = test.solobot("status --json").in_dir("tmp/app").run().code(0).stderr_has(&[&says]).json();
        assert_eq!(json["bots"][0]["name"], "main", "{json}");
        test.solobot("acquire -l x.lock -- true").in_dir("tmp/app").run().code(0).stderr_has(&[&says]);
        // Whatever it is.
        fs::remove_file(&planted).unwrap();
        symlink(test.path("solobot.toml"), &planted).unwrap();
        lchown(&planted, Some(65534), Some(65534)).unwrap();
        test.solobot("status main").in_dir("tmp/app").run().code(0).stdout_has(&[]).stderr_has(&[&says]);
        fs::remove_file(&planted).unwrap();
        fs::create_dir(&planted).unwrap();
        chown(&planted, Some(65534), Some(65534)).unwrap();
        test.solobot("status main").in_dir("tmp/app").run().code(0).stdout_has(&[]).stderr_has(&[&says]);
    });
}

#[test]
fn what_may_be_meant_is_not_passed_over() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", PLAIN);
        shared(test, 65534);
        let planted = test.path("tmp/solobot.toml");
        let refused = |folder: &str, line: &str| {
            let output = test.solobot(line).in_dir(folder).run().code(78);
            assert!(!output.stderr().contains("passed over"), "{}", output.stderr());
            drop(output.stdout_has(&[]));
        };
        // In the current folder, and named.
        refused("tmp", "acquire main");
        refused("tmp/app", "-c ../solobot.toml acquire main");
        // Of the bot's user, who has the current folder or called sudo.
        chown(test.path("tmp/app"), Some(65534), None).unwrap();
        refused("tmp/app", "acquire main");
        chown(test.path("tmp/app"), Some(0), None).unwrap();
        let output = test.solobot("acquire main").in_dir("tmp/app").env("SUDO_UID", "65534").run().code(78);
        output.stderr_has(&["not trusted"]);
        // Of the caller.
        chown(&planted, Some(0), Some(0)).unwrap();
        refused("tmp/app", "acquire main");
        // In a folder that is not for everybody.
        chown(&planted, Some(65534), Some(65534)).unwrap();
        fs::set_permissions(test.path("tmp"), Permissions::from_mode(0o755)).unwrap();
        refused("tmp/app", "acquire main");
    });
}

#[test]
fn a_planted_file_is_not_followed() {
    alone(|test| {
        test.bot("bot.py");
        let planted = format!("{PLAIN}command = [\"touch\", \"ran\"]\n");
        test.write("solobot.toml", &planted);
        fs::set_permissions(test.path("solobot.toml"), Permissions::from_mode(0o666)).unwrap();
        test.solobot("acquire main").run().code(78).stderr_has(&[&test.name("solobot.toml"), "chmod"]);
        fs::set_permissions(test.path("solobot.toml"), Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(test.dir(), Permissions::from_mode(0o777)).unwrap();
        test.solobot("acquire main").run().code(78).stderr_has(&["chmod"]);
        // Nobody is told to take a folder like /tmp from the others.
        fs::set_permissions(test.dir(), Permissions::from_mode(0o1777)).unwrap();
        test.solobot("acquire main").run().code(78).stderr_has(&["-c"]).nowhere("chmod");
        fs::set_permissions(test.dir(), Permissions::from_mode(0o755)).unwrap();
        chown(test.path("solobot.toml"), Some(65534), Some(65534)).unwrap();
        test.solobot("acquire main").run().code(78).stderr_has(&[&test.name("solobot.toml")]);
        assert!(!test.has("ran"), "a planted command ran");
        // A file that was named is the caller's own decision.
        test.solobot("acquire -c solobot.toml main").run().code(0);
        assert!(test.has("ran"));
    });
}

#[test]
fn under_sudo_the_callers_file_is_only_for_looking() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", format!("{PLAIN}command = [\"touch\", \"ran\"]\n"));
        chown(test.path("solobot.toml"), Some(65534), Some(65534)).unwrap();
        chown(test.dir(), Some(65534), Some(65534)).unwrap();
        test.solobot("status").env("SUDO_UID", "65534").run().code(0).stdout_has(&["main.lock"]);
        test.solobot("acquire main").env("SUDO_UID", "65534").run().code(78).stderr_has(&["-c"]);
        assert!(!test.has("ran"), "root ran a user's command");
    });
}

#[test]
fn two_bots_with_one_lock_need_one_token() {
    alone(|test| {
        let two = |first: &str, second: &str| {
            format!(
                "[bots.one]\nscript = \"one.py\"\nlock = \"x.lock\"\ntoken = {{ env = \"{first}\" }}\n\
                 [bots.two]\nscript = \"two.py\"\nlock = \"x.lock\"\ntoken = {{ env = \"{second}\" }}\n"
            )
        };
        test.write("solobot.toml", two("A_TOKEN", "A_TOKEN"));
        test.solobot("status").run().code(0).stdout_has(&["one", "two"]);
        test.write("solobot.toml", two("A_TOKEN", "B_TOKEN"));
        test.solobot("status").run().code(78).stderr_has(&["one", "two", "x.lock"]);
    });
}

#[test]
fn placeholders_in_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        let text = PLAIN.replace("main.lock", "locks/{bot_id}_{token_hash}.lock");
        test.write("solobot.toml", format!("{text}token = {{ env = \"MY_TOKEN\" }}\n"));
        fs::create_dir(test.path("locks")).unwrap();
        let json = test.solobot("status --json").env("MY_TOKEN", &format!(" {}\n", token())).run().code(0);
        let json = json.stderr_has(&[]).json();
        let path = json["bots"][0]["lock"]["path"].as_str().unwrap().to_owned();
        let name = path.strip_prefix(&test.name("locks/123456789_")).unwrap_or_else(|| panic!("{path}"));
        let hash = name.strip_suffix(".lock").unwrap();
        assert!(hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        // Without the token there is no lock to name.
        test.solobot("acquire main -- true").run().code(78).stderr_has(&["MY_TOKEN"]);
    });
}

#[test]
fn the_files_wait_and_a_flag_that_beats_it() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", format!("[defaults]\nwait = \"0\"\n{PLAIN}command = [\"true\"]\n"));
        let flock = test.start("flock main.lock tail -f /dev/null");
        crate::harness::wait_until("held", || test.is_locked("main.lock"));
        let start = std::time::Instant::now();
        test.solobot("acquire main").run().code(75).stderr_has(&["main.lock"]);
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "it waited although the file says 0");
        let waiting = test.solobot("acquire main -w forever").start();
        drop(flock);
        waiting.finish().code(0).stderr_has(&[]);
    });
}

#[test]
fn skip_env_of_the_file() {
    alone(|test| {
        test.bot("bot.py");
        let command = "command = [\"sh\", \"-c\", \"echo [$MY_SKIP] [$SKIP_TELEGRAM_LOCK]\"]\n";
        test.write("solobot.toml", format!("{PLAIN}skip_env = \"MY_SKIP\"\n{command}"));
        test.solobot("acquire main").run().code(0).stdout_is("[1] []\n");
        test.write("solobot.toml", format!("{PLAIN}skip_env = false\n{command}"));
        test.solobot("acquire main").run().code(0).stdout_is("[] []\n");
    });
}

#[test]
fn a_bots_name_wins_over_a_path() {
    alone(|test| {
        test.write("solobot.toml", PLAIN);
        test.write("main", "not a lock\n");
        let json = test.solobot("clean-stale --json main").run().settled();
        assert!(json.stdout().contains("main.lock"), "{}", json.stdout());
    });
}
