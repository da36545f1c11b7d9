//! What can be wrong with a lease's settings, and what to type instead.

use std::time::Duration;

use crate::base::duration::show;
use crate::base::error::Expected;
use crate::base::exit::Exit;
use crate::lease::bounds;
use crate::lease::engine::{self, MalformedEngine};

/// What is wrong with a lease's settings.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// `--lease` has no URL of an engine.
    #[error("`--lease`: {0}")]
    Url(MalformedEngine),
    /// A password on the command line, where every user of the machine can read it.
    #[error("`--lease` has a password, which every user of this machine can read on the command line")]
    Password,
    #[error("variable `{name}`, which is to have the URL of the lease's engine, is not set or empty")]
    NoVariable {
        name: String,
        /// `--lease-env` names it, rather than the file.
        is_flag: bool,
    },
    #[error("variable `{name}`: {why}")]
    Variable { name: String, why: MalformedEngine },
    /// `--lease-name` or `--lease-ttl` alone.
    #[error("`{flag}` needs a lease, and bot `{bot}` has none")]
    NoLease { flag: &'static str, bot: String },
    #[error("the lease of bot `{bot}` has no name: its token is not known, and no other name is told")]
    NoName {
        bot: String,
        /// Its name in solobot.toml.
        is_configured: bool,
    },
    /// The path of an ssh URL is the lease's name.
    #[error("the lease of bot `{bot}` has two names: the path in its ssh URL, and `{name}`")]
    TwoNames { bot: String, name: String, is_flag: bool },
    #[error(
        "a grace of {} is too long for a lease with a TTL of {}: the bot is killed at 80% of the TTL ({}) and asked to end \
         {} before that, and at least 40% of the TTL ({}) must be left until then",
        show(*.grace), show(*.ttl), show(*.ttl * 4 / 5), show(*.grace), show(bounds::longest_grace(*.ttl))
    )]
    Grace { grace: Duration, ttl: Duration },
}

impl Expected for LeaseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Url(_) | Self::Password | Self::NoLease { .. } | Self::NoVariable { is_flag: true, .. } => {
                Exit::Usage
            }
            Self::NoVariable { .. }
            | Self::Variable { .. }
            | Self::NoName { .. }
            | Self::TwoNames { .. }
            | Self::Grace { .. } => Exit::Config,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::Variable { .. } => "lease-url",
            Self::Password => "lease-password",
            Self::NoVariable { .. } => "lease-variable",
            Self::NoLease { .. } => "no-lease",
            Self::NoName { .. } | Self::TwoNames { .. } => "lease-name",
            Self::Grace { .. } => "lease-grace",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Url(why) | Self::Variable { why, .. } => why.hints.clone(),
            Self::Password => vec![
                "put the URL into a variable, and name that: --lease-env LEASE_URL".into(),
                "or write it into solobot.toml: lease = { env = \"LEASE_URL\" }".into(),
            ],
            Self::NoVariable { name, .. } => {
                vec![format!("set it where solobot is started: {name}=redis://HOST:6379/0")]
            }
            Self::NoLease { .. } => vec![format!("name the engine too, with --lease; {}", engine::FORMS)],
            Self::NoName { is_configured, .. } => {
                let name = "or give the lease a name, the same one on every host";
                if *is_configured {
                    vec![
                        "to say where the token is: token = { env = \"BOT_TOKEN\" }".into(),
                        format!("{name}: lease_name = \"NAME\""),
                    ]
                } else {
                    vec!["to say where the token is: --token-env NAME".into(), format!("{name}: --lease-name NAME")]
                }
            }
            Self::TwoNames { is_flag, .. } => {
                vec![format!("leave out {}", if *is_flag { "--lease-name" } else { "`lease_name`" })]
            }
            Self::Grace { ttl, grace } => {
                let shorter = format!("ask for less: --grace {}ms", bounds::longest_grace(*ttl).as_millis());
                let longer =
                    bounds::ttl_for(*grace).map(|ttl| format!("or a longer TTL, on every host: --lease-ttl {ttl}s"));
                [shorter].into_iter().chain(longer).collect()
            }
        }
    }
}
