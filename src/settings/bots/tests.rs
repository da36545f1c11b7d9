use super::*;
use crate::base::error::Expected;
use crate::base::exit::Exit;
use crate::cli::Selection;
use crate::settings::testing::{Place, token};

fn only(place: &Place) -> Bot {
    only_with(place, &Selection::default())
}

fn only_with(place: &Place, flags: &Selection) -> Bot {
    place.load().unwrap().select_one(flags, Some("main")).unwrap()
}

#[test]
fn what_holds_where_nothing_is_said() {
    let place = Place::with_file("[bots.main]\nscript = \"src/main.py\"\n");
    let app = place.path("app");
    let bot = only(&place);
    assert_eq!((bot.name.as_str(), bot.configured, &bot.dir), ("main", true, &app));
    assert_eq!(bot.program, Some(Program::script(&app.join("src/main.py"))));
    assert_eq!(bot.lock, app.join("src/.solobot.lock"));
    assert_eq!((bot.wait, bot.grace), (Limit::For(Duration::from_secs(30)), Duration::from_secs(10)));
    assert_eq!(bot.api_url, "https://api.telegram.org");
    assert_eq!(bot.skip_env.as_deref(), Some("SKIP_TELEGRAM_LOCK"));
    assert_eq!((bot.command, bot.locks_itself, bot.logs.len()), (None, false, 0));
    assert_eq!(bot.provenance.of("wait").to_string(), "default");
}

#[test]
fn relative_paths_start_at_the_bots_folder() {
    let place = Place::with_file(
        "[bots.main]\ndir = \"../bot\"\nmodule = \"tg_bot.bot\"\nlock = \"run/x.lock\"\nlogs = [\"logs/*.log\", \
         \"~/a.log\", \"unit:bot.service\"]\ncommand = [\"venv/bin/python\", \"-m\", \"tg_bot.bot\"]\n",
    );
    let bot = only(&place);
    let dir = place.path("bot");
    assert_eq!(bot.dir, dir);
    assert_eq!(bot.program, Some(Program::module("tg_bot.bot", &dir)));
    assert_eq!(bot.lock, dir.join("run/x.lock"));
    let logs = [Log::Files(dir.join("logs/*.log")), Log::Files(place.path("a.log"))];
    assert_eq!(bot.logs[..2], logs);
    assert_eq!(bot.logs[2], Log::Unit("bot.service".into()));
    let python = dir.join("venv/bin/python").into_os_string();
    assert_eq!(bot.command, Some(vec![python, "-m".into(), "tg_bot.bot".into()]));
}

#[test]
fn the_default_lock_is_beside_the_program() {
    let cases = [
        ("script = \"a/main.py\"", "a/.solobot.lock"),
        ("script = \"releases/*/main.py\"", ".solobot.lock"),
        ("dir = \"d\"\nmodule = \"tg_bot.bot\"", "d/.solobot.lock"),
        ("exe = \"/usr/bin/mybot\"", ".solobot.lock"),
    ];
    for (entry, lock) in cases {
        let place = Place::with_file(&format!("[bots.main]\n{entry}\n"));
        assert_eq!(only(&place).lock, place.path("app").join(lock), "{entry}");
    }
}

#[test]
fn flags_beat_the_environment_beats_the_file_beats_defaults() {
    let text = "[defaults]\nwait = 5\ngrace = 6\napi_url = \"http://a/\"\n[bots.main]\nscript = \"m.py\"\nwait = 7\n";
    let bot = only(&Place::with_file(text));
    assert_eq!((bot.wait, bot.grace), (Limit::For(Duration::from_secs(7)), Duration::from_secs(6)));
    assert_eq!(bot.api_url, "http://a");
    let lines = ["wait", "grace", "api_url", "program"].map(|setting| match bot.provenance.of(setting) {
        SetBy::File { line, .. } => *line,
        other => panic!("{other:?}"),
    });
    assert_eq!(lines, [7, 3, 4, 6]);

    let place = Place::with_file(text).vars(&[("SOLOBOT_API_URL", "http://b:8081")]);
    let flags = Selection { lock: Some("x.lock".into()), program: Some("./n.py".into()), ..Selection::default() };
    let bot = only_with(&place, &flags);
    assert_eq!(bot.api_url, "http://b:8081");
    assert_eq!(bot.provenance.of("api_url"), &SetBy::Variable("SOLOBOT_API_URL"));
    assert_eq!(bot.lock, place.path("app/x.lock"));
    assert_eq!(bot.provenance.of("lock"), &SetBy::Flag("--lock"));
    assert_eq!(bot.program, Some(Program::script(&place.path("app/n.py"))));
    assert_eq!(bot.name, "main");
}

#[test]
fn exactly_one_key_names_the_program() {
    let cases = [
        ("[bots.main]\nlock = \"x\"\n", 1, "has no program"),
        ("[bots.main]\nscript = \"m.py\"\nexe = \"m\"\n", 3, "has both `script` and `exe`"),
        ("[bots.main]\nmodule = \"\"\n", 2, "`module` is empty"),
    ];
    for (text, line, reason) in cases {
        let error = Place::with_file(text).load().unwrap_err();
        assert_eq!(error.exit(), Exit::Config);
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().contains(&format!("solobot.toml:{line}: ")), "{error}");
    }
}

#[test]
fn a_base_url_must_be_one() {
    for url in ["", "localhost:8081", "ftp://x", "http://", "https:///x", "http://a b", "http://a/?x=1", "http://u:p@a"]
    {
        let text = format!("[bots.main]\nscript = \"m.py\"\napi_url = \"{url}\"\n");
        let error = Place::with_file(&text).load().unwrap_err();
        assert_eq!((error.exit(), error.kind()), (Exit::Config, "api-url"), "{url}");
        assert!(error.to_string().contains("line 3"), "{error}");
    }
    let url = format!("ftp://host/bot{}", token());
    let error = Place::with_file("[bots.main]\nscript = \"m.py\"\n").vars(&[("SOLOBOT_API_URL", &url)]);
    assert!(!error.load().unwrap_err().to_string().contains("AAAA"));
    let error =
        Place::with_file("[bots.main]\nscript = \"m.py\"\n").vars(&[("SOLOBOT_API_URL", "http://me:pa55@host")]);
    assert!(!error.load().unwrap_err().to_string().contains("pa55"));
}

#[test]
fn a_flag_for_the_base_url_beats_the_environment() {
    let place = Place::with_file("[bots.main]\nscript = \"m.py\"\n").vars(&[("SOLOBOT_API_URL", "http://b:8081")]);
    let mut bot = only(&place);
    bot.set_api_url("http://c:8081/").unwrap();
    assert_eq!((bot.api_url.as_str(), bot.provenance.of("api_url")), ("http://c:8081", &SetBy::Flag("--api-url")));
    assert_eq!(bot.set_api_url("c").unwrap_err().exit(), Exit::Config);
}

#[test]
fn the_lock_may_be_named_after_the_token() {
    let text = "[bots.main]\nscript = \"m.py\"\nlock = \"~/locks/{token_hash}.lock\"\ntoken = { env = \"T\" }\n";
    let place = Place::with_file(text).vars(&[("T", &token())]);
    let bot = only(&place);
    let fingerprint = bot.token.require().unwrap().token.fingerprint().to_owned();
    assert_eq!(bot.lock, place.path(&format!("locks/{fingerprint}.lock")));
    assert!(!format!("{bot:?}").contains("AAAA"));

    let error = Place::with_file(text).load().unwrap().select_one(&Selection::default(), None).unwrap_err();
    assert_eq!((error.exit(), error.kind()), (Exit::Config, "token-missing"));
    assert!(error.to_string().contains("variable `T`"), "{error}");
}
