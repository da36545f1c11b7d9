//! An orphan beside the child of a running parent that nobody knows: a bot that outlived its session, and the one of the
//! next session. The orphan goes, because nobody starts it again; no hint ends the parent, which may be somebody's session
//! or a web server.

use serde_json::Value;

use crate::doctor::finding;
use crate::harness::{Background, Test, alive, alone, children, installed, parent, token, wait_until};
use crate::scenes::{by_pid, instances, pid};
use crate::standin::Standin;

/// Connects where it is told to, as a poller does.
const SERVER: &str = "import { connect } from 'net';\nconst port = Number(process.env.PORT);\n\
    if (port) connect(port, '127.0.0.1').on('error', () => {});\nsetInterval(() => {}, 60_000);\n";

/// A session: starts the server and stays. Its first argument is a title for itself.
const SESSION: &str = "const { spawn } = require('child_process');\n\
    const detached = process.env.DETACHED === '1';\n\
    spawn(process.env.BUN, ['server.ts'], { stdio: 'ignore', detached });\n\
    if (process.argv[2]) process.title = process.argv[2];\nsetInterval(() => {}, 60_000);\n";

/// The same as a web server's.
const WEB: &str = "import http.server, os, subprocess\nsubprocess.Popen([os.environ['BUN'], 'server.ts'])\n\
    http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler).serve_forever()\n";

/// A subreaper that is no known manager, and starts sessions.
const REAPER: &str = "import ctypes, subprocess, sys, time\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n\
    for _ in range(2): subprocess.Popen(['node', 'session.js'], start_new_session=True)\n\
    while True: time.sleep(60)  # it only has to be there\n";

fn files(test: &Test) {
    for (name, text) in [("server.ts", SERVER), ("session.js", SESSION), ("web.py", WEB), ("reaper.py", REAPER)] {
        test.write(name, text);
    }
}

/// What runs in a session, and with it the server.
fn command(test: &Test, line: &str, port: Option<u16>) -> std::process::Command {
    let mut command = test.command(line);
    command.env("BUN", installed("npm/node_modules/.bin/bun")).env("TELEGRAM_BOT_TOKEN", token());
    command.env("PORT", port.map(|port| port.to_string()).unwrap_or_default());
    command
}

/// The servers that run.
fn servers(test: &Test) -> Vec<i32> {
    instances(test, "-m server.ts").iter().map(pid).collect()
}

/// Starts a session, and waits for its server.
fn session(test: &Test, server: &Standin, line: &str, connects: bool) -> (Background, i32) {
    let before = server.connections();
    let session = test.start_command(command(test, line, connects.then(|| server.port())));
    let mut child = 0;
    wait_until("the session has its server", || {
        child = children(session.pid()).first().copied().unwrap_or_default();
        servers(test).contains(&child)
    });
    wait_until("it is connected", || !connects || server.connections() > before);
    (session, child)
}

/// solobot, asked about the bot on that server.
fn ask(test: &Test, server: &Standin, line: &str) -> crate::harness::Output {
    test.solobot(line).env("SOLOBOT_API_URL", &server.url()).run()
}

/// `kill-duplicates` keeps the child, and nothing that is printed ends its parent.
fn the_orphan_goes(test: &Test, server: &Standin, orphan: i32, child: i32, session: i32) {
    let expected = [(orphan, "stop".to_owned()), (child, "keep".to_owned())].into();
    let plan = ask(test, server, "kill-duplicates --json --dry-run -m server.ts").code(1).json();
    assert_eq!(by_pid(&plan, "plan"), expected, "{plan}");
    let ends_parent = format!("kill {session}");
    for (line, code, has) in
        [("status -m server.ts", 0, "kill-duplicates"), ("kill-duplicates --dry-run -m server.ts", 1, "surplus")]
    {
        ask(test, server, line).nowhere(&ends_parent).code(code).stdout_has(&[has]);
    }
    let bun = installed("npm/node_modules/.bin/bun");
    let refused = ask(test, server, &format!("acquire -n -- {bun} server.ts")).nowhere(&ends_parent).code(75);
    refused.stderr_has(&[&orphan.to_string(), &child.to_string(), "solobot kill-duplicates -m "]);
    let done = ask(test, server, "kill-duplicates --json -m server.ts").code(0).json();
    assert_eq!(by_pid(&done, "results"), [(orphan, "terminated".to_owned())].into(), "{done}");
    assert!(alive(child) && alive(session), "the session goes on");
}

#[test]
fn whatever_the_parent_is_and_whichever_is_connected() {
    alone(|test| {
        files(test);
        let server = Standin::start();
        // What the parents are, whether the orphan is the older one, and which of the two are connected.
        for (line, is_older, [orphan_connects, child_connects]) in [
            ("node session.js", true, [true, true]),
            ("node session.js claude", true, [true, false]),
            ("python3 web.py", false, [false, false]),
            ("node session.js 'some agent: idle'", false, [true, true]),
            ("node session.js", false, [false, true]),
        ] {
            let start = |connects| session(test, &server, line, connects);
            let (gone, kept) = if is_older {
                let gone = start(orphan_connects);
                (gone, start(child_connects))
            } else {
                let kept = start(child_connects);
                (start(orphan_connects), kept)
            };
            let ((ended, orphan), (session, child)) = (gone, kept);
            ended.kill_alone();
            wait_until("it is an orphan", || parent(orphan) == Some(1));
            the_orphan_goes(test, &server, orphan, child, session.pid());
            session.kill();
            wait_until("all have ended", || servers(test).is_empty());
        }
    });
}

#[test]
fn doctor_keeps_the_child_too_and_only_its_own_end_takes_its_parent() {
    alone(|test| {
        files(test);
        let server = Standin::start();
        let (ended, orphan) = session(test, &server, "node session.js", true);
        let (session, child) = session(test, &server, "node session.js", true);
        ended.kill_alone();
        wait_until("it is an orphan", || parent(orphan) == Some(1));
        let both = format!("kill {} {child}", session.pid());
        let said: Value = ask(test, &server, "doctor --json -m server.ts").settled().nowhere(&both).code(1).json();
        let found = finding(&said, "duplicate-instances");
        assert_eq!(found["command"], format!("solobot kill-duplicates -m {}", test.name("server.ts")), "{said:#}");
        assert!(!said["findings"].to_string().contains("respawner"), "{said:#}");
        // Where the child itself is to end, what would start it again has to end first.
        for line in ["stop --dry-run -m server.ts".to_owned(), format!("kill-duplicates --keep {orphan} -m server.ts")]
        {
            ask(test, &server, &line).code(1).stdout_has(&["blocked", &both]);
        }
        assert!(alive(child) && alive(orphan));
        let line = format!("kill-duplicates --json --keep {orphan} --include-managed -m server.ts");
        ask(test, &server, &line).code(0).json();
        assert!(!alive(child) && !alive(session.pid()) && alive(orphan));
    });
}

#[test]
fn an_orphan_of_an_unknown_subreaper() {
    alone(|test| {
        files(test);
        let server = Standin::start();
        let reaper = test.start_command(command(test, "python3 reaper.py", Some(server.port())));
        wait_until("both run", || servers(test).len() == 2);
        let [orphan, child] = servers(test)[..] else { panic!("two") };
        let (ended, session) = (parent(orphan).unwrap(), parent(child).unwrap());
        crate::harness::send(ended, crate::harness::Signal::KILL);
        wait_until("the subreaper has it", || parent(orphan) == Some(reaper.pid()));
        the_orphan_goes(test, &server, orphan, child, session);
        assert!(alive(reaper.pid()));
    });
}

#[test]
fn both_under_tmux() {
    alone(|test| {
        files(test);
        let server = Standin::start();
        for name in ["first", "second"] {
            let mut start = command(test, "tmux -S socket -f /dev/null new -d -s", Some(server.port()));
            start.args([name, "node session.js"]).env("DETACHED", "1");
            let _ = test.start_command(start).finish().code(0);
        }
        wait_until("both run", || servers(test).len() == 2);
        let [orphan, child] = servers(test)[..] else { panic!("two") };
        let (ended, session) = (parent(orphan).unwrap(), parent(child).unwrap());
        crate::harness::send(ended, crate::harness::Signal::KILL);
        wait_until("it is an orphan", || parent(orphan) == Some(1));
        the_orphan_goes(test, &server, orphan, child, session);
    });
}
