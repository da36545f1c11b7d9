//! What is fuzzed: each target takes any bytes for what it reads, and panics where a rule of that reader is broken.
//!
//! `fuzz/` feeds them with what libFuzzer makes up; the tests here with the corpus in `fuzz/corpus`, and with changes of
//! it. Compiled for nothing else.

mod output;
mod records;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use crate::base::text::is_hidden;
use crate::platform::words::os_string;
use crate::{lease, logs, platform, process, settings, telegram};

/// A reader, and what has to hold of it whatever it reads.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub feed: fn(&[u8]),
}

/// All of them. The name is that of its folder in `fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    target("owner_record", records::owner),
    target("pid_text", records::pid_text),
    target("mask", output::masked),
    target("shown", output::shown),
    target("quoted", output::quoted),
    target("durations", output::durations),
    target("solobot_toml", settings::fuzz::toml),
    target("dotenv", telegram::api::fuzz::dotenv),
    target("argv", process::fuzz::argv),
    target("shell", process::fuzz::shell),
    target("windows_shell", process::fuzz::windows_shell),
    target("cgroup", process::fuzz::cgroup),
    target("proc_stat", platform::fuzz::stat),
    target("proc_status", platform::fuzz::status),
    target("proc_locks", platform::fuzz::locks),
    target("fdinfo", platform::fuzz::fdinfo),
    target("mountinfo", platform::fuzz::mountinfo),
    target("net_tcp", platform::fuzz::net_tcp),
    target("netlink", platform::fuzz::netlink),
    target("darwin", platform::fuzz::darwin),
    target("log_line", logs::fuzz::line),
    target("log_time", logs::fuzz::time),
    target("log_scan", logs::fuzz::scan),
    target("log_stream", logs::fuzz::stream),
    target("log_words", logs::fuzz::words),
    target("gzip", logs::fuzz::gzip),
    target("zstd", logs::fuzz::zstd),
    target("utf16", logs::fuzz::utf16),
    target("bot_api", telegram::api::fuzz::answer),
    target("lease_record", lease::fuzz::record),
    target("lease_file", lease::fuzz::file),
    target("guardian", lease::fuzz::guardian),
    target("engine_url", lease::engine::fuzz::url),
    target("etcd", lease::engine::fuzz::etcd),
    target("http", lease::engine::fuzz::http),
    target("redis", lease::engine::fuzz::redis),
    target("postgres", lease::engine::fuzz::postgres),
    target("hold", lease::engine::fuzz::hold),
    target("ssh_words", lease::engine::fuzz::ssh_words),
];

const fn target(name: &'static str, feed: fn(&[u8])) -> Target {
    Target { name, feed }
}

/// The half of [`token`] that nobody may see. It is put together, so that no token stands in the sources.
pub(crate) fn secret() -> String {
    format!("A_-{}", "b".repeat(32))
}

/// A token, to be put into what is fed.
pub(crate) fn token() -> String {
    format!("123456:{}", secret())
}

/// The text with [`token`] in its middle: at a place that the first byte chooses. `None` if the secret stands there anyway.
pub(crate) fn with_token(bytes: &[u8]) -> Option<String> {
    let (first, rest) = bytes.split_first()?;
    let text = String::from_utf8_lossy(rest);
    let at = usize::from(*first) % (text.chars().count() + 1);
    let (before, behind): (String, String) = (text.chars().take(at).collect(), text.chars().skip(at).collect());
    // What is hidden may be taken out.
    let seen: String = text.chars().filter(|c| !is_hidden(*c)).collect();
    (!seen.contains(&secret()[..30])).then(|| format!("{before}{}{behind}", token()))
}

/// Fails where the secret half of the token that was put in has come out.
#[track_caller]
pub(crate) fn hides_secret(text: &str) {
    assert!(!text.contains(&secret()[..30]), "the token is shown: {text:?}");
}

/// Fails where a terminal would see more than letters.
#[track_caller]
pub(crate) fn is_plain(text: &str) {
    assert!(!text.contains(is_hidden), "a hidden character is shown: {text:?}");
}

/// What stands between NUL bytes.
pub(crate) fn words(bytes: &[u8]) -> Vec<OsString> {
    bytes.split(|&byte| byte == 0).map(|word| os_string(word.to_vec())).collect()
}
