//! What is to be typed works as it stands: with the flags that mean the same bot, from any folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Output, Test, alone, token};
use crate::holding::holding;

/// The arguments of the command that a hint names: all behind `solobot ` up to the end of the clause.
#[track_caller]
fn hinted(text: &str, subcommand: &str) -> String {
    let command = format!("solobot {subcommand}");
    let at = text.find(&command).unwrap_or_else(|| panic!("no `{command}` in:\n{text}"));
    let end = text[at..].find([';', '\n', '`']).map_or(text.len(), |end| at + end);
    text[at + "solobot ".len()..end].to_owned()
}

/// The hinted command, run from elsewhere.
fn follow(test: &Test, output: &Output, subcommand: &str) -> (String, Output) {
    let line = hinted(&format!("{}{}", output.stdout(), output.stderr()), subcommand);
    fs::create_dir_all(test.path("elsewhere")).unwrap();
    let output = test.solobot(&line).in_dir("elsewhere").run();
    (line, output)
}

#[test]
fn a_refusals_status_shows_who_is_in_the_way() {
    alone(|test| {
        test.bot("bot.py");
        let by_hand = test.by_hand("bot.py", "--pid-file hand.pid");
        let pid = test.wait_for_pid("hand.pid").to_string();
        let refused = test.solobot("acquire -n -l 'a b.lock' -- python3 bot.py").run().code(75).stderr_has(&[&pid]);
        let (line, status) = follow(test, &refused, "status");
        assert!(line.contains("--lock '") && line.contains("-m "), "{line}");
        let _ = status.code(0).stdout_has(&[&pid, &test.name("a b.lock")]);
        let check = test.solobot("check -m bot.py -l bot.lock").run().code(1).stdout_has(&[&pid]);
        drop(check);
        drop(by_hand);
        // By the name in a file that was named.
        let place = test.name("bot.py");
        test.write("own.toml", format!("[bots.main]\nscript = \"{place}\"\ncommand = [\"true\"]\n"));
        let _bot = test.by_hand("bot.py", "--pid-file again.pid");
        let pid = test.wait_for_pid("again.pid").to_string();
        let refused = test.solobot("acquire -n -c own.toml main").run().code(75).stderr_has(&[&pid]);
        let (line, status) = follow(test, &refused, "status");
        assert_eq!(line, format!("status -c {} main", test.name("own.toml")));
        let _ = status.code(0).stdout_has(&[&pid]);
    });
}

#[test]
fn a_healthy_instance_is_asked_for_by_the_same_flags() {
    alone(|test| {
        let holding = holding(test);
        let check = test.solobot("check -m bot.py -l bot.lock").run().code(1).stdout_has(&["already running as PID"]);
        let (_, running) = follow(test, &check, "check --running");
        let _ = running.code(0).stdout_has(&["healthy: exactly one instance is running"]);
        drop(holding);
    });
}

#[test]
fn a_stale_locks_hint_clears_it() {
    alone(|test| {
        test.write("a b.lock", "99999999");
        let status = test.solobot("status -l 'a b.lock'").run().code(0).stdout_has(&["stale"]);
        let (_, cleaned) = follow(test, &status, "clean-stale");
        let _ = cleaned.code(0).stdout_has(&["cleaned"]);
        assert_eq!(test.read("a b.lock"), "");
    });
}

#[test]
fn acquire_without_a_command_teaches_one() {
    alone(|test| {
        test.bot("main.py");
        test.write("up", "");
        let file = test.solobot("acquire main.py").run().code(2).stderr_has(&["is a file"]);
        let line = hinted(file.stderr(), "acquire -- python3");
        test.solobot(&line).env("BOT_OPTIONS", "--until up").run().code(0);
        // Its other hint has all that is needed too.
        let line = hinted(file.stderr(), "acquire -m").replace("COMMAND", "python3 main.py --until up");
        test.solobot(&line).run().code(0);
        for line in ["acquire", "acquire --"] {
            let _ = test.solobot(line).run().code(2).stderr_has(&["COMMAND", "solobot acquire -- python3 main.py"]);
        }
        let named = test.solobot("acquire -m main.py -l bot.lock").run().code(2).stderr_has(&["how long"]);
        let line = hinted(named.stderr(), "acquire -m").replace("COMMAND", "python3 main.py --until up");
        test.solobot(&line).run().code(0);
        assert!(test.has("bot.lock"), "the lock that was named");
        fs::create_dir(test.path("app")).unwrap();
        let folder = test.solobot("acquire -- ./app").run().code(126);
        let _ = folder.stderr_has(&["is a directory", "solobot acquire -- python3 ./app/main.py"]).nowhere("chmod");
    });
}

#[test]
fn a_descriptor_of_a_removed_file_is_opened_again_where_it_was() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let lock = test.name("bot.lock");
        for what in ["acquire -n", "release"] {
            let script = format!("exec 9<>bot.lock; flock 9; rm bot.lock; {exe} {what} --fd 9");
            let mut command = test.command("bash -c");
            command.arg(script);
            let said = ["has been removed", &format!("exec 9<>{lock}; solobot acquire --fd 9"), "exec 9>&-"];
            let _ = test.start_command(command).finish().code(2).stderr_has(&said);
        }
        // What stands in the hint, done: the removed file is given back with its descriptor, and the new one is taken.
        let script = format!(
            "exec 9<>bot.lock; flock 9; rm bot.lock; exec 9>&-; exec 9<>{lock}; {exe} acquire -n --fd 9 && \
             ! flock -n bot.lock true"
        );
        let mut command = test.command("bash -c");
        command.arg(script);
        test.start_command(command).finish().code(0);
        let other = test.solobot("acquire -n --fd 8 -l 'a b.lock'").run().code(2);
        let _ = other.stderr_has(&["is not open", &format!("exec 8<>'{}'", test.name("a b.lock"))]);
    });
}

#[test]
fn a_shell_that_holds_the_lock_by_a_descriptor_is_named_rather_than_ourselves() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let mut command = test.command("bash -c");
        command.arg(format!("exec 9<>bot.lock; flock 9; echo PID $$:; {exe} acquire -n -l bot.lock -- true; exit $?"));
        let output = test.start_command(command).finish().code(75);
        let shell = output.stdout().trim().to_owned();
        let _ = output.stdout_has(&[]).stderr_has(&[&format!("is held by {shell}")]);
    });
}

#[test]
fn an_unknown_placeholder_has_its_line() {
    alone(|test| {
        test.bot("main.py");
        test.write("solobot.toml", "[bots.main]\nscript = \"main.py\"\n\nlock = \"x-{bot_id}-{nope}.lock\"\n");
        for line in ["status", "check", "acquire main -- true", "-c solobot.toml doctor"] {
            let said = [
                &format!("{}:4: unknown placeholder `{{nope}}`", test.name("solobot.toml")),
                "{token_hash}",
                "{bot_id}",
            ];
            let _ = test.solobot(line).run().code(78).stderr_has(&said.map(|text| text as &str));
        }
    });
}

#[test]
fn what_is_no_configuration_file_is_said_at_once() {
    alone(|test| {
        test.run("mkfifo fifo").code(0);
        fs::create_dir(test.path("app")).unwrap();
        test.bot("app/main.py");
        test.write("app/solobot.toml", "[bots.main]\nscript = \"main.py\"\n");
        let fifo = test.solobot("-c fifo status").run().code(78);
        let _ = fifo.stderr_has(&[&test.name("fifo"), "a FIFO", "-c FILE"]);
        let folder = test.solobot("-c app/. status").run().code(78).stderr_has(&["a folder"]);
        let line = hinted(folder.stderr(), "-c ");
        let _ = test.solobot(&line).run().code(0).stdout_has(&["main"]);
        let _ = test.solobot("-c /dev/null status").run().code(0).stdout_has(&["has no bot yet"]);
        // One that is found.
        fs::create_dir(test.path("solobot.toml")).unwrap();
        let found = test.solobot("status").run().code(78).stderr_has(&["a folder", "solobot -c FILE"]);
        let mv = found.stderr().lines().find_map(|line| line.split_once("move it away: ")).unwrap().1.to_owned();
        let _ = test.solobot("init --yes").run().code(73).stderr_has(&["is a folder", &mv]);
        let _ = test.solobot("init --yes --force").run().code(73).stderr_has(&["is a folder", &mv]);
        test.run(&mv).code(0);
        let _ = test.solobot("status").run().code(0).stdout_has(&[]);
    });
}

#[test]
fn what_init_wrote_where_everybody_writes_is_named_in_every_next_step() {
    alone(|test| {
        test.bot("main.py");
        let mut bot = test.command("python3 main.py --pid-file bot.pid");
        bot.env("TELEGRAM_BOT_TOKEN", token());
        let _bot = test.start_command(bot);
        test.wait_for_pid("bot.pid");
        fs::set_permissions(test.dir(), fs::Permissions::from_mode(0o1777)).unwrap();
        let written = test.solobot("init --yes").run().code(0).stderr_has(&["is writable by every user"]);
        let steps = written.stdout().matches("next: solobot ").count();
        let named = format!("next: solobot -c {} ", test.name("solobot.toml"));
        assert_eq!((steps, written.stdout().matches(&named).count()), (3, 3), "{}", written.stdout());
        let line = hinted(written.stdout(), "-c").split_once('#').unwrap().0.to_owned();
        let _ = test.solobot(&line).run().code(0).stdout_has(&["main"]);
    });
}

/// clap would say: "to pass '-1' as a value, use '-- -1'", which makes it COMMAND.
#[test]
fn a_negative_number_is_refused_as_what_it_was_meant_for() {
    alone(|test| {
        for line in ["acquire -w -1 -- true", "acquire --grace -1 -- true", "check --wait -1 -l x.lock"] {
            test.solobot(line).run().code(2).stderr_has(&["`-1` is not a duration", "500ms"]);
        }
        test.solobot("acquire --fd -3").run().code(2).stderr_has(&["`--fd`", "-3"]);
        test.solobot("status -m '/nowhere/*.py'").run().code(2).stderr_has(&["does not exist", "name the script"]);
    });
}
