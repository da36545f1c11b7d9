//! What a candidate is told where the home host cannot be used, and how much of it is believed.

use std::fs;
use std::time::{Duration, Instant};

use solobot::lease::engine::ssh::SshRegister;
use solobot::lease::engine::{EngineError, EngineErrorKind, Register};

use super::scene::{HomeHost, LIMIT};
use crate::harness::{Test, alone};
use crate::scenes::script;

/// What the first call ends with that does not only say that the login takes its time.
#[track_caller]
fn refusal(register: &mut SshRegister) -> EngineError {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let error = register.read(LIMIT).unwrap_err();
        if !error.message.contains("still logging in") {
            return error;
        }
        assert!(Instant::now() < end, "{error}");
    }
}

#[track_caller]
fn assert_refused(register: &mut SshRegister, kind: EngineErrorKind, texts: &[&str]) {
    let error = refusal(register);
    let all = format!("{error} {:?}", error.hints);
    assert_eq!(error.kind, kind, "{all}");
    assert!(texts.iter().all(|text| all.contains(text)), "{texts:?} are not all in: {all}");
    assert!(!error.hints.is_empty() && !all.contains('\r'), "{all}");
}

/// A program called solobot on the home host that is none.
fn pretended<'a>(test: &'a Test, says: &str) -> HomeHost<'a> {
    fs::create_dir_all(test.path("programs")).unwrap();
    script(test, "programs/solobot", &format!("#!/bin/sh\n{says}\n"));
    HomeHost::with_path(test, &test.name("programs"))
}

#[test]
fn who_is_not_known_or_not_let_in() {
    alone(|test| {
        let host = HomeHost::start(test);
        let port = host.port.to_string();
        test.write("ssh/nobody", "");
        host.configure_client("client", "nobody");
        let by_hand = format!("ssh -T -p {port} 127.0.0.1 true");
        let texts = ["Host key verification failed", &by_hand];
        assert_refused(&mut host.register("bot.lock"), EngineErrorKind::NotPermitted, &texts);
        host.configure_client("other", "known");
        let texts = ["Permission denied (publickey", &by_hand];
        assert_refused(&mut host.register("bot.lock"), EngineErrorKind::NotPermitted, &texts);
        host.configure_client("client", "known");
        assert!(host.register("bot.lock").read(LIMIT).is_ok());
        assert!(!test.has("bot.lock"), "a look creates nothing");
    });
}

#[test]
fn a_home_host_without_a_solobot_that_understands() {
    use EngineErrorKind::{Configuration, Unreachable};
    alone(|test| {
        let host = pretended(test, "echo solobot-hold 99 77.0.0");
        assert_refused(&mut host.register("bot.lock"), Configuration, &["is version 77.0.0", "the same version"]);
        script(test, "programs/solobot", "#!/bin/sh\necho \"error: unrecognized subcommand 'hold'\" >&2; exit 2\n");
        assert_refused(&mut host.register("bot.lock"), Configuration, &["too old"]);
        script(test, "programs/solobot", "#!/bin/sh\necho hello; exit 3\n");
        assert_refused(&mut host.register("bot.lock"), Unreachable, &["without a word"]);
        fs::remove_file(test.path("programs/solobot")).unwrap();
        let texts = ["there is no solobot on 127.0.0.1", "install solobot"];
        assert_refused(&mut host.register("bot.lock"), Configuration, &texts);
    });
}

#[test]
fn an_endless_answer_is_not_read_to_its_end() {
    alone(|test| {
        let host = pretended(test, "yes | head -c 10G");
        assert_refused(&mut host.register("bot.lock"), EngineErrorKind::Unreachable, &["no answer of a solobot"]);
        script(test, "programs/solobot", "#!/bin/sh\necho solobot-hold 1 1.0; exec yes\n");
        assert_refused(&mut host.register("bot.lock"), EngineErrorKind::Unreachable, &["no answer of a solobot"]);
        let answer = r#"{"number":1,"body":99999999999,"answer":"stands","server":"s","has_record":true}"#;
        script(test, "programs/solobot", &format!("#!/bin/sh\necho solobot-hold 1 1.0; echo '{answer}'; exec yes\n"));
        assert_refused(&mut host.register("bot.lock"), EngineErrorKind::Unreachable, &["no answer of a solobot"]);
    });
}

/// A login shell that greets is no hindrance, and a solobot that says nothing is given up.
#[test]
fn what_a_login_prints_is_passed_over() {
    alone(|test| {
        let solobot = env!("CARGO_BIN_EXE_solobot");
        let host = pretended(test, &format!("echo Welcome; echo; exec {solobot} \"$@\""));
        assert_eq!(host.register("bot.lock").read(LIMIT).unwrap().content, None);
        script(test, "programs/solobot", "#!/bin/sh\nexec sleep 600\n");
        let mut register = host.register("bot.lock");
        let start = Instant::now();
        let limit = Duration::from_millis(200);
        let error = register.read(limit).unwrap_err();
        assert!(start.elapsed() < limit + Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(error.kind, EngineErrorKind::Unreachable, "{error}");
    });
}

#[test]
fn a_place_that_cannot_keep_a_lease() {
    use EngineErrorKind::{Configuration, Unreachable};
    alone(|test| {
        let host = HomeHost::start(test);
        test.mount("tmpfs", "mode=755", "volatile");
        assert_refused(&mut host.register("volatile/bot.lock"), Configuration, &["is on tmpfs", "on a disk"]);
        assert_refused(&mut host.register("missing/bot.lock"), Configuration, &["does not exist"]);
        std::os::unix::fs::symlink("elsewhere", test.path("linked.lock.lease")).unwrap();
        assert_refused(&mut host.register("linked.lock"), Configuration, &["is a symlink"]);
        test.write("long.lock.lease", vec![b'x'; 1 << 20]);
        assert_refused(&mut host.register("long.lock"), Configuration, &["too long", "rm "]);
        let mut nobody = SshRegister::new(None, "127.0.0.1".into(), Some(1), "/l".into());
        assert_refused(&mut nobody, Unreachable, &["refused", "ssh -T -p 1 127.0.0.1 true"]);
    });
}
