//! What `release.sh` makes: the Debian package goes in and out of a root of its own, the static binary runs where there
//! is nothing else.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Signal, Test, alone, peer, send, sleeper, token, wait_until};

/// A file of `target/debug-out`, by the end of its name.
#[track_caller]
pub fn made(end: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("debug-out");
    let listing = fs::read_dir(&folder).into_iter().flatten();
    let found = listing.map(|entry| entry.unwrap().path()).find(|path| path.to_str().unwrap().ends_with(end));
    found.unwrap_or_else(|| panic!("no *{end} in {}: run `bash release.sh --debug` once", folder.display()))
}

/// An empty root for dpkg, in which only libc6 is installed, as the machine has it.
#[track_caller]
fn scratch_root(test: &Test) -> String {
    for folder in ["updates", "info", "triggers"] {
        fs::create_dir_all(test.path(&format!("root/var/lib/dpkg/{folder}"))).unwrap();
    }
    fs::create_dir_all(test.path("root/var/log")).unwrap();
    let show = "${Package}:${Architecture}=${Version}\\n";
    let version = test.run(&format!("dpkg-query -W -f '{show}' libc6"));
    let mut status = String::new();
    for line in version.stdout().lines() {
        let (name, version) = line.split_once('=').unwrap();
        let (name, architecture) = name.split_once(':').unwrap();
        let _ = write!(
            status,
            "Package: {name}\nStatus: install ok installed\nMaintainer: x <x@x>\nArchitecture: {architecture}\n\
             Version: {version}\nDescription: x\n\n"
        );
    }
    version.code(0);
    test.write("root/var/lib/dpkg/status", status);
    format!("dpkg --root={} --force-not-root --no-triggers", test.name("root"))
}

/// What lies in the root, without what dpkg and rpm note there.
fn files(test: &Test) -> Vec<String> {
    let mut names = files_below(&test.path("root"));
    names.retain(|name| !name.starts_with("var/"));
    names
}

/// The files below a folder, by name.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                names.push(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    names.sort_unstable();
    names
}

#[test]
fn the_debian_package_goes_in_and_out() {
    alone(|test| {
        let package = made(".deb");
        let dpkg = scratch_root(test);
        let installed = test.run(&format!("{dpkg} -i {}", package.display()));
        installed.code(0).stdout_has(&["Setting up solobot"]).stderr();
        let files_in = files(test);
        for wanted in [
            "usr/bin/solobot",
            "usr/lib/tmpfiles.d/solobot.conf",
            "usr/share/bash-completion/completions/solobot",
            "usr/share/doc/solobot/copyright",
            "usr/share/doc/solobot/examples/systemd/tgbot.service",
            "usr/share/doc/solobot/examples/systemd/tgbot@.service",
            "usr/share/fish/vendor_completions.d/solobot.fish",
            "usr/share/man/man1/solobot-acquire.1.gz",
            "usr/share/man/man1/solobot.1.gz",
            "usr/share/man/man5/solobot.toml.5.gz",
            "usr/share/zsh/vendor-completions/_solobot",
        ] {
            assert!(files_in.iter().any(|name| name == wanted), "no {wanted} in {files_in:#?}");
        }
        // Nothing that starts or changes something by being installed.
        assert!(
            !files_in.iter().any(|name| name.starts_with("etc/") || name.contains("systemd/system/")),
            "{files_in:#?}"
        );
        let scripts: Vec<_> =
            fs::read_dir(test.path("root/var/lib/dpkg/info")).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(
            !scripts.iter().any(|path| path.to_str().unwrap().contains("inst")),
            "no maintainer script: {scripts:?}"
        );
        let version = format!("solobot {}\n", env!("CARGO_PKG_VERSION"));
        test.run(&format!("{} --version", test.name("root/usr/bin/solobot"))).code(0).stdout_is(&version);

        test.run(&format!("{dpkg} -P solobot")).code(0).stdout_has(&["Removing solobot"]).stderr();
        assert_eq!(files(test), Vec::<String>::new(), "nothing is left");
    });
}

#[test]
fn the_rpm_package_goes_in_and_out() {
    alone(|test| {
        fs::create_dir_all(test.path("root")).unwrap();
        let rpm = format!("rpm --root {} --dbpath /var/lib/rpm --nosignature", test.name("root"));
        test.run(&format!("{rpm} --initdb")).code(0);
        // Needs nothing: there is nothing else in that root.
        test.run(&format!("{rpm} -i --ignorearch {}", made(".rpm").display())).code(0).stderr_has(&[]);
        let files_in = files(test);
        for wanted in [
            "usr/bin/solobot",
            "usr/lib/tmpfiles.d/solobot.conf",
            "usr/share/bash-completion/completions/solobot",
            "usr/share/fish/vendor_completions.d/solobot.fish",
            "usr/share/man/man1/solobot-acquire.1.gz",
            "usr/share/man/man5/solobot.toml.5.gz",
            "usr/share/zsh/site-functions/_solobot",
        ] {
            assert!(files_in.iter().any(|name| name == wanted), "no {wanted} in {files_in:#?}");
        }
        let scripts = test.run(&format!("rpm -qp --nosignature --scripts {}", made(".rpm").display()));
        scripts.code(0).stdout_is("").stderr_has(&[]);
        let version = format!("solobot {}\n", env!("CARGO_PKG_VERSION"));
        test.run(&format!("chroot {} /usr/bin/solobot --version", test.name("root"))).code(0).stdout_is(&version);
        test.run(&format!("{rpm} -e solobot")).code(0).stderr_has(&[]);
        assert_eq!(files(test), Vec::<String>::new(), "nothing is left");
    });
}

#[test]
fn the_checksums_are_those_of_the_files() {
    alone(|test| {
        let sums = made("SHA256SUMS");
        let folder = sums.parent().unwrap();
        let text = fs::read_to_string(&sums).unwrap();
        for end in [".deb", ".rpm", ".whl", ".tgz", "-static.tar.gz", ".crate", ".cyclonedx.json", "  solobot"] {
            assert!(text.lines().any(|line| line.ends_with(end)), "no {end} in:\n{text}");
        }
        test.run(&format!("sh -c 'cd {} && sha256sum --quiet --check SHA256SUMS'", folder.display())).code(0);
    });
}

/// A command of whoever builds: without what cargo sets for tests, which would have dependencies built again.
pub fn builder(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    // Whatever else rustup thinks of it, no test downloads a toolchain.
    command.env("RUSTUP_AUTO_INSTALL", "0");
    command
}

/// Runs it to its end: whether it succeeded, and what it printed.
#[track_caller]
pub fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// What is packed is all that the program is built from.
#[test]
fn the_crate_builds_by_itself() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    // One folder for every run: another path is another crate to cargo, and would be kept beside it.
    let folder = target.join("packed");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    // Unpacked with the time of now: the times in a crate are years old, and cargo would take new sources for known ones.
    let (done, text) = said(builder("tar").arg("-xmzf").arg(made(".crate")).arg("-C").arg(&folder));
    assert!(done, "{text}");
    let packed = folder.join(concat!("solobot-", env!("CARGO_PKG_VERSION")));
    let mut check = builder(env!("CARGO"));
    check.args(["check", "--quiet", "--locked", "--offline", "--target-dir"]).arg(target).current_dir(packed);
    let (done, text) = said(&mut check);
    assert!(done, "{text}");
}

#[test]
fn what_is_not_committed_is_not_released() {
    let folder = tempfile::Builder::new().prefix("t").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let copy = folder.path().join("solobot");
    let (done, text) = said(builder("git").args(["clone", "--quiet", env!("CARGO_MANIFEST_DIR")]).arg(&copy));
    assert!(done, "{text}");
    fs::write(copy.join("README.md"), "changed\n").unwrap();
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join("release.sh");
    fs::copy(release, copy.join("release.sh")).unwrap();
    let (done, text) = said(builder("bash").arg("release.sh").current_dir(&copy));
    assert!(!done && text.contains("README.md") && text.contains("not yet committed"), "{text}");
}

/// A root folder with the static binary, and what it may read of `/etc`.
#[track_caller]
fn empty_root(test: &Test) {
    fs::create_dir_all(test.path("root/etc")).unwrap();
    fs::create_dir_all(test.path("root/proc")).unwrap();
    fs::copy(made("/solobot"), test.path("root/solobot")).unwrap();
    test.write("root/etc/resolv.conf", "nameserver 127.0.0.1\n");
    test.write("root/etc/hosts", "127.0.0.9 fromhosts.example\n");
    // What a desktop has, and what is not linked in.
    test.write(
        "root/etc/nsswitch.conf",
        "hosts: mdns4_minimal [NOTFOUND=return] resolve files dns\npasswd: systemd files\n",
    );
}

#[test]
fn the_static_binary_needs_nothing_but_itself() {
    alone(|test| {
        empty_root(test);
        // In there alone: the harness reads every file of the test's folder at its end.
        let within = |line: &str| {
            let mut command = test.command("unshare -m sh -c");
            command.arg(format!("mount -t proc proc root/proc && exec chroot root /solobot {line}"));
            test.start_command(command).finish()
        };
        within("--version").code(0).stdout_is(&format!("solobot {}\n", env!("CARGO_PKG_VERSION")));
        fs::copy(sleeper(), test.path("root/bot")).unwrap();
        within("check -m /bot -l /bot.lock").code(0).stdout_has(&["safe to start"]);
        within("acquire -n -l /bot.lock -- /solobot status -m /bot -l /bot.lock")
            .code(0)
            .stdout_has(&["lock /bot.lock: held by"]);
        within("acquire -n -l /bot.lock -- /none").code(127).stderr_has(&["/none"]);
    });
}

/// The image from scratch, as its Dockerfile makes it: what is copied, the folder, the health check.
#[test]
fn the_image_knows_whether_its_bot_is_well() {
    alone(|test| {
        let text = include_str!("../../packaging/Dockerfile");
        let (_, check) = text.split_once(" CMD [\"/solobot\", \"check\"").unwrap();
        assert!(text.contains("FROM scratch\nCOPY solobot /solobot\nWORKDIR /\n") && check == ", \"--running\"]\n");
        for folder in ["proc", "dev", "old"] {
            fs::create_dir_all(test.path("root").join(folder)).unwrap();
        }
        test.write("root/dev/null", "");
        fs::copy(made("/solobot"), test.path("root/solobot")).unwrap();
        // A bot that needs nothing of the host either.
        test.write("mybot.c", "#include <unistd.h>\nint main(void) { pause(); }\n");
        test.run("cc -static -o root/mybot mybot.c").code(0);
        test.run(&format!("chroot {} /solobot --version", test.name("root"))).code(0).stdout_has(&["solobot"]);
        let without = test.run(&format!("chroot {} /solobot check --running", test.name("root")));
        without.stderr_has(&[]).stdout_has(&[]).code_is_not(0);
        // As in a container: the root is the namespace's, and solobot is its PID 1.
        let mut command = test.command("unshare -mpf --kill-child sh -c");
        command.arg(
            "mount --bind root root && mount -t proc proc root/proc && mount --bind /dev/null root/dev/null && \
             cd root && pivot_root . old && exec /solobot acquire --wait forever -- /mybot",
        );
        let container = test.start_command(command);
        let text = || fs::read_to_string(test.path("root/.solobot.lock")).unwrap_or_default();
        wait_until("its bot is running", || container.descendants().len() == 2 && !matches!(text().as_str(), "" | "1"));
        let first = container.descendants()[0];
        let check = format!("nsenter -t {first} -m -p -r -w /solobot check --running");
        test.run(&check).code(0).stdout_has(&["healthy: exactly one instance"]);
        // `docker stop`.
        send(first, Signal::TERM);
        container.finish().code_is_not(0);
    });
}

/// The names that Cargo.toml gives `cargo binstall` are those in the tarball.
#[test]
fn binstall_is_told_the_names_in_the_tarball() {
    alone(|test| {
        let table = format!("overrides.{}-unknown-linux-musl]\n", std::env::consts::ARCH);
        let (_, told) = include_str!("../../Cargo.toml").split_once(&table).unwrap();
        let value = |key: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
            line.unwrap()
                .trim_end_matches('"')
                .replace("{ version }", env!("CARGO_PKG_VERSION"))
                .replace("{ bin }", "solobot")
        };
        let tarball = made(value("pkg-url").rsplit_once('/').unwrap().1);
        test.run(&format!("tar tzf {}", tarball.display())).code(0).stdout_has(&[&value("bin-dir")]);
    });
}

#[test]
fn the_static_binary_looks_names_up() {
    alone(|test| {
        empty_root(test);
        test.write("names.py", peer("names.py"));
        test.write("root/token", token());
        fs::set_permissions(test.path("root/token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let ask = |name: &str| {
            format!("delete-webhook --dry-run --timeout 5 --token-file /token --api-url http://{name}:8081")
        };
        let mut command = test.command("unshare -n sh -c");
        command.arg(format!(
            "ip link set lo up; python3 names.py ready & until [ -e ready ]; do sleep 0.05; done\n\
             chroot root /solobot {}; echo \"dns $?\"\n\
             chroot root /solobot {}; echo \"hosts $?\"\n\
             chroot root /solobot {}; echo \"unknown $?\"\n\
             kill $(cat ready)",
            ask("api.example"),
            ask("fromhosts.example"),
            ask("nobody.example"),
        ));
        let output = test.start_command(command).finish().code(0);
        let text = output.stdout().to_owned();
        assert!(
            ["dns 0", "hosts 0", "unknown 69"].iter().all(|line| text.contains(line)),
            "{text}\n{}",
            output.stderr()
        );
        assert!(output.stderr().contains("nobody.example"), "{}", output.stderr());
    });
}

#[test]
fn the_static_binary_loads_no_library_of_the_host() {
    alone(|test| {
        // What a desktop has, and a user whom `files` does not know: the next source would be asked.
        test.write("nsswitch.conf", "hosts: files mdns4_minimal [NOTFOUND=return] dns\npasswd: files systemd\n");
        test.run(&format!("mount --bind {} /etc/nsswitch.conf", test.name("nsswitch.conf"))).code(0);
        test.mount("tmpfs", "mode=755,size=256m", "/srv");
        fs::copy(sleeper(), "/srv/sleeper").unwrap();
        let bot = test.start("setpriv --reuid=4242 --regid=4242 --clear-groups /srv/sleeper");
        let name = format!("/proc/{}/comm", bot.pid());
        wait_until("it runs", || fs::read_to_string(&name).is_ok_and(|name| name == "sleeper\n"));
        let line = format!("strace -f -o trace {} status -m /srv/sleeper", made("/solobot").display());
        test.run(&line).code(0).stdout_has(&["4242"]);
        let trace = test.read("trace");
        assert!(trace.contains("/etc/passwd"), "it looks the user up");
        assert!(!trace.contains("libnss_") && !trace.contains("libc.so"), "{trace}");
    });
}
