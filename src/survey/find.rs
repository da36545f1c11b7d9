//! The instances of one program, sorted into its bots.

use std::io;
use std::path::Path;

use super::connections::Polling;
use super::layout_files;
use super::scan::{Matches, ProcessScan, TokenChoice};
use super::tokens::TokenReader;
use super::users::{self, Users};
use crate::base::secret::TokenId;
use crate::platform::identity::Identity;
use crate::platform::proc::Handle;
use crate::process::instance::{EnvFileToken, Instance};
use crate::process::matching::{Confidence, Doubt, Matcher, OtherUserProcess, StartVerdict};
use crate::process::origin;
use crate::process::program::{self, Args, Program};
use crate::process::same_bot::{self, InstanceTraits, Verdict, WantedBot};
use crate::settings::Caller;

/// What to look for.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    pub program: &'a Program,
    /// Its bot's token, where it is known: a process with another one is another bot.
    pub token: Option<TokenId>,
    /// Variables that carry the bot's token, before the usual ones.
    pub own: Vec<String>,
    /// The arguments of other bots of the same program, where they begin with this one's.
    pub longer: Vec<Args>,
    /// Whose processes may be the bot's besides the caller's, root's and the program's owner's.
    pub users: Vec<u32>,
    /// Who asks.
    pub caller: Caller,
}

impl<'a> Search<'a> {
    /// Every instance of that program, whatever its token.
    pub fn new(program: &'a Program, caller: Caller) -> Self {
        Self { program, token: None, own: Vec::new(), longer: Vec::new(), users: Vec::new(), caller }
    }

    fn choice(&self) -> TokenChoice<'_> {
        TokenChoice { own: &self.own, wanted: self.token.as_ref() }
    }

    /// Whose processes an instance's may be. What it was called by is for a stranger to choose: it only counts where a bare
    /// name was asked for, so that nothing else says which file is meant.
    fn users_of(&self, instance: &Instance) -> Users {
        let own = instance.program.as_ref().filter(|_| self.program.is_open());
        Users::of(own.or(Some(self.program)), self.caller, &self.users)
    }
}

/// What was found, oldest first.
#[derive(Debug, Clone, Default)]
pub struct FoundInstances {
    /// The instances of the bot; of each distinct bot, if a bare name or differing tokens mean several.
    pub instances: Vec<Instance>,
    /// What may be an instance of it, each with its doubt: reported, and never stopped unless that is asked for.
    pub probable: Vec<Instance>,
    /// Instances of the same program that are certainly another bot.
    pub others: Vec<Instance>,
}

/// Looks at the connections of some instances to the API server, all at the same time; `None`: they cannot be looked at.
pub type ConnectionCheck<'a> = dyn FnMut(&[&Instance]) -> Vec<Option<bool>> + 'a;

/// Finds every instance of the program among what was read.
pub fn find(
    scan: &mut ProcessScan,
    matcher: &Matcher<'_>,
    search: &Search<'_>,
    connected: &mut ConnectionCheck<'_>,
) -> FoundInstances {
    let running = scan.matches(matcher);
    sorted(scan, &running, search, connected)
}

/// Reads the processes for one program alone. No connection is looked at.
///
/// # Errors
/// If the process table cannot be read.
pub fn quickly(search: &Search<'_>) -> io::Result<FoundInstances> {
    let matcher = Matcher::new(search.program);
    let mut scan = ProcessScan::of_programs(&[&matcher])?;
    Ok(find(&mut scan, &matcher, search, &mut |all| vec![None; all.len()]))
}

/// The same of these processes.
pub fn sorted(
    scan: &mut ProcessScan,
    matches: &Matches,
    search: &Search<'_>,
    connected: &mut ConnectionCheck<'_>,
) -> FoundInstances {
    let mut instances = scan.instances(matches, search.choice());
    for instance in instances.iter_mut().filter(|one| one.token.is_none()) {
        instance.in_file = in_file(instance, search);
    }
    layout_files::give_tokens(&mut instances);
    // Another user's process must not influence which of the bot's users' processes are the bot.
    let (own, strangers) = instances.into_iter().partition(|one| search.users_of(one).include(one.uid));
    let mut found = sort(own, search);
    found.add_strangers(strangers, search, connected);
    found
}

/// The token in the file that an instance reads, by what such programs do.
fn in_file(instance: &Instance, search: &Search<'_>) -> EnvFileToken {
    // In another root the path leads elsewhere.
    if instance.doubt == Some(Doubt::OtherRoot) {
        return EnvFileToken::Nothing;
    }
    let by = Handle::open(instance.root.pid).and_then(|handle| handle.credentials());
    let users = search.users_of(instance);
    let reader = TokenReader { by: by.as_ref(), owners: users.all(), own: &search.own };
    // A title, or code from the command line, has no folder of its own.
    let program = instance.program.as_ref().or_else(|| Some(search.program).filter(|program| !program.is_open()));
    let place = program.and_then(Program::place);
    reader.find(place.as_deref().and_then(Path::parent), instance.cwd.as_deref())
}

/// Puts each instance where it belongs.
fn sort(instances: Vec<Instance>, search: &Search<'_>) -> FoundInstances {
    let mut found = FoundInstances::default();
    let wanted = WantedBot {
        token: search.token.as_ref().map(|token| token.fingerprint.clone()),
        args: search.program.args().cloned(),
        longer: search.longer.clone(),
        // What the kernel says of a process is behind all symlinks.
        cwd: search.program.folder().map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf())),
        // A pattern in solobot.toml stands for one bot's release folders, a bare name for whatever is called so.
        open: search.program.is_open() && !search.program.is_pattern(),
    };
    let (sure, doubtful): (Vec<Instance>, Vec<Instance>) = instances.into_iter().partition(is_sure);
    let traits: Vec<InstanceTraits> = sure.iter().map(|one| traits(one, &wanted)).collect();
    for (mut instance, verdict) in sure.into_iter().zip(same_bot::sort(&traits, &wanted)) {
        match verdict {
            Verdict::Bot(number) => {
                instance.bot = number;
                if instance.token.is_some() {
                    (instance.confidence, instance.doubt) = (Confidence::Token, None);
                }
                found.instances.push(instance);
            }
            Verdict::Probable(doubt) => found.probable.push(doubted(instance, doubt)),
            Verdict::Other => found.others.push(instance),
        }
    }
    for instance in doubtful {
        let is_other = search.token.is_some() && instance.token.is_some() && instance.token != search.token;
        if is_other { found.others.push(instance) } else { found.probable.push(instance) }
    }
    found.probable.sort_by_key(|one| one.root.start_ticks);
    found
}

fn doubted(instance: Instance, doubt: Doubt) -> Instance {
    Instance { confidence: Confidence::Probable, doubt: Some(doubt), ..instance }
}

/// Whether the program is certain. The same path in another root with a visible token is as good as a file.
fn is_sure(instance: &Instance) -> bool {
    instance.confidence > Confidence::Probable || (instance.doubt == Some(Doubt::OtherRoot) && instance.token.is_some())
}

fn traits(instance: &Instance, wanted: &WantedBot) -> InstanceTraits {
    let fingerprint = |token: &TokenId| token.fingerprint.clone();
    let in_file = instance.known_token().filter(|_| instance.token.is_none()).map(fingerprint);
    InstanceTraits {
        file: instance.program.as_ref().map(|program| program.to_string().into()),
        token: instance.token.as_ref().map(fingerprint),
        // Where its environment is hidden, the file need not be what it uses: it may speak for the bot, and not against it.
        in_file: in_file.filter(|token| !instance.is_hidden || wanted.token.as_ref() == Some(token)),
        // A title shows none.
        args: match &wanted.args {
            Some(args) if instance.typed.is_none() => args.words().to_vec(),
            _ => instance.args.clone(),
        },
        cwd: instance.cwd.clone(),
    }
}

impl FoundInstances {
    /// Puts the processes of strangers among the doubtful ones, each with what speaks for it: those of another token among
    /// the others.
    fn add_strangers(&mut self, strangers: Vec<Instance>, search: &Search<'_>, connected: &mut ConnectionCheck<'_>) {
        let has_other_token = |one: &Instance| {
            let its = if one.is_hidden { one.token.as_ref() } else { one.known_token() };
            search.token.as_ref().zip(its).is_some_and(|(ours, its)| ours != its)
        };
        let (others, strangers): (Vec<Instance>, Vec<Instance>) = strangers.into_iter().partition(has_other_token);
        self.others.extend(others);
        let mut judged: Vec<Option<OtherUserProcess>> = strangers.iter().map(|one| self.judge(one, search)).collect();
        let open: Vec<&Instance> =
            strangers.iter().zip(&judged).filter(|(_, judged)| judged.is_none()).map(|(one, _)| one).collect();
        let mut seen = if open.is_empty() { Vec::new() } else { connected(&open) }.into_iter();
        for (one, judged) in strangers.iter().zip(&mut judged) {
            *judged = judged.or_else(|| Some(users::by_connection(one, seen.next().flatten())));
        }
        let judged = strangers.into_iter().zip(judged);
        self.probable.extend(judged.filter_map(|(one, judged)| Some(doubted(one, Doubt::AnotherUser(judged?)))));
        self.probable.sort_by_key(|one| one.root.start_ticks);
    }

    /// What is known of a stranger's process without its connections: `None` if they decide.
    fn judge(&self, one: &Instance, search: &Search<'_>) -> Option<OtherUserProcess> {
        let has_token = one.token.is_some() && one.token == search.token;
        if one.doubt == Some(Doubt::UnknownFolder) && !has_token {
            return Some(OtherUserProcess::Hidden);
        }
        let is_alike = match search.program.args() {
            Some(args) => args.fit(&one.args),
            None => self.instances.is_empty() || self.instances.iter().any(|own| own.args == one.args),
        };
        match (has_token, is_sure(one) && is_alike) {
            (false, false) => Some(OtherUserProcess::Unlikely),
            _ => users::by_itself(one),
        }
    }

    /// The bot's tokens: the one that is known of it, and those of its instances.
    pub fn tokens(&self, known: Option<&TokenId>) -> Vec<TokenId> {
        self.instances.iter().filter_map(Instance::known_token).chain(known).cloned().collect()
    }

    /// What is doubtful, has one of the bot's tokens and is connected, is the bot, whatever it calls itself. With other
    /// arguments and a token that it merely would read, it may be the web front end of `manage.py`: it keeps a start back, and
    /// is not stopped.
    pub fn promote_connected(&mut self, tokens: &[TokenId], is_connected: &dyn Fn(&Identity) -> bool) {
        let is_its = |one: &Instance| {
            !is_strangers(one)
                && one.known_token().is_some_and(|token| tokens.contains(token))
                && one.members.iter().any(is_connected)
        };
        for one in std::mem::take(&mut self.probable) {
            match one.doubt {
                _ if !is_its(&one) => self.probable.push(one),
                Some(Doubt::OtherArguments) if one.token.is_none() => {
                    self.probable.push(doubted(one, Doubt::OtherArgumentsConnected));
                }
                _ => {
                    let of_token = |own: &&Instance| own.known_token() == one.known_token();
                    let bot = self.instances.iter().find(of_token).map_or(0, |own| own.bot);
                    self.instances.push(Instance { confidence: Confidence::Token, doubt: None, bot, ..one });
                }
            }
        }
        self.instances.sort_by_key(|one| one.root.start_ticks);
    }

    /// Puts whatever does other work than the bot among the doubtful ones, by what was seen of its connections.
    pub fn set_workers_aside(&mut self, polling: &dyn Fn(&Instance) -> Option<Polling>) {
        let is = |one: &Instance, what| polling(one) == Some(what);
        let sure = std::mem::take(&mut self.instances);
        let polls: Vec<bool> = sure.iter().map(|one| is(one, Polling::Yes)).collect();
        let does_other_work = |one: &Instance| {
            is(one, Polling::No) && same_bot::does_other_work(one, sure.iter().zip(polls.iter().copied()))
        };
        for one in self.probable.iter_mut().filter(|one| does_other_work(one)) {
            one.doubt = Some(Doubt::OtherWork);
        }
        let workers: Vec<bool> = sure.iter().map(does_other_work).collect();
        for (one, is_worker) in sure.into_iter().zip(workers) {
            if is_worker {
                self.probable.push(doubted(one, Doubt::OtherWork));
            } else {
                self.instances.push(one);
            }
        }
        self.probable.sort_by_key(|one| one.root.start_ticks);
    }

    /// Those whose connections are looked at for nobody else: a doubtful one may turn out to be the bot by them.
    pub fn settled(&self) -> impl Iterator<Item = &Instance> {
        let strangers = self.probable.iter().filter(|one| is_strangers(one));
        self.instances.iter().chain(&self.others).chain(strangers)
    }

    /// Every instance, whatever is known of it.
    pub fn all(&self) -> impl Iterator<Item = &Instance> {
        [&self.instances, &self.probable, &self.others].into_iter().flatten()
    }

    /// Those that are the bot's, and those that may be.
    pub fn mine(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().chain(&self.probable)
    }

    /// Those that count when something is to be started, the doubtful ones too.
    pub fn for_starting(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().chain(self.probable.iter().filter(|one| is(one, StartVerdict::Counts)))
    }

    /// Those that may count, which cannot be decided from here.
    pub fn undecided(&self) -> impl Iterator<Item = &Instance> {
        self.probable.iter().filter(|one| is(one, StartVerdict::CannotTell))
    }

    /// The instances of each distinct bot. A probable instance goes with the bot of its program; one of none, with the first.
    pub fn distinct(self) -> Vec<Self> {
        let mut bots: Vec<Self> = Vec::new();
        let several = self.instances.iter().any(|one| one.bot != self.instances[0].bot);
        if !several {
            return vec![self];
        }
        for instance in self.instances {
            match bots.iter_mut().find(|bot| bot.instances[0].bot == instance.bot) {
                Some(bot) => bot.instances.push(instance),
                None => bots.push(Self { instances: vec![instance], others: self.others.clone(), ..Self::default() }),
            }
        }
        for one in self.probable {
            let at = bots.iter().position(|bot| bot.runs_program_of(&one)).unwrap_or_default();
            bots[at].probable.push(one);
        }
        bots
    }

    /// Adds what a shell script, the bot's program, would start: by hand that is a second bot beside it.
    pub fn add_started_by_script(&mut self, started: Self) {
        let is_below = |one: &Instance, own: &Instance| {
            own.members.contains(&one.root) || one.descends_from(own.root.pid) || own.root == one.root
        };
        for one in started
            .instances
            .into_iter()
            .chain(started.probable.into_iter().filter(|one| is(one, StartVerdict::Counts)))
        {
            if !self.all().any(|own| is_below(&one, own)) {
                let doubt = one.doubt.or(Some(Doubt::StartedByScript));
                self.probable.push(Instance { confidence: Confidence::Probable, doubt, ..one });
            }
        }
        self.probable.sort_by_key(|one| one.root.start_ticks);
    }

    /// Whether an instance runs the same file or module as these, with whatever arguments.
    pub fn runs_program_of(&self, one: &Instance) -> bool {
        let programs = self.instances.first().and_then(|first| first.program.as_ref()).zip(one.program.as_ref());
        programs.is_some_and(|(ours, its)| ours.is_same_but_for_args(its))
    }

    /// The PIDs of everything that runs the program, and of all that may hold a lock for it.
    pub fn kin(&self) -> Vec<i32> {
        self.all().flat_map(Instance::kin).collect()
    }

    /// Asks the managers whether they would start the instances again: systemd once a unit, at most 200 ms each.
    pub fn forecast(&mut self, answers: &mut origin::ManagerAnswers) {
        let all = self.instances.iter_mut().chain(&mut self.probable).chain(&mut self.others);
        all.for_each(|instance| answers.forecast(&mut instance.origin));
    }

    /// Refuses a program that names no file and that nothing runs: a typing error must not read "safe to start".
    ///
    /// # Errors
    /// [`program::Error::Missing`].
    pub fn refuse_nothing(&self, program: &Program) -> Result<(), program::Error> {
        match program.missing() {
            Some(path) if self.all().next().is_none() => Err(program::Error::Missing(path.to_path_buf())),
            _ => Ok(()),
        }
    }
}

fn is(one: &Instance, starting: StartVerdict) -> bool {
    one.doubt.is_some_and(|doubt| doubt.starting() == starting)
}

/// Whether a stranger is why it is in doubt.
pub fn is_strangers(one: &Instance) -> bool {
    matches!(
        one.doubt,
        Some(Doubt::AnotherUser(OtherUserProcess::Likely | OtherUserProcess::Unlikely | OtherUserProcess::Hidden))
    )
}

#[cfg(test)]
mod tests;
