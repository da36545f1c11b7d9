//! What engines answer. No answer may bring out a password, or more than the engine was asked for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use ::redis::{Parser, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::etcd::answer::{self as etcd_answer, EtcdChange, EtcdSeen};
use super::etcd::refusal::{self as etcd_refusal, EtcdRefusal};
use super::etcd::weaknesses as etcd_weaknesses;
use super::exchange::{JsonPost, PostAnswer};
use super::home::protocol::{HoldAnswer, HoldQuestion, Message, read_greeting};
use super::postgres::answer::{Inspection, StandingRow, has_changed};
use super::postgres::refusal::{self as postgres_refusal, PostgresRequest};
use super::postgres::seen::SeenRow;
use super::redis::answer::{ScriptAnswer, parts};
use super::redis::{refusal as redis_refusal, weaknesses as redis_weaknesses};
use super::register::{EngineError, EngineErrorKind};
use super::ssh::refusal::{SshTarget, shown};
use super::url::{EngineAddress, EngineUrl};
use crate::fuzz::{hides_secret, is_plain, secret, with_token};

/// The lease's key, as etcd's gateway has it.
const KEY: &str = "a2V5";

/// Fails where the engine's password, which is [`secret`], has come out.
#[track_caller]
fn check(error: &EngineError) {
    hides_secret(&format!("{error} {:?}", error.hints));
}

/// A URL whose password is [`secret`].
fn address(scheme: &str) -> EngineAddress {
    let url = format!("{scheme}://a_user:{}@host.example", secret());
    EngineUrl::parse(&url).expect("a URL").address().clone()
}

/// Those that have a password in their URL.
const SCHEMES: [&str; 7] = ["postgres", "postgresql", "redis", "rediss", "valkey", "etcd", "etcds"];

/// URLs of engines: of any form, and with a password among the text.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(url) = EngineUrl::parse(&text) {
        let shown = url.shown();
        assert!(url.lease_name().is_none_or(|name| !name.is_empty()) && !shown.is_empty());
    }
    let (Some((first, _)), Some((user, rest))) = (bytes.split_first(), text.split_once('\n')) else { return };
    if text.contains(&secret()[..30]) {
        return;
    }
    let scheme = SCHEMES[usize::from(*first) % SCHEMES.len()];
    let url = format!("{scheme}://{user}:{}{rest}", secret());
    match EngineUrl::parse(&url) {
        // Without an @ the secret stands where a host or a port is.
        Ok(read) if rest.contains('@') => hides_secret(&format!("{read:?} {read} {}", read.shown())),
        Ok(_) => {}
        Err(error) => hides_secret(&format!("{error:?} {error}")),
    }
}

/// Whether the secret is in what is fed anyway, as libFuzzer may find out.
fn knows_secret(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, &secret().as_bytes()[..30]).is_some()
}

/// What etcd's gateway answers.
pub fn etcd(bytes: &[u8]) {
    if knows_secret(bytes) {
        return;
    }
    let EngineAddress::Etcd(address) = address("etcd") else { panic!("not etcd's") };
    for answer in [etcd_answer::of_range(bytes, KEY), etcd_answer::of_transaction(bytes, KEY)] {
        match answer {
            Ok(answer) => {
                let look = answer.look;
                let seen = EtcdSeen::of(&look.version).expect("a version that this engine made");
                assert_eq!(seen.server, look.server);
                assert!(look.server.starts_with(seen.cluster()) && answer.revision > 0);
                let change = EtcdChange { version: &look.version, seen, record: b"x" };
                let asked = etcd_answer::transaction(KEY, change);
                assert_eq!(asked["compare"].as_array().map(Vec::len), Some(1 + usize::from(look.content.is_some())));
            }
            Err(fault) => check(&etcd_refusal::fault(&fault, &address, "key")),
        }
    }
    let _ = etcd_answer::is_cut_value(bytes, KEY);
    let said = with_token(bytes).map(|message| serde_json::json!({ "code": 16, "message": message }).to_string());
    for (status, body) in [(200, bytes), (404, bytes), (503, bytes), (400, said.unwrap_or_default().as_bytes())] {
        let refusal = EtcdRefusal::of(&PostAnswer { status, body: body.to_vec(), may_be_kept: true });
        let error = refusal.meaning(&address, "key", Some(&secret()));
        check(&error);
        is_plain(&error.to_string().replace(is_of_direction, ""));
        let _ = refusal.wants_another_token();
    }
    let _ = etcd_weaknesses::of(bytes, bytes, bytes, &address);
    let _ = etcd_weaknesses::voters(bytes);
}

/// What reverses text, which is escaped only where it is printed.
fn is_of_direction(c: char) -> bool {
    crate::base::text::is_hidden(c) && !c.is_control()
}

/// A server that says this, a piece at a time.
struct Script<'a> {
    says: &'a [u8],
    piece: usize,
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.piece.min(buffer.len()).min(self.says.len());
        self.says.read(&mut buffer[..length])
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// HTTP answers.
pub fn http(bytes: &[u8]) {
    if knows_secret(bytes) {
        return;
    }
    let post = JsonPost { host: "[::1]:2379", path: "/v3/kv/range", authorization: Some(&secret()), body: b"{}" };
    let send = |piece| match post.send(&mut Script { says: bytes, piece }) {
        Ok(PostAnswer { status, body, may_be_kept }) => {
            assert!(body.len() <= bytes.len(), "nothing is made up");
            Ok((status, body, may_be_kept))
        }
        Err(cut) => {
            hides_secret(&cut.error.to_string());
            assert!(cut.body.len() <= bytes.len());
            Err(cut.error.kind())
        }
    };
    let (whole, in_pieces) = (send(usize::MAX), send(1));
    // What stands behind an answer shows only where it has come already.
    match (&whole, &in_pieces) {
        (Ok((status, body, _)), Ok((status_in_pieces, body_in_pieces, _))) => {
            assert_eq!((status, body), (status_in_pieces, body_in_pieces));
        }
        _ => assert_eq!(whole.is_ok(), in_pieces.is_ok(), "{whole:?} {in_pieces:?}"),
    }
}

/// What Redis answers; and an error that has the password in it.
pub fn redis(bytes: &[u8]) {
    if knows_secret(bytes) {
        return;
    }
    of_redis(bytes);
    if let Some(text) = with_token(bytes) {
        of_redis(format!("-ERR {}\r\n", text.replace(['\r', '\n'], " ")).as_bytes());
    }
}

fn of_redis(bytes: &[u8]) {
    let EngineAddress::Redis(address) = address("redis") else { panic!("not Redis's") };
    let (mut parser, mut left) = (Parser::new(), bytes);
    while let Ok(value) = parser.parse_value(&mut left) {
        if let Value::ServerError(error) = &value {
            let error = redis_refusal::meaning(error, &address);
            check(&error);
            is_plain(&error.to_string().replace(is_of_direction, ""));
        }
        let setting = redis_weaknesses::setting(Some(value.clone()));
        if let Value::BulkString(text) = &value {
            let _ = redis_weaknesses::of(&String::from_utf8_lossy(text), setting.as_deref(), &address);
        }
        match ScriptAnswer::of(value, &address) {
            Ok(answer) => {
                let (server, seen) = parts(&answer.look.version).expect("a version that this engine made");
                let mark = if answer.look.content.is_some() { b'+' } else { b'-' };
                assert_eq!((server, seen.first()), (answer.look.server.as_bytes(), Some(&mark)));
            }
            Err(error) => check(&error),
        }
        if left.is_empty() {
            break;
        }
    }
}

/// What PostgreSQL answers to a query, behind a login that succeeds.
pub fn postgres(bytes: &[u8]) {
    if knows_secret(bytes) {
        return;
    }
    let EngineAddress::Postgres(address) = address("postgres") else { panic!("not PostgreSQL's") };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let answer = runtime.block_on(asked(bytes));
    match answer {
        Ok(messages) => {
            let _ = has_changed(&messages);
            match Inspection::of(&messages, &address).map(Inspection::absent) {
                Ok(look) => assert!(SeenRow::of(&look.version).is_none_or(|seen| seen.row.is_none())),
                Err(error) => check(&error),
            }
            match StandingRow::of(&messages, &address) {
                Ok(standing) => assert!(standing.look.server.len() <= bytes.len() + 64),
                Err(error) => check(&error),
            }
        }
        Err(error) => {
            if let Some(error) = error.as_ref().and_then(tokio_postgres::Error::as_db_error) {
                for request in [PostgresRequest::Connection, PostgresRequest::Look] {
                    check(&postgres_refusal::meaning(error, request, &address));
                }
            }
        }
    }
    let text = String::from_utf8_lossy(bytes);
    postgres_refusal::of_login(&text, &address).iter().for_each(check);
    check(&postgres_refusal::unconfirmed(&text, &address));
    if let Some(text) = with_token(bytes) {
        check(&postgres_refusal::unconfirmed(&text, &address));
        check(&postgres_refusal::too_old(&text, &address));
    }
}

/// The messages; or the error, if the server gave one.
async fn asked(bytes: &[u8]) -> Result<Vec<SimpleQueryMessage>, Option<tokio_postgres::Error>> {
    // `AuthenticationOk`, `ReadyForQuery`.
    let login = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I".iter().copied().collect();
    let stream = PostgresScript { ready: login, answer: bytes.iter().copied().collect(), waker: None };
    let mut config = Config::new();
    config.user("a_user");
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    let mut connection = pin!(connection);
    let mut query = pin!(client.simple_query("SELECT"));
    poll_fn(|cx| {
        if let Poll::Ready(result) = query.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(Some));
        }
        let end = connection.as_mut().poll(cx);
        match (query.as_mut().poll(cx), end) {
            (Poll::Ready(result), _) => Poll::Ready(result.map_err(Some)),
            (Poll::Pending, Poll::Ready(end)) => Poll::Ready(Err(end.err())),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    })
    .await
}

/// A server that has let us in, answers the first query, and hangs up.
struct PostgresScript {
    ready: VecDeque<u8>,
    answer: VecDeque<u8>,
    waker: Option<Waker>,
}

impl AsyncRead for PostgresScript {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = buffer.remaining().min(self.ready.len());
        if length == 0 && !self.answer.is_empty() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes: Vec<u8> = self.ready.drain(..length).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PostgresScript {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.first() == Some(&b'Q') {
            let answer = std::mem::take(&mut self.answer);
            self.ready.extend(answer);
            self.waker.take().iter().for_each(Waker::wake_by_ref);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What `solobot hold` and the solobot at the other end of ssh say to each other.
pub fn hold(bytes: &[u8]) {
    let questions = taken::<HoldQuestion>(bytes);
    let answers = taken::<HoldAnswer>(bytes);
    for message in questions {
        assert_eq!(taken::<HoldQuestion>(&message.encode()), [message]);
    }
    let target = target();
    for message in answers {
        if let HoldAnswer::Failed { message, hints, .. } = &message.what {
            let error = target.told(EngineErrorKind::Unreachable, message, hints);
            is_plain(&format!("{error} {}", error.hints.concat()));
        }
        assert_eq!(taken::<HoldAnswer>(&message.encode()), [message]);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = read_greeting(text.lines().next().unwrap_or_default());
}

/// The messages at the beginning; the same however they come.
fn taken<T>(bytes: &[u8]) -> Vec<Message<T>>
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let (mut whole, mut found) = (bytes.to_vec(), Vec::new());
    while let Ok(Some(message)) = Message::<T>::take(&mut whole) {
        found.push(message);
    }
    let (mut buffer, mut in_pieces) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(7) {
        buffer.extend_from_slice(piece);
        while let Ok(Some(message)) = Message::<T>::take(&mut buffer) {
            in_pieces.push(message);
        }
    }
    assert_eq!(in_pieces, found);
    found
}

fn target() -> SshTarget {
    SshTarget { user: Some("bot".into()), host: "vps".into(), port: None, path: "/l".into() }
}

/// What ssh says, and a path on the home host.
pub fn ssh_words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    is_plain(&shown(&text));
    assert!(shown(&text).chars().count() <= 301);
    if let Some(text) = with_token(bytes) {
        hides_secret(&shown(&text));
    }
    if text.contains(crate::base::text::is_hidden) {
        return;
    }
    let words = SshTarget { path: text.clone().into_owned(), ..target() }.command_line();
    let line = words.last().and_then(|line| line.to_str()).expect("a line");
    let words = shell_words::split(line).expect("words of a shell");
    assert_eq!(words.last().map(String::as_str), Some(&*text));
    assert_eq!(words.len(), 6, "{line}");
}
