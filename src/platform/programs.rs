//! What programs of Windows are, by the names of their files. They have their extension there, so that no program of another
//! system is taken for one of them.

/// What a program is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownProgram {
    Shell,
    /// A terminal, or a part of the desktop or of the system, which only stands between a program and who has started it.
    Session,
    /// An ssh server.
    Ssh,
    /// The engine of the Task Scheduler, where that is a process of its own.
    TaskScheduler,
    /// An IDE, by name.
    Ide(&'static str),
    /// A service's process that starts its program again whenever that ends.
    ServiceKeeper,
}

const KNOWN: [(&str, KnownProgram); 54] = [
    ("cmd.exe", KnownProgram::Shell),
    ("powershell.exe", KnownProgram::Shell),
    ("pwsh.exe", KnownProgram::Shell),
    ("bash.exe", KnownProgram::Shell),
    ("sh.exe", KnownProgram::Shell),
    ("nu.exe", KnownProgram::Shell),
    ("explorer.exe", KnownProgram::Session),
    ("conhost.exe", KnownProgram::Session),
    ("openconsole.exe", KnownProgram::Session),
    ("windowsterminal.exe", KnownProgram::Session),
    ("wezterm-gui.exe", KnownProgram::Session),
    ("alacritty.exe", KnownProgram::Session),
    ("mintty.exe", KnownProgram::Session),
    ("conemu64.exe", KnownProgram::Session),
    ("conemuc64.exe", KnownProgram::Session),
    ("hyper.exe", KnownProgram::Session),
    ("tabby.exe", KnownProgram::Session),
    ("winlogon.exe", KnownProgram::Session),
    ("userinit.exe", KnownProgram::Session),
    ("sihost.exe", KnownProgram::Session),
    ("runtimebroker.exe", KnownProgram::Session),
    ("wininit.exe", KnownProgram::Session),
    ("services.exe", KnownProgram::Session),
    ("svchost.exe", KnownProgram::Session),
    ("wmiprvse.exe", KnownProgram::Session),
    ("csrss.exe", KnownProgram::Session),
    ("smss.exe", KnownProgram::Session),
    ("sshd.exe", KnownProgram::Ssh),
    ("sshd-session.exe", KnownProgram::Ssh),
    ("taskeng.exe", KnownProgram::TaskScheduler),
    ("nssm.exe", KnownProgram::ServiceKeeper),
    ("nssm64.exe", KnownProgram::ServiceKeeper),
    ("code.exe", KnownProgram::Ide("VS Code")),
    ("code - insiders.exe", KnownProgram::Ide("VS Code")),
    ("vscodium.exe", KnownProgram::Ide("VSCodium")),
    ("cursor.exe", KnownProgram::Ide("Cursor")),
    ("windsurf.exe", KnownProgram::Ide("Windsurf")),
    ("zed.exe", KnownProgram::Ide("Zed")),
    ("devenv.exe", KnownProgram::Ide("Visual Studio")),
    ("pycharm.exe", KnownProgram::Ide("PyCharm")),
    ("pycharm64.exe", KnownProgram::Ide("PyCharm")),
    ("idea.exe", KnownProgram::Ide("IntelliJ IDEA")),
    ("idea64.exe", KnownProgram::Ide("IntelliJ IDEA")),
    ("webstorm.exe", KnownProgram::Ide("WebStorm")),
    ("webstorm64.exe", KnownProgram::Ide("WebStorm")),
    ("phpstorm64.exe", KnownProgram::Ide("PhpStorm")),
    ("rubymine64.exe", KnownProgram::Ide("RubyMine")),
    ("rider64.exe", KnownProgram::Ide("Rider")),
    ("goland64.exe", KnownProgram::Ide("GoLand")),
    ("fleet.exe", KnownProgram::Ide("Fleet")),
    ("spyder.exe", KnownProgram::Ide("Spyder")),
    ("thonny.exe", KnownProgram::Ide("Thonny")),
    ("idle.exe", KnownProgram::Ide("IDLE")),
    ("sublime_text.exe", KnownProgram::Ide("Sublime Text")),
];

/// What a program of that file name is, whatever the case of its letters.
pub fn of_windows(file_name: &str) -> Option<KnownProgram> {
    KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(file_name)).map(|(_, program)| *program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_whole_with_their_extension_in_any_case() {
        for (name, program) in [
            ("cmd.exe", Some(KnownProgram::Shell)),
            ("PyCharm64.exe", Some(KnownProgram::Ide("PyCharm"))),
            ("Code.exe", Some(KnownProgram::Ide("VS Code"))),
            ("NSSM.EXE", Some(KnownProgram::ServiceKeeper)),
            ("services.exe", Some(KnownProgram::Session)),
            // Any program may be called that elsewhere.
            ("cmd", None),
            ("code", None),
            ("mycode.exe", None),
            ("", None),
        ] {
            assert_eq!(of_windows(name), program, "{name}");
        }
    }
}
