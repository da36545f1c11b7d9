//! One database, and one table in it: whichever schema a host is led to.

use std::sync::Barrier;
use std::thread;

use solobot::lease::engine::EngineErrorKind::Configuration;
use solobot::lease::engine::SetResult;

use super::server::{Pooler, Server};
use crate::harness::alone;
use crate::registers::{AMPLE, fails, look, look_fails, register, text, write};

/// A table as another host has made it.
const TABLE: &str = "solobot_lease (name text PRIMARY KEY, version bigint NOT NULL, record text NOT NULL)";

#[test]
fn a_table_where_this_host_does_not_look_is_refused() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql("CREATE SCHEMA away; CREATE ROLE other SUPERUSER LOGIN; ALTER ROLE other SET search_path = away");
        let mut early = register(&server.url());
        let absent = look(&mut *early);
        let mut other = register(&server.url_as("other"));
        let seen = look(&mut *other);
        write(&mut *other, &seen.version, "record");
        for register in [&mut early, &mut register(&server.url())] {
            let said = fails(Configuration, AMPLE, |limit| register.read(limit).err());
            assert!(said.contains("in the schema away, where the lease's user does not look"), "{said}");
            assert!(said.contains("SET search_path = NAME") && said.contains("options=-csearch_path%3D"), "{said}");
            fails(Configuration, AMPLE, |limit| register.set_if(&absent.version, b"second", limit).err());
            fails(Configuration, AMPLE, |limit| register.weaknesses(limit).err());
        }
        assert_eq!(server.psql("SELECT to_regclass('public.solobot_lease') IS NULL"), "t", "no second table");
        // What the hint says.
        server.psql("ALTER ROLE postgres SET search_path = away");
        assert_eq!(text(&look(&mut *register(&server.url()))), Some("record"));

        // Two, each found by some host.
        server.psql(&format!("CREATE TABLE public.{TABLE}"));
        for user in ["postgres", "other"] {
            let said = look_fails(Configuration, &server.url_as(user));
            assert!(said.contains("more than one table solobot_lease, in the schemas away and public"), "{said}");
            assert!(said.contains("DROP TABLE SCHEMA.solobot_lease"), "{said}");
        }
        // One per user is not one.
        let said = look_fails(Configuration, &format!("{}?options=-csearch_path%3D$user,away", server.url()));
        assert!(said.contains("more than one table"), "{said}");
        server.psql("DROP TABLE public.solobot_lease; CREATE VIEW public.solobot_lease AS SELECT 1");
        assert_eq!(text(&look(&mut *other)), Some("record"), "a view is no table");
    });
}

/// A pooler that leaves `options` out gives its host another table than those that have none between.
#[test]
fn a_schema_that_does_not_arrive_is_refused() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql("CREATE SCHEMA leases");
        let settings = "auth_type = trust\nignore_startup_parameters = options";
        let pooler = Pooler::start(test, "pool", server.port, "\"postgres\" \"\"\n", settings);
        let options = "?options=-c%20search_path%3Dleases";
        let through = format!("{}{options}", pooler.url_as("postgres"));
        for is_there in [false, true] {
            let said = look_fails(Configuration, &through);
            assert!(said.contains("did not get the search_path") && said.contains("public"), "{is_there}: {said}");
            if !is_there {
                let mut direct = register(&format!("{}{options}", server.url()));
                let absent = look(&mut *direct);
                write(&mut *direct, &absent.version, "record");
            }
        }
        let said = look_fails(Configuration, &pooler.url_as("postgres"));
        assert!(said.contains("in the schema leases"), "{said}");
    });
}

/// Each makes its table before it can see the other's.
#[test]
fn of_two_that_make_tables_in_two_schemas_no_two_are_believed() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql("CREATE SCHEMA away; CREATE ROLE other SUPERUSER LOGIN; ALTER ROLE other SET search_path = away");
        for round in 0..10 {
            let mut registers = [register(&server.url()), register(&server.url_as("other"))];
            let seen: Vec<_> = registers.iter_mut().map(|register| look(&mut **register)).collect();
            let barrier = Barrier::new(2);
            let written = thread::scope(|scope| {
                let mut threads = Vec::new();
                for (register, seen) in registers.iter_mut().zip(&seen) {
                    let barrier = &barrier;
                    threads.push(scope.spawn(move || {
                        barrier.wait();
                        register.set_if(&seen.version, b"record", AMPLE)
                    }));
                }
                let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
                results.iter().filter(|result| matches!(result, Ok(SetResult::Written(_)))).count()
            });
            assert!(written < 2, "round {round}");
            server.psql("DROP TABLE IF EXISTS public.solobot_lease, away.solobot_lease");
        }
        // At the very moment.
        server.psql(&format!(
            "CREATE FUNCTION second() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF to_regclass('away.solobot_lease') IS NULL THEN CREATE TABLE away.{TABLE}; END IF; END $$; \
             CREATE EVENT TRIGGER second ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION second()",
        ));
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let said = fails(Configuration, AMPLE, |limit| register.set_if(&absent.version, b"record", limit).err());
        assert!(said.contains("in the schemas public and away"), "{said}");
        fails(Configuration, AMPLE, |limit| register.read(limit).err());
    });
}
