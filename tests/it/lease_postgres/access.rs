//! Who may do what on a server, and what a server or a table is that cannot keep a lease.

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};
use solobot::lease::engine::EngineWeakness;

use super::server::Server;
use crate::harness::{alone, wait_until};
use crate::registers::{AMPLE, PASSWORD, fails, look, look_fails, register, text, write};

#[test]
fn passwords() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql(&format!("SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD '{PASSWORD}'"));
        server.psql(&format!("CREATE ROLE new LOGIN PASSWORD '{PASSWORD}'"));
        server.psql(&format!("CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'"));
        server.psql("CREATE ROLE barred NOLOGIN");
        server.allow(
            "host all old all md5\nhost all new all scram-sha-256\nhost all plain all password\nhost all shut all reject\n\
             host all kerberos all gss",
        );
        for user in ["old", "new", "plain"] {
            look(&mut *register(&server.url_as(&format!("{user}:{PASSWORD}"))));
            let said = look_fails(NotPermitted, &server.url_as(&format!("{user}:hunter3")));
            assert!(said.contains("password authentication failed for user \"…\""), "{said}");
            assert!(said.contains("USER:PASSWORD@HOST"), "{said}");
            let said = look_fails(NotPermitted, &server.url_as(user));
            assert!(said.contains("wants a password") && said.contains("--lease-env"), "{said}");
        }
        let said = look_fails(NotPermitted, &server.url_as("hunter1"));
        assert!(said.contains("role \"…\" does not exist"), "{said}");
        let said = look_fails(NotPermitted, &server.url_as("barred"));
        assert!(said.contains("not permitted to log in"), "{said}");
        let said = look_fails(NotPermitted, &server.url_as("shut"));
        assert!(said.contains("pg_hba.conf"), "{said}");
        let said = look_fails(Configuration, &server.url_as("kerberos"));
        assert!(said.contains("scram-sha-256"), "{said}");
        let said = look_fails(Configuration, &format!("postgres://postgres@127.0.0.1:{}/no-such", server.port));
        assert!(said.contains("does not exist") && said.contains("CREATE DATABASE"), "{said}");
        let said = look_fails(Configuration, &format!("{}?options=-c%20no_such%3D1", server.url()));
        assert!(said.contains("no_such") && said.contains("behind the `?`"), "{said}");
    });
}

/// What the hints say is what helps.
#[test]
fn rights() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql("CREATE ROLE lease LOGIN");
        let url = server.url_as("lease");
        let mut register = register(&url);
        let absent = look(&mut *register);
        let set_fails = |register: &mut dyn solobot::lease::engine::Register, kind| {
            fails(kind, AMPLE, |limit| {
                let look = register.read(limit);
                look.and_then(|look| register.set_if(&look.version, b"record", limit)).err()
            })
        };
        let said = set_fails(&mut *register, Configuration);
        let make =
            said.lines().find_map(|line| Some(line[line.find("CREATE TABLE")?..].to_owned())).expect("what to type");
        assert_eq!(look(&mut *register), absent);
        server.psql(&make);
        let said = fails(NotPermitted, AMPLE, |limit| register.read(limit).err());
        let grant = said.lines().find_map(|line| Some(line[line.find("GRANT")?..].to_owned())).expect("what to type");
        let grant = grant.replace("TO USER", "TO lease");
        for missing in ["SELECT", "INSERT", "UPDATE"] {
            server.psql("REVOKE ALL ON solobot_lease FROM lease; DELETE FROM solobot_lease");
            let others =
                ["SELECT", "INSERT", "UPDATE"].into_iter().filter(|right| *right != missing).collect::<Vec<_>>();
            server.psql(&format!("GRANT {} ON solobot_lease TO lease", others.join(", ")));
            let said = if missing == "UPDATE" {
                let seen = look(&mut *register);
                write(&mut *register, &seen.version, "record");
                set_fails(&mut *register, NotPermitted)
            } else {
                set_fails(&mut *register, NotPermitted)
            };
            assert!(said.contains("GRANT SELECT, INSERT, UPDATE ON solobot_lease"), "{missing}: {said}");
        }
        server.psql(&grant);
        let seen = look(&mut *register);
        let seen = write(&mut *register, &seen.version, "first");
        write(&mut *register, &seen.version, "second");
        assert!(register.weaknesses(AMPLE).is_ok());
        server.psql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
        let said = look_fails(NotPermitted, &url);
        assert!(said.contains("GRANT CONNECT"), "{said}");
        // No schema at all.
        let mut nowhere = crate::registers::register(&format!("{}?options=-c%20search_path%3Dnone", server.url()));
        let said = set_fails(&mut *nowhere, Configuration);
        assert!(said.contains("no schema has been selected"), "{said}");
    });
}

#[test]
fn a_table_of_another_shape_is_left_alone() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut kept = register(&server.url());
        let absent = look(&mut *kept);
        write(&mut *kept, &absent.version, "record");
        for (make, drop) in [
            ("CREATE TABLE solobot_lease (name text PRIMARY KEY)", "TABLE"),
            ("CREATE TABLE solobot_lease (name text PRIMARY KEY, version integer, record text)", "TABLE"),
            ("CREATE TABLE solobot_lease (name text PRIMARY KEY, version bigint, record jsonb)", "TABLE"),
            ("CREATE TABLE solobot_lease (name varchar(9) PRIMARY KEY, version bigint, record text)", "TABLE"),
            ("CREATE TABLE solobot_lease (name text, version bigint, record text)", "TABLE"),
            (
                "CREATE TABLE solobot_lease (name text, version bigint, record text, PRIMARY KEY (name, version))",
                "TABLE",
            ),
            ("CREATE TABLE solobot_lease (name text, version bigint PRIMARY KEY, record text)", "TABLE"),
            (
                "CREATE VIEW solobot_lease AS SELECT 'bot'::text AS name, 1::bigint AS version, 'x'::text AS record",
                "VIEW",
            ),
            (
                "CREATE MATERIALIZED VIEW solobot_lease AS SELECT 'bot'::text AS name, 1::bigint AS version, 'x'::text AS record",
                "MATERIALIZED VIEW",
            ),
            ("CREATE SEQUENCE solobot_lease", "SEQUENCE"),
            (
                "CREATE TABLE solobot_lease (name text PRIMARY KEY, version bigint, record text) PARTITION BY LIST (name)",
                "TABLE",
            ),
        ] {
            server.psql("DROP TABLE IF EXISTS solobot_lease");
            server.psql(make);
            // Over a connection that knew the table of before, too.
            for register in [&mut kept, &mut register(&server.url())] {
                let said = fails(Configuration, AMPLE, |limit| register.read(limit).err());
                assert!(
                    said.contains("a solobot_lease that is not a lease's table") && said.contains("RENAME TO"),
                    "{make}: {said}"
                );
                fails(Configuration, AMPLE, |limit| register.set_if(&absent.version, b"other", limit).err());
            }
            server.psql(&format!("DROP {drop} solobot_lease"));
        }
        // Under a set, where nothing was looked at again.
        server.psql("CREATE TABLE solobot_lease (name text PRIMARY KEY, version bigint, record text, more int)");
        let seen = look(&mut *kept);
        let seen = write(&mut *kept, &seen.version, "record");
        server.psql("UPDATE solobot_lease SET more = 1; ALTER TABLE solobot_lease ADD CHECK (record <> 'other')");
        let said = fails(Configuration, AMPLE, |limit| kept.set_if(&seen.version, b"other", limit).err());
        assert!(said.contains("check constraint"), "{said}");
        server.psql("ALTER TABLE solobot_lease RENAME record TO text");
        let said = fails(Configuration, AMPLE, |limit| kept.set_if(&seen.version, b"new", limit).err());
        assert!(said.contains("record"), "{said}");
        server.psql("ALTER TABLE solobot_lease RENAME text TO record; UPDATE solobot_lease SET version = NULL");
        let said = look_fails(Configuration, &server.url());
        assert!(said.contains("not a lease's table"), "{said}");
    });
}

/// A warning may say that no standby has the record.
#[test]
fn what_a_trigger_warns_of_is_shown() {
    alone(|test| {
        let server = Server::start(test, "data", "-c client_min_messages=error");
        server.psql(&format!("CREATE ROLE hunter1 SUPERUSER LOGIN PASSWORD '{PASSWORD}'"));
        let mut register = register(&server.url_as(&format!("hunter1:{PASSWORD}")));
        let absent = look(&mut *register);
        let seen = write(&mut *register, &absent.version, "record");
        server.psql(&format!(
            "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE WARNING 'the archive of hunter1 ({PASSWORD}) is full'; RETURN NEW; END $$; \
             CREATE TRIGGER warn BEFORE UPDATE ON solobot_lease FOR EACH ROW EXECUTE FUNCTION warn()",
        ));
        let said = fails(Unreachable, AMPLE, |limit| register.set_if(&seen.version, b"other", limit).err());
        assert!(said.contains("the archive of … (…) is full") && said.contains("DROP TRIGGER"), "{said}");
        server.psql("DROP TRIGGER warn ON solobot_lease");
        let seen = look(&mut *register);
        write(&mut *register, &seen.version, "again");
    });
}

#[test]
fn a_table_that_hides_rows_is_refused() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql("CREATE ROLE lease LOGIN");
        let mut owner = register(&server.url());
        let absent = look(&mut *owner);
        write(&mut *owner, &absent.version, "record");
        server.psql("GRANT ALL ON solobot_lease TO lease; ALTER TABLE solobot_lease ENABLE ROW LEVEL SECURITY");
        let said = look_fails(Configuration, &server.url_as("lease"));
        assert!(said.contains("row level security"), "{said}");
        server.psql("ALTER TABLE solobot_lease DISABLE ROW LEVEL SECURITY");
        assert_eq!(text(&look(&mut *register(&server.url_as("lease")))), Some("record"));
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
        // The test's servers run so.
        let fsync = "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();";
        assert_eq!(remedies(), [fsync]);
        server.psql("CREATE UNLOGGED TABLE solobot_lease (name text PRIMARY KEY, version bigint NOT NULL, record text NOT NULL)");
        let logged = "ALTER TABLE solobot_lease SET LOGGED;";
        assert_eq!(remedies(), [fsync, logged]);
        server.psql(logged);
        assert_eq!(remedies(), [fsync]);
        let safe = Server::start(test, "safe", "-c fsync=on");
        assert_eq!(crate::registers::register(&safe.url()).weaknesses(AMPLE).unwrap(), []);
    });
}

#[test]
fn a_full_or_stopping_server_is_tried_again() {
    alone(|test| {
        let server = Server::start(
            test,
            "data",
            "-c max_connections=5 -c superuser_reserved_connections=2 -c max_wal_senders=0",
        );
        server.psql("CREATE ROLE lease LOGIN");
        let url = server.url_as("lease");
        let mut taken: Vec<_> = (0..3).map(|_| register(&url)).collect();
        for register in &mut taken {
            look(&mut **register);
        }
        let said = look_fails(Unreachable, &url);
        assert!(said.contains("connection slots"), "{said}");
        drop(taken);
        let mut register = register(&url);
        wait_until("there is room", || register.read(AMPLE).is_ok());
    });
}
