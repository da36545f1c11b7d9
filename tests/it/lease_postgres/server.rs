//! A server of PostgreSQL of the test's own, and a pooler before it: on ports of the loopback, in folders of the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Background, PUBLIC, Signal, Test, wait_until};
use crate::lease_redis::server::free_port;

/// Neither program runs as root.
const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// In a namespace of its own, so that a server that is killed leaves no shared memory behind.
const ALONE: &str = "unshare -i";

/// A running server.
pub struct Server<'a> {
    test: &'a Test,
    pub port: u16,
    pub folder: String,
    line: String,
    process: Option<Background>,
}

/// Where Debian puts the newest server's programs.
pub fn program(name: &str) -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL: run `bash tests/run.sh --setup` once");
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(version).expect("a version of PostgreSQL");
    newest.join("bin").join(name).to_str().expect("UTF-8").to_owned()
}

/// A folder that NOBODY sees and owns.
#[track_caller]
pub fn place(test: &Test, name: &str) -> String {
    if !test.has("public") {
        std::fs::create_dir(test.path("public")).unwrap();
        test.mount_bind("public", PUBLIC);
    }
    let folder = format!("{PUBLIC}/{name}");
    std::fs::create_dir(&folder).unwrap();
    give_away(Path::new(&folder));
    folder
}

/// Makes a file NOBODY's.
#[track_caller]
pub fn give_away(path: &Path) {
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
}

#[track_caller]
pub fn run(test: &Test, line: &str) -> String {
    finish(&mut test.command(line))
}

#[track_caller]
fn finish(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl<'a> Server<'a> {
    /// Starts one in a folder of that name, with options as on its command line; it trusts everybody.
    #[track_caller]
    pub fn start(test: &'a Test, name: &str, options: &str) -> Self {
        Self::made_with(test, name, "-E UTF8", options)
    }

    /// `made_with`: options of initdb.
    #[track_caller]
    pub fn made_with(test: &'a Test, name: &str, made_with: &str, options: &str) -> Self {
        let folder = place(test, name);
        let initdb = program("initdb");
        run(
            test,
            &format!("{NOBODY} {initdb} -D {folder}/data -U postgres -A trust --no-locale --no-sync {made_with}"),
        );
        Self::in_folder(test, folder, options)
    }

    /// Another one, that follows this one.
    #[track_caller]
    pub fn standby(&self, name: &str) -> Self {
        let folder = place(self.test, name);
        let backup = program("pg_basebackup");
        let from = format!("-h 127.0.0.1 -p {} -U postgres", self.port);
        run(self.test, &format!("{NOBODY} {backup} {from} -D {folder}/data -R -X stream -c fast --no-sync"));
        Self::in_folder(self.test, folder, "")
    }

    #[track_caller]
    fn in_folder(test: &'a Test, folder: String, options: &str) -> Self {
        let port = free_port();
        let line = format!(
            "{ALONE} {NOBODY} {} -D {folder}/data -p {port} -c listen_addresses=127.0.0.1,127.0.0.2 -c unix_socket_directories= \
             -c dynamic_shared_memory_type=mmap -c fsync=off -c shared_buffers=4MB -c max_wal_size=64MB {options}",
            program("postgres"),
        );
        let mut server = Self { test, port, folder, line, process: None };
        server.launch();
        server
    }

    #[track_caller]
    fn launch(&mut self) {
        self.process = Some(self.test.start(&self.line));
        wait_until("PostgreSQL answers", || self.try_psql("SELECT 1").is_some());
    }

    /// Kills it as a power cut does, and starts it again.
    #[track_caller]
    pub fn crash(&mut self) {
        self.kill();
        self.launch();
    }

    /// Stops it in order, and starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        let mut process = self.process.take().expect("a running server");
        process.signal(Signal::INT);
        wait_until("PostgreSQL has ended", || process.has_ended());
        self.launch();
    }

    #[track_caller]
    pub fn kill(&mut self) {
        self.process.take().expect("a running server").kill();
    }

    /// Signals all of its processes.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("a running server");
        for pid in process.descendants() {
            crate::harness::send_to(pid, signal);
        }
        process.signal(signal);
    }

    /// Puts this before all that its `pg_hba.conf` says.
    #[track_caller]
    pub fn allow(&self, lines: &str) {
        let path = format!("{}/data/pg_hba.conf", self.folder);
        let whole = format!("{lines}\n{}", std::fs::read_to_string(&path).unwrap());
        std::fs::write(path, whole).unwrap();
        assert_eq!(self.psql("SELECT pg_reload_conf()"), "t");
        wait_until("the rules are read", || {
            let first = lines.split_whitespace().next().unwrap();
            self.try_psql(&format!("SELECT 1 FROM pg_hba_file_rules WHERE line_number = 1 AND type = '{first}'"))
                .is_some()
        });
    }

    /// What psql prints, for the superuser.
    #[track_caller]
    pub fn psql(&self, query: &str) -> String {
        finish(&mut self.psql_command(&[query]))
    }

    fn try_psql(&self, query: &str) -> Option<String> {
        let output = self.psql_command(&[query]).output().expect("psql");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// psql with these lines, one transaction each unless they say otherwise.
    pub fn psql_command(&self, lines: &[&str]) -> Command {
        let line = format!("{} -h 127.0.0.1 -p {} -U postgres -d postgres -XAtq", program("psql"), self.port);
        let mut command = self.test.command(&line);
        for line in lines {
            command.args(["-c", line]);
        }
        command
    }

    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// With a login, such as `user:password`.
    pub fn url_as(&self, login: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/postgres", self.port)
    }
}

/// A running pgbouncer.
pub struct Pooler {
    pub port: u16,
    _process: Background,
}

impl Pooler {
    /// `users`: lines of its `auth_file`; `settings`: lines of its configuration.
    #[track_caller]
    pub fn start(test: &Test, name: &str, server_port: u16, users: &str, settings: &str) -> Self {
        let folder = place(test, name);
        let port = free_port();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_file = {folder}/users\n{settings}\n",
        );
        std::fs::write(format!("{folder}/users"), users).unwrap();
        std::fs::write(format!("{folder}/pgbouncer.ini"), configuration).unwrap();
        let process = test.start(&format!("{NOBODY} /usr/sbin/pgbouncer {folder}/pgbouncer.ini"));
        wait_until("pgbouncer listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, _process: process }
    }

    pub fn url_as(&self, login: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/postgres", self.port)
    }
}
