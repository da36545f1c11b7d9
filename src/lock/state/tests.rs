use super::*;
use std::fs::{self, write};
use std::time::{Duration, SystemTime};

use super::super::claim::judge_bare;

fn in_folder(test: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    test(&folder.path().canonicalize().unwrap().join("l"));
}

#[test]
fn absent_free_and_held() {
    in_folder(|path| {
        assert_eq!(inspect(path).state, State::Absent);
        let lock = LockFile::open(path, false).unwrap();
        assert_eq!(inspect(path).state, State::Free);
        lock.try_lock().unwrap();
        let holders = vec![Identity::own().unwrap()];
        assert_eq!(inspect(path).state, State::Held { holders, orphaned: false });
    });
}

#[test]
fn a_pid_that_is_gone_or_cannot_be_is_stale() {
    in_folder(|path| {
        write(path, "2147483646").unwrap();
        assert_eq!(inspect(path).state, State::Stale(Stale::Gone(2_147_483_646)));
        write(path, "99999999999999999999").unwrap();
        assert_eq!(inspect(path).state, State::Stale(Stale::Impossible));
        write(path, "0").unwrap();
        assert_eq!(inspect(path).state, State::Stale(Stale::Impossible));
    });
}

#[test]
fn a_living_pid_without_flock_is_not_stale() {
    in_folder(|path| {
        write(path, std::process::id().to_string()).unwrap();
        assert_eq!(inspect(path).state, State::OwnerAliveUnlocked(Identity::own().unwrap()));
    });
}

#[test]
fn a_pid_noted_before_its_process_started_is_reused() {
    in_folder(|path| {
        write(path, std::process::id().to_string()).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
        assert_eq!(inspect(path).state, State::Stale(Stale::Reused(std::process::id().into())));
    });
}

#[test]
fn pid_1_of_the_host_is_no_bot() {
    assert_eq!(judge_bare(1, None).is_err(), identity::is_initial_pid_namespace());
    in_folder(|path| {
        if !identity::is_initial_pid_namespace() {
            return;
        }
        write(path, "1").unwrap();
        assert_eq!(inspect(path).state, State::Stale(Stale::Elsewhere(1)));
    });
}

#[test]
fn a_removed_file_that_is_held_is_replaced() {
    in_folder(|path| {
        let lock = LockFile::open(path, false).unwrap();
        lock.try_lock().unwrap();
        fs::remove_file(path).unwrap();
        let holders = vec![Identity::own().unwrap()];
        assert_eq!(inspect(path).state, State::Replaced { holders: holders.clone() });
        write(path, "").unwrap();
        assert_eq!(inspect(path).state, State::Replaced { holders });
    });
}

#[test]
fn a_glance_tells_what_nobody_has_open_and_no_more() {
    in_folder(|path| {
        assert_eq!(glance(path, &[], &LocksByName::default()), None, "it may have been removed");
        write(path, "").unwrap();
        assert_eq!(glance(path, &[], &LocksByName::default()).unwrap().state, State::Free);
        write(path, "2147483646").unwrap();
        assert_eq!(glance(path, &[], &LocksByName::default()), Some(inspect(path)));
        write(path, std::process::id().to_string()).unwrap();
        assert_eq!(glance(path, &[], &LocksByName::default()), None, "whom it names lives");
        write(path, "").unwrap();
        let lock = LockFile::open(path, false).unwrap();
        assert_eq!(glance(path, &[], &LocksByName::default()), None, "somebody has it open");
        drop(lock);
        assert!(glance(path, &[], &LocksByName::default()).is_some());
    });
}

#[test]
fn a_glance_at_no_file_asks_those_who_run() {
    in_folder(|path| {
        let path = &path.with_file_name("my.lock");
        let own = [Identity::own().unwrap().pid];
        assert_eq!(glance(path, &own, &LocksByName::default()), Some(inspect(path)), "there was none");
        let lock = LockFile::open(path, false).unwrap();
        lock.try_lock().unwrap();
        assert_eq!(glance(path, &own, &LocksByName::default()), None, "there is one");
        fs::remove_file(path).unwrap();
        assert_eq!(glance(path, &own, &LocksByName::default()), None, "there was one");
        assert_eq!(glance(path, &[1], &LocksByName::default()).unwrap().state, State::Absent, "PID 1 holds none");
        let seen = LocksByName::of(own);
        assert_eq!(glance(path, &own, &seen), None, "it has been asked already");
    });
}

#[test]
fn somebodys_file_is_unreadable_unless_somebody_holds_it() {
    in_folder(|path| {
        write(path, "print('hello')").unwrap();
        let foreign = |state: State| matches!(state, State::Unreadable { why, .. } if why.contains("not a lock"));
        assert!(foreign(inspect(path).state));
        assert_eq!(glance(path, &[], &LocksByName::default()), None, "not settled");
        write(owner::path_of(path), r#"{"pid": 2147483646, "timestamp": 0.0, "app_name": "bot"}"#).unwrap();
        assert!(foreign(inspect(path).state), "a dead claim makes it no lock");
        let lock = file::open_to_look(path).unwrap();
        lock.try_lock().unwrap();
        assert!(matches!(inspect(path).state, State::Held { .. }), "flock main.py python main.py");
    });
}

#[test]
fn a_folder_is_unreadable() {
    in_folder(|path| {
        fs::create_dir(path).unwrap();
        assert!(matches!(inspect(path).state, State::Unreadable { obstacle: Obstacle::Place, .. }));
    });
}
