//! Patterns of paths, as a shell has them: `*` and `?` stop at a slash, `**` does not.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// A pattern made ready to be compared with many paths.
pub struct Glob(GlobMatcher);

impl Glob {
    /// `None` for a pattern that is none: an open bracket, say.
    pub fn new(pattern: &str) -> Option<Self> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build().ok()?;
        Some(Self(glob.compile_matcher()))
    }

    /// Whether the whole path is like the pattern.
    pub fn fits(&self, path: impl AsRef<Path>) -> bool {
        self.0.is_match(path)
    }
}

/// The pattern that only this very text is like.
pub fn literal(text: &str) -> String {
    globset::escape(text)
}
