//! `.env` files, read as python-dotenv reads them, because that is what the bots use.
//!
//! `export`, quotes of both kinds with their escapes, values over several lines in quotes, comments, white space, CRLF,
//! a byte order mark, a key without a value. A line that is none of this is skipped, as python-dotenv does. Not done:
//! `${NAME}` is not expanded, because no token is written that way.

/// The variables of a `.env` file in their order. If a name occurs twice, the later one counts.
#[derive(Clone, Default)]
pub struct DotEnv(Vec<(String, Option<String>)>);

impl DotEnv {
    /// Reads the text. It never fails.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text) };
        let mut variables = Vec::new();
        loop {
            reader.skip(char::is_whitespace);
            if reader.rest.is_empty() {
                return Self(variables);
            }
            match reader.binding() {
                Some(binding) => variables.push(binding),
                None => reader.skip_line(),
            }
        }
    }

    /// The value of a variable; `None` if the file does not give it one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name)?.1.as_deref()
    }
}

impl DotEnv {
    /// Every variable that has a value, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }
}

/// What has not been read yet. Each method reads one thing, or nothing and says so.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// `export KEY = value # comment`, to the end of its line; the key is empty for a line of comment.
    fn binding(&mut self) -> Option<(String, Option<String>)> {
        self.export();
        let key = self.key()?;
        self.skip(is_blank);
        let value = if self.eat('=') {
            self.skip(is_blank);
            Some(self.value()?)
        } else {
            None
        };
        self.end_of_line().then_some((key, value))
    }

    fn export(&mut self) {
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with(is_blank)
        {
            self.rest = rest.trim_start_matches(is_blank);
        }
    }

    fn key(&mut self) -> Option<String> {
        match self.rest.chars().next()? {
            '#' => Some(String::new()),
            '\'' => {
                let (key, rest) = self.rest[1..].split_once('\'')?;
                self.rest = rest;
                (!key.is_empty()).then(|| key.to_owned())
            }
            _ => {
                let key = self.take(|c| c != '=' && c != '#' && !c.is_whitespace());
                (!key.is_empty()).then(|| key.to_owned())
            }
        }
    }

    fn value(&mut self) -> Option<String> {
        match self.rest.chars().next() {
            Some('\'') => self.quoted('\'').map(|raw| unescape(raw, |c| matches!(c, '\\' | '\'').then_some(c))),
            Some('"') => self.quoted('"').map(|raw| unescape(raw, double_quote_escape)),
            _ => Some(without_comment(self.take(|c| !is_newline(c))).to_owned()),
        }
    }

    /// The text between two quotes. An escaped quote closes the value only if no plain one does.
    fn quoted(&mut self, quote: char) -> Option<&'a str> {
        let body = &self.rest[1..];
        let mut last_escaped = None;
        let mut escaped = false;
        for (index, c) in body.char_indices() {
            if c == quote && !escaped {
                return Some(self.close(body, index));
            }
            if c == quote {
                last_escaped = Some(index);
            }
            // A backslash escapes a following quote, whatever stands before it: `'a\\'` is read as python-dotenv does.
            escaped = c == '\\';
        }
        last_escaped.map(|index| self.close(body, index))
    }

    fn close(&mut self, body: &'a str, index: usize) -> &'a str {
        self.rest = &body[index + 1..];
        &body[..index]
    }

    /// Blanks, a comment perhaps, and the line's end.
    fn end_of_line(&mut self) -> bool {
        self.skip(is_blank);
        if self.rest.starts_with('#') {
            self.skip(|c| !is_newline(c));
        }
        self.rest.is_empty() || self.rest.starts_with(is_newline)
    }

    fn skip_line(&mut self) {
        self.skip(|c| !is_newline(c));
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(what);
    }

    fn take(&mut self, what: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !what(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && !is_newline(c)
}

/// An unquoted value up to white space and `#`; `a#b` is a value.
fn without_comment(raw: &str) -> &str {
    let comment = raw.char_indices().find(|(index, c)| *c == '#' && raw[..*index].ends_with(char::is_whitespace));
    raw[..comment.map_or(raw.len(), |(index, _)| index)].trim_end()
}

fn double_quote_escape(c: char) -> Option<char> {
    Some(match c {
        '\\' | '\'' | '"' => c,
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        _ => return None,
    })
}

/// Replaces the escapes that `decode` knows; any other backslash means itself.
fn unescape(raw: &str, decode: impl Fn(char) -> Option<char>) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let decoded = (c == '\\').then(|| chars.peek().copied().and_then(&decode)).flatten();
        if decoded.is_some() {
            chars.next();
        }
        text.push(decoded.unwrap_or(c));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_dotenv_reads() {
        let cases = [
            ("T=a", Some("a")),
            ("export T=a", Some("a")),
            ("exportT=a", None),
            ("  T = a b  ", Some("a b")),
            ("T=a # comment", Some("a")),
            ("T=a#b", Some("a#b")),
            ("T=# comment", Some("# comment")),
            ("T= # comment", Some("# comment")),
            ("T='a # b' # comment", Some("a # b")),
            ("T=\"a\\n\\\"b\\\"\\x\"", Some("a\n\"b\"\\x")),
            ("T='a\\n\\'b\\''", Some("a\\n'b'")),
            ("T='a\nb'", Some("a\nb")),
            ("T=", Some("")),
            ("T=''", Some("")),
            ("T", None),
            ("'T'=a", Some("a")),
            ("# T=a", None),
            ("\u{feff}T=a", Some("a")),
            ("A=1\r\nT=a\r\nB=2\r\n", Some("a")),
            ("A=1\rT=a\r", Some("a")),
            ("T=a\nT=b", Some("b")),
            ("T='unclosed\nB=1", None),
            ("T='a' junk\nB=1", None),
            ("=x\nT=a", Some("a")),
            ("T='a\\'", Some("a\\")),
            ("\n\n  # c\n\nT=a", Some("a")),
            ("T='a'# comment", Some("a")),
            ("T='a\\\\'", Some("a\\")),
            ("T=a\nT", None),
            ("TT=a", None),
            ("", None),
        ];
        for (text, value) in cases {
            assert_eq!(DotEnv::parse(text).get("T"), value, "{text:?}");
        }
    }

    #[test]
    fn a_bad_line_spoils_no_other() {
        let file = DotEnv::parse("?? bad line\nA='x' y\nT=a\n'unclosed\nB=2\n");
        assert_eq!((file.get("T"), file.get("B"), file.get("A")), (Some("a"), Some("2"), None));
    }
}
