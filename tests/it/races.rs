//! Mutual exclusion under fire, judged by a witness that knows nothing of locks.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Signal, Test, Venv, alive, alone, holds_descriptor, parent, send_to, wait_until};
use crate::holding::{Holding, holding};

/// Who entered, in order; panics at the first overlap.
#[track_caller]
fn entries(test: &Test) -> Vec<String> {
    let log = fs::read_to_string(test.path("witness/log")).unwrap_or_default();
    let overlaps: Vec<&str> = log.lines().filter(|line| line.starts_with("overlap")).collect();
    assert!(overlaps.is_empty(), "two holders at once: {overlaps:?}");
    log.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn count(entries: &[String], who: &str) -> usize {
    entries.iter().filter(|entry| *entry == who).count()
}

/// A contender that starts `line` anew until `rounds` are used up by all of them together.
fn contend(mut command: Command, rounds: &AtomicUsize) {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    // Each contender takes it one further below zero, which the sign shows.
    while rounds.fetch_sub(1, Ordering::AcqRel).cast_signed() > 0 {
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        // It ends well, or it or its COMMAND was shot; anything else is a fault.
        let shot = output.status.signal() == Some(Signal::KILL.as_raw()) || output.status.code() == Some(137);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || shot, "a contender ended with {}: {text}", output.status);
    }
}

/// Shoots whoever is inside, or the solobot above it, about 30 times a second.
fn shoot(test: &Test, stop: &AtomicBool) -> usize {
    let (mut shots, mut next) = (0, Instant::now());
    while !stop.load(Ordering::Acquire) {
        thread::park_timeout(next.saturating_duration_since(Instant::now()));
        next = Instant::now() + Duration::from_millis(30);
        let Some(inside) = fs::read_to_string(test.path("witness/inside"))
            .ok()
            .and_then(|text| text.split(' ').next()?.parse::<i32>().ok())
        else {
            continue;
        };
        // Every other time the solobot above, so that its COMMAND holds the lock alone for the rest of its stay.
        // Only where COMMAND inherited the lock, of course: under `-o` it dies with solobot.
        let inherited = holds_descriptor(inside, &test.path("bot.lock"));
        let above = parent(inside).filter(|&pid| pid > 1 && inherited);
        let target = if shots % 2 == 0 { Some(inside) } else { above };
        let Some(target) = target else { continue };
        let name = fs::read_to_string(format!("/proc/{target}/comm")).unwrap_or_default();
        if matches!(name.trim_end(), "witness" | "solobot") && send_to(target, Signal::KILL) {
            shots += 1;
        }
    }
    shots
}

#[test]
fn sixty_four_contenders_two_thousand_hand_offs_under_fire() {
    alone(|test| {
        fs::create_dir(test.path("witness")).unwrap();
        let rounds = AtomicUsize::new(2_300);
        let stop = AtomicBool::new(false);
        let mut shots = 0;
        // Python's pollers, which never win against a queue of waiters: they get their share at the end.
        let pollers = [Venv::OldFilelock, Venv::NewFilelock]
            .map(|venv| test.start_command(test.python(venv, "contender.py", "bot.lock 5 witness")));
        thread::scope(|scope| {
            let ending = StopAtEnd(&stop);
            let contenders: Vec<_> = (0..64)
                .map(|number| {
                    let command = match number % 8 {
                        0 => test.command("flock bot.lock witness witness flock 2000"),
                        1 => test.command(
                            "solobot acquire -F -w forever --lock-only -l bot.lock -- witness witness solobot 2000",
                        ),
                        2 => test.command(
                            "solobot acquire -o -w 300 --lock-only -l bot.lock -- witness witness solobot 2000",
                        ),
                        _ => test.command(
                            "solobot acquire -w forever --lock-only -l bot.lock -- witness witness solobot 2000",
                        ),
                    };
                    let rounds = &rounds;
                    scope.spawn(move || contend(command, rounds))
                })
                .collect();
            let shooter = scope.spawn(|| shoot(test, &stop));
            let cleaner = scope.spawn(|| {
                let mut command = test.command("solobot clean-stale -q bot.lock");
                command.stdout(Stdio::null()).stderr(Stdio::null());
                while !stop.load(Ordering::Acquire) {
                    assert_eq!(command.status().unwrap().code(), Some(0), "clean-stale");
                    thread::park_timeout(Duration::from_millis(5));
                }
            });
            for contender in contenders {
                contender.join().unwrap();
            }
            drop(ending);
            shots = shooter.join().unwrap();
            cleaner.join().unwrap();
        });
        for poller in pollers {
            poller.finish().code(0);
        }
        let entries = entries(test);
        let (total, flock, python) = (entries.len(), count(&entries, "flock"), count(&entries, "filelock"));
        assert!(total >= 2_000, "only {total} hand-offs ({shots} shots)");
        assert!(flock > 100 && python == 10, "{flock} of flock(1), {python} of filelock");
        assert!(shots > 50, "only {shots} shots");
        assert!(!test.is_locked("bot.lock"), "somebody holds it still");
    });
}

/// Sets the flag when it goes, also when a contender's panic unwinds: the scope would wait for ever otherwise.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Contenders with pauses, so that Python's 50 ms polling wins its share too.
#[track_caller]
fn beside_filelock(test: &Test, venv: Venv) {
    fs::create_dir(test.path("witness")).unwrap();
    let stop = AtomicBool::new(false);
    let mut times = 0;
    thread::scope(|scope| {
        let _ending = StopAtEnd(&stop);
        for who in ["solobot", "solobot", "solobot", "flock"] {
            let mut command = match who {
                "flock" => test.command("flock bot.lock witness witness flock 1000"),
                _ => test.command("solobot acquire -w 60 --lock-only -l bot.lock -- witness witness solobot 1000"),
            };
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    let status = command.status().unwrap();
                    assert!(status.success(), "{who} ended with {status}");
                    thread::park_timeout(Duration::from_millis(40));
                }
            });
        }
        // Forty rounds may be over before the others have had their share.
        let is_shared = || {
            let entries = entries(test);
            count(&entries, "solobot") > 10 && count(&entries, "flock") > 2
        };
        while times == 0 || !is_shared() {
            times += 1;
            assert!(times < 30, "the others had no share");
            let poller = || test.start_command(test.python(venv, "contender.py", "bot.lock 40 witness"));
            let pollers: Vec<_> = (0..4).map(|_| poller()).collect();
            for poller in pollers {
                poller.finish_within(Duration::from_mins(2)).code(0);
            }
        }
    });
    assert_eq!(count(&entries(test), "filelock"), 160 * times);
}

#[test]
fn beside_filelock_3_13_1() {
    alone(|test| beside_filelock(test, Venv::OldFilelock));
}

#[test]
fn beside_the_newest_filelock() {
    alone(|test| beside_filelock(test, Venv::NewFilelock));
}

#[test]
fn the_witness_sees_two() {
    alone(|test| {
        // Without a lock the same contenders must be caught, or the tests above prove nothing.
        fs::create_dir(test.path("witness")).unwrap();
        let first = test.start("witness witness nobody 60000000");
        wait_until("the first is inside", || test.has("witness/inside"));
        test.run("witness witness nobody").code(1);
        let log = test.read("witness/log");
        assert!(log.contains(&format!("with {}", first.pid())), "{log}");
        first.kill();
        test.run("witness witness nobody").code(0);
        assert!(!test.has("witness/inside"));
    });
}

#[test]
fn a_waiter_does_not_end_on_a_dead_inode() {
    alone(|test| {
        // flock(1) does not notice that its file was deleted; a waiter on that inode must, within about a second.
        let flock = test.start("flock bot.lock tail -f /dev/null");
        wait_until("flock(1) holds", || test.is_locked("bot.lock"));
        let mut waiting = test.solobot("acquire -w forever -l bot.lock -- tail -f /dev/null").start();
        waiting.wait_for_stderr(&flock.pid().to_string());
        fs::remove_file(test.path("bot.lock")).unwrap();
        wait_until("the waiter holds a new file", || test.has("bot.lock") && test.is_locked("bot.lock"));
        assert!(!waiting.has_ended());
        drop(waiting);
        drop(flock);
    });
}

#[test]
fn a_waiter_follows_the_holder_to_the_new_inode() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        let mut waiting = test.solobot("acquire -w forever -l bot.lock -- flock -n bot.lock true").start();
        waiting.wait_for_stderr(&bot.to_string());
        let old = test.inode("bot.lock");
        let kept = fs::File::open(test.path("bot.lock")).unwrap();
        fs::remove_file(test.path("bot.lock")).unwrap();
        wait_until("the holder made it anew", || test.has("bot.lock") && test.is_locked("bot.lock"));
        assert_ne!(test.inode("bot.lock"), old);
        solobot.signal(Signal::TERM);
        solobot.finish().code(0).stderr_has(&["bot.lock"]);
        // COMMAND looks at the path: it must be the locked one, not the dead inode.
        waiting.finish().code(1).stderr_has(&[]);
        drop(kept);
    });
}

#[test]
fn deleted_and_replaced_in_a_loop() {
    alone(|test| {
        let mut holder = holding(test);
        let waiting: Vec<_> =
            (0..4).map(|_| test.solobot("acquire -w forever -l bot.lock -- tail -f /dev/null").start()).collect();
        for round in 0..60 {
            if round % 2 == 0 {
                let _ = fs::remove_file(test.path("bot.lock"));
            } else {
                test.write("fresh", "");
                fs::rename(test.path("fresh"), test.path("bot.lock")).unwrap();
            }
            // Give them a moment to notice, of a length that differs each time.
            thread::park_timeout(Duration::from_millis(round * 7 % 50));
        }
        // In the end: whoever holds the file at the path is alone, or every other one has said that it lost.
        wait_until("somebody holds the file at the path", || test.has("bot.lock") && test.is_locked("bot.lock"));
        wait_until("each that runs its COMMAND holds the file or has said that it lost it", || {
            let inode = test.inode("bot.lock");
            let says = |stderr: String| stderr.contains("lost") || stderr.contains("replaced");
            let running = waiting.iter().filter(|waiter| !waiter.descendants().is_empty());
            let mut all: Vec<(i32, String)> = running.map(|waiter| (waiter.pid(), waiter.stderr())).collect();
            all.push((holder.solobot.pid(), holder.solobot.stderr()));
            all.into_iter().all(|(pid, stderr)| holds_inode(pid, inode) || says(stderr))
        });
        assert!(alive(holder.bot) && !holder.solobot.has_ended(), "the bot runs on");
    });
}

/// Whether one of the process's descriptors carries a flock on this inode.
fn holds_inode(pid: i32, inode: u64) -> bool {
    let Ok(listing) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return false };
    listing
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .any(|info| info.lines().any(|line| line.contains("FLOCK") && line.contains(&format!(":{inode} "))))
}
