//! What an ancestor is: a manager, a shell, a wrapper, or a home-made program.

use std::ffi::OsStr;
use std::path::Path;

use super::super::argv::{self, Invocation, ParsedArgv, Runner, Target, shell};
use super::super::details::Details;
use crate::platform::programs::{KnownProgram, of_windows};
use crate::platform::{proc, words};

/// What an ancestor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Starter {
    Solobot,
    /// pm2's daemon, with its home.
    Pm2 {
        /// `PM2_HOME`.
        home: String,
    },
    Supervisord,
    /// runit's `runsv`, with the service's name.
    Runsv,
    /// `s6-supervise`.
    S6,
    /// PID 1, or a container's.
    Init,
    /// `systemd --user`.
    UserManager,
    /// cron, anacron, atd.
    Cron,
    /// A tmux server.
    Tmux,
    /// A screen server.
    Screen,
    /// An IDE, by name.
    Ide(&'static str),
    /// An ssh server.
    Ssh,
    /// A terminal emulator, `login`, a desktop session: transparent.
    Session,
    /// Task Scheduler's own process, where it has one.
    TaskScheduler,
    /// The process of a Windows service that starts its program again whenever that ends.
    ServiceKeeper,
    /// The process in which a container runs.
    ContainerRuntime,
    /// A shell that starts its commands again and again.
    Loop,
    /// Any other shell.
    Shell,
    Wrapper,
    /// A home-made program.
    Other,
}

impl Starter {
    /// Tells what a process is.
    pub fn of(process: &Details) -> Self {
        let Some(title) = process.argv.first() else {
            // Another user's, whose arguments a platform may hide: `login`, launchd.
            let name = process.exe.as_deref().and_then(Path::file_name).unwrap_or_default();
            return by_name(&name.to_string_lossy()).unwrap_or(Self::Other);
        };
        let title = title.to_string_lossy();
        if let Some(home) = pm2_home(&title) {
            return Self::Pm2 { home };
        }
        let reading = argv::read(&process.argv, process.exe.as_deref());
        // A title's own words: `sshd: bot@pts/0`, `tmux: server`.
        let called = title.split([' ', ':']).next().unwrap_or_default();
        let called = argv::base(OsStr::new(called)).to_string_lossy().into_owned();
        let exe = process.exe.as_deref().map(proc::undeleted);
        let by_exe = exe.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        if let Some(starter) = by_name(&called).or_else(|| by_name(by_exe.as_deref()?)) {
            return match starter {
                Self::Init if process.identity.pid != 1 => Self::UserManager,
                starter => starter,
            };
        }
        if let Some(name) = ide(&title, exe.as_deref()) {
            return Self::Ide(name);
        }
        match reading {
            ParsedArgv::Wraps(wrapped) if Runner::of_name(OsStr::new(&wrapped.name)) == Some(Runner::Shell) => {
                let is_loop = process
                    .argv
                    .iter()
                    .skip(1)
                    .any(|arg| !arg.as_encoded_bytes().starts_with(b"-") && shell::has_loop(arg));
                if is_loop { Self::Loop } else { Self::Wrapper }
            }
            ParsedArgv::Wraps(_) => Self::Wrapper,
            ParsedArgv::Runs(invocation) => runs(&invocation, process.identity.pid),
        }
    }

    /// Whether a token in its environment means nothing, because it only hands it on.
    pub fn is_carrier(&self) -> bool {
        !matches!(self, Self::Other)
    }
}

fn runs(invocation: &Invocation, pid: i32) -> Starter {
    if invocation.runner == Runner::Shell {
        return Starter::Shell;
    }
    match &invocation.target {
        // `bun run start`: a script of package.json.
        Target::Script(word) if invocation.runner == Runner::Bun && is_plain_word(word.as_os_str()) => Starter::Wrapper,
        Target::Script(script) if script.file_name().is_some_and(|name| name == "supervisord") => Starter::Supervisord,
        Target::Module(name) if name == "supervisor.supervisord" || name == "supervisor" => Starter::Supervisord,
        // What keeps a container alive, and reaps.
        Target::Executable(name) if pid == 1 && is_idle_init(argv::base(name)) => Starter::Init,
        _ => Starter::Other,
    }
}

fn is_plain_word(word: &OsStr) -> bool {
    !word.as_encoded_bytes().iter().any(|byte| b"./".contains(byte))
}

fn is_idle_init(name: &OsStr) -> bool {
    matches!(name.as_encoded_bytes(), b"sleep" | b"tail" | b"pause" | b"cat")
}

/// `PM2 v5.3.0: God Daemon (/home/bot/.pm2)`.
fn pm2_home(title: &str) -> Option<String> {
    if !title.starts_with("PM2 v") {
        return None;
    }
    let (_, rest) = title.split_once("God Daemon (")?;
    Some(rest.trim_end().trim_end_matches(')').to_owned())
}

fn by_name(name: &str) -> Option<Starter> {
    of_windows(name)
        .map(Starter::from)
        .or_else(|| by_plain_name(&String::from_utf8_lossy(words::program_name(name.as_bytes()))))
}

impl From<KnownProgram> for Starter {
    fn from(program: KnownProgram) -> Self {
        match program {
            KnownProgram::Shell => Self::Shell,
            KnownProgram::Session => Self::Session,
            KnownProgram::Ssh => Self::Ssh,
            KnownProgram::TaskScheduler => Self::TaskScheduler,
            KnownProgram::ServiceKeeper => Self::ServiceKeeper,
            KnownProgram::Ide(name) => Self::Ide(name),
        }
    }
}

fn by_plain_name(name: &str) -> Option<Starter> {
    Some(match name {
        "solobot" => Starter::Solobot,
        "pwsh" => Starter::Shell,
        "supervisord" => Starter::Supervisord,
        "runsv" => Starter::Runsv,
        "s6-supervise" => Starter::S6,
        "systemd" | "init" | "openrc-init" | "runit" | "runsvdir" | "s6-svscan" | "launchd" | "systemd-executor" => {
            Starter::Init
        }
        "cron" | "crond" | "CRON" | "anacron" | "atd" | "fcron" | "cronie" | "supercronic" => Starter::Cron,
        // watch(1) runs a command every few seconds.
        "watch" => Starter::Loop,
        "tmux" => Starter::Tmux,
        "screen" | "SCREEN" => Starter::Screen,
        "sshd" | "sshd-session" | "dropbear" | "mosh-server" => Starter::Ssh,
        "containerd-shim"
        | "containerd-shim-runc-v2"
        | "conmon"
        | "conmonrs"
        | "dockerd"
        | "runc"
        | "crun"
        | "lxc-start"
        | "systemd-nspawn" => Starter::ContainerRuntime,
        "login"
        | "getty"
        | "agetty"
        | "gnome-terminal-server"
        | "gnome-terminal"
        | "konsole"
        | "yakuake"
        | "xterm"
        | "urxvt"
        | "rxvt"
        | "alacritty"
        | "kitty"
        | "wezterm-gui"
        | "foot"
        | "xfce4-terminal"
        | "mate-terminal"
        | "lxterminal"
        | "terminator"
        | "tilix"
        | "ptyxis-agent"
        | "ghostty"
        | "Terminal"
        | "iTerm2"
        | "st"
        | "ttyd"
        | "gnome-shell"
        | "gnome-session-binary"
        | "plasmashell"
        | "kwin_wayland"
        | "xfce4-session"
        | "xfce4-panel"
        | "sway"
        | "Hyprland"
        | "i3"
        | "gdm-session-worker"
        | "gdm-x-session"
        | "gdm-wayland-session"
        | "sddm-helper"
        | "lightdm"
        | "Xorg"
        | "dbus-daemon" => Starter::Session,
        // iTerm2's sessions outlive its window by it: `iTermServer-3.5.0`.
        name if name.starts_with("iTermServer") => Starter::Session,
        _ => return None,
    })
}

/// IDEs by the name of their executable; their remote servers by the folder they are installed in.
fn ide(title: &str, exe: Option<&Path>) -> Option<&'static str> {
    const NAMES: [(&str, &str); 15] = [
        ("code", "VS Code"),
        ("code-insiders", "VS Code"),
        ("code-oss", "VS Code"),
        ("codium", "VSCodium"),
        ("vscodium", "VSCodium"),
        ("cursor", "Cursor"),
        ("windsurf", "Windsurf"),
        ("zed", "Zed"),
        ("zed-editor", "Zed"),
        ("pycharm", "PyCharm"),
        ("pycharm.sh", "PyCharm"),
        ("idea", "IntelliJ IDEA"),
        ("webstorm", "WebStorm"),
        ("spyder", "Spyder"),
        ("code-server", "code-server"),
    ];
    const FOLDERS: [(&str, &str); 13] = [
        ("Visual Studio Code.app", "VS Code"),
        ("Cursor.app", "Cursor"),
        ("Windsurf.app", "Windsurf"),
        ("Zed.app", "Zed"),
        ("PyCharm.app", "PyCharm"),
        ("IntelliJ IDEA.app", "IntelliJ IDEA"),
        (".vscode-server", "VS Code"),
        (".vscode-remote", "VS Code"),
        (".vscode-server-insiders", "VS Code"),
        (".cursor-server", "Cursor"),
        (".windsurf-server", "Windsurf"),
        ("code-server", "code-server"),
        (".zed_server", "Zed"),
    ];
    let called = Path::new(title.split(" --").next().unwrap_or(title));
    let paths = [Some(called), exe];
    let names = || paths.iter().flatten().filter_map(|path| path.file_name()?.to_str());
    if let Some((_, ide)) = NAMES.iter().find(|(name, _)| names().any(|ours| ours == *name)) {
        return Some(ide);
    }
    let part = |part: &str| {
        let by_folder = FOLDERS.iter().find(|(folder, _)| *folder == part).map(|(_, ide)| *ide);
        // JetBrains bundles its own Java: `/opt/pycharm-2024.1/jbr/bin/java`.
        by_folder.or_else(|| part.starts_with("pycharm-").then_some("PyCharm"))
    };
    paths.iter().flatten().flat_map(|path| path.iter()).filter_map(OsStr::to_str).find_map(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_has() {
        for (name, starter) in [
            ("cmd.exe", Starter::Shell),
            ("explorer.exe", Starter::Session),
            ("taskeng.exe", Starter::TaskScheduler),
            ("nssm.exe", Starter::ServiceKeeper),
            ("Code.exe", Starter::Ide("VS Code")),
        ] {
            assert_eq!(by_name(name), Some(starter), "{name}");
        }
    }
}
