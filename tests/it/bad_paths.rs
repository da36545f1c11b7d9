//! Lock paths that must not be one: a clear error with path, reason and remedy; nothing is created, truncated, removed.

use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;

use crate::harness::{PUBLIC, Test, alone};

/// Every subcommand meets the path `bot.lock`; `acquire` refuses it with `code`, naming the path and `why`.
#[track_caller]
fn refused(test: &Test, lock: &str, code: i32, why: &[&str]) {
    let before = test.snapshot();
    for options in ["-n", "-w 1", "-n -F", "-n --lock-only", "-n --handover", "-n --takeover"] {
        let output = test.solobot(&format!("acquire {options} -l {lock} -- touch ran")).run().code(code);
        output.stderr_has(&[&test.name(lock)]).stderr_has(why).nowhere("panicked");
    }
    let json = test.solobot(&format!("check --json -l {lock}")).run().settled();
    assert!(json.stdout().starts_with('{'), "an error is an object too: {}", json.stdout());
    test.solobot(&format!("status -l {lock}")).run().code(0).stdout_has(&[&test.name(lock)]);
    for line in ["release -y -l", "clean-stale", "check -l"] {
        test.solobot(&format!("{line} {lock}")).run().settled();
    }
    // What is a lock, only on a bad disk, may be removed.
    if code == 78 {
        test.solobot(&format!("clean-stale --remove {lock}")).run().settled();
    }
    let after = test.snapshot();
    let changed: Vec<_> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.is_empty(), "created, truncated or removed: {changed:?}");
    assert!(!test.has("ran"), "COMMAND ran without a lock");
}

#[test]
fn a_folder() {
    alone(|test| {
        fs::create_dir(test.path("bot.lock")).unwrap();
        refused(test, "bot.lock", 78, &["folder"]);
    });
}

#[test]
fn a_fifo() {
    alone(|test| {
        test.run("mkfifo bot.lock").code(0);
        refused(test, "bot.lock", 78, &["FIFO"]);
    });
}

#[test]
fn a_socket() {
    alone(|test| {
        std::env::set_current_dir(test.dir()).unwrap();
        let _listener = UnixListener::bind("bot.lock").unwrap();
        refused(test, "bot.lock", 78, &["socket"]);
    });
}

#[test]
fn a_device() {
    alone(|test| {
        // A user namespace may not make device nodes, but it has one to bind.
        test.write("bot.lock", "");
        test.run(&format!("mount --bind /dev/null {}", test.name("bot.lock"))).code(0);
        refused(test, "bot.lock", 78, &["device"]);
    });
}

#[test]
fn a_symlink_also_a_dangling_one() {
    alone(|test| {
        test.write("target", "");
        symlink("target", test.path("bot.lock")).unwrap();
        refused(test, "bot.lock", 78, &["symlink"]);
        assert_eq!(test.read("target"), "");
        symlink("nowhere", test.path("dangling.lock")).unwrap();
        refused(test, "dangling.lock", 78, &["symlink"]);
        assert!(!test.has("nowhere"), "created through a dangling symlink");
    });
}

#[test]
fn a_symlinked_folder_above_is_fine() {
    alone(|test| {
        fs::create_dir(test.path("real")).unwrap();
        symlink("real", test.path("linked")).unwrap();
        test.solobot("acquire -n -l linked/bot.lock -- true").run().code(0);
        assert!(test.has("real/bot.lock"));
    });
}

#[test]
fn a_hard_link() {
    alone(|test| {
        test.write("precious", "");
        fs::hard_link(test.path("precious"), test.path("bot.lock")).unwrap();
        refused(test, "bot.lock", 78, &["hard link"]);
    });
}

#[test]
fn a_missing_folder() {
    alone(|test| refused(test, "no/such/bot.lock", 73, &["mkdir"]));
}

#[test]
fn a_file_where_a_folder_should_be() {
    alone(|test| {
        test.write("file", "");
        refused(test, "file/bot.lock", 73, &["file"]);
    });
}

#[test]
fn a_read_only_file_system() {
    alone(|test| {
        test.mount("tmpfs", "size=1m", "ro");
        test.write("ro/old.lock", "");
        test.run(&format!("mount -o remount,ro {}", test.name("ro"))).code(0);
        refused(test, "ro/new.lock", 73, &["ead-only"]);
        refused(test, "ro/old.lock", 73, &["ead-only"]);
    });
}

#[test]
fn a_full_file_system() {
    alone(|test| {
        test.mount("tmpfs", "size=64k", "full");
        fs::write(test.path("full/ballast"), vec![0; 65536]).unwrap();
        test.write("full/old.lock", "");
        refused(test, "full/old.lock", 73, &["full"]);
        // No inode left to create it with.
        test.mount("tmpfs", "size=64k,nr_inodes=2", "few");
        fs::write(test.path("few/ballast"), "").unwrap();
        refused(test, "few/new.lock", 73, &["no space"]);
    });
}

#[test]
fn the_kernels_own_file_systems() {
    alone(|test| {
        let other = test.start("tail -f /dev/null");
        let score = format!("/proc/{}/oom_score_adj", other.pid());
        // One file of it alone, and folders of it.
        test.write("bot.lock", "");
        test.run(&format!("mount --bind {score} {}", test.name("bot.lock"))).code(0);
        refused(test, "bot.lock", 78, &["procfs"]);
        test.mount("cgroup2", "rw", "cgroup");
        test.mount("devpts", "newinstance", "pts");
        let before = [&score, "/proc/sys/kernel/pid_max"].map(|path| fs::read_to_string(path).unwrap());
        for (lock, kind) in [
            (score.as_str(), "procfs"),
            ("/proc/sys/kernel/pid_max", "procfs"),
            ("/proc/bot.lock", "procfs"),
            ("/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan", "sysfs"),
            ("/sys/kernel/bot.lock", "sysfs"),
            ("cgroup/cgroup.procs", "cgroupfs"),
            ("cgroup/bot.lock", "cgroupfs"),
            ("pts/bot.lock", "devpts"),
        ] {
            for options in ["-n", "-n --allow-network-fs", "-w 1 --lock-only"] {
                let output = test.solobot(&format!("acquire {options} -l {lock} -- touch ran")).run().code(78);
                let _ = output.stderr_has(&[lock, kind, "--lock PATH"]);
            }
            for line in ["check -l", "release -y -l", "clean-stale", "clean-stale --remove"] {
                let output = test.solobot(&format!("{line} {lock}")).run().settled().code(78);
                assert!(format!("{}{}", output.stdout(), output.stderr()).contains(kind), "{line} {lock}");
            }
            test.solobot(&format!("status -l {lock}")).run().code(0).stdout_has(&[lock, kind]);
        }
        assert!(!test.has("ran"));
        assert_eq!([&score, "/proc/sys/kernel/pid_max"].map(|path| fs::read_to_string(path).unwrap()), before);
    });
}

#[test]
fn too_long_a_name() {
    alone(|test| {
        let name = "x".repeat(300);
        test.solobot(&format!("acquire -n -l {name} -- true")).run().settled().stderr_has(&[&name]);
        let path = "y/".repeat(3000);
        test.solobot(&format!("acquire -n -l {path}bot.lock -- true")).run().settled();
    });
}

#[test]
fn what_a_name_may_hold() {
    alone(|test| {
        for name in ["a b.lock", "ü.lock", "-dash.lock", "new\nline.lock", "*.lock"] {
            test.solobot("acquire -n").arg(format!("--lock={name}")).arg("--").arg("true").run().code(0);
            assert!(test.has(name), "{name:?}");
        }
        let name = std::ffi::OsString::from_vec(b"\xff.lock".to_vec());
        test.solobot("acquire -n -l").arg(&name).arg("--").arg("true").run().code(0);
        assert!(test.dir().join(&name).exists(), "a name that is no UTF-8");
        test.solobot("status -l").arg(&name).run().code(0).stdout_has(&[".lock"]);
        test.solobot("status --json -l").arg(&name).run().code(0).stdout_has(&[".lock"]);
        // Control characters never reach a terminal as such.
        test.solobot("status").arg("--lock=esc\u{1b}[31m.lock").run().code(0).stdout_has(&["esc"]).nowhere("\u{1b}");
    });
}

#[test]
fn an_empty_name() {
    alone(|test| test.solobot("acquire -n --lock= -- true").run().settled().code_is_not(0));
}

#[test]
fn a_large_file() {
    alone(|test| {
        File::create(test.path("bot.lock")).unwrap().set_len(100 << 20).unwrap();
        refused(test, "bot.lock", 78, &["not a lock"]);
    });
}

#[test]
fn foreign_content() {
    alone(|test| {
        let cases: [(&str, &[u8]); 6] = [
            ("binary.lock", b"\x00\x01\x02\xff\xfe"),
            ("main.py", b"print('hello')\n"),
            ("words.lock", b"do not delete"),
            ("minus.lock", b"-1"),
            ("digits.lock", b"123456789012345678901234567890123"),
            ("nul.lock", b"42\x00"),
        ];
        for (name, content) in cases {
            test.write(name, content);
            refused(test, name, 78, &["not a lock"]);
            assert_eq!(fs::read(test.path(name)).unwrap(), content);
        }
        // White space and digits, 32 bytes: as PID files have it.
        for content in ["42\n", "  42  \r\n", "\n", "00000000000000000000000000000042"] {
            test.write("pid.lock", content);
            test.solobot("acquire -n -l pid.lock -- cat pid.lock").run().code(0).stdout_has(&[]).nowhere("42\n");
        }
    });
}

#[test]
fn a_foreign_owner_in_a_world_writable_folder() {
    alone(|test| {
        fs::set_permissions(test.dir(), Permissions::from_mode(0o1777)).unwrap();
        test.write("bot.lock", "");
        chown(test.path("bot.lock"), Some(1), Some(1)).unwrap();
        fs::set_permissions(test.path("bot.lock"), Permissions::from_mode(0o666)).unwrap();
        let before = test.snapshot();
        let seen = format!("{PUBLIC}/work/bot.lock");
        test.solobot_as(65534, "acquire -n -l bot.lock -- true").code(78).stderr_has(&[&seen, "sudo -u", "solobot"]);
        assert_eq!(test.snapshot(), before);
        // Root accepts any owner; anybody accepts root's and their own.
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
        chown(test.path("bot.lock"), Some(65534), None).unwrap();
        test.solobot_as(65534, "acquire -n -l bot.lock -- true").code(0);
        test.solobot_as(65534, "acquire -n -l new.lock -- true").code(0);
    });
}

#[test]
fn an_unreadable_file() {
    alone(|test| {
        fs::set_permissions(test.dir(), Permissions::from_mode(0o755)).unwrap();
        test.write("bot.lock", "");
        fs::set_permissions(test.path("bot.lock"), Permissions::from_mode(0o600)).unwrap();
        let before = test.snapshot();
        let seen = format!("{PUBLIC}/work/bot.lock");
        test.solobot_as(65534, "acquire -n -l bot.lock -- true").code(77).stderr_has(&[&seen]);
        test.solobot_as(65534, "check -l bot.lock").settled().code(77);
        test.solobot_as(65534, "status -l bot.lock").code(0).stdout_has(&[&seen]);
        test.solobot_as(65534, "acquire -n -l new.lock -- true").code(77).stderr_has(&["new.lock"]);
        assert_eq!(test.snapshot(), before);
    });
}

#[test]
fn a_file_that_can_only_be_read_is_locked_without_a_pid() {
    alone(|test| {
        fs::set_permissions(test.dir(), Permissions::from_mode(0o755)).unwrap();
        test.write("bot.lock", "");
        test.solobot_as(65534, "acquire -n -l bot.lock -- sh -c 'flock -n bot.lock true; echo $?'")
            .code(0)
            .stdout_is("1\n")
            .stderr_has(&["its PID was not recorded"]);
    });
}

#[test]
fn protected_regular_files_are_opened_without_creating() {
    const SYSCTL: &str = "/proc/sys/fs/protected_regular";
    /// Puts the machine's own value back.
    struct Restore(String);
    impl Drop for Restore {
        fn drop(&mut self) {
            fs::write(SYSCTL, &self.0).expect("restore fs.protected_regular");
        }
    }
    alone(|test| {
        let old = fs::read_to_string(SYSCTL).unwrap();
        let _restore = (old.trim() == "0").then(|| {
            fs::write(SYSCTL, "1").expect("fs.protected_regular is 0 here, and only root may set it: run as root");
            Restore(old.clone())
        });
        // With O_CREAT the kernel refuses this file even to root.
        fs::set_permissions(test.dir(), Permissions::from_mode(0o1777)).unwrap();
        test.write("bot.lock", "");
        chown(test.path("bot.lock"), Some(65534), Some(65534)).unwrap();
        chown(test.dir(), Some(1), Some(1)).unwrap();
        let refused = fs::OpenOptions::new().write(true).create(true).truncate(false).open(test.path("bot.lock"));
        assert!(refused.is_err(), "the kernel did not refuse: the test shows nothing");
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
    });
}

#[test]
fn roots_new_file_in_a_users_folder_is_the_users() {
    alone(|test| {
        use std::os::unix::fs::MetadataExt;
        chown(test.dir(), Some(65534), Some(65534)).unwrap();
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
        assert_eq!(test.path("bot.lock").metadata().unwrap().uid(), 65534);
    });
}

#[test]
fn allowing_network_file_systems_changes_nothing_on_a_local_one() {
    alone(|test| {
        test.mount("tmpfs", "size=1m", "local");
        test.solobot("acquire -n -l local/bot.lock -- true").run().code(0);
        test.solobot("acquire -n --allow-network-fs -l local/bot.lock -- true").run().code(0);
    });
}
