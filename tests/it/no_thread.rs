//! No thread and no process more may be started (`RLIMIT_NPROC`, a cgroup's `pids.max`): solobot goes on with the one that
//! it has, or says what is missing. It never panics.

use std::fs;

use crate::harness::{Output, Signal, Test, alone, token};
use crate::holding::holding;
use crate::standin::Standin;

/// Another user than root, whom no limit binds.
const NOBODY: u32 = 65534;
const SAYS: &str = "no thread can be started: resource temporarily unavailable";

/// solobot as that user, who has one process already: this one. Its folder is what `solobot_as` shows.
#[track_caller]
fn alone_with(test: &Test, line: &str) -> Output {
    test.solobot_as(NOBODY, "--version").code(0).stdout_has(&["solobot"]);
    let user = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups prlimit --nproc=1:1");
    let mut command = test.command(&format!("{user} {}/solobot {line}", crate::harness::PUBLIC));
    command.current_dir(format!("{}/work", crate::harness::PUBLIC)).env("BOT_TOKEN", token());
    let output = test.start_command(command).finish().settled();
    assert!(
        !output.stderr().contains("panicked") && !output.stderr().contains("a bug in solobot"),
        "{}",
        output.stderr()
    );
    output
}

#[test]
fn delete_webhook_says_what_is_missing() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        // A name must be looked up, which nothing but a thread can put a bound to.
        let url = server.url().replace("127.0.0.1", "localhost");
        let line = format!("delete-webhook --timeout 300ms --api-url {url}");
        alone_with(test, &line)
            .code(69)
            .stderr_has(&[SAYS, "hint: raise the limit of processes and threads (TasksMax= in a systemd unit, pids.max of a container): ulimit -u"]);
        let json = alone_with(test, &format!("{line} --json")).code(69).json();
        assert_eq!(json["error"]["kind"], "telegram-dns", "{json}");
        assert!(json["error"]["message"].as_str().unwrap().contains(SAYS), "{json}");
        assert_eq!(server.rules().webhook(), "https://example.org/hook");
        // An address needs none.
        let line = format!("delete-webhook --api-url {}", server.url());
        alone_with(test, &line).code(0).stdout_has(&["deleted"]);
    });
}

#[test]
fn doctor_asks_telegram_by_itself() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        test.write("main.py", "");
        let doctor = alone_with(test, &format!("doctor --json -m main.py --api-url {}", server.url())).json();
        assert!(doctor["findings"].to_string().contains("webhook"), "{doctor}");
        assert_eq!(server.methods(), ["getMe", "getWebhookInfo"]);
        let url = server.url().replace("127.0.0.1", "localhost");
        let doctor = alone_with(test, &format!("doctor --json -m main.py --api-url {url}")).json();
        assert!(doctor["findings"].to_string().contains(SAYS), "{doctor}");
    });
}

#[test]
fn a_long_log_is_counted_by_one_thread() {
    alone(|test| {
        let line = "2026-01-10 15:27:14 telegram.error.Conflict: terminated by other getUpdates request\n";
        test.write("bot.log", line.repeat(50_000));
        let counted = alone_with(test, "conflicts --json bot.log").json();
        assert_eq!(counted["totals"]["conflicts"], 50_000, "{counted}");
    });
}

#[test]
fn acquire_says_what_is_missing() {
    alone(|test| {
        let server = Standin::start();
        let held = holding(test);
        fs::create_dir(test.path("own")).unwrap();
        std::os::unix::fs::chown(test.path("own"), Some(NOBODY), Some(NOBODY)).unwrap();
        for line in [
            "acquire -w 5 -l bot.lock -- true",
            "acquire -n -l own/free.lock -- true",
            "acquire -n -l own/free.lock --pid 1",
            &format!("acquire -n -l own/free.lock --delete-webhook --api-url {} -- true", server.url()),
        ] {
            let output = alone_with(test, line);
            let says = output.stderr().contains("error: ") && output.stderr().contains("ulimit -u");
            assert!(says || line.contains("--pid"), "{line}: {}", output.stderr());
            output.code_is_not(0);
        }
        for line in ["status", "check -l bot.lock", "metrics", "clean-stale bot.lock", "stop --dry-run -l bot.lock"] {
            alone_with(test, line);
        }
        held.solobot.signal(Signal::TERM);
        held.solobot.finish().settled();
    });
}
