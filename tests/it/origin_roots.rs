//! Origins by cgroup, and the same path in another root: containers and units, shown to solobot without their managers.

use crate::harness::{Test, alive, alone, wait_until};
use crate::origins::origin;
use crate::scenes::{instances, launch, script, with};

/// Shows the process another cgroup, as a container's runtime would: /proc is ours alone here.
#[track_caller]
pub fn pretend_cgroup(test: &Test, pid: i32, cgroup: &str) {
    let name = format!("cgroup.{pid}");
    test.write(&name, format!("0::{cgroup}\n"));
    test.run(&format!("mount --bind {} /proc/{pid}/cgroup", test.name(&name))).code(0);
}

#[test]
fn containers_by_their_cgroup() {
    alone(|test| {
        test.bot("bot.py");
        let id = "0123456789abcdef".repeat(4);
        let (_launcher, bot) = launch(test, "setsid python3 bot.py", "");
        for (cgroup, stop) in [
            (format!("/system.slice/docker-{id}.scope"), "docker stop 0123456789ab"),
            (format!("/docker/{id}"), "docker stop 0123456789ab"),
            (format!("/machine.slice/libpod-{id}.scope/container"), "podman stop 0123456789ab"),
        ] {
            pretend_cgroup(test, bot, &cgroup);
            let seen = origin(test, "-m bot.py", bot);
            assert_eq!((&seen["kind"], &seen["stop"]), (&"container".into(), &stop.into()), "{cgroup}: {seen}");
            assert_eq!(seen["respawns"], "unknown", "a restart policy cannot be seen");
            test.solobot("stop -m bot.py").run().code(1).stdout_has(&["blocked", stop]);
            assert!(alive(bot));
        }
    });
}

#[test]
fn a_unit_by_its_cgroup_is_taken_for_a_respawner() {
    alone(|test| {
        test.bot("bot.py");
        let (_launcher, bot) = launch(test, "setsid python3 bot.py", "");
        pretend_cgroup(test, bot, "/system.slice/tgbot.service");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["name"]), (&"systemd".into(), &"tgbot.service".into()), "{seen}");
        test.solobot("stop -m bot.py").run().code(1).stdout_has(&["blocked", "systemctl stop tgbot.service"]);
        assert!(alive(bot));
        // What systemd says of it, in the words of systemctl(1).
        script(
            test,
            "systemctl",
            "#!/bin/sh\n[ \"$1\" = show ] || exit 1\nprintf 'Restart=always\\nActiveState=active\\nNRestarts=7\\n'\n",
        );
        let held = test.start("flock bot.lock python3 bot.py");
        wait_until("both run", || instances(test, "-m bot.py").len() == 2);
        let path = format!("{}:{}", test.dir().display(), std::env::var("PATH").unwrap());
        // doctor does not wait long for systemctl: on a busy machine one more look may be needed.
        wait_until("doctor tells what systemctl says", || {
            let output = test.solobot("doctor --json -m bot.py -l bot.lock").env("PATH", &path).run();
            let _ = output.stderr();
            let seen = output.code(1).json();
            let found = seen["findings"].as_array().unwrap().iter().find(|one| one["code"] == "respawner").unwrap();
            found["evidence"].to_string().contains("systemd tgbot.service has started it again 7 times so far")
        });
        held.kill();
    });
}

#[test]
fn the_same_path_in_another_root_is_only_probable() {
    alone(|test| {
        test.bot("bot.py");
        let mine = test.by_hand("bot.py", "--pid-file mine.pid");
        test.wait_for_pid("mine.pid");
        // A container: a root of its own, with everything of ours but the bot's folder: there lies another bot under the same path.
        test.mount("tmpfs", "mode=755,size=16m", "/mnt");
        let work = test.dir().display();
        let there = format!(
            "for entry in /*; do\n\
               case $entry in /mnt|/proc|/sys|/dev) continue ;; esac\n\
               if [ -L $entry ]; then cp -P $entry /mnt; elif [ -d $entry ]; then mkdir /mnt$entry; mount --rbind $entry /mnt$entry; fi\n\
             done\n\
             mkdir /mnt/dev; touch /mnt/dev/null; mount --bind /dev/null /mnt/dev/null\n\
             mount -t tmpfs none /mnt{work}; cp {work}/bot.py /mnt{work}/"
        );
        test.start_command({
            let mut command = test.command("sh -ec");
            command.arg(&there);
            command
        })
        .finish()
        .code(0);
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let enter =
            format!("mkdir /mnt/old; cd /mnt; pivot_root . old; cd {work}; exec {python} bot.py --pid-file theirs.pid");
        let mut theirs = test.command("unshare -m sh -ec");
        theirs.arg(enter);
        let theirs = test.start_command(theirs);
        wait_until("the other one runs", || {
            std::fs::read_to_string(format!("/mnt{work}/theirs.pid")).is_ok_and(|text| !text.is_empty())
        });
        let all = instances(test, "-m bot.py");
        let confidence = |pid| all.iter().find(|one| one["pid"] == pid).map(|one| one["confidence"].clone());
        assert_eq!(confidence(mine.pid()), Some("file".into()), "{all:#?}");
        assert_eq!(confidence(theirs.pid()), Some("probable".into()), "{all:#?}");
        let answer = test.solobot("stop --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [mine.pid()], "{answer}");
        assert!(alive(theirs.pid()));
    });
}
