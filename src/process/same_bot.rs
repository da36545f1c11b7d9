//! The same bot, or another one of the same program.
//!
//! Pure. If tokens can be seen, they decide. If not, the token in the file that such a program usually reads (`.env`) tells
//! another bot, or the same one if it was started with the same arguments. Without that either, only the same arguments and
//! the same working folder make two processes the same bot. Anything else is doubtful.

use std::ffi::OsString;
use std::path::PathBuf;

use super::instance::Instance;
use super::matching::Doubt;
use super::program::Args;

/// What tells the instances of one program apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceTraits {
    /// The file or folder of the program. For a name without a path, each is another program.
    pub file: Option<PathBuf>,
    /// The token's fingerprint, where one can be seen.
    pub token: Option<String>,
    /// Else that of the token in its `.env` file.
    pub in_file: Option<String>,
    /// The arguments after the program.
    pub args: Vec<OsString>,
    /// The working folder.
    pub cwd: Option<PathBuf>,
}

/// What is known of the bot that is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedBot {
    /// Its token's fingerprint.
    pub token: Option<String>,
    /// Its arguments.
    pub args: Option<Args>,
    /// Other bots of the same program begin their arguments with more words than this one.
    pub longer: Vec<Args>,
    /// Its working folder.
    pub cwd: Option<PathBuf>,
    /// A name without a path: each file of that name is another program.
    pub open: bool,
}

/// Where one instance belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To the bot of that number. More than one number: several distinct bots are meant.
    Bot(usize),
    /// Perhaps to the bot.
    Probable(Doubt),
    /// To another bot: another token, or other arguments than the configuration says.
    Other,
}

/// Of an instance that was proved not to be connected: whether it has another sub-command than each that is surely the bot,
/// and so does other work. Where its own token shows that it could be the bot, the others count only if they are connected.
pub fn does_other_work<'a>(idle: &Instance, sure: impl Iterator<Item = (&'a Instance, bool)>) -> bool {
    let is_sure = idle.doubt.is_none();
    let others: Vec<_> = sure.filter(|(_, polls)| *polls || !is_sure).map(|(one, _)| subcommand(one)).collect();
    let is_other = !others.is_empty() && !others.contains(&subcommand(idle));
    match idle.doubt {
        None => is_other && subcommand(idle).is_some() && others.iter().all(Option::is_some),
        doubt => is_other && doubt == Some(Doubt::OtherArguments),
    }
}

/// Whether some of these may do other work than the bot: their connections are worth a look.
pub fn may_do_other_work(sure: &[Instance]) -> bool {
    let first = sure.first().and_then(subcommand);
    first.is_some() && sure.iter().any(|one| subcommand(one).is_some_and(|other| Some(other) != first))
}

fn subcommand(one: &Instance) -> Option<&OsString> {
    one.args.first().filter(|word| !word.as_encoded_bytes().starts_with(b"-"))
}

/// Sorts the instances of one program, oldest first, into bots.
pub fn sort(instances: &[InstanceTraits], wanted: &WantedBot) -> Vec<Verdict> {
    let verdicts = instances.iter().map(|it| excluded(it, wanted)).collect();
    let all: Vec<InstanceTraits> = instances.iter().map(|it| it.as_configured(wanted)).collect();
    let mut sorting = Sorting { all: &all, wanted, verdicts, bots: 0 };
    for file in files(instances, wanted) {
        let is_here = |at: &usize| !wanted.open || instances[*at].file == file;
        sorting.sort_program(&(0..instances.len()).filter(is_here).collect::<Vec<_>>());
    }
    sorting.verdicts.into_iter().map(|verdict| verdict.unwrap_or(Verdict::Other)).collect()
}

impl InstanceTraits {
    /// Where solobot.toml says which arguments make the bot, whatever follows them makes no difference.
    fn as_configured(&self, wanted: &WantedBot) -> Self {
        let configured = wanted.args.as_ref().filter(|args| args.are_configured() && args.fit(&self.args));
        Self { args: configured.map_or_else(|| self.args.clone(), |args| args.words().to_vec()), ..self.clone() }
    }
}

/// The distinct programs that a bare name has found; one for any other program.
fn files(instances: &[InstanceTraits], wanted: &WantedBot) -> Vec<Option<PathBuf>> {
    if !wanted.open {
        return vec![None];
    }
    let mut files = Vec::new();
    for instance in instances {
        if !files.contains(&instance.file) {
            files.push(instance.file.clone());
        }
    }
    files
}

/// What is another bot by its token or by its arguments, whoever else runs.
fn excluded(it: &InstanceTraits, wanted: &WantedBot) -> Option<Verdict> {
    let known = it.token.as_ref().or(it.in_file.as_ref());
    if known.zip(wanted.token.as_ref()).is_some_and(|(its, ours)| its != ours) {
        return Some(Verdict::Other);
    }
    if it.token.is_some() && it.token == wanted.token {
        return None;
    }
    if wanted.longer.iter().any(|longer| longer.fit(&it.args)) {
        return Some(Verdict::Other);
    }
    match &wanted.args {
        Some(args) if args.fit(&it.args) => None,
        Some(args) if args.are_configured() => Some(Verdict::Other),
        Some(_) => Some(Verdict::Probable(Doubt::OtherArguments)),
        None => None,
    }
}

struct Sorting<'a> {
    all: &'a [InstanceTraits],
    wanted: &'a WantedBot,
    verdicts: Vec<Option<Verdict>>,
    bots: usize,
}

impl<'a> Sorting<'a> {
    /// Sorts the instances of one program. All of them, excluded ones too, tell whom one without a token resembles.
    fn sort_program(&mut self, all: &[usize]) {
        let here: Vec<usize> = all.iter().copied().filter(|&at| self.verdicts[at].is_none()).collect();
        let mut tokens: Vec<String> = Vec::new();
        for &at in &here {
            let token = self.known(at).filter(|token| !tokens.contains(token)).cloned();
            tokens.extend(token);
        }
        let unknown: Vec<usize> = here.iter().copied().filter(|&at| self.known(at).is_none()).collect();
        for token in &tokens {
            let own: Vec<usize> = here.iter().copied().filter(|&at| self.known(at) == Some(token)).collect();
            self.sort_token(&own);
        }
        if tokens.is_empty() {
            self.sort_without_tokens(&unknown, all);
        } else {
            for at in unknown {
                self.verdicts[at] = Some(self.beside_tokens(at, all));
            }
        }
    }

    fn known(&self, at: usize) -> Option<&String> {
        self.all[at].token.as_ref().or(self.all[at].in_file.as_ref())
    }

    /// Those with one token: one that merely would read it from a file must have been started with the same arguments.
    /// (`manage.py runserver` lies beside the same `.env` as `manage.py runbot`.)
    fn sort_token(&mut self, own: &[usize]) {
        let all = self.all;
        let seen: Vec<&Vec<OsString>> =
            own.iter().filter(|&&at| all[at].token.is_some()).map(|&at| &all[at].args).collect();
        let alike = if seen.is_empty() { vec![self.most_common_args(own)] } else { seen };
        for &at in own {
            let is_sure = all[at].token.is_some() || alike.contains(&&all[at].args);
            let verdict = if is_sure { Verdict::Bot(self.bots) } else { Verdict::Probable(Doubt::OtherArguments) };
            self.verdicts[at] = Some(verdict);
        }
        self.bots += 1;
    }

    /// The arguments of those in the wanted folder, else of the most, else of the oldest.
    fn most_common_args(&self, own: &[usize]) -> &'a Vec<OsString> {
        let count = |args: &Vec<OsString>| own.iter().filter(|&&at| self.all[at].args == *args).count();
        let fits = |at: usize| self.wanted.cwd.is_some() && self.all[at].cwd == self.wanted.cwd;
        let best = own.iter().rev().max_by_key(|&&at| (fits(at), count(&self.all[at].args)));
        &self.all[*best.unwrap_or(&own[0])].args
    }

    /// An instance of which no token is known, beside others with one: it is the bot of those that were started alike.
    fn beside_tokens(&self, at: usize, all: &[usize]) -> Verdict {
        let mut alike: Vec<Verdict> = all
            .iter()
            .filter(|&&other| self.known(other).is_some() && is_alike(&self.all[other], &self.all[at]))
            .filter_map(|&other| self.verdicts[other])
            .collect();
        alike.dedup();
        match alike.as_slice() {
            [verdict @ Verdict::Bot(_)] => *verdict,
            _ => Verdict::Probable(self.doubt_of(at, all, Doubt::TokenUnseen)),
        }
    }

    /// `same` if any other was started with the same arguments.
    fn doubt_of(&self, at: usize, others: &[usize], same: Doubt) -> Doubt {
        let is_same = |other: &&usize| **other != at && self.all[**other].args == self.all[at].args;
        let is_wanted = self.wanted.args.as_ref().is_some_and(|args| args.fit(&self.all[at].args));
        if is_wanted || others.iter().any(|other| is_same(&other)) { same } else { Doubt::OtherArguments }
    }

    fn sort_without_tokens(&mut self, unknown: &[usize], all: &[usize]) {
        // Clusters of those started alike, the oldest member first; whose folder is hidden joins the others at the end.
        let mut clusters: Vec<Vec<usize>> = Vec::new();
        let (known, hidden): (Vec<usize>, Vec<usize>) = unknown.iter().partition(|&&at| self.all[at].cwd.is_some());
        for at in known.into_iter().chain(hidden) {
            match clusters.iter_mut().find(|cluster| is_alike(&self.all[cluster[0]], &self.all[at])) {
                Some(cluster) => cluster.push(at),
                None => clusters.push(vec![at]),
            }
        }
        let fits = |cluster: &Vec<usize>| self.wanted.cwd.is_none() || self.wanted.cwd == self.all[cluster[0]].cwd;
        let best = (0..clusters.len()).rev().max_by_key(|&at| (fits(&clusters[at]), clusters[at].len()));
        let Some(chosen) = best.map(|at| clusters[at].clone()) else { return };
        let stands_for_bot = fits(&chosen);
        // One that was started as a bot with another token was, is perhaps the second of that one.
        let is_others =
            |other: &&usize| self.known(**other).is_some() && is_alike(&self.all[**other], &self.all[chosen[0]]);
        let resembles_another = all.iter().any(|other| is_others(&other));
        for &at in clusters.iter().flatten() {
            self.verdicts[at] = Some(if !chosen.contains(&at) {
                Verdict::Probable(self.doubt_of(at, &chosen, Doubt::OtherFolder))
            } else if !stands_for_bot {
                Verdict::Probable(Doubt::OtherFolder)
            } else if resembles_another {
                Verdict::Probable(Doubt::TokenUnseen)
            } else {
                Verdict::Bot(self.bots)
            });
        }
        self.bots += usize::from(stands_for_bot && !resembles_another);
    }
}

/// Started with the same arguments in the same folder, as far as that can be seen: another user's folder is hidden from
/// all but root, and that instance must count anyway.
fn is_alike(one: &InstanceTraits, other: &InstanceTraits) -> bool {
    one.args == other.args && (one.cwd == other.cwd || one.cwd.is_none() || other.cwd.is_none())
}

#[cfg(test)]
mod tests;
