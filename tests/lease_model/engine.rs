//! The engine of the model: one register, and what can happen to it.

use solobot::lease::engine::{RegisterLook, SetResult, Version};
use solobot::lease::record::{GrantState, LeaseRecord};
use solobot::lease::step::EngineSaid;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    Look,
    Write { version: Version, record: LeaseRecord },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Engine {
    content: Option<Vec<u8>>,
    server: u8,
    /// What it had before each change of a grant: what a copy that lags behind may have.
    copies: Vec<Option<Vec<u8>>>,
    /// For who believes in it: when the server's clock said that the record was written.
    written_at: u64,
    clock_ahead: u64,
}

/// What can happen to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mishap {
    /// It is restarted, and has all its data.
    Restart,
    /// It is restarted, and has none.
    RestartEmpty,
    /// Its data is deleted.
    Flush,
    /// A copy takes its place that has what it had before so many changes of a grant.
    Stale(usize),
    /// Its clock is set an hour on.
    Clock,
}

impl Engine {
    pub fn new(content: Option<Vec<u8>>) -> Self {
        Self { content, server: 0, copies: Vec::new(), written_at: 0, clock_ahead: 0 }
    }

    pub fn server_name(server: u8) -> String {
        char::from(b's' + server).into()
    }

    /// The version is what is compared: record and server, and nothing that would tell apart two equal ones.
    fn look(&self) -> RegisterLook {
        let mut version = vec![self.server, u8::from(self.content.is_some())];
        version.extend(self.content.iter().flatten());
        RegisterLook {
            content: self.content.clone(),
            version: Version(version),
            server: Self::server_name(self.server),
        }
    }

    pub fn serve(&mut self, request: &Request, now: u64) -> EngineSaid {
        let Request::Write { version, record } = request else { return EngineSaid::Look(self.look()) };
        let look = self.look();
        if look.version != *version {
            return EngineSaid::Set(SetResult::Refused(look));
        }
        if self.grant() != Some((record.grant.generation, record.grant.state)) {
            self.copies.push(self.content.take());
        }
        self.content = Some(record.encode());
        self.written_at = now + self.clock_ahead;
        EngineSaid::Set(SetResult::Written(self.look()))
    }

    fn grant(&self) -> Option<(u64, GrantState)> {
        let record = LeaseRecord::parse(self.content.as_deref()?)?;
        Some((record.grant.generation, record.grant.state))
    }

    /// How old the record is by the server's clock.
    pub fn age(&self, now: u64) -> u64 {
        now + self.clock_ahead - self.written_at
    }

    pub fn copies(&self) -> usize {
        self.copies.len()
    }

    pub fn suffer(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Restart => self.server += 1,
            Mishap::RestartEmpty => {
                self.server += 1;
                self.content = None;
            }
            Mishap::Flush => self.content = None,
            Mishap::Stale(back) => {
                self.server += 1;
                self.content = self.copies[self.copies.len() - 1 - back].clone();
            }
            Mishap::Clock => self.clock_ahead += 3_600_000_000_000,
        }
    }
}
