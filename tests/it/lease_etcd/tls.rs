//! etcds://, with an authority of the test's own.

use std::path::{Path, PathBuf};

use solobot::lease::engine::EngineErrorKind::{NotPermitted, Unreachable};
use solobot::lease::engine::{EngineUrl, Register, open};

use super::relay::Relay;
use super::server::Member;
use crate::harness::{Test, alone};
use crate::registers::{AMPLE, SHORT, fails, look, look_fails, write};
use crate::standin::make_authority;

/// A member with a certificate for 127.0.0.1 and localhost; the authority's certificate.
fn start<'a>(test: &'a Test, name: &str, days: i32, options: &str) -> (Member<'a>, PathBuf) {
    let folder = format!("{name}-authority");
    let authority = make_authority(test, &folder, days);
    let options = format!("--cert-file {folder}/server.pem --key-file {folder}/server.key {options}");
    (Member::start_with(test, name, "https", &options), authority.file().into())
}

#[track_caller]
fn trusting(url: &str, ca_file: &Path) -> Box<dyn Register> {
    open(&EngineUrl::parse(url).unwrap().with_ca_file(Some(ca_file.to_owned())), "bot").unwrap()
}

#[test]
fn a_server_that_proves_who_it_is() {
    alone(|test| {
        let (member, authority) = start(test, "data", 2, "");
        let relay = Relay::to(member.port);
        for host in ["127.0.0.1", "localhost"] {
            let mut register = trusting(&format!("etcds://{host}:{}", relay.port), &authority);
            let before = look(&mut *register);
            // The longest one, beside a handshake.
            let written = write(&mut *register, &before.version, &"x".repeat(36 * 1024));
            assert_eq!(look(&mut *register), written);
            relay.close();
            assert_eq!(look(&mut *register), written, "over another connection");
        }
        assert_eq!(relay.accepted(), 4);
    });
}

#[test]
fn a_server_that_does_not() {
    alone(|test| {
        let (member, authority) = start(test, "data", 2, "");
        let said = look_fails(NotPermitted, &format!("etcds://127.0.0.1:{}", member.port));
        assert!(said.contains("did not prove who it is") && said.contains("--ca-file"), "{said}");
        let (ended, ended_authority) = start(test, "ended", -1, "");
        let mut ended = trusting(&format!("etcds://127.0.0.1:{}", ended.port), &ended_authority);
        fails(NotPermitted, AMPLE, |limit| ended.read(limit).err());
        // One side speaks TLS, the other does not.
        let plain = Member::start(test, "plain", "");
        let mut mistaken = trusting(&format!("etcds://127.0.0.1:{}", plain.port), &authority);
        let said = fails(Unreachable, SHORT, |limit| mistaken.read(limit).err());
        assert!(said.contains("if it speaks no TLS: etcd://"), "{said}");
        let said = look_fails(Unreachable, &member.url());
        assert!(said.contains("if it speaks TLS: etcds://"), "{said}");
    });
}

#[test]
fn a_server_that_wants_a_certificate_of_the_client() {
    alone(|test| {
        let options = "--client-cert-auth --trusted-ca-file data-authority/ca.pem";
        let (member, authority) = start(test, "data", 2, options);
        let mut register = trusting(&format!("etcds://127.0.0.1:{}", member.port), &authority);
        let said = fails(NotPermitted, AMPLE, |limit| register.read(limit).err());
        assert!(said.contains("wants a certificate of the client") && said.contains("--client-cert-auth"), "{said}");
    });
}
