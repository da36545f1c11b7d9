//! Which variable has the URL of an engine that could keep a bot's lease; never the URL.

use crate::base::env::{self, Vars};
use crate::lease::engine::EngineUrl;
use crate::platform::proc::Handle;

/// The first of the usual variables that has such a URL. A database of another kind is passed over.
pub fn in_variables(vars: &Vars) -> Option<&'static str> {
    let is_engine = |name: &&str| vars.get(name).is_some_and(|url| EngineUrl::parse(&url.to_string_lossy()).is_ok());
    env::ENGINES.into_iter().find(is_engine)
}

/// The same of a process's environment.
pub fn in_process(pid: i32) -> Option<&'static str> {
    let environ = Handle::open(pid)?.environ().ok()?;
    let entries = environ.split(|&byte| byte == 0);
    in_variables(&entries.filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('=')).collect())
}
