//! What removes old files from the lock's folder: systemd-tmpfiles (tmpfiles.d(5)), tmpreaper, tmpwatch.
//!
//! The rules of tmpfiles.d that matter: of several files with one name, the one in the first folder counts. The entry
//! with the longest path above a file decides, so an entry without an age protects what is below it. `x` and `X`
//! exclude. Lines with `!` apply at boot only. Not promised: specifiers (`%u`) in paths, and users' own tmpfiles.d.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::glob::Glob;

use super::facts::Cleaner;

/// Where systemd-tmpfiles is configured, the strongest first.
const FOLDERS: [&str; 4] = ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// One configuration file.
struct Config {
    path: PathBuf,
    text: String,
}

/// What will remove that file; `None` if nothing is known to.
pub fn cleaner_of(lock: &Path) -> Option<Cleaner> {
    // sd_booted(3): without systemd nobody runs its timer.
    let systemd = Path::new("/run/systemd/system").is_dir().then(|| by_tmpfiles(lock, &configs(&FOLDERS))).flatten();
    systemd.or_else(|| by_cron(lock))
}

fn configs(folders: &[&str]) -> Vec<Config> {
    let mut by_name = BTreeMap::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "conf") {
                by_name.entry(path.file_name().map(ToOwned::to_owned)).or_insert(path);
            }
        }
    }
    by_name.into_values().filter_map(|path| Some(Config { text: fs::read_to_string(&path).ok()?, path })).collect()
}

fn by_tmpfiles(lock: &Path, configs: &[Config]) -> Option<Cleaner> {
    let mut nearest: Option<(usize, Option<Cleaner>)> = None;
    for config in configs {
        for line in config.text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let words = shell_words::split(line).unwrap_or_default();
            let [kind, path, rest @ ..] = words.as_slice() else { continue };
            if kind.contains('!') {
                continue;
            }
            let depth = Path::new(path).components().count();
            match kind.as_bytes()[0] {
                b'x' if lock.ancestors().any(|part| matches(path, part)) => return None,
                b'X' if matches(path, lock) => return None,
                b'd' | b'D' | b'e' | b'v' | b'q' | b'Q'
                    if lock.ancestors().skip(1).any(|folder| matches(path, folder))
                        && nearest.as_ref().is_none_or(|(deepest, _)| *deepest < depth) =>
                {
                    let age = rest.get(3).map(|age| age.trim_start_matches('~')).filter(|age| *age != "-");
                    let source = || format!("{}: {line}", config.path.display());
                    let cleaner =
                        age.map(|age| Cleaner { name: "systemd-tmpfiles", source: source(), age: age.into() });
                    nearest = Some((depth, cleaner));
                }
                _ => {}
            }
        }
    }
    nearest?.1
}

fn matches(pattern: &str, path: &Path) -> bool {
    Glob::new(pattern.trim_end_matches('/')).is_some_and(|glob| glob.fits(path))
}

/// The daily jobs of Debian's tmpreaper and Red Hat's tmpwatch, which know /tmp and /var/tmp.
fn by_cron(lock: &Path) -> Option<Cleaner> {
    if !["/tmp", "/var/tmp"].iter().any(|folder| lock.starts_with(folder)) {
        return None;
    }
    let tmpreaper = Path::new("/etc/cron.daily/tmpreaper");
    if tmpreaper.is_file() {
        let text = fs::read_to_string("/etc/tmpreaper.conf").unwrap_or_default();
        return tmpreaper_age(&text).map(|age| Cleaner {
            name: "tmpreaper",
            source: format!("{}, /etc/tmpreaper.conf", tmpreaper.display()),
            age,
        });
    }
    let tmpwatch = Path::new("/etc/cron.daily/tmpwatch");
    let source = tmpwatch.display().to_string();
    tmpwatch.is_file().then(|| Cleaner { name: "tmpwatch", source, age: "10d".into() })
}

/// `TMPREAPER_TIME` of its configuration; `None` while `SHOWWARNING` keeps it from running.
fn tmpreaper_age(text: &str) -> Option<String> {
    let value = |name: &str| {
        let line = text.lines().map(str::trim).rev().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    };
    if value("SHOWWARNING").as_deref() == Some("true") {
        return None;
    }
    Some(value("TMPREAPER_TIME").unwrap_or_else(|| "7d".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(lock: &str, texts: &[&str]) -> Option<String> {
        let config =
            |(at, text): (usize, &&str)| Config { path: format!("/etc/{at}.conf").into(), text: (*text).into() };
        let configs: Vec<Config> = texts.iter().enumerate().map(config).collect();
        Some(by_tmpfiles(Path::new(lock), &configs)?.age)
    }

    #[test]
    fn the_age_of_the_nearest_folder_above() {
        let upstream = "# Clear tmp\nq /tmp 1777 root root 10d\nq /var/tmp 1777 root root 30d\n";
        assert_eq!(age("/tmp/telegram_polling.lock", &[upstream]).as_deref(), Some("10d"));
        assert_eq!(age("/var/tmp/x.lock", &[upstream]).as_deref(), Some("30d"));
        assert_eq!(age("/run/lock/x.lock", &[upstream]), None);
        assert_eq!(age("/tmpfoo/x.lock", &[upstream]), None);
        assert_eq!(age("/tmp/app/x.lock", &[upstream, "d /tmp/app 0755 bot bot -"]), None);
        assert_eq!(age("/tmp/app/x.lock", &["d /tmp/app 0755 bot bot ~2h", upstream]).as_deref(), Some("2h"));
        // Debian: no age.
        assert_eq!(age("/tmp/x.lock", &["D /tmp 1777 root root -"]), None);
        assert_eq!(age("/tmp/x.lock", &["D! /tmp 1777 root root 0"]), None);
    }

    #[test]
    fn exclusions_protect() {
        let upstream = "q /tmp 1777 root root 10d";
        assert_eq!(age("/tmp/x.lock", &[upstream, "x /tmp/x.lock*"]), None);
        assert_eq!(age("/tmp/app/x.lock", &[upstream, "x /tmp/app"]), None);
        assert_eq!(age("/tmp/app/x.lock", &[upstream, "X /tmp/app"]).as_deref(), Some("10d"));
        assert_eq!(age("/tmp/x.lock", &[upstream, "x /tmp/y*"]).as_deref(), Some("10d"));
    }

    #[test]
    fn the_strongest_folder_wins_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| dir.path().join(name);
        for (name, text) in [("etc", "q /tmp 1777 root root -"), ("lib", "q /tmp 1777 root root 10d")] {
            fs::create_dir(folder(name)).unwrap();
            fs::write(folder(name).join("tmp.conf"), text).unwrap();
        }
        let (etc, lib) = (folder("etc"), folder("lib"));
        let both = configs(&[etc.to_str().unwrap(), lib.to_str().unwrap()]);
        assert!(by_tmpfiles(Path::new("/tmp/x"), &both).is_none());
        assert!(by_tmpfiles(Path::new("/tmp/x"), &configs(&[lib.to_str().unwrap()])).is_some());
    }

    #[test]
    fn tmpreaper_is_asked_for_its_age() {
        assert_eq!(tmpreaper_age("TMPREAPER_TIME=3d\n").as_deref(), Some("3d"));
        assert_eq!(tmpreaper_age("SHOWWARNING=true\nTMPREAPER_TIME=3d\n"), None);
        assert_eq!(tmpreaper_age("#SHOWWARNING=true\n").as_deref(), Some("7d"));
    }
}
