//! What is a URL of an engine and what is none.

use super::parts::Login;
use super::*;

#[track_caller]
fn parse(text: &str) -> EngineUrl {
    EngineUrl::parse(text).unwrap()
}

#[test]
fn the_parts_of_a_url_of_redis() {
    let url = parse("redis://us%40er:pa%2Fss%3a@[::1]:7000/3");
    let EngineAddress::Redis(address) = url.address() else { panic!("{url:?}") };
    assert_eq!((address.host.as_str(), address.port, address.database), ("::1", 7000, 3));
    let login = address.login.as_ref().unwrap();
    assert_eq!((login.user.as_deref(), login.password.as_str()), (Some("us@er"), "pa/ss:"));
    assert!(url.has_password() && !address.is_tls());
    assert_eq!(url.shown(), "redis://…@[::1]:7000/3");
    for text in ["redis://10.0.0.5", " REDIS://10.0.0.5/ ", "redis://10.0.0.5:6379/0"] {
        assert_eq!(parse(text).shown(), "redis://10.0.0.5:6379/0");
        assert!(!parse(text).has_password());
    }
    for (text, is_tls) in [("rediss://h", true), ("valkeys://h", true), ("valkey://h", false)] {
        let url = parse(text);
        let EngineAddress::Redis(address) = url.address() else { panic!("{url:?}") };
        assert_eq!(address.is_tls(), is_tls);
    }
    let EngineAddress::Redis(address) = parse("valkey://:only@h").address().clone() else { panic!() };
    assert_eq!(address.login, Some(Login { user: None, password: "only".into() }));
}

#[test]
fn the_parts_of_a_url_of_ssh() {
    let url = parse("ssh://bot@home.example:2222/srv/my%20bots/.a%20b.lock");
    let EngineAddress::Ssh(address) = url.address() else { panic!("{url:?}") };
    assert_eq!((address.user.as_deref(), address.port), (Some("bot"), Some(2222)));
    assert_eq!(address.path, "/srv/my bots/.a b.lock");
    assert_eq!(url.lease_name().as_deref(), Some(".a_b"));
    assert_eq!(url.shown(), "ssh://bot@home.example:2222/srv/my bots/.a b.lock");
    assert_eq!(parse("ssh://[fd00::1]/l").shown(), "ssh://[fd00::1]/l");
    assert_eq!(parse("redis://h").lease_name(), None);
    assert!(!url.has_password());
}

#[test]
fn the_parts_of_a_url_of_postgresql() {
    let url = parse(
        "postgresql://us%40er:pa%2Fss@[::1]:6432/my%20db?sslmode=verify-full&sslrootcert=/a%20b.pem&options=-c%20x%3D1",
    );
    let EngineAddress::Postgres(address) = url.address() else { panic!("{url:?}") };
    assert_eq!((address.place.host.as_str(), address.place.port), ("::1", 6432));
    assert_eq!((address.user.as_str(), address.password.as_deref()), ("us@er", Some("pa/ss")));
    assert_eq!((address.database.as_deref(), address.tls), (Some("my db"), PostgresTls::VerifyFull));
    assert_eq!(address.root_certificates.as_deref(), Some(Path::new("/a b.pem")));
    assert_eq!(address.options.as_deref(), Some("-c x=1"));
    assert!(url.has_password());
    assert_eq!(url.shown(), "postgres://…@[::1]:6432/my db");
    // As some platforms write it for other programs.
    assert!(EngineUrl::parse("POSTGRES://bot@h?pgbouncer=true&schema=public&sslmode=").is_err());
    let url = parse("postgres://bot@h?pgbouncer=true&connection_limit=1&schema=public&sslrootcert=system");
    let EngineAddress::Postgres(address) = url.address() else { panic!("{url:?}") };
    assert_eq!((address.database.as_deref(), address.place.port, address.tls), (None, 5432, PostgresTls::VerifyFull));
    assert_eq!(address.root_certificates, None);
    assert!(!url.has_password());
}

#[test]
fn what_a_url_of_postgresql_says_of_tls_is_understood() {
    for (query, mode) in [
        ("", PostgresTls::Prefer),
        ("sslmode=allow", PostgresTls::Prefer),
        ("sslmode=disable&sslcompression=0&sslsni=1&gssencmode=prefer&sslnegotiation=postgres", PostgresTls::Disable),
        ("ssl=true", PostgresTls::Require),
        ("ssl=true&sslmode=disable", PostgresTls::Require),
        ("sslmode=verify-full&ssl=true", PostgresTls::VerifyFull),
        ("sslmode=require&sslrootcert=CA.pem", PostgresTls::Require),
        ("ssl=true&sslrootcert=CA.pem", PostgresTls::Require),
        ("sslrootcert=system", PostgresTls::VerifyFull),
        // As Neon writes it.
        ("sslmode=require&channel_binding=require", PostgresTls::VerifyFull),
        ("channel_binding=require&sslmode=disable", PostgresTls::VerifyFull),
        ("channel_binding=re%71uire", PostgresTls::VerifyFull),
        ("channel_binding=prefer", PostgresTls::Prefer),
        ("channel_binding=disable&sslmode=verify-ca", PostgresTls::VerifyCa),
    ] {
        let url = parse(&format!("postgres://u@h/d?{query}"));
        let EngineAddress::Postgres(address) = url.address() else { panic!("{url:?}") };
        assert_eq!(address.tls, mode, "{query}");
    }
}

#[test]
fn the_schema_that_a_url_of_postgresql_names() {
    for (options, path) in [
        ("-csearch_path%3Dx", Some("x")),
        ("-c%20search_path%3Dx", Some("x")),
        ("--search-path%3Dx", Some("x")),
        ("--SEARCH_PATH%3Dx", Some("x")),
        ("-c%20lock_timeout%3D1%20-c%20search_path%3Dx,%5C%20y%09-cgeqo%3Doff", Some("x, y")),
        ("-csearch_path%3Dx%20-csearch_path%3D", Some("")),
        ("-cother%3Dsearch_path%3Dx", None),
        ("-c", None),
        ("", None),
    ] {
        let url = parse(&format!("postgres://u@h/d?options={options}"));
        let EngineAddress::Postgres(address) = url.address() else { panic!("{url:?}") };
        assert_eq!(address.search_path().as_deref(), path, "{options}");
    }
}

#[test]
fn the_parts_of_a_url_of_etcd() {
    let url = parse("etcd://root:pa%2Fss@10.0.0.1,[fd00::2]:3379,h3/");
    let EngineAddress::Etcd(address) = url.address() else { panic!("{url:?}") };
    let members: Vec<_> = address.members.iter().map(ToString::to_string).collect();
    assert_eq!(members, ["10.0.0.1:2379", "[fd00::2]:3379", "h3:2379"]);
    assert_eq!(address.login, Some(Login { user: Some("root".into()), password: "pa/ss".into() }));
    assert!(url.has_password() && !address.is_tls());
    assert_eq!(url.shown(), "etcd://…@10.0.0.1:2379,[fd00::2]:3379,h3:2379");
    let url = parse("etcds://h");
    let EngineAddress::Etcd(address) = url.address() else { panic!("{url:?}") };
    assert!(address.is_tls() && !url.has_password());
}

#[test]
fn what_names_no_engine_is_an_error_with_what_to_type_and_without_a_secret() {
    let cases = [
        ("", "is empty"),
        ("hunter2", "no scheme"),
        ("/tmp/hunter2", "no scheme"),
        ("hunter2://h/0", "unknown scheme"),
        ("mysql://:hunter2@h/0", "no engine is called mysql://"),
        ("postgres://h/db", "names no user"),
        ("postgres://:hunter2@h/db", "an empty user"),
        ("postgres://u:hunter2@/db", "names no host: postgres://"),
        ("postgres://u:hunter2@h1,h2/db", "several hosts"),
        ("postgres://u:hunter2@h/%zz", "a % that is not an escape"),
        ("postgres://u:hunter2@h/%00", "a zero byte"),
        ("postgres://u@h/db?password=hunter2", "its password behind the `?`"),
        ("postgres://u@h/db?host=/hunter2", "its host behind the `?`"),
        ("postgres://u@h/db?sslmode=hunter2", "sslmode of the lease's URL is unknown"),
        ("postgres://u@h/db?sslmode=%zz", "a % that is not an escape"),
        ("postgres://u@h/db?sslmode=require&sslrootcert=system", "an sslmode that does not look at names"),
        ("postgres://u@h/db?sslkey=hunter2", "a certificate of the client's own"),
        ("postgres://u@h/db?sslnegotiation=direct", "sslnegotiation"),
        ("postgres://u@h/db?ssl=false", "an ssl that is not ssl=true"),
        ("postgres://u@h/db?channel_binding=hunter2", "channel_binding of the lease's URL is unknown"),
        ("postgres://u@h/db?sslrootcert=/hunter2", "an sslmode that checks none"),
        ("postgres://u@h/db?sslmode=prefer&sslrootcert=/hunter2", "an sslmode that checks none"),
        ("postgres://u@h/db?sslmode=allow&sslrootcert=/hunter2", "an sslmode that checks none"),
        ("postgres://u@h/db?sslrootcert=/hunter2&sslmode=disable", "an sslmode that checks none"),
        ("postgres://u@h/db?require_auth=scram-sha-256", "does not do: require_auth"),
        ("postgres://u@h/db?requiressl=1", "does not do: requiressl"),
        ("postgres://u@h/db?gssencmode=require", "does not do: gssencmode"),
        ("postgres://u@h/db?sslcrl=/hunter2", "does not do: sslcrl"),
        ("postgres://u@h/db?sslcrldir=/hunter2", "does not do: sslcrldir"),
        ("postgres://u@h/db?ssl_min_protocol_version=TLSv1.3", "does not do: ssl_min_protocol_version"),
        ("postgres://u@h/db?ssl_max_protocol_version=TLSv1.3", "does not do: ssl_max_protocol_version"),
        ("postgres://u@h/db?ssl%63rl=/hunter2", "does not do: sslcrl"),
        ("postgres://u@h/db?SSLMODE=verify-full", "a parameter that begins with ssl"),
        ("postgres://u@h/db?sslhunter2=1", "a parameter that begins with ssl"),
        ("postgres://u@h/db#hunter2", "behind its `#`"),
        ("etcd://", "names no host: etcd://"),
        ("etcd://h1,,h2", "names no host: etcd://"),
        ("etcd://h1,h:0", "host or port"),
        ("etcd://h/hunter2", "a path, which etcd:// does not take"),
        ("etcd://h?hunter2", "behind its `?`"),
        ("etcd://:hunter2@h", "a password without a user"),
        ("etcd://hunter2@h", "a login without a colon"),
        ("redis://", "names no host: redis://"),
        ("redis:///0", "names no host"),
        ("redis://:hunter2@/0", "names no host"),
        ("redis://:hunter2@:6379/0", "names no host"),
        ("redis://h:0/0", "host or port"),
        ("redis://h:99999", "host or port"),
        ("redis://h h/0", "host or port"),
        ("redis://[::1/0", "host or port"),
        ("redis://h/zero", "the number of a database"),
        ("redis://h/-1", "the number of a database"),
        ("redis://h/0/hunter2", "the number of a database"),
        ("redis://h/0?password=hunter2", "behind its `?`"),
        ("redis://h/0#hunter2", "behind its `#`"),
        ("redis://hunter2@h/0", "a login without a colon"),
        ("redis://user:@h/0", "an empty password"),
        ("redis://:hunter2/x@h/0", "must be escaped"),
        ("redis://:hunter2%zz@h/0", "a % that is not an escape"),
        ("ssh://h", "path of a file"),
        ("ssh://h/", "path of a file"),
        ("ssh://h/a/", "path of a file"),
        ("ssh://h/a/../b", "path of a file"),
        ("ssh://h/a%0ab", "path of a file"),
        ("ssh://h/a%zz", "a % that is not an escape"),
        ("ssh://u:hunter2@h/a", "a password, which ssh does not take"),
        ("ssh://-oProxyCommand=x@h/a", "cannot be used with ssh"),
        ("ssh://-oProxyCommand/a", "cannot be used with ssh"),
        ("ssh://@h/a", "cannot be used with ssh"),
    ];
    for (text, expected) in cases {
        let error = EngineUrl::parse(text).unwrap_err();
        assert!(error.message.contains(expected), "{text}: {error}");
        assert!(!error.hints.is_empty(), "{text}");
        assert!(!format!("{error:?}").contains("hunter2"), "{text}: {error:?}");
    }
}

#[test]
fn no_password_is_shown() {
    assert_eq!(parse("postgres://hunter1@h/?sslmode=disable").shown(), "postgres://…@h:5432");
    for text in [
        "rediss://hunter1:hunter2@h/0",
        "postgres://hunter1:hunter2@h/d",
        "postgres://hunter1@h",
        "etcd://hunter1:hunter2@h",
    ] {
        let url = parse(text);
        let address = url.address();
        assert!(!format!("{url} {url:?} {address:?} {}", url.shown()).contains("hunter"), "{text}");
    }
}
