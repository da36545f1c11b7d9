//! Traces of what started an instance: CI runners, git hooks, deploy scripts. Pure over command lines and environments.
//!
//! An ancestor proves it. A variable counts only if nothing but the starter sets it, because the job has usually ended
//! when doctor is asked.

use std::ffi::OsString;
use std::path::Path;

use super::facts::{Automation, StartTrace};
use crate::process::argv::{self, Invocation, ParsedArgv, Target};
use crate::process::details::{command_line, variable};

/// Runners of continuous integration, by the name of their executable.
const RUNNERS: [&str; 13] = [
    "Runner.Worker",
    "Runner.Listener",
    "gitlab-runner",
    "gitlab-runner-helper",
    "buildkite-agent",
    "drone-runner-exec",
    "drone-runner-docker",
    "act_runner",
    "woodpecker-agent",
    "circleci-agent",
    "circleci-runner",
    "cirrus",
    "concourse",
];
/// What Jenkins runs on Java: its archives.
const ARCHIVES: [&str; 4] = ["agent.jar", "remoting.jar", "slave.jar", "jenkins.war"];
/// Variables of CI jobs, and the value they have there; an empty one is any.
const VARIABLES: [(&str, &str); 9] = [
    ("GITHUB_ACTIONS", "true"),
    ("GITLAB_CI", "true"),
    ("BUILDKITE", "true"),
    ("CIRCLECI", "true"),
    ("DRONE", "true"),
    ("CI", "woodpecker"),
    ("TF_BUILD", "True"),
    ("JENKINS_URL", ""),
    ("TEAMCITY_VERSION", ""),
];
/// git's hooks that run on a server or after a pull.
const HOOKS: [&str; 9] = [
    "post-receive",
    "pre-receive",
    "update",
    "post-update",
    "post-merge",
    "post-checkout",
    "post-commit",
    "post-rewrite",
    "pre-push",
];
/// Programs that deploy.
const DEPLOYERS: [&str; 9] =
    ["cap", "capistrano", "ansible-playbook", "ansible", "ansible-pull", "fab", "kamal", "mina", "deployer"];

pub fn of_ancestor(pid: i32, words: &[OsString], exe: Option<&Path>) -> Option<StartTrace> {
    let evidence = || format!("its ancestor PID {pid} is {}", command_line(words));
    let of = |of| Some(StartTrace { of, evidence: evidence() });
    let called = words.first().map(|first| argv::base(first).to_string_lossy().into_owned()).unwrap_or_default();
    if RUNNERS.contains(&called.as_str()) {
        return of(Automation::Ci);
    }
    if called == "git-receive-pack" || (called == "git" && words.get(1).is_some_and(|word| word == "receive-pack")) {
        return of(Automation::GitHook);
    }
    if DEPLOYERS.contains(&called.as_str()) {
        return of(Automation::Deploy);
    }
    let ParsedArgv::Runs(Invocation { target, .. }) = argv::read(words, exe) else { return None };
    let script = match &target {
        Target::Script(path) => path.as_path(),
        Target::Executable(name) => Path::new(name),
        Target::Module(_) | Target::Inline(_) | Target::Worker | Target::Stdin => return None,
    };
    let name = script.file_name()?.to_str()?;
    let folder = script.parent().and_then(Path::file_name);
    if ARCHIVES.contains(&name) {
        of(Automation::Ci)
    } else if HOOKS.contains(&name) && folder.is_some_and(|folder| folder == "hooks") {
        of(Automation::GitHook)
    } else if DEPLOYERS.contains(&name) || is_deploy_script(name) {
        of(Automation::Deploy)
    } else {
        None
    }
}

/// `deploy.sh`, `run-deploy`, `AnsiballZ_command.py`.
fn is_deploy_script(name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    name.starts_with("AnsiballZ_") || words.any(|word| matches!(word, "deploy" | "deployment" | "redeploy"))
}

/// What a starter that may have ended has left in the environment.
pub fn of_environ(environ: &[u8]) -> Option<StartTrace> {
    let found = VARIABLES.iter().find(|(name, wanted)| {
        variable(environ, name)
            .is_some_and(|value| !value.is_empty() && (wanted.is_empty() || value == wanted.as_bytes()))
    });
    if let Some((name, _)) = found {
        return Some(StartTrace { of: Automation::Ci, evidence: format!("{name} is set in its environment") });
    }
    // git runs the hooks of a bare repository with this very value.
    (variable(environ, "GIT_DIR") == Some(b".")).then(|| StartTrace {
        of: Automation::GitHook,
        evidence: "GIT_DIR=. is set in its environment, as in a hook".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starter(line: &str) -> Option<Automation> {
        let words: Vec<OsString> = shell_words::split(line).unwrap().into_iter().map(OsString::from).collect();
        of_ancestor(7, &words, None).map(|trace| trace.of)
    }

    #[test]
    fn runners_hooks_and_deploys() {
        for line in
            ["/opt/actions/bin/Runner.Worker spawnclient 1 2", "gitlab-runner run", "java -jar /srv/agent.jar -url x"]
        {
            assert_eq!(starter(line), Some(Automation::Ci), "{line}");
        }
        for line in
            ["/bin/sh hooks/post-receive", "/bin/bash /srv/x.git/hooks/post-merge", "git receive-pack /srv/x.git"]
        {
            assert_eq!(starter(line), Some(Automation::GitHook), "{line}");
        }
        for line in
            ["bash /srv/deploy.sh", "/bin/sh ./bin/run-deploy", "ansible-playbook site.yml", "ruby /usr/bin/cap prod"]
        {
            assert_eq!(starter(line), Some(Automation::Deploy), "{line}");
        }
        for line in
            ["bash", "bash run.sh", "vim deploy.sh", "python bot.py --hooks update", "python employdeployment.py"]
        {
            assert_eq!(starter(line), None, "{line}");
        }
    }

    #[test]
    fn what_a_job_leaves_behind() {
        let of = |environ: &[u8]| of_environ(environ).map(|trace| trace.of);
        assert_eq!(of(b"PATH=/bin\0GITHUB_ACTIONS=true\0"), Some(Automation::Ci));
        assert_eq!(of(b"JENKINS_URL=http://localhost\0"), Some(Automation::Ci));
        assert_eq!(of(b"GIT_DIR=.\0"), Some(Automation::GitHook));
        for environ in [&b"CI=true\0"[..], b"GITHUB_ACTIONS=false\0", b"GIT_DIR=/srv/x\0", b"JENKINS_URL=\0", b""] {
            assert_eq!(of(environ), None);
        }
    }
}
