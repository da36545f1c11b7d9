//! What a server says, as it may be shown: without the login.

use crate::lease::engine::url::{Login, PostgresAddress};
use crate::lease::engine::words::scrubbed;

pub fn words(text: &str, address: &PostgresAddress) -> String {
    let login = Login { user: Some(address.user.clone()), password: address.password.clone().unwrap_or_default() };
    scrubbed(text, Some(&login), &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::engine::url::{EngineAddress, EngineUrl};
    use crate::lease::engine::words::MOST_WORDS;

    fn address() -> PostgresAddress {
        let url = EngineUrl::parse("postgres://hunter1:hunter2@h/db").unwrap();
        let EngineAddress::Postgres(address) = url.address() else { panic!("{url:?}") };
        address.clone()
    }

    #[test]
    fn what_a_server_repeats_is_shown_without_the_login() {
        let long = format!("{}hunter2", "x".repeat(MOST_WORDS - 3));
        for text in ["password authentication failed for user \"hunter1\"", "hunter1 has hunter2 and xhunter2x", &long]
        {
            let shown = words(text, &address());
            assert!(!shown.contains("hun"), "{shown}");
        }
        assert_eq!(words("a\u{1b}[2J\n", &address()), "a [2J");
    }
}
