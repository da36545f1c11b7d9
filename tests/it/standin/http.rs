//! As much of HTTP/1.1 as Bot API clients speak: keep-alive, bodies with a length or in chunks, forms and JSON.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::Asked;

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// A client's connection.
pub struct Connection {
    reader: BufReader<Box<dyn Stream>>,
    socket: OwnedFd,
}

/// A request, read to its end.
pub struct Request {
    pub verb: String,
    pub path: String,
    /// What stands between `/bot` and the next slash.
    pub token: String,
    method: String,
    parameters: Vec<(String, String)>,
}

/// An answer.
pub struct Reply {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    clock_ahead: i64,
}

impl Request {
    /// As it is remembered.
    pub fn asked(&self) -> Asked {
        Asked { method: self.method.clone(), verb: self.verb.clone(), parameters: self.parameters.clone() }
    }
}

impl Reply {
    pub fn new(status: u16, kind: &'static str, body: Vec<u8>) -> Self {
        Self { status, kind, body, headers: Vec::new(), clock_ahead: 0 }
    }

    pub fn result(result: &Value) -> Self {
        Self::json(200, &json!({ "ok": true, "result": result }))
    }

    pub fn done(result: &Value, description: &str) -> Self {
        Self::json(200, &json!({ "ok": true, "result": result, "description": description }))
    }

    pub fn refusal(code: u16, description: &str, retry_after: Option<u64>) -> Self {
        let mut body = json!({ "ok": false, "error_code": code, "description": description });
        let Some(seconds) = retry_after else { return Self::json(code, &body) };
        body["parameters"] = json!({ "retry_after": seconds });
        Self::json(code, &body).with("Retry-After", &seconds.to_string())
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string().into_bytes())
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn with_clock(self, ahead: i64) -> Self {
        Self { clock_ahead: ahead, ..self }
    }

    fn head(&self) -> String {
        use std::fmt::Write as _;
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(self.clock_ahead);
        let date = date.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut head = format!(
            "HTTP/1.1 {} Whatever\r\nServer: standin\r\nDate: {date}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            self.status,
            self.kind,
            self.body.len()
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head + "\r\n"
    }
}

impl Connection {
    pub fn new(socket: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let own = socket.try_clone()?;
        let stream: Box<dyn Stream> = match tls {
            Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).map_err(io::Error::other)?, own)),
            None => Box::new(own),
        };
        Ok(Self { reader: BufReader::new(stream), socket: socket.into() })
    }

    /// One over a Unix socket, which no list of TCP connections has.
    pub fn of_unix(socket: UnixStream) -> io::Result<Self> {
        let stream: Box<dyn Stream> = Box::new(socket.try_clone()?);
        Ok(Self { reader: BufReader::new(stream), socket: socket.into() })
    }

    /// The next request; `None` when the client has closed.
    pub fn read(&mut self) -> io::Result<Option<Request>> {
        let Some(first) = self.line()? else { return Ok(None) };
        let mut words = first.split(' ');
        let verb = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let (mut length, mut chunked, mut kind) = (0, false, String::new());
        while let Some(line) = self.line()?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                "transfer-encoding" => chunked = value.contains("chunked"),
                "content-type" => value.trim().clone_into(&mut kind),
                _ => {}
            }
        }
        let body = if chunked { self.chunks()? } else { self.bytes(length)? };
        let (place, query) = path.split_once('?').unwrap_or((&path, ""));
        let mut parts = place.trim_start_matches('/').splitn(2, '/');
        let token = parts.next().and_then(|part| part.strip_prefix("bot")).unwrap_or_default().to_owned();
        let method = parts.next().unwrap_or_default().to_owned();
        let mut parameters = form(query);
        parameters.extend(if kind.contains("json") { fields(&body) } else { form(&String::from_utf8_lossy(&body)) });
        Ok(Some(Request { verb, path, token, method, parameters }))
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line)?;
        Ok((read > 0).then(|| line.trim_end().to_owned()))
    }

    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?.unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            body.extend(self.bytes(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    pub fn write(&mut self, reply: &Reply) -> io::Result<()> {
        let stream = self.reader.get_mut();
        stream.write_all(reply.head().as_bytes())?;
        stream.write_all(&reply.body)?;
        stream.flush()
    }

    /// Whether the client has closed or reset the connection while it waited.
    pub fn is_gone(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        match recv(self.socket.as_fd(), &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((length, _)) => length == 0,
            Err(error) => error != rustix::io::Errno::WOULDBLOCK,
        }
    }

    pub fn trickle(&mut self) -> io::Result<()> {
        let stream = self.reader.get_mut();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
        loop {
            stream.write_all(b" ")?;
            stream.flush()?;
            thread::sleep(Duration::from_millis(50)); // a byte now and then is the fault
        }
    }

    pub fn wait_for_end(&mut self) -> io::Result<()> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).map(drop)
    }

    pub fn reset(&mut self) -> io::Result<()> {
        // A linger time of zero makes close(2) send RST.
        Ok(rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO))?)
    }
}

fn form(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decode(key), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn fields(body: &[u8]) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Vec::new() };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().map(|(key, value)| (key, text(value))).collect()
}
