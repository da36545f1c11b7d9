//! What to type, for people who want to see or do it themselves: PowerShell.

use std::borrow::Cow;
use std::path::Path;

use crate::base::error::typed;
use crate::base::shell::quote;

/// Why other users' processes may be missing from everything.
pub const HIDDEN: &str =
    "Windows hides the details of other users' processes; use a terminal that runs as administrator to see them";
/// A holder of a lock that is hidden.
pub const HIDDEN_HOLDER: &str = "a process that Windows hides (look as administrator)";
/// Shows whether disks are full.
pub const FREE_SPACE: &str = "Get-PSDrive -PSProvider FileSystem";
/// Where a file with certificates may be.
pub const CERTIFICATES: &str = r"C:\ProgramData\certificates.pem";
/// Where a program may be.
pub const PROGRAM: &str = "mybot.exe";
/// What runs a command line as it is shown; the line follows.
pub const SHELL: [&str; 3] = ["powershell.exe", "-NoProfile", "-Command"];
/// Behind a command: the exit code 75 is no failure.
pub const UNLESS_75: &str = "; if ($LASTEXITCODE -notin 0, 75) { exit $LASTEXITCODE }";
/// A holder of a lock that belongs to somebody else.
pub const FOREIGN_HOLDER: &str = "a process that cannot be seen from here (look as administrator)";
/// What the PID of the shell is called in its own words.
pub const SHELLS_PID: &str = "$PID";
/// What starts Python.
pub const PYTHON: &str = "python";
/// What ends a process that does not end when it is asked to.
pub const KILL: &str = "TerminateProcess";
/// What shows what could not be seen.
pub const USE_SUDO: &str = "use a terminal that runs as administrator";
/// How to try again with more rights.
pub const WITH_SUDO: &str = "as administrator";
/// Said where something could not be seen.
pub const SUDO_SHOWS_MORE: &str = "an administrator sees more";

/// A hint: a purpose, and a command for an administrator.
pub fn as_root(purpose: &str, command: &str) -> String {
    with_sudo(purpose, command)
}

/// A hint: a purpose, and a command that needs more rights.
pub fn with_sudo(purpose: &str, command: &str) -> String {
    format!("{purpose}, in a terminal that runs as administrator: {command}")
}

/// A command for an administrator.
pub fn typed_as_root(command: &str) -> String {
    format!("{command}  # in a terminal that runs as administrator")
}

/// A command for another user.
pub fn typed_as_user(user: &str, command: &str) -> String {
    format!("{command}  # in a terminal of {user}")
}

/// A hint: a purpose, and a command for another user.
pub fn as_user(purpose: &str, user: &str, command: &str) -> String {
    format!("{purpose}, in a terminal of {user}: {command}")
}

/// Shows what processes are. `Get-Process` of Windows PowerShell shows no command lines.
pub fn processes(pids: &[i32]) -> String {
    let wanted: Vec<String> = pids.iter().map(|pid| format!("ProcessId={pid}")).collect();
    let filter = wanted.join(" or ");
    format!(
        "Get-CimInstance Win32_Process -Filter '{filter}' | Format-List ProcessId, ParentProcessId, CreationDate, CommandLine"
    )
}

/// Ends processes. Those of another user need an administrator, whom no command line can name.
pub fn end(_owner: Option<&str>, pids: &[i32]) -> String {
    format!("Stop-Process -Id {}", pids.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
}

/// Removes a file.
pub fn remove(path: &Path) -> String {
    format!("Remove-Item -LiteralPath {}", typed(path))
}

/// Lists the files of a folder.
pub fn list(folder: &Path) -> String {
    format!("Get-ChildItem -LiteralPath {}", typed(folder))
}

/// Shows who may do what with a folder.
pub fn rights_of(folder: &Path) -> String {
    format!("icacls {}", typed(folder))
}

/// Makes a folder.
pub fn make(folder: &Path) -> String {
    format!("New-Item -ItemType Directory -Force {}", typed(folder))
}

/// Leaves a file to the caller. What it inherits from its folder goes too.
pub fn hide(path: &Path) -> String {
    format!("icacls {} /inheritance:r /grant:r \"${{env:USERNAME}}:F\"", typed(path))
}

/// Makes a file a program: here its extension does.
pub fn make_executable(_path: &str) -> Option<String> {
    None
}

/// Opens a file in an editor.
pub fn edit(path: &Path) -> String {
    format!("notepad {}", typed(path))
}

/// Finds out whether there is a program of that name.
pub fn find_program(name: &str) -> String {
    format!("Get-Command {}", quote(name))
}

/// A command with a variable of its environment, both as they are typed. The shell keeps the variable.
pub fn with_variable(name: &str, value: &str, command: &str) -> String {
    format!("$env:{name} = {value}; {command}")
}

/// Shows a variable of a process. Nothing that comes with Windows does.
pub fn variable_of(pid: i32, name: &str) -> String {
    format!("in Process Explorer: the Environment tab of PID {pid}, `{name}`")
}

/// Shows the proxies that a process was told to use.
pub fn proxies_of(pid: i32) -> String {
    format!("in Process Explorer: the Environment tab of PID {pid}, what ends in `_PROXY`")
}

/// Shows what a process has open.
pub fn open_files_of(pid: i32) -> String {
    format!("in Process Explorer: the handles of PID {pid}; or Sysinternals' `handle.exe -p {pid}`")
}

/// The lines of explanations and examples that are something else in PowerShell, the names of programs and PIDs aside.
const LINES: [(&str, &str); 34] = [
    (
        "ls -l /proc/PID/cwd",
        "Get-CimInstance Win32_Process -Filter 'ProcessId=PID' | Format-List ExecutablePath, CommandLine",
    ),
    (
        "ps -o pid,ppid,args -p PIDS",
        "Get-CimInstance Win32_Process -Filter 'ParentProcessId=PID' | Format-List ProcessId, CommandLine",
    ),
    (r"tr '\0' '\n' </proc/PID/environ | grep SKIP", "# in Process Explorer: the Environment tab of PID"),
    ("ls -l /proc/PID/fd", "handle.exe -p PID  # Sysinternals"),
    ("lslocks", "handle.exe bot.pid  # Sysinternals"),
    ("grep lock: /proc/PID/fdinfo/*", "handle.exe LOCK  # Sysinternals"),
    ("rm bot.pid", "Remove-Item bot.pid"),
    ("kill PID", "Stop-Process -Id PID"),
    ("kill -CONT PID", "# in Process Explorer: Resume, of PID"),
    ("stat -f -c %T LOCK", "Get-CimInstance Win32_LogicalDisk | Format-Table DeviceID, DriveType, ProviderName"),
    ("sudo solobot doctor", "solobot doctor  # in a terminal that runs as administrator"),
    ("od -c FILE | tail -n 2", "Format-Hex FILE"),
    ("printf %s \"$TOKEN\" >FILE", "[IO.File]::WriteAllText(\"$PWD\\FILE\", $TOKEN)"),
    ("ss -tnp", "Get-NetTCPConnection -OwningProcess PID"),
    ("env -u HTTPS_PROXY -u https_proxy COMMAND", "$env:HTTPS_PROXY = $null; COMMAND"),
    ("ip route", "Get-NetRoute"),
    ("env | grep -i _proxy", "Get-ChildItem env:*_proxy"),
    ("date -u", "(Get-Date).ToUniversalTime()"),
    ("timedatectl", "w32tm /query /status"),
    ("timedatectl set-ntp true", "Start-Service w32time; w32tm /resync"),
    (
        "solobot status main --json | jq '.bots[0].instances[].pid'",
        "(solobot status main --json | ConvertFrom-Json).bots[0].instances.pid",
    ),
    (
        "solobot lease main --json | jq -r '.bots[0].lease.holder.host'",
        "(solobot lease main --json | ConvertFrom-Json).bots[0].lease.holder.host",
    ),
    (
        "In a systemd unit: if someone started the bot by hand, wait until it ends:",
        "In a scheduled task or a service: if someone started the bot by hand, wait until it ends:",
    ),
    (
        "In a crontab: start the bot only if it is not running:",
        "In a scheduled task: start the bot only if it is not running:",
    ),
    ("In a crontab, for node_exporter:", "In a scheduled task, for windows_exporter:"),
    (
        "solobot metrics --telegram -o /var/lib/node_exporter/textfile_collector/solobot.prom",
        r"solobot metrics --telegram -o 'C:\Program Files\windows_exporter\textfile_inputs\solobot.prom'",
    ),
    (
        "sudo solobot init -c /etc/solobot/solobot.toml --force",
        r"solobot init -c C:\ProgramData\solobot\solobot.toml --force",
    ),
    ("solobot release --fd 9", ""),
    (
        "See what would be run: systemctl restart, or solobot itself:",
        "See what would be run: Restart-Service, or solobot itself:",
    ),
    ("solobot conflicts unit:bot.service --by hour --since 1d", r"solobot conflicts logs\bot.log --by hour --since 1d"),
    ("By the hour, from a unit's journal:", "By the hour, from one file:"),
    ("docker logs bot 2>&1 | solobot conflicts --max 0 -", "Get-Content bot.log | solobot conflicts --max 0 -"),
    ("solobot clean-stale --dry-run /tmp/*.lock", "solobot clean-stale --dry-run (Get-Item *.lock)"),
    (
        "For the whole machine, and overwrite the file that exists:",
        "For the whole machine, as administrator, and overwrite the file that exists:",
    ),
];

/// A command without a variable of its environment. The shell loses the variable.
pub fn without_variable(name: &str, command: &str) -> String {
    format!("$env:{name} = $null; {command}")
}

/// Shows a page of the manual: nothing here does.
pub fn manual(_page: &str) -> Option<String> {
    None
}

/// A line of an explanation or an example, which are written for sh. Empty if there is nothing of the kind here.
pub fn typed_here(line: &str) -> Cow<'_, str> {
    if let Some((_, here)) = LINES.iter().find(|(there, _)| *there == line) {
        return (*here).into();
    }
    // `curl` alone is a command of PowerShell's own.
    for (there, here) in [("getent hosts ", "Resolve-DnsName "), ("curl ", "curl.exe ")] {
        if let Some(rest) = line.strip_prefix(there) {
            return format!("{here}{rest}").into();
        }
    }
    let line = line.replace("$$", SHELLS_PID).replace("python3 ", "python ");
    let line = line.replace("/tmp/", "").replace("/srv/bot/", r"C:\Users\bot\tgbot\");
    // Windows PowerShell has no `&&`.
    match line.split_once(" && ") {
        Some((first, second)) => format!("{first}; if ($?) {{ {second} }}"),
        None => line,
    }
    .into()
}
