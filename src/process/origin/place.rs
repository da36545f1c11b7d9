//! Where to type a manager's command: as which user, in which container. Every word is quoted for the shell.

use crate::base::shell::quote;
use crate::platform::advice;

/// A container that the instance runs in, and solobot does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What runs it.
    pub engine: Engine,
    /// The first 12 digits of its id.
    pub id: String,
    /// The user whose container it is, if that is neither the system's nor solobot's own.
    pub user: Option<u32>,
    /// In Kubernetes: the pod's name, where the environment tells it.
    pub pod: Option<String>,
}

/// What runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Docker,
    Podman,
    /// Any runtime below a kubelet.
    Kubernetes,
}

impl Container {
    /// The pod's name, else its id.
    pub fn name(&self) -> &str {
        self.pod.as_deref().unwrap_or(&self.id)
    }

    /// Its runtime's command with that verb. Nothing here tells the name of a deployment of Kubernetes: where one is only shown
    /// it has to be put in by the reader.
    pub fn command(&self, verb: &str) -> Option<String> {
        match self.engine {
            Engine::Kubernetes if verb == "stop" => Some("kubectl scale --replicas=0 deployment/NAME".to_owned()),
            Engine::Kubernetes => None,
            engine => Some(format!("{}{} {verb} {}", self.sudo(), engine.as_str(), self.id)),
        }
    }

    /// Before its runtime's command.
    fn sudo(&self) -> String {
        self.user.map_or_else(String::new, |uid| format!("sudo -u '#{uid}' "))
    }
}

impl Engine {
    /// Its name, which is its command's, but for Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// Where a manager's command has to be typed: as which user, and in which container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The container, where solobot is outside of it.
    pub container: Option<Container>,
    /// The user's uid, if only that user can run the command and solobot runs as another one.
    pub user: Option<u32>,
}

impl Place {
    /// A command with a variable of its environment. `docker exec` has no shell: it takes the variable as an option.
    pub fn typed(&self, variable: Option<(&str, &str)>, words: &[&str]) -> String {
        self.line("exec", variable, words)
    }

    /// A command that opens an editor.
    pub fn opened(&self, words: &[&str]) -> String {
        self.line("exec -it", None, words)
    }

    fn line(&self, exec: &str, variable: Option<(&str, &str)>, words: &[&str]) -> String {
        let set = variable.map(|(name, value)| format!("{name}={}", quote(value)));
        let user = self.user;
        let mut line: Vec<String> = Vec::new();
        match &self.container {
            Some(Container { engine: Engine::Kubernetes, pod, .. }) => {
                // kubectl knows no user; `env` stands in for the shell.
                let pod = pod.as_deref().map_or("POD".into(), quote);
                line.push(format!("kubectl {exec} {pod} --"));
                line.extend(set.map(|set| format!("env {set}")));
            }
            Some(container @ Container { engine, id, .. }) => {
                line.push(format!("{}{} {exec}", container.sudo(), engine.as_str()));
                line.extend(user.map(|uid| format!("-u {uid}")));
                line.extend(set.map(|set| format!("-e {set}")));
                line.push(id.clone());
            }
            None if user.is_none() => {
                let words = words.iter().map(|word| quote(word).into_owned()).collect::<Vec<_>>().join(" ");
                return match variable {
                    Some((name, value)) => advice::with_variable(name, &quote(value), &words),
                    None => words,
                };
            }
            None => {
                let env = if user.is_some() && set.is_some() { " env" } else { "" };
                line.extend(user.map(|uid| format!("sudo -u '#{uid}'{env}")));
                line.extend(set);
            }
        }
        line.extend(words.iter().map(|word| quote(word).into_owned()));
        line.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(engine: Engine, user: Option<u32>) -> Place {
        let container = Container { engine, id: "0123456789ab".into(), user: None, pod: Some("bot-7".into()) };
        Place { container: Some(container), user }
    }

    #[test]
    fn a_variable_and_a_user_reach_the_command_in_every_place() {
        let set = Some(("HOME_OF", "/home/a b"));
        for (place, with, without) in [
            (Place::default(), "HOME_OF='/home/a b' pm2 ls", "pm2 ls"),
            (
                Place { user: Some(1000), ..Place::default() },
                "sudo -u '#1000' env HOME_OF='/home/a b' pm2 ls",
                "sudo -u '#1000' pm2 ls",
            ),
            (
                inside(Engine::Docker, None),
                "docker exec -e HOME_OF='/home/a b' 0123456789ab pm2 ls",
                "docker exec 0123456789ab pm2 ls",
            ),
            (
                inside(Engine::Podman, Some(1000)),
                "podman exec -u 1000 -e HOME_OF='/home/a b' 0123456789ab pm2 ls",
                "podman exec -u 1000 0123456789ab pm2 ls",
            ),
            (
                inside(Engine::Kubernetes, Some(1000)),
                "kubectl exec bot-7 -- env HOME_OF='/home/a b' pm2 ls",
                "kubectl exec bot-7 -- pm2 ls",
            ),
        ] {
            assert_eq!(place.typed(set, &["pm2", "ls"]), with);
            assert_eq!(place.typed(None, &["pm2", "ls"]), without);
        }
        assert_eq!(inside(Engine::Docker, None).opened(&["crontab", "-e"]), "docker exec -it 0123456789ab crontab -e");
    }
}
