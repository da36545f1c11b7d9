use std::time::Duration;

use super::*;
use crate::base::error::Expected;
use crate::base::exit::Exit;
use crate::cli::Selection;
use crate::settings::testing::{Place, token};

const ENTRY: &str = "[bots.main]\nscript = \"main.py\"\n";
const NONE: LeaseArgs = LeaseArgs { lease: None, lease_env: None, lease_name: None, lease_ttl: None };

fn entry(lines: &str) -> Place {
    Place::with_file(&format!("{ENTRY}{lines}"))
}

fn bot(place: &Place, flags: &LeaseArgs) -> Result<Bot, SettingsError> {
    let settings = place.load()?;
    let mut bots = settings.select_many(&Selection::default(), &[])?;
    settings.set_leases(&mut bots, flags)?;
    Ok(bots.remove(0))
}

/// The target as `engine name id ttl`, or code, kind, message and hints.
fn told(place: &Place, flags: &LeaseArgs) -> String {
    let fault =
        |error: &Error| format!("{} {} {error} / {}", error.exit().code(), error.kind(), error.hints().join(" / "));
    let bot = match bot(place, flags) {
        Ok(bot) => bot,
        Err(error) => return fault(&error.into()),
    };
    let token = bot.token.resolve().unwrap().map(|resolved| &resolved.token);
    match bot.lease_target(token) {
        Err(error) => fault(&error),
        Ok(None) => "none".into(),
        Ok(Some(target)) => {
            let LeaseTarget { engine, name, bot_id, ttl } = target;
            format!("{} {name} {} {}", engine.shown(), bot_id.unwrap_or_else(|| "-".into()), ttl.as_secs())
        }
    }
}

fn url(text: &str) -> LeaseArgs {
    LeaseArgs { lease: Some(text.into()), ..NONE }
}

fn variable(name: &str) -> LeaseArgs {
    LeaseArgs { lease_env: Some(name.into()), ..NONE }
}

#[test]
fn the_entry_then_the_flags() {
    let place =
        entry("lease = \"redis://h/0\"\nlease_ttl = 50\n").vars(&[("BOT_TOKEN", &token()), ("U", "redis://v/0")]);
    assert_eq!(told(&entry(""), &NONE), "none");
    assert_eq!(told(&place, &NONE), "redis://h:6379/0 123456 123456 50");
    assert_eq!(told(&place, &url("redis://f/1")), "redis://f:6379/1 123456 123456 50");
    assert_eq!(told(&place, &variable("U")), "redis://v:6379/0 123456 123456 50");
    let all = LeaseArgs { lease_name: Some("shop".into()), lease_ttl: Some(Duration::from_secs(30)), ..NONE };
    assert_eq!(told(&place, &all), "redis://h:6379/0 shop 123456 30");
    let bot = bot(&place, &all).unwrap();
    let of = |setting: &str| bot.provenance.of(setting).to_string();
    assert!(of("lease").ends_with("solobot.toml` line 3"), "{}", of("lease"));
    assert_eq!((of("lease_name"), of("lease_ttl")), ("--lease-name".into(), "--lease-ttl".into()));
    let shown: Vec<String> = bot
        .explained()
        .into_iter()
        .filter(|one| one.setting.starts_with("lease"))
        .map(|one| format!("{} {}", one.setting, one.value))
        .collect();
    assert_eq!(shown, ["lease redis://h:6379/0", "lease_name shop", "lease_ttl 30s"]);
}

#[test]
fn a_name_is_the_bots_id_unless_told() {
    let place = entry("lease = { env = \"U\" }\n").vars(&[("U", "redis://h/0")]);
    let unknown = told(&place, &NONE);
    assert!(unknown.starts_with("78 lease-name the lease of bot `main` has no name"), "{unknown}");
    assert!(unknown.contains("token = { env") && unknown.contains("lease_name = \"NAME\""), "{unknown}");
    let named = LeaseArgs { lease_name: Some("shop".into()), ..NONE };
    assert_eq!(told(&place, &named), "redis://h:6379/0 shop - 60");
    let test = entry("lease = \"redis://h\"\napi_url = \"http://127.0.0.1/test/\"\n").vars(&[("BOT_TOKEN", &token())]);
    assert_eq!(told(&test, &NONE), "redis://h:6379/0 123456-test 123456-test 60");
}

#[test]
fn the_path_of_an_ssh_url_is_the_name() {
    let place = entry("lease = \"ssh://bot@vps/srv/a b.lease\"\n");
    assert_eq!(told(&place, &NONE), "ssh://bot@vps/srv/a b.lease a_b.lease - 60");
    let named = told(&place, &LeaseArgs { lease_name: Some("shop".into()), ..NONE });
    assert!(named.starts_with("78 lease-name ") && named.contains("leave out --lease-name"), "{named}");
    let named = told(&entry("lease = \"ssh://h/l\"\nlease_name = \"x\"\n"), &NONE);
    assert!(named.starts_with("78 lease-name ") && named.contains("leave out `lease_name`"), "{named}");
}

#[test]
fn a_wrong_url_is_2_in_a_flag_and_78_elsewhere() {
    let place = entry("").vars(&[("BAD", "mysql://h/0"), ("EMPTY", "")]);
    for (flags, start) in [
        (
            url("mysql://h/0"),
            "2 lease-url `--lease`: no engine is called mysql:// / write it like one of these: postgres://USER@HOST/DATABASE",
        ),
        (url("h"), "2 lease-url "),
        (url(""), "2 lease-url "),
        (url("redis:///0"), "2 lease-url "),
        (url("redis://:secret@h/0"), "2 lease-password "),
        (variable("EMPTY"), "2 lease-variable variable `EMPTY`"),
        (variable("NONE"), "2 lease-variable "),
        (variable("BAD"), "78 lease-url variable `BAD`: no engine is called mysql://"),
    ] {
        let said = told(&place, &flags);
        assert!(said.starts_with(start), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    assert!(told(&place, &url("redis://:secret@h/0")).contains("--lease-env LEASE_URL"));
    for (lines, line, why) in [
        ("lease = \"mysql://h\"", 3, "`lease`: no engine is called mysql://"),
        ("lease = \"redis://\"", 3, "host"),
        ("lease = 3", 3, "a variable: { env = \"LEASE_URL\" }"),
        ("lease = { evn = \"A\" }", 3, "unknown key `evn`"),
        ("lease = { env = \"\" }", 3, "name is empty"),
        ("lease = \"redis://h\"\nlease_name = \"a/b\"", 4, "1 to 128 letters"),
        ("lease = \"redis://h\"\nlease_ttl = \"4s\"", 4, "at least 5s"),
        ("lease = \"redis://h\"\nlease_ttl = \"11m\"", 4, "at most 10m"),
        ("lease_name = \"a\"", 3, "`lease_name` needs a `lease`"),
        ("lease_ttl = \"9s\"", 3, "`lease_ttl` needs a `lease`"),
    ] {
        let said = told(&entry(lines), &NONE);
        assert!(said.starts_with("78 config-invalid ") && said.contains(why), "{lines}: {said}");
        assert!(said.contains(&format!("solobot.toml:{line}: ")), "{lines}: {said}");
    }
    for name in ["U", "NONE"] {
        let place = entry(&format!("lease = {{ env = \"{name}\" }}\n")).vars(&[("U", "redis://:secret@")]);
        let said = told(&place, &NONE);
        assert!(said.starts_with("78 lease-") && said.contains(&format!("`{name}`")), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let place = entry("lease = \"redis://me:secret@h/0\"\n").vars(&[("BOT_TOKEN", &token())]);
    assert!(told(&place, &NONE).starts_with("redis://…@h:6379/0 "), "a file may have one");
    let bot = bot(&place, &NONE).unwrap();
    let target = bot.lease_target(None);
    let shown = format!("{bot:?} {:?} {target:?} {:?} {}", bot.explained(), place.load().unwrap(), told(&place, &NONE));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn half_a_lease_is_none() {
    let name = LeaseArgs { lease_name: Some("shop".into()), ..NONE };
    assert!(told(&entry(""), &name).starts_with("2 no-lease `--lease-name` needs a lease"));
    let ttl = LeaseArgs { lease_ttl: Some(bounds::TTL), ..NONE };
    assert!(told(&entry(""), &ttl).starts_with("2 no-lease `--lease-ttl` needs a lease"));
    let two = Place::with_file(&format!("{ENTRY}[bots.aux]\nscript = \"a.py\"\nlock = \"a\"\n"));
    assert!(told(&two, &url("redis://h")).starts_with("2 ambiguous-bot"));
    let nothing = Place::new().load().unwrap().set_leases(&mut [], &url("redis://h")).unwrap_err();
    assert_eq!((nothing.exit(), nothing.kind()), (Exit::Usage, "no-bot"));
}

#[test]
fn a_grace_must_leave_room() {
    let place = |ttl: u32, grace: &str| {
        let lease = format!("lease = \"redis://h\"\nlease_name = \"a\"\nlease_ttl = {ttl}\ngrace = \"{grace}\"\n");
        told(&entry(&lease), &NONE)
    };
    assert_eq!(place(25, "10s"), "redis://h:6379/0 a - 25");
    let said = place(24, "10s");
    for part in ["78 lease-grace", "grace of 10s", "TTL of 24s", "(19s)", "(9.6s)", "--grace 9600ms", "--lease-ttl 25s"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = place(600, "5m");
    assert!(said.starts_with("78 lease-grace") && !said.contains("--lease-ttl"), "{said}");
}

#[test]
fn root_does_not_take_a_lease_from_another_users_file() {
    let mut place = entry("lease = \"ssh://evil/l\"\n");
    let file = place.path("app/solobot.toml");
    let owner = place.make_foreign(&file);
    place.context.caller =
        crate::settings::Caller { uid: 0, sudo_uid: Some(owner), purpose: crate::settings::Purpose::Acting };
    let settings = place.load().unwrap();
    let looked = settings.select_many(&Selection::default(), &[]).unwrap();
    assert!(looked[0].lease.is_none() && looked[0].withholds("lease"));
    let error = settings.select_one(&Selection::default(), None).unwrap_err();
    assert_eq!((error.exit(), error.kind()), (Exit::Config, "config-withheld"));
    assert!(place.load_named(&file).unwrap().select_one(&Selection::default(), None).unwrap().lease.is_some());
}
