//! One connection: TLS, the login, and one query after the other.
//!
//! Time is bounded by whoever waits for these futures, and bytes by the socket.

use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::error::Severity;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, SimpleQueryMessage};
use tokio_rustls::TlsConnector;

use super::socket::{ByteBudget, MeteredSocket, PostgresStream, Probe};
use super::tls::TlsWish;

/// Whether the server has TLS: a message without a kind, as the protocol has it.
const TLS_QUESTION: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// What a server warns of without a code of its own, such as a wait for a standby that somebody cut short.
const WARNING: &str = "01000";

/// A connection on which it is known who we are.
pub struct PostgresLink {
    client: Client,
    connection: Connection<PostgresStream, NoTlsStream>,
    probe: Probe,
}

/// What a query was answered.
pub struct LinkAnswer {
    pub messages: Vec<SimpleQueryMessage>,
    /// What the server warned of, last.
    pub warning: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum LinkError {
    Io(io::Error),
    /// In the handshake.
    Tls(io::Error),
    /// The server has none.
    WithoutTls,
    Postgres(tokio_postgres::Error),
}

impl LinkError {
    /// Whether a client that only prefers TLS tries without, as libpq does.
    pub fn may_pass_without_tls(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Postgres(error) => error.code().is_some_and(|code| code.code() == "28000"),
            Self::Io(_) | Self::WithoutTls => false,
        }
    }

    /// The connection can be used again.
    pub fn leaves_link(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
    }

    /// The connection ended: nothing is known of what was asked.
    pub fn is_end(&self) -> bool {
        let closed =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        match self {
            Self::Io(error) => closed(error),
            Self::Tls(_) | Self::WithoutTls => false,
            Self::Postgres(error) => {
                let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
                let is_shut_down = error.code().is_some_and(|code| code.code().starts_with("57P"));
                error.is_closed() || is_shut_down || source.is_some_and(closed)
            }
        }
    }
}

impl PostgresLink {
    /// Logs in. `host`: whom the certificate has to name.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn open(
        tcp: TcpStream,
        budget: ByteBudget,
        tls: &TlsWish,
        host: &str,
        config: &Config,
    ) -> Result<Self, LinkError> {
        let probe = Probe::of(&tcp).map_err(LinkError::Io)?;
        let socket = MeteredSocket::new(tcp, budget).map_err(LinkError::Io)?;
        let stream = match tls {
            TlsWish::No => PostgresStream::Plain(socket),
            TlsWish::Preferred(config) => with_tls(socket, config, false, host).await?,
            TlsWish::Required(config) => with_tls(socket, config, true, host).await?,
        };
        // Not with TLS of its own: what it would do was done.
        let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(LinkError::Postgres)?;
        let mut link = Self { client, connection, probe };
        link.drain().await?;
        Ok(link)
    }

    /// Whether it can be used again.
    pub fn is_silent(&self) -> bool {
        self.probe.is_silent()
    }

    /// As the server says it.
    pub fn server_version(&self) -> Option<&str> {
        self.connection.parameter("server_version")
    }

    /// # Errors
    /// [`LinkError`].
    pub async fn ask(&mut self, query: &str) -> Result<LinkAnswer, LinkError> {
        let Self { client, connection, .. } = self;
        let mut warning = None;
        let messages = while_driven(connection, client.simple_query(query), &mut warning).await?;
        Ok(LinkAnswer { messages, warning })
    }

    /// What it warned of during the login is about no query.
    async fn drain(&mut self) -> Result<(), LinkError> {
        poll_fn(|cx| {
            loop {
                match self.connection.poll_message(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(LinkError::Postgres(error))),
                    Poll::Ready(None) => return Poll::Ready(Err(LinkError::Io(io::ErrorKind::ConnectionReset.into()))),
                    Poll::Pending => return Poll::Ready(Ok(())),
                }
            }
        })
        .await
    }
}

/// Waits for a call while the connection that carries it is read and written.
async fn while_driven<T>(
    connection: &mut Connection<PostgresStream, NoTlsStream>,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    warning: &mut Option<String>,
) -> Result<T, LinkError> {
    let mut call = pin!(call);
    poll_fn(|cx| {
        // The call sends when it is first asked.
        if let Poll::Ready(result) = call.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(LinkError::Postgres));
        }
        let end = loop {
            match connection.poll_message(cx) {
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) if notice.code().code() == WARNING => {
                    *warning = Some(notice.message().to_owned());
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => break Some(LinkError::Postgres(error)),
                Poll::Ready(None) => break Some(LinkError::Io(io::ErrorKind::ConnectionReset.into())),
                Poll::Pending => break None,
            }
        };
        // A server that hangs up says why before.
        match (call.as_mut().poll(cx), end) {
            (Poll::Ready(Err(error)), Some(end)) if error.as_db_error().is_none() => Poll::Ready(Err(end)),
            (Poll::Ready(result), _) => Poll::Ready(result.map_err(LinkError::Postgres)),
            (Poll::Pending, Some(end)) => Poll::Ready(Err(end)),
            (Poll::Pending, None) => Poll::Pending,
        }
    })
    .await
}

async fn with_tls(
    mut socket: MeteredSocket,
    config: &Arc<ClientConfig>,
    is_required: bool,
    host: &str,
) -> Result<PostgresStream, LinkError> {
    socket.write_all(&TLS_QUESTION).await.map_err(LinkError::Io)?;
    match socket.read_u8().await.map_err(LinkError::Io)? {
        b'S' => {
            let invalid = |error| LinkError::Io(io::Error::other(error));
            let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
            let stream = TlsConnector::from(Arc::clone(config)).connect(name, socket).await.map_err(LinkError::Tls)?;
            Ok(PostgresStream::Tls(Box::new(stream)))
        }
        b'N' if is_required => Err(LinkError::WithoutTls),
        b'N' => Ok(PostgresStream::Plain(socket)),
        // It cannot serve anybody now; its words are not to be believed before TLS.
        b'E' => Err(LinkError::Io(io::Error::other("it turns the connection away"))),
        _ => Err(LinkError::Io(io::ErrorKind::InvalidData.into())),
    }
}
