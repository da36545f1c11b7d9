//! The table of wrappers: how each reads its own options.
//!
//! Taken from the manual page or `--help` of each. One line for each family of wrappers with the same options.

/// How a wrapper's inner command is found behind its options.
#[derive(Clone, Copy)]
pub enum Form {
    /// Options, then that many operands, then the command.
    Command(usize),
    /// `NAME=VALUE` words may come before the command.
    Environment,
    /// These subcommand words, then options, then the command.
    Sub(&'static [&'static str]),
    /// Only what follows `--`.
    Behind,
    /// A subcommand, then a script of the project's own file: the command cannot be seen.
    Hidden,
    /// Options, then a script for that runtime.
    Script(&'static str),
    /// The command is one string for a shell.
    Line,
    /// All the words together are a command line for a shell.
    Words,
}

pub struct Rule {
    pub names: &'static [&'static str],
    /// Options whose value is the next argument.
    pub takes_next: &'static [&'static str],
    /// Options whose value is a command line for a shell.
    pub line: &'static [&'static str],
    /// Options whose value is the folder of the command.
    pub folder: &'static [&'static str],
    /// Options whose value is a Python module.
    pub module: &'static [&'static str],
    pub shape: Form,
}

const fn rule(names: &'static [&'static str], takes_next: &'static [&'static str], shape: Form) -> Rule {
    Rule { names, takes_next, line: &[], folder: &[], module: &[], shape }
}

const RUN: Form = Form::Sub(&["run"]);
const EXEC: Form = Form::Sub(&["exec"]);

/// The table: `man` pages and `--help` of each.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    Rule { line: &["-S", "--split-string"], folder: &["-C", "--chdir"], ..rule(&["env"], &["-u", "--unset"], Form::Environment) },
    rule(&["timeout", "gtimeout"], &["-k", "--kill-after", "-s", "--signal"], Form::Command(1)),
    rule(&["nohup", "setsid", "eatmydata", "unbuffer", "chronic", "cronic", "command", "exec", "opentelemetry-instrument", "ddtrace-run", "catchsegv", "fakeroot", "torsocks", "torify", "proxychains", "proxychains4", "caffeinate", "pyenv-exec", "run-one", "run-this-one"], &[], Form::Command(0)),
    rule(&["time"], &["-f", "--format", "-o", "--output"], Form::Command(0)),
    rule(&["nice"], &["-n", "--adjustment"], Form::Command(0)),
    rule(&["stdbuf"], &["-i", "-o", "-e", "--input", "--output", "--error"], Form::Command(0)),
    Rule { folder: &["-D", "--chdir"], ..rule(&["sudo"], &["-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "--close-from", "-R", "--chroot", "-r", "--role", "-t", "--type", "-T", "--command-timeout", "-U", "--other-user"], Form::Environment) },
    rule(&["doas"], &["-u", "-C"], Form::Command(0)),
    Rule { line: &["-c", "--command"], ..rule(&["su"], &["-s", "--shell", "-g", "--group", "-G", "-w"], Form::Behind) },
    Rule { line: &["-c", "--command"], ..rule(&["runuser"], &["-u", "--user", "-g", "--group", "-G", "-s", "--shell"], Form::Command(0)) },
    rule(&["gosu", "su-exec", "s6-setuidgid", "setuidgid", "setlock", "aws-vault-exec", "s6-envdir", "envdir"], &[], Form::Command(1)),
    rule(&["setpriv"], &["--reuid", "--regid", "--groups", "--pdeathsig", "--inh-caps", "--ambient-caps", "--bounding-set", "--securebits"], Form::Command(0)),
    rule(&["chpst"], &["-u", "-U", "-b", "-e", "-/", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-t"], Form::Command(0)),
    Rule { line: &["-c", "--command"], ..rule(&["flock"], &["-w", "--wait", "--timeout", "-E", "--conflict-exit-code"], Form::Command(1)) },
    rule(&["chrt"], &["-T", "-P", "-D", "--sched-runtime", "--sched-period", "--sched-deadline"], Form::Command(1)),
    rule(&["ionice"], &["-c", "--class", "-n", "--classdata"], Form::Command(0)),
    rule(&["taskset"], &[], Form::Command(1)),
    rule(&["numactl", "valgrind", "prlimit", "firejail", "perf-record"], &["-N", "-m", "-C", "--cpunodebind"], Form::Command(0)),
    rule(&["systemd-run", "systemd-inhibit", "systemd-cat"], &["-u", "--unit", "-p", "--property", "-E", "--setenv", "-H", "-M", "--slice", "--description", "--who", "--why", "--what", "-t", "--uid", "--gid", "--working-directory"], Form::Command(0)),
    rule(&["cgexec"], &["-g"], Form::Command(0)),
    rule(&["ssh-agent"], &["-a", "-t", "-E", "-P"], Form::Command(0)),
    rule(&["unshare"], &["--map-user", "--map-group", "--setgroups", "-S", "-G", "-R", "-w", "--root", "--wd"], Form::Command(0)),
    rule(&["nsenter"], &["-t", "--target", "-S", "-G"], Form::Command(0)),
    rule(&["chroot"], &[], Form::Command(1)),
    rule(&["bwrap"], &[], Form::Behind),
    rule(&["strace", "ltrace"], &["-e", "-o", "-O", "-p", "-P", "-s", "-S", "-u", "-E", "-a", "-b", "-I", "-X", "-n", "-l", "-x", "-A", "-w", "--trace", "--output", "--signal", "--string-limit"], Form::Command(0)),
    rule(&["gdb", "lldb", "rr"], &[], Form::Sub(&["--args", "record", "--"])),
    rule(&["tini", "tini-static", "docker-init", "catatonit"], &["-p", "-e"], Form::Command(0)),
    rule(&["dumb-init"], &["-r", "--rewrite"], Form::Command(0)),
    rule(&["with-contenv", "xvfb-run", "dbus-run-session"], &["-n", "-s", "-e", "-f", "-p", "-w"], Form::Command(0)),
    Rule { folder: &["--directory"], module: &["-m", "--module"], ..rule(&["uv"], UV_TAKES_NEXT, RUN) }, rule(&["uvx", "pipx"], &["--from", "--with", "--python", "-p", "--spec"], Form::Script("uvx")),
    Rule { folder: &["-C", "--directory"], ..rule(&["poetry"], &["-P", "--project"], RUN) }, rule(&["pipenv", "rye", "hatch"], &["-e", "--env"], RUN),
    rule(&["pdm"], &["-p", "--project", "-s", "--site-packages"], RUN), Rule { folder: &["--cwd"], ..rule(&["conda", "mamba", "micromamba"], &["-n", "--name", "-p", "--prefix"], RUN) }, rule(&["pixi"], &["-e", "--environment", "--manifest-path"], RUN),
    rule(&["dotenv"], &["-f", "--file", "-e", "-q"], RUN),
    rule(&["dotenvx", "infisical", "doppler", "op", "chamber"], &["-f", "--env-file", "-p", "--project", "-c", "--config"], RUN),
    rule(&["direnv"], &[], Form::Command(2)),
    rule(&["pyenv", "rbenv", "nodenv", "asdf", "mise", "rtx", "volta", "fnm"], &["--using"], Form::Sub(&["exec", "x", "run"])),
    rule(&["bundle", "bundler"], &["--gemfile"], EXEC),
    rule(&["honcho", "foreman"], &["-f", "--procfile", "-e", "--env", "-d"], Form::Hidden),
    rule(&["npm", "pnpm", "yarn", "yarnpkg", "corepack"], &["-C", "--prefix", "--cwd", "-w", "--workspace"], Form::Hidden),
    rule(&["npx", "bunx", "pnpx"], &["-p", "--package"], Form::Command(0)),
    rule(&["tsx", "ts-node", "ts-node-dev", "ts-node-esm", "tsnd", "esr", "swc-node", "vite-node", "babel-node"], &["--tsconfig", "-P", "--project", "-r", "--require", "--import", "--env-file", "-O", "--ignore-watch", "--include", "--exclude"], Form::Script("node")),
    Rule { line: &["-x", "--exec"], ..rule(&["nodemon", "node-dev"], &["-w", "--watch", "-e", "--ext", "-i", "--ignore", "-d", "--delay", "-C", "-s", "--signal", "--config", "--cwd"], Form::Script("node")) },
    Rule { line: &["-x", "--exec"], ..rule(&["bacon", "entr", "watchexec", "cargo-watch"], &["-w", "--watch", "-e", "--exts", "-i", "--ignore", "-s", "--signal", "-f", "--filter"], Form::Command(0)) },
    rule(&["watch"], &["-n", "--interval", "-q", "--equexit", "-s", "--shotsdir"], Form::Words),
    rule(&["watchfiles"], &["--ignore-paths", "--target-type", "--filter", "--args", "--sigint-timeout", "--sigkill-timeout"], Form::Line),
    rule(&["watchmedo"], &["-d", "--directory", "-p", "--pattern", "--patterns", "-i", "--ignore-patterns", "--interval", "--signal", "--kill-after", "--debounce-interval"], Form::Sub(&["auto-restart"])),
    rule(&["hupper"], &["-w", "--watch", "-x", "--exclude"], Form::Script("python")),
    Rule { line: &["--run", "--command", "-c"], ..rule(&["nix-shell", "nix"], &[], Form::Behind) },
    Rule { line: &["-c", "--command"], ..rule(&["script"], &["-I", "-O", "-B", "-T", "-E", "-o"], Form::Behind) }, rule(&["cargo"], &["-p", "--package", "--bin", "--features", "--manifest-path", "--profile", "--target"], Form::Hidden),
    rule(&["go", "make", "just", "task", "rake", "invoke"], &[], Form::Hidden),
    rule(&["solobot"], &[], Form::Sub(&["acquire"])),
    rule(&["busybox", "toybox"], &[], Form::Command(0)),
];

/// Commands that hand another one on to a server or a daemon, and end: it runs on there, and perhaps below nobody's eyes.
#[rustfmt::skip]
pub const LAUNCHERS: &[Rule] = &[
    rule(&["tmux"], &["-L", "-S", "-f", "-c", "-e", "-F", "-n", "-s", "-t", "-x", "-y", "-l"], Form::Sub(&["new", "new-session", "neww", "new-window", "splitw", "split-window", "respawnp", "respawn-pane", "respawnw", "respawn-window"])),
    rule(&["screen"], &["-S", "-c", "-e", "-h", "-p", "-s", "-t", "-T", "-Logfile"], Form::Command(0)),
    Rule { folder: &["--cwd"], ..rule(&["pm2"], &["-n", "--name", "-i", "--instances", "-l", "--log", "-o", "--output", "-e", "--error", "-p", "--pid", "-u", "--user", "-c", "--cron", "--cron-restart", "-k", "--kill-timeout", "--interpreter", "--interpreter-args", "--node-args", "--namespace", "--max-memory-restart", "--restart-delay", "--exp-backoff-restart-delay", "--max-restarts", "--watch-delay", "--ignore-watch", "--env"], Form::Sub(&["start"])) },
    Rule { folder: &["-d", "--chdir"], ..rule(&["start-stop-daemon"], &["-x", "--exec", "-a", "--startas", "-p", "--pidfile", "-u", "--user", "-c", "--chuid", "-g", "--group", "-n", "--name", "-s", "--signal", "-R", "--retry", "-N", "--nicelevel", "-k", "--umask", "-r", "--chroot", "-O", "--output"], Form::Behind) },
    Rule { folder: &["-c"], ..rule(&["daemonize"], &["-p", "-l", "-o", "-e", "-E", "-u"], Form::Command(0)) },
    Rule { folder: &["-D", "--chdir"], ..rule(&["daemon"], &["-n", "--name", "-u", "--user", "-l", "--errlog", "-o", "--output", "-F", "--pidfile", "-P", "--pidfiles"], Form::Command(0)) },
];

#[rustfmt::skip]
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
