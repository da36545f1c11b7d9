//! The library's files as tokens: which modules they are, and which paths, words and types stand in them. Comments and
//! tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
    /// By `pub use`: passed on, not used.
    pub is_passed_on: bool,
}

/// One file.
#[derive(Debug, Default)]
pub struct File {
    /// Below `src`.
    pub path: PathBuf,
    /// `["lock", "held"]`; `["main"]` for the program itself.
    pub module: Vec<String>,
    /// The child modules that are files of their own.
    pub children: BTreeSet<String>,
    pub named: Vec<Named>,
    /// What `use` brings into it: the name, and the path behind it.
    pub imported: BTreeMap<String, Vec<String>>,
    /// String literals with their quotes, and their lines.
    pub texts: Vec<(String, usize)>,
    /// The types that it declares.
    pub types: BTreeSet<String>,
    /// How many blocks of it are `unsafe`.
    pub unsafe_blocks: usize,
}

impl File {
    /// The top-level module; empty for the library's root.
    pub fn top(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// The platform's folder that it is in.
    pub fn platform(&self) -> Option<&'static str> {
        let folder = self.module.get(1).filter(|_| self.top() == "platform")?;
        super::PLATFORMS.into_iter().find(|name| name == folder)
    }
}

/// All files below `src`, but for those of tests.
pub fn files(src: &Path) -> Vec<File> {
    let mut all = Vec::new();
    add(src, Path::new("lib.rs"), Vec::new(), &mut all);
    add(src, Path::new("main.rs"), vec!["main".into()], &mut all);
    all
}

fn add(src: &Path, path: &Path, module: Vec<String>, all: &mut Vec<File>) {
    let text = fs::read_to_string(src.join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = File { path: path.to_owned(), module, ..parse(&text) };
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    for child in &file.children {
        let flat = folder.join(format!("{child}.rs"));
        let path = if src.join(&flat).exists() { flat } else { folder.join(child).join("mod.rs") };
        add(src, &path, file.module.iter().chain([child]).cloned().collect(), all);
    }
    all.push(file);
}

/// What stands in a file of this text.
pub fn parse(text: &str) -> File {
    let mut file = File::default();
    walk(&mut file, text.parse().expect("Rust"));
    file
}

fn is(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

fn walk(file: &mut File, stream: TokenStream) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at = match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => attribute(file, &tokens, at),
            // `impl Trait + use<'a>` is none.
            TokenTree::Ident(ident) if ident == "use" && !is(tokens.get(at + 1), '<') => imports(file, &tokens, at),
            TokenTree::Ident(_) => ordinary(file, &tokens, at),
            TokenTree::Group(group) => {
                walk(file, group.stream());
                at + 1
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains('"') {
                    file.texts.push((text, line(token)));
                }
                at + 1
            }
            TokenTree::Punct(_) => at + 1,
        };
    }
}

/// A doc comment is an attribute, and is left out; so is what an attribute keeps for tests.
fn attribute(file: &mut File, tokens: &[TokenTree], at: usize) -> usize {
    let group = if is(tokens.get(at + 1), '!') { at + 2 } else { at + 1 };
    let Some(TokenTree::Group(inner)) = tokens.get(group) else { return at + 1 };
    let text = inner.stream().to_string().replace(' ', "");
    if is_of_tests(&text) {
        return end_of_item(tokens, group + 1);
    }
    if !text.starts_with("doc=") {
        walk(file, inner.stream());
    }
    group + 1
}

/// Whether an attribute keeps an item for tests, or for these and fuzzing.
fn is_of_tests(attribute: &str) -> bool {
    let (alone, among) = ("cfg(any(test,fuzzing))", ",any(test,fuzzing)))");
    let is_among = attribute.starts_with("cfg(all(") && attribute.ends_with(among);
    attribute == "test" || attribute.starts_with("cfg(test)") || attribute == alone || is_among
}

/// Behind the item that begins here.
fn end_of_item(tokens: &[TokenTree], from: usize) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => matches!(punct.as_char(), ';' | ','),
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    tokens[from..].iter().position(is_end).map_or(tokens.len(), |found| from + found + 1)
}

/// `(in crate::platform)`: for whom something is.
fn is_restriction(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    word(group.stream().into_iter().next().as_ref()).is_some_and(|first| first == "in")
}

fn is_block(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

/// `mod`, the declaration of a type, or a path.
fn ordinary(file: &mut File, tokens: &[TokenTree], at: usize) -> usize {
    let (this, next) = (word(tokens.get(at)).unwrap(), word(tokens.get(at + 1)));
    if this == "unsafe" && is_block(tokens.get(at + 1)) {
        file.unsafe_blocks += 1;
    }
    match (this.as_str(), next) {
        ("pub", None) if is_restriction(tokens.get(at + 1)) => return at + 2,
        ("mod", Some(name)) => {
            if is(tokens.get(at + 2), ';') {
                file.children.insert(name);
            }
            return at + 2;
        }
        ("struct" | "enum" | "trait", Some(name)) => {
            file.types.insert(name);
            return at + 2;
        }
        _ => {}
    }
    let mut segments = vec![this];
    let mut end = at + 1;
    while is(tokens.get(end), ':') && is(tokens.get(end + 1), ':') {
        let Some(segment) = word(tokens.get(end + 2)) else { break };
        segments.push(segment);
        end += 3;
    }
    let is_field = at > 0 && is(tokens.get(at - 1), '.');
    if segments.len() > 1 && !is_field {
        file.named.push(Named { segments, line: line(&tokens[at]), is_passed_on: false });
    }
    end
}

fn imports(file: &mut File, tokens: &[TokenTree], at: usize) -> usize {
    let end = end_of_statement(tokens, at);
    let is_passed_on = at > 0
        && match &tokens[at - 1] {
            TokenTree::Ident(ident) => ident == "pub",
            TokenTree::Group(group) => group.delimiter() == Delimiter::Parenthesis,
            _ => false,
        };
    tree(file, &tokens[at + 1..end], &[], is_passed_on);
    end + 1
}

fn end_of_statement(tokens: &[TokenTree], from: usize) -> usize {
    (from..tokens.len()).find(|&at| is(tokens.get(at), ';')).unwrap_or(tokens.len())
}

fn tree(file: &mut File, tokens: &[TokenTree], before: &[String], is_passed_on: bool) {
    let mut segments = before.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(ident) if ident == "as" => {
                if let (Some(alias), Some(last)) = (word(tokens.get(at + 1)), file.named.last()) {
                    file.imported.insert(alias, last.segments.clone());
                }
                at += 1;
            }
            TokenTree::Ident(ident) => {
                let is_self = ident == "self" && !segments.is_empty();
                if !is_self {
                    segments.push(ident.to_string());
                }
                if !is(tokens.get(at + 1), ':') {
                    file.imported.insert(segments.last().unwrap().clone(), segments.clone());
                    file.named.push(Named { segments: segments.clone(), line: line(token), is_passed_on });
                }
            }
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                tree(file, &inner, &segments, is_passed_on);
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => segments = before.to_vec(),
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                file.named.push(Named { segments: segments.clone(), line: line(token), is_passed_on });
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}
