//! One lock's facts.

use std::fs::File;

use super::facts::{LockEvidence, LockSharer, NamedProcess, SeenInstance};
use super::{tmpfiles, view};
use crate::lock::carriers::{self, Carrier};
use crate::lock::file::open_to_look;
use crate::lock::state::{self, State};
use crate::lock::text::LockText;
use crate::platform::filesystem;
use crate::platform::identity::Identity;
use crate::platform::locks::LockKind;
use crate::platform::proc::Handle;
use crate::process::argv;
use crate::process::details::Details;
use crate::process::origin::Starter;

/// Looks closer at a lock, also as these instances see it.
pub fn look<'a>(
    facts: state::LockFacts,
    instances: impl Iterator<Item = &'a SeenInstance>,
    network_allowed: bool,
) -> LockEvidence {
    let path = facts.path.as_path();
    let file = open_to_look(path).ok();
    let carried = file.as_ref().and_then(|file| carriers::of(file).ok()).unwrap_or_default();
    let text = file.as_ref().and_then(|file| file.read_text().ok()).and_then(LockText::pid);
    let record = facts.record.record().and_then(|record| i32::try_from(record.pid).ok());
    let holder = facts.record.details().map(|details| details.holder_pid);
    let network = match &file {
        Some(file) => network_of(file.file()),
        None => path.parent().and_then(|folder| network_of(&File::open(folder).ok()?)),
    };
    LockEvidence {
        sharers: carried.iter().filter(|carrier| carrier.kind == LockKind::Flock).filter_map(sharer).collect(),
        fcntl: carried
            .iter()
            .filter(|carrier| carrier.kind != LockKind::Flock)
            .filter_map(|it| named(it.process))
            .collect(),
        claimant: match &facts.state {
            State::OwnerAliveUnlocked(process) => named(*process),
            _ => None,
        },
        named: [text, record, holder].into_iter().flatten().collect(),
        network: network.map(str::to_owned),
        network_allowed,
        cleaner: tmpfiles::cleaner_of(path),
        elsewhere: instances.filter_map(|seen| view::elsewhere(seen.pid(), path)).collect(),
        facts,
    }
}

fn network_of(file: &File) -> Option<&'static str> {
    filesystem::network_fs(file).ok().flatten()
}

/// A process with its command line; `None` if it has gone.
pub fn named(process: Identity) -> Option<NamedProcess> {
    let details = Details::read(&Handle::open(process.pid)?).filter(|details| details.identity == process)?;
    Some(NamedProcess::of(&details))
}

fn sharer(carrier: &Carrier) -> Option<LockSharer> {
    let details = Details::read(&Handle::open(carrier.process.pid)?)?;
    let is_keeper = match Starter::of(&details) {
        Starter::Solobot | Starter::Shell | Starter::Loop => true,
        // flock(1), and a shell that runs a line: both hold it on purpose, other wrappers by inheritance.
        Starter::Wrapper => {
            let name = details.argv.first().map(|first| argv::base(first).to_owned()).unwrap_or_default();
            name == "flock" || argv::Runner::of_name(&name) == Some(argv::Runner::Shell)
        }
        _ => false,
    };
    Some(LockSharer {
        who: NamedProcess { process: carrier.process, ..NamedProcess::of(&details) },
        caller: carrier.caller,
        is_keeper,
    })
}
