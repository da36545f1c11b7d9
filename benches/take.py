"""Take a free lock, run `true`, release the lock."""

import shutil

from bench import LIMIT, OURS, Code, Contender, contender, run, take_turns, timing_table

TITLE = "Take and release a free lock"
# On a small server there are about so many others.
CROWD = 150

FILELOCK = """\
import subprocess, sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    subprocess.run(["true"], check=True)
"""


def measure(bench):
    tools = bench.tools
    true = shutil.which("true")

    def by(name, needs, *words, typed=None, **more):
        command = typed or " ".join([needs, *words])
        return contender(tools, name, needs, command, lambda: run([tools.path(needs), *words]), **more)

    def ours(name, build, goal, *options):
        words = ["acquire", "-n", *options, "--", "true"]
        return by(name, build, *words, typed=" ".join(["solobot", *words]), kind=OURS, goal=goal)

    def python(name, tool):
        return by(name, tool, "-c", FILELOCK, "filelock.lock", typed="python3 take_filelock.py filelock.lock", every=20)

    limit = Contender("`true` alone: start and end of a process", "true", lambda: run([true]), LIMIT)
    forks = [
        ours("solobot, usual build", "usual", 1.3),
        ours("solobot, static build", "static", 0.95),
        by("flock -n", "flock", "-n", "flock.lock", "true"),
        python("filelock 3.13.1", "filelock-old"),
        python("filelock, newest", "filelock"),
    ]
    becomes = [
        ours("solobot -F, usual build", "usual", 1.1, "-F"),
        ours("solobot -F, static build", "static", 0.8, "-F"),
        by("flock -F -n", "flock", "-F", "-n", "flock.lock", "true"),
        by("chpst -L", "chpst", "-L", "chpst.lock", "true"),
        by("s6-setlock -n", "s6-setlock", "-n", "s6.lock", "true"),
        by("setlock -n", "setlock", "-n", "setlock.lock", "true"),
    ]
    taken = take_turns([*forks, *becomes, limit], bench.count(2000, 200), warm=5)
    yield timing_table(
        "A parent waits for COMMAND",
        [*forks, limit],
        taken,
        "flock -n",
        ["filelock has no command: the script is what one writes instead, and the start of Python is in it."],
    )
    notes = ["chpst, s6-setlock and setlock always become COMMAND. s6-setlock takes a lock of fcntl, which excludes no flock."]
    yield timing_table("The locker becomes COMMAND", [*becomes, limit], taken, "flock -F -n", notes)
    yield Code("take_filelock.py", FILELOCK)
