//! Workers that do not poll beside the bot of the same script: `artisan queue:work` beside `artisan nutgram:run`. They are
//! no duplicates, and nothing that solobot advises stops them.

use std::fs;

use crate::doctor::codes;
use crate::harness::{Background, Output, Test, alive, alone, token, wait_until};
use crate::scenes::{by_pid, instances, pid, with};
use crate::standin::Standin;

/// Each connects for the bot's sub-command and idles for any other.
const SCRIPTS: [(&str, &str, &str); 3] = [
    (
        "artisan",
        "php artisan",
        "#!/usr/bin/env php\n<?php\nif ($argv[1] === 'nutgram:run') { $s = fsockopen('127.0.0.1', (int) getenv('PORT')); }\n\
         while (true) sleep(60);\n",
    ),
    (
        "manage.py",
        "python3 manage.py",
        "import os, signal, socket, sys\nif sys.argv[1] == 'runbot':\n    \
         s = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])))\nsignal.pause()\n",
    ),
    (
        "cli.js",
        "node cli.js",
        "if (process.argv[2] === 'bot') require('net').connect(Number(process.env.PORT), '127.0.0.1');\n\
         setInterval(() => {}, 60_000);\n",
    ),
];

fn start(test: &Test, server: &Standin, line: &str, connects: bool) -> Background {
    let before = server.connections();
    let mut command = test.command(line);
    command.env("PORT", server.port().to_string());
    let started = test.start_command(command);
    wait_until("it is connected", || !connects || server.connections() > before);
    started
}

fn ask(test: &Test, server: &Standin, line: &str) -> Output {
    test.solobot(line).env("SOLOBOT_API_URL", &server.url()).run()
}

/// As containers have it: each has the token in its environment, so that each could be the bot.
#[test]
fn workers_that_have_the_token_do_not_poll_either() {
    alone(|test| {
        let server = Standin::start();
        for ((name, run, text), [bot, first, second]) in SCRIPTS.into_iter().zip([
            ["nutgram:run", "queue:work", "schedule:work --quiet"],
            ["runbot", "runserver", "qcluster"],
            ["bot", "worker", "web --port 80"],
        ]) {
            // Called by its interpreter, a script needs no `#!`.
            test.write(name, text.trim_start_matches("#!/usr/bin/env php\n"));
            let start = |words: &str, connects| {
                start(test, &server, &format!("env BOT_TOKEN={} {run} {words}", token()), connects)
            };
            let polls = start(bot, true);
            let workers = [first, second].map(|it| start(it, false));
            let select = format!("-m ./{name}");
            let seen = || ask(test, &server, &format!("status --json {select}")).settled().code(0).json();
            wait_until("all run", || seen()["bots"][0]["instances"].as_array().is_some_and(|all| all.len() == 3));
            for line in ["doctor --json".to_owned(), format!("doctor --json {select}")] {
                let said = ask(test, &server, &line).settled().json();
                assert!(!codes(&said).contains(&"duplicate-instances"), "{said:#}");
            }
            ask(test, &server, &format!("check --running {select}")).code(0).stdout_has(&["exactly one instance"]);
            let [one, other] = [workers[0].pid(), workers[1].pid()];
            let plan = ask(test, &server, &format!("kill-duplicates --json {select}")).code(0).json();
            assert_eq!(with(&plan, "plan", "keep"), [polls.pid()], "{plan}");
            assert!(with(&plan, "plan", "stop").is_empty(), "{plan}");
            // A second one of the bot's own sub-command is one, connected or not.
            let again = start(&format!("{bot} -v"), true);
            wait_until("it runs", || seen()["bots"][0]["instances"].as_array().is_some_and(|all| all.len() == 4));
            let done = ask(test, &server, &format!("kill-duplicates --json {select}")).code(0).json();
            assert_eq!(with(&done, "results", "terminated"), [again.pid()], "{done}");
            let stopped = ask(test, &server, &format!("stop --json {select}")).code(0).json();
            assert_eq!(with(&stopped, "results", "terminated"), [polls.pid()], "{stopped}");
            assert!(alive(one) && alive(other), "{name}");
        }
    });
}

#[test]
fn workers_that_do_not_poll_are_no_duplicates() {
    alone(|test| {
        let server = Standin::start();
        // As such projects have it: the sub-commands read one `.env`.
        test.write(".env", format!("TELEGRAM_TOKEN={}\n", token()));
        for ((name, run, text), [bot, first, second]) in SCRIPTS.into_iter().zip([
            ["nutgram:run", "queue:work", "schedule:work --quiet"],
            ["runbot", "runserver", "qcluster"],
            ["bot", "worker", "web --port 80"],
        ]) {
            test.write(name, text);
            let polls = start(test, &server, &format!("{run} {bot}"), true);
            let workers = [first, second].map(|it| start(test, &server, &format!("{run} {it}"), false));
            let select = format!("-m ./{name}");
            let json = || ask(test, &server, &format!("status --json {select}")).settled().code(0).json();
            wait_until("all run", || json()["bots"][0]["instances"].as_array().is_some_and(|all| all.len() == 3));
            let said = ask(test, &server, &format!("doctor --json {select}")).settled();
            let said = said.nowhere("include-probable").json();
            assert!(!codes(&said).contains(&"duplicate-instances"), "{said:#}");
            if name == "artisan" {
                let said = ask(test, &server, "doctor --json").settled().nowhere("include-probable").json();
                assert!(!codes(&said).contains(&"duplicate-instances"), "{said:#}");
            }
            ask(test, &server, &format!("check --running {select}")).code(0).stdout_has(&["exactly one instance"]);
            // Not even what is only probable takes them along.
            let line = format!("kill-duplicates --json --include-probable {select}");
            let plan = ask(test, &server, &line).code(0).json();
            let [one, other] = [workers[0].pid(), workers[1].pid()];
            let expected = [(polls.pid(), "keep"), (one, "blocked"), (other, "blocked")];
            assert_eq!(by_pid(&plan, "plan"), expected.map(|(pid, word)| (pid, word.to_owned())).into(), "{plan}");
            let line = format!("stop --json --include-probable {select}");
            let stopped = ask(test, &server, &line).code(0).json();
            assert_eq!(with(&stopped, "results", "terminated"), [polls.pid()], "{stopped}");
            assert!(alive(one) && alive(other), "{name}");
        }
    });
}

#[test]
fn one_that_polls_with_another_sub_command_is_a_duplicate_perhaps() {
    alone(|test| {
        let server = Standin::start();
        test.write(".env", format!("TELEGRAM_TOKEN={}\n", token()));
        let (name, run, text) = SCRIPTS[0];
        test.write(name, text.replace("=== 'nutgram:run'", "!== 'queue:work'"));
        let bot = start(test, &server, &format!("{run} nutgram:run"), true);
        let other = start(test, &server, &format!("{run} telegram:poll"), true);
        let worker = start(test, &server, &format!("{run} queue:work"), false);
        wait_until("all run", || instances(test, "-m ./artisan").len() == 3);
        let line = "kill-duplicates --json --include-probable -m ./artisan";
        let done = ask(test, &server, line).code(0).json();
        assert_eq!(with(&done, "results", "terminated"), [other.pid()], "{done}");
        assert!(alive(bot.pid()) && alive(worker.pid()));
    });
}

#[test]
fn args_are_a_beginning_and_the_longest_of_several_counts() {
    alone(|test| {
        let server = Standin::start();
        for (name, _, text) in SCRIPTS {
            test.write(name, text);
        }
        fs::create_dir(test.path("locks")).unwrap();
        let entry = |name: &str, script: &str, args: &str| {
            format!("[bots.{name}]\nscript = \"{script}\"\nargs = [{args}]\nlock = \"locks/{name}\"\n")
        };
        test.write(
            "solobot.toml",
            [
                entry("bot", "artisan", "\"nutgram:run\""),
                entry("staging", "artisan", "\"nutgram:run\", \"--env\", \"staging\""),
                entry("web", "manage.py", "\"runserver\""),
                entry("cli", "cli.js", "\"bot\""),
            ]
            .concat(),
        );
        let run = |line: &str, connects| start(test, &server, line, connects);
        let verbose = run("php artisan nutgram:run -v", true);
        let staging = run("php artisan nutgram:run --env staging -v", true);
        let _queue = run("php artisan queue:work", false);
        let web = run("python3 manage.py runserver 8000", false);
        let _django = run("python3 manage.py runbot", true);
        let cli = run("node cli.js bot --quiet", true);
        let _worker = run("node cli.js worker bot", false);
        for (bot, root) in [("bot", &verbose), ("staging", &staging), ("web", &web), ("cli", &cli)] {
            wait_until("it is seen, and it alone", || {
                let seen = instances(test, bot);
                seen.iter().map(pid).eq([root.pid()]) && seen[0]["confidence"] != "probable"
            });
        }
    });
}
