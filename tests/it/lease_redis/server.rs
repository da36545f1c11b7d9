//! A redis-server of the test's own, on a port of the loopback and in a folder of the test.

use std::net::TcpListener;

use crate::harness::{Background, Signal, Test, wait_until};

/// A running server.
pub struct Server<'a> {
    test: &'a Test,
    pub port: u16,
    line: String,
    process: Option<Background>,
}

/// A port that nobody has.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl<'a> Server<'a> {
    /// Starts one in a folder of that name, with options as on its command line; it keeps nothing unless they say so.
    #[track_caller]
    pub fn start(test: &'a Test, name: &str, options: &str) -> Self {
        std::fs::create_dir(test.path(name)).unwrap();
        let port = free_port();
        let line = format!("redis-server --port {port} --bind 127.0.0.1 --dir {name} --save '' {options}");
        let mut server = Self { test, port, line, process: None };
        server.again();
        server
    }

    /// Kills it and starts it again.
    #[track_caller]
    pub fn again(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        self.process = Some(self.test.start(&self.line));
        // Without a right to PING it answers too.
        wait_until("redis-server answers", || {
            let answer = self.cli("ping");
            answer.contains("PONG") || answer.contains("NOAUTH")
        });
    }

    #[track_caller]
    pub fn kill(&mut self) {
        self.process.take().expect("a running server").kill();
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("a running server").signal(signal);
    }

    /// What redis-cli prints.
    #[track_caller]
    pub fn cli(&self, line: &str) -> String {
        let output = self.test.command(&format!("redis-cli -p {} {line}", self.port)).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// With a login, such as `user:password`.
    pub fn url_as(&self, login: &str) -> String {
        format!("redis://{login}@127.0.0.1:{}/0", self.port)
    }
}
