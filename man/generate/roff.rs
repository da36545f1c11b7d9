//! A page in man(7)'s language: as much of it as the manual needs.
//!
//! Text may have `code` in back quotes, which becomes bold. Lines stay below 80 bytes, as `mandoc -T lint` wants them.

use std::fmt::Write;

/// The last change of the manual's prose.
const DATE: &str = "2026-11-22";
/// Where input lines are broken.
const WIDTH: usize = 76;

/// A page that is being written.
pub struct Page(String);

impl Page {
    /// A page's title line and its NAME.
    pub fn new(name: &str, section: u8, purpose: &str) -> Self {
        let manual = if section == 1 { "User Commands" } else { "File Formats" };
        let title = plain(&name.to_uppercase());
        let mut text = String::from(".\\\" Written by `cargo run --example generate`; change man/generate/ instead.\n");
        let version = env!("CARGO_PKG_VERSION");
        writeln!(text, ".TH {title} {section} {DATE} \"solobot {version}\" \"{manual}\"").unwrap();
        // No hyphens: what is copied from a terminal must still be an option.
        text.push_str(".nh\n.ad l\n");
        let mut page = Self(text);
        page.heading("NAME");
        page.fill(&format!("{name} - {purpose}"));
        page
    }

    /// The whole text.
    pub fn text(self) -> String {
        self.0
    }

    /// A section.
    pub fn heading(&mut self, text: &str) {
        writeln!(self.0, ".SH {}", quoted(text)).unwrap();
    }

    /// A part of a section.
    pub fn subheading(&mut self, text: &str) {
        writeln!(self.0, ".SS {}", quoted(text)).unwrap();
    }

    /// The first paragraph of a section, without a space before it.
    pub fn fill(&mut self, text: &str) {
        let mut line = String::new();
        for word in marked(text).split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
                self.line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    /// Another paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.0.push_str(".PP\n");
        self.fill(text);
    }

    /// A word with its explanation.
    pub fn item(&mut self, head: &str, body: &[&str]) {
        self.0.push_str(".TP\n");
        self.line(&marked(head));
        for (index, text) in body.iter().enumerate() {
            if index > 0 {
                self.0.push_str(".IP\n");
            }
            self.fill(text);
        }
    }

    /// Lines as they are typed.
    pub fn code(&mut self, lines: &str) {
        self.0.push_str(".PP\n.RS 4\n.nf\n");
        for line in lines.lines() {
            // An empty line would be a paragraph of its own.
            self.line(&if line.is_empty() { "\\&".to_owned() } else { code(line) });
        }
        self.0.push_str(".fi\n.RE\n");
    }

    /// A text line: it must not be taken for a request.
    fn line(&mut self, line: &str) {
        if line.starts_with(['.', '\'']) {
            self.0.push_str("\\&");
        }
        self.0.push_str(line);
        self.0.push('\n');
    }
}

fn quoted(text: &str) -> String {
    if text.contains(' ') { format!("\"{}\"", plain(text)) } else { plain(text) }
}

/// Text with code in back quotes.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 0 { marked.push_str(&plain(part)) } else { marked.push_str(&bold(part)) }
    }
    marked
}

/// Bold, word by word: a line may be broken between them.
fn bold(text: &str) -> String {
    text.split(' ').map(|word| format!("\\fB{}\\fR", code(word))).collect::<Vec<_>>().join(" ")
}

/// What is typed: no sign may be replaced by a nicer one.
fn code(text: &str) -> String {
    plain(text).replace('\'', "\\(aq").replace('`', "\\(ga").replace('^', "\\(ha")
}

fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('~', "\\(ti").replace('…', "...");
    assert!(text.is_ascii(), "the manual is ASCII: {text}");
    text
}
