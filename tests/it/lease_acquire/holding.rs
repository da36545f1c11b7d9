//! A lease that is held, and an engine, or a terminal, that fails meanwhile.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use solobot::lease::record::GrantState;

use super::{BOT, Host, SLACK, TTL, guardian, is_released, plant, record, took, used_server};
use crate::harness::{Signal, alive, alone, holds_for, is_stopped, wait_until, wait_within};

/// From the last renewal to TERM and to KILL, with a grace of 1 s.
const TERM_AFTER: Duration = Duration::from_secs(3);
const KILL_AFTER: Duration = Duration::from_secs(4);
/// From the stop of an engine back to the last renewal: every sixth of the TTL.
const RENEWAL: Duration = Duration::from_millis(900);

#[test]
fn an_engine_that_stops_answering_stops_the_bot() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let script = "trap \"date +%s >termed\" TERM; echo $$ >up; while :; do sleep 0.1; done";
        let solobot = host.acquire(&format!("-- sh -c '{script}'"));
        let bot = host.up();
        server.signal(Signal::STOP);
        let start = Instant::now();
        wait_within(TERM_AFTER + SLACK, "TERM", || test.has("one/termed"));
        took("TERM", start, TERM_AFTER.saturating_sub(RENEWAL), TERM_AFTER + SLACK / 4);
        wait_within(SLACK, "KILL", || !alive(bot));
        took("KILL", start, KILL_AFTER.saturating_sub(RENEWAL), KILL_AFTER + SLACK / 4);
        let output = solobot.finish_within(SLACK).code(69);
        output.stderr_has(&[
            "warning: could not renew lease bot on redis://127.0.0.1:",
            "in time; stopping the bot: redis://127.0.0.1:",
            "error: lease bot could not be renewed, so the bot was stopped: redis://127.0.0.1:",
            "did not answer within 250ms",
            "hint: to look at it: solobot lease --lease redis://127.0.0.1:",
        ]);
        assert!(!host.is_locked());
        server.signal(Signal::CONT);
    });
}

#[test]
fn an_engine_that_comes_back_in_time_stops_nobody() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let how = format!("--lease {} --lease-name bot --lease-ttl 10s --grace 1s -- {BOT}", server.url());
        let mut solobot = test.start_command(host.command_at(&how));
        let bot = host.up();
        server.signal(Signal::STOP);
        holds_for(Duration::from_secs(4), "40% of the TTL", || alive(bot));
        server.signal(Signal::CONT);
        let renewal = record(&server)["renewal"].as_u64().unwrap();
        wait_until("it is renewed again", || record(&server)["renewal"].as_u64().unwrap() > renewal + 2);
        assert!(alive(bot) && !solobot.has_ended());
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&["is 10s here and 5s where it was held last"]);
        assert!(is_released(&server));
    });
}

#[test]
fn a_record_that_was_lost_is_written_again() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let (mut solobot, bot) = host.holds();
        let before = record(&server);
        assert_eq!(server.cli("flushall"), "OK");
        wait_within(TTL / 2, "it is written again", || record(&server)["holder"] == before["holder"]);
        assert_eq!(record(&server)["generation"], before["generation"]);
        holds_for(TTL, "the bot goes on", || alive(bot) && !solobot.has_ended());
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        assert!(is_released(&server));
    });
}

#[test]
fn the_record_of_another_host_kills_the_bot_at_once() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let solobot = host.acquire("-- sh -c 'trap \"\" TERM; echo $$ >up; while :; do sleep 0.1; done'");
        let bot = host.up();
        plant(&server, GrantState::Held, 1 << 52, |_| {});
        let start = Instant::now();
        wait_within(TTL, "the bot is dead", || !alive(bot));
        took("KILL", start, Duration::ZERO, Duration::from_secs(2));
        solobot.finish_within(SLACK).code(75).stderr_has(&[
            "is held by vps (PID 77: python3 bot.py); killing the bot",
            "is held by vps (PID 77: python3 bot.py), so the bot was stopped",
            "hint: to stop it there: ssh vps solobot stop",
        ]);
        let record = record(&server);
        assert_eq!((&record["holder"], &record["state"]), (&"planted".into(), &"held".into()), "it is left alone");
        assert!(!host.is_locked());
    });
}

#[test]
fn a_solobot_that_is_stopped_loses_the_lease() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        for restart in [false, true] {
            // In an orphaned process group, as the test's own may be, SIGTSTP stops nobody.
            let restarts = if restart { "--restart always" } else { "" };
            let mut command = host.command(&format!("{restarts} -- {BOT}"));
            command.process_group(0);
            let mut solobot = test.start_command(command);
            let bot = host.up();
            let generation = record(&server)["generation"].as_u64().unwrap();
            solobot.signal(Signal::TSTP);
            let start = Instant::now();
            wait_until("it is stopped", || is_stopped(solobot.pid()));
            wait_within(TTL, "the bot is dead", || !alive(bot));
            took("KILL", start, KILL_AFTER.saturating_sub(RENEWAL + Duration::from_secs(1)), KILL_AFTER + SLACK / 4);
            assert!(!is_released(&server));
            solobot.signal(Signal::CONT);
            if !restart {
                solobot.finish_within(SLACK).code(69).stderr_has(&["could not renew lease bot on"]);
                continue;
            }
            solobot.wait_for_stderr("could not renew lease bot on");
            let again = host.up();
            let next = record(&server)["generation"].as_u64().unwrap();
            assert!(next > generation && alive(again), "{generation} {next}");
            solobot.signal(Signal::TERM);
            solobot.finish().signal(Signal::TERM).stderr_has(&["could not renew lease bot on"]);
        }
    });
}

#[test]
fn a_lease_lost_for_long_is_got_again_by_a_restart() {
    alone(|test| {
        let mut server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let mut solobot = host.acquire(&format!("--restart on-failure -- {BOT}"));
        let bot = host.up();
        let generation = record(&server)["generation"].as_u64().unwrap();
        server.kill();
        wait_within(KILL_AFTER + SLACK, "the bot is dead", || !alive(bot));
        solobot.wait_for_stderr("connection refused");
        holds_for(Duration::from_secs(1), "it waits, with its lock held", || host.is_locked() && !host.is_up());
        // It has lost its memory too.
        server.again();
        let again = host.up();
        let next = record(&server)["generation"].as_u64().unwrap();
        assert!(next > generation && alive(again), "{generation} {next}");
        solobot.signal(Signal::TERM);
        let output = solobot.finish().signal(Signal::TERM);
        output
            .stderr_has(&["has no record yet", "solobot: got lease bot on"])
            .nowhere("of 30s")
            .nowhere("hint: if the bot keeps its own PID");
        assert!(is_released(&server));
    });
}

#[test]
fn ones_own_last_grant_is_no_other_host() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let mut solobot = host.acquire(&format!("--restart always -- {BOT}"));
        let bot = host.up();
        server.signal(Signal::STOP);
        solobot.wait_for_stderr("solobot: trying until it answers");
        assert!(!alive(bot));
        server.signal(Signal::CONT);
        // What was sent while it was stopped is carried out: a renewal, which the release did not know of.
        solobot.wait_for_stderr("our own last grant of lease bot on");
        host.up();
        solobot.signal(Signal::TERM);
        solobot
            .finish()
            .signal(Signal::TERM)
            .nowhere("is held by")
            .nowhere("to stop it there")
            .stderr_has(&["could not renew lease bot on", "has not run out; it is free in 5s if no host renews it"]);
    });
}

#[test]
fn a_reader_that_reads_nothing_costs_no_lease() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = host.command(&format!("-- {BOT}"));
        // A shell between them, because the harness has files for what a test starts.
        command.stdin(Stdio::null());
        let line: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| shell_words::quote(word.to_str().unwrap()).into_owned())
            .collect();
        let mut outer = test.command("bash -c");
        outer.arg(format!("exec 2>&0; exec {}", line.join(" ")));
        outer
            .current_dir(test.path("one"))
            .env("XDG_STATE_HOME", test.path("one/state"))
            .stdin(writer.try_clone().unwrap());
        fill(&writer);
        let solobot = test.start_command(outer);
        let bot = host.up();
        // What it says about its new guardian blocks it.
        crate::harness::send(guardian(&solobot).unwrap(), Signal::KILL);
        let renewal = record(&server)["renewal"].as_u64().unwrap();
        wait_within(TTL * 2, "it is renewed for longer than the TTL", || {
            assert!(alive(bot), "the bot goes on");
            record(&server)["renewal"].as_u64().unwrap() > renewal + 7
        });
        drop(reader);
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        assert!(is_released(&server));
    });
}

/// Writes as much into a pipe as it takes.
fn fill(pipe: &std::io::PipeWriter) {
    use std::io::Write;
    use std::os::fd::AsFd;

    let flags = rustix::fs::fcntl_getfl(pipe.as_fd()).unwrap();
    rustix::fs::fcntl_setfl(pipe.as_fd(), flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut writer = pipe;
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    rustix::fs::fcntl_setfl(pipe.as_fd(), flags).unwrap();
}
