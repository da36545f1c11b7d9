//! The wheel: pip and uv install it without a network, it runs, and nothing is left of it when it is removed.

use std::fs;

use crate::harness::{alone, installed};
use crate::packages::{files_below, made};

/// The folder of the wheel, and what `solobot --version` says.
fn wheels() -> (String, String) {
    let folder = made(".whl").parent().unwrap().to_str().unwrap().to_owned();
    (folder, format!("solobot {}\n", env!("CARGO_PKG_VERSION")))
}

#[test]
fn pip_puts_the_wheel_in_and_out() {
    alone(|test| {
        let (folder, version) = wheels();
        test.run("python3 -m venv venv").code(0);
        let before = files_below(&test.path("venv"));
        let pip = "venv/bin/python -B -m pip --disable-pip-version-check --no-cache-dir";
        let install = format!("{pip} install --quiet --no-compile --no-index --find-links {folder} solobot-cli");
        test.run(&install).code(0).stdout_is("");
        let program = test.path("venv/bin/solobot");
        assert!(fs::read(&program).unwrap().starts_with(b"\x7fELF"), "the program itself, no script before it");
        test.run("venv/bin/solobot --version").code(0).stdout_is(&version);
        for name in [
            "bash-completion/completions/solobot",
            "fish/vendor_completions.d/solobot.fish",
            "man/man1/solobot-acquire.1",
            "man/man5/solobot.toml.5",
            "zsh/site-functions/_solobot",
        ] {
            assert!(test.has(&format!("venv/share/{name}")), "no {name}");
        }
        // Nothing that Python could import: the wheel is not code for it.
        test.run("venv/bin/python -B -c 'import solobot_cli'").code(1).stderr_has(&["ModuleNotFoundError"]);
        test.run(&format!("{pip} uninstall --quiet --yes solobot-cli")).code(0).stdout_is("");
        assert_eq!(files_below(&test.path("venv")), before, "nothing is left");
    });
}

/// Any C library that Python knows, on the processor it was built for and on no other.
#[test]
fn the_wheel_fits_old_hosts_and_alpine() {
    alone(|test| {
        let (folder, _) = wheels();
        let pip = format!("{} -m pip --disable-pip-version-check --no-cache-dir", installed("venv/bin/python"));
        let fits = |platform: &str| {
            let options = "--quiet --no-index --no-deps --only-binary=:all: --dest got";
            test.run(&format!("{pip} download {options} --platform {platform} --find-links {folder} solobot-cli"))
                .stderr_has(&[])
        };
        for libc in ["manylinux2014", "manylinux_2_17", "musllinux_1_2"] {
            fits(&format!("{libc}_{}", std::env::consts::ARCH)).code(0);
        }
        fits("manylinux2014_ppc64le").code(1);
    });
}

/// What the documentation says to type, with the folder in the place of the registry.
#[test]
fn uv_runs_it_by_its_full_name() {
    alone(|test| {
        let (folder, version) = wheels();
        let from = format!("--offline --no-index --find-links {folder} --python {}", installed("venv/bin/python"));
        let uv = |line: &str| {
            let mut command = test.command(&format!("{} {line}", installed("venv/bin/uv")));
            for (name, below) in [("UV_CACHE_DIR", "cache"), ("UV_TOOL_DIR", "tools"), ("UV_TOOL_BIN_DIR", "bin")] {
                command.env(name, test.path(below));
            }
            command.env("UV_LINK_MODE", "copy");
            test.start_command(command).finish()
        };
        uv(&format!("tool run --quiet {from} --from solobot-cli solobot --version"))
            .code(0)
            .stdout_is(&version)
            .stderr_has(&[]);
        uv(&format!("tool install --quiet {from} solobot-cli")).code(0).stdout_is("").stderr_has(&[]);
        test.run("bin/solobot --version").code(0).stdout_is(&version);
        uv("tool uninstall --quiet solobot-cli").code(0).stdout_is("").stderr_has(&[]);
        assert_eq!(files_below(&test.path("bin")), Vec::<String>::new(), "nothing is left");
    });
}
