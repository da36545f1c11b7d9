//! Sentences that name command lines.

use serde::Serialize;

use crate::base::secret::mask;
use crate::base::text::cut;

/// A command line short enough for a sentence, and long enough for an interpreter and a script with their folders: a
/// table's is cut to the terminal's width, a program's is whole.
pub fn shortened(command: &str) -> String {
    const LONGEST: usize = 160;
    cut(&mask(command), LONGEST)
}

/// A sentence that names command lines: a program reads all of them, a person no more than [`shortened`] leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// With every command line whole.
    pub whole: String,
    /// With long ones cut.
    pub brief: String,
}

impl Sentence {
    /// What `say` makes of the command lines as its argument shows them.
    pub fn of(say: impl Fn(fn(&str) -> String) -> String) -> Self {
        Self { whole: say(str::to_owned), brief: say(shortened) }
    }

    /// The same with something behind it.
    #[must_use]
    pub fn followed_by(self, end: &str) -> Self {
        Self { whole: self.whole + end, brief: self.brief + end }
    }

    /// The same with something before it.
    #[must_use]
    pub fn after(&self, start: &str) -> Self {
        Self { whole: format!("{start}{}", self.whole), brief: format!("{start}{}", self.brief) }
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self { whole: text.clone(), brief: text }
    }
}

impl Serialize for Sentence {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.whole)
    }
}
