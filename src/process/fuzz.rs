//! Command lines, and what a control group says.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::argv::{self, Inner, ParsedArgv};
use super::origin::cgroup;
use super::program::Program;
use crate::base::secret::Token;
use crate::fuzz::{hides_secret, token, words};

/// A folder that does not exist: no program is found in it.
const NOWHERE: &str = "/nowhere/at-all";

/// Words with NUL between; the first one is the executable, if it begins with a slash.
pub fn argv(bytes: &[u8]) {
    let mut argv = words(bytes);
    let exe = if bytes.starts_with(b"/") { Some(argv.remove(0)) } else { None };
    let exe = exe.as_deref().map(Path::new);
    check(&argv::read(&argv, exe), &argv);
    if let Some(typed) = argv::as_typed(&argv, exe) {
        assert_eq!(typed.get(1..), argv.get(1..));
        assert!(!argv::is_title(&argv, exe));
    }
    if let Some(program) = Program::of_command(&argv, Path::new(NOWHERE)) {
        let name = program.short_name();
        let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(!name.is_empty() && name.chars().all(is_key), "{name}");
        assert_ne!(program.to_string(), "");
        let _ = program.start_by(&argv, Path::new(NOWHERE), None);
    }
    let _ = Program::is_handed_on(&argv, Path::new(NOWHERE));
    // A bot that has its token in its name.
    argv.push(token().into());
    for word in [0, argv.len() - 1] {
        let mut renamed = argv.clone();
        renamed[word] = format!("./{}", token()).into();
        if let Some(program) = Program::of_command(&renamed, Path::new(NOWHERE)) {
            hides_secret(&program.short_name());
        }
    }
    assert!(Token::parse(&token()).is_ok());
}

/// What is read out of a command line was in it.
fn check(parsed: &ParsedArgv, argv: &[OsString]) {
    let length: usize = argv.iter().map(|word| word.len() + 1).sum();
    match parsed {
        ParsedArgv::Runs(invocation) => {
            assert!(invocation.args.len() <= argv.len().max(length), "{invocation:?}");
        }
        ParsedArgv::Wraps(wrapped) => are_commands(&wrapped.inner, length),
    }
}

/// Each has a word, and all together are no more than what they were read from.
fn are_commands(commands: &[Inner], length: usize) {
    assert!(commands.iter().all(|inner| !inner.argv.is_empty()), "{commands:?}");
    assert!(commands.len() <= length + 1);
}

/// A line, or a script, of a POSIX shell.
pub fn shell(bytes: &[u8]) {
    let line = crate::platform::words::os_str(bytes);
    are_commands(&argv::shell::commands(line), bytes.len());
    let words = argv::shell::words(line);
    assert!(words.iter().map(|word| word.len()).sum::<usize>() <= bytes.len(), "{words:?}");
    let _ = argv::shell::has_loop(line);
    if bytes.starts_with(b"-") || bytes.starts_with(b"+") {
        // An option.
        return;
    }
    let argv = ["sh", "-c"].map(OsString::from).into_iter().chain([line.to_owned()]).collect::<Vec<_>>();
    let ParsedArgv::Wraps(wrapped) = argv::read(&argv, None) else { panic!("sh -c wraps") };
    assert_eq!(wrapped.inner, argv::shell::commands(line));
}

/// The same of the shells of Windows.
pub fn windows_shell(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for (extension, is_powershell) in [("bat", false), ("ps1", true)] {
        are_commands(&argv::windows_shell::commands_of_script(&text, OsStr::new(extension), r"C:\b"), text.len());
        let _ = argv::windows_shell::has_loop(&text, is_powershell);
    }
    for shell in [&["cmd.exe", "/c"][..], &["cmd.exe"], &["powershell.exe", "-Command"], &["pwsh"]] {
        let words: Vec<OsString> = words(text.as_bytes());
        let argv: Vec<OsString> = shell.iter().map(OsString::from).chain(words).collect();
        let parsed = argv::windows_shell::read(&argv).expect("a shell of Windows");
        // A quote around each word, where they are put together.
        check(&parsed, &[vec![OsString::from("x".repeat(3 * argv.len()))], argv].concat());
    }
}

/// `/proc/PID/cgroup`.
pub fn cgroup(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(group) = cgroup::container(&text) {
        let id = group.id;
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    if let Some(service) = cgroup::unit(&text) {
        assert!(service.name.ends_with(".service") && !service.name.contains(['/', '\n']), "{service:?}");
        let _ = cgroup::is_carrier(&service.name);
    }
}
