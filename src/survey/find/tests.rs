//! Real bots, each in its own folder. Each ends by itself after a minute, and is stopped by its PID before that.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::base::secret::Token;
use crate::platform::identity::{Identity, Stat};
use crate::process::candidate::descendants_running;
use crate::process::origin::Manager;
use crate::process::stop;
use crate::settings::Purpose;
use crate::survey::likely::{self, BotSigns};

/// Says that it is ready and waits.
const BOT: &str = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n";

struct Folder {
    dir: tempfile::TempDir,
    started: Vec<Child>,
}

impl Folder {
    fn new() -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap(), started: vec![] };
        folder.write("main.py", BOT);
        folder
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn program(&self) -> Program {
        Program::script(&self.path().join("main.py"))
    }

    /// Starts a command line in the folder and waits until it says that it is ready.
    fn start(&mut self, line: &str) -> i32 {
        self.start_with(line, &[])
    }

    fn start_with(&mut self, line: &str, variables: &[(&str, &str)]) -> i32 {
        let words = shell_words::split(line).unwrap();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.path()).envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "{line}");
        let pid = i32::try_from(child.id()).unwrap();
        self.started.push(child);
        pid
    }

    fn find(&self) -> FoundInstances {
        look(&self.program())
    }
}

fn caller() -> Caller {
    Caller { uid: nix::unistd::getuid().as_raw(), sudo_uid: None, purpose: Purpose::Looking }
}

fn look(program: &Program) -> FoundInstances {
    quickly(&Search::new(program, caller())).unwrap()
}

/// Whatever looks like a bot, as `(root, token)`.
fn likely_bots() -> Vec<Instance> {
    let (mut scan, all) = likely::find(&BotSigns::default(), caller()).unwrap();
    let nothing = Program::script(Path::new("/"));
    let mut found = Vec::new();
    for likely in all {
        let search = Search::new(likely.program.as_ref().unwrap_or(&nothing), caller());
        found.extend(super::sorted(&mut scan, &likely.matches, &search, &mut |all| vec![None; all.len()]).instances);
    }
    found
}

impl Drop for Folder {
    fn drop(&mut self) {
        let pids: Vec<i32> = self.started.iter().map(|child| i32::try_from(child.id()).unwrap()).collect();
        let targets: Vec<stop::StopTarget> =
            pids.iter().filter_map(|&pid| Some(stop::StopTarget::single(Identity::of(pid)?))).collect();
        stop::stop(&targets, &stop::StopOptions { force: true, ..stop::StopOptions::default() });
        for child in &mut self.started {
            let _ = child.wait();
        }
    }
}

fn roots(instances: &[Instance]) -> Vec<i32> {
    let mut pids: Vec<i32> = instances.iter().map(|instance| instance.root.pid).collect();
    pids.sort_unstable();
    pids
}

fn in_order(mut pids: Vec<i32>) -> Vec<i32> {
    pids.sort_unstable();
    pids
}

fn until<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "the deadline passed");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_way_to_start_it_is_found() {
    let mut bot = Folder::new();
    let absolute = format!("python3 {}", bot.path().join("main.py").display());
    std::os::unix::fs::symlink(bot.path().join("main.py"), bot.path().join("link.py")).unwrap();
    let lines = [
        "python3 main.py",
        "python3 -X dev -um main",
        &absolute,
        "python3 ./link.py",
        "sh -c 'exec python3 < main.py'",
    ];
    let pids: Vec<i32> = lines.iter().map(|line| bot.start(line)).collect();
    let found = bot.find();
    assert_eq!(roots(&found.instances), in_order(pids));
    assert!(found.probable.is_empty());
    let first = &found.instances[0];
    assert_eq!(first.cwd.as_deref(), Some(bot.path().as_path()));
    // A shim such as pyenv's replaces itself by the interpreter that it has found.
    assert!(first.command.ends_with("python3 main.py"), "{}", first.command);
    assert!(first.started.as_second() > 1_500_000_000 && !first.user.is_empty());
}

#[test]
fn mistake_2_and_3_strangers_are_left_alone() {
    let mut bot = Folder::new();
    let mut other = Folder::new();
    bot.write("domain.py", BOT);
    bot.start("sh -c 'echo ready; exec tail -f main.py'");
    bot.start("sh -c 'echo ready; exec tail -F domain.py main.py'");
    bot.start("python3 domain.py main.py");
    other.start("python3 main.py");
    let found = bot.find();
    assert!(found.instances.is_empty() && found.probable.is_empty(), "{found:?}");
    assert_eq!(other.find().instances.len(), 1);
}

#[test]
fn mistake_1_wrappers_are_attached() {
    let mut bot = Folder::new();
    let timeout = bot.start("timeout 50 python3 main.py");
    let shell = bot.start("sh -c 'python3 main.py; echo done'");
    let found = bot.find();
    let mut wrappers: Vec<i32> = found.instances.iter().flat_map(|it| &it.wrappers).map(|it| it.pid).collect();
    wrappers.sort_unstable();
    assert_eq!(wrappers, in_order(vec![timeout, shell]));
    assert_eq!(found.instances.len(), 2);
    for pid in [timeout, shell] {
        assert_eq!(descendants_running(&[pid], &bot.program()).len(), 1);
    }
}

#[test]
fn forks_and_spawned_workers_are_one_instance() {
    let mut bot = Folder::new();
    bot.write(
        "main.py",
        "import multiprocessing, os, time\n\
         def work(): time.sleep(60)\n\
         if __name__ == '__main__':\n    \
             if os.fork() == 0: work()\n    \
             process = multiprocessing.get_context('spawn').Process(target=work, daemon=True)\n    \
             process.start()\n    print('ready', flush=True)\n    work()\n",
    );
    let root = bot.start("python3 main.py");
    // Root, fork, spawned worker, resource tracker.
    let instance = until(|| bot.find().instances.pop().filter(|it| it.members.len() == 4));
    assert_eq!(instance.root.pid, root);
    let outcome = &stop::stop(
        &[(&instance).into()],
        &stop::StopOptions { grace: Duration::from_millis(500), ..stop::StopOptions::default() },
    )[0];
    assert!(outcome.outcome.is_stopped());
    assert!(instance.members.iter().all(|member| !member.is_alive()));
}

#[test]
fn tokens_tell_bots_apart() {
    let mut bot = Folder::new();
    let text = |letter: &str| format!("{}:{}", 123_456, letter.repeat(35));
    let (ours, theirs) = (text("A"), text("B"));
    let one = bot.start_with("python3 main.py --config a", &[("BOT_TOKEN", &ours)]);
    let two = bot.start_with("python3 main.py --config b", &[("MY_TOKEN", &ours)]);
    let three = bot.start_with("python3 main.py", &[("BOT_TOKEN", &theirs)]);
    let token = Token::parse(&ours).unwrap();
    let program = bot.program();
    let found = quickly(&Search { token: Some(token.id()), ..Search::new(&program, caller()) }).unwrap();
    assert_eq!(roots(&found.instances), in_order(vec![one, two]));
    assert!(found.instances.iter().all(|it| it.confidence == Confidence::Token));
    assert_eq!(roots(&found.others), [three]);
    let any = look(&program);
    assert_eq!(any.clone().distinct().len(), 2);
    let shown = format!("{any:?}");
    assert!(!shown.contains(&"A".repeat(35)) && !shown.contains(&"B".repeat(35)));
    let likely = roots(&likely_bots());
    assert!([one, two, three].iter().all(|pid| likely.contains(pid)));
}

#[test]
fn a_shell_that_carries_a_token_is_no_bot() {
    let mut bot = Folder::new();
    let token = format!("{}:{}", 123_456, "C".repeat(35));
    let shell = bot.start_with("sh -c 'python3 main.py; true'", &[("BOT_TOKEN", &token)]);
    let token = Token::parse(&token).unwrap().id();
    let likely = likely_bots();
    let ours: Vec<&Instance> = likely.iter().filter(|it| it.token.as_ref() == Some(&token)).collect();
    assert_eq!(ours.len(), 1);
    assert_ne!(ours[0].root.pid, shell);
    assert_eq!(ours[0].wrappers.len(), 1);
}

#[test]
fn other_arguments_are_probable_and_asked_for_ones_exclude() {
    let mut bot = Folder::new();
    let run = bot.start("python3 main.py runbot");
    let serve = bot.start("python3 main.py runserver");
    let found = bot.find();
    assert_eq!((roots(&found.instances), roots(&found.probable)), (vec![run], vec![serve]));
    let program = bot.program().with_args(Args::beginning(vec!["runserver".into()]));
    let found = look(&program);
    assert_eq!((roots(&found.instances), roots(&found.others)), (vec![serve], vec![run]));
}

#[test]
fn a_bare_name_means_every_script_so_named() {
    let mut bot = Folder::new();
    let mut other = Folder::new();
    let name = format!("{}.py", bot.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.'));
    bot.write(&name, BOT);
    other.write(&name, BOT);
    let pids = in_order(vec![bot.start(&format!("python3 {name}")), other.start(&format!("python3 {name}"))]);
    let program = Program::from_option(std::ffi::OsStr::new(&name), Path::new("/nowhere")).unwrap();
    let found = look(&program);
    assert_eq!(roots(&found.instances), pids);
    assert_eq!(found.clone().distinct().len(), 2);
}

#[test]
fn a_pattern_means_one_bot_whatever_its_release() {
    let mut bot = Folder::new();
    let token = format!("{}:{}", 123_456, "D".repeat(35));
    for release in ["releases/1", "releases/2"] {
        bot.write(&format!("{release}/main.py"), BOT);
    }
    let start = |bot: &mut Folder, line: &str, token: Option<&str>| {
        bot.start_with(line, &token.map(|token| ("BOT_TOKEN", token)).into_iter().collect::<Vec<_>>())
    };
    let old = start(&mut bot, "python3 releases/1/main.py", Some(&token));
    let new = start(&mut bot, "python3 releases/2/main.py", Some(&token));
    std::os::unix::fs::symlink("releases/1", bot.path().join("current")).unwrap();
    let linked = start(&mut bot, "python3 current/main.py", Some(&token));
    let program = Program::script_glob(&format!("{}/releases/*/main.py", bot.path().display()));
    let found = look(&program);
    assert_eq!((found.clone().distinct().len(), roots(&found.instances)), (1, in_order(vec![old, new, linked])));
}

#[test]
fn a_folder_behind_a_symlink_is_the_same_folder() {
    let mut bot = Folder::new();
    let pid = bot.start("python3 main.py");
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(bot.path(), &link).unwrap();
    let program = Program::script(&link.join("main.py")).with_folder(&link);
    let found = look(&program);
    assert_eq!((roots(&found.instances), found.probable.len()), (vec![pid], 0));
}

#[test]
fn loops_and_supervisors_of_ones_own_are_origins() {
    let mut bot = Folder::new();
    let shell = bot.start("sh -c 'while true; do python3 main.py; sleep 1; done'");
    bot.write("supervisor.py", "import subprocess, sys\nsubprocess.run([sys.executable, 'main.py'])\n");
    let parent = bot.start("python3 supervisor.py");
    let found = bot.find();
    let origin = |pid: i32| &found.instances.iter().find(|it| it.descends_from(pid)).unwrap().origin;
    assert!(matches!(origin(shell).manager, Manager::Loop(_)) && origin(shell).pid == Some(shell));
    assert!(matches!(&origin(parent).manager, Manager::Parent(script) if script.name == "supervisor.py"));
    assert!(found.instances.iter().all(|it| it.origin.would_respawn()));
}

#[test]
fn an_executable_is_found_by_its_file() {
    let mut bot = Folder::new();
    let exe = bot.path().join("mybot");
    std::fs::copy("/bin/sleep", &exe).unwrap();
    // Its first argument says something else.
    let pid = bot.start(&format!("bash -c 'echo ready; exec -a other {} 60'", exe.display()));
    let program = Program::executable(&exe);
    let found = until(|| Some(look(&program)).filter(|found| !found.instances.is_empty()));
    assert_eq!(roots(&found.instances), [pid]);
    // A deploy replaces the file: the running one is the same program still.
    std::fs::remove_file(&exe).unwrap();
    assert_eq!(roots(&look(&program).instances), [pid]);
}

#[test]
fn a_typing_error_is_refused_unless_something_runs_it() {
    let program = Program::from_option("/nowhere/at/all/main.py".as_ref(), Path::new("/")).unwrap();
    let found = look(&program);
    assert!(found.refuse_nothing(&program).is_err());
    let bot = Folder::new();
    assert!(bot.find().refuse_nothing(&bot.program()).is_ok());
}

#[test]
fn what_a_holder_runs_is_below_its_shell() {
    let mut bot = Folder::new();
    let shell = bot.start("sh -c 'python3 main.py; :'");
    let run = likely::run_by(&[Identity::of(shell).unwrap()]).unwrap();
    assert_eq!(run.into_iter().filter_map(Stat::read).map(|stat| stat.parent).collect::<Vec<_>>(), [shell]);
    assert_eq!(likely::run_by(&[]).unwrap().len(), 0);
}

#[test]
fn kin_are_all_that_were_found_and_their_wrappers() {
    let mut bot = Folder::new();
    let pid = bot.start("python3 main.py");
    let found = bot.find();
    assert!(found.kin().contains(&pid) && found.mine().map(|one| one.root.pid).eq([pid]));
    assert_eq!(FoundInstances::default().kin(), [] as [i32; 0]);
    let doubted = |doubt| is_strangers(&Instance { doubt, ..found.instances[0].clone() });
    assert!(doubted(Some(Doubt::AnotherUser(OtherUserProcess::Hidden))));
    assert!(!doubted(Some(Doubt::OtherFolder)) && !doubted(None));
}
