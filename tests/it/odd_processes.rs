//! Bad input by way of the process table: what vanishes, hangs, hides, belongs to others or shows nonsense.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::{
    Background, Output, PUBLIC, Signal, Test, alive, alone, children, holds_for, is_stopped, wait_until,
};
use crate::scenes::{by_hand, by_pid, instances, only, pid, roots, script, sleeper, with};

pub const NOBODY: u32 = 65534;

fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn what_vanishes_between_two_reads_is_not_uninspected() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 1, "");
        // Scripts without an extension are the ones whose folder must be read to know them.
        script(test, "tool", "exit 0\n");
        script(test, "churn", "#!/bin/sh\nwhile :; do sh tool & sh tool & sh tool & wait; done\n");
        let churn: Vec<Background> = (0..3).map(|_| test.start("./churn")).collect();
        wait_until("processes come and go", || churn.iter().all(|one| !children(one.pid()).is_empty()));
        for _ in 0..60 {
            let json = test.solobot("status --json -m bot.py").run().code(0).json();
            assert_eq!(json["uninspected"], 0, "{json}");
            assert_eq!(json["bots"][0]["instances"].as_array().map(Vec::len), Some(1), "{json}");
        }
        drop((bots, churn));
    });
}

#[test]
fn a_zombie_is_no_instance() {
    alone(|test| {
        test.bot("bot.py");
        let parent = "import subprocess, sys, signal\nbot = subprocess.Popen([sys.executable, 'bot.py', '--until', '/'])\n\
                      open('tmp', 'w').write(str(bot.pid))\nimport os\nos.rename('tmp', 'zombie.pid')\nsignal.pause()\n";
        test.write("parent.py", parent);
        let parent = test.start("python3 parent.py");
        let zombie = test.wait_for_pid("zombie.pid");
        wait_until("it is a zombie", || state(zombie) == Some('Z'));
        assert_eq!(instances(test, "-m bot.py").len(), 0);
        test.solobot("check -m bot.py").run().code(0).stdout_has(&["safe to start"]);
        test.solobot("stop -m bot.py").run().code(0).stdout_is("no instance is running\n");
        drop(parent);
    });
}

#[test]
fn a_stopped_one_is_an_instance() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 1, "");
        bots[0].signal(Signal::STOP);
        wait_until("it is stopped", || is_stopped(bots[0].pid()));
        only(test, "-m bot.py", bots[0].pid());
        let said =
            format!("PID {} is stopped by a signal and does nothing; to resume it: kill -CONT {0}", bots[0].pid());
        test.solobot("status -m bot.py").run().code(0).stdout_has(&[&said]);
        test.solobot("check -m bot.py").run().code(1).stdout_has(&[&bots[0].pid().to_string()]);
        test.solobot("stop -m bot.py").run().code(0).stdout_has(&["terminated"]);
    });
}

#[test]
fn one_that_hangs_in_the_kernel_is_killed_after_the_grace() {
    alone(|test| {
        // The child of a vfork hangs in open(2) before its exec: the parent waits for it in state D, deaf to TERM.
        let hanging = "import os\nos.posix_spawn('/bin/true', ['true'], {}, \
                       file_actions=[(os.POSIX_SPAWN_OPEN, 9, 'fifo', os.O_RDONLY, 0)])\n";
        test.write("bot.py", hanging);
        test.run("mkfifo fifo").code(0);
        let bot = test.start("python3 bot.py");
        wait_until("it is in state D", || !children(bot.pid()).is_empty() && state(bot.pid()) == Some('D'));
        let seen = only(test, "-m bot.py", bot.pid());
        assert_eq!(seen["pids"].as_array().unwrap().len(), 2, "the child has its command line still: {seen}");
        let answer = test.solobot("stop --json --grace 300ms -m bot.py").run().code(0).json();
        assert_eq!(by_pid(&answer, "results"), [(bot.pid(), "killed".to_owned())].into(), "{answer}");
        assert_eq!(roots(test, "-m bot.py").len(), 0);
    });
}

#[test]
fn pid_1_of_a_namespace_never_sees_term() {
    alone(|test| {
        sleeper(test, "mybot");
        let launcher = test.start("unshare -pf ./mybot");
        wait_until("it runs", || !children(launcher.pid()).is_empty() && !roots(test, "-m ./mybot").is_empty());
        let bot = children(launcher.pid())[0];
        only(test, "-m ./mybot", bot);
        let answer = test.solobot("stop --json --grace 500ms -m ./mybot").run().code(0).json();
        assert_eq!(by_pid(&answer, "results"), [(bot, "killed".to_owned())].into(), "{answer}");
        assert!(!alive(bot));
    });
}

/// The folder as another user sees it, with the sleeper in it.
#[track_caller]
pub fn public(test: &Test) -> String {
    sleeper(test, "mybot");
    let _ = test.solobot_as(NOBODY, "status -m ./mybot").code(0).stdout();
    format!("{PUBLIC}/work/mybot")
}

/// Starts the sleeper by its public path, as that user.
#[track_caller]
pub fn start_as(test: &Test, user: u32, line: &str) -> Background {
    let bot = test.start(&format!("setpriv --reuid={user} --regid={user} --clear-groups {line}"));
    // Before it executes setpriv, it shows our own command line.
    let own = fs::read("/proc/self/cmdline").unwrap();
    wait_until("it runs", || {
        let line = fs::read(format!("/proc/{}/cmdline", bot.pid()));
        line.is_ok_and(|text| !text.starts_with(b"setpriv") && text != own)
    });
    bot
}

#[test]
fn another_users_instance_is_named_with_its_user() {
    alone(|test| {
        let program = public(test);
        let foreign = start_as(test, 0, &program);
        let line = format!("stop --json -m {program}");
        // Nothing else could be done: 77.
        let answer = test.solobot_as(NOBODY, &line).code(77).json();
        assert_eq!(by_pid(&answer, "results"), [(foreign.pid(), "not-permitted".to_owned())].into(), "{answer}");
        let detail = answer["results"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("root") && detail.contains("sudo"), "{answer}");
        // Something could be done: a surplus instance remains.
        let own = start_as(test, NOBODY, &program);
        let answer = test.solobot_as(NOBODY, &line).code(1).json();
        let expected = [(foreign.pid(), "not-permitted".to_owned()), (own.pid(), "terminated".to_owned())];
        assert_eq!(by_pid(&answer, "results"), expected.into(), "{answer}");
        assert!(alive(foreign.pid()) && !alive(own.pid()));
        let text = test.solobot_as(NOBODY, &format!("stop -m {program}")).code(77);
        let _ = text.stdout_has(&["not-permitted", "belongs to root; to stop it: sudo -u root"]);
        // Root may.
        test.solobot(&format!("stop -m {program}")).run().code(0).stdout_has(&["terminated"]);
    });
}

#[test]
fn the_hint_to_stop_another_users_instance_names_its_user() {
    alone(|test| {
        let _ = public(test);
        test.write("bot.py", "import signal\nsignal.pause()\n");
        test.write("free.lock", "");
        let bot = format!("{PUBLIC}/work/bot.py");
        let foreign = start_as(test, 0, &format!("python3 {bot}"));
        let hint = |output: Output, kill: &str| output.code(75).stderr_has(&[&format!("stop it: {kill}\n")]);
        let line = format!("acquire -n -l free.lock -m {bot} -- true");
        let _ = hint(test.solobot_as(NOBODY, &line), &format!("sudo kill {}", foreign.pid()));
        let _ = hint(test.solobot(&line).run(), &format!("kill {}", foreign.pid()));
    });
}

#[test]
fn hidden_processes_are_never_called_none() {
    alone(|test| {
        let program = public(test);
        let foreign = start_as(test, 0, &program);
        let own = start_as(test, NOBODY, &program);
        test.run("mount -o remount,hidepid=2 /proc").code(0);
        let json = test.solobot_as(NOBODY, &format!("status --json -m {program}")).code(0).json();
        assert_eq!(json["hidden"], true, "{json}");
        let seen: Vec<i32> = json["bots"][0]["instances"].as_array().unwrap().iter().map(pid).collect();
        assert_eq!(seen, [own.pid()]);
        let text = test.solobot_as(NOBODY, &format!("status -m {program}")).code(0);
        let _ = text.stdout_has(&["processes are hidden", "one instance seen"]);
        own.kill();
        let text = test.solobot_as(NOBODY, &format!("stop -m {program}")).code(0);
        let _ = text.stdout_has(&["no instance that you can see", "hidden"]);
        // Root sees all.
        let json = test.solobot(&format!("status --json -m {program}")).run().code(0).json();
        assert_eq!((&json["hidden"], pid(&json["bots"][0]["instances"][0])), (&false.into(), foreign.pid()), "{json}");
    });
}

/// A process whose arguments are these bytes, the program's path included.
#[track_caller]
fn with_argv(test: &Test, argv: &str) -> Background {
    let code = format!(
        "import ctypes, os\nargv = {argv}\n\
                        words = (ctypes.c_char_p * (len(argv) + 1))(*[os.fsencode(word) for word in argv], None)\n\
                        ctypes.CDLL(None).execv(b'./mybot', words)\n"
    );
    test.write("exec.py", code);
    let bot = test.start("python3 exec.py");
    let exe = format!("/proc/{}/exe", bot.pid());
    wait_until("it has become the bot", || fs::read_link(&exe).is_ok_and(|exe| exe.ends_with("mybot")));
    bot
}

#[test]
fn two_megabytes_of_arguments() {
    alone(|test| {
        sleeper(test, "mybot");
        let bot = with_argv(test, "['./mybot'] + ['x' * 131000] * 15");
        let seen = only(test, "-m ./mybot", bot.pid());
        assert!(seen["command"].as_str().unwrap().len() > 1_900_000);
        test.solobot("check -m ./mybot").run().code(1).stdout_has(&[&bot.pid().to_string()]);
        // A table for people does not need two megabytes.
        let line = format!("{} status -m ./mybot", env!("CARGO_BIN_EXE_solobot"));
        let mut terminal = crate::harness::Terminal::start(test, &line);
        assert_eq!(terminal.ended().code(), Some(0));
        terminal.wait_for("…");
        assert!(terminal.screen().len() < 10_000, "{} bytes", terminal.screen().len());
        test.solobot("stop --json -m ./mybot").run().code(0).json();
        assert!(!alive(bot.pid()));
    });
}

#[test]
fn a_holders_long_command_line_is_cut_in_sentences_alone() {
    alone(|test| {
        sleeper(test, "mybot");
        let long = "x".repeat(3000);
        let held = test.solobot(&format!("acquire -l bot.lock -- ./mybot {long}")).start();
        wait_until("it holds the lock", || test.is_locked("bot.lock") && !held.descendants().is_empty());
        let refused = test.solobot("acquire -n -l bot.lock -- true").run().code(75).nowhere(&long);
        let _ = refused.stderr_has(&["./mybot xxx", "xxx…"]);
        let mut waiting = test.solobot("acquire -l bot.lock -- true").start();
        waiting.wait_for_stderr("waiting up to");
        assert!(!waiting.stderr().contains(&long) && waiting.stderr().contains("xxx…"), "{}", waiting.stderr());
        waiting.kill();
        let _ = test.solobot("release -l bot.lock").run().code(1).nowhere(&long).stderr_has(&["xxx…"]);
        let _ = test.solobot("status -l bot.lock").run().code(0).nowhere(&long).stdout_has(&["xxx…"]);
        for line in ["check -l bot.lock", "check -m ./mybot -l bot.lock"] {
            let _ = test.solobot(line).run().code(1).nowhere(&long).stdout_has(&["xxx…"]);
        }
        // A program gets all of it.
        let line = format!("acquire -n --json -l bot.lock --pid {}", held.pid());
        let json = test.solobot(&line).run().code(75).json();
        assert!(json["error"]["message"].as_str().unwrap().contains(&long), "{json}");
        for (line, code) in
            [("status -l bot.lock", 0), ("release -l bot.lock", 1), ("check -l bot.lock", 1), ("check -m ./mybot", 1)]
        {
            let json = test.solobot(&format!("{line} --json")).run().code(code).json();
            assert!(json.to_string().contains(&long), "{line}");
        }
    });
}

#[test]
fn arguments_of_nothing_but_nul() {
    alone(|test| {
        sleeper(test, "mybot");
        let bot = with_argv(test, "['', '', '']");
        let line = || fs::read(format!("/proc/{}/cmdline", bot.pid())).unwrap_or_default();
        wait_until("it has become the bot", || line() == b"\0\0\0");
        let seen = only(test, "-m ./mybot", bot.pid());
        assert_eq!(seen["command"], "[mybot]", "{seen}");
        test.solobot("stop -m ./mybot").run().code(0).stdout_has(&["[mybot]", "terminated"]);
        assert!(!alive(bot.pid()));
    });
}

#[test]
fn invalid_utf_8_and_escapes_are_shown_harmlessly() {
    alone(|test| {
        sleeper(test, "mybot");
        let bot = with_argv(test, r"[b'./mybot', b'\xff\xfe\x80', b'\x1b[2J\x1b]0;title\x07', b'two\nlines']");
        let pid = bot.pid().to_string();
        for line in ["status -m ./mybot", "check -m ./mybot", "kill-duplicates -m ./mybot", "stop --dry-run -m ./mybot"]
        {
            let output = test.solobot(&format!("{line} --color always")).run();
            let (text, errors) = (output.stdout().to_owned(), output.stderr().to_owned());
            assert!(text.contains(&pid) && errors.is_empty(), "{line}: {text}{errors}");
            for raw in ["\u{1b}[2J", "\u{1b}]0", "\u{7}", "two\nlines"] {
                assert!(!text.contains(raw), "{line} lets {raw:?} through: {text:?}");
            }
            let _ = output.settled();
            test.solobot(&format!("{line} --json")).run().settled().json();
        }
        assert!(alive(bot.pid()));
    });
}

#[test]
fn ten_thousand_processes() {
    alone(|test| {
        test.bot("bot.py");
        sleeper(test, "crowd");
        let mut crowd = test.start("./crowd --crowd 10000");
        wait_until("the crowd is there", || crowd.stdout().contains("ready") || crowd.has_ended());
        assert!(!crowd.has_ended(), "{}", crowd.stderr());
        let bots = by_hand(test, "bot.py", 2, "");
        let json = test.solobot("status --json -m bot.py").run().code(0).json();
        assert_eq!(json["uninspected"], 0, "{json}");
        assert_eq!(json["bots"][0]["instances"].as_array().map(Vec::len), Some(2), "{json}");
        let text = test.solobot("status -m bot.py").run().code(0);
        let count: usize = text
            .stdout()
            .split(", ")
            .find_map(|part| {
                part.strip_suffix(" processes\n")
                    .or(part.split_once(" processes").map(|(count, _)| count))?
                    .parse()
                    .ok()
            })
            .unwrap();
        assert!(count > 10_000, "{}", text.stdout());
        let answer = test.solobot("kill-duplicates --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bots[1].pid()], "{answer}");
        // All of them are one instance of the crowd's own program: forks of one process.
        let seen = only(test, "-m ./crowd", crowd.pid());
        assert_eq!(seen["pids"].as_array().map(Vec::len), Some(10_001));
        test.solobot("stop -m ./crowd").run().code(0).stdout_has(&["terminated"]);
        assert_eq!(instances(test, "-m ./crowd").len(), 0);
    });
}

#[test]
fn patterns_that_mean_everything_or_nothing_are_refused() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 2, "");
        for pattern in [
            "python",
            "python3",
            "/usr/bin/python3",
            "node",
            "sh",
            "bash",
            "timeout",
            "sudo",
            "'*'",
            "/",
            "''",
            "' '",
            "'[a'",
        ] {
            for line in ["status", "check", "kill-duplicates -y", "stop -y"] {
                let output = test.solobot(&format!("{line} -m {pattern}")).run().code(2);
                let _ = output.stderr_has(&["hint"]);
            }
        }
        // A typing error must read neither "safe to start" nor "no instance".
        for line in ["status", "check", "check --running", "check --wait 5", "kill-duplicates -y", "stop -y"] {
            let output = test.solobot(&format!("{line} -m ./bto.py")).run().code(2);
            let _ = output.stderr_has(&["bto.py", "does not exist", "hint"]);
        }
        holds_for(Duration::from_millis(50), "untouched", || bots.iter().all(|bot| alive(bot.pid())));
    });
}

#[test]
fn proc_that_is_not_mounted() {
    alone(|test| {
        test.bot("bot.py");
        let code = format!("umount -l /proc; exec {} stop -y -m bot.py", env!("CARGO_BIN_EXE_solobot"));
        let mut command: Command = test.command("unshare -m --propagation private sh -c");
        command.arg(code);
        let output = test.start_command(command).finish();
        let text = format!("{}{}", output.stdout(), output.stderr());
        assert!(!text.contains("panicked") && !text.contains("no instance"), "{text}");
        output.code_is_not(0);
        assert!(Path::new("/proc/self").exists());
    });
}

/// A deploy that makes a folder anew: what was started in the old one runs on.
#[test]
fn a_bot_whose_folder_was_removed_runs_still() {
    alone(|test| {
        test.bot("release/main.py");
        let mut command = test.command("python3 main.py");
        command.current_dir(test.path("release")).env("BOT_OPTIONS", format!("--pid-file {}", test.name("old.pid")));
        let old = test.start_command(command);
        test.wait_for_pid("old.pid");
        fs::remove_dir_all(test.path("release")).unwrap();
        let seen = |state: &str| {
            only(test, "-m release/main.py", old.pid());
            test.solobot("check -m release/main.py")
                .run()
                .code(1)
                .stdout_has(&["already running", &old.pid().to_string()]);
            assert!(alive(old.pid()), "{state}");
        };
        seen("removed");
        test.bot("release/main.py");
        seen("made anew");
        let refused = test.solobot("acquire -n -- python3 main.py").in_dir("release").run().code(75);
        refused.stderr_has(&[&old.pid().to_string()]);
    });
}

/// A bare name means files here; in another root folder, as in a container, equal names are other files.
#[test]
fn a_bare_name_in_another_root_is_probable() {
    alone(|test| {
        let bot = "printf %s $$ >\"$1.tmp\" && mv \"$1.tmp\" \"$1\"\nwhile :; do sleep 600; done\n";
        script(test, "bot.sh", bot);
        let inside = format!("root{}", test.dir().display());
        fs::create_dir_all(test.path(&inside)).unwrap();
        script(test, &format!("{inside}/bot.sh"), bot);
        for folder in ["bin", "lib", "lib64", "usr"] {
            fs::create_dir(test.path(&format!("root/{folder}"))).unwrap();
            test.mount_bind(&format!("/{folder}"), test.path(&format!("root/{folder}")).to_str().unwrap());
        }
        let own = test.start("/bin/sh bot.sh own.pid");
        test.wait_for_pid("own.pid");
        let path = test.path("bot.sh").display().to_string();
        let chrooted = test.start(&format!("chroot root /bin/sh {path} /chrooted.pid"));
        test.wait_for_pid("root/chrooted.pid");
        fs::create_dir(test.path("elsewhere")).unwrap();
        let plan = test.solobot("kill-duplicates --dry-run --json -m bot.sh").in_dir("elsewhere").run().code(0).json();
        assert_eq!(with(&plan, "plan", "keep"), [own.pid()], "{plan}");
        assert_eq!(with(&plan, "plan", "blocked"), [chrooted.pid()], "{plan}");
        // The test's folder is searched for tokens.
        for folder in ["bin", "lib", "lib64", "usr"] {
            test.run(&format!("umount -l root/{folder}")).code(0);
        }
        drop((own, chrooted));
    });
}

/// It is a zombie to look at, and runs on in its other threads, with its lock and its descriptors.
#[test]
fn a_bot_whose_first_thread_has_ended() {
    alone(|test| {
        test.write(
            "bot.py",
            "import ctypes, fcntl, os, threading, time\nlock = open('bot.lock', 'w')\nfcntl.flock(lock, fcntl.LOCK_EX)\n\
             def poll():\n    open('up', 'w')\n    time.sleep(99)  # it polls\n\
             threading.Thread(target=poll).start()\nctypes.CDLL(None).syscall(60, 0)\n",
        );
        let bot = test.start("python3 bot.py");
        wait_until("only its other thread runs", || test.has("up") && state(bot.pid()) == Some('Z'));
        let pid = format!("PID {}", bot.pid());
        for program in ["-m bot.py -l bot.lock", "-m bot.py -l other.lock", "-l bot.lock"] {
            test.solobot(&format!("check {program}")).run().code(1).stdout_has(&[&pid]);
        }
        test.solobot("acquire -n -l other.lock -- python3 bot.py").run().code(75).stderr_has(&[&pid]);
        let seen = test.solobot("status --json -m bot.py -l bot.lock").run().code(0).json();
        assert_eq!(seen["bots"][0]["instances"][0]["lock"], "holder", "{seen}");
        test.solobot("stop -y -m bot.py").run().code(0).stdout_has(&[&pid]);
        wait_until("it has ended", || !test.is_locked("bot.lock"));
    });
}
