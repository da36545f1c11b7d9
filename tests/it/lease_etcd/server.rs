//! Members of etcd of the test's own, on ports of the loopback and in folders of the test.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::{Background, Signal, Test, wait_until};

/// One member.
pub struct Member<'a> {
    test: &'a Test,
    name: String,
    pub port: u16,
    peers: String,
    /// Where it says over plain HTTP how it is.
    health: u16,
    line: String,
    process: Option<Background>,
}

/// Ports that nobody has, and that no client is given for its own end while a member is restarted.
pub fn free_ports<const N: usize>() -> [u16; N] {
    // All open at once, so that no two are one.
    let listeners = [(); N].map(|()| {
        let mut tries = std::iter::repeat_with(|| {
            let random = RandomState::new().build_hasher().finish() % 20_000;
            TcpListener::bind(("127.0.0.1", 10_000 + u16::try_from(random).unwrap()))
        });
        tries.find_map(Result::ok).unwrap()
    });
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Members of one cluster, with a leader.
#[track_caller]
pub fn cluster<'a>(test: &'a Test, names: &[&str]) -> Vec<Member<'a>> {
    let mut members: Vec<_> = names.iter().map(|name| Member::new(test, name, "http", "")).collect();
    let all: Vec<_> = members.iter().map(|member| format!("{}={}", member.name, member.peers)).collect();
    for member in &mut members {
        member.begin(&all.join(","));
    }
    members.iter_mut().for_each(Member::wait);
    members
}

/// A URL of all of them.
pub fn url_of(members: &[Member<'_>]) -> String {
    let ports: Vec<_> = members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
    format!("etcd://{}", ports.join(","))
}

impl<'a> Member<'a> {
    /// A cluster of one, in a folder of that name, with options as on its command line.
    #[track_caller]
    pub fn start(test: &'a Test, name: &str, options: &str) -> Self {
        Self::start_with(test, name, "http", options)
    }

    /// The same; `scheme`: what its clients speak.
    #[track_caller]
    pub fn start_with(test: &'a Test, name: &str, scheme: &str, options: &str) -> Self {
        let mut member = Self::new(test, name, scheme, options);
        member.begin(&format!("{name}={}", member.peers));
        member.wait();
        member
    }

    fn new(test: &'a Test, name: &str, scheme: &str, options: &str) -> Self {
        let [port, peer, health] = free_ports();
        let peers = format!("http://127.0.0.1:{peer}");
        let line = format!(
            "etcd --name {name} --data-dir {name} --log-level error --logger zap --heartbeat-interval 50 --election-timeout 500 \
             --listen-client-urls {scheme}://127.0.0.1:{port} --advertise-client-urls {scheme}://127.0.0.1:{port} \
             --listen-peer-urls {peers} --initial-advertise-peer-urls {peers} \
             --listen-metrics-urls http://127.0.0.1:{health} {options}"
        );
        Self { test, name: name.to_owned(), port, peers, health, line, process: None }
    }

    #[track_caller]
    fn begin(&mut self, cluster: &str) {
        self.line = format!("{} --initial-cluster {cluster}", self.line);
        self.process = Some(self.test.start(&self.line));
    }

    /// Waits for it and its leader.
    #[track_caller]
    pub fn wait(&mut self) {
        let process = self.process.as_mut().expect("a running member");
        wait_until("etcd is healthy", || {
            assert!(!process.has_ended(), "etcd ended:\n{}", process.stderr());
            get(self.health, "/health").contains("\"health\":\"true\"")
        });
    }

    /// Kills it and starts it again.
    #[track_caller]
    pub fn again(&mut self) {
        self.again_with("");
    }

    /// The same with more options.
    #[track_caller]
    pub fn again_with(&mut self, options: &str) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        self.start_again(options);
        self.wait();
    }

    /// Starts one that was killed, and does not wait for it.
    #[track_caller]
    pub fn start_again(&mut self, options: &str) {
        self.process = Some(self.test.start(&format!("{} {options}", self.line)));
    }

    /// One without a name, a cluster or a URL for its peers that anybody has chosen.
    #[track_caller]
    pub fn stock(test: &'a Test, folder: &str) -> Self {
        let mut member = Self::new(test, folder, "http", "");
        let chosen = [format!("--name {folder} "), format!("--initial-advertise-peer-urls {} ", member.peers)];
        member.line = chosen.iter().fold(member.line, |line, option| line.replace(option, ""));
        member.start_again("");
        member.wait();
        member
    }

    /// Kills it, and starts it again without its data, or with those that `restored` has put there.
    #[track_caller]
    pub fn again_without_data(&mut self, restore: impl FnOnce(&Self)) {
        self.kill();
        std::fs::remove_dir_all(self.test.path(&self.name)).unwrap();
        restore(self);
        self.again();
    }

    /// As `etcdctl snapshot restore` does it without any option that it does not need.
    #[track_caller]
    pub fn restore(&self, snapshot: &str) {
        let Self { test, name, peers, .. } = self;
        let options = format!("--name {name} --data-dir {name} --initial-cluster {name}={peers}");
        let line = format!("etcdctl snapshot restore {snapshot} {options} --initial-advertise-peer-urls {peers}");
        let output = test.command(&line).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[track_caller]
    pub fn kill(&mut self) {
        self.process.take().expect("a running member").kill();
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("a running member").signal(signal);
    }

    /// What etcdctl prints.
    #[track_caller]
    pub fn ctl(&self, line: &str) -> String {
        let line = format!("etcdctl --endpoints=http://127.0.0.1:{} {line}", self.port);
        let output = self.test.command(&line).output().expect("etcdctl");
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The value of a key.
    #[track_caller]
    pub fn value(&self, key: &str) -> String {
        self.ctl(&format!("get {key} --print-value-only"))
    }

    /// Whether it leads its cluster.
    pub fn leads(&self) -> bool {
        get(self.health, "/metrics").contains("\netcd_server_is_leader 1")
    }

    /// What it answers to a POST of JSON, with its headers.
    pub fn post(&self, path: &str, body: &str) -> String {
        let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}", body.len());
        talk(self.port, &format!("{head}\r\n\r\n{body}"))
    }

    pub fn url(&self) -> String {
        format!("etcd://127.0.0.1:{}", self.port)
    }

    /// With a login, such as `user:password`.
    pub fn url_as(&self, login: &str) -> String {
        format!("etcd://{login}@127.0.0.1:{}", self.port)
    }

    /// The URL of its peers.
    pub fn peers(&self) -> &str {
        &self.peers
    }
}

fn get(port: u16, path: &str) -> String {
    talk(port, &format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
}

/// Nothing, if nobody answers.
fn talk(port: u16, request: &str) -> String {
    let mut answer = Vec::new();
    let talked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut answer)
    });
    talked.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&answer).into_owned())
}
