//! A supervisor that has a guardian and does what it is told, a line of standard input each: the API of `lease::guardian`, without
//! a lease and without judgement.
//!
//! It prints a line for each order's result, and for each message of the guardian.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use solobot::base::env;
use solobot::base::exit::Exit;
use solobot::lease::guardian::client::{GuardianClient, NotTold};
use solobot::lease::guardian::sweep::Sweep;
use solobot::lease::guardian::{GrantMarks, GuardianMessage};
use solobot::lease::step::LeaseDeadline;
use solobot::platform::clock::uptime;
use solobot::platform::descriptor::Descriptor;
use solobot::platform::identity::{Identity, own_pid};
use solobot::platform::locks::kernel_key;
use solobot::platform::signals::Mask;
use solobot::platform::spawn::Launch;
use solobot::platform::{children, poll};

/// The number of the grant.
const GENERATION: u64 = 1_700_000_000_123;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // A guardian is the program that has started it.
    if args.get(1).is_some_and(|word| word == "guardian") {
        return if solobot::run(&args) == Exit::Ok { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let path = args.get(1).expect("a lock");
    match obey(Path::new(path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn told(result: Result<(), NotTold>) {
    say(&result.map_or_else(|error| format!("not told: {error}"), |()| "told".to_owned()));
}

fn obey(path: &Path) -> Result<(), Box<dyn Error>> {
    children::adopt_orphans()?;
    let lock = File::options().write(true).create(true).truncate(false).open(path)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let supervisor = Identity::own()?;
    let marks = GrantMarks { supervisor, generation: GENERATION, lock: Some(kernel_key(&lock)?) };
    let mut sweep = Sweep::new(marks);
    let mut guardian: Option<Arc<GuardianClient>> = None;
    let mut command = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let ms =
            |at: usize| words.get(at).and_then(|word| word.parse().ok()).map(Duration::from_millis).unwrap_or_default();
        let deadline = |at: usize| {
            let now = uptime().whole;
            LeaseDeadline { term_at: now + ms(at), kill_at: now + ms(at + 1) }
        };
        let has = || guardian.as_ref().ok_or("no guardian");
        match words[0] {
            // start GRACE TERM_IN KILL_IN
            "start" => {
                let client = Arc::new(GuardianClient::start(ms(1), marks, deadline(2))?);
                say(&format!("guardian {}", client.identity().pid));
                let listener = Arc::clone(&client);
                thread::spawn(move || listen(&listener));
                guardian = Some(client);
            }
            "deadline" => told(has()?.tell_deadline(deadline(1))),
            "flood" => {
                let start = Instant::now();
                let error = (0..100_000).find_map(|_| guardian.as_ref()?.tell_deadline(deadline(1)).err());
                say(&format!(
                    "flooded: {error:?} {}",
                    if start.elapsed() < Duration::from_secs(5) { "soon" } else { "late" }
                ));
            }
            // gate LINE for the shell; exec PROGRAM
            order @ ("gate" | "exec") => {
                let rest = line[order.len() + 1..].to_owned();
                let argv: Vec<OsString> =
                    if order == "gate" { vec!["sh".into(), "-c".into(), rest.into()] } else { vec![rest.into()] };
                let env = [
                    (env::HOLDER_PID, Some(own_pid().to_string().into())),
                    (env::GENERATION, Some(GENERATION.to_string().into())),
                ];
                let descriptor = Descriptor::of(&lock);
                let launch = Launch { argv: &argv, env: &env, mask: Mask::present(), inherit: &[descriptor] };
                let child = launch.spawn_gated()?;
                let identity = Identity::of(child.pid).ok_or("the child is dead")?;
                command = Some(identity);
                sweep.add_root(identity);
                say(&format!("waits {}", child.pid));
                told(has()?.open_gate(identity, child.gate));
                let result = child.execution.wait();
                say(&result.map_or_else(|error| format!("cannot run: {error}"), |()| "runs".to_owned()));
            }
            "adopt" => told(has()?.adopt(command.ok_or("no COMMAND")?)),
            "term" => told(has()?.term()),
            "kill" => told(has()?.kill()),
            "finish" => told(has()?.finish()),
            "leave" => has()?.leave(),
            // As the second watcher does.
            "sweep" => {
                let pass = sweep.kill(Duration::from_secs(10))?;
                say(&format!("swept: left {} untouchable {:?}", pass.left, pass.untouchable));
            }
            other => return Err(format!("what is {other}?").into()),
        }
    }
    Ok(())
}

fn listen(client: &GuardianClient) {
    loop {
        while let Some(message) = client.next_message() {
            say(&format!("{message:?}"));
            if message == GuardianMessage::Gone {
                return;
            }
        }
        let _ = poll::any_readable(&[client.descriptor()], None);
    }
}
