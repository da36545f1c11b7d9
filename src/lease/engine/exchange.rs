//! One HTTP request on a connection to an engine.
//!
//! Invariant: it reads and writes its connection and nothing else, so that the connection's [limit](super::stream::CallLimit)
//! is the request's: one deadline, and 64 KiB with the headers. There is no proxy, no redirect and no resolver.
//!
//! The protocol is `ureq-proto`, on which the HTTP library of [`http`](crate::http) is built, and which does no I/O of its own.
//! The library itself would need a connector, a pool and a resolver of ours only to be kept from using its own.

use std::io::{self, Read, Write};

use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{Request, header};

/// As much is read at once.
const BLOCK: usize = 16 * 1024;
/// More than any head that is sent here, a token included.
const LONGEST_HEAD: usize = 64 * 1024;

/// A POST of JSON.
#[derive(Clone, Copy)]
pub struct JsonPost<'a> {
    /// With its port.
    pub host: &'a str,
    /// Beginning with a slash.
    pub path: &'a str,
    pub authorization: Option<&'a str>,
    pub body: &'a [u8],
}

/// An answer, of whatever status.
pub struct PostAnswer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The connection may be used again.
    pub may_be_kept: bool,
}

/// No whole answer came.
pub struct PostCut {
    /// [`InvalidData`](io::ErrorKind::InvalidData): it does not speak HTTP. [`Unsupported`](io::ErrorKind::Unsupported): it
    /// speaks HTTP/2 alone. Otherwise the connection's own.
    pub error: io::Error,
    /// What had come of the answer's body.
    pub body: Vec<u8>,
}

impl JsonPost<'_> {
    /// # Errors
    /// No whole answer came.
    pub fn send(self, stream: &mut (impl Read + Write)) -> Result<PostAnswer, PostCut> {
        let mut body = Vec::new();
        match self.converse(stream, &mut body) {
            Ok((status, may_be_kept)) => Ok(PostAnswer { status, body, may_be_kept }),
            Err(error) => Err(PostCut { error, body }),
        }
    }

    fn converse(self, stream: &mut (impl Read + Write), body: &mut Vec<u8>) -> io::Result<(u16, bool)> {
        let (request, mut call) = self.begin()?;
        // A server that turns a client away says why and hangs up: its word is read even if nothing could be sent.
        let sent = stream.write_all(&request).and_then(|()| stream.flush());
        let mut input = Vec::new();
        let response = loop {
            let (used, response) = call.try_response(&input, false).map_err(|_| nonsense(&input))?;
            input.drain(..used);
            if let Some(response) = response {
                break response;
            }
            if used == 0
                && let Err(error) = more(stream, &mut input)
            {
                return Err(sent.err().unwrap_or(error));
            }
        };
        let status = response.status().as_u16();
        let must_close = match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => receive(call, stream, &mut input, body)?,
            Some(RecvResponseResult::Cleanup(call)) => call.must_close_connection(),
            Some(RecvResponseResult::Redirect(call)) => call.must_close_connection(),
            None => return Err(nonsense(&input)),
        };
        Ok((status, !must_close && input.is_empty()))
    }

    /// The bytes of the request, and what expects their answer.
    fn begin(self) -> io::Result<(Vec<u8>, Call<RecvResponse>)> {
        let mut request = Request::post(self.path)
            .header(header::HOST, self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, self.body.len())
            .header(header::USER_AGENT, concat!("solobot/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = self.authorization {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(()).map_err(io::Error::other)?;
        let mut call = Call::new(request).map_err(io::Error::other)?.proceed();
        let mut bytes = vec![0; LONGEST_HEAD];
        let length = call.write(&mut bytes).map_err(io::Error::other)?;
        bytes.truncate(length);
        let unfit = || io::Error::other("the request cannot be written");
        let Some(SendRequestResult::SendBody(mut call)) = call.proceed().map_err(io::Error::other)? else {
            return Err(unfit());
        };
        call.consume_direct_write(self.body.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(self.body);
        Ok((bytes, call.proceed().ok_or_else(unfit)?))
    }
}

/// Reads the body to its end; whether the connection then has to be closed.
fn receive(
    mut call: Call<RecvBody>,
    stream: &mut impl Read,
    input: &mut Vec<u8>,
    body: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut block = vec![0; BLOCK];
    let ends_with_connection = call.body_mode() == BodyMode::CloseDelimited;
    loop {
        let (used, made) = call.read(input, &mut block).map_err(|_| nonsense(input))?;
        input.drain(..used);
        body.extend_from_slice(&block[..made]);
        if call.can_proceed() && !ends_with_connection {
            break;
        }
        if used == 0 && made == 0 {
            match more(stream, input) {
                Err(error) if ends_with_connection && error.kind() == io::ErrorKind::ConnectionReset => break,
                more => more?,
            }
        }
    }
    Ok(match call.proceed() {
        Some(RecvBodyResult::Cleanup(call)) => call.must_close_connection(),
        Some(RecvBodyResult::Redirect(call)) => call.must_close_connection(),
        None => true,
    })
}

fn more(stream: &mut impl Read, input: &mut Vec<u8>) -> io::Result<()> {
    let start = input.len();
    input.resize(start + BLOCK, 0);
    let read = stream.read(&mut input[start..]);
    input.truncate(start + *read.as_ref().unwrap_or(&0));
    match read? {
        0 => Err(io::Error::new(io::ErrorKind::ConnectionReset, "it closed the connection")),
        _ => Ok(()),
    }
}

fn nonsense(input: &[u8]) -> io::Error {
    // The frame of SETTINGS with which a server of HTTP/2 begins.
    if matches!(input, [0, 0, _, 4, ..]) {
        io::Error::new(io::ErrorKind::Unsupported, "it speaks HTTP/2 alone")
    } else {
        io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says this in pieces of so many bytes, and keeps what it hears.
    struct Script {
        says: Vec<u8>,
        piece: usize,
        heard: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.piece.min(self.says.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.says[..length]);
            self.says.drain(..length);
            Ok(length)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn post(says: &[u8], piece: usize) -> (Result<PostAnswer, PostCut>, String) {
        let mut script = Script { says: says.to_vec(), piece, heard: Vec::new() };
        let post = JsonPost { host: "[::1]:2379", path: "/v3/kv/range", authorization: Some("token.1"), body: b"{}" };
        let result = post.send(&mut script);
        (result, String::from_utf8(script.heard).unwrap())
    }

    #[test]
    fn a_request_and_its_answers() {
        let cases: [(&str, u16, &str, bool); 8] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: Close\r\n\r\nok", 200, "ok", false),
            (
                "HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nTrailer: x\r\n\r\n",
                403,
                "ok",
                true,
            ),
            ("HTTP/1.0 404 x\r\n\r\nok", 404, "ok", false),
            ("HTTP/1.1 204 x\r\n\r\n", 204, "", true),
            ("HTTP/1.1 307 x\r\nLocation: http://h/\r\nContent-Length: 2\r\n\r\nok", 307, "ok", true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", 200, "ok", false),
        ];
        for (says, status, body, may_be_kept) in cases {
            for piece in [1, usize::MAX] {
                let (answer, heard) = post(says.as_bytes(), piece);
                let answer = answer.unwrap_or_else(|cut| panic!("{says}: {}", cut.error));
                assert_eq!((answer.status, answer.body.as_slice()), (status, body.as_bytes()), "{says}");
                assert!(answer.may_be_kept == may_be_kept || piece == 1, "{says}");
                let (start, sent) = heard.split_once("\r\n\r\n").unwrap();
                assert!(start.starts_with("POST /v3/kv/range HTTP/1.1\r\n"), "{start}");
                for line in ["host: [::1]:2379", "content-length: 2", "authorization: token.1"] {
                    assert!(start.to_lowercase().contains(line), "{start}");
                }
                assert_eq!(sent, "{}");
            }
        }
    }

    #[test]
    fn what_is_no_answer() {
        use io::ErrorKind::{ConnectionReset, InvalidData, Unsupported};
        let cases: [(&[u8], io::ErrorKind); 7] = [
            (b"", ConnectionReset),
            (b"HTTP/1.1 200 OK\r\nContent-Len", ConnectionReset),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", ConnectionReset),
            (b"-ERR wrong number of arguments\r\n", InvalidData),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", InvalidData),
            (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", InvalidData),
            (b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0", Unsupported),
        ];
        for (says, kind) in cases {
            for piece in [1, 64] {
                let (answer, _) = post(says, piece);
                let cut = answer.err().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(says)));
                // The first byte of a frame is no sign yet.
                let kinds = if kind == Unsupported { [Unsupported, InvalidData] } else { [kind; 2] };
                assert!(kinds.contains(&cut.error.kind()), "{}: {:?}", String::from_utf8_lossy(says), cut.error);
            }
        }
    }
}
