//! Wrappers: commands that start another command and stay, or replace themselves by it.
//!
//! One table says how each reads its own options; what follows them is the inner command. Invariant: a command that is
//! not in the table is never taken for a wrapper.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Inner, Wrapped, base, os, python, shell};

/// How a wrapper's inner command is found behind its options.
#[derive(Clone, Copy)]
enum Shape {
    /// Options, then that many operands, then the command.
    Command(usize),
    /// `NAME=VALUE` words may stand before the command.
    Environment,
    /// These subcommand words, then options, then the command.
    Sub(&'static [&'static str]),
    /// Only what stands behind `--`.
    Behind,
    /// A subcommand, then a script of the project's own file: the command cannot be seen.
    Hidden,
    /// Options, then a script for that runtime.
    Script(&'static str),
    /// The command is one string for a shell.
    Line,
}

struct Rule {
    names: &'static [&'static str],
    /// Options whose value is the next argument.
    takes_next: &'static [&'static str],
    /// Options whose value is a command line for a shell.
    line: &'static [&'static str],
    /// Options whose value is the folder of the command.
    folder: &'static [&'static str],
    shape: Shape,
}

const fn rule(names: &'static [&'static str], takes_next: &'static [&'static str], shape: Shape) -> Rule {
    Rule { names, takes_next, line: &[], folder: &[], shape }
}

const RUN: Shape = Shape::Sub(&["run"]);
const EXEC: Shape = Shape::Sub(&["exec"]);

/// The table: `man` pages and `--help` of each.
const RULES: &[Rule] = &[
    Rule {
        line: &["-S", "--split-string"],
        folder: &["-C", "--chdir"],
        ..rule(&["env"], &["-u", "--unset"], Shape::Environment)
    },
    rule(&["timeout", "gtimeout"], &["-k", "--kill-after", "-s", "--signal"], Shape::Command(1)),
    rule(
        &[
            "nohup",
            "setsid",
            "eatmydata",
            "unbuffer",
            "chronic",
            "cronic",
            "command",
            "exec",
            "opentelemetry-instrument",
            "ddtrace-run",
            "catchsegv",
            "fakeroot",
            "torsocks",
            "torify",
            "proxychains",
            "proxychains4",
            "caffeinate",
            "pyenv-exec",
            "run-one",
            "run-this-one",
        ],
        &["-f"],
        Shape::Command(0),
    ),
    rule(&["time"], &["-f", "--format", "-o", "--output"], Shape::Command(0)),
    rule(&["nice"], &["-n", "--adjustment"], Shape::Command(0)),
    rule(&["stdbuf"], &["-i", "-o", "-e", "--input", "--output", "--error"], Shape::Command(0)),
    Rule {
        folder: &["-D", "--chdir"],
        ..rule(
            &["sudo"],
            &[
                "-u",
                "--user",
                "-g",
                "--group",
                "-h",
                "--host",
                "-p",
                "--prompt",
                "-C",
                "--close-from",
                "-R",
                "--chroot",
                "-r",
                "--role",
                "-t",
                "--type",
                "-T",
                "--command-timeout",
                "-U",
                "--other-user",
            ],
            Shape::Environment,
        )
    },
    rule(&["doas"], &["-u", "-C"], Shape::Command(0)),
    Rule {
        line: &["-c", "--command"],
        ..rule(&["su"], &["-s", "--shell", "-g", "--group", "-G", "-w"], Shape::Behind)
    },
    Rule {
        line: &["-c", "--command"],
        ..rule(&["runuser"], &["-u", "--user", "-g", "--group", "-G", "-s", "--shell"], Shape::Command(0))
    },
    rule(
        &["gosu", "su-exec", "s6-setuidgid", "setuidgid", "setlock", "aws-vault-exec", "s6-envdir", "envdir"],
        &[],
        Shape::Command(1),
    ),
    rule(
        &["setpriv"],
        &[
            "--reuid",
            "--regid",
            "--groups",
            "--pdeathsig",
            "--inh-caps",
            "--ambient-caps",
            "--bounding-set",
            "--securebits",
        ],
        Shape::Command(0),
    ),
    rule(
        &["chpst"],
        &["-u", "-U", "-b", "-e", "-/", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-t"],
        Shape::Command(0),
    ),
    Rule {
        line: &["-c", "--command"],
        ..rule(&["flock"], &["-w", "--wait", "--timeout", "-E", "--conflict-exit-code"], Shape::Command(1))
    },
    rule(&["chrt"], &["-T", "-P", "-D", "--sched-runtime", "--sched-period", "--sched-deadline"], Shape::Command(1)),
    rule(&["ionice"], &["-c", "--class", "-n", "--classdata"], Shape::Command(0)),
    rule(&["taskset"], &[], Shape::Command(1)),
    rule(
        &["numactl", "valgrind", "prlimit", "firejail", "perf-record"],
        &["-N", "-m", "-C", "--cpunodebind"],
        Shape::Command(0),
    ),
    rule(
        &["systemd-run", "systemd-inhibit", "systemd-cat"],
        &[
            "-u",
            "--unit",
            "-p",
            "--property",
            "-E",
            "--setenv",
            "-H",
            "-M",
            "--slice",
            "--description",
            "--who",
            "--why",
            "--what",
            "-t",
            "--uid",
            "--gid",
            "--working-directory",
        ],
        Shape::Command(0),
    ),
    rule(&["cgexec"], &["-g"], Shape::Command(0)),
    rule(
        &["unshare"],
        &["--map-user", "--map-group", "--setgroups", "-S", "-G", "-R", "-w", "--root", "--wd"],
        Shape::Command(0),
    ),
    rule(&["nsenter"], &["-t", "--target", "-S", "-G"], Shape::Command(0)),
    rule(&["chroot"], &[], Shape::Command(1)),
    rule(&["bwrap"], &[], Shape::Behind),
    rule(
        &["strace", "ltrace"],
        &[
            "-e",
            "-o",
            "-O",
            "-p",
            "-P",
            "-s",
            "-S",
            "-u",
            "-E",
            "-a",
            "-b",
            "-I",
            "-X",
            "-n",
            "-l",
            "-x",
            "-A",
            "-w",
            "--trace",
            "--output",
            "--signal",
            "--string-limit",
        ],
        Shape::Command(0),
    ),
    rule(&["gdb", "lldb", "rr"], &[], Shape::Sub(&["--args", "record", "--"])),
    rule(&["tini", "tini-static", "docker-init", "catatonit"], &["-p", "-e"], Shape::Command(0)),
    rule(&["dumb-init"], &["-r", "--rewrite"], Shape::Command(0)),
    rule(
        &["with-contenv", "xvfb-run", "dbus-run-session", "ssh-agent"],
        &["-n", "-s", "-e", "-f", "-p", "-w", "-a", "-t"],
        Shape::Command(0),
    ),
    Rule { folder: &["--directory"], ..rule(&["uv"], UV_TAKES_NEXT, RUN) },
    rule(&["uvx", "pipx"], &["--from", "--with", "--python", "-p", "--spec"], Shape::Script("uvx")),
    Rule { folder: &["-C", "--directory"], ..rule(&["poetry"], &["-P", "--project"], RUN) },
    rule(&["pipenv", "rye", "hatch"], &["-e", "--env"], RUN),
    Rule { folder: &[], ..rule(&["pdm"], &["-p", "--project", "-s", "--site-packages"], RUN) },
    Rule { folder: &["--cwd"], ..rule(&["conda", "mamba", "micromamba"], &["-n", "--name", "-p", "--prefix"], RUN) },
    rule(&["pixi"], &["-e", "--environment", "--manifest-path"], RUN),
    rule(&["dotenv"], &["-f", "--file", "-e", "-q"], RUN),
    rule(
        &["dotenvx", "infisical", "doppler", "op", "chamber"],
        &["-f", "--env-file", "-p", "--project", "-c", "--config"],
        RUN,
    ),
    rule(&["direnv"], &[], Shape::Command(2)),
    rule(
        &["pyenv", "rbenv", "nodenv", "asdf", "mise", "rtx", "volta", "fnm"],
        &["--using"],
        Shape::Sub(&["exec", "x", "run"]),
    ),
    rule(&["bundle", "bundler"], &["--gemfile"], EXEC),
    rule(&["honcho", "foreman"], &["-f", "--procfile", "-e", "--env", "-d"], Shape::Hidden),
    rule(
        &["npm", "pnpm", "yarn", "yarnpkg", "corepack"],
        &["-C", "--prefix", "--cwd", "-w", "--workspace"],
        Shape::Hidden,
    ),
    rule(&["npx", "bunx", "pnpx"], &["-p", "--package"], Shape::Command(0)),
    rule(
        &["tsx", "ts-node", "ts-node-dev", "ts-node-esm", "tsnd", "esr", "swc-node", "vite-node", "babel-node"],
        &[
            "--tsconfig",
            "-P",
            "--project",
            "-r",
            "--require",
            "--import",
            "--env-file",
            "-O",
            "--ignore-watch",
            "--include",
            "--exclude",
        ],
        Shape::Script("node"),
    ),
    Rule {
        line: &["-x", "--exec"],
        ..rule(
            &["nodemon", "node-dev"],
            &[
                "-w", "--watch", "-e", "--ext", "-i", "--ignore", "-d", "--delay", "-C", "-s", "--signal", "--config",
                "--cwd",
            ],
            Shape::Script("node"),
        )
    },
    Rule {
        line: &["-x", "--exec"],
        ..rule(
            &["bacon", "entr", "watchexec", "cargo-watch"],
            &["-w", "--watch", "-e", "--exts", "-i", "--ignore", "-s", "--signal", "-f", "--filter"],
            Shape::Command(0),
        )
    },
    rule(
        &["watchfiles"],
        &["--ignore-paths", "--target-type", "--filter", "--args", "--sigint-timeout", "--sigkill-timeout"],
        Shape::Line,
    ),
    rule(
        &["watchmedo"],
        &[
            "-d",
            "--directory",
            "-p",
            "--pattern",
            "--patterns",
            "-i",
            "--ignore-patterns",
            "--interval",
            "--signal",
            "--kill-after",
            "--debounce-interval",
        ],
        Shape::Sub(&["auto-restart"]),
    ),
    rule(&["hupper"], &["-w", "--watch", "-x", "--exclude"], Shape::Script("python")),
    rule(&["nix-shell", "nix"], &[], Shape::Behind),
    Rule { line: &["-c", "--command"], ..rule(&["script"], &["-I", "-O", "-B", "-T", "-E", "-o"], Shape::Behind) },
    rule(
        &["cargo"],
        &["-p", "--package", "--bin", "--features", "--manifest-path", "--profile", "--target"],
        Shape::Hidden,
    ),
    rule(&["go", "make", "just", "task", "rake", "invoke"], &[], Shape::Hidden),
    rule(&["solobot"], &[], Shape::Sub(&["acquire"])),
    rule(&["busybox", "toybox"], &[], Shape::Command(0)),
];

const UV_TAKES_NEXT: &[&str] = &[
    "-p",
    "--python",
    "--with",
    "--with-editable",
    "--with-requirements",
    "--env-file",
    "--project",
    "--extra",
    "--group",
    "--no-group",
    "--only-group",
    "--index",
    "--default-index",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--package",
    "--cache-dir",
    "--config-file",
    "--color",
    "-P",
    "--upgrade-package",
    "-C",
    "--config-setting",
    "--link-mode",
    "--resolution",
    "--prerelease",
    "--index-strategy",
    "--keyring-provider",
    "--exclude-newer",
    "--python-platform",
];

/// Scripts of Node that are wrappers (`node /usr/bin/npm start`).
pub const NODE_TOOLS: &[&str] = &[
    "npm",
    "npx",
    "pnpm",
    "pnpx",
    "yarn",
    "yarnpkg",
    "corepack",
    "tsx",
    "ts-node",
    "ts-node-dev",
    "ts-node-esm",
    "nodemon",
    "node-dev",
    "bunx",
    "vite-node",
    "babel-node",
];

/// Reads a wrapper's command line; `None` if `argv[0]` is no wrapper, or is one that starts nothing.
pub fn read(argv: &[OsString]) -> Option<Wrapped> {
    let (first, rest) = argv.split_first()?;
    // sudo's monitor and systemd's helpers show `sudo:` or `(sd-pam)` as titles: no wrapper of anything.
    read_named(base(first).to_str()?, rest)
}

/// As [`read`], for a wrapper that an interpreter runs.
pub fn read_named(name: &str, args: &[OsString]) -> Option<Wrapped> {
    let rule = RULES.iter().find(|rule| rule.names.contains(&name))?;
    let inner = inner(rule, args)?;
    Some(Wrapped { name: name.to_owned(), inner })
}

/// Whether a wrapper has this name.
pub fn is_name(name: &str) -> bool {
    RULES.iter().any(|rule| rule.names.contains(&name))
}

fn inner(rule: &Rule, args: &[OsString]) -> Option<Vec<Inner>> {
    let args = match rule.shape {
        Shape::Sub(words) => behind_subcommand(rule, words, args)?,
        Shape::Hidden => return Some(vec![]),
        Shape::Behind => {
            if let Some(at) = args.iter().position(|arg| arg == "--") {
                return (at + 1 < args.len()).then(|| vec![Inner::here(args[at + 1..].to_vec())]);
            }
            args
        }
        _ => args,
    };
    let options = Options::read(rule, args);
    let dir = options.folder;
    let place = |argv: Vec<OsString>| Inner { argv, dir: dir.clone() };
    if let Some(line) = options.line {
        // `env -S 'a b' c`: the rest are further arguments.
        if rule.names == ["env"] {
            let mut words = shell::words(&line);
            words.extend_from_slice(options.rest);
            return Some(vec![place(words)]);
        }
        return Some(
            shell::commands(&line)
                .into_iter()
                .map(|inner| Inner { dir: join(dir.as_ref(), inner.dir), ..inner })
                .collect(),
        );
    }
    let mut rest = options.rest;
    if let Some(module) = options.module {
        let mut argv = vec![OsString::from("python"), OsString::from("-m"), module];
        argv.extend_from_slice(rest);
        return Some(vec![place(argv)]);
    }
    match rule.shape {
        Shape::Command(operands) => rest = skip_operands(rule, operands, rest)?,
        Shape::Environment => {
            let is_assignment = |arg: &OsString| arg.as_bytes().contains(&b'=') && !arg.as_bytes().starts_with(b"/");
            let skip = rest.iter().take_while(|arg| is_assignment(arg)).count();
            rest = &rest[skip..];
        }
        Shape::Script(runtime) => return Some(script(runtime, rest).map(place).into_iter().collect()),
        Shape::Line => return watchfiles(rest, dir),
        Shape::Behind => return None,
        Shape::Sub(_) | Shape::Hidden => {}
    }
    let (first, others) = rest.split_first()?;
    // `uv run main.py`: what it runs has Python's name by its extension alone.
    let argv = if rule.names == ["uv"] && is_python_script(first) {
        let mut argv = vec![OsString::from("python"), first.clone()];
        argv.extend_from_slice(others);
        argv
    } else if let Some(line) = one_line(rule, rest) {
        return Some(
            shell::commands(&line)
                .into_iter()
                .map(|inner| Inner { dir: join(dir.as_ref(), inner.dir), ..inner })
                .collect(),
        );
    } else {
        rest.to_vec()
    };
    Some(vec![place(argv)])
}

/// `flock FILE -c 'command'`: flock reads `-c` behind its operand too.
fn one_line(rule: &Rule, rest: &[OsString]) -> Option<OsString> {
    match rest {
        [flag, line, ..] if rule.line.contains(&flag.to_str()?) => Some(line.clone()),
        _ => None,
    }
}

fn join(outer: Option<&PathBuf>, inner: Option<PathBuf>) -> Option<PathBuf> {
    match (outer, inner) {
        (Some(outer), Some(inner)) => Some(outer.join(inner)),
        (Some(outer), None) => Some(outer.clone()),
        (None, inner) => inner,
    }
}

/// The arguments behind the subcommand that runs something; `None` for any other subcommand (`uv pip install`).
fn behind_subcommand<'a>(rule: &Rule, words: &[&str], args: &'a [OsString]) -> Option<&'a [OsString]> {
    let takes_next = |arg: &str| rule.takes_next.contains(&arg) || rule.folder.contains(&arg);
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        match arg.to_str() {
            Some(word) if words.contains(&word) => {
                let behind = &args[at + 1..];
                // solobot's own options are not told apart here: its COMMAND always stands behind `--`.
                if rule.names == ["solobot"] {
                    let dashes = behind.iter().position(|arg| arg == "--")?;
                    return behind.get(dashes..);
                }
                return Some(behind);
            }
            Some(option) if takes_next(option) => at += 2,
            Some(option) if option.starts_with('-') => at += 1,
            _ => return None,
        }
    }
    None
}

/// Operands such as timeout's duration; fewer than expected is no wrapper's work.
fn skip_operands<'a>(rule: &Rule, count: usize, rest: &'a [OsString]) -> Option<&'a [OsString]> {
    // chrt and taskset with `-p` act on a running process.
    let rest = rest.get(count..)?;
    // flock reads options behind its file too; `timeout 5 -- cmd`.
    let dashes = usize::from(rest.first().is_some_and(|arg| arg == "--"));
    let _ = rule;
    rest.get(dashes..)
}

fn script(runtime: &str, rest: &[OsString]) -> Option<Vec<OsString>> {
    let rest = match rest.split_first()? {
        (word, behind) if matches!(word.to_str(), Some("watch" | "run")) && !behind.is_empty() => behind,
        _ => rest,
    };
    let first = rest.first()?;
    let mut argv = Vec::with_capacity(rest.len() + 2);
    match runtime {
        "node" => argv.push(OsString::from("node")),
        "python" if first == "-m" => argv.push(OsString::from("python")),
        "python" => argv.extend(["python".into(), "-m".into()]),
        _ => {}
    }
    argv.extend_from_slice(rest);
    Some(argv)
}

/// `watchfiles 'python main.py' src` runs a command line; `watchfiles main.run` a function.
fn watchfiles(rest: &[OsString], dir: Option<PathBuf>) -> Option<Vec<Inner>> {
    let target = rest.first()?;
    if let Some((module, function)) = target.to_str().and_then(|text| text.rsplit_once('.'))
        && python::is_identifier(function)
        && module.split('.').all(python::is_identifier)
        && !super::has_script_extension(target)
    {
        return Some(vec![Inner { argv: vec!["python".into(), "-m".into(), module.into()], dir }]);
    }
    Some(
        shell::commands(target)
            .into_iter()
            .map(|inner| Inner { dir: join(dir.as_ref(), inner.dir), ..inner })
            .collect(),
    )
}

fn is_python_script(word: &OsStr) -> bool {
    matches!(std::path::Path::new(word).extension().and_then(OsStr::to_str), Some("py" | "pyw" | "pyz"))
}

/// A wrapper's own options, read up to its first operand.
struct Options<'a> {
    line: Option<OsString>,
    folder: Option<PathBuf>,
    module: Option<OsString>,
    rest: &'a [OsString],
}

impl<'a> Options<'a> {
    fn read(rule: &Rule, args: &'a [OsString]) -> Self {
        let mut options = Self { line: None, folder: None, module: None, rest: &[] };
        let is_uv = rule.names == ["uv"];
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            let bytes = arg.as_bytes();
            if bytes == b"--" {
                at += 1;
                break;
            }
            if bytes.len() < 2 || bytes[0] != b'-' {
                break;
            }
            let (name, attached) = split_option(bytes);
            let named = |list: &[&str]| list.iter().any(|entry| entry.as_bytes() == name);
            let value = |at: usize| attached.map(os).or_else(|| args.get(at + 1).cloned());
            let step = if attached.is_some() { 1 } else { 2 };
            if named(rule.line) {
                options.line = value(at);
                at += step;
            } else if named(rule.folder) {
                options.folder = value(at).map(PathBuf::from);
                at += step;
            } else if is_uv && named(&["-m", "--module"]) {
                options.module = value(at);
                at += step;
            } else if named(rule.takes_next) {
                at += step;
            } else {
                at += 1;
            }
        }
        options.rest = args.get(at..).unwrap_or_default();
        options
    }
}

/// `--name=value` and `-nVALUE` have their value attached. A cluster such as `-fo FILE` is read by its last letter.
fn split_option(option: &[u8]) -> (&[u8], Option<&[u8]>) {
    if option.starts_with(b"--") {
        return match option.iter().position(|&byte| byte == b'=') {
            Some(at) => (&option[..at], Some(&option[at + 1..])),
            None => (option, None),
        };
    }
    if option.len() > 2 { (&option[..2], Some(&option[2..])) } else { (option, None) }
}
