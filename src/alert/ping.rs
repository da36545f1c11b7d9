//! The URL that is asked for every minute while all is well: a monitor that hears nothing raises the alarm.
//!
//! Each request has a thread of its own, so that nobody waits for a network. That it fails is said once, until it succeeds.
//! The URL may be a secret: only its host is said.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::env::Vars;
use crate::http::client::{Error, Http, Route};
use crate::http::proxy::ProxyTarget;
use crate::settings::alerts::PingUrl;

const EVERY: Duration = Duration::from_secs(60);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often an answer is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Asking for one URL.
pub struct Ping {
    url: PingUrl,
    vars: Vars,
    next: Instant,
    answer: Option<Receiver<Result<(), String>>>,
    has_failed: bool,
}

impl Ping {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// A proxy variable that cannot be understood.
    pub fn new(url: &PingUrl, vars: &Vars) -> Result<Self, Error> {
        way(url, vars)?;
        Ok(Self { url: url.clone(), vars: vars.clone(), next: Instant::now(), answer: None, has_failed: false })
    }

    /// Asks if it is time and all is well; what is to be said of the last time.
    pub fn tend(&mut self, is_well: impl FnOnce() -> bool) -> Option<String> {
        let said = self.hear();
        let now = Instant::now();
        if self.answer.is_none() && now >= self.next {
            if is_well() {
                self.next = now + EVERY;
                self.ask();
            } else {
                self.next = now + LOOK_EVERY;
            }
        }
        said
    }

    fn hear(&mut self) -> Option<String> {
        let answer = match self.answer.as_ref()?.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err("its thread has ended".into()),
        };
        self.answer = None;
        let had_failed = std::mem::replace(&mut self.has_failed, answer.is_err());
        let why = answer.err().filter(|_| !had_failed)?;
        Some(format!("`ping`: {} did not take it: {why}; trying again every minute", self.url.host))
    }

    fn ask(&mut self) {
        let (answer, answered) = sync_channel(1);
        let (url, vars) = (self.url.clone(), self.vars.clone());
        let asked = thread::Builder::new().name("ping".into()).spawn(move || {
            let _ = answer.send(request(&url, &vars));
        });
        self.answer = Some(answered);
        if let Err(error) = asked {
            tracing::debug!(%error, "no thread for the ping");
        }
    }

    /// When to look again.
    pub fn again_in(&self) -> Duration {
        match self.answer {
            Some(_) => LOOK_EVERY,
            None => self.next.saturating_duration_since(Instant::now()),
        }
    }
}

fn way(url: &PingUrl, vars: &Vars) -> Result<Http, Error> {
    let target = ProxyTarget { is_https: url.is_https, host: url.host.trim_matches(['[', ']']), port: url.port };
    Http::new(target, Route { timeout: TIMEOUT, ca_file: None, vars })
}

fn request(url: &PingUrl, vars: &Vars) -> Result<(), String> {
    let http = way(url, vars).map_err(|error| error.to_string())?;
    let response = http
        .get(&url.url)
        .map_err(|failure| format!("{} failed: {}", failure.step, failure.why.replace(&url.url, "the URL")))?;
    if (200..400).contains(&response.status) { Ok(()) } else { Err(format!("HTTP {}", response.status)) }
}
