//! The instances of one program, sorted into its bots.

use std::io;
use std::path::Path;

use super::sweep::{Choice, Matches, Sweep};
use super::tokens::Reader;
use super::whose::{self, Users};
use crate::base::secret::TokenId;
use crate::platform::proc::Handle;
use crate::process::instance::{InFile, Instance};
use crate::process::matching::{Confidence, Doubt, Matcher, Starting, Stranger};
use crate::process::origin;
use crate::process::program::{self, Args, Program};
use crate::process::same_bot::{self, Traits, Verdict, Wanted};
use crate::settings::Caller;

/// What to look for.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// The program.
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

    fn choice(&self) -> Choice<'_> {
        Choice { own: &self.own, wanted: self.token.as_ref() }
    }
}

/// What was found, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The instances of the bot; of each distinct bot, if a bare name or differing tokens mean several.
    pub instances: Vec<Instance>,
    /// What may be an instance of it, each with its doubt: reported, and never stopped unless that is asked for.
    pub probable: Vec<Instance>,
    /// Instances of the same program that are certainly another bot.
    pub others: Vec<Instance>,
}

/// Finds every instance of the program among what was read. `is_connected` looks at an instance's connections to the API
/// server; `None`: they cannot be looked at.
pub fn find(
    sweep: &mut Sweep,
    matcher: &Matcher<'_>,
    search: &Search<'_>,
    is_connected: &mut dyn FnMut(&Instance) -> Option<bool>,
) -> Found {
    let running = sweep.matches(matcher);
    sorted(sweep, &running, search, is_connected)
}

/// Reads the processes for one program alone. No connection is looked at.
///
/// # Errors
/// If the process table cannot be read.
pub fn quickly(search: &Search<'_>) -> io::Result<Found> {
    let matcher = Matcher::new(search.program);
    let mut sweep = Sweep::of_programs(&[&matcher])?;
    Ok(find(&mut sweep, &matcher, search, &mut |_| None))
}

/// The same of these processes.
pub fn sorted(
    sweep: &mut Sweep,
    matches: &Matches,
    search: &Search<'_>,
    is_connected: &mut dyn FnMut(&Instance) -> Option<bool>,
) -> Found {
    let mut instances = sweep.instances(matches, search.choice());
    for instance in instances.iter_mut().filter(|one| one.token.is_none()) {
        instance.in_file = in_file(instance, search);
    }
    let mut found = sort(instances, search);
    set_strangers_apart(&mut found, search, is_connected);
    found
}

/// The token in the file that an instance reads, by what such programs do.
fn in_file(instance: &Instance, search: &Search<'_>) -> InFile {
    // A title, or code from the command line, has no folder of its own; in another root the path leads elsewhere.
    if instance.doubt == Some(Doubt::OtherRoot) {
        return InFile::Nothing;
    }
    let program = instance.program.as_ref().or_else(|| Some(search.program).filter(|program| !program.is_open()));
    let users = Users::of(program, search.caller, &search.users);
    let by = Handle::open(instance.root.pid).and_then(|handle| handle.credentials());
    let reader = Reader { by: by.as_ref(), owners: users.all(), own: &search.own };
    let place = program.and_then(Program::place);
    reader.find(place.as_deref().and_then(Path::parent), instance.cwd.as_deref())
}

/// Puts each instance where it belongs.
fn sort(instances: Vec<Instance>, search: &Search<'_>) -> Found {
    let mut found = Found::default();
    let wanted = Wanted {
        token: search.token.as_ref().map(|token| token.fingerprint.clone()),
        args: search.program.args().cloned(),
        longer: search.longer.clone(),
        // What the kernel says of a process is behind all symlinks.
        cwd: search.program.folder().map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf())),
        // A pattern in solobot.toml stands for one bot's release folders, a bare name for whatever is called so.
        open: search.program.is_open() && !search.program.is_pattern(),
    };
    let (sure, doubtful): (Vec<Instance>, Vec<Instance>) = instances.into_iter().partition(is_sure);
    let traits: Vec<Traits> = sure.iter().map(traits).collect();
    for (mut instance, verdict) in sure.into_iter().zip(same_bot::sort(&traits, &wanted)) {
        match verdict {
            Verdict::Bot(number) => {
                instance.bot = number;
                if instance.token.is_some() {
                    (instance.confidence, instance.doubt) = (Confidence::Token, None);
                }
                found.instances.push(instance);
            }
            Verdict::Probable(doubt) => {
                (instance.confidence, instance.doubt) = (Confidence::Probable, Some(doubt));
                found.probable.push(instance);
            }
            Verdict::Other => found.others.push(instance),
        }
    }
    for instance in doubtful {
        let is_other = search.token.is_some() && instance.token.is_some() && instance.token != search.token;
        if is_other { found.others.push(instance) } else { found.probable.push(instance) }
    }
    found
}

/// Whether the program is certain. The same path in another root with a visible token is as good as a file.
fn is_sure(instance: &Instance) -> bool {
    instance.confidence > Confidence::Probable || (instance.doubt == Some(Doubt::OtherRoot) && instance.token.is_some())
}

fn traits(instance: &Instance) -> Traits {
    let fingerprint = |token: &TokenId| token.fingerprint.clone();
    Traits {
        file: instance.program.as_ref().map(|program| program.to_string().into()),
        token: instance.token.as_ref().map(fingerprint),
        in_file: instance.known_token().filter(|_| instance.token.is_none()).map(fingerprint),
        args: instance.args.clone(),
        cwd: instance.cwd.clone(),
    }
}

/// Puts the processes of strangers among the doubtful ones.
fn set_strangers_apart(
    found: &mut Found,
    search: &Search<'_>,
    is_connected: &mut dyn FnMut(&Instance) -> Option<bool>,
) {
    let mut is_strangers = |one: &Instance| {
        let program = one.program.as_ref().or(Some(search.program));
        !Users::of(program, search.caller, &search.users).include(one.uid)
    };
    let (strangers, own) = std::mem::take(&mut found.instances).into_iter().partition(&mut is_strangers);
    found.instances = own;
    found.probable.extend::<Vec<Instance>>(strangers);
    for one in &mut found.probable {
        let may_count = one.doubt.is_none_or(|doubt| doubt.starting() != Starting::DoesNotCount);
        // Whose folder is hidden may run another file altogether.
        if may_count && one.doubt != Some(Doubt::UnknownFolder) && is_strangers(one) {
            let stranger = whose::judge(one, &mut *is_connected);
            (one.confidence, one.doubt) = (Confidence::Probable, Some(Doubt::AnotherUser(stranger)));
        }
    }
    found.probable.sort_by_key(|one| one.root.start_ticks);
}

impl Found {
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
        self.instances.iter().chain(self.probable.iter().filter(|one| is(one, Starting::Counts)))
    }

    /// One of which nobody can say whether it counts.
    pub fn undecided(&self) -> Option<&Instance> {
        self.probable.iter().find(|one| is(one, Starting::CannotTell))
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
        for one in
            started.instances.into_iter().chain(started.probable.into_iter().filter(|one| is(one, Starting::Counts)))
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
    pub fn forecast(&mut self, answers: &mut origin::Answers) {
        let all = self.instances.iter_mut().chain(&mut self.probable).chain(&mut self.others);
        all.for_each(|instance| instance.origin.forecast(answers));
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

fn is(one: &Instance, starting: Starting) -> bool {
    one.doubt.is_some_and(|doubt| doubt.starting() == starting)
}

/// Whether a stranger is why it is in doubt.
pub fn is_strangers(one: &Instance) -> bool {
    matches!(one.doubt, Some(Doubt::AnotherUser(Stranger::Likely | Stranger::Unlikely | Stranger::Hidden)))
}

#[cfg(test)]
mod tests;
