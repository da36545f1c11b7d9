//! The same bot, or another one of the same program (DESIGN §5).
//!
//! Pure. Where tokens can be seen they decide. Where not, only the same arguments and the same working folder make two
//! processes one bot; anything else is probable at most.

use std::ffi::OsString;
use std::path::PathBuf;

use super::instance::Instance;
use super::matching::Doubt;

/// What tells the instances of one program apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    /// The file or folder that the program was found as: for a bare name each is a program of its own.
    pub file: Option<PathBuf>,
    /// The token's fingerprint, where one can be seen.
    pub token: Option<String>,
    /// The arguments behind the program.
    pub args: Vec<OsString>,
    /// The working folder.
    pub cwd: Option<PathBuf>,
}

/// What the operator has said about the bot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its token's fingerprint.
    pub token: Option<String>,
    /// Its arguments.
    pub args: Option<Vec<OsString>>,
    /// Its working folder.
    pub cwd: Option<PathBuf>,
    /// A bare name or a pattern: several distinct bots may be meant, each for itself.
    pub open: bool,
}

/// Where one instance belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To the bot of that number. More than one number: several distinct bots are meant.
    Bot(usize),
    /// Perhaps to the bot.
    Probable(Doubt),
    /// To another bot for certain: another token, or other arguments than the ones asked for.
    Other,
}

/// Whether two instances of whatever program are one bot: one program with one token, and where no token can be seen, one
/// that was started alike. A web front end with the bot's `.env` is another program.
pub fn is_same(one: &Instance, other: &Instance) -> bool {
    let same_program = match (&one.program, &other.program) {
        (Some(one), Some(other)) => one.is_same_but_for_args(other),
        (None, None) => one.command == other.command,
        _ => false,
    };
    let started_alike = || one.args == other.args && one.cwd == other.cwd;
    same_program && one.token == other.token && (one.token.is_some() || started_alike())
}

/// Sorts the instances of one program, oldest first, into bots.
pub fn sort(instances: &[Traits], wanted: &Wanted) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = instances.iter().map(|it| excluded(it, wanted)).collect();
    let mut bots = 0;
    for file in files(instances, wanted) {
        let here: Vec<usize> = (0..instances.len())
            .filter(|&at| verdicts[at].is_none() && (!wanted.open || instances[at].file == file))
            .collect();
        bots += sort_program(instances, &here, wanted, bots, &mut verdicts);
    }
    verdicts.into_iter().map(|verdict| verdict.unwrap_or(Verdict::Other)).collect()
}

/// The distinct programs that a bare name has found; one for any other program.
fn files(instances: &[Traits], wanted: &Wanted) -> Vec<Option<PathBuf>> {
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

fn excluded(it: &Traits, wanted: &Wanted) -> Option<Verdict> {
    match (&it.token, &wanted.token) {
        (Some(token), Some(ours)) if token != ours => Some(Verdict::Other),
        (Some(_), Some(_)) => None,
        _ if wanted.args.as_ref().is_some_and(|args| *args != it.args) => Some(Verdict::Other),
        _ => None,
    }
}

/// Sorts the instances of one program; returns how many bots they are.
fn sort_program(
    all: &[Traits],
    here: &[usize],
    wanted: &Wanted,
    first: usize,
    verdicts: &mut [Option<Verdict>],
) -> usize {
    let (seen, unseen): (Vec<usize>, Vec<usize>) = here.iter().partition(|&&at| all[at].token.is_some());
    let mut tokens: Vec<&String> = Vec::new();
    for &at in &seen {
        let Some(token) = &all[at].token else { continue };
        let bot = tokens.iter().position(|known| *known == token).unwrap_or_else(|| {
            tokens.push(token);
            tokens.len() - 1
        });
        verdicts[at] = Some(Verdict::Bot(first + bot));
    }
    if !tokens.is_empty() {
        for &at in &unseen {
            verdicts[at] = Some(beside_tokens(all, &seen, at, verdicts));
        }
        return tokens.len();
    }
    without_tokens(all, &unseen, wanted, first, verdicts)
}

/// An instance without a visible token beside others with one: it is the bot of those that were started alike.
fn beside_tokens(all: &[Traits], seen: &[usize], at: usize, verdicts: &[Option<Verdict>]) -> Verdict {
    let mut alike: Vec<Verdict> =
        seen.iter().filter(|&&other| is_alike(&all[other], &all[at])).filter_map(|&other| verdicts[other]).collect();
    alike.dedup();
    match alike.as_slice() {
        [verdict] => *verdict,
        _ => Verdict::Probable(Doubt::TokenUnseen),
    }
}

fn without_tokens(
    all: &[Traits],
    unseen: &[usize],
    wanted: &Wanted,
    first: usize,
    verdicts: &mut [Option<Verdict>],
) -> usize {
    // Clusters of those started alike, the oldest member first; whose folder is hidden joins the others at the end.
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    let (known, hidden): (Vec<usize>, Vec<usize>) = unseen.iter().partition(|&&at| all[at].cwd.is_some());
    for at in known.into_iter().chain(hidden) {
        match clusters.iter_mut().find(|cluster| is_alike(&all[cluster[0]], &all[at])) {
            Some(cluster) => cluster.push(at),
            None => clusters.push(vec![at]),
        }
    }
    let fits = |cluster: &Vec<usize>| wanted.cwd.is_none() || wanted.cwd == all[cluster[0]].cwd;
    let Some(chosen) = (0..clusters.len()).rev().max_by_key(|&at| (fits(&clusters[at]), clusters[at].len())) else {
        return 0;
    };
    let stands_for_bot = fits(&clusters[chosen]);
    for (number, cluster) in clusters.iter().enumerate() {
        for &at in cluster {
            verdicts[at] = Some(if wanted.open && fits(cluster) {
                Verdict::Bot(first + number)
            } else if number == chosen && stands_for_bot {
                Verdict::Bot(first)
            } else {
                let chosen_args = wanted.args.as_ref().unwrap_or(&all[clusters[chosen][0]].args);
                let other = if all[at].args == *chosen_args { Doubt::OtherFolder } else { Doubt::OtherArguments };
                Verdict::Probable(other)
            });
        }
    }
    if wanted.open { clusters.len() } else { usize::from(stands_for_bot) }
}

/// Started with the same arguments in the same folder, as far as that can be seen: another user's folder is hidden from
/// all but root, and that instance must count all the same.
fn is_alike(one: &Traits, other: &Traits) -> bool {
    one.args == other.args && (one.cwd == other.cwd || one.cwd.is_none() || other.cwd.is_none())
}

#[cfg(test)]
mod tests;
