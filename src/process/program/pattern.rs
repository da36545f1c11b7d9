//! A pattern of paths (`/srv/releases/*/main.py`), compared with paths as typed and with symlinks resolved.

use std::path::{Component, Path, PathBuf};

use crate::base::glob::{Glob, literal};

/// A pattern made ready to be compared with many paths.
pub struct PathPattern {
    globs: Vec<Glob>,
}

impl PathPattern {
    /// The pattern, and the same behind the symlinks of its plain beginning. A broken one fits nothing.
    pub fn new(pattern: &str) -> Self {
        let texts = std::iter::once(pattern.to_owned()).chain(behind_links(Path::new(pattern)));
        Self { globs: texts.filter_map(|text| Glob::new(&text)).collect() }
    }

    /// Whether it matches a path, as written or with symlinks resolved by `resolve`.
    pub fn fits(&self, path: &Path, resolve: impl FnOnce(&Path) -> Option<PathBuf>) -> bool {
        let is_match = |path: &Path| self.globs.iter().any(|glob| glob.fits(path));
        is_match(path) || resolve(path).is_some_and(|real| is_match(&real))
    }
}

/// The part of a pattern before the first component that has anything to be matched.
pub fn plain_beginning(pattern: &Path) -> PathBuf {
    let is_plain =
        |part: &Component<'_>| !part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[]{}\\".contains(byte));
    pattern.components().take_while(is_plain).collect()
}

fn behind_links(pattern: &Path) -> Option<String> {
    let beginning = plain_beginning(pattern);
    let rest = pattern.strip_prefix(&beginning).ok()?.to_str()?;
    let real = beginning.canonicalize().ok().filter(|real| *real != beginning)?;
    Some(format!("{}/{rest}", literal(real.to_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_typed_and_behind_links_on_either_side() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("re[a]l");
        std::fs::create_dir_all(real.join("releases/1")).unwrap();
        std::fs::write(real.join("releases/1/main.py"), "").unwrap();
        std::os::unix::fs::symlink("releases/1", real.join("current")).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let resolve = |path: &Path| path.canonicalize().ok();
        for root in [&link, &PathBuf::from(literal(real.to_str().unwrap()))] {
            let pattern = PathPattern::new(root.join("releases/*/main.py").to_str().unwrap());
            for path in ["current/main.py", "releases/1/main.py"] {
                assert!(pattern.fits(&real.join(path), resolve), "{}: {path}", root.display());
                assert!(pattern.fits(&link.join(path), resolve), "{}: {path}", root.display());
            }
            assert!(!pattern.fits(&real.join("current/other.py"), resolve));
            assert!(!pattern.fits(&real.join("current/main.py"), |_| None), "nobody followed the link");
        }
    }
}
