//! One member of a cluster, and the connection to it.

use std::io;

use crate::lease::engine::exchange::{JsonPost, PostAnswer, PostCut};
use crate::lease::engine::stream::{CallLimit, EngineRoute, EngineStream, Trust};
use crate::lease::engine::url::{EtcdAddress, HostAndPort};

/// Who a member says that it is. Two clusters that were set up alike, as stock ones are, have the same IDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberName {
    pub cluster: String,
    pub id: String,
}

/// A member as the URL names it.
pub struct EtcdMember {
    /// This one alone, for messages.
    pub address: EtcdAddress,
    /// As HTTP names it.
    host: String,
    route: EngineRoute,
    link: Option<EngineStream>,
    /// The server of the last answer, if that came over the connection that is kept.
    heard: Option<String>,
    /// Who its last answer was from, over whatever connection.
    pub named: Option<MemberName>,
    /// It was tried.
    pub was_asked: bool,
}

impl EtcdMember {
    pub fn new(place: &HostAndPort, address: &EtcdAddress, trust: Option<Trust>) -> Self {
        Self {
            address: address.of_member(place),
            host: place.to_string(),
            route: EngineRoute::new(&place.host, place.port, trust),
            link: None,
            heard: None,
            named: None,
            was_asked: false,
        }
    }

    /// As [`EngineRoute::keep_addresses`].
    pub fn keep_addresses(&mut self) {
        self.route.keep_addresses();
    }

    /// As [`EngineRoute::ask_for_addresses`].
    pub fn ask_for_addresses(&mut self) {
        self.route.ask_for_addresses();
    }

    /// Has a connection: the one that was kept, or another one.
    ///
    /// # Errors
    /// As [`EngineRoute::connect`].
    pub fn open(&mut self, limit: &mut CallLimit) -> io::Result<()> {
        self.was_asked = true;
        self.link = self.link.take().and_then(|link| link.begin(*limit));
        if self.link.is_none() {
            self.heard = None;
            self.link = Some(self.route.connect_and_count(limit)?);
        }
        Ok(())
    }

    /// Over the open connection, and never over another one.
    ///
    /// # Errors
    /// There is none ([`NotConnected`](io::ErrorKind::NotConnected)); or no whole answer came, and there is none any more.
    pub fn post(&mut self, post: JsonPost<'_>, limit: &mut CallLimit) -> Result<PostAnswer, PostCut> {
        let Some(mut link) = self.link.take() else {
            let error = io::Error::new(io::ErrorKind::NotConnected, "it closed the connection after an answer");
            return Err(PostCut { error, body: Vec::new() });
        };
        let result = JsonPost { host: &self.host, ..post }.send(&mut link);
        limit.count(&link.limit());
        if result.as_ref().is_ok_and(|answer| answer.may_be_kept) {
            self.link = Some(link);
        }
        result
    }

    /// Notes who answered.
    pub fn hear(&mut self, server: &str, name: MemberName) {
        self.heard = Some(server.to_owned());
        self.named = Some(name);
    }

    /// Whether the open connection is known to lead to that server.
    pub fn is_connected_to(&self, server: &str) -> bool {
        self.link.is_some() && self.heard.as_deref() == Some(server)
    }
}
