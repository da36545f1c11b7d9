//! The page `docs/src/troubleshooting.md`: what `doctor --explain` says of every code, grouped by subject.

use solobot::base::finding_code::Code::{
    self, CiOverlap, ClockSkew, ContainerAndHost, Deaf, DeployOverlap, Dns, DuplicateInstances, EngineForgets,
    EngineUnreachable, FcntlLock, FoldedInstance, IdeAutorun, InheritedLock, LeakedSkipVariable, LeaseElsewhere,
    LeaseLost, LeaseTtlDiffers, LocalApiServer, NetworkFs, NobodyFetches, NotPolling, PidfileOnly, Pm2Cluster,
    PrivateTmp, Proxy, RateLimited, RecentTakeover, RemotePoller, RepeatingProxy, ReplacedLock, RespawnLoop, Respawner,
    SecondManager, SeveralPollers, SlowHandler, StaleLock, SupervisordNumprocs, Tcp, TelegramDown, Tls, TmpCleaner,
    TokenInvalid, TokenShared, TokenWhitespace, TwoContainers, UnlockedInstance, UnseenPoller, WebhookActive,
};
use solobot::doctor::{Explanation, ExplanationLine, explanation, lines};

const HEAD: &str = "\
# Troubleshooting

Ask solobot what is wrong:

```sh
solobot doctor
```

Each finding has a code. This page explains the codes, as `solobot doctor --explain CODE` does. If there are no findings but
still conflicts, see [remote-poller](#remote-poller).

| you see | look at |
|---|---|
| 409 `terminated by other getUpdates request` | [duplicate-instances](#duplicate-instances), [several-pollers](#several-pollers), [unseen-poller](#unseen-poller), [remote-poller](#remote-poller) |
| 409 `can't use getUpdates method while webhook is active` | [webhook-active](#webhook-active) |
| a bot that you killed is running again | [respawner](#respawner) |
| `lock … is held`, but no bot is running | [inherited-lock](#inherited-lock), [stale-lock](#stale-lock) |
| two bots are running in spite of the lock | [unlocked-instance](#unlocked-instance), [private-tmp](#private-tmp), [replaced-lock](#replaced-lock), [fcntl-lock](#fcntl-lock) |
| the bot is running but does not answer | [deaf](#deaf), [slow-handler](#slow-handler), [not-polling](#not-polling), [dns](#dns), [tcp](#tcp), [proxy](#proxy) |
";

/// Each part of the page: its title, what is said of all of it, its codes.
const PARTS: [(&str, Option<&str>, &[Code]); 5] = [
    (
        "Several instances",
        None,
        &[
            DuplicateInstances,
            Respawner,
            Pm2Cluster,
            SupervisordNumprocs,
            SecondManager,
            TwoContainers,
            ContainerAndHost,
            DeployOverlap,
            CiOverlap,
            IdeAutorun,
            RespawnLoop,
            FoldedInstance,
            SeveralPollers,
            UnseenPoller,
            RemotePoller,
            RecentTakeover,
            RepeatingProxy,
        ],
    ),
    (
        "The lock",
        None,
        &[
            LeakedSkipVariable,
            UnlockedInstance,
            ReplacedLock,
            PidfileOnly,
            FcntlLock,
            InheritedLock,
            PrivateTmp,
            NetworkFs,
            TmpCleaner,
            StaleLock,
        ],
    ),
    ("The lease across hosts", None, &[LeaseElsewhere, LeaseLost, EngineUnreachable, EngineForgets, LeaseTtlDiffers]),
    ("The token and the webhook", None, &[WebhookActive, TokenInvalid, TokenWhitespace, TokenShared, LocalApiServer]),
    (
        "The connection to Telegram",
        Some("These findings are not conflicts."),
        &[Deaf, SlowHandler, NobodyFetches, NotPolling, Dns, Tcp, Tls, Proxy, TelegramDown, ClockSkew, RateLimited],
    ),
];

/// What has more of it.
fn recipe(code: Code) -> Option<&'static str> {
    Some(match code {
        Pm2Cluster => "[pm2](recipes/pm2.md)",
        SupervisordNumprocs => "[supervisord](recipes/supervisord.md)",
        TwoContainers | ContainerAndHost => "[Docker and compose](recipes/containers.md)",
        DeployOverlap => "[a deploy script](recipes/deploy.md)",
        SeveralPollers => "[Flask and uvicorn](recipes/reloaders.md)",
        RemotePoller => "[two hosts](recipes/two-hosts.md)",
        TmpCleaner => "`examples/systemd/solobot.tmpfiles.conf`",
        _ => return None,
    })
}

/// The page.
pub fn page() -> String {
    let of_code = |&code: &Code| {
        let Explanation { cause, check, fix } = explanation(code);
        let more = recipe(code).map(|recipe| format!("See {recipe}."));
        let parts = [("", cause), ("**How to be sure.** ", check), ("**How to fix it.** ", fix)];
        let paragraphs = parts.into_iter().flat_map(|(label, text)| paragraphs(label, text));
        [format!("### {}", code.as_str())].into_iter().chain(paragraphs).chain(more)
    };
    let of_part = |(title, intro, codes): (&str, Option<&str>, &'static [Code])| {
        let head = [Some(format!("## {title}")), intro.map(str::to_owned)];
        head.into_iter().flatten().chain(codes.iter().flat_map(of_code))
    };
    let page = [HEAD.trim_end().to_owned()].into_iter().chain(PARTS.into_iter().flat_map(of_part));
    page.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// The paragraphs of an explanation's text, with its commands as blocks of code.
fn paragraphs(label: &str, text: &str) -> Vec<String> {
    let mut paragraphs = Vec::new();
    let mut commands = Vec::new();
    let block = |commands: &mut Vec<&str>| {
        let block = format!("```sh\n{}\n```", commands.join("\n"));
        (!std::mem::take(commands).is_empty()).then_some(block)
    };
    for line in lines(text) {
        match line {
            ExplanationLine::Prose(prose) => {
                paragraphs.extend(block(&mut commands));
                let label = if paragraphs.is_empty() { label } else { "" };
                paragraphs.push(wrapped(&format!("{label}{prose}")));
            }
            ExplanationLine::Command(command) => commands.push(command),
        }
    }
    paragraphs.extend(block(&mut commands));
    paragraphs
}

/// In lines of 124 characters at most. What stands between backticks is not torn apart: its spaces may count.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    let mut is_code = false;
    for word in text.split(' ') {
        let line = lines.last_mut().expect("one line at least");
        let fits = line.chars().count() + 1 + word.chars().count() <= 124;
        if line.is_empty() {
            line.push_str(word);
        } else if fits || is_code {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
        is_code ^= word.matches('`').count() % 2 == 1;
    }
    lines.join("\n")
}
