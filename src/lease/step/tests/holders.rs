use super::*;

#[test]
fn it_renews_every_sixth_and_each_number_once() {
    let (mut bench, claim) = Bench::running();
    assert_eq!(bench.state.wake(), Some(secs(110.0)));
    assert_eq!(bench.tick_at(109.9), []);
    let first = written(&bench.tick_at(110.0));
    bench.now = 112.0;
    assert_eq!(bench.written("s", &first), [deadline(110.0)]);
    assert_eq!(bench.state.deadline(), Some(LeaseDeadline { term_at: secs(148.0), kill_at: secs(158.0) }));
    let second = written(&bench.tick_at(120.0));
    let numbers = [&claim, &first, &second].map(|record| record.grant.renewal);
    assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
    assert_eq!(second.grant.generation, claim.grant.generation);
}

#[test]
fn a_clock_that_jumps_renews_at_once() {
    for (moved, is_jump) in [(1.1, true), (-1.1, true), (0.9, false)] {
        let (mut bench, _) = Bench::running();
        bench.ahead += moved;
        assert_eq!(is_claim(&bench.tick_at(101.0)), is_jump, "{moved}");
    }
}

/// A renewal whose answer was lost counts from its own sending, once another answer shows it.
#[test]
fn a_renewal_that_is_seen_later_counts_from_its_sending() {
    let (mut bench, _) = Bench::running();
    let lost = written(&bench.tick_at(110.0));
    bench.now = 113.0;
    let next = written(&bench.hears_nothing());
    // The first was carried out, but it is not the last: it does not count, and the place is known again.
    bench.now = 114.0;
    let third = written(&bench.refused(on("s", &lost)));
    assert_ne!(third.grant.renewal, next.grant.renewal);
    bench.now = 116.0;
    assert_eq!(bench.written("s", &third), [deadline(114.0)]);
}

#[test]
fn what_the_engine_forgot_is_written_again() {
    let note = changed(|grant| (grant.state, grant.generation) = (GrantState::Released, 0));
    let table = [
        ("no record", bytes_on("s", None)),
        ("no record on another server", bytes_on("t", None)),
        ("an older generation", on("t", &record())),
        ("an older release", on("t", &released())),
        ("another's note", on("s", &note)),
    ];
    for (what, look) in table {
        let (mut bench, claim) = Bench::running();
        bench.tick_at(110.0);
        assert_eq!(bench.refused(look.clone()), [], "{what}");
        let actions = bench.tick_at(110.6);
        let LeaseAction::Write { version, record } = &actions[0] else { panic!("{what}: {actions:?}") };
        assert_eq!(*version, look.version, "{what}");
        // Over nothing, no server is named; then at once.
        let is_blank = look.content.is_none();
        assert_eq!(record.grant.server, (!is_blank).then(|| look.server.clone()), "{what}");
        assert_eq!(record.grant.generation, claim.grant.generation, "{what}");
        assert_eq!(bench.written(&look.server, record), [deadline(110.6)], "{what}");
        assert_eq!(bench.state.wake(), Some(secs(if is_blank { 111.2 } else { 120.6 })), "{what}");
    }
}

#[test]
fn whatever_is_anothers_kills_at_once() {
    let newer = changed(|grant| grant.generation = 2_000_000);
    let same = changed(|grant| grant.generation = 1_100_000);
    let mut holder = by("b");
    holder.bot_id = Some("43".into());
    let other_bot = LeaseRecord::new(record().grant, Arc::new(holder));
    for theirs in [newer, same, other_bot] {
        let (mut bench, _) = Bench::running();
        bench.tick_at(110.0);
        let lost = LeaseAction::Lost(LossReason::Another(Box::new(theirs.clone())));
        assert_eq!(bench.refused(on("s", &theirs)), [lost, LeaseAction::Kill]);
        // Nothing is released: it is not ours.
        assert_eq!(bench.tell(&LeaseEvent::Swept), [LeaseAction::Ended(EndReason::NotOurs)]);
    }
}

/// Nothing is concluded from it, and it is not overwritten: a later answer decides, or the deadline.
#[test]
fn foreign_bytes_are_no_answer() {
    let (mut bench, _) = Bench::running();
    bench.tick_at(110.0);
    let foreign = bytes_on("s", Some(b"garbage"));
    assert_eq!(bench.refused(foreign.clone()), []);
    let actions = bench.tick_at(110.6);
    assert!(matches!(&actions[..], [LeaseAction::Write { version, .. }] if *version != foreign.version), "{actions:?}");
    bench.refused(foreign);
    assert_eq!(bench.tick_at(138.0), [LeaseAction::Lost(LossReason::Silence), LeaseAction::Term]);
}

#[test]
fn nothing_is_started_without_a_guardian() {
    let (mut bench, _) = Bench::holder();
    assert_eq!(bench.tick_at(105.0), []);
    assert_eq!(bench.tell(&LeaseEvent::GuardianGone), [LeaseAction::Guard]);
    assert_eq!(bench.tell(&LeaseEvent::Again), []);
    assert_eq!(bench.tell(&LeaseEvent::Guarded), [LeaseAction::Start { generation: 1_100_000 }]);
    // Another guardian is for the bot that runs.
    assert_eq!(bench.tell(&LeaseEvent::GuardianGone), [LeaseAction::Guard]);
    assert_eq!(bench.tell(&LeaseEvent::Guarded), []);
}

#[test]
fn a_restart_goes_through_the_gate_again() {
    let start = LeaseAction::Start { generation: 1_100_000 };
    let (mut bench, _) = Bench::running();
    assert_eq!(bench.tell(&LeaseEvent::Again), [], "beside what is left of the last one");
    assert_eq!(bench.tell(&LeaseEvent::Swept), std::slice::from_ref(&start));
    bench.tell(&LeaseEvent::Started);
    bench.tell(&LeaseEvent::Swept);
    assert_eq!(bench.tell(&LeaseEvent::GuardianGone), [], "for nothing");
    assert_eq!(bench.tell(&LeaseEvent::Again), [LeaseAction::Guard]);
    assert_eq!(bench.tell(&LeaseEvent::Guarded), [start]);
}

#[test]
fn released_is_written_only_when_all_are_dead() {
    for end in [LeaseEvent::Leave, LeaseEvent::Stop] {
        let (mut bench, claim) = Bench::running();
        assert_eq!(bench.tell(&end), []);
        // It takes its time, and keeps the lease.
        let renewal = written(&bench.tick_at(110.0));
        assert_eq!(renewal.grant.state, GrantState::Held);
        bench.written("s", &renewal);
        assert_eq!(bench.tell(&LeaseEvent::Again), []);
        let release = written(&bench.tell(&LeaseEvent::Swept));
        assert_eq!((release.grant.state, release.grant.generation), (GrantState::Released, claim.grant.generation));
        assert_eq!(bench.written("s", &release), [LeaseAction::Ended(EndReason::Released)]);
    }
}

#[test]
fn a_release_waits_for_the_renewal_in_flight() {
    let (mut bench, _) = Bench::running();
    bench.tell(&LeaseEvent::Swept);
    let renewal = written(&bench.tick_at(110.0));
    assert_eq!(bench.tell(&LeaseEvent::Leave), []);
    let actions = bench.written("s", &renewal);
    assert_eq!(written(&actions).grant.state, GrantState::Released);
}

/// It was said before the start was heard.
#[test]
fn what_was_seen_dead_before_a_start_says_nothing_about_it() {
    let (mut bench, _) = Bench::holder();
    bench.tell(&LeaseEvent::Guarded);
    assert_eq!(bench.tell(&LeaseEvent::Swept), []);
    assert_eq!(bench.tell(&LeaseEvent::Leave), []);
    assert_eq!(bench.tell(&LeaseEvent::Started), []);
    assert_eq!(written(&bench.tell(&LeaseEvent::Swept)).grant.state, GrantState::Released);
}
