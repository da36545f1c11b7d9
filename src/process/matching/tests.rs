//! Command lines of the field, and what each is to `/srv/bot/main.py`.

use proptest::prelude::*;

use super::super::argv::{ParsedArgv, read};
use super::*;

/// Command lines as in a shell; one in guillemets is a title, a single string. Working folder `/srv/bot`.
const SCRIPT: &[(&str, &str)] = &[
    // Python runs it.
    ("file", "python main.py"),
    ("file", "python3 main.py"),
    ("file", "python3.11 -u main.py"),
    ("file", "python3.13t main.py"),
    ("file", "pypy3 main.py"),
    ("file", "python -X dev -W ignore main.py"),
    ("file", "python -Xdev -Wignore main.py"),
    ("file", "python -W error::DeprecationWarning -OO main.py"),
    ("file", "python -uB main.py --config a.toml"),
    ("file", "python -I -E -s -S main.py"),
    ("file", "python --check-hash-based-pycs always main.py"),
    ("file", "python -- main.py"),
    ("file", "python -bb ./main.py"),
    ("file", "python /srv/bot/main.py"),
    ("file", "python /srv/bot/../bot/main.py"),
    ("file", "python ../bot/main.py"),
    ("file", "/usr/bin/python3 ./main.py"),
    ("file", "venv/bin/python main.py"),
    ("file", "/home/bot/.pyenv/versions/3.11.7/bin/python3.11 main.py runbot"),
    ("file", "python3-dbg main.py"),
    ("file", "-python main.py"),
    ("file", "/usr/bin/python3 -u /srv/bot/main.py --daemon"),
    ("module", "python -m main"),
    ("module", "python -um main"),
    ("module", "python -Im main"),
    ("module", "python -mmain"),
    ("module", "python -u -m main --verbose"),
    ("module", "python3 -X importtime -m main"),
    // Tools that run it in their own process.
    ("file", "python -m pdb main.py"),
    ("file", "python -m cProfile -o out.prof main.py"),
    ("file", "python -m debugpy --listen 5678 --wait-for-client main.py"),
    ("file", "python /usr/lib/debugpy/adapter/../../debugpy --connect 127.0.0.1:5678 main.py"),
    (
        "file",
        "python /opt/pycharm/helpers/pydev/pydevd.py --multiprocess --client 127.0.0.1 --port 40001 --file /srv/bot/main.py",
    ),
    ("file", "python -m coverage run main.py"),
    ("file", "python /srv/bot/venv/bin/coverage run --branch main.py"),
    ("module", "python -m debugpy --listen 5678 -m main"),
    ("module", "python /srv/bot/venv/bin/uvicorn main:app --reload"),
    ("module", "python -m uvicorn --host 127.0.0.1 main:app"),
    ("module", "python /srv/bot/venv/bin/gunicorn -w 2 main:create_app()"),
    // A title.
    ("file", "«python main.py»"),
    ("file", "«python3 -u /srv/bot/main.py --daemon»"),
    ("module", "«python -m main»"),
    // Undecidable.
    ("probable", "python -c 'import main'"),
    ("probable", "python -c 'from main import run; run()'"),
    ("probable", "python -c 'import runpy; runpy.run_path(\"main.py\")'"),
    ("probable", "python3 -uc 'import asyncio, main; asyncio.run(main.run())'"),
    ("no", "python -c 'print(1)'"),
    ("no", "python -c 'domain = 1'"),
    // Workers are no programs.
    (
        "no",
        "python -c 'from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=7)' --multiprocessing-fork",
    ),
    ("no", "python -c 'from multiprocessing.resource_tracker import main;main(4)'"),
    ("no", "python -c 'from multiprocessing.forkserver import main; main(3, 6, [], **{})'"),
    ("no", "python -m joblib.externals.loky.backend.popen_loky_posix --process-name LokyProcess-1 --pipe 7"),
    // Wrappers.
    ("wrapper", "timeout 60 python main.py"),
    ("wrapper", "timeout -k 5 --signal=INT 60 python main.py"),
    ("wrapper", "sudo -u bot python main.py"),
    ("wrapper", "sudo -u bot -E FOO=1 /usr/bin/python3 /srv/bot/main.py"),
    ("wrapper", "sh -c 'python main.py'"),
    ("wrapper", "sh -c 'cd /srv/bot && python main.py; echo done'"),
    ("wrapper", "bash -lc 'source venv/bin/activate; exec python main.py'"),
    ("wrapper", "/bin/dash -c 'python main.py 2>&1 | tee log'"),
    ("wrapper", "bash -c 'while true; do python main.py; sleep 5; done'"),
    ("wrapper", "uv run main.py"),
    ("wrapper", "uv run --with aiogram python main.py"),
    ("wrapper", "uv --directory /srv/bot run -m main"),
    ("wrapper", "poetry run python main.py"),
    ("wrapper", "pipenv run python main.py"),
    ("wrapper", "flock -n /tmp/lock python main.py"),
    ("wrapper", "flock /tmp/lock -c 'python main.py'"),
    ("wrapper", "solobot acquire main -- python main.py"),
    ("wrapper", "solobot acquire --wait 5 -- python main.py"),
    ("wrapper", "tini -- python main.py"),
    ("wrapper", "/usr/bin/dumb-init python main.py"),
    ("wrapper", "strace -f -o trace python main.py"),
    ("wrapper", "strace -fo trace python main.py"),
    ("wrapper", "su - bot -c 'python main.py'"),
    ("wrapper", "su bot -c 'cd /srv/bot; exec python main.py'"),
    ("wrapper", "runuser -u bot -- python main.py"),
    ("wrapper", "script -qc 'python main.py' /dev/null"),
    ("wrapper", "sh -c 'python main.py &> log'"),
    ("wrapper", "sh -ec 'python < main.py'"),
    ("wrapper", "env -S 'python -u' main.py"),
    ("wrapper", "gosu bot python main.py"),
    ("wrapper", "chpst -u bot python main.py"),
    ("wrapper", "setsid -f python main.py"),
    ("wrapper", "nohup python main.py"),
    ("wrapper", "nice -n 5 python main.py"),
    ("wrapper", "ionice -c 3 python main.py"),
    ("wrapper", "chrt -f 10 python main.py"),
    ("wrapper", "taskset -c 0,1 python main.py"),
    ("wrapper", "stdbuf -oL python main.py"),
    ("wrapper", "env -i PATH=/bin python main.py"),
    ("wrapper", "watchfiles 'python main.py' src"),
    ("wrapper", "python /srv/bot/venv/bin/watchfiles 'python main.py'"),
    ("wrapper", "python -m watchfiles 'python main.py'"),
    ("wrapper", "nodemon --exec 'python main.py'"),
    ("wrapper", "node /usr/bin/nodemon --exec python main.py"),
    ("wrapper", "systemd-run --user --unit bot python main.py"),
    ("wrapper", "conda run -n bot python main.py"),
    ("wrapper", "xvfb-run -a python main.py"),
    ("wrapper", "busybox timeout 5 python main.py"),
    // Substring hits: none of them runs it.
    ("no", "tail -f main.py"),
    ("no", "tail -F /srv/bot/domain.py"),
    ("no", "vim main.py"),
    ("no", "/usr/bin/nvim /srv/bot/main.py"),
    ("no", "nano main.py"),
    ("no", "emacs -nw main.py"),
    ("no", "code /srv/bot/main.py"),
    ("no", "grep -r token main.py"),
    ("no", "less main.py"),
    ("no", "git diff main.py"),
    ("no", "git log -- main.py"),
    ("no", "ssh host tail -f main.py"),
    ("no", "ssh host python main.py"),
    ("no", "docker exec bot python main.py"),
    ("no", "docker run -d image python main.py"),
    ("no", "kubectl exec bot -- python main.py"),
    ("no", "pgrep -f main.py"),
    ("no", "pkill -f main.py"),
    ("no", "watch cat main.py"),
    ("no", "cat main.py"),
    ("no", "inotifywait -m main.py"),
    ("no", "rsync main.py host:/srv/bot/"),
    ("no", "scp main.py host:"),
    ("no", "black main.py"),
    ("no", "python /srv/bot/venv/bin/black main.py"),
    ("no", "python -m black main.py"),
    ("no", "python -m pytest main.py"),
    ("no", "python -m py_compile main.py"),
    ("no", "python -m pip install main.py"),
    ("no", "python manage.py main.py"),
    ("no", "python domain.py"),
    ("no", "python other/main.py"),
    ("no", "python /srv/other/main.py"),
    ("no", "python main.pyc"),
    ("no", "python main"),
    ("no", "python -m bot.main"),
    ("no", "python -m domain"),
    ("no", "python"),
    ("no", "python -i"),
    ("no", "python -V main.pyx"),
    ("no", "node main.py.js"),
    ("no", "solobot status -m main.py"),
    ("no", "solobot kill-duplicates --match main.py"),
    ("no", "uv pip install main.py"),
    ("no", "poetry add main.py"),
    ("no", "tmux new-session -d python main.py"),
    ("no", "screen -dmS bot python main.py"),
    ("no", "SCREEN -dmS bot python main.py"),
    ("no", "bash start.sh main.py"),
    ("no", "bash"),
    ("no", "-bash"),
    ("no", "sleep 60 main.py"),
    ("no", "supervisorctl start main.py"),
    ("no", "«sshd: bot@pts/0 python main.py»"),
    ("no", "''"),
];

/// Other runtimes: program, working folder, command line.
const RUNTIMES: &[(&str, &str, &str, &str)] = &[
    ("/srv/js/bot.js", "file", "/srv/js", "node bot.js"),
    ("/srv/js/bot.js", "file", "/srv/js", "node bot"),
    ("/srv/js/bot.js", "file", "/", "node --max-old-space-size=512 --require dotenv/config /srv/js/bot.js"),
    ("/srv/js/bot.js", "file", "/", "node -r ts-node/register --inspect /srv/js/bot.js run"),
    ("/srv/js/bot.js", "file", "/", "node --env-file .env -- /srv/js/bot.js"),
    ("/srv/js/bot.js", "file", "/", "«node /srv/js/bot.js»"),
    ("/srv/js/bot.js", "file", "/srv/js", "node --watch bot.js"),
    ("/srv/js/index.js", "file", "/srv/js", "node ."),
    ("/srv/js/bot.js", "probable", "/srv/js", "node -e 'require(\"./bot.js\")'"),
    ("/srv/js/bot.js", "no", "/srv/js", "node other.js bot.js"),
    ("/srv/js/bot.js", "no", "/srv/js", "«npm start»"),
    ("/srv/js/bot.js", "no", "/srv/js", "node /usr/bin/npm start"),
    ("/srv/js/bot.js", "no", "/srv/js", "node /srv/js/node_modules/.bin/nodemon bot.js"),
    ("/srv/js/bot.js", "no", "/", "«PM2 v5.3.0: God Daemon (/srv/js/bot.js)»"),
    ("/srv/js/bot.ts", "no", "/srv/js", "node /srv/js/node_modules/.bin/tsx bot.ts"),
    ("/srv/js/bot.ts", "file", "/srv/js", "node --require /x/preflight.cjs --import file:///x/loader.mjs bot.ts"),
    ("/srv/js/bot.ts", "file", "/srv/js", "bun bot.ts"),
    ("/srv/js/bot.ts", "file", "/srv/js", "bun run bot.ts"),
    ("/srv/js/bot.ts", "file", "/srv/js", "bun --watch run ./bot.ts"),
    ("/srv/js/bot.ts", "file", "/srv/js", "/srv/js/node_modules/bun/bin/bun.exe --watch bot.ts"),
    ("/srv/js/bot.ts", "file", "/srv/js", "bun run bot"),
    ("/srv/js/bot.ts", "file", "/srv/js", "deno run --allow-net -A bot.ts"),
    ("/srv/rb/bot.rb", "file", "/srv/rb", "ruby -W0 -I lib bot.rb"),
    ("/srv/rb/bot.rb", "file", "/srv/rb", "ruby3.2 ./bot.rb"),
    ("/srv/rb/bot.rb", "no", "/srv/rb", "ruby /usr/bin/bundle exec ruby bot.rb"),
    ("/srv/rb/bot.rb", "no", "/srv/rb", "ruby -e 'puts 1' bot.rb"),
    ("/srv/php/bot.php", "file", "/srv/php", "php -d memory_limit=1G bot.php"),
    ("/srv/php/bot.php", "file", "/srv/php", "php8.2 -f bot.php -- --poll"),
    ("/srv/php/artisan", "file", "/srv/php", "php artisan telegram:poll"),
    ("/srv/php/bot.php", "no", "/srv/php", "php -S localhost:8000 -t bot.php"),
    ("/srv/pl/bot.pl", "file", "/srv/pl", "perl -w bot.pl"),
    ("/srv/sh/bot.sh", "file", "/srv/sh", "/bin/bash -e bot.sh"),
    ("/srv/jar/bot.jar", "file", "/srv/jar", "java -Xmx1g -cp lib -jar bot.jar"),
    ("/srv/net/bot.dll", "file", "/srv/net", "dotnet bot.dll"),
    ("/srv/pkg/__main__.py", "file", "/srv", "python pkg"),
    ("/srv/pkg/__main__.py", "file", "/srv/pkg", "python ."),
    ("/srv/pkg/__main__.py", "module", "/srv", "python -m pkg"),
    ("/srv/tg_bot/bot.py", "module", "/srv", "python -m tg_bot.bot"),
    ("/srv/tg_bot/bot.py", "file", "/srv/tg_bot", "python ./bot.py"),
    ("/srv/tg_bot/bot.py", "no", "/other", "python -m tg_bot.bot"),
    ("/usr/bin/mybot", "file", "/", "/usr/bin/mybot --poll"),
    ("/usr/bin/mybot", "probable", "/", "mybot"),
    ("/usr/bin/mybot", "no", "/", "cat /usr/bin/mybot"),
];

fn words(line: &str) -> Vec<OsString> {
    match line.strip_prefix('«').and_then(|line| line.strip_suffix('»')) {
        Some(title) => proc::words(format!("{title}\0\0\0").as_bytes()),
        None => shell_words::split(line).unwrap().into_iter().map(OsString::from).collect(),
    }
}

struct Process<'a> {
    argv: Vec<OsString>,
    exe: Option<&'a str>,
    cwd: Option<&'a str>,
}

fn judge(program: &Program, process: &Process<'_>, identify: &dyn Fn(&Path) -> Option<FileId>) -> Option<Match> {
    judge_in(false, program, process, identify)
}

fn judge_in(
    other_root: bool,
    program: &Program,
    process: &Process<'_>,
    identify: &dyn Fn(&Path) -> Option<FileId>,
) -> Option<Match> {
    let exe = process.exe.map(Path::new);
    let reading = read(&process.argv, exe);
    let ParsedArgv::Runs(invocation) = &reading else { return None };
    Matcher::new(program).judge(&ProcessFacts {
        invocation,
        exe,
        cwd: process.cwd.map(Path::new),
        stdin: None,
        python_path: &[],
        other_root,
        identify,
        resolve: &|_| None,
    })
}

fn verdict(program: &Program, line: &str, cwd: &str) -> &'static str {
    let argv = words(line);
    if let ParsedArgv::Wraps(_) = read(&argv, None) {
        // Around something else it has nothing to do with the program.
        let is_around = Program::of_command(&argv, Path::new(cwd)).is_some_and(|inner| is_same(&inner, program));
        return if is_around { "wrapper" } else { "no" };
    }
    let process = Process { argv, exe: None, cwd: Some(cwd) };
    judge(program, &process, &|_| None).map_or("no", |found| found.confidence.as_str())
}

#[test]
fn command_lines_of_the_field() {
    let program = Program::script(Path::new("/srv/bot/main.py"));
    assert!(SCRIPT.len() + RUNTIMES.len() >= 120);
    let wrong: Vec<String> = SCRIPT
        .iter()
        .map(|(expected, line)| (*expected, *line, verdict(&program, line, "/srv/bot")))
        .filter(|(expected, _, found)| expected != found)
        .map(|(expected, line, found)| format!("{line}: {found}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn command_lines_of_other_runtimes() {
    let wrong: Vec<String> = RUNTIMES
        .iter()
        .map(|(program, expected, cwd, line)| {
            let program = Path::new(program);
            let program = if has_extension(program) { Program::script(program) } else { Program::executable(program) };
            let found = match verdict(&program, line, cwd) {
                "wrapper" => "no",
                found => found,
            };
            (*expected, *line, found)
        })
        .filter(|(expected, _, found)| expected != found)
        .map(|(expected, line, found)| format!("{line}: {found}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some() || path.ends_with("artisan")
}

#[test]
fn wrappers_are_read_through_to_the_program() {
    let program = Program::script(Path::new("/srv/bot/main.py"));
    let through = SCRIPT.iter().filter(|(expected, _)| *expected == "wrapper");
    let wrong: Vec<&str> = through
        .filter(|(_, line)| {
            let inner = Program::of_command(&words(line), Path::new("/srv/bot"));
            !inner.is_some_and(|inner| is_same(&inner, &program))
        })
        .map(|(_, line)| *line)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_same(one: &Program, other: &Program) -> bool {
    let module = Program::module("main", Path::new("/srv/bot"));
    one.kind() == other.kind() || one.kind() == module.kind()
}

#[test]
fn the_executable_decides_over_a_rewritten_first_argument() {
    let program = Program::script(Path::new("/srv/bot/main.py"));
    let judge = |line: &str, exe| {
        let process = Process { argv: words(line), exe: Some(exe), cwd: Some("/srv/bot") };
        judge(&program, &process, &|_| None).map(|found| found.confidence)
    };
    assert_eq!(judge("mybot main.py", "/usr/bin/python3.11"), Some(Confidence::File));
    assert_eq!(judge("python main.py", "/usr/bin/python3.11 (deleted)"), Some(Confidence::File));
    assert_eq!(judge("python main.py", "/usr/bin/vim"), None);
    assert_eq!(judge("«main: polling»", "/usr/bin/python3.11"), Some(Confidence::Probable));
    assert_eq!(judge("«something else»", "/usr/bin/python3.11"), None);
}

#[test]
fn one_file_under_two_names_is_one_program() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("main.py");
    let link = dir.path().join("run.py");
    std::fs::write(&script, "").unwrap();
    std::os::unix::fs::symlink(&script, &link).unwrap();
    let process = Process { argv: words("python run.py"), exe: None, cwd: dir.path().to_str() };
    let found = judge(&Program::script(&script), &process, &|path| FileId::of(path)).unwrap();
    assert_eq!(found.confidence, Confidence::File);
}

#[test]
fn an_unreadable_folder_makes_it_probable() {
    let program = Program::script(Path::new("/srv/bot/main.py"));
    let judge = |line: &str| judge(&program, &Process { argv: words(line), exe: None, cwd: None }, &|_| None);
    assert_eq!(judge("python main.py").unwrap().doubt, Some(Doubt::UnknownFolder));
    assert_eq!(judge("python -m main").unwrap().doubt, Some(Doubt::UnknownFolder));
    assert_eq!(judge("python /srv/bot/main.py").unwrap().confidence, Confidence::File);
    assert_eq!(judge("python other.py"), None);
}

#[test]
fn modules_are_told_apart_by_their_folder() {
    let program = Program::module("tg_bot.bot", Path::new("/srv"));
    for (expected, line, cwd) in [
        ("module", "python -m tg_bot.bot", "/srv"),
        ("module", "python tg_bot/bot.py", "/srv"),
        ("module", "python bot.py", "/srv/tg_bot"),
        ("module", "python -m bot", "/srv/tg_bot"),
        ("probable", "python -m tg_bot.bot", "/other"),
        ("no", "python -m tg_bot.other", "/srv"),
    ] {
        assert_eq!(verdict(&program, line, cwd), expected, "{line} in {cwd}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), exe in proptest::option::of("[a-z/ ()]{0,20}")) {
        let program = Program::script(Path::new("/srv/bot/main.py"));
        let process = Process { argv: proc::words(&bytes), exe: exe.as_deref(), cwd: Some("/srv/bot") };
        let _ = judge(&program, &process, &|_| None);
        let _ = Program::of_command(&process.argv, Path::new("/nowhere"));
    }

    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec!["python", "-m", "-c", "--", "-", "", "sh", "env", "sudo", "-u", "timeout", "node", "uv",
            "run", "flock", "solobot", "acquire", "main.py", "<", "&&", "'", "\\", "$(", "while true; do x; done", "watchfiles", "a b"]),
        0..12,
    )) {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let program = Program::script(Path::new("/srv/bot/main.py"));
        let _ = judge(&program, &Process { argv: argv.clone(), exe: None, cwd: None }, &|_| None);
        let _ = Program::of_command(&argv, Path::new("/nowhere"));
    }

    #[test]
    fn a_name_in_an_argument_is_no_instance(tool in "[a-z]{2,8}", before in "[a-z]{0,6}", flag in "-[a-z]{1,3}") {
        let is_known = Runner::of_name(OsStr::new(&tool)).is_some() || argv::wrapper::is_name(&tool);
        prop_assume!(!is_known && !is_interpreter(tool.as_bytes()));
        let program = Program::script(Path::new("/srv/bot/main.py"));
        let argv = [tool, flag, before, "main.py".into(), "/srv/bot/main.py".into()].map(OsString::from).to_vec();
        prop_assert_eq!(judge(&program, &Process { argv, exe: None, cwd: Some("/srv/bot") }, &|_| None), None);
    }
}

#[test]
fn a_module_by_its_name_alone_is_doubtful_under_another_root() {
    let named = Program::called("mybot".as_ref());
    let process = |line| Process { argv: words(line), exe: None, cwd: Some("/srv/bot") };
    let judged = |other_root, line| {
        judge_in(other_root, &named, &process(line), &|_| None).map(|found| (found.confidence, found.doubt))
    };
    assert_eq!(judged(false, "python -m mybot"), Some((Confidence::Module, None)));
    assert_eq!(judged(true, "python -m mybot"), Some((Confidence::Probable, Some(Doubt::OtherRoot))));
    assert_eq!(judged(true, "python -m other"), None);
}
