//! The codes of findings: stable words, for scripts and for `--explain`.

use serde::{Serialize, Serializer};

use super::nearest::nearest;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a finding is about; in the order in which findings of the same level are shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in JSON and for `--explain`; it never changes.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

codes! {
    /// More than one instance is running.
    DuplicateInstances = "duplicate-instances",
    /// A surplus instance would be started again.
    Respawner = "respawner",
    /// pm2 runs several copies.
    Pm2Cluster = "pm2-cluster",
    /// supervisord runs several copies.
    SupervisordNumprocs = "supervisord-numprocs",
    /// Two services start the bot.
    SecondManager = "second-manager",
    /// It runs in two containers.
    TwoContainers = "two-containers",
    /// It runs in a container and on the host.
    ContainerAndHost = "container-and-host",
    /// A new release runs beside the old one.
    DeployOverlap = "deploy-overlap",
    /// CI or a git hook started another one.
    CiOverlap = "ci-overlap",
    /// An IDE started it.
    IdeAutorun = "ide-autorun",
    /// It is started again and again.
    RespawnLoop = "respawn-loop",
    /// It believes that a lock is held for it, but none is.
    LeakedSkipVariable = "leaked-skip-variable",
    /// It runs without the lock.
    UnlockedInstance = "unlocked-instance",
    /// The locked file is no longer at its path.
    ReplacedLock = "replaced-lock",
    /// A PID file without a flock.
    PidfileOnly = "pidfile-only",
    /// An fcntl lock instead of a flock.
    FcntlLock = "fcntl-lock",
    /// Another program has inherited the lock.
    InheritedLock = "inherited-lock",
    /// The instance sees another folder at the lock's path.
    PrivateTmp = "private-tmp",
    /// The lock lies on a network file system.
    NetworkFs = "network-fs",
    /// A cleaner will remove the lock file.
    TmpCleaner = "tmp-cleaner",
    /// The lock names a process that is gone.
    StaleLock = "stale-lock",
    /// Another host holds the bot's lease.
    LeaseElsewhere = "lease-elsewhere",
    /// The lease was lost, and the bot stopped.
    LeaseLost = "lease-lost",
    /// The engine of the lease does not answer, or the settings do not say which lease it is.
    EngineUnreachable = "engine-unreachable",
    /// The engine may lose the lease's record.
    EngineForgets = "engine-forgets",
    /// Two hosts have different TTLs for one lease.
    LeaseTtlDiffers = "lease-ttl-differs",
    /// A webhook is set.
    WebhookActive = "webhook-active",
    /// The token is malformed, or Telegram does not know it.
    TokenInvalid = "token-invalid",
    /// White space around the token.
    TokenWhitespace = "token-whitespace",
    /// Two bots have one token.
    TokenShared = "token-shared",
    /// Several processes of one instance are connected.
    SeveralPollers = "several-pollers",
    /// A process here may be the other poller, and cannot be seen well enough.
    UnseenPoller = "unseen-poller",
    /// Another machine polls.
    RemotePoller = "remote-poller",
    /// Something on the way sends requests twice.
    RepeatingProxy = "repeating-proxy",
    /// Conflicts right after a change of who polls.
    RecentTakeover = "recent-takeover",
    /// It is running, and fetches no updates.
    Deaf = "deaf",
    /// An instance is running but not connected.
    NotPolling = "not-polling",
    /// Updates wait for long.
    SlowHandler = "slow-handler",
    /// Updates wait, and nobody fetches them.
    NobodyFetches = "nobody-fetches",
    /// Telegram's name cannot be looked up.
    Dns = "dns",
    /// Telegram cannot be connected to.
    Tcp = "tcp",
    /// The connection cannot be made secure.
    Tls = "tls",
    /// The proxy fails.
    Proxy = "proxy",
    /// Telegram itself has trouble.
    TelegramDown = "telegram-down",
    /// This machine's clock is wrong.
    ClockSkew = "clock-skew",
    /// Telegram limits the rate.
    RateLimited = "rate-limited",
    /// A self-hosted Bot API server.
    LocalApiServer = "local-api-server",
    /// Several processes are one instance.
    FoldedInstance = "folded-instance",
}

impl Code {
    /// # Errors
    /// If there is no such code; the message names the most similar one, or all.
    pub fn parse(text: &str) -> Result<Self, String> {
        let word = text.trim().to_ascii_lowercase();
        if let Some(&code) = Self::ALL.iter().find(|code| code.as_str() == word) {
            return Ok(code);
        }
        let all: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
        Err(match nearest(&word, all.iter().copied()) {
            Some(near) => format!("there is no finding `{text}`; did you mean `{near}`?"),
            None => format!("there is no finding `{text}`; the findings are {}", all.join(", ")),
        })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_kebab_case_and_means_its_code() {
        for &code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Ok(code));
            assert!(
                code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
        }
    }

    #[test]
    fn a_typing_error_is_told_the_nearest_word() {
        assert!(Code::parse("stale-lok").unwrap_err().contains("`stale-lock`"));
        assert!(Code::parse("what").unwrap_err().contains("duplicate-instances, respawner"));
    }
}
