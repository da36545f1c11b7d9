//! rediss://, with an authority of the test's own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use solobot::lease::engine::EngineErrorKind::{NotPermitted, Unreachable};
use solobot::lease::engine::{EngineUrl, Register, open};

use super::server::{Server, free_port};
use crate::harness::{Test, alone};
use crate::registers::{AMPLE, SHORT, fails, look, look_fails, register, write};
use crate::standin::make_authority;

/// A server with a certificate for 127.0.0.1 and localhost; its port for TLS, and the authority's certificate.
fn start<'a>(test: &'a Test, name: &str, days: i32) -> (Server<'a>, u16, PathBuf) {
    let folder = format!("{name}-authority");
    let authority = make_authority(test, &folder, days);
    let port = free_port();
    let file = |name: &str| test.name(&format!("{folder}/{name}"));
    let options = format!(
        "--tls-port {port} --tls-auth-clients no --tls-cert-file {} --tls-key-file {} --tls-ca-cert-file {}",
        file("server.pem"),
        file("server.key"),
        file("ca.pem"),
    );
    (Server::start(test, name, &options), port, authority.file().into())
}

#[track_caller]
fn trusting(url: &str, ca_file: &Path) -> Box<dyn Register> {
    open(&EngineUrl::parse(url).unwrap().with_ca_file(Some(ca_file.to_owned())), "bot").unwrap()
}

#[test]
fn a_server_that_proves_who_it_is() {
    alone(|test| {
        let (server, port, authority) = start(test, "data", 2);
        let mut plain = register(&server.url());
        for url in [format!("rediss://127.0.0.1:{port}/0"), format!("valkeys://localhost:{port}/0")] {
            let mut register = trusting(&url, &authority);
            let before = look(&mut *register);
            let written = write(&mut *register, &before.version, &format!("{url}{}", "x".repeat(40_000)));
            assert_eq!(look(&mut *register), written);
            assert_eq!(look(&mut *plain), written);
            assert_eq!(server.cli("client kill type normal skipme yes"), "2");
            assert_eq!(look(&mut *register), written, "over another connection");
        }
    });
}

#[test]
fn a_server_that_does_not() {
    alone(|test| {
        let (server, port, authority) = start(test, "data", 2);
        let said = look_fails(NotPermitted, &format!("rediss://127.0.0.1:{port}/0"));
        assert!(said.contains("did not prove who it is") && said.contains("--ca-file"), "{said}");
        // A name that is not in its certificate.
        let mut other = trusting(&format!("rediss://127.0.0.2:{port}/0"), &authority);
        fails(Unreachable, AMPLE, |limit| other.read(limit).err());
        let (_ended, ended_port, ended_authority) = start(test, "ended", -1);
        let mut ended = trusting(&format!("rediss://127.0.0.1:{ended_port}/0"), &ended_authority);
        fails(NotPermitted, AMPLE, |limit| ended.read(limit).err());
        // One side speaks TLS, the other does not: it waits for the end of a line.
        let mut mistaken = trusting(&format!("rediss://127.0.0.1:{}/0", server.port), &authority);
        fails(Unreachable, SHORT, |limit| mistaken.read(limit).err());
        let said = look_fails(Unreachable, &format!("redis://127.0.0.1:{port}/0"));
        assert!(said.contains("if it speaks TLS: rediss://"), "{said}");
    });
}

#[test]
fn a_file_of_certificates_that_cannot_be_used() {
    alone(|test| {
        test.write("empty.pem", "");
        for name in ["empty.pem", "missing.pem"] {
            let url = EngineUrl::parse("rediss://127.0.0.1:1").unwrap().with_ca_file(Some(test.path(name)));
            let error = open(&url, "bot").err().expect("an error");
            assert_eq!(error.kind(), "ca-file");
        }
    });
}

/// `--ca-file` counts for the engine too, as the hint says.
#[test]
fn an_authority_of_ones_own_is_trusted_by_option() {
    alone(|test| {
        let (_server, port, authority) = start(test, "data", 2);
        let lease = format!("-l bot.lock --lease rediss://127.0.0.1:{port}/0 --lease-name bot");
        let start = Instant::now();
        let refused = test.solobot(&format!("acquire -w 30 {lease} -- touch ran")).run().code(77);
        // Nothing is left to wait for.
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
        let _ = refused.stderr_has(&["did not prove who it is", "solobot acquire --ca-file CA.pem"]);
        let trusting = format!("{lease} --ca-file {}", authority.display());
        let first = test.solobot(&format!("acquire -n {trusting} -- touch ran")).run().code(75);
        let _ = first.stderr_has(&["has no record yet"]);
        let _ = test.solobot(&format!("check {trusting}")).run().code(0).settled();
        assert!(!test.has("ran"));
    });
}
