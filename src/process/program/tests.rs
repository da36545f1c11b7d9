use super::*;

fn option(text: &str, cwd: &Path) -> Result<Program, Error> {
    Program::from_option(OsStr::new(text), cwd)
}

fn command(line: &str, cwd: &Path) -> Option<Program> {
    let words: Vec<OsString> = shell_words::split(line).unwrap().into_iter().map(OsString::from).collect();
    Program::of_command(&words, cwd)
}

#[test]
fn what_would_match_everything_or_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (text, kind) in [
        ("", "program-empty"),
        ("  ", "program-empty"),
        ("/", "program-too-wide"),
        ("python", "program-too-wide"),
        ("python3.11", "program-too-wide"),
        ("/usr/bin/python3", "program-too-wide"),
        ("node", "program-too-wide"),
        ("sh", "program-too-wide"),
        ("/bin/bash", "program-too-wide"),
        ("sudo", "program-too-wide"),
        ("uv", "program-too-wide"),
        ("solobot", "program-too-wide"),
        ("*", "program-too-wide"),
        (".", "program-folder"),
        ("a?b", "program-nothing"),
        ("*.py", "program-nothing"),
        ("..", "program-folder"),
    ] {
        let refused = option(text, dir.path()).unwrap_err();
        assert_eq!(refused.kind(), kind, "{text}");
        assert_eq!(refused.exit(), Exit::Usage);
        assert!(refused.hints()[0].contains("-m "));
    }
}

#[test]
fn the_forms_of_a_program() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    std::fs::create_dir(here.join("tg_bot")).unwrap();
    for file in ["main.py", "tg_bot/bot.py", "tg_bot/__main__.py", "plain"] {
        std::fs::write(here.join(file), "").unwrap();
    }
    std::fs::write(here.join("runs"), "#!/usr/bin/env python3\n").unwrap();
    let script = |name: &str| NamedBy::Script(here.join(name));
    for (text, kind) in [
        ("main.py", script("main.py")),
        ("./main.py", script("main.py")),
        ("tg_bot/bot.py", script("tg_bot/bot.py")),
        ("tg_bot", script("tg_bot/__main__.py")),
        ("runs", script("runs")),
        ("plain", NamedBy::Executable(here.join("plain"))),
        ("tg_bot.bot", NamedBy::Module { name: "tg_bot.bot".into(), dir: Some(here.into()) }),
        ("other.bot", NamedBy::Module { name: "other.bot".into(), dir: None }),
        ("other.py", NamedBy::Named("other.py".into())),
        ("mybot", NamedBy::Named("mybot".into())),
        ("/nowhere/main.py", NamedBy::Script("/nowhere/main.py".into())),
    ] {
        assert_eq!(*option(text, here).unwrap().kind(), kind, "{text}");
    }
    assert_eq!(option("/nowhere/main.py", here).unwrap().missing(), Some(Path::new("/nowhere/main.py")));
}

#[test]
fn the_default_lock_lies_beside_the_script() {
    let cwd = Path::new("/cwd");
    for (line, folder) in [
        ("python /srv/bot/main.py", "/srv/bot"),
        ("sh -c 'cd /srv && python app/main.py'", "/srv/app"),
        ("python -m tg_bot.bot", "/cwd"),
        ("env -C /srv python -m tg_bot.bot", "/srv"),
        ("/usr/bin/mybot", "/cwd"),
    ] {
        assert_eq!(command(line, cwd).unwrap().default_lock_dir(cwd), Path::new(folder), "{line}");
    }
}

#[test]
fn arguments_and_folder_come_from_the_command() {
    let program = command("timeout 5 python -u manage.py runbot --fast", Path::new("/srv")).unwrap();
    assert_eq!(program.args().unwrap().words(), ["runbot", "--fast"]);
    assert_eq!((program.folder(), program.file_name().as_str()), (Some(Path::new("/srv")), "manage.py"));
    assert!(program.is_script_or_module());
    assert!(!command("sleep 60", Path::new("/srv")).unwrap().is_script_or_module());
    for line in ["python", "python -c 'import main'", "sh -c true", "bash", "", "uv pip install x"] {
        assert!(!command(line, Path::new("/srv")).is_some_and(|it| it.is_script_or_module()), "{line}");
    }
}

#[test]
fn package_scripts_are_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let package = r#"{"scripts": {"start": "NODE_ENV=production node bot.js", "dev": "nodemon bot.js", "again": "npm run again"}}"#;
    std::fs::write(dir.path().join("package.json"), package).unwrap();
    let bot = NamedBy::Script(dir.path().join("bot.js"));
    for line in [
        "npm start",
        "npm run dev",
        "yarn start",
        "bun run start",
        "node /usr/bin/npm run start",
        "timeout 5 npm start",
    ] {
        assert_eq!(command(line, dir.path()).map(|it| it.kind), Some(bot.clone()), "{line}");
    }
    assert_eq!(command("npm run again", dir.path()), None);
    assert_eq!(command("npm test", dir.path()), None);
}

#[test]
fn what_npx_runs_is_found_where_npm_has_put_it() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("node_modules/.bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("a-bot-of-ours"), "#!/usr/bin/env node\n").unwrap();
    let below = dir.path().join("deep/er");
    std::fs::create_dir_all(&below).unwrap();
    let bot = NamedBy::Script(bin.join("a-bot-of-ours"));
    for line in ["npx a-bot-of-ours", "npx --no-install a-bot-of-ours run", "bun x a-bot-of-ours"] {
        assert_eq!(command(line, &below).map(|it| it.kind), Some(bot.clone()), "{line}");
    }
    assert_eq!(command("npx another-one", &below), None);
}

#[test]
fn one_program_has_one_short_name() {
    let script = |path: &str| Program::script(Path::new(path)).short_name();
    let module = |name: &str| Program::module(name, Path::new("/srv")).short_name();
    for (name, expected) in [
        (script("/srv/shop/main.py"), "main"),
        (script("/srv/tg_bot/bot.py"), "bot"),
        (module("tg_bot.bot"), "bot"),
        (script("/srv/shop/__main__.py"), "shop"),
        (module("shop"), "shop"),
        (script("/srv/shop/index.js"), "shop"),
        (Program::executable(Path::new("/usr/bin/bot-1.2")).short_name(), "bot-1-2"),
        (Program::script_glob("/r/*/my bot.py").short_name(), "my-bot"),
        (Program::from_option("x.py".as_ref(), Path::new("/nowhere")).unwrap().short_name(), "x"),
        (script("/srv/b\u{f6}t.py"), "b-t"),
        (script("/srv/\u{434}.py"), "bot"),
    ] {
        assert_eq!(name, expected);
    }
}

#[test]
fn what_a_shell_script_starts() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().canonicalize().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let started = |name: &str, text: &str| -> Vec<String> {
        std::fs::write(here.join(name), text).unwrap();
        let program = Program::script(&here.join(name)).with_folder(elsewhere.path());
        let started = program.started_by_script();
        let shown = |one: &Program| format!("{one} {:?}", one.args().map(|args| args.words().len()));
        started.iter().map(shown).collect()
    };
    let bot = |args: &str| format!("{} {args}", here.join("bot.py").display());
    let here_text = here.display();
    for (text, expected) in [
        (format!("#!/bin/sh\ncd {here_text} && exec python3 bot.py --loud\n"), vec![bot("Some(1)")]),
        (
            "#!/bin/bash\nset -e\ncd \"$(dirname \"$0\")\"\n. venv/bin/activate\nnohup python3 bot.py >log 2>&1 &\n"
                .to_owned(),
            vec![bot("Some(0)")],
        ),
        ("cd ${BASH_SOURCE%/*}\nwhile :; do python3 bot.py \"$@\"; sleep 1; done".to_owned(), vec![bot("None")]),
        ("cd \"$DIR\"; python3 bot.py".to_owned(), vec![]),
        ("echo python3 bot.py\npip install -r requirements.txt".to_owned(), vec![]),
    ] {
        assert_eq!(started("start.sh", &text), expected, "{text}");
    }
    // From the folder that the script is started in.
    let own = std::fs::canonicalize(elsewhere.path()).unwrap().join("bot.py");
    assert_eq!(started("start.sh", "python3 bot.py"), [format!("{} Some(0)", own.display())]);
    // Without an extension the first line says that a shell runs it.
    assert_eq!(started("start", "#!/usr/bin/env bash\npython3 bot.py").len(), 1);
    assert_eq!(started("start.py", "#!/bin/sh\npython3 bot.py"), [] as [String; 0]);
}
