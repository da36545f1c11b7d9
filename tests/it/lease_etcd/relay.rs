//! A wire to a member that a test can cut: its connections stand, or are made, and nothing comes through.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Whole,
    /// Requests arrive, answers are lost.
    Deaf,
    Cut,
    /// What is sent arrives once the wire is whole again, even if its sender has gone.
    Held,
}

/// It ends with the test's process.
pub struct Relay {
    pub port: u16,
    state: Arc<RelayState>,
}

#[derive(Default)]
struct RelayState {
    wire: AtomicU8,
    accepted: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// To a port of the loopback.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(RelayState::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                    shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                }
                let ways = [(&client, &server, Wire::Cut), (&server, &client, Wire::Deaf)];
                for (from, to, stopped_by) in ways.map(|(from, to, by)| (from.try_clone(), to.try_clone(), by)) {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || carry(from.unwrap(), to.unwrap(), stopped_by, &shared));
                }
            }
        });
        Self { port, state }
    }

    pub fn set(&self, wire: Wire) {
        self.state.wire.store(wire as u8, Ordering::SeqCst);
    }

    /// How many connections were made.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Closes all connections.
    pub fn close(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn url(&self) -> String {
        format!("etcd://127.0.0.1:{}", self.port)
    }
}

/// What was lost stays lost.
fn carry(mut from: TcpStream, mut to: TcpStream, stopped_by: Wire, shared: &RelayState) {
    let mut block = [0; 16384];
    while let Ok(length) = from.read(&mut block) {
        if length == 0 {
            break;
        }
        let wire = || shared.wire.load(Ordering::SeqCst);
        while wire() == Wire::Held as u8 {
            thread::sleep(Duration::from_millis(5)); // A condition that the test makes true.
        }
        let is_lost = wire() >= stopped_by as u8;
        if !is_lost && to.write_all(&block[..length]).is_err() {
            break;
        }
    }
    // A server drops the request of a client that it sees leave.
    if stopped_by == Wire::Deaf {
        let _ = to.shutdown(Shutdown::Both);
    }
}

/// A port that takes no connection and refuses none, as behind a firewall that drops packets; as long as the value lives.
pub struct Silence {
    _listener: TcpListener,
    _clients: Vec<TcpStream>,
    pub port: u16,
}

impl Silence {
    /// A queue of connections that is full, and that nobody empties.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        while let Ok(client) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            clients.push(client);
        }
        Self { _listener: listener, _clients: clients, port: address.port() }
    }
}
