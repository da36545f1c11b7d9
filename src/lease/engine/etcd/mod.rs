//! etcd: one key, compared and set by one transaction through the JSON gateway.
//!
//! Invariants: a set is carried out only on the key as it was seen, and only where it was seen; it is sent over a connection
//! on which the server has already said who it is. Looks are linearizable. There is no etcd lease, whose end a server's clock
//! decides.
//!
//! **What is compared**: the revision of the key's last change (0: there is none), and its value. A cluster that was set up
//! again counts revisions from one, so one revision may be that of another record; a record has a random part and a number of
//! its own.
//!
//! **Who the server is**: the cluster's ID and the term of its leader. The ID alone is not enough: etcd makes it of
//! `--initial-cluster` and `--initial-cluster-token`, so a cluster that is wiped, or restored from a snapshot, with the same
//! two has the same ID (seen with 3.4), while its terms begin again. The price is that after an election a holder renews
//! twice, and what was released before it is watched once more. An older state that is put back within one term is noticed by
//! whoever saw the newer one: revisions never go back, so a server that shows a lower one has another name from then on. Not
//! seen: the same, by a process that was started later.
//!
//! **Several members** are tried one after the other, each with its share of the time: the one that answered last comes first, and
//! has half of it. A set that was not answered may be sent to the next: the comparison lets one of them be carried out at most.
//! If what stands there then is this very record, it was one of ours, and is written.
//!
//! **They are of one cluster**: the first call asks every member who it is, and so does an answer that does not fit. Two places
//! with different clusters are an error. So are two with one member ID: stock clusters have the same IDs, of the cluster as of
//! the member. While a place has never said who it is, the cluster must have as many members that vote as the URL has places:
//! the one that is away may be a cluster of its own, to which another host may write.
//!
//! Not promised: that a member run with `--unsafe-no-fsync` keeps what it has confirmed.

pub(super) mod answer;
mod member;
pub(super) mod refusal;
pub(super) mod weaknesses;

use std::mem;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use self::answer::{EtcdAnswer, EtcdChange, EtcdFault, EtcdSeen, LONGEST, ShownRevisions, cluster};
use self::member::{EtcdMember, MemberName};
use self::refusal::EtcdRefusal;
use super::exchange::{JsonPost, PostAnswer};
use super::register::{EngineError, EngineErrorKind, EngineWeakness, Register, RegisterLook, SetResult, Version};
use super::stream::{CallLimit, Trust};
use super::url::{EngineUrl, EtcdAddress};
use crate::base::error::Error;

/// A lease's record on a cluster.
pub struct EtcdRegister {
    address: EtcdAddress,
    /// As text, for messages.
    key_name: String,
    /// As the gateway wants it.
    key: String,
    /// The one that answered last comes first; never empty.
    members: Vec<EtcdMember>,
    /// Who we are to the cluster, once it has heard the password.
    token: Option<String>,
    revisions: ShownRevisions,
    /// The places were of one cluster when they were last compared.
    has_agreed: bool,
}

#[derive(Deserialize)]
struct AuthenticateResponse {
    token: String,
}

impl EtcdRegister {
    /// # Errors
    /// The URL's certificates cannot be used.
    pub fn open(address: &EtcdAddress, url: &EngineUrl, name: &str) -> Result<Self, Error> {
        let trust = if address.is_tls() { Some(Trust::of_file(url.ca_file())?) } else { None };
        let key_name = format!("solobot/lease/{name}");
        let members = address.members.iter().map(|place| EtcdMember::new(place, address, trust.clone())).collect();
        let key = answer::encoded(key_name.as_bytes());
        Ok(Self {
            address: address.clone(),
            key_name,
            key,
            members,
            token: None,
            revisions: ShownRevisions::default(),
            has_agreed: false,
        })
    }

    /// Makes the call on one member after the other, until one answers.
    fn on_members<T>(
        &mut self,
        within: Duration,
        mut call: impl FnMut(&mut Self, usize, &mut CallLimit) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut limit = CallLimit::new(within);
        let mut errors = Vec::new();
        for at in 0..self.members.len() {
            let Ok(mut share) = limit.share(self.shares(at)) else { break };
            let result = call(self, at, &mut share);
            limit.count(&share);
            match result {
                Ok(value) => {
                    self.agree(at, &mut limit)?;
                    self.members[..=at].rotate_right(1);
                    return Ok(value);
                }
                Err(error) => errors.push(error),
            }
        }
        Err(refusal::of_all(errors, &self.address, within))
    }

    /// The member that answered last has half of the time: a login or TLS needs more than a small part.
    fn shares(&self, at: usize) -> usize {
        let left = self.members.len() - at;
        if at == 0 && self.members[0].named.is_some() { left.min(2) } else { left }
    }

    /// The members that were never tried, and those that do not fit, are asked who they are. One that is away says nothing, and
    /// is not asked again; unless what it said before does not fit, which it then still counts for.
    fn agree(&mut self, at: usize, limit: &mut CallLimit) -> Result<(), EngineError> {
        self.has_agreed = false;
        let shares = self.members.len();
        for other in (0..shares).filter(|other| *other != at) {
            if self.members[other].was_asked && self.misfit(at, other).is_none() {
                continue;
            }
            if let Ok(mut share) = limit.share(shares) {
                // Only who it is counts.
                let _ = self.look(other, &mut share, true);
                limit.count(&share);
            }
            if let Some(error) = self.misfit(at, other) {
                return Err(error);
            }
        }
        let named = self.members.iter().filter(|member| member.named.is_some()).count();
        if named < shares {
            match self.voters(at, limit) {
                Ok(voters) if voters < shares => return Err(refusal::too_many_places(&self.address, voters)),
                // Whoever has heard most of the places has heard one that everybody else has heard who may write.
                Err(error) if named * 2 <= shares => return Err(error),
                _ => {}
            }
        }
        self.has_agreed = true;
        Ok(())
    }

    /// Why two places are not two members of one cluster, as far as they have said.
    fn misfit(&self, at: usize, other: usize) -> Option<EngineError> {
        let [one, other] = [&self.members[at], &self.members[other]];
        match (&one.named, &other.named) {
            (Some(name), Some(its)) if name.cluster != its.cluster => {
                Some(refusal::other_clusters(&one.address, &other.address))
            }
            (Some(name), Some(its)) if name.id == its.id => Some(refusal::same_member(&one.address, &other.address)),
            _ => None,
        }
    }

    /// How many members of the cluster vote.
    fn voters(&mut self, at: usize, limit: &mut CallLimit) -> Result<usize, EngineError> {
        self.reach(at, limit)?;
        let members = self.ask(at, limit, "/v3/cluster/member/list", &json!({}))?;
        weaknesses::voters(&members)
            .ok_or_else(|| refusal::fault(&EtcdFault::Nonsense, &self.members[at].address, &self.key_name))
    }

    fn look(&mut self, at: usize, limit: &mut CallLimit, only_count: bool) -> Result<RegisterLook, EngineError> {
        self.reach(at, limit)?;
        let body = self.ask(at, limit, "/v3/kv/range", &answer::range(&self.key, only_count))?;
        Ok(self.heard(at, answer::of_range(&body, &self.key))?.look)
    }

    /// `was_sent`: whether another member was sent it already, which may have carried it out, or yet do so.
    fn set(
        &mut self,
        at: usize,
        limit: &mut CallLimit,
        change: EtcdChange<'_>,
        was_sent: &mut bool,
    ) -> Result<SetResult, EngineError> {
        let result = |look: RegisterLook, was_sent: bool| {
            let is_ours = was_sent && look.content.as_deref() == Some(change.record);
            if is_ours { SetResult::Written(look) } else { SetResult::Refused(look) }
        };
        self.reach(at, limit)?;
        // Nobody knows whom a new connection would reach.
        if !self.members[at].is_connected_to(change.seen.server) {
            let look = self.look(at, limit, false)?;
            if look.version != *change.version {
                return Ok(result(look, *was_sent));
            }
            // A look at another stock cluster may show the same.
            self.has_agreed = false;
        }
        if !self.has_agreed {
            self.agree(at, limit)?;
        }
        let was_sent = mem::replace(was_sent, true);
        let body = self.ask(at, limit, "/v3/kv/txn", &answer::transaction(&self.key, change))?;
        let EtcdAnswer { look, is_written, .. } = self.heard(at, answer::of_transaction(&body, &self.key))?;
        if cluster(&look.server) != change.seen.cluster() {
            // Something in between led it elsewhere.
            let address = &self.members[at].address;
            return Err(
                EngineError::configuration(format!("{address} answers for different clusters")).hint(refusal::NO_PROXY)
            );
        }
        Ok(if is_written { SetResult::Written(look) } else { result(look, was_sent) })
    }

    fn heard(&mut self, at: usize, answer: Result<EtcdAnswer, EtcdFault>) -> Result<EtcdAnswer, EngineError> {
        let member = &mut self.members[at];
        let mut answer = answer.map_err(|fault| refusal::fault(&fault, &member.address, &self.key_name))?;
        self.revisions.name(&mut answer);
        let name = MemberName { cluster: cluster(&answer.look.server).to_owned(), id: answer.member.clone() };
        member.hear(&answer.look.server, name);
        Ok(answer)
    }

    fn reach(&mut self, at: usize, limit: &mut CallLimit) -> Result<(), EngineError> {
        let member = &mut self.members[at];
        member
            .open(limit)
            .map_err(|error| refusal::unreached(&error, &member.address, limit.within(), member.named.is_some()))
    }

    /// Over the open connection; with a login, and again with another token if the cluster no longer takes ours.
    fn ask(&mut self, at: usize, limit: &mut CallLimit, path: &str, body: &Value) -> Result<Vec<u8>, EngineError> {
        let mut is_new = false;
        loop {
            if self.token.is_none() && self.address.login.is_some() {
                self.log_in(at, limit)?;
                is_new = true;
            }
            let answer = self.post(at, limit, path, body)?;
            if answer.status == 200 {
                return Ok(answer.body);
            }
            let refusal = EtcdRefusal::of(&answer);
            let error = refusal.meaning(&self.members[at].address, &self.key_name, self.token.as_deref());
            let has_expired = refusal.wants_another_token() && self.token.take().is_some();
            if is_new || !has_expired {
                return Err(error);
            }
        }
    }

    fn log_in(&mut self, at: usize, limit: &mut CallLimit) -> Result<(), EngineError> {
        let Some(login) = &self.address.login else { return Ok(()) };
        let body = json!({ "name": login.user, "password": login.password });
        let answer = self.post(at, limit, "/v3/auth/authenticate", &body)?;
        let address = &self.members[at].address;
        if answer.status != 200 {
            return Err(EtcdRefusal::of(&answer).meaning(address, &self.key_name, None));
        }
        let said = serde_json::from_slice::<AuthenticateResponse>(&answer.body);
        let is_header = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let token = said.ok().map(|said| said.token).filter(is_header);
        self.token = Some(token.ok_or_else(|| refusal::fault(&EtcdFault::Nonsense, address, &self.key_name))?);
        Ok(())
    }

    fn post(&mut self, at: usize, limit: &mut CallLimit, path: &str, body: &Value) -> Result<PostAnswer, EngineError> {
        let body = body.to_string();
        let post = JsonPost { host: "", path, authorization: self.token.as_deref(), body: body.as_bytes() };
        let member = &mut self.members[at];
        member.post(post, limit).map_err(|cut| {
            let is_too_long = cut.error.kind() == std::io::ErrorKind::FileTooLarge;
            if is_too_long && answer::is_cut_value(&cut.body, &self.key) {
                return refusal::fault(&EtcdFault::TooLong, &member.address, &self.key_name);
            }
            refusal::unreached(&cut.error, &member.address, limit.within(), member.named.is_some())
        })
    }
}

impl Register for EtcdRegister {
    fn read(&mut self, limit: Duration) -> Result<RegisterLook, EngineError> {
        self.members.iter_mut().for_each(EtcdMember::ask_for_addresses);
        self.on_members(limit, |this, at, limit| this.look(at, limit, false))
    }

    fn set_if(&mut self, version: &Version, record: &[u8], limit: Duration) -> Result<SetResult, EngineError> {
        if record.len() > LONGEST {
            return Err(EngineError::too_long(record));
        }
        let seen = EtcdSeen::of(version).ok_or_else(EngineError::foreign_version)?;
        let change = EtcdChange { version, seen, record };
        let mut was_sent = false;
        self.members.iter_mut().for_each(EtcdMember::keep_addresses);
        self.on_members(limit, |this, at, limit| this.set(at, limit, change, &mut was_sent))
    }

    fn weaknesses(&mut self, limit: Duration) -> Result<Vec<EngineWeakness>, EngineError> {
        self.on_members(limit, |this, at, limit| {
            this.look(at, limit, true)?;
            let mut said = |path| match this.ask(at, limit, path, &json!({})) {
                // Some versions tell only root.
                Err(error) if error.kind == EngineErrorKind::NotPermitted => Ok(Vec::new()),
                said => said,
            };
            let (members, alarms) = (said("/v3/cluster/member/list")?, said("/v3/maintenance/alarm")?);
            let status = said("/v3/maintenance/status")?;
            weaknesses::of(&members, &alarms, &status, &this.address)
                .ok_or_else(|| refusal::fault(&EtcdFault::Nonsense, &this.members[at].address, &this.key_name))
        })
    }
}
