//! One request to a server: the only file that knows the HTTP library.
//!
//! Invariants: every wait is bounded. No redirect is followed. An answer is read up to 1 MiB. The only proxy is the one of
//! [`proxy::choose`]. solobot chains the library's connectors itself, with a mark between each two, because the library's
//! errors do not say whether a TLS handshake or a request was cut off.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use ureq::config::Config;
use ureq::http::Response;
use ureq::http::{Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector, SocksConnector, TcpConnector,
    Transport,
};
use ureq::{Agent, Body, ProxyProtocol};

use super::addresses::{self, Unresolved};
use super::proxy::{self, Protocol, Proxy, ProxyTarget};
use crate::base::env::Vars;
use crate::base::error::{Expected, plain, quoted};
use crate::base::exit::Exit;
use crate::platform::advice;

/// No answer to what solobot asks is nearly as long.
const MAX_ANSWER: u64 = 1024 * 1024;
/// The library takes no more for one name.
const MAX_ADDRESSES: usize = 16;
/// No file of certificates is longer.
const MAX_CERTIFICATES: u64 = 16 * 1024 * 1024;

/// How the reason begins where a name was not looked up since no thread can be had.
pub const NO_THREAD: &str = "no thread can be started";

/// A step on the way to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The host's name is looked up.
    Dns,
    /// The proxy is reached and asked.
    Proxy,
    /// The connection is made.
    Tcp,
    /// The server proves who it is.
    Tls,
    /// The request is sent and answered.
    Http,
}

impl Step {
    /// In a word, as in doctor's codes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Proxy => "proxy",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
        }
    }
}

/// As part of a sentence: `… failed at this step`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "DNS lookup",
            Self::Proxy => "proxy",
            Self::Tcp => "TCP connection",
            Self::Tls => "TLS handshake",
            Self::Http => "HTTP request",
        })
    }
}

/// Why the way to a server cannot be prepared.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A proxy variable that cannot be understood.
    #[error(transparent)]
    Proxy(#[from] proxy::MalformedProxy),
    /// `--ca-file` cannot be used.
    #[error("cannot use {} for TLS: {why}", quoted(.path))]
    CaFile { path: PathBuf, why: String },
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Proxy(_) | Self::CaFile { .. } => Exit::Config,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Proxy(_) => "proxy-invalid",
            Self::CaFile { .. } => "ca-file",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Proxy(error) => vec![
                format!("write it like this: {}=http://host:3128 or socks5h://host:1080", error.variable),
                format!("or use no proxy: {}", advice::without_variable(error.variable, "solobot …")),
            ],
            Self::CaFile { .. } => {
                vec![format!("name a PEM file with certificates: --ca-file {}", advice::CERTIFICATES)]
            }
        }
    }
}

/// How to reach the server.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// How long one request may take, from the DNS lookup to the last byte of the answer.
    pub timeout: Duration,
    /// Certificates to trust instead of Mozilla's.
    pub ca_file: Option<&'a Path>,
    /// Where the proxy's variables are.
    pub vars: &'a Vars,
}

/// A way to one server. It keeps its connection between requests.
pub struct Http {
    agent: Agent,
    steps: CurrentStep,
    timeout: Duration,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({:?}, {:?})", self.proxy, self.timeout)
    }
}

/// An answer, of whatever status.
#[derive(Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub body: Vec<u8>,
    /// How far the server's clock is ahead of ours, to about a second, if it sends a date.
    pub clock_ahead: Option<SignedDuration>,
    pub location: Option<String>,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u64>,
}

/// No answer. `why` may carry the URL: it is for the scrubber.
#[derive(Debug)]
pub struct Failure {
    /// Where it broke.
    pub step: Step,
    /// How.
    pub why: String,
    /// Whether it may go well the next time.
    pub transient: bool,
}

impl Http {
    /// Prepares the way; nothing is sent, and no name is looked up.
    ///
    /// # Errors
    /// For a proxy variable that cannot be understood, and for certificates that cannot be used.
    pub fn new(target: ProxyTarget<'_>, route: Route<'_>) -> Result<Self, Error> {
        let proxy = proxy::choose(route.vars, target)?;
        let steps = CurrentStep::new(proxy.is_some());
        let through = proxy.as_ref().map(convert).transpose()?;
        let roots = match route.ca_file {
            Some(path) => certificates(path).map_err(|why| Error::CaFile { path: path.to_owned(), why })?.into(),
            None => RootCerts::WebPki,
        };
        let config = Agent::config_builder()
            .proxy(through)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_per_call(Some(route.timeout))
            .max_response_header_size(64 * 1024)
            .user_agent(concat!("solobot/", env!("CARGO_PKG_VERSION")))
            .build();
        let mark = |place| StepRecorder { steps: steps.clone(), place };
        let connector =
            ().chain(mark(ChainPlace::Start))
                .chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(mark(ChainPlace::Connected))
                .chain(RustlsConnector::default())
                .chain(mark(ChainPlace::Secured));
        let resolver = MarkingResolver { steps: steps.clone() };
        Ok(Self { agent: Agent::with_parts(config, connector, resolver), steps, timeout: route.timeout, proxy })
    }

    /// Sends a body as JSON.
    ///
    /// # Errors
    /// [`Failure`], if no whole answer came.
    pub fn post(&self, url: &str, body: &impl Serialize) -> Result<HttpResponse, Failure> {
        self.read(|agent| agent.post(url).send_json(body))
    }

    /// Asks for what is there.
    ///
    /// # Errors
    /// As [`Http::post`].
    pub fn get(&self, url: &str) -> Result<HttpResponse, Failure> {
        self.read(|agent| agent.get(url).call())
    }

    fn read(&self, send: impl FnOnce(&Agent) -> Result<Response<Body>, ureq::Error>) -> Result<HttpResponse, Failure> {
        self.steps.set(Step::Http);
        let failed = |error| self.failure(error);
        let mut response = send(&self.agent).map_err(failed)?;
        let now = Timestamp::now();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let date =
            text(header::DATE).and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        let answer = HttpResponse {
            status: response.status().as_u16(),
            clock_ahead: date.map(|date| date.duration_since(now)),
            location: text(header::LOCATION).map(str::to_owned),
            retry_after: text(header::RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()),
            body: Vec::new(),
        };
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(failed)?;
        Ok(HttpResponse { body, ..answer })
    }

    fn failure(&self, error: ureq::Error) -> Failure {
        let step = self.steps.get();
        let (why, transient) = match error {
            ureq::Error::Timeout(_) => {
                (format!("no answer within {}", crate::base::duration::show(self.timeout)), true)
            }
            ureq::Error::HostNotFound => ("the name has no address".to_owned(), true),
            ureq::Error::Io(error) => {
                let is_certificate = step == Step::Tls && error.kind() == io::ErrorKind::InvalidData;
                (plain(&error), !is_certificate)
            }
            ureq::Error::ConnectProxyFailed(why) => (why, false),
            ureq::Error::BodyExceedsLimit(_) => ("the answer is longer than 1 MiB".to_owned(), false),
            other => (other.to_string(), false),
        };
        Failure { step, why, transient }
    }
}

fn convert(proxy: &Proxy) -> Result<ureq::Proxy, proxy::MalformedProxy> {
    let protocol = match proxy.protocol {
        Protocol::Http => ProxyProtocol::Http,
        Protocol::Https => ProxyProtocol::Https,
        Protocol::Socks4 => ProxyProtocol::Socks4,
        Protocol::Socks4a => ProxyProtocol::Socks4A,
        Protocol::Socks5 => ProxyProtocol::Socks5,
        Protocol::Socks5h => ProxyProtocol::Socks5h,
    };
    let mut builder = ureq::Proxy::builder(protocol).host(&proxy.host).port(proxy.port);
    if let Some((user, password)) = &proxy.login {
        builder = builder.username(user).password(password);
    }
    builder.build().map_err(|_| proxy::MalformedProxy { variable: proxy.variable, why: "it cannot be used" })
}

/// The certificates in a PEM file, each in DER: what is trusted instead of Mozilla's.
///
/// # Errors
/// [`Error::CaFile`].
pub fn trusted(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let certificates = certificates(path).map_err(|why| Error::CaFile { path: path.to_owned(), why })?;
    Ok(certificates.iter().map(|certificate| certificate.der().to_owned()).collect())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let file = File::open(path).map_err(|error| plain(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_CERTIFICATES).read_to_end(&mut bytes).map_err(|error| plain(&error))?;
    let mut found = Vec::new();
    for item in parse_pem(&bytes) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => return Err("it is not a PEM file".into()),
        }
    }
    if found.is_empty() { Err("it contains no PEM certificate".into()) } else { Ok(found) }
}

/// The step that a request is at. Shared with the marks in the chain of connectors.
#[derive(Clone)]
struct CurrentStep {
    now: Arc<AtomicU8>,
    through_proxy: bool,
}

const STEPS: [Step; 5] = [Step::Dns, Step::Proxy, Step::Tcp, Step::Tls, Step::Http];

impl CurrentStep {
    fn new(through_proxy: bool) -> Self {
        Self { now: Arc::new(AtomicU8::new(0)), through_proxy }
    }

    fn set(&self, step: Step) {
        let index = STEPS.iter().position(|one| *one == step).unwrap_or(0);
        self.now.store(u8::try_from(index).unwrap_or(0), Ordering::Relaxed);
    }

    fn get(&self) -> Step {
        STEPS[usize::from(self.now.load(Ordering::Relaxed)) % STEPS.len()]
    }

    /// Whether this connection is the one to the proxy itself: the library makes it with the proxy taken out.
    fn is_to_proxy(&self, config: &Config) -> bool {
        self.through_proxy && config.proxy().is_none()
    }
}

impl fmt::Debug for CurrentStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get().as_str())
    }
}

/// A place in the chain of connectors.
#[derive(Debug, Clone, Copy)]
enum ChainPlace {
    Start,
    Connected,
    Secured,
}

/// Changes no connection; notes how far it has come.
#[derive(Debug)]
struct StepRecorder {
    steps: CurrentStep,
    place: ChainPlace,
}

impl<In: Transport> Connector<In> for StepRecorder {
    type Out = In;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<In>, ureq::Error> {
        let step = match self.place {
            _ if self.steps.is_to_proxy(details.config) => Step::Proxy,
            ChainPlace::Start if self.steps.through_proxy => Step::Proxy,
            ChainPlace::Start => Step::Tcp,
            ChainPlace::Connected if details.needs_tls() => Step::Tls,
            ChainPlace::Connected | ChainPlace::Secured => Step::Http,
        };
        self.steps.set(step);
        Ok(chained)
    }
}

/// Looks names up, and notes that it does. Not by the library's own resolver, which panics where no thread can be had.
#[derive(Debug)]
struct MarkingResolver {
    steps: CurrentStep,
}

impl Resolver for MarkingResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let before = self.steps.get();
        // Once a connector runs with a proxy, the name to look up is the proxy's.
        let is_proxy = before == Step::Proxy || self.steps.is_to_proxy(config);
        self.steps.set(if is_proxy { Step::Proxy } else { Step::Dns });
        // An address needs no resolver, and not the thread that bounds its wait.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => addresses::resolve(host, port, *timeout.after).map_err(|why| unresolved(why, timeout.reason))?,
        };
        let mut addresses = self.empty();
        found.into_iter().take(MAX_ADDRESSES).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

fn unresolved(why: Unresolved, reason: ureq::Timeout) -> ureq::Error {
    match why {
        Unresolved::Late => ureq::Error::Timeout(reason),
        Unresolved::Refused(error) => ureq::Error::Io(error),
        Unresolved::NoThread(error) => ureq::Error::Io(io::Error::other(format!("{NO_THREAD}: {}", plain(&error)))),
    }
}
