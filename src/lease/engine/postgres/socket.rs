//! A socket that reads no more than a call may cost, plain or below TLS.
//!
//! Invariant: bytes are counted as they come from the network, handshakes included. Time is bounded by whoever waits.

use std::io;
use std::net::TcpStream as StdTcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::lease::engine::stream::too_long;
use crate::lease::record::LARGEST;

/// What the call may still read, over however many connections.
#[derive(Debug, Clone, Default)]
pub struct ByteBudget(Arc<AtomicUsize>);

impl ByteBudget {
    /// Begins a call.
    pub fn begin(&self) {
        self.0.store(LARGEST, Ordering::Relaxed);
    }
}

/// A socket under a limit.
#[derive(Debug)]
pub struct MeteredSocket {
    tcp: TcpStream,
    budget: ByteBudget,
}

impl MeteredSocket {
    /// Only within a runtime.
    ///
    /// # Errors
    /// The socket cannot be used without blocking.
    pub fn new(tcp: StdTcpStream, budget: ByteBudget) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        Ok(Self { tcp: TcpStream::from_std(tcp)?, budget })
    }
}

/// Looks at a socket that somebody else reads.
pub struct Probe(StdTcpStream);

impl Probe {
    /// # Errors
    /// No more descriptors.
    pub fn of(tcp: &StdTcpStream) -> io::Result<Self> {
        Ok(Self(tcp.try_clone()?))
    }

    /// Whether the connection is open, and nothing has come that was not asked for.
    pub fn is_silent(&self) -> bool {
        self.0.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for MeteredSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = this.budget.0.load(Ordering::Relaxed);
        let most = buffer.remaining().min(left);
        if left == 0 {
            return Poll::Ready(Err(too_long()));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut part))?;
        let length = part.filled().len();
        if length == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "it closed the connection")));
        }
        buffer.advance(length);
        this.budget.0.store(left - length, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MeteredSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// What the server's protocol is spoken over.
pub enum PostgresStream {
    Plain(MeteredSocket),
    Tls(Box<TlsStream<MeteredSocket>>),
}

impl AsyncRead for PostgresStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for PostgresStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
