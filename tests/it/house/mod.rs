//! The house keeps its order: which module may use which (the table in `src/lib.rs`), no circles between files, system interfaces
//! and dependencies with one owner each.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use source::{File, Named, files, parse};

/// What any module may use: formats, errors, times, words.
const EVERYBODYS: [&str; 7] = ["serde", "serde_json", "thiserror", "tracing", "jiff", "shell_words", "memchr"];

/// What a platform's own files alone may name.
const OF_SYSTEMS: [&str; 6] = ["nix", "rustix", "procfs", "libc", "sysinfo", "windows_sys"];

/// The folders below `platform` that may name what is the operating system's.
const PLATFORMS: [&str; 4] = ["unix", "linux", "macos", "windows"];

/// Which of them are never compiled together, so that each may have a type of one name.
fn are_alternatives(one: &str, other: &str) -> bool {
    let is_host = |name: &str| PLATFORMS[1..].contains(&name);
    one != other && ((is_host(one) && is_host(other)) || [one, other].contains(&"windows"))
}

/// More names than these stand for one another nowhere.
const DEEPEST: usize = 8;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

struct House {
    files: Vec<File>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl House {
    fn new(files: Vec<File>) -> Self {
        let by_module = files.iter().enumerate().map(|(at, file)| (file.module.clone(), at)).collect();
        Self { files, by_module }
    }

    fn of_project() -> Self {
        Self::new(files(&root().join("src")))
    }

    /// The file that a path leads to, through what is passed on by `pub use`; `None` if it leads out of the house.
    fn target(&self, from: usize, segments: &[String]) -> Option<usize> {
        self.follow(from, segments, 0)
    }

    fn follow(&self, from: usize, segments: &[String], depth: usize) -> Option<usize> {
        let file = &self.files[from];
        let (mut module, mut rest) = match segments[0].as_str() {
            "crate" => (Vec::new(), &segments[1..]),
            "solobot" if file.module == ["main"] => (Vec::new(), &segments[1..]),
            "self" => (file.module.clone(), &segments[1..]),
            "super" => {
                let up = segments.iter().take_while(|segment| *segment == "super").count();
                (file.module[..file.module.len().saturating_sub(up)].to_vec(), &segments[up..])
            }
            child if file.children.contains(child) => (file.module.clone(), segments),
            // `use crate::lock::held; … held::Held`: an import stands for its path.
            name if segments.len() > 1 && depth < DEEPEST => {
                let path = file.imported.get(name).filter(|path| path[0] != name)?;
                let whole: Vec<String> = path.iter().chain(&segments[1..]).cloned().collect();
                return self.follow(from, &whole, depth + 1);
            }
            _ => return None,
        };
        while let Some((first, behind)) = rest.split_first() {
            module.push(first.clone());
            if !self.by_module.contains_key(&module) {
                module.pop();
                break;
            }
            rest = behind;
        }
        let at = *self.by_module.get(&module)?;
        let passed_on =
            rest.first().filter(|_| at != from && depth < DEEPEST).and_then(|name| self.files[at].imported.get(name));
        let whole = passed_on.map(|path| path.iter().chain(&rest[1..]).cloned().collect::<Vec<String>>());
        whole.and_then(|path| self.follow(at, &path, depth + 1)).or(Some(at))
    }

    /// Every use of one file by another: who, where, whom.
    fn uses(&self) -> impl Iterator<Item = (usize, &Named, usize)> {
        let named =
            self.files.iter().enumerate().flat_map(|(from, file)| file.named.iter().map(move |one| (from, one)));
        let uses = named.filter_map(|(from, one)| Some((from, one, self.target(from, &one.segments)?)));
        uses.filter(|(from, _, to)| from != to)
    }

    fn place(&self, from: usize, named: &Named) -> String {
        format!("src/{}:{} {}", self.files[from].path.display(), named.line, named.segments.join("::"))
    }

    /// What is used against the table, whose rows are these modules.
    fn against(&self, table: &[String]) -> Vec<String> {
        let row = |at: usize| table.iter().position(|module| module == self.files[at].top());
        let is_wrong = |from: usize, to: usize| match (row(from), row(to)) {
            // The library's root and the program may use everything, and are nobody's to use.
            (None, _) => false,
            (Some(_), None) => true,
            (Some(from), Some(to)) => to > from,
        };
        let wrong = self.uses().filter(|(from, _, to)| is_wrong(*from, *to));
        wrong
            .map(|(from, named, to)| format!("{} -> {}", self.place(from, named), self.files[to].path.display()))
            .collect()
    }

    /// The circles between files, each as the files in it. That a parent declares its children and passes on what is theirs
    /// is no use of them.
    fn circles(&self) -> Vec<Vec<String>> {
        let mut edges: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (from, named, to) in self.uses() {
            let is_parent = self.files[to].module.starts_with(&self.files[from].module);
            if !(named.is_passed_on && is_parent) {
                edges.entry(from).or_default().insert(to);
            }
        }
        let reached: Vec<BTreeSet<usize>> = (0..self.files.len()).map(|from| reachable(&edges, from)).collect();
        let circle = |at: usize| {
            let others = reached[at].iter().copied().filter(|&other| reached[other].contains(&at));
            others.collect::<BTreeSet<usize>>()
        };
        let circles: BTreeSet<BTreeSet<usize>> =
            (0..self.files.len()).map(circle).filter(|all| !all.is_empty()).collect();
        let names =
            |circle: &BTreeSet<usize>| circle.iter().map(|&at| self.files[at].path.display().to_string()).collect();
        circles.iter().map(names).collect()
    }
    /// What is the operating system's, anywhere but in a platform's own folder; sysinfo may be named by the portable list.
    fn system_interfaces(&self) -> Vec<String> {
        let mut found = Vec::new();
        let is_shared = |(_, file): &(usize, &File)| file.platform().is_none();
        for (at, file) in self.files.iter().enumerate().filter(is_shared) {
            let is_system = |named: &&Named| {
                let first = named.segments[0].as_str();
                let is_allowed = first == "sysinfo" && file.module == ["platform", "portable"];
                let is_std = named.segments.starts_with(&["std".to_owned(), "os".to_owned()]);
                is_std || (OF_SYSTEMS.contains(&first) && !is_allowed)
            };
            found.extend(file.named.iter().filter(is_system).map(|named| self.place(at, named)));
            // A path, and no sentence about one.
            let is_path = |text: &str| {
                let text = text.trim_start_matches(['b', 'c', 'r', '#', '"']);
                (text.starts_with("/proc") || text.starts_with("/sys")) && !text.contains(' ')
            };
            let paths = file.texts.iter().filter(|(text, _)| is_path(text));
            found.extend(paths.map(|(text, line)| format!("src/{}:{line} {text}", file.path.display())));
        }
        found
    }

    /// Those among the dependencies that are used by no module or by several.
    fn without_one_owner(&self, dependencies: impl Iterator<Item = String>) -> Vec<String> {
        let owners = |name: &String| {
            let uses = |file: &&File| file.named.iter().any(|named| named.segments[0] == *name);
            self.files.iter().filter(uses).map(File::top).collect::<BTreeSet<_>>()
        };
        let found = dependencies.filter(|name| !EVERYBODYS.contains(&name.as_str())).filter_map(|name| {
            let owners = owners(&name);
            (owners.len() != 1).then(|| format!("{name}: {owners:?}"))
        });
        found.collect()
    }

    /// Types that are called alike, but for each module's own `Error`.
    fn types_of_one_name(&self) -> Vec<String> {
        let mut files: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
        for file in &self.files {
            for name in file.types.iter().filter(|name| *name != "Error") {
                files.entry(name).or_default().push(file);
            }
        }
        let are_apart = |one: &File, other: &File| match (one.platform(), other.platform()) {
            (Some(one), Some(other)) => are_alternatives(one, other),
            _ => false,
        };
        let is_alike = |files: &[&File]| {
            let mut pairs = (0..files.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
            pairs.any(|(one, other)| !are_apart(files[one], files[other]))
        };
        let paths = |files: &[&File]| {
            let paths: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
            paths.join(", ")
        };
        let alike = files.iter().filter(|(_, files)| is_alike(files));
        alike.map(|(name, files)| format!("{name}: {}", paths(files))).collect()
    }

    /// How many `unsafe` blocks there are, by file, or by folder where the table has only that: the rows are paths below `src`.
    fn unsafe_blocks(&self, rows: &[String]) -> BTreeMap<String, usize> {
        let mut counts: BTreeMap<String, usize> = rows.iter().map(|row| (row.clone(), 0)).collect();
        for file in self.files.iter().filter(|file| file.unsafe_blocks > 0) {
            let path = file.path.display().to_string();
            let row = rows.iter().find(|row| path.starts_with(*row)).cloned().unwrap_or(path);
            *counts.entry(row).or_default() += file.unsafe_blocks;
        }
        counts
    }

    /// What one subcommand uses of another.
    fn of_other_subcommands(&self) -> Vec<String> {
        let command = |at: usize| (self.files[at].top() == "commands").then(|| self.files[at].module.get(1)).flatten();
        let is_others =
            |from: usize, to: usize| matches!((command(from), command(to)), (Some(one), Some(other)) if one != other);
        self.uses()
            .filter(|(from, _, to)| is_others(*from, *to))
            .map(|(from, named, _)| self.place(from, named))
            .collect()
    }
}

fn reachable(edges: &BTreeMap<usize, BTreeSet<usize>>, from: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(at) = waiting.pop() {
        let next = edges.get(&at).into_iter().flatten();
        waiting.extend(next.filter(|&&next| seen.insert(next)));
    }
    seen
}

/// The modules in the order of the table in `src/lib.rs`.
fn table() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let row = |line: &str| Some(line.strip_prefix("//! | [`")?.split_once("`]")?.0.to_owned());
    text.lines().filter_map(row).collect()
}

#[track_caller]
fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn every_module_stands_in_the_table() {
    let declared = &House::of_project().files.into_iter().find(|file| file.module.is_empty()).unwrap().children;
    assert_eq!(&table().into_iter().collect::<BTreeSet<_>>(), declared);
}

#[test]
fn nothing_is_used_against_the_table() {
    assert_none(
        "a module may use those above it in the table of src/lib.rs, and none below",
        &House::of_project().against(&table()),
    );
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles: Vec<String> = House::of_project().circles().iter().map(|files| files.join(", ")).collect();
    assert_none("files that use each other, directly or not", &circles);
}

#[test]
fn no_subcommand_uses_another() {
    assert_none("what two subcommands need lies below both", &House::of_project().of_other_subcommands());
}

#[test]
fn the_system_is_the_platforms() {
    assert_none(
        "system interfaces outside a platform's folder in src/platform",
        &House::of_project().system_interfaces(),
    );
}

#[test]
fn a_dependency_has_one_owner() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let of_systems = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let tables = of_systems.map(|(_, one)| &one["dependencies"]).chain([&manifest["dependencies"]]);
    let names = tables.flat_map(|table| table.as_table().unwrap().keys()).map(|name| name.replace('-', "_"));
    let found = House::of_project().without_one_owner(names);
    assert_none("a dependency is used by one module, and by one at all", &found);
}

/// Each is justified on the page, by its file or, of the other platforms, by what the folder needs it for.
#[test]
fn every_unsafe_block_is_on_the_page() {
    let page = fs::read_to_string(root().join("docs/src/threats.md")).unwrap();
    let row = |line: &str| {
        let (path, rest) = line.strip_prefix("| `src/")?.split_once("` | ")?;
        Some((path.to_owned(), rest.split_once(" | ")?.0.parse().ok()?))
    };
    let written: BTreeMap<String, usize> = page.lines().filter_map(row).collect();
    let rows: Vec<String> = written.keys().cloned().collect();
    assert_eq!(House::of_project().unsafe_blocks(&rows), written, "the table in docs/src/threats.md");
}

#[test]
fn a_type_has_a_name_of_its_own() {
    assert_none("two modules have types of one name", &House::of_project().types_of_one_name());
}

/// What the tests above look for is found where it is.
mod the_checks {
    use super::*;

    fn house(files: &[(&str, &str)]) -> House {
        let file = |(module, text): &(&str, &str)| {
            let module: Vec<String> = module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            File { path: PathBuf::from(module.join("/")), module, ..parse(text) }
        };
        House::new(files.iter().map(file).collect())
    }

    fn rows(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_use_against_the_table_is_found_however_it_is_written() {
        let uses = [
            "use crate::b::X;",
            "use crate::{c::Y, b::{self, X}};",
            "fn f() { crate::b::x() }",
            "fn f() { vec![super::b::x()] }",
            "use super::b as other;",
            "use crate::c::X;",
        ];
        for text in uses {
            let house = house(&[("", "mod a; mod b; mod c;"), ("a", text), ("b", ""), ("c", "pub use crate::b::X;")]);
            assert!(!house.against(&rows(&["c", "a", "b"])).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_no_use_is_not_taken_for_one() {
        let others = [
            "/// See [`crate::b::X`].\nfn f() {}",
            "#[cfg(test)]\nmod tests { use crate::b::X; }",
            "#[cfg(any(test, fuzzing))]\nmod tests { use crate::b::X; }",
            "#[cfg(all(unix, any(test, fuzzing)))]\nmod tests { use crate::b::X; }",
            "const TEXT: &str = \"crate::b::X\";",
            "// use crate::b::X;",
            "pub(crate) fn f() {}",
            "pub(in crate::b) fn f() {}",
        ];
        for text in others {
            let house = house(&[("", "mod a; mod b;"), ("a", text), ("b", "")]);
            assert_eq!(house.against(&rows(&["a", "b"])), [""; 0], "{text}");
        }
    }

    #[test]
    fn an_import_stands_for_its_path() {
        let house = house(&[
            ("", "mod a; mod commands;"),
            ("a", "pub struct A;"),
            ("commands", "mod one; mod two;"),
            ("commands::one", "use crate::commands; fn f() { commands::two::run() }"),
            ("commands::two", "fn f() -> impl Fn() + use<> { || () } use super::one;"),
        ]);
        assert_eq!(house.of_other_subcommands().len(), 2, "{:?}", house.of_other_subcommands());
        assert_eq!(house.circles().len(), 1);
    }

    #[test]
    fn a_system_interface_is_found_outside_the_platform_alone() {
        let text =
            "use std::os::fd::AsFd; fn f() { nix::unistd::getpid(); let _ = [\"/proc/self\", \"/proc is hidden\"]; }";
        let count = |module: &str| house(&[("", ""), (module, text)]).system_interfaces().len();
        assert_eq!([count("a"), count("platform"), count("platform::a"), count("platform::linux::a")], [3, 3, 3, 0]);
    }

    #[test]
    fn a_dependency_with_two_owners_or_none_is_found() {
        let house = house(&[("", ""), ("a", "use x::X; use y::Y;"), ("b", "fn f() { x::x() }")]);
        let names = ["x", "y", "z"].map(str::to_owned);
        assert_eq!(house.without_one_owner(names.into_iter()).len(), 2);
    }

    #[test]
    fn unsafe_blocks_are_counted_and_nothing_else() {
        let text = "unsafe fn f() {} #[unsafe(no_mangle)] fn g() { unsafe { f() }; let h = || unsafe { f() }; } \
                    unsafe extern \"C\" {} #[cfg(test)] mod tests { fn t() { unsafe { f() } } }";
        let house = house(&[("", "mod a; mod b;"), ("a", text), ("b", "fn f() { unsafe { g() } }")]);
        let counts =
            |rows: &[&str]| house.unsafe_blocks(&super::the_checks::rows(rows)).into_values().collect::<Vec<_>>();
        assert_eq!((counts(&["a", "b"]), counts(&["b"]), counts(&["c"])), (vec![2, 1], vec![2, 1], vec![2, 1, 0]));
    }

    #[test]
    fn types_of_one_name_are_found() {
        let two = house(&[("", ""), ("a", "struct X; enum Error {}"), ("b", "enum X {} struct Error;")]);
        assert_eq!(two.types_of_one_name(), ["X: a, b"]);
        let pair = |one: &str, other: &str| {
            house(&[("", ""), (one, "struct X;"), (other, "struct X;")]).types_of_one_name().len()
        };
        assert_eq!(pair("platform::linux::a", "platform::macos::a"), 0);
        assert_eq!(pair("platform::unix::a", "platform::windows::a"), 0);
        assert_eq!(pair("platform::linux::a", "platform::unix::a"), 1);
        assert_eq!(pair("platform::linux::a", "platform::linux::b"), 1);
        assert_eq!(pair("platform::linux::a", "a"), 1);
    }

    #[test]
    fn a_circle_is_found_and_a_parent_that_passes_on_is_none() {
        let circle = house(&[("", "mod a; mod b;"), ("a", "use crate::b::X;"), ("b", "use super::a::Y;")]);
        assert_eq!(circle.circles().len(), 1);
        let parent = house(&[("", "mod a;"), ("a", "mod one; use one::f;"), ("a::one", "use super::T;")]);
        assert_eq!(parent.circles().len(), 1, "a parent that uses its child, which uses it");
        let passing = house(&[
            ("", "mod a;"),
            ("a", "mod one; mod two; pub use one::T;"),
            ("a::one", ""),
            ("a::two", "use super::T;"),
        ]);
        assert_eq!(passing.circles(), [[""; 0]; 0]);
    }
}
