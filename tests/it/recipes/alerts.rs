//! The recipe for alerts: its scripts with what they talk to, and its solobot.toml.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{but, path_of, text_of};
use crate::harness::{Signal, Test, alone, token, wait_until};

/// A server that answers everything with 200, and says what it was asked, body and all.
fn server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, heard) = channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let mut text = Vec::new();
            let _ = socket.read_to_end(&mut text);
            let _ = write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            if asked.send(String::from_utf8_lossy(&text).into_owned()).is_err() {
                return;
            }
        }
    });
    (url, heard)
}

/// Runs a script as solobot does.
#[track_caller]
fn run(test: &Test, script: &str, arguments: &str, url: &str) {
    let mut command = test.command(&format!("{} {arguments}", path_of(&format!("alerts/{script}")).display()));
    let path = format!("{}:{}", test.name("bin"), std::env::var("PATH").unwrap());
    command.env("API", url).env("PATH", path).env("SOLOBOT_EVENT", "down").env("SOLOBOT_BOT", "main");
    command.env("SOLOBOT_DETAIL", "it ended with exit code 1");
    test.start_command(command).finish().code(0);
}

#[test]
fn the_scripts_send_what_they_are_told() {
    alone(|test| {
        let (url, heard) = server();
        let limit = Duration::from_secs(30);
        test.write("token", token());
        run(test, "telegram.sh", "token 42", &url);
        let asked = heard.recv_timeout(limit).unwrap();
        assert!(asked.starts_with(&format!("POST /bot{}/sendMessage ", token())), "{asked}");
        assert!(asked.contains("chat_id=42&text=") && asked.contains("main%3A+down%3A+it+ended+with"), "{asked}");
        run(test, "ntfy.sh", &format!("{url}/topic"), &url);
        let asked = heard.recv_timeout(limit).unwrap();
        assert!(asked.starts_with("POST /topic ") && asked.contains("Title: main: down\r\n"), "{asked}");
        assert!(asked.contains("it ended with exit code 1 on "), "{asked}");
        fs::create_dir(test.path("bin")).unwrap();
        test.write("bin/sendmail", "#!/bin/sh\ncat >mail; echo \"$@\" >>mail\n");
        fs::set_permissions(test.path("bin/sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
        run(test, "mail.sh", "you@example.org", &url);
        let mail = test.read("mail");
        assert!(
            mail.starts_with("To: you@example.org\nSubject: main: down\n\nit ended with exit code 1 on "),
            "{mail}"
        );
        assert!(mail.ends_with("\n-t\n"), "{mail}");
    });
}

#[test]
fn the_file_is_run_by_acquire_and_by_the_watcher() {
    alone(|test| {
        let (url, heard) = server();
        test.bot("main.py");
        fs::create_dir(test.path("alerts")).unwrap();
        for script in ["telegram.sh", "mail.sh", "ntfy.sh"] {
            fs::copy(path_of(&format!("alerts/{script}")), test.path(&format!("alerts/{script}"))).unwrap();
        }
        test.write("alerts/token", token());
        test.write(
            "solobot.toml",
            but(&text_of("alerts/solobot.toml"), "https://hc-ping.com/YOUR-UUID", &format!("{url}/uuid")),
        );
        let solobot = test.solobot("acquire -- python3 main.py --pid-file bot.pid").env("API", &url).start();
        test.wait_for_pid("bot.pid");
        let mut asked = [(); 2].map(|()| heard.recv_timeout(Duration::from_secs(30)).unwrap());
        asked.sort();
        assert!(asked[0].starts_with("GET /uuid ") && asked[1].starts_with("POST /bot"), "{asked:?}");
        let watcher = test.solobot("status --watch=0.2 -q").env("API", &url).start();
        let ping = heard.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(ping.starts_with("GET /uuid "), "{ping}");
        solobot.signal(Signal::TERM);
        solobot.finish().code(0);
        let down = heard.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(down.starts_with("POST /bot") && down.contains("down"), "{down}");
        watcher.signal(Signal::TERM);
        // It was given no token.
        watcher.finish().signal(Signal::TERM).stderr_has(&["cannot tell whether it is deaf"]);
        wait_until("nothing more was told", || heard.try_recv().is_err());
    });
}
