//! What a process's `/proc/PID/cgroup` says: container and systemd unit.

use super::place::Engine;

/// A systemd service, as the cgroup path shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `bot.service`.
    pub name: String,
    /// The uid of the user manager that runs it; `None` for the system's.
    pub user: Option<u32>,
}

/// A container, as the cgroup path shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerGroup<'a> {
    pub engine: Engine,
    /// 64 hexadecimal digits.
    pub id: &'a str,
    /// The uid of the user manager below which it lies; `None` for the system's.
    pub user: Option<u32>,
}

/// The user whose part of the tree begins with this name. Below it that user gives what names they like.
fn user_of(part: &str) -> Option<u32> {
    part.strip_prefix("user@")?.strip_suffix(".service")?.parse().ok()
}

/// The container of a process; the innermost, if there are several.
pub fn container(text: &str) -> Option<ContainerGroup<'_>> {
    let parts: Vec<&str> = text.lines().flat_map(|line| path(line).split('/')).collect();
    let in_kubernetes = parts.iter().any(|part| part.starts_with("kubepods"));
    parts.iter().enumerate().rev().find_map(|(at, part)| {
        let name = part.strip_suffix(".scope").unwrap_or(part);
        let id = name.rsplit(['-', ':']).next().unwrap_or(name);
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let before = at.checked_sub(1).map_or("", |at| parts[at]);
        let engine = match name.strip_suffix(id).unwrap_or_default() {
            _ if in_kubernetes => Engine::Kubernetes,
            "docker-" => Engine::Docker,
            "libpod-" | "libpod-payload-" => Engine::Podman,
            "cri-containerd-" | "crio-" => Engine::Kubernetes,
            "" if before == "docker" => Engine::Docker,
            "" if before == "libpod_parent" || before.starts_with("libpod") => Engine::Podman,
            _ => return None,
        };
        Some(ContainerGroup { engine, id, user: parts[..at].iter().find_map(|part| user_of(part)) })
    })
}

/// The last service in the cgroup's path that is not a user manager; `None` in a session or app scope.
pub fn unit(text: &str) -> Option<Service> {
    // cgroup v2 has one line; v1 and hybrid keep systemd's names in a hierarchy of their own.
    let mut lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("0::") || line.contains(":name=systemd:")).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(path(line).len()));
    let path = path(lines.first()?);
    let mut user = None;
    let mut found = None;
    for part in path.split('/') {
        if user.is_none() && user_of(part).is_some() {
            user = user_of(part);
            found = None;
        } else if part.ends_with(".service") {
            found = Some(part);
        } else if part.strip_suffix(".scope").is_some() {
            found = None;
        }
    }
    Some(Service { name: found?.to_owned(), user })
}

fn path(line: &str) -> &str {
    line.splitn(3, ':').nth(2).unwrap_or_default()
}

/// Services that carry what others start: a process left over in one of them was not started by the unit itself.
pub fn is_carrier(unit: &str) -> bool {
    let stem = unit.trim_end_matches(".service");
    let name = stem.split('@').next().unwrap_or(stem);
    matches!(
        name,
        "cron"
            | "crond"
            | "cronie"
            | "anacron"
            | "atd"
            | "ssh"
            | "sshd"
            | "docker"
            | "containerd"
            | "podman"
            | "supervisor"
            | "supervisord"
            | "getty"
            | "serial-getty"
            | "console-getty"
            | "display-manager"
            | "gdm"
            | "gdm3"
            | "sddm"
            | "lightdm"
            | "dbus"
            | "dbus-broker"
            | "runit"
            | "runsvdir"
            | "s6-svscan"
            | "rescue"
            | "emergency"
            | "systemd-logind"
            | "waagent"
            | "walinuxagent"
            | "amazon-ssm-agent"
            | "snap.amazon-ssm-agent.amazon-ssm-agent"
    ) || name.starts_with("pm2-")
        || name.starts_with("init.scope")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> String {
        "0123456789abcdef".repeat(4)
    }

    #[test]
    fn containers_of_every_runtime() {
        for (text, engine) in [
            (format!("0::/system.slice/docker-{}.scope\n", id()), Engine::Docker),
            (format!("12:pids:/docker/{}\n0::/docker/{}\n", id(), id()), Engine::Docker),
            (format!("0::/machine.slice/libpod-{}.scope/container\n", id()), Engine::Podman),
            (format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{}.scope\n", id()), Engine::Kubernetes),
            (format!("0::/kubepods/besteffort/pod1/{}\n", id()), Engine::Kubernetes),
            (format!("0::/system.slice/crio-{}.scope\n", id()), Engine::Kubernetes),
        ] {
            assert_eq!(container(&text), Some(ContainerGroup { engine, id: &id(), user: None }), "{text}");
        }
        for text in ["0::/\n", "0::/user.slice/user-1000.slice/session-3.scope\n", "", "rubbish"] {
            assert_eq!(container(text), None, "{text}");
        }
    }

    /// Users make groups of any name below their own manager's: those are no units and no containers of the system.
    #[test]
    fn below_a_user_manager_everything_is_that_users() {
        let below = "0::/user.slice/user-1000.slice/user@1000.service";
        for names in ["app.slice/nginx.service", "user@x.service/nginx.service", "user@0.service/nginx.service"] {
            let service = Service { name: "nginx.service".into(), user: Some(1000) };
            assert_eq!(unit(&format!("{below}/{names}\n")), Some(service), "{names}");
        }
        for names in ["docker-", "user@0.service/docker-"] {
            let text = format!("{below}/{names}{}.scope\n", id());
            assert_eq!(container(&text).and_then(|group| group.user), Some(1000), "{names}");
        }
    }

    #[test]
    fn the_last_service_is_the_unit() {
        let unit_of = |text| unit(text).map(|unit| (unit.name, unit.user));
        assert_eq!(unit_of("0::/system.slice/bot.service\n"), Some(("bot.service".into(), None)));
        assert_eq!(unit_of("0::/system.slice/system-bot.slice/bot@a.service\n"), Some(("bot@a.service".into(), None)));
        assert_eq!(
            unit_of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/bot.service\n"),
            Some(("bot.service".into(), Some(1000)))
        );
        assert_eq!(unit_of("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n"), None);
        assert_eq!(unit_of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-1.scope\n"), None);
        assert_eq!(unit_of("0::/user.slice/user-1000.slice/session-3.scope\n"), None);
        assert_eq!(unit_of("1:name=systemd:/system.slice/bot.service\n0::/\n"), Some(("bot.service".into(), None)));
    }
}
