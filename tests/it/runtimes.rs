//! One instance, however the bot's runtime and what is around it are typed.

use std::fs;

use crate::harness::{Test, alive, alone, children, installed, wait_until};
use crate::scenes::{only, script, with};

const JS: &str = "require('fs').writeFileSync(process.env.PID_FILE + '.tmp', String(process.pid));\n\
    require('fs').renameSync(process.env.PID_FILE + '.tmp', process.env.PID_FILE);\nsetInterval(() => {}, 60_000);\n";
const PHP: &str = "#!/usr/bin/env php\n<?php\nfile_put_contents(getenv('PID_FILE'), getmypid());\nsleep(6000);\n";
/// As tsx does: it starts Node with a loader of its own, and stays.
const TSX: &str = "import { spawn } from 'node:child_process';\n\
    spawn(process.execPath, ['--import', 'data:text/javascript,', ...process.argv.slice(2)], { stdio: 'inherit' });\n";

fn files(test: &Test) {
    for folder in ["js/node_modules/tsx/dist", "js/node_modules/.bin", "php", "py"] {
        fs::create_dir_all(test.path(folder)).unwrap();
    }
    test.bot("py/main.py");
    for (name, text) in [("js/bot.ts", JS), ("js/bot.cjs", JS), ("php/artisan", PHP)] {
        test.write(name, text);
    }
    let bun = installed("npm/node_modules/.bin/bun");
    test.write("js/package.json", format!(r#"{{"scripts": {{"start": "{bun} bot.ts", "cjs": "node bot.cjs"}}}}"#));
    test.write("js/node_modules/tsx/dist/cli.mjs", TSX);
    script(test, "js/node_modules/.bin/tsx", "#!/bin/sh\nexec node \"${0%/.bin/tsx}/tsx/dist/cli.mjs\" \"$@\"\n");
}

#[test]
fn each_is_one_instance_that_can_be_stopped() {
    alone(|test| {
        files(test);
        let bun = installed("npm/node_modules/.bin/bun");
        let uv = installed("venv/bin/uv");
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let uv = format!("{uv} run --quiet --offline --no-project --no-config --python {python}");
        let by_file = "--pid-file $PID_FILE";
        for (folder, file, line) in [
            ("js", "bot.ts", format!("{bun} bot.ts")),
            ("js", "bot.ts", format!("{bun} run bot.ts")),
            ("js", "bot.ts", format!("{bun} --smol run ./bot.ts")),
            ("js", "bot.ts", format!("{bun} run start")),
            ("js", "bot.cjs", "node bot.cjs".to_owned()),
            ("js", "bot.cjs", "node --max-old-space-size=200 ./bot.cjs run".to_owned()),
            ("js", "bot.cjs", "node_modules/.bin/tsx bot.cjs".to_owned()),
            ("js", "bot.cjs", "npm run --silent cjs".to_owned()),
            ("php", "artisan", "php artisan telegram:poll".to_owned()),
            ("php", "artisan", "php -d memory_limit=64M artisan telegram:poll -v".to_owned()),
            ("php", "artisan", "chmod +x artisan && ./artisan telegram:poll".to_owned()),
            ("py", "main.py", format!("{uv} main.py {by_file}")),
            ("py", "main.py", format!("{uv} python -m main {by_file}")),
            ("py", "main.py", format!("python3 -X dev -W ignore main.py {by_file}")),
            ("py", "main.py", format!("python3 -um main {by_file}")),
            ("py", "main.py", format!("cd / && python3 $OLDPWD/main.py {by_file}")),
            ("py", "main.py", format!("env PYTHONUNBUFFERED=1 nice nohup stdbuf -oL python3 main.py {by_file}")),
        ] {
            let pid_file = test.name("runtime.pid");
            let mut command = test.command("bash -c");
            command.arg(format!("{line}; true")).current_dir(test.path(folder)).env("PID_FILE", &pid_file);
            command.env("npm_config_update_notifier", "false");
            let mut launcher = test.start_command(command);
            let bot = test.wait_for_pid("runtime.pid");
            let seen = only(test, &format!("-m {folder}/{file}"), bot);
            assert_ne!(seen["confidence"], "probable", "{line}: {seen}");
            let stopped =
                test.solobot(&format!("stop --json --include-managed -m {folder}/{file}")).run().code(0).json();
            assert_eq!(with(&stopped, "results", "terminated"), [bot], "{line}: {stopped}");
            assert!(!alive(bot), "{line}");
            wait_until(&format!("`{line}` has ended"), || launcher.has_ended());
            let _ = launcher.finish().settled();
            fs::remove_file(&pid_file).unwrap();
        }
    });
}

/// The application is the program, whichever server loads it.
#[test]
fn a_server_that_loads_the_app() {
    alone(|test| {
        test.write("web.py", "def application(environ, start):\n    start('200 OK', [])\n    return [b'']\n");
        let gunicorn = installed("venv-web/bin/gunicorn");
        let with_setproctitle = installed("venv-web/bin/python3");
        let uvicorn = installed("venv/bin/uvicorn");
        for line in [
            format!("{gunicorn} -w 2 -b 127.0.0.1:0 --log-level critical web:application"),
            format!("{with_setproctitle} -m gunicorn -w 2 -b 127.0.0.1:0 --log-level critical web:application"),
            format!("{uvicorn} --port 0 --log-level critical --interface wsgi web:application"),
        ] {
            let server = test.start(&line);
            wait_until("it is there", || line.contains("uvicorn") || children(server.pid()).len() == 2);
            let seen = only(test, "-m ./web.py", server.pid());
            assert_ne!(seen["confidence"], "probable", "{line}: {seen}");
            // Whatever its title hides, the same application is not started twice.
            let second = test.solobot(&format!("acquire -n -- {line}")).run();
            second.code(75).stderr_has(&[&server.pid().to_string()]);
            server.kill();
        }
    });
}
