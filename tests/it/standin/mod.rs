//! A Bot API server of the project's own, with the rules of tdlib/telegram-bot-api: held polls, late 409s, webhooks, and
//! every way in which a server can fail. Threads and the standard library; TLS with a certificate that the test makes.
//!
//! It runs in the test's own process and forgets nothing: what was asked can be looked up afterwards.

mod http;
mod rules;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use http::{Connection, Reply};
pub use rules::{Kind, Rules};
pub use tls::{Authority, make_authority};

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The last part of the path: `getMe`.
    pub method: String,
    /// `POST` or whatever it was.
    pub verb: String,
    /// Body and query, decoded.
    pub parameters: Vec<(String, String)>,
}

impl Asked {
    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// How a request fails.
#[derive(Debug, Clone)]
pub enum Fault {
    /// In the Bot API's words: code and description.
    Says(u16, &'static str),
    /// 429, with `retry_after` in the body.
    RateLimit(Option<u64>),
    /// This status, type and body.
    Raw(u16, &'static str, Vec<u8>),
    /// A redirect to this URL.
    Redirect(String),
    /// The true answer, this late.
    Slow(Duration),
    /// One byte every 50 ms.
    Trickle,
    /// No answer at all.
    Hang,
    /// The connection is reset after the request.
    Reset,
    /// It repeats the request's path in HTML, as web frameworks do.
    Echo,
    /// A clock that is this many seconds ahead, behind if negative; the true answer.
    Clock(i64),
}

#[derive(Default)]
struct Shared {
    asked: Vec<Asked>,
    faults: Vec<(usize, Fault)>,
    accepted: usize,
}

/// A running server; its port is closed with it, its threads end with the process.
pub struct Standin {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Mutex<Shared>>,
    rules: Arc<Rules>,
}

impl Standin {
    /// Plain HTTP, as a self-hosted server has it; knows [`crate::harness::token`].
    pub fn start() -> Self {
        Self::of_token(&crate::harness::token())
    }

    /// One that knows this token alone.
    pub fn of_token(token: &str) -> Self {
        Self::serve("http", TcpListener::bind("127.0.0.1:0").expect("a port"), None, token)
    }

    /// Over TLS with a certificate of this authority for `127.0.0.1` and `localhost`.
    pub fn start_tls(authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::serve("https", listener, Some(authority.config()), &crate::harness::token())
    }

    fn serve(scheme: &'static str, listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>, token: &str) -> Self {
        let address = listener.local_addr().expect("its address");
        let (shared, rules) = (Arc::new(Mutex::new(Shared::default())), Arc::new(Rules::new(token)));
        let server = Self { address, scheme, shared: Arc::clone(&shared), rules: Arc::clone(&rules) };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.lock().expect("the state").accepted += 1;
                let (shared, rules, tls) = (Arc::clone(&shared), Arc::clone(&rules), tls.clone());
                thread::spawn(move || {
                    // A client that has gone is no matter.
                    let _ = Connection::new(stream, tls).and_then(|one| converse(one, &shared, &rules));
                });
            }
        });
        server
    }

    /// Serves the same bot at a Unix socket too, for processes of another network namespace.
    pub fn listen_at(&self, path: &Path) {
        let listener = UnixListener::bind(path).expect("a Unix socket");
        let (shared, rules) = (Arc::clone(&self.shared), Arc::clone(&self.rules));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, rules) = (Arc::clone(&shared), Arc::clone(&rules));
                thread::spawn(move || Connection::of_unix(stream).and_then(|one| converse(one, &shared, &rules)));
            }
        });
    }

    /// What `--api-url` takes.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.address.port())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Webhooks, updates, polls.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The next `times` requests fail so; later calls come after earlier ones.
    pub fn fail(&self, times: usize, fault: Fault) {
        self.shared.lock().expect("the state").faults.push((times, fault));
    }

    /// Every request fails so.
    pub fn always(&self, fault: Fault) {
        self.fail(usize::MAX, fault);
    }

    /// No request fails any more.
    pub fn recover(&self) {
        self.shared.lock().expect("the state").faults.clear();
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().expect("the state").asked.clone()
    }

    /// The methods that were asked for so far, in order.
    pub fn methods(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.method).collect()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        let mut shared = self.shared.lock().expect("the state");
        shared.asked.clear();
        shared.accepted = 0;
    }

    /// How many connections were made, asked on or not.
    pub fn connections(&self) -> usize {
        self.shared.lock().expect("the state").accepted
    }
}

fn converse(mut connection: Connection, shared: &Mutex<Shared>, rules: &Rules) -> std::io::Result<()> {
    while let Some(request) = connection.read()? {
        let asked = request.asked();
        let fault = {
            let mut shared = shared.lock().expect("the state");
            shared.asked.push(asked.clone());
            next_fault(&mut shared.faults)
        };
        let truth = |connection: &Connection| rules.answer(&request.token, &asked, &|| connection.is_gone());
        let reply = match fault {
            None => truth(&connection),
            Some(Fault::Says(code, description)) => Reply::refusal(code, description, None),
            Some(Fault::RateLimit(after)) => Reply::refusal(429, "Too Many Requests: retry later", after),
            Some(Fault::Raw(status, kind, body)) => Reply::new(status, kind, body),
            Some(Fault::Redirect(to)) => Reply::new(307, "text/html", Vec::new()).with("Location", &to),
            Some(Fault::Slow(late)) => {
                thread::sleep(late); // to be so late is the fault
                truth(&connection)
            }
            Some(Fault::Trickle) => return connection.trickle(),
            Some(Fault::Hang) => return connection.wait_for_end(),
            Some(Fault::Reset) => return connection.reset(),
            Some(Fault::Echo) => {
                let page = format!("<html><pre>Cannot {} {}</pre></html>", request.verb, request.path);
                Reply::new(404, "text/html", page.into_bytes())
            }
            Some(Fault::Clock(ahead)) => truth(&connection).with_clock(ahead),
        };
        connection.write(&reply)?;
    }
    Ok(())
}

fn next_fault(faults: &mut Vec<(usize, Fault)>) -> Option<Fault> {
    let (left, fault) = faults.first_mut()?;
    let fault = fault.clone();
    *left -= 1;
    if *left == 0 {
        faults.remove(0);
    }
    Some(fault)
}
