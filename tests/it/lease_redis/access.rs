//! Who may do what on a server, and what a server is that cannot keep a lease.

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};
use solobot::lease::engine::EngineWeakness;

use super::server::Server;
use crate::harness::{alone, wait_until};
use crate::registers::{AMPLE, PASSWORD, fails, look, look_fails, register, write};

#[test]
fn passwords() {
    alone(|test| {
        let server = Server::start(test, "data", &format!("--requirepass {PASSWORD}"));
        let mut right = register(&server.url_as(&format!(":{PASSWORD}")));
        let absent = look(&mut *right);
        write(&mut *right, &absent.version, "record");
        look(&mut *register(&server.url_as(&format!("default:{PASSWORD}"))));
        let said = look_fails(NotPermitted, &server.url());
        assert!(said.contains("NOAUTH Authentication required.") && said.contains("--lease-env"), "{said}");
        let said = look_fails(NotPermitted, &server.url_as(":hunter3"));
        assert!(said.contains("WRONGPASS"), "{said}");

        let open = Server::start(test, "open", "");
        let said = look_fails(Configuration, &open.url_as(&format!(":{PASSWORD}")));
        assert!(said.contains("the server has no password"), "{said}");
        // It repeats what it does not know.
        let odd = Server::start(test, "odd", &format!("--rename-command AUTH '' --requirepass {PASSWORD}"));
        let said = look_fails(Configuration, &odd.url_as(&format!(":{PASSWORD}")));
        assert!(said.contains("unknown command"), "{said}");
    });
}

#[test]
fn a_user_with_the_rights_of_the_hint_and_no_others() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let allow = |rights: &str| {
            let line = format!("acl setuser lease reset on '>{PASSWORD}' '~solobot:lease:*' {rights}");
            assert_eq!(server.cli(&line), "OK");
        };
        let url = server.url_as(&format!("lease:{PASSWORD}"));
        for missing in ["eval", "info", "get", "set", "strlen"] {
            allow(&"+eval +info +get +set +strlen +del +wait +select".replace(&format!("+{missing}"), ""));
            let mut register = register(&url);
            let said = fails(NotPermitted, AMPLE, |limit| {
                let look = register.read(limit);
                look.and_then(|look| register.set_if(&look.version, b"record", limit)).err()
            });
            assert!(said.contains("ACL SETUSER"), "{said}");
        }
        allow("+eval +info +get +set +strlen +del +wait +select");
        let mut register = register(&url);
        let absent = look(&mut *register);
        write(&mut *register, &absent.version, "record");
        // It may not ask for the configuration, so that nobody knows whether the data is saved.
        assert_eq!(register.weaknesses(AMPLE).unwrap(), []);
    });
}

#[test]
fn a_server_that_may_forget_says_so() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let mut remedies = || -> Vec<String> {
            let found = register.weaknesses(AMPLE).unwrap();
            found.into_iter().map(|EngineWeakness { remedy, .. }| remedy).collect()
        };
        let [log, noeviction] = ["appendonly yes", "maxmemory-policy noeviction"]
            .map(|setting| format!("redis-cli -h 127.0.0.1 -p {} config set {setting}", server.port));
        assert_eq!(remedies(), std::slice::from_ref(&log));
        server.cli("config set maxmemory 100mb");
        server.cli("config set maxmemory-policy allkeys-lfu");
        assert_eq!(remedies(), [noeviction.clone(), log]);
        // What it advises is what helps.
        for remedy in [noeviction.as_str(), "config set appendonly yes"] {
            let setting = remedy.split_once("config").unwrap().1;
            assert_eq!(server.cli(&format!("config{setting}")), "OK");
        }
        assert_eq!(remedies(), [""; 0]);
    });
}

#[test]
fn a_full_server_is_tried_again() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        server.cli("config set maxmemory 1");
        let said = fails(Unreachable, AMPLE, |limit| register.set_if(&absent.version, b"record", limit).err());
        assert!(said.contains("OOM command not allowed"), "{said}");
        server.cli("config set maxmemory 0");
        assert_eq!(look(&mut *register), absent);
        write(&mut *register, &absent.version, "record");
    });
}

#[test]
fn a_cluster_is_refused() {
    alone(|test| {
        let server = Server::start(test, "data", "--cluster-enabled yes");
        let said = look_fails(Configuration, &server.url());
        assert!(said.contains("is part of a cluster"), "{said}");
        let slots = server.cli("cluster addslotsrange 0 16383");
        assert_eq!(slots, "OK");
        wait_until("the cluster is ready", || server.cli("cluster info").contains("cluster_state:ok"));
        let said = look_fails(Configuration, &server.url());
        assert!(said.contains("is part of a cluster"), "{said}");
        assert_eq!(server.cli("dbsize"), "0");
    });
}

#[test]
fn a_sentinel_is_refused() {
    alone(|test| {
        test.write("sentinel.conf", "");
        let port = super::server::free_port();
        let _sentinel = test.start(&format!("redis-server sentinel.conf --sentinel --port {port} --bind 127.0.0.1"));
        let url = format!("redis://127.0.0.1:{port}");
        wait_until("the sentinel listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let said = look_fails(Configuration, &url);
        assert!(said.contains("unknown command") && !said.contains("local server"), "{said}");
    });
}
