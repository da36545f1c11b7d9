//! Redis and Valkey: one key, compared and set by one script.
//!
//! Invariants: the script that writes compares the record and the server on which it was seen, so that a write that is
//! carried out late, or elsewhere, changes nothing. With replicas, a write counts once one of them has it; and once none
//! said so in time, nothing that this server shows counts until one has.
//!
//! Not promised: that a failover keeps the record. The server that takes over has another name.

pub(super) mod answer;
pub(super) mod refusal;
pub(super) mod weaknesses;

use std::io::{self, Write};
use std::time::Duration;

use redis::{Cmd, Parser, Value, cmd};

use self::answer::{LONGEST, ScriptAnswer};
use super::register::{EngineError, EngineWeakness, Register, RegisterLook, SetResult, Version};
use super::stream::{CallLimit, EngineRoute, EngineStream, Trust};
use super::url::{EngineUrl, RedisAddress};
use crate::base::error::Error;

const SCRIPT: &str = include_str!("compare_and_set.lua");

/// A lease's record on a server.
pub struct RedisRegister {
    address: RedisAddress,
    key: String,
    route: EngineRoute,
    link: Option<Link>,
    /// What a set compared that may yet be carried out.
    unanswered: Option<Version>,
    /// The server none of whose replicas has confirmed the last write.
    unconfirmed_on: Option<String>,
}

struct Link {
    stream: EngineStream,
    parser: Parser,
}

/// What a set wants.
#[derive(Clone, Copy)]
struct Change<'a> {
    version: &'a Version,
    record: &'a [u8],
}

impl RedisRegister {
    /// # Errors
    /// The URL's certificates cannot be used.
    pub fn open(address: &RedisAddress, url: &EngineUrl, name: &str) -> Result<Self, Error> {
        let trust = if address.is_tls() { Some(Trust::of_file(url.ca_file())?) } else { None };
        Ok(Self {
            route: EngineRoute::new(&address.host, address.port, trust),
            address: address.clone(),
            key: format!("solobot:lease:{name}"),
            link: None,
            unanswered: None,
            unconfirmed_on: None,
        })
    }

    /// Runs the script, and waits for a replica where something was written.
    fn run(&mut self, within: Duration, change: Option<Change<'_>>) -> Result<ScriptAnswer, EngineError> {
        let limit = CallLimit::new(within);
        let mut link = self.link(limit)?;
        // What is looked at may be what was written: the script then writes it again, as there is no other way to ask
        // whether a replica has it.
        let is_doubted = self.unanswered.is_some();
        if let Some(change) = &change {
            self.unanswered = Some(change.version.clone());
        }
        let answer = ScriptAnswer::of(self.ask(&mut link, limit, &self.script(change, is_doubted)?)?, &self.address)?;
        if answer.replicas > 0 && (answer.is_written || is_doubted) {
            self.unconfirmed_on = Some(answer.run_id.clone());
            self.wait_for_replica(&mut link, limit)?;
        } else if self.unconfirmed_on.as_ref() == Some(&answer.run_id) {
            return Err(self.unconfirmed());
        }
        self.unconfirmed_on = None;
        // A set that compares something else is never carried out.
        if answer.is_written || self.unanswered.as_ref() != Some(&answer.look.version) {
            self.unanswered = None;
        }
        self.link = Some(link);
        Ok(answer)
    }

    fn script(&self, change: Option<Change<'_>>, is_doubted: bool) -> Result<Cmd, EngineError> {
        let (server, seen, record) = match change {
            None => (&b""[..], &b""[..], &b""[..]),
            Some(Change { record, .. }) if record.len() > LONGEST => {
                return Err(EngineError::too_long(record));
            }
            Some(Change { version, record }) => {
                let (server, seen) = answer::parts(version).ok_or_else(EngineError::foreign_version)?;
                (server, seen, record)
            }
        };
        let mut script = cmd("EVAL");
        script.arg(SCRIPT).arg(1).arg(&self.key).arg(server).arg(seen).arg(record).arg(LONGEST);
        script.arg(u8::from(is_doubted));
        Ok(script)
    }

    fn wait_for_replica(&self, link: &mut Link, limit: CallLimit) -> Result<(), EngineError> {
        let left = limit.left().map_err(|error| self.unreached(&error, limit))?;
        // Of the server: 0 is for ever.
        let patience = u64::try_from((left * 3 / 4).as_millis()).unwrap_or(u64::MAX).max(1);
        match self.ask(link, limit, cmd("WAIT").arg(1).arg(patience))? {
            Value::Int(replicas) if replicas >= 1 => Ok(()),
            Value::Int(_) => Err(self.unconfirmed()),
            _ => Err(self.nonsense()),
        }
    }

    /// The connection that was kept, or another one, on which it is known who we are.
    fn link(&mut self, limit: CallLimit) -> Result<Link, EngineError> {
        if let Some(Link { stream, parser }) = self.link.take()
            && let Some(stream) = stream.begin(limit)
        {
            return Ok(Link { stream, parser });
        }
        let stream = self.route.connect(limit).map_err(|error| self.unreached(&error, limit))?;
        let mut link = Link { stream, parser: Parser::new() };
        // Answered before anything else is sent: what is meant for one database must not be carried out in another.
        if let Some(login) = &self.address.login {
            let mut auth = cmd("AUTH");
            if let Some(user) = &login.user {
                auth.arg(user);
            }
            self.ask(&mut link, limit, auth.arg(&login.password))?;
        }
        if self.address.database != 0 {
            self.ask(&mut link, limit, cmd("SELECT").arg(self.address.database))?;
        }
        Ok(link)
    }

    fn ask(&self, link: &mut Link, limit: CallLimit, command: &Cmd) -> Result<Value, EngineError> {
        let mut answers = self.exchange(link, limit, std::slice::from_ref(command))?;
        match answers.pop() {
            Some(Value::ServerError(error)) => Err(refusal::meaning(&error, &self.address)),
            Some(value) => Ok(value),
            None => Err(self.nonsense()),
        }
    }

    /// One round trip.
    fn exchange(&self, link: &mut Link, limit: CallLimit, commands: &[Cmd]) -> Result<Vec<Value>, EngineError> {
        let mut packed = Vec::new();
        for command in commands {
            command.write_packed_command(&mut packed);
        }
        // A server that turns a client away says why and hangs up: its word is read even if nothing could be sent.
        let sent = link.stream.write_all(&packed).and_then(|()| link.stream.flush());
        let mut answers = Vec::new();
        for _ in commands {
            match (link.parser.parse_value(&mut link.stream), &sent) {
                (Ok(value), _) => answers.push(value),
                (Err(_), Err(error)) => return Err(self.unreached(error, limit)),
                (Err(error), Ok(())) if error.is_timeout() => {
                    return Err(self.unreached(&io::ErrorKind::TimedOut.into(), limit));
                }
                (Err(error), Ok(())) if error.is_io_error() => {
                    let is_dropped = error.is_connection_dropped();
                    let kind = if is_dropped { io::ErrorKind::ConnectionReset } else { io::ErrorKind::Other };
                    return Err(self.unreached(&io::Error::new(kind, error.to_string()), limit));
                }
                (Err(_), Ok(())) => return Err(self.nonsense()),
            }
        }
        Ok(answers)
    }

    fn unreached(&self, error: &io::Error, limit: CallLimit) -> EngineError {
        refusal::unreached(error, &self.address, limit.within())
    }

    fn nonsense(&self) -> EngineError {
        EngineError::unreachable(format!("{} does not answer as Redis does", self.address))
    }

    fn unconfirmed(&self) -> EngineError {
        EngineError::unreachable(format!("no replica of {} has confirmed in time that it has the record", self.address))
            .hint("see what it says of its replicas: redis-cli info replication")
    }
}

impl Register for RedisRegister {
    fn read(&mut self, limit: Duration) -> Result<RegisterLook, EngineError> {
        self.route.ask_for_addresses();
        Ok(self.run(limit, None)?.look)
    }

    fn set_if(&mut self, version: &Version, record: &[u8], limit: Duration) -> Result<SetResult, EngineError> {
        self.route.keep_addresses();
        let answer = self.run(limit, Some(Change { version, record }))?;
        let result = if answer.is_written { SetResult::Written } else { SetResult::Refused };
        Ok(result(answer.look))
    }

    fn weaknesses(&mut self, limit: Duration) -> Result<Vec<EngineWeakness>, EngineError> {
        let limit = CallLimit::new(limit);
        let mut link = self.link(limit)?;
        let info = |section| cmd("INFO").arg(section).clone();
        let commands = [info("memory"), info("persistence"), cmd("CONFIG").arg("GET").arg("save").clone()];
        let mut answers = self.exchange(&mut link, limit, &commands)?;
        let save = weaknesses::setting(answers.pop());
        let mut texts = Vec::new();
        for answer in answers {
            match answer {
                Value::ServerError(error) => return Err(refusal::meaning(&error, &self.address)),
                Value::BulkString(text) => texts.push(String::from_utf8_lossy(&text).into_owned()),
                _ => return Err(self.nonsense()),
            }
        }
        self.link = Some(link);
        Ok(weaknesses::of(&texts.concat(), save.as_deref(), &self.address))
    }
}
