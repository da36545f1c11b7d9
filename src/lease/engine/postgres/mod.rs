//! PostgreSQL: one row, compared and set by one statement.
//!
//! Invariants: a set compares the row's version and record, the table, and the server on which they were seen, in the statement
//! that writes; so a set that is carried out late, or elsewhere, changes nothing. A row's version never comes again, even if
//! the row is deleted. A look changes nothing: only a set makes the table. A database has one such table, unless the URL says
//! which is meant. Nothing outlives the query that it is part of, so that a pooler of transactions may stand in between.
//!
//! Not promised: that a failover keeps the record. The server that takes over has another name.

pub(super) mod answer;
mod link;
pub(super) mod refusal;
pub(super) mod seen;
mod shown;
mod socket;
mod sql;
mod tls;
mod weaknesses;

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, SimpleQueryMessage};

use self::answer::{Cells, Inspection, StandingRow, has_changed, nonsense};
use self::link::{LinkError, PostgresLink};
use self::refusal::PostgresRequest;
use self::seen::{LONGEST, SeenRow};
use self::socket::ByteBudget;
use self::tls::TlsWish;
use self::weaknesses::ServerSettings;
use super::register::{EngineError, EngineWeakness, Register, RegisterLook, SetResult, Version};
use super::stream::{CallLimit, EngineRoute};
use super::url::{EngineUrl, PostgresAddress};
use crate::base::error::Error;

/// No older one says which server it is.
const OLDEST: u32 = 12;

/// So often a call begins again, where another client came in between.
const ROUNDS: u32 = 8;

/// A lease's record in a database.
pub struct PostgresRegister {
    address: PostgresAddress,
    name: String,
    config: Config,
    /// `None`: it would prove nothing.
    tls: Option<TlsWish>,
    route: EngineRoute,
    budget: ByteBudget,
    link: Option<PostgresLink>,
    /// The table that was looked at and is fit for a lease.
    table: Option<u32>,
    runtime: Option<Runtime>,
}

/// What a set wants.
#[derive(Clone, Copy)]
struct WantedChange<'a> {
    seen: SeenRow<'a>,
    record: &'a [u8],
}

/// What a query did not get.
enum Failed {
    /// There is no table.
    NoTable,
    /// Another client came in between: nothing was done.
    Conflict(EngineError),
    /// The connection ended.
    Gone(EngineError),
    For(EngineError),
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::For(error)
    }
}

impl PostgresRegister {
    /// # Errors
    /// The URL's certificates cannot be used.
    pub fn open(address: &PostgresAddress, url: &EngineUrl, name: &str) -> Result<Self, Error> {
        let mut config = Config::new();
        let database = address.database.as_ref().unwrap_or(&address.user);
        config.user(&address.user).dbname(database).application_name("solobot").ssl_mode(SslMode::Disable);
        if let Some(password) = &address.password {
            config.password(password);
        }
        if let Some(options) = &address.options {
            config.options(options);
        }
        Ok(Self {
            tls: TlsWish::of(address, url)?,
            route: EngineRoute::new(&address.place.host, address.place.port, None),
            address: address.clone(),
            name: name.to_owned(),
            config,
            budget: ByteBudget::default(),
            link: None,
            table: None,
            runtime: None,
        })
    }

    /// Begins a call.
    fn call<T>(
        &mut self,
        within: Duration,
        work: impl AsyncFnOnce(&mut Self, CallLimit) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let limit = CallLimit::new(within);
        self.budget.begin();
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => {
                Builder::new_current_thread().enable_all().build().map_err(|error| self.unreached(&error, limit))?
            }
        };
        let result = runtime.block_on(work(self, limit));
        self.runtime = Some(runtime);
        result
    }

    /// Looks, or writes and looks.
    async fn run(&mut self, limit: CallLimit, change: Option<WantedChange<'_>>) -> Result<SetResult, EngineError> {
        let mut rounds = 0;
        loop {
            rounds += 1;
            let (mut link, was_kept) = self.link(limit).await?;
            let failed = match self.round(&mut link, limit, change).await {
                Ok(result) => {
                    self.link = Some(link);
                    return Ok(result);
                }
                Err(failed) => failed,
            };
            match failed {
                Failed::NoTable | Failed::Conflict(_) if rounds < ROUNDS => {
                    self.table = None;
                    self.link = Some(link);
                }
                // Nothing was done that matters, so it is asked again. A set may have been carried out.
                Failed::Gone(_) if was_kept && change.is_none() => {}
                Failed::NoTable => return Err(nonsense(&self.address)),
                Failed::Conflict(error) | Failed::Gone(error) | Failed::For(error) => return Err(error),
            }
        }
    }

    async fn round(
        &mut self,
        link: &mut PostgresLink,
        limit: CallLimit,
        change: Option<WantedChange<'_>>,
    ) -> Result<SetResult, Failed> {
        if self.table.is_none() {
            let inspection = self.inspect(link, limit).await?;
            self.table = inspection.table;
            let makes_table = change.is_some_and(|change| change.seen.table.is_none());
            if inspection.table.is_none() && !makes_table {
                return Ok(SetResult::Refused(inspection.absent()));
            }
        }
        // Whoever saw no table did not see this one.
        let change = change.filter(|change| change.seen.table.is_some() || self.table.is_none());
        let (query, request) = match &change {
            None => (sql::look(&self.name, self.left(limit)?), PostgresRequest::Look),
            Some(WantedChange { seen, record }) => (
                sql::set(&self.name, seen, record, self.left(limit)?),
                PostgresRequest::Set { makes_table: seen.table.is_none() },
            ),
        };
        let messages = self.ask(link, limit, &query, request).await?;
        let standing = StandingRow::of(&messages, &self.address)?;
        if change.is_some() && has_changed(&messages) {
            // Another host may have made a table elsewhere meanwhile. Whoever looks last sees both, and the next call looks again.
            if request == (PostgresRequest::Set { makes_table: true })
                && self.inspect(link, limit).await?.table != Some(standing.table)
            {
                return Err(Failed::NoTable);
            }
            return Ok(SetResult::Written(standing.look));
        }
        if self.table != Some(standing.table) {
            return Err(Failed::NoTable);
        }
        Ok(SetResult::Refused(standing.look))
    }

    async fn inspect(&self, link: &mut PostgresLink, limit: CallLimit) -> Result<Inspection, Failed> {
        let messages = self.ask(link, limit, &sql::inspect(self.left(limit)?), PostgresRequest::Look).await?;
        let inspection = Inspection::of(&messages, &self.address)?;
        match inspection.elsewhere {
            Some(error) => Err(Failed::Conflict(error)),
            None => Ok(inspection),
        }
    }

    async fn ask(
        &self,
        link: &mut PostgresLink,
        limit: CallLimit,
        query: &str,
        request: PostgresRequest,
    ) -> Result<Vec<SimpleQueryMessage>, Failed> {
        let error = match within(limit, link.ask(query)).await {
            Ok(answer) => match answer.warning.filter(|_| matches!(request, PostgresRequest::Set { .. })) {
                Some(warning) => return Err(Failed::For(refusal::unconfirmed(&warning, &self.address))),
                None => return Ok(answer.messages),
            },
            Err(error) => error,
        };
        let code = match &error {
            LinkError::Postgres(error) => error.code().map(|code| code.code().to_owned()).unwrap_or_default(),
            _ => String::new(),
        };
        let (is_end, leaves_link) = (error.is_end(), error.leaves_link());
        let meaning = self.meaning(&error, request, limit);
        Err(match code.as_str() {
            _ if is_end => Failed::Gone(meaning),
            _ if !leaves_link => Failed::For(meaning),
            "42P01" => Failed::NoTable,
            "40001" | "40P01" => Failed::Conflict(meaning),
            // Two clients make the table at once.
            "23505" | "42P07" | "42710" | "XX000" if request == (PostgresRequest::Set { makes_table: true }) => {
                Failed::Conflict(meaning)
            }
            _ => Failed::For(meaning),
        })
    }

    /// What the server says of itself.
    async fn settings(&self, link: &mut PostgresLink, limit: CallLimit) -> Result<Vec<SimpleQueryMessage>, Failed> {
        self.inspect(link, limit).await?;
        self.ask(link, limit, &sql::weaknesses(self.left(limit)?), PostgresRequest::Look).await
    }

    /// The connection that was kept, or another one; and whether it was kept.
    async fn link(&mut self, limit: CallLimit) -> Result<(PostgresLink, bool), EngineError> {
        if let Some(link) = self.link.take()
            && link.is_silent()
        {
            return Ok((link, true));
        }
        let tls = self.tls.clone().ok_or_else(|| refusal::without_authority(&self.address))?;
        let link = match self.connect(limit, &tls).await {
            Err(error) if matches!(tls, TlsWish::Preferred(_)) && error.may_pass_without_tls() => {
                self.connect(limit, &TlsWish::No).await
            }
            result => result,
        };
        let link = link.map_err(|error| self.meaning(&error, PostgresRequest::Connection, limit))?;
        let version = link.server_version().ok_or_else(|| nonsense(&self.address))?;
        let number: String = version.chars().take_while(char::is_ascii_digit).collect();
        if number.parse::<u32>().is_ok_and(|number| number < OLDEST) {
            return Err(refusal::too_old(version, &self.address));
        }
        Ok((link, false))
    }

    async fn connect(&mut self, limit: CallLimit, tls: &TlsWish) -> Result<PostgresLink, LinkError> {
        let tcp = self.route.connect_tcp(limit).map_err(LinkError::Io)?;
        let open = PostgresLink::open(tcp, self.budget.clone(), tls, &self.address.place.host, &self.config);
        within(limit, open).await
    }

    fn left(&self, limit: CallLimit) -> Result<Duration, EngineError> {
        limit.left().map_err(|error| self.unreached(&error, limit))
    }

    fn meaning(&self, error: &LinkError, request: PostgresRequest, limit: CallLimit) -> EngineError {
        let error = match error {
            LinkError::Io(error) | LinkError::Tls(error) => return self.unreached(error, limit),
            LinkError::WithoutTls => return refusal::without_tls(&self.address),
            LinkError::Postgres(error) => error,
        };
        if let Some(error) = error.as_db_error() {
            return refusal::meaning(error, request, &self.address);
        }
        let Some(source) = error.source() else { return nonsense(&self.address) };
        if let Some(meaning) = refusal::of_login(&source.to_string(), &self.address) {
            return meaning;
        }
        match source.downcast_ref::<io::Error>() {
            Some(error) => self.unreached(error, limit),
            None => nonsense(&self.address),
        }
    }

    fn unreached(&self, error: &io::Error, limit: CallLimit) -> EngineError {
        refusal::unreached(error, &self.address, limit.within())
    }
}

impl Register for PostgresRegister {
    fn read(&mut self, limit: Duration) -> Result<RegisterLook, EngineError> {
        self.route.ask_for_addresses();
        match self.call(limit, async |register, limit| register.run(limit, None).await)? {
            SetResult::Written(look) | SetResult::Refused(look) => Ok(look),
        }
    }

    fn set_if(&mut self, version: &Version, record: &[u8], limit: Duration) -> Result<SetResult, EngineError> {
        if record.len() > LONGEST {
            return Err(EngineError::too_long(record));
        }
        if record.contains(&0) || std::str::from_utf8(record).is_err() {
            return Err(EngineError::configuration("the lease's record is not text"));
        }
        let seen = SeenRow::of(version).ok_or_else(EngineError::foreign_version)?;
        let change = WantedChange { seen, record };
        self.route.keep_addresses();
        self.call(limit, async |register, limit| register.run(limit, Some(change)).await)
    }

    fn weaknesses(&mut self, limit: Duration) -> Result<Vec<EngineWeakness>, EngineError> {
        self.call(limit, async |register, limit| {
            let (mut link, _) = register.link(limit).await?;
            let messages = register.settings(&mut link, limit).await.map_err(|failed| match failed {
                Failed::NoTable => nonsense(&register.address),
                Failed::Conflict(error) | Failed::Gone(error) | Failed::For(error) => error,
            })?;
            register.link = Some(link);
            let row = Cells::last(&messages, 5, &register.address)?;
            let settings = ServerSettings {
                fsync: row.text(0)?,
                data_directory: row.text(1)?,
                synchronous_standby_names: row.text(2)?,
                standbys: row.number(3)?.unwrap_or_default(),
                persistence: row.text(4)?,
            };
            Ok(weaknesses::of(settings, &register.address))
        })
    }
}

async fn within<T>(limit: CallLimit, work: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    let late = || LinkError::Io(io::ErrorKind::TimedOut.into());
    let left = limit.left().map_err(LinkError::Io)?;
    timeout(left, work).await.unwrap_or_else(|_| Err(late()))
}
