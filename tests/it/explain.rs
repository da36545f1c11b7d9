//! `-v`: what each setting is, and whether a flag, a variable, a line of the file or nobody said so.

use crate::harness::{Test, alone, token};

const FILE: &str = "[defaults]\ngrace = \"3s\"\n\n[bots.main]\nscript = \"bot.py\"\nlock = \"main.lock\"\n\
                    token = { env = \"MY_TOKEN\" }\nlogs = [\"a b.log\", \"unit:bot\"]\nskip_env = false\n";

/// What every line must say, of a bot with that file.
fn expected(test: &Test) -> Vec<String> {
    let line = |number: u32| format!("(`{}` line {number})", test.name("solobot.toml"));
    vec![
        format!("configuration: {}\n", test.name("solobot.toml")),
        "settings of main:\n".to_owned(),
        format!("  dir = {} (default)\n", test.dir().display()),
        format!("  program = {} {}\n", test.name("bot.py"), line(5)),
        format!("  lock = {} {}\n", test.name("main.lock"), line(6)),
        format!("  token = bot 123456789 (2f235a8a415a) in variable `MY_TOKEN` {}\n", line(7)),
        format!("  logs = '{}' unit:bot {}\n", test.name("a b.log"), line(8)),
        "  command = none (default)\n".to_owned(),
        "  api_url = http://127.0.0.1:1 (variable `SOLOBOT_API_URL`)\n".to_owned(),
        format!("  skip_env = false {}\n", line(9)),
        "  wait = 30s (default)\n".to_owned(),
        format!("  grace = 3s {}\n", line(2)),
    ]
}

#[test]
fn status_and_check_say_where_each_setting_came_from() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", FILE);
        let expected = expected(test);
        let wanted: Vec<&str> = expected.iter().map(String::as_str).collect();
        let ask = |line: &str| {
            test.solobot(line).env("MY_TOKEN", &token()).env("SOLOBOT_API_URL", "http://127.0.0.1:1").run().code(0)
        };
        ask("-v status main").stdout_has(&wanted).nowhere("AAAA");
        ask("check -v").stdout_has(&["safe to start"]).stderr_has(&wanted).nowhere("AAAA");
        // Without -v nobody asked.
        ask("check").stdout_has(&["safe to start"]);
        let json = ask("check -v --json").stderr_has(&["settings of main"]).json();
        assert_eq!(json["ok"], true);
    });
}

#[test]
fn acquire_names_its_own_flags() {
    alone(|test| {
        test.bot("bot.py");
        test.write("solobot.toml", FILE.replace("logs =", "wait = 1\nlogs ="));
        let line = "acquire -v main --wait 7 -l other.lock --grace 500ms --lock-only -- echo ran";
        let said = test.solobot(line).run().code(0).stdout_is("ran\n");
        let lock = format!("  lock = {} (--lock)\n", test.name("other.lock"));
        let token = format!("  token = none in variable `MY_TOKEN` (`{}` line 7)\n", test.name("solobot.toml"));
        let flags = ["  wait = 7s (--wait)\n", "  grace = 500ms (--grace)\n", "  command = echo ran (COMMAND)\n"];
        said.stderr_has(&flags).stderr_has(&[&lock, &token]);
        let said = test.solobot("acquire -v -n --handover -- echo ran").run().code(0).stdout_is("ran\n");
        said.stderr_has(&[
            "  wait = 0s (--nonblock)\n",
            "  locks_itself = true (--handover)\n",
            "  skip_env = SKIP_TELEGRAM_LOCK (default)\n",
            "  command = echo ran (COMMAND)\n",
        ]);
        let secret = format!("acquire -v -l x.lock -- true {}", crate::harness::token());
        test.solobot(&secret).run().code(0).stderr_has(&["command = true "]).nowhere("AAAA");
    });
}
