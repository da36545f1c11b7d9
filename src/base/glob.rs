//! Patterns of paths, like those of a shell: `*` and `?` stop at a slash, `**` does not.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// A pattern, compiled.
pub struct Glob(GlobMatcher);

impl Glob {
    /// `None` if the pattern is malformed, for example by an open bracket.
    pub fn new(pattern: &str) -> Option<Self> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build().ok()?;
        Some(Self(glob.compile_matcher()))
    }

    /// Whether the pattern matches the whole path.
    pub fn fits(&self, path: impl AsRef<Path>) -> bool {
        self.0.is_match(path)
    }
}

/// The pattern that matches only this text.
pub fn literal(text: &str) -> String {
    globset::escape(text)
}
