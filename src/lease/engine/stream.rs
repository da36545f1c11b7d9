//! A connection to an engine that bounds every call, plain or with TLS.
//!
//! Invariant: from [`CallLimit::new`] on, whatever is done with a stream ends at one deadline and reads at most [`LARGEST`]
//! bytes from the network, the handshakes included; so an engine that hangs, trickles or floods costs no more.
//!
//! Where several servers are tried, each has a [share](CallLimit::share) of the time, and all have the bytes together.
//!
//! The resolver is asked by a thread of its own. A look asks it with each new connection, after
//! [`EngineRoute::ask_for_addresses`], so that whoever waits follows a name that moves. A set asks nobody, after
//! [`EngineRoute::keep_addresses`], and connects to the addresses that are known: whoever holds a lease only ever sets.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::base::error::Error;
use crate::http::addresses::{self, Lookup, Unresolved};
use crate::http::client::{self, trusted};
use crate::lease::record::LARGEST;

/// What one call may cost.
#[derive(Debug, Clone, Copy)]
pub struct CallLimit {
    within: Duration,
    end: Instant,
    bytes: usize,
}

impl CallLimit {
    pub fn new(within: Duration) -> Self {
        Self { within, end: Instant::now() + within, bytes: LARGEST }
    }

    /// What it was at first.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// # Errors
    /// None is left.
    pub fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    /// What one of so many servers may cost that are still to be tried: a part of the time, and all bytes.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn share(&self, servers: usize) -> io::Result<Self> {
        if self.bytes == 0 {
            return Err(too_long());
        }
        let part = self.left()? / u32::try_from(servers.max(1)).unwrap_or(u32::MAX);
        // To the millisecond, as it is shown.
        let within = Duration::from_millis(u64::try_from((part.as_micros() + 500) / 1000).unwrap_or(u64::MAX));
        Ok(Self { within, end: Instant::now() + part, bytes: self.bytes })
    }

    /// Counts what was read under a share.
    pub fn count(&mut self, share: &Self) {
        self.bytes = share.bytes;
    }
}

/// Whom to trust with TLS.
#[derive(Debug, Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The certificates in this PEM file, or Mozilla's.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn of_file(path: Option<&Path>) -> Result<Self, Error> {
        let (roots, _) = trusted_roots(path)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Bug(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }
}

/// The certificates in this PEM file, or Mozilla's; and those of the file as they are.
///
/// # Errors
/// The file cannot be used, or none of its certificates.
pub fn trusted_roots(path: Option<&Path>) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Error> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok((roots, Vec::new()));
    };
    let own: Vec<CertificateDer<'static>> = trusted(path)?.into_iter().map(CertificateDer::from).collect();
    let (added, _) = roots.add_parsable_certificates(own.iter().cloned());
    if added == 0 {
        let why = "none of its certificates can be used".into();
        return Err(client::Error::CaFile { path: path.to_owned(), why }.into());
    }
    Ok((roots, own))
}

/// The way to a server.
#[derive(Debug)]
pub struct EngineRoute {
    host: String,
    port: u16,
    trust: Option<Trust>,
    /// The one that answered last comes first.
    addresses: Vec<SocketAddr>,
    lookup: Option<Lookup>,
    /// It is an address itself.
    is_address: bool,
    may_ask: bool,
}

impl EngineRoute {
    /// Nothing is sent, and no name is looked up.
    pub fn new(host: &str, port: u16, trust: Option<Trust>) -> Self {
        let addresses: Vec<_> = host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)).into_iter().collect();
        let is_address = !addresses.is_empty();
        Self { host: host.to_owned(), port, trust, addresses, lookup: None, is_address, may_ask: true }
    }

    /// From now on no resolver is asked, until [`EngineRoute::ask_for_addresses`].
    pub fn keep_addresses(&mut self) {
        self.may_ask = false;
    }

    /// From now on each new connection asks the resolver, and waits for it only where no address is known.
    pub fn ask_for_addresses(&mut self) {
        self.may_ask = true;
    }

    /// # Errors
    /// No connection in time; with TLS, the server did not prove who it is.
    pub fn connect(&mut self, mut limit: CallLimit) -> io::Result<EngineStream> {
        self.connect_and_count(&mut limit)
    }

    /// The same; the limit then is what is left, after an error too.
    ///
    /// # Errors
    /// As [`EngineRoute::connect`].
    pub fn connect_and_count(&mut self, limit: &mut CallLimit) -> io::Result<EngineStream> {
        let tcp = self.connect_tcp(*limit)?;
        let bounded = Bounded { tcp, limit: *limit };
        let Some(trust) = &self.trust else { return Ok(EngineStream::Plain(bounded)) };
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(&trust.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, bounded);
        while stream.conn.is_handshaking() {
            let stepped = stream.conn.complete_io(&mut stream.sock);
            limit.count(&stream.sock.limit);
            stepped?;
        }
        Ok(EngineStream::Tls(Box::new(stream)))
    }

    /// A connection that bounds nothing yet, and has no TLS.
    ///
    /// # Errors
    /// No connection in time.
    pub fn connect_tcp(&mut self, limit: CallLimit) -> io::Result<TcpStream> {
        if self.may_ask && !self.is_address {
            self.look_up(limit)?;
        } else if self.addresses.is_empty() {
            self.take_answer();
        }
        let tcp = self.connect_to_one(limit)?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// A late answer is there for the next call; with addresses from before, nothing waits for it.
    fn look_up(&mut self, limit: CallLimit) -> io::Result<()> {
        let lookup = match self.lookup.take() {
            Some(lookup) => lookup,
            None => addresses::ask(&self.host, self.port)?,
        };
        let wait = if self.addresses.is_empty() { limit.left()? } else { Duration::ZERO };
        match lookup.answer(wait) {
            Ok(found) if !found.is_empty() => self.addresses = found,
            Err(Unresolved::Late) => {
                self.lookup = Some(lookup);
                if self.addresses.is_empty() {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the resolver did not answer in time"));
                }
            }
            _ if !self.addresses.is_empty() => {}
            Ok(_) => return Err(io::Error::other("the name has no address")),
            Err(Unresolved::Refused(error) | Unresolved::NoThread(error)) => return Err(error),
        }
        Ok(())
    }

    /// What the resolver was asked for before, if it has answered since.
    fn take_answer(&mut self) {
        let Some(lookup) = self.lookup.take() else { return };
        match lookup.answer(Duration::ZERO) {
            Ok(found) => self.addresses = found,
            Err(Unresolved::Late) => self.lookup = Some(lookup),
            Err(Unresolved::Refused(_) | Unresolved::NoThread(_)) => {}
        }
    }

    /// Each address has an equal share of the time that is left.
    fn connect_to_one(&mut self, limit: CallLimit) -> io::Result<TcpStream> {
        let mut last = io::Error::other("its address is not known");
        for at in 0..self.addresses.len() {
            let shares = u32::try_from(self.addresses.len() - at).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(&self.addresses[at], limit.left()? / shares) {
                Ok(tcp) => {
                    self.addresses.rotate_left(at);
                    return Ok(tcp);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A connection. It is for one call after the other, each begun with [`EngineStream::begin`].
#[derive(Debug)]
pub enum EngineStream {
    Plain(Bounded),
    Tls(Box<StreamOwned<ClientConnection, Bounded>>),
}

impl EngineStream {
    /// Begins a call on a connection that was kept, if that is still open and silent.
    pub fn begin(mut self, limit: CallLimit) -> Option<Self> {
        let bounded = match &mut self {
            Self::Plain(bounded) => bounded,
            Self::Tls(stream) => &mut stream.sock,
        };
        bounded.limit = limit;
        bounded.is_silent().then_some(self)
    }

    /// What is left of the call.
    pub fn limit(&self) -> CallLimit {
        match self {
            Self::Plain(bounded) => bounded.limit,
            Self::Tls(stream) => stream.sock.limit,
        }
    }
}

impl Read for EngineStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(bounded) => bounded.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for EngineStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(bounded) => bounded.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(bounded) => bounded.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket under a limit.
#[derive(Debug)]
pub struct Bounded {
    tcp: TcpStream,
    limit: CallLimit,
}

impl Bounded {
    fn is_silent(&self) -> bool {
        let looked = self.tcp.set_nonblocking(true).and_then(|()| self.tcp.peek(&mut [0]));
        self.tcp.set_nonblocking(false).is_ok() && looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.limit.bytes);
        if most == 0 && !buffer.is_empty() {
            return Err(too_long());
        }
        let length = in_time(|| {
            self.tcp.set_read_timeout(Some(self.limit.left()?))?;
            self.tcp.read(&mut buffer[..most])
        })?;
        if length == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "it closed the connection"));
        }
        self.limit.bytes -= length;
        Ok(length)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        in_time(|| {
            self.tcp.set_write_timeout(Some(self.limit.left()?))?;
            self.tcp.write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As [`FileTooLarge`](io::ErrorKind::FileTooLarge), which no socket says.
pub fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "its answer is longer than 64 KiB")
}

/// Again after a signal; a socket's own word for a time that is over is `WouldBlock`.
fn in_time(mut step: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match step() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_that_was_asked_for_before_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut route = EngineRoute::new("localhost", port, None);
        route.keep_addresses();
        let limit = CallLimit::new(Duration::from_secs(30));
        assert!(route.connect_tcp(limit).is_err() && route.lookup.is_none(), "nobody is asked");
        route.lookup = Some(addresses::ask("localhost", port).unwrap());
        let end = Instant::now() + Duration::from_secs(20);
        while route.connect_tcp(limit).is_err() {
            assert!(Instant::now() < end, "{route:?}");
        }
        assert!(route.lookup.is_none() && !route.addresses.is_empty());
    }
}
