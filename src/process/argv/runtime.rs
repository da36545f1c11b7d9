//! The command lines of Node, Bun, Deno, Ruby, PHP, Java and of interpreters whose first operand is the script.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::reading::{Invocation, ParsedArgv, Runner, Target};
use super::words::{base, os};
use super::wrapper;

/// How one runtime reads its options.
struct Rules {
    /// Options whose value is the next argument.
    takes_next: &'static [&'static str],
    /// Options whose value is code.
    inline: &'static [&'static str],
    /// Options whose value is the script.
    script: &'static [&'static str],
    /// Words before the script that are no script.
    subcommands: &'static [&'static str],
}

const NODE: Rules = Rules {
    takes_next: &[
        "-r",
        "--require",
        "--import",
        "--loader",
        "--experimental-loader",
        "-C",
        "--conditions",
        "--env-file",
        "--env-file-if-exists",
        "--title",
        "--input-type",
        "--watch-path",
        "--inspect-port",
        "--icu-data-dir",
        "--openssl-config",
        "--redirect-warnings",
        "--diagnostic-dir",
        "--stack-trace-limit",
        "--unhandled-rejections",
        "--dns-result-order",
        "--experimental-default-type",
        "--cpu-prof-dir",
        "--cpu-prof-name",
        "--heapsnapshot-signal",
        "--max-http-header-size",
        "--secure-heap",
        "--tls-cipher-list",
        "--watch-kill-signal",
    ],
    inline: &["-e", "--eval", "-p", "--print", "-pe"],
    script: &[],
    subcommands: &["inspect"],
};
const BUN: Rules = Rules {
    takes_next: &[
        "-r",
        "--preload",
        "--require",
        "--import",
        "-c",
        "--config",
        "--cwd",
        "--env-file",
        "-d",
        "--define",
        "--tsconfig-override",
        "--port",
        "-l",
        "--loader",
    ],
    inline: &["-e", "--eval", "-p", "--print"],
    script: &[],
    subcommands: &["run"],
};
const DENO: Rules = Rules {
    takes_next: &[
        "-c",
        "--config",
        "--import-map",
        "--location",
        "--seed",
        "-L",
        "--log-level",
        "--cert",
        "--lock",
        "--v8-flags",
    ],
    inline: &["eval"],
    script: &[],
    subcommands: &["run", "serve"],
};
const RUBY: Rules = Rules {
    takes_next: &[
        "-I",
        "-r",
        "-C",
        "-E",
        "-F",
        "--encoding",
        "--external-encoding",
        "--internal-encoding",
        "--enable",
        "--disable",
    ],
    inline: &["-e"],
    script: &[],
    subcommands: &[],
};
const PHP: Rules = Rules {
    takes_next: &["-d", "--define", "-c", "--php-ini", "-z", "--zend-extension", "-S", "--server", "-t", "--docroot"],
    inline: &["-r", "--run", "-R", "--process-code", "-B", "-E"],
    script: &["-f", "--file", "-F", "--process-file"],
    subcommands: &[],
};
const JAVA: Rules = Rules {
    takes_next: &[
        "-cp",
        "-classpath",
        "--class-path",
        "-p",
        "--module-path",
        "--add-modules",
        "--add-opens",
        "--add-exports",
        "--add-reads",
        "--patch-module",
        "--upgrade-module-path",
        "--limit-modules",
    ],
    inline: &[],
    script: &["-jar"],
    subcommands: &[],
};
const GENERIC: Rules = Rules { takes_next: &["-I"], inline: &["-e", "-E"], script: &[], subcommands: &["exec", "run"] };

/// Reads what follows the runtime.
pub fn read(runner: Runner, args: &[OsString]) -> ParsedArgv {
    let rules = match runner {
        Runner::Bun => &BUN,
        Runner::Deno => &DENO,
        Runner::Ruby => &RUBY,
        Runner::Php => &PHP,
        Runner::Java => &JAVA,
        Runner::Generic => &GENERIC,
        Runner::Node | Runner::Python | Runner::Shell | Runner::Native => &NODE,
    };
    let runs = |target, args: &[OsString]| ParsedArgv::Runs(Invocation { runner, target, args: args.to_vec() });
    let has = |list: &[&str], word: &OsStr| list.iter().any(|entry| OsStr::new(entry) == word);
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        let rest = &args[at + 1..];
        if has(rules.inline, arg) {
            let code = rest.first().map(|code| code.to_string_lossy().into_owned()).unwrap_or_default();
            return runs(Target::Inline(code), rest.get(1..).unwrap_or_default());
        } else if has(rules.script, arg) || arg == "--" {
            at += 1;
            break;
        } else if has(rules.takes_next, arg) {
            at += 2;
        } else if arg.as_encoded_bytes().starts_with(b"-") && arg.len() > 1 {
            if let Some(script) = attached(rules.script, arg) {
                return runs(Target::Script(PathBuf::from(script)), rest);
            }
            at += 1;
        } else if runner == Runner::Bun && arg == "x" {
            return wrapper::read_named("bunx", rest).map_or_else(|| runs(Target::Stdin, &[]), ParsedArgv::Wraps);
        } else if has(rules.subcommands, arg) && !rest.is_empty() {
            at += 1;
        } else {
            break;
        }
    }
    let Some((script, rest)) = args.get(at..).and_then(<[OsString]>::split_first) else {
        return runs(Target::Stdin, &[]);
    };
    if script == "-" {
        return runs(Target::Stdin, rest);
    }
    match child_of(runner, script, rest) {
        Some(wrapped) => wrapped,
        None => runs(Target::Script(PathBuf::from(script)), rest),
    }
}

/// `--file=bot.php`.
fn attached(options: &[&str], arg: &OsStr) -> Option<OsString> {
    options
        .iter()
        .filter(|option| option.starts_with("--"))
        .find_map(|option| arg.as_encoded_bytes().strip_prefix(option.as_bytes())?.strip_prefix(b"=").map(os))
}

/// Scripts that only start another program: `node /usr/bin/npm start`, `ruby /usr/bin/bundle exec bot.rb`.
fn child_of(runner: Runner, script: &OsStr, rest: &[OsString]) -> Option<ParsedArgv> {
    let name = base(script).to_str()?;
    let path = script.to_str().unwrap_or_default();
    // npm's own file names, and those below `node_modules/tsx/dist`.
    let name = match name {
        "npm-cli.js" => "npm",
        "npx-cli.js" => "npx",
        "yarn.js" => "yarn",
        "pnpm.cjs" => "pnpm",
        "nodemon.js" => "nodemon",
        "cli.mjs" | "cli.cjs" if path.contains("/tsx/") => "tsx",
        name => name,
    };
    let known = match runner {
        Runner::Node | Runner::Bun => wrapper::NODE_TOOLS.contains(&name),
        Runner::Ruby => matches!(name, "bundle" | "foreman"),
        _ => false,
    };
    known.then(|| wrapper::read_named(name, rest).map(ParsedArgv::Wraps))?
}
