use super::*;

/// Looks at this each second, and says after how many seconds it is claimed.
fn claimed_after(bench: &mut Bench, look: &RegisterLook) -> f64 {
    let begin = bench.now;
    let mut actions = bench.looks(look.clone());
    while !is_claim(&actions) {
        let wake = bench.state.wake().unwrap().as_secs_f64();
        actions = bench.tick_at(wake);
        if actions == [LeaseAction::Look] {
            actions = bench.sees(look.clone());
        }
        assert!(bench.now - begin < 2000.0, "never claimed");
    }
    bench.now - begin
}

#[test]
fn how_long_each_sight_is_watched() {
    let of_our_lock = LeaseRecord::new(record().grant, Arc::new(by("a")));
    let note = changed(|grant| (grant.state, grant.generation) = (GrantState::Released, 0));
    let table = [
        ("released here", on("s", &released()), 0.0),
        ("released on another server", on("t", &released()), 60.0),
        ("held", on("s", &record()), 60.0),
        ("a note that names the server", on("s", &note), 60.0),
        ("a shorter TTL", on("s", &changed(|grant| grant.ttl_ms = 5000)), 60.0),
        ("a longer TTL", on("s", &changed(|grant| grant.ttl_ms = 100_000)), 100.0),
        ("a TTL that nobody can have", on("s", &changed(|grant| grant.ttl_ms = u64::MAX)), 600.0),
        ("foreign bytes", bytes_on("s", Some(b"garbage")), 600.0),
        ("a generation that makes no sense", on("s", &changed(|grant| grant.generation = u64::MAX)), 600.0),
        ("of our lock, while nobody has looked whether it runs", on("s", &of_our_lock), 60.0),
    ];
    for (what, look, expected) in table {
        assert!((claimed_after(&mut Bench::new(), &look) - expected).abs() < 1e-6, "{what}");
    }
}

/// 1c.
#[test]
fn where_nobody_runs_our_own_locks_record_is_claimed_at_once() {
    let ours = |change: fn(&mut LeaseHolder)| {
        let mut holder = by("a");
        change(&mut holder);
        LeaseRecord::new(record().grant, Arc::new(holder))
    };
    let nobodys = changed(|grant| (grant.state, grant.generation) = (GrantState::Released, 0)).grant;
    let note = LeaseRecord::new(nobodys, Arc::new(by("a")));
    let table = [
        ("of our lock", on("s", &ours(|_| {})), true),
        ("of another boot", on("s", &ours(|holder| holder.boot_id = "before".into())), false),
        ("of another lock", on("s", &ours(|holder| holder.lock = (1, 3))), false),
        ("on another server", on("t", &ours(|_| {})), false),
        ("a note of our own, beside which a holder elsewhere may run", on("s", &note), false),
    ];
    for (what, look, expected) in table {
        let mut bench = Bench::new();
        assert_eq!(bench.tell(&LeaseEvent::NobodyHere), [LeaseAction::Look]);
        assert_eq!(is_claim(&bench.sees(look.clone())), expected, "{what}");
        // It may be said later, too.
        let mut bench = Bench::new();
        bench.looks(look);
        assert_eq!(is_claim(&bench.tell(&LeaseEvent::NobodyHere)), expected, "{what}");
    }
}

#[test]
fn a_claim_compares_what_was_watched_and_grows() {
    let mut bench = Bench::new();
    let look = on("s", &released());
    let actions = bench.looks(look.clone());
    let LeaseAction::Write { version, record } = actions.last().unwrap() else { panic!("{actions:?}") };
    assert_eq!(*version, look.version);
    assert_eq!((record.grant.generation, record.grant.server.as_deref()), (1_100_000, Some("s")));
    assert_eq!((record.grant.holder.as_str(), record.grant.ttl_ms), ("me", 60_000));
    let mut bench = Bench::new();
    let ahead = changed(|grant| (grant.state, grant.generation) = (GrantState::Released, 9_000_000));
    assert_eq!(written(&bench.looks(on("s", &ahead))).grant.generation, 9_000_001);
}

#[test]
fn whatever_changes_restarts_the_watch() {
    let table = [
        ("a renewal", on("s", &changed(|grant| grant.renewal = 4))),
        ("another server", on("t", &record())),
        ("foreign bytes", bytes_on("s", Some(b"garbage"))),
        ("another version of the same", RegisterLook { version: Version(vec![9]), ..on("s", &record()) }),
    ];
    for (what, look) in table {
        let mut bench = Bench::new();
        bench.looks(on("s", &record()));
        bench.tick_at(159.0);
        bench.sees(look.clone());
        assert!(claimed_after(&mut bench, &look) >= 59.0, "{what}");
    }
}

/// What we have left there ourselves is no holder's record.
#[test]
fn our_own_note_is_watched_too() {
    let mut bench = Bench::new();
    bench.tell(&LeaseEvent::NobodyHere);
    let first = written(&bench.sees(bytes_on("s", None)));
    bench.written("s", &first);
    let second = written(&bench.tick_at(101.0));
    assert!(!is_claim(&bench.written("s", &second)));
    assert!((claimed_after(&mut bench, &on("s", &second)) - 60.0).abs() < 1.0);
}

/// There is nothing to watch, until a note is there that names the server.
#[test]
fn where_no_record_is_two_notes_come_first() {
    let mut bench = Bench::new();
    let first = written(&bench.looks(bytes_on("s", None)));
    assert_eq!((first.grant.state, first.grant.generation, &first.grant.server), (GrantState::Released, 0, &None));
    assert!(!is_claim(&bench.written("t", &first)));
    let second = written(&bench.tick_at(101.0));
    assert_eq!((second.grant.generation, second.grant.server.as_deref()), (0, Some("t")));
    assert_ne!(second.grant.renewal, first.grant.renewal);
    let told = bench.written("t", &second);
    let watched = Watched { since: secs(101.0), until: secs(161.0) };
    assert_eq!(told, [LeaseAction::Waits(WaitReason::FirstUse { watched })]);
    assert!((claimed_after(&mut bench, &on("t", &second)) - 60.0).abs() < 1.0);
}

#[test]
fn a_claim_that_another_server_carried_out_grants_nothing() {
    let mut bench = Bench::new();
    let claim = written(&bench.looks(on("s", &released())));
    let told = bench.written("t", &claim);
    assert!(matches!(told[..], [LeaseAction::Waits(WaitReason::Holder { .. })]), "{told:?}");
    assert!((claimed_after(&mut bench, &on("t", &claim)) - 60.0).abs() < 1.0);
}

#[test]
fn an_unknown_claim_is_seen_by_the_next_one() {
    let mut bench = Bench::new();
    let first = written(&bench.looks(on("s", &released())));
    bench.now = 103.0;
    // At once, with another number.
    let second = written(&bench.hears_nothing());
    assert_eq!(second.grant.generation, first.grant.generation);
    assert_ne!(second.grant.renewal, first.grant.renewal);
    bench.now = 104.0;
    // The first was carried out, and nobody knows when it was sent: a third one.
    let third = &bench.refused(on("s", &first))[..];
    assert!(matches!(third, [LeaseAction::Write { version, .. }] if *version == on("s", &first).version), "{third:?}");
    let third = written(third);
    assert_eq!(bench.written("s", &third), [deadline(104.0), LeaseAction::Guard]);
}

#[test]
fn a_grant_counts_from_the_sending_of_its_claim() {
    let mut bench = Bench::new();
    let claim = written(&bench.looks(on("s", &released())));
    bench.now = 102.0;
    assert_eq!(bench.written("s", &claim), [deadline(100.0), LeaseAction::Guard]);
}

/// solobot was stopped while the answer lay there.
#[test]
fn a_grant_that_came_too_late_is_claimed_again() {
    let mut bench = Bench::new();
    let claim = written(&bench.looks(on("s", &released())));
    bench.now = 138.0;
    let again = written(&bench.written("s", &claim));
    assert_eq!(bench.written("s", &again), [deadline(138.0), LeaseAction::Guard]);
}

#[test]
fn who_leaves_releases_an_unknown_claim_once() {
    let claiming = || {
        let mut bench = Bench::new();
        let claim = written(&bench.looks(on("s", &released())));
        assert_eq!(bench.tell(&LeaseEvent::Leave), []);
        (bench, claim)
    };
    // It was carried out, or nobody knows.
    for is_known in [true, false] {
        let (mut bench, claim) = claiming();
        let release = written(&if is_known { bench.written("s", &claim) } else { bench.hears_nothing() });
        assert_eq!((release.grant.state, release.grant.generation), (GrantState::Released, claim.grant.generation));
        assert_eq!(bench.written("s", &release), [LeaseAction::Ended(EndReason::Released)]);
        assert_eq!(bench.state.wake(), None);
    }
    // It was refused.
    let (mut bench, _) = claiming();
    assert_eq!(bench.refused(on("s", &record())).last(), Some(&LeaseAction::Ended(EndReason::NeverHad)));
    // It was carried out where it grants nothing: there, somebody else may have it.
    let (mut bench, claim) = claiming();
    assert_eq!(bench.written("t", &claim).last(), Some(&LeaseAction::Ended(EndReason::NeverHad)));
}

#[test]
fn who_leaves_without_a_claim_just_ends() {
    let mut bench = Bench::new();
    bench.looks(on("s", &record()));
    assert_eq!(bench.tell(&LeaseEvent::Leave), [LeaseAction::Ended(EndReason::NeverHad)]);
}

#[test]
fn another_bots_record_is_refused() {
    let mut holder = by("b");
    holder.bot_id = Some("43".into());
    let theirs = LeaseRecord::new(released().grant, Arc::new(holder));
    let told = Bench::new().looks(on("s", &theirs));
    assert_eq!(told, [LeaseAction::Ended(EndReason::OtherBot(Box::new(theirs)))]);
    let mut nameless = Bench::with(|holder| holder.bot_id = None);
    assert!(is_claim(&nameless.looks(on("s", &released()))));
}

#[test]
fn another_ttl_is_noticed_once() {
    let mut bench = Bench::new();
    let theirs = |renewal| on("s", &changed(|grant| (grant.ttl_ms, grant.renewal) = (30_000, renewal)));
    assert!(bench.looks(theirs(1)).contains(&LeaseAction::OtherTtl(secs(30.0))));
    assert!(!bench.looks(theirs(2)).contains(&LeaseAction::OtherTtl(secs(30.0))));
}

/// A longer TTL is remembered where the engine has lost the record that said so.
#[test]
fn a_longer_ttl_counts_on() {
    let mut bench = Bench::new();
    bench.looks(on("s", &changed(|grant| grant.ttl_ms = 100_000)));
    let other = on("t", &record());
    // The second look comes half a second after the first.
    assert!((claimed_after(&mut bench, &other) - 100.5).abs() < 1e-6);
}
