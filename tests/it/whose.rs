//! Whose a process is: one of a user who has nothing to do with the bot is never stopped, and counts for a start only where
//! something speaks for it.

use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{Background, PUBLIC, Test, alive, alone, token, wait_until};
use crate::odd_processes::{NOBODY, public, start_as};
use crate::origin_roots::pretend_cgroup;
use crate::scenes::{by_pid, script, with};

/// Somebody else.
const OTHER: u32 = 12345;

/// Root's program, with an entry in root's file.
fn configured(test: &Test, more: &str) -> String {
    let program = public(test);
    entry(test, &program, more);
    program
}

fn entry(test: &Test, program: &str, more: &str) {
    test.write("solobot.toml", format!("[bots.main]\nexe = \"{program}\"\ncommand = [\"{program}\"]\n{more}"));
}

fn with_token(test: &Test, user: u32, program: &str) -> Background {
    start_as(test, user, &format!("env BOT_TOKEN={} {program}", token()))
}

#[test]
fn a_strangers_process_without_token_and_connection_does_not_count() {
    alone(|test| {
        let program = configured(test, "");
        let theirs = start_as(test, NOBODY, &program);
        test.solobot("check main").run().code(0).stdout_has(&["safe to start"]);
        for line in ["stop main", "stop --include-probable -y main", "kill-duplicates --include-probable -y main"] {
            let _ = test.solobot(line).run().settled();
            assert!(alive(theirs.pid()), "{line}");
        }
        let held = test.solobot("acquire -n main").start();
        wait_until("it is started", || !held.descendants().is_empty());
        assert!(held.stderr().contains(&format!("PID {}", theirs.pid())), "{}", held.stderr());
        let plan = test.solobot("kill-duplicates --json --dry-run main").run().code(0).json();
        assert_eq!(with(&plan, "plan", "keep"), held.descendants(), "{plan}");
    });
}

#[test]
fn a_strangers_process_with_the_token_counts_and_is_not_stopped() {
    alone(|test| {
        let program = configured(test, "");
        let theirs = with_token(test, NOBODY, &program);
        let pid = format!("PID {}", theirs.pid());
        wait_until("it is the bot", || {
            fs::read(format!("/proc/{}/cmdline", theirs.pid())).is_ok_and(|text| text.starts_with(program.as_bytes()))
        });
        test.solobot("check main").run().code(1).stdout_has(&[&pid, "owns neither the program nor its folder"]);
        test.solobot("check --running main").run().code(1).stdout_has(&[&pid, "user = \"nobody\""]);
        test.solobot("acquire -n main").run().code(75).stderr_has(&[&pid]);
        test.solobot("acquire -n --takeover main").run().code(75).stderr_has(&[&pid]);
        // One that was to go and stays is a no; a single one is no duplicate.
        for (line, code) in
            [("stop", 1), ("stop --include-probable -y", 1), ("kill-duplicates --include-probable -y", 0)]
        {
            let _ = test.solobot(&format!("{line} main")).run().code(code).stdout_has(&["blocked"]);
            assert!(alive(theirs.pid()), "{line}");
        }
        // It never stands for the bot: root's own one is kept, whichever is older.
        let own = start_as(test, 0, &program);
        let plan = test.solobot("kill-duplicates --json --dry-run main").run().settled().json();
        let planned = [(theirs.pid(), "blocked".to_owned()), (own.pid(), "keep".to_owned())];
        assert_eq!(by_pid(&plan, "plan"), planned.into(), "{plan}");
        drop(own);
        // The file says that it is the bot's user.
        entry(test, &program, "user = \"nobody\"\n");
        test.solobot("check main").run().code(1).stdout_has(&[&format!("already running as {pid}")]);
        let stopped = test.solobot("stop --json main").run().code(0).json();
        assert_eq!(with(&stopped, "results", "terminated"), [theirs.pid()], "{stopped}");
    });
}

#[test]
fn what_cannot_be_looked_at_is_neither_yes_nor_no() {
    alone(|test| {
        // Nobody's own file, and a program that anybody may run.
        let program = configured(test, "");
        for name in [test.path("solobot.toml"), test.path(".")] {
            chown(name, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        test.run(&format!("chown {NOBODY} {}", test.name("mybot"))).code(0);
        let theirs = with_token(test, OTHER, &program);
        wait_until("it is the bot", || {
            fs::read(format!("/proc/{}/cmdline", theirs.pid())).is_ok_and(|text| text.starts_with(program.as_bytes()))
        });
        let said = [&format!("PID {}", theirs.pid())[..], "sudo", "user = "];
        let _ = test.solobot_as(NOBODY, "check main").code(77).stdout_has(&said);
        let _ = test.solobot_as(NOBODY, "acquire -n main").code(77).stderr_has(&[said[0], said[2], "--lock-only"]);
        assert!(alive(theirs.pid()));
        // Root can look.
        let as_root = format!("check -c {PUBLIC}/work/solobot.toml main");
        test.solobot(&as_root).run().code(1).stdout_has(&[said[0]]);
    });
}

/// What starts the script, as another user, once there is a file called `late`.
fn late_starter(test: &Test) -> Background {
    let mut starter = test.command(&format!("setpriv --reuid={OTHER} --regid={OTHER} --clear-groups sh -c"));
    starter.arg(format!("cd {PUBLIC}/work; until [ -e late ]; do sleep 0.05; done; sh bot.sh; :")); // how often it looks
    test.start_command(starter)
}

/// As the times of files are cut.
fn clock_second() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Of another user's process the folder cannot be read. If root's unit started it, systemd says which one it is.
#[test]
fn the_unit_tells_in_which_folder_another_users_bot_runs() {
    alone(|test| {
        let bot = root_script(test);
        fs::create_dir(test.path("quiz")).unwrap();
        fs::copy(test.path("bot.sh"), test.path("quiz/bot.sh")).unwrap();
        symlink("quiz", test.path("old-link")).unwrap();
        let start = || {
            let bot = start_as(test, OTHER, &format!("env -C {PUBLIC}/work sh bot.sh"));
            let command_line = format!("/proc/{}/cmdline", bot.pid());
            wait_until("it is the bot", || fs::read(&command_line).is_ok_and(|line| line == *b"sh\0bot.sh\0"));
            bot
        };
        let is_in = |bot: &Background, service: &str| {
            pretend_cgroup(test, bot.pid(), &format!("/system.slice/system-b.slice/{service}"));
        };
        let answer = format!("echo >>{PUBLIC}/work/asked; shift 4; cd {PUBLIC}/work; cat \"$@\"");
        script(test, "systemctl", &format!("#!/bin/sh\n[ \"$4\" = -- ] || exit 1\n{answer}\n"));
        test.write("asked", "");
        fs::set_permissions(test.path("asked"), Permissions::from_mode(0o666)).unwrap();
        let says_of_file = |file: &str, service: &str, main: i32, exec: &str, folder: &str| {
            let start = format!("ExecStart={{ path=/bin/sh ; argv[]={exec} ; status=0/0 }}");
            let more = format!("FragmentPath={PUBLIC}/work/{file}\nWorkingDirectory={folder}");
            test.write(service, format!("Id={service}\nMainPID={main}\n{start}\n{more}\n\n"));
        };
        let says = |service: &str, main: i32, exec: &str, folder: &str| {
            says_of_file("bot.sh", service, main, exec, folder);
        };
        let check = |code: i32, said: &str| {
            let mut command = test.command_as(NOBODY, &format!("check {bot}"));
            command.env("PATH", format!("{PUBLIC}/work:/usr/bin:/bin"));
            let _ = test.start_command(command).finish().code(code).stdout_has(&[said]);
        };
        let (here, there) = (format!("{PUBLIC}/work"), format!("{PUBLIC}/work/quiz"));
        let theirs = start();
        let (main, pid) = (theirs.pid(), format!("PID {}", theirs.pid()));
        says("b@quiz.service", main, "sh bot.sh", &there);
        check(77, &pid);
        is_in(&theirs, "b@quiz.service");
        check(0, "safe to start");
        says("b@quiz.service", main, "sh bot.sh", &here);
        check(1, &pid);
        // By way of a script; another command; not its main process; where its program is not.
        for (main, exec, folder) in [
            (main, "start.sh", &there),
            (main, "sh bot.sh -v", &there),
            (1, "sh bot.sh", &there),
            (main, "sh bot.sh", &"/".into()),
        ] {
            says("b@quiz.service", main, exec, folder);
            check(77, &pid);
        }
        // What has been changed since it started: the unit's file, another part of the unit, a link to the folder.
        let start_second = clock_second();
        wait_until("the clock shows another second", || {
            let _ = fs::remove_file(test.path("link"));
            symlink("quiz", test.path("link")).unwrap();
            test.write("changed", "");
            fs::symlink_metadata(test.path("link")).unwrap().ctime() > start_second + 1
        });
        for (file, folder, code) in [
            ("bot.sh", "quiz", 0),
            ("changed", "quiz", 77),
            (&format!("bot.sh\nDropInPaths={PUBLIC}/work/changed"), "quiz", 77),
            ("bot.sh", "old-link", 0),
            ("bot.sh", "link", 77),
        ] {
            says_of_file(file, "b@quiz.service", main, "sh bot.sh", &format!("{PUBLIC}/work/{folder}"));
            check(code, "");
        }
        // A wrapper keeps the folder of its own start, however late it starts its command.
        let wrapper = late_starter(test);
        let wrapper_second = clock_second();
        wait_until("the unit is younger", || {
            test.write("late-unit", "");
            fs::metadata(test.path("late-unit")).unwrap().ctime() > wrapper_second + 1
        });
        test.write("late", "");
        let is_bot = |pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == *b"sh\0bot.sh\0");
        wait_until("it starts the bot", || wrapper.descendants().iter().any(is_bot));
        let late = wrapper.descendants().into_iter().find(is_bot).unwrap();
        pretend_cgroup(test, late, "/system.slice/system-b.slice/b@late.service");
        says("b@quiz.service", main, "sh bot.sh", &there);
        for (file, code) in [("bot.sh", 0), ("late-unit", 77)] {
            says_of_file(file, "b@late.service", wrapper.pid(), "flock bot.lock sh bot.sh", &there);
            check(code, "");
        }
        drop(wrapper);
        // Of several, each by its own unit; systemd is asked once.
        let second = start();
        is_in(&second, "b@weather.service");
        says("b@quiz.service", main, "sh bot.sh", &there);
        says("b@weather.service", second.pid(), "sh bot.sh", &there);
        test.write("asked", "");
        check(0, "safe to start");
        assert_eq!(test.read("asked").lines().count(), 1);
        says("b@weather.service", second.pid(), "sh bot.sh", &here);
        check(1, &format!("PID {}", second.pid()));
        drop(second);
        check(0, "safe to start");
        // What a user's own manager says about it is for that user to choose.
        let own = start();
        pretend_cgroup(test, own.pid(), "/user.slice/user-12345.slice/user@12345.service/app.slice/b@own.service");
        says("b@own.service", own.pid(), "sh bot.sh", &there);
        check(77, &format!("PID {}", own.pid()));
    });
}

/// What runs root's script, as that user, with these words behind it: a shell script, since Python may be closed to others.
fn stranger(test: &Test, words: &str) -> Background {
    start_as(test, NOBODY, &format!("sh {PUBLIC}/work/bot.sh {words}"))
}

/// Root's script where everybody may read it, and the option that names it.
fn root_script(test: &Test) -> String {
    script(test, "bot.sh", "#!/bin/sh\nwhile :; do sleep 1; done\n");
    let _ = public(test);
    format!("-m {PUBLIC}/work/bot.sh")
}

/// However old it is, and whatever its arguments: strangers have no say in which of one's own are the bot.
#[test]
fn an_older_stranger_does_not_take_the_bots_place() {
    alone(|test| {
        let bot = root_script(test);
        let theirs = [stranger(test, "--other"), stranger(test, "--other"), stranger(test, "")];
        let own = test.start(&format!("sh {PUBLIC}/work/bot.sh"));
        let seen = test.solobot(&format!("check --json {bot}")).run().code(1).json();
        assert_eq!(seen["bots"][0]["instances"], serde_json::json!([own.pid()]), "{seen}");
        test.solobot(&format!("check --running {bot}")).run().code(0).stdout_has(&["exactly one instance"]);
        for line in ["kill-duplicates -y --include-probable --json", "stop -y --include-probable --json"] {
            let done = test.solobot(&format!("{line} {bot}")).run().settled().json();
            let stopped = if line.starts_with("stop") { vec![own.pid()] } else { vec![] };
            let blocked: std::collections::BTreeSet<i32> = with(&done, "plan", "blocked").into_iter().collect();
            assert_eq!(blocked, theirs.iter().map(Background::pid).collect(), "{done}");
            assert_eq!(done.get("results").map_or_else(Vec::new, |_| with(&done, "results", "terminated")), stopped);
            assert!(theirs.iter().all(|one| alive(one.pid())), "{line}");
        }
    });
}

/// A link in one's own folder makes nobody a user of the bot.
#[test]
fn by_a_link_to_the_program_nobody_becomes_its_user() {
    alone(|test| {
        let bot = root_script(test);
        fs::create_dir(test.path("theirs")).unwrap();
        std::os::unix::fs::symlink("../bot.sh", test.path("theirs/bot.sh")).unwrap();
        for name in ["theirs", "theirs/bot.sh"] {
            std::os::unix::fs::lchown(test.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let theirs = start_as(test, NOBODY, &format!("sh {PUBLIC}/work/theirs/bot.sh"));
        let own = test.start(&format!("sh {PUBLIC}/work/bot.sh"));
        let plan = test.solobot(&format!("kill-duplicates --dry-run --json {bot}")).run().code(0).json();
        let expected = [(theirs.pid(), "blocked".to_owned()), (own.pid(), "keep".to_owned())];
        assert_eq!(by_pid(&plan, "plan"), expected.into(), "{plan}");
    });
}

/// Root in the folder of the bot's own user may look, and not act.
#[test]
fn root_may_look_with_another_users_file() {
    alone(|test| {
        test.write(
            "solobot.toml",
            "[bots.main]\nscript = \"bot.sh\"\nlock = \"bot.lock\"\nlogs = [\"bot.log\"]\ntoken = { env_file = \".env\" }\n",
        );
        test.write("bot.log", "");
        script(test, "bot.sh", "#!/bin/sh\nwhile :; do sleep 1; done\n");
        for name in ["solobot.toml", "bot.log", "bot.sh", "."] {
            chown(test.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        // Where nobody may enter, too.
        let _ = public(test);
        let bot = start_as(test, NOBODY, &format!("sh {PUBLIC}/work/bot.sh"));
        let withheld = "sudo -u nobody solobot";
        for line in
            ["status", "check", "check --running", "doctor", "metrics", "stop --dry-run", "kill-duplicates --dry-run"]
        {
            let seen = test.solobot(line).run().settled();
            assert!(seen.stderr().contains(withheld), "{line}: {}", seen.stderr());
            let said = seen.stdout();
            assert!(said.contains("main") || said.contains(&bot.pid().to_string()), "{line}: {said}{}", seen.stderr());
        }
        for line in ["stop -y main", "release main", "clean-stale main", "acquire -n main"] {
            let refused = test.solobot(line).run().code(78);
            refused.stderr_has(&["not trusted", "nobody", "solobot -c "]);
            assert!(alive(bot.pid()), "{line}");
        }
        // In a folder where anybody may write, nothing is believed.
        fs::set_permissions(test.path("."), fs::Permissions::from_mode(0o777)).unwrap();
        test.solobot("status").run().code(78).stderr_has(&["is writable by", "every user"]);
    });
}

/// Root's new files become the user's where the folder is the user's: never in a folder that the path only leads to now.
#[test]
fn a_user_who_swaps_folders_gets_no_file_of_roots() {
    alone(|test| {
        test.mount_bind(".", PUBLIC);
        for folder in ["theirs", "theirs/bot", "roots"] {
            fs::create_dir(test.path(folder)).unwrap();
        }
        fs::set_permissions(test.path("roots"), Permissions::from_mode(0o700)).unwrap();
        symlink(format!("{PUBLIC}/roots"), test.path("theirs/link")).unwrap();
        for folder in ["theirs", "theirs/bot"] {
            chown(test.path(folder), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let bot = fs::File::open(test.path("theirs/bot")).unwrap();
        let folders = [format!("/proc/self/fd/{}", bot.as_raw_fd()), test.name("roots")];
        let swap = format!(
            "import ctypes\nlibc, folder = ctypes.CDLL(None), b'{PUBLIC}/theirs/'\n\
             while libc.renameat2(-100, folder + b'bot', -100, folder + b'link', 2) == 0: pass"
        );
        let mut command = test.command(&format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups python3 -c"));
        command.arg(swap);
        let mut swapper = test.start_command(command);
        let mut created = [0, 0];
        wait_until("there were new files in both folders often enough", || {
            assert!(!swapper.has_ended(), "nothing is swapped");
            let line = format!("acquire -n --lock-only -l {PUBLIC}/theirs/bot/bot.lock -- true");
            let _ = test.solobot(&line).run().settled();
            for (index, owner) in [NOBODY, 0].into_iter().enumerate() {
                for entry in fs::read_dir(&folders[index]).unwrap().map(Result::unwrap) {
                    let who = entry.metadata().unwrap().uid();
                    assert_eq!(who, owner, "{} in {}", entry.file_name().display(), folders[index]);
                    fs::remove_file(entry.path()).unwrap();
                    created[index] += 1;
                }
            }
            created.iter().all(|&count| count >= 30)
        });
        swapper.kill();
    });
}
