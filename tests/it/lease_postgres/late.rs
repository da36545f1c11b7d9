//! Sets that the server carries out when their sender has long gone, and locks that are not waited for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use solobot::lease::engine::EngineErrorKind::Unreachable;

use super::server::Server;
use crate::harness::{Background, Test, alone, wait_until};
use crate::registers::{AMPLE, SHORT, fails, look, register, text, write};

/// A way to a server that can be cut so that only the client notices.
struct Relay {
    port: u16,
    clients: Arc<Mutex<Vec<TcpStream>>>,
    /// Kept open.
    _servers: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (clients, servers) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (to_clients, to_servers) = (Arc::clone(&clients), Arc::clone(&servers));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server_port)).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || copy(from, to));
                }
                to_clients.lock().unwrap().push(client);
                to_servers.lock().unwrap().push(server);
            }
        });
        Self { port, clients, _servers: servers }
    }

    fn cut(&self) {
        for client in self.clients.lock().unwrap().iter() {
            client.shutdown(Shutdown::Both).unwrap();
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16384];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => to.write_all(&buffer[..length])?,
        }
    }
}

/// A transaction that does this to the row, and ends when [`let_go`] says so.
#[track_caller]
fn hold_row(test: &Test, server: &Server<'_>, deed: &str) -> Background {
    server.psql("CREATE TABLE IF NOT EXISTS go (); TRUNCATE go");
    let wait = "DO 'BEGIN WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.01); END LOOP; END'";
    let holder = test.start_command(server.psql_command(&["BEGIN", deed, wait, "COMMIT"]));
    let is_there = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO%' AND state = 'active'";
    wait_until("the row is locked", || server.psql(is_there) == "1");
    holder
}

fn let_go(server: &Server<'_>, holder: Background) {
    server.psql("INSERT INTO go DEFAULT VALUES");
    holder.finish().code(0).settled().stderr();
}

/// How many of our sessions wait for a lock.
fn waiting(server: &Server<'_>) -> String {
    server.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'solobot' AND wait_event_type = 'Lock'")
}

/// Sends a set that waits for the row's lock, and cuts it off there.
#[track_caller]
fn cut_off(server: &Server<'_>, record: &'static str) {
    let relay = Relay::to(server.port);
    let mut sender = register(&format!("postgres://postgres@127.0.0.1:{}/postgres", relay.port));
    let seen = look(&mut *sender);
    thread::scope(|scope| {
        let set = scope.spawn(move || sender.set_if(&seen.version, record.as_bytes(), AMPLE));
        wait_until("it waits for the lock", || waiting(server) == "1");
        relay.cut();
        set.join().unwrap().unwrap_err();
    });
    assert_eq!(waiting(server), "1", "the server goes on");
}

#[test]
fn a_set_whose_sender_has_gone_never_overwrites_a_newer_record() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "first");
        let newer = [
            "UPDATE solobot_lease SET version = version + 1, record = 'newer'",
            // Another write of the same record, as a renewal that was taken back would be.
            "UPDATE solobot_lease SET version = version + 1",
            // By hand.
            "UPDATE solobot_lease SET record = 'newer'",
            "WITH old AS (DELETE FROM solobot_lease RETURNING *) INSERT INTO go SELECT FROM old WHERE false",
        ];
        let mut last = first;
        for newer in newer {
            let holder = hold_row(test, &server, newer);
            cut_off(&server, "late");
            let_go(&server, holder);
            wait_until("the late set has ended", || waiting(&server) == "0");
            let now = look(&mut *register);
            let expected = if newer.contains("DELETE") {
                None
            } else if newer.contains("newer") {
                Some("newer")
            } else {
                text(&last)
            };
            assert_eq!(text(&now), expected, "{newer}");
            last = write(&mut *register, &now.version, "again");
        }
        // Nothing came in between: then it may be late.
        let holder = hold_row(test, &server, "SELECT FROM solobot_lease FOR UPDATE");
        cut_off(&server, "late");
        let_go(&server, holder);
        wait_until("the late set is carried out", || text(&look(&mut *register)) == Some("late"));
        let late = look(&mut *register);
        let said = register.set_if(&last.version, b"stale", AMPLE).unwrap();
        assert_eq!(said, solobot::lease::engine::SetResult::Refused(late));
    });
}

#[test]
fn a_locked_row_or_table_costs_the_call_alone() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let seen = write(&mut *register, &absent.version, "record");
        let holder = hold_row(test, &server, "SELECT FROM solobot_lease FOR UPDATE");
        for _ in 0..3 {
            let said = fails(Unreachable, SHORT, |limit| register.set_if(&seen.version, b"other", limit).err());
            assert!(said.contains("lock timeout"), "{said}");
            assert_eq!(waiting(&server), "0", "nothing piles up");
        }
        assert_eq!(look(&mut *register), seen, "a look waits for no row");
        let_go(&server, holder);
        let holder = hold_row(test, &server, "LOCK TABLE solobot_lease");
        let said = fails(Unreachable, SHORT, |limit| register.read(limit).err());
        assert!(said.contains("lock timeout"), "{said}");
        assert_eq!(waiting(&server), "0");
        let_go(&server, holder);
        assert_eq!(look(&mut *register), seen);
    });
}
