//! The settings of a lease as a person types them: what is refused, with which code, and what to type instead.

use crate::harness::{Test, alone, token};

const ENTRY: &str = "[bots.main]\ndir = \".\"\nscript = \"bot.py\"\nlock = \"main.lock\"\n";

/// Every subcommand that takes the flags.
const TAKES: [&str; 7] = ["acquire", "status", "check", "doctor", "metrics", "release", "lease"];

fn file(test: &Test, lines: &str) {
    test.bot("bot.py");
    test.write("solobot.toml", format!("{ENTRY}command = [\"python3\", \"bot.py\"]\n{lines}"));
}

#[test]
fn a_wrong_flag_is_2_wherever_it_may_stand() {
    alone(|test| {
        file(test, "");
        for subcommand in TAKES {
            for (flags, hint) in [
                ("--lease mysql://h/0", "redis://HOST"),
                ("--lease 10.0.0.5", "redis://HOST"),
                ("--lease redis:///0", "redis://HOST"),
                ("--lease ''", "redis://HOST"),
                ("--lease redis://:secret@127.0.0.1/0", "--lease-env LEASE_URL"),
                ("--lease-env NOT_SET", "NOT_SET=redis://HOST"),
                ("--lease-name x", "redis://HOST"),
                ("--lease redis://h --lease-env X", "--lease"),
                ("--lease redis://h --lease-name a/b", "1 to 128"),
                ("--lease redis://h --lease-ttl 4s", "at least 5s"),
                ("--lease redis://h --lease-ttl 11m", "at most 10m"),
            ] {
                // A variable is read where a lease is asked for.
                if flags.contains("-env NOT_SET") && subcommand != "acquire" {
                    continue;
                }
                let output = test.solobot(&format!("{subcommand} main {flags}")).run().code(2).stderr_has(&[hint]);
                assert!(!output.stderr().contains("secret"), "{}", output.stderr());
            }
        }
        assert!(!test.has("main.lock"), "nothing was taken");
        test.solobot("stop main --lease redis://h").run().code(2).stderr_has(&["--lease"]);
    });
}

#[test]
fn a_wrong_entry_is_78_and_names_its_line() {
    alone(|test| {
        for (lines, why) in [
            ("lease = \"mysql://:secret@h\"", "engine"),
            ("lease = { environ = \"A\" }", "env"),
            ("lease = \"redis://h\"\nlease_ttl = \"1s\"", "at least 5s"),
            ("lease = \"redis://h\"\nlease_name = \"\"", "empty"),
            ("lease_ttl = \"60s\"", "`lease`"),
        ] {
            file(test, lines);
            let line = format!("solobot.toml:{}: ", 5 + lines.lines().count());
            let output = test.solobot("status").run().code(78).stderr_has(&[&line, why]);
            assert!(!output.stderr().contains("secret"), "{}", output.stderr());
        }
    });
}

#[test]
fn a_lease_that_cannot_be_told_is_78_before_the_lock_is_taken() {
    alone(|test| {
        for (lines, flags, parts) in [
            ("lease = { env = \"NOT_SET\" }", "", &["`NOT_SET`", "NOT_SET=redis://HOST"][..]),
            ("lease = \"redis://127.0.0.1:1\"", "", &["its token is not known", "lease_name = "]),
            ("lease = \"ssh://127.0.0.1/l\"\nlease_name = \"x\"", "", &["leave out `lease_name`"]),
            (
                "lease = \"redis://127.0.0.1:1\"\nlease_name = \"x\"",
                "--lease-ttl 5s",
                &["grace of 10s", "--grace 2000ms"],
            ),
            ("", "--lease redis://127.0.0.1:1 --lease-name x --grace 25s", &["grace of 25s", "--lease-ttl 63s"]),
        ] {
            file(test, lines);
            test.solobot(&format!("acquire main {flags}")).run().code(78).stderr_has(parts);
            assert!(!test.has("main.lock"), "{lines}: a lock was taken for a start that cannot be");
        }
    });
}

#[test]
fn a_lease_needs_a_solobot_that_stays() {
    alone(|test| {
        file(test, "lease = \"redis://127.0.0.1:1\"\nlease_name = \"x\"");
        test.solobot("acquire -F main").run().code(2).stderr_has(&["`-F` cannot be used with a lease", "-- COMMAND"]);
        let solobot = env!("CARGO_BIN_EXE_solobot");
        for (line, option) in
            [("exec 9<>main.lock; S acquire main --fd 9", "--fd"), ("S acquire main --pid $$", "--pid")]
        {
            let line = line.replace('S', solobot);
            test.run(&format!("sh -c '{line}; exit $?'")).code(2).stderr_has(&[option, "with a lease"]);
        }
    });
}

#[test]
fn every_setting_is_explained_and_no_secret_is_shown() {
    alone(|test| {
        file(test, "lease = { env = \"LEASE_URL\" }\nlease_ttl = 50\n");
        let url = format!("redis://:secret-{}@127.0.0.1:1/0", token());
        let solobot = |line: &str| test.solobot(line).env("LEASE_URL", &url).env("BOT_TOKEN", &token());
        let output = solobot("status -v --lease-name shop").run().settled();
        let text = format!("{}{}", output.stdout(), output.stderr());
        for part in ["variable `LEASE_URL`", "solobot.toml` line 6", "shop", "--lease-name", "50s"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for line in ["status -vvv", "status --json", "check", "metrics", "release", "lease", "lease --json", "doctor"] {
            let output = solobot(line).run().settled();
            assert!(!format!("{}{}", output.stdout(), output.stderr()).contains("secret"), "{line}");
        }
    });
}
