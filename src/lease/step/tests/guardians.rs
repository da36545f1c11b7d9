use super::*;

use GuardianAction::{Exit, OpenGate, RefuseGate, Say, SignalTerm, Sweep};

const GATE: GuardianEvent = GuardianEvent::Gate { pid: 9 };
const NOBODY: GuardianEvent = GuardianEvent::Swept { left: false };

fn until(term_at: f64) -> GuardianEvent {
    GuardianEvent::Deadline(LeaseDeadline { term_at: secs(term_at), kill_at: secs(term_at + 10.0) })
}

/// Tells it all of this, and compares each answer.
#[track_caller]
fn goes(script: &[(f64, GuardianEvent, &[GuardianAction])]) -> Guardian {
    let mut guardian = Guardian::new(secs(10.0));
    for (now, event, expected) in script {
        let (next, actions) = guardian.step(*event, secs(*now));
        assert_eq!(actions, *expected, "{event:?} at {now}");
        guardian = next;
    }
    guardian
}

#[test]
fn the_gate_opens_only_while_a_deadline_stands() {
    goes(&[
        (0.0, GATE, &[RefuseGate { pid: 9 }]),
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (1.0, GATE, &[OpenGate { pid: 9 }]),
        (20.0, until(58.0), &[]),
        (57.0, GATE, &[OpenGate { pid: 9 }]),
        (58.0, GATE, &[Say(GuardianWord::Stops), SignalTerm, RefuseGate { pid: 9 }]),
    ]);
}

#[test]
fn silence_stops_the_bot() {
    let guardian = goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (37.9, GuardianEvent::Tick, &[]),
        (38.0, GuardianEvent::Tick, &[Say(GuardianWord::Stops), SignalTerm]),
        (47.9, GuardianEvent::Tick, &[]),
        (48.0, GuardianEvent::Tick, &[Sweep]),
        (48.1, GuardianEvent::Swept { left: true }, &[]),
        (48.2, GuardianEvent::Tick, &[Sweep]),
        (48.3, NOBODY, &[Say(GuardianWord::Swept)]),
        (48.4, GATE, &[RefuseGate { pid: 9 }]),
        (49.0, GuardianEvent::Leave, &[Exit]),
    ]);
    assert_eq!(guardian.wake(), None);
}

#[test]
fn no_deadline_undoes_a_stop_or_shortens_what_stands() {
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (0.0, until(30.0), &[]),
        (31.0, GuardianEvent::Tick, &[]),
        (38.0, GuardianEvent::Tick, &[Say(GuardianWord::Stops), SignalTerm]),
        (40.0, until(100.0), &[]),
        (48.0, GuardianEvent::Tick, &[Sweep]),
    ]);
}

#[test]
fn past_the_deadline_on_waking_it_kills_without_term() {
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (100.0, GuardianEvent::Tick, &[Say(GuardianWord::Stops), Sweep]),
    ]);
}

#[test]
fn without_its_solobot_it_stops_at_once_and_ends() {
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (5.0, GuardianEvent::SupervisorGone, &[Say(GuardianWord::Stops), SignalTerm]),
        (15.0, GuardianEvent::Tick, &[Sweep]),
        (15.0, NOBODY, &[Say(GuardianWord::Swept), Exit]),
    ]);
    // The deadline comes before the end of the grace.
    let guardian = goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (37.0, GuardianEvent::SupervisorGone, &[Say(GuardianWord::Stops), SignalTerm]),
    ]);
    assert_eq!(guardian.wake(), Some(secs(47.0)));
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (38.0, GuardianEvent::Tick, &[Say(GuardianWord::Stops), SignalTerm]),
        (45.0, GuardianEvent::SupervisorGone, &[]),
        (48.0, GuardianEvent::Tick, &[Sweep]),
        (48.0, NOBODY, &[Say(GuardianWord::Swept), Exit]),
    ]);
}

#[test]
fn told_to_it_stops_earlier() {
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (1.0, GuardianEvent::Finish, &[Say(GuardianWord::Stops), SignalTerm]),
        (2.0, GuardianEvent::Kill, &[Sweep]),
        (2.0, GuardianEvent::Kill, &[]),
        (3.0, NOBODY, &[Say(GuardianWord::Swept)]),
    ]);
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (1.0, GuardianEvent::Term, &[Say(GuardianWord::Stops), SignalTerm]),
        (2.0, NOBODY, &[Say(GuardianWord::Swept)]),
        (99.0, GuardianEvent::Tick, &[]),
    ]);
}

/// What is told to leave in the middle of a stop finishes it.
#[test]
fn it_leaves_nobody_behind() {
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (1.0, GuardianEvent::Kill, &[Say(GuardianWord::Stops), Sweep]),
        (1.0, GuardianEvent::Leave, &[]),
        (1.0, GuardianEvent::Swept { left: true }, &[]),
        (2.0, GuardianEvent::Tick, &[Sweep]),
        (2.0, NOBODY, &[Say(GuardianWord::Swept), Exit]),
    ]);
    goes(&[(0.0, until(38.0), &[Say(GuardianWord::Ready)]), (1.0, GuardianEvent::Leave, &[Exit])]);
}

/// It was paused, and reads what came meanwhile before it judges.
#[test]
fn deadlines_that_lay_there_count() {
    goes(&[
        (0.0, until(38.0), &[Say(GuardianWord::Ready)]),
        (45.0, until(40.0), &[]),
        (45.0, until(60.0), &[]),
        (45.0, GuardianEvent::Tick, &[]),
        (60.0, GuardianEvent::Tick, &[Say(GuardianWord::Stops), SignalTerm]),
    ]);
}
