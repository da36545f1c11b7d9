"""The screens of situations that operators meet, on terminals of three widths, with and without colour.

    python3 docs/situations.py [--check]

Makes each situation with real processes, in namespaces of its own, and shows it on a real terminal. Writes one file for
each situation into docs/situations. With --check it changes nothing, and exits with 1 and the difference if a screen has
changed. Either way every line must fit its terminal, no word may be cut, and every hint must run: it is typed in a fresh
situation.

Needs root or user namespaces, and runit. PIDs, times and ages are replaced by others of the same width. SOLOBOT=PATH says
which solobot.
"""

import contextlib
import concurrent.futures
import difflib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time

WIDTHS = (100, 80, 40)
LIMIT = 60
# What a hint ends with: done, a no, nothing to be found on this host; or, of one that waits, that it still does.
RUNS = {0, 1, 3, 69, 75, 77, "waits"}
# What stands in blocks and not in tables, or in the other way around.
LABELS = {"PID", "user", "from", "origin", "lock", "polling", "hint:", "\\", "memory", "cpu"}

BOT = """import signal, socket
server = socket.create_connection(("127.0.0.1", 8081))
signal.pause()
"""
TOML = """[defaults]
api_url = "http://127.0.0.1:8081"

[bots.main]
script = "{script}"
"""
SERVER = """import socket
server = socket.create_server(("127.0.0.1", 8081))
kept = [server.accept() for _ in range(99)]"""


# ------------------------------------------------------------------------------------------------ in the namespaces


def until(what, condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not within {LIMIT} s: {what}")
        time.sleep(0.02)


def start(line, folder, user=None):
    """Starts a command line in the background; returns its process."""
    as_user = [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(as_user + shlex.split(line), cwd=folder, start_new_session=True, **quiet)


def is_held(lock):
    return subprocess.run(["flock", "-n", lock, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0


def text_of(path):
    return path.read_text() if path.exists() else ""


class Place:
    """A world with a bot's folder, /srv/bot."""

    def __init__(self, solobot):
        subprocess.run(["mount", "-t", "tmpfs", "none", "/srv"], check=True)
        subprocess.run(["hostname", "web1"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        os.makedirs("/srv/bin")
        os.symlink(solobot, "/srv/bin/solobot")
        os.symlink(os.path.realpath(sys.executable), "/srv/bin/python3")
        # Five digits each, so that every run prints numbers of one width.
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text("20400")
        self.folder = pathlib.Path("/srv/bot")
        start(f"python3 -c {shlex.quote(SERVER)}", "/")

        def answers():
            return subprocess.run(["bash", "-c", "true >/dev/tcp/127.0.0.1/8081"], stderr=subprocess.DEVNULL, check=False).returncode == 0

        until("the server answers", answers)

    def bot(self, folder="/srv/bot", script="main.py"):
        path = pathlib.Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / "main.py").write_text(BOT)
        pathlib.Path("/srv/bot").mkdir(exist_ok=True)
        pathlib.Path("/srv/bot/solobot.toml").write_text(TOML.format(script=script))

    def acquire(self, line="solobot acquire -- python3 main.py", folder="/srv/bot", lock="/srv/bot/.solobot.lock"):
        """Runs the bot under its lock; returns solobot's PID and the bot's."""
        start(line, folder)
        until("the lock is held", lambda: is_held(lock))
        info = pathlib.Path(lock + ".info")
        until("the owner record is there", lambda: text_of(info).strip().endswith("}"))
        until("the record names the bot", lambda: (record := json.loads(text_of(info)))["pid"] != record["holder_pid"])
        record = json.loads(info.read_text())
        until("the bot is connected", lambda: connected(record["pid"]))
        return record["holder_pid"], record["pid"]

    def by_hand(self, folder="/srv/bot"):
        bot = start("python3 main.py", folder)
        until("the bot is connected", lambda: connected(bot.pid))


def children(pid):
    return map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def connected(pid):
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return any(link.startswith("socket:") for link in links)


def nothing(place):
    place.bot()
    return ["solobot status", "solobot check", "solobot stop"]


def one(place):
    place.bot()
    place.acquire()
    return ["solobot status", "solobot check", "solobot check --running", "solobot doctor"]


def two(place):
    place.bot()
    place.acquire()
    place.by_hand()
    return ["solobot status", "solobot check", "solobot kill-duplicates --dry-run"]


def orphan(place):
    place.bot()
    solobot, _ = place.acquire()
    os.kill(solobot, signal.SIGKILL)
    until("solobot is dead", lambda: not os.path.exists(f"/proc/{solobot}") or is_zombie(solobot))
    return ["solobot status", "solobot check", "solobot acquire -n -- python3 main.py"]


def is_zombie(pid):
    return ") Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()


def waiting(place):
    place.bot()
    place.acquire()
    return ["solobot acquire --wait 2 -- python3 main.py"]


def refused(place):
    place.bot()
    place.acquire()
    return ["solobot acquire -n -- python3 main.py", "solobot release", "solobot clean-stale"]


def managed(place):
    place.bot()
    service = pathlib.Path("/srv/sv/main")
    service.mkdir(parents=True)
    (service / "run").write_text("#!/bin/sh\ncd /srv/bot\nexec solobot acquire --wait forever -- python3 main.py\n")
    (service / "run").chmod(0o755)
    place.acquire("runsv /srv/sv/main")
    return ["solobot status", "solobot acquire -n -- python3 main.py", "solobot stop -y"]


def blind(place):
    place.bot()
    place.acquire()
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups "
    return [(nobody, "solobot status"), (nobody, "solobot check"), (nobody, "solobot stop -y")]


def another_users(place):
    place.bot()
    lock = place.folder / ".solobot.lock"
    lock.touch(mode=0o666)
    lock.chmod(0o666)
    start(f"flock {lock} sleep 1000", "/srv", user=1)
    until("the lock is held", lambda: is_held(lock))
    return ["solobot status", "solobot acquire -n -- python3 main.py"]


def replaced(place):
    place.bot()
    lock = place.folder / ".solobot.lock"
    flock = start(f"flock {lock} python3 main.py", place.folder)
    until("the bot is connected", lambda: any(map(connected, children(flock.pid))))
    lock.unlink()
    lock.touch()
    return ["solobot status", "solobot check", "solobot acquire -n -- python3 main.py"]


def fight(place):
    place.bot()
    place.acquire()
    place.by_hand()
    log = pathlib.Path(os.environ["REPO"]) / "tests/corpus/aiogram3.other3.0.log"
    (place.folder / "bot.log").write_bytes(log.read_bytes())
    return ["solobot doctor", "solobot conflicts bot.log"]


def deploy(place):
    for release in ("1", "2"):
        place.bot(f"/srv/bot/releases/{release}", script="releases/*/main.py")
    toml = place.folder / "solobot.toml"
    toml.write_text(toml.read_text() + 'lock = "bot.lock"\n')
    place.acquire("solobot acquire main -- python3 main.py", "/srv/bot/releases/1", "/srv/bot/bot.lock")
    start("solobot acquire --wait forever main -- python3 main.py", "/srv/bot/releases/2")

    def waits():
        out = subprocess.run(["solobot", "status", "--json"], cwd=place.folder, stdout=subprocess.PIPE, check=True).stdout
        return json.loads(out)["bots"][0]["lock"]["waiters"]

    until("the new release waits", waits)
    return ["solobot status", "solobot check --wait 1s", "solobot stop --dry-run"]


SITUATIONS = {
    make.__name__.replace("_", "-"): make
    for make in (nothing, one, two, orphan, waiting, refused, managed, blind, another_users, replaced, fight, deploy)
}


def run(line, columns, colour, limit=LIMIT):
    """What a terminal of that width shows, and the exit code, or "waits" for what had to be ended."""
    environment = dict(os.environ, TERM="xterm", COLUMNS="")
    environment.pop("COLUMNS")
    if not colour:
        environment["NO_COLOR"] = "1"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        ["bash", "-c", line], cwd="/srv/bot", env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown, deadline, waits = b"", time.monotonic() + limit, False
    while True:
        if not waits and time.monotonic() > deadline:
            waits = True
            for child in children(process.pid):
                # One may end because another one did.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGTERM)
        if select.select([ours], [], [], 0.05)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        elif process.poll() is not None:
            break
    os.close(ours)
    code = process.wait()
    return shown.decode(), "waits" if waits else code


def children(pid):
    """A process and all below it."""
    found = [pid]
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(pathlib.Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            found += children(int(name))
    return found


def settled(shown):
    """What stays on the screen: a line that was redrawn is gone at the end."""
    lines = []
    for line in shown.replace("\r\n", "\n").split("\n"):
        *_, last = line.split("\r")
        last = last.rsplit("\x1b[2K", 1)[-1]
        lines.append(re.sub(r"\x1b\[\??[0-9;]*[A-HJKhlr]", "", last))
    return "\n".join(lines)


def inside(name, hint):
    place = Place(os.environ["SOLOBOT"])
    lines = SITUATIONS[name](place)
    lines = [line if isinstance(line, tuple) else ("", line) for line in lines]
    if hint is not None:
        # PIDs are others here than where the hint was read.
        here = [one for one in hints("\n".join(piped(lines))) if without_numbers(one) == without_numbers(hint)]
        if not here:
            sys.exit(f"{name}: in a fresh situation there is no hint `{hint}`")
        shown, code = run(here[0], 100, False, limit=4)
        print(json.dumps({"code": code, "shown": settled(shown)}))
        return
    time.sleep(11)  # from ten seconds on, an age is whole seconds
    screens = []
    for columns in WIDTHS:
        for colour in (False, True):
            shown = [[line, settled(run(prefix + line, columns, colour)[0])] for prefix, line in lines]
            screens.append({"columns": columns, "colour": colour, "shown": shown})
    print(json.dumps({"screens": screens, "piped": piped(lines)}))


def piped(lines):
    """What each line prints into a pipe."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "check": False}
    runs = (subprocess.run(["bash", "-c", f"{{ {prefix}{line}; }} 2>&1"], cwd="/srv/bot", **quiet) for prefix, line in lines)
    return [run.stdout.decode() for run in runs]


def without_numbers(text):
    return re.sub(r"\d+", "N", text)


# --------------------------------------------------------------------------------------------------------- outside


def alone(solobot, *arguments):
    """Runs this script in namespaces of its own."""
    user = [] if os.geteuid() == 0 else ["--map-root-user", "--map-auto"]
    keep = {"HOME": "/srv", "LC_ALL": "C.UTF-8", "TZ": "UTC", "SOLOBOT": solobot, "REPO": os.getcwd()}
    keep["PATH"] = "/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    script = os.path.realpath(__file__)
    command = ["unshare", *user, "-pfmun", "--mount-proc", "--kill-child=KILL", sys.executable, script, "--inside"]
    done = subprocess.run([*command, *arguments], env=keep, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, check=False)
    if done.returncode != 0:
        sys.exit(f"{arguments}: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout)


def redacted(text, numbers):
    text = re.sub(r"(?<![\d.])2[01]\d{3}(?![-\d.])", lambda pid: numbers.setdefault(pid[0], f"{20411 + 7 * len(numbers)}"), text)
    # What has just happened; the log of the fight has times of its own, which stay.
    days = "|".join(time.strftime("%Y-%m-%d", time.gmtime(time.time() - back)) for back in (0, 3600))
    text = re.sub(rf"({days}) \d\d:\d\d:\d\d", "2026-01-10 15:27:14", text)
    text = re.sub(r"(?<![\d.])[1-9]\ds\b", "12s", text)
    text = re.sub(r"\b\d+ processes", lambda seen: f"{'2' * (len(seen[0]) - 10)} processes", text)
    text = re.sub(r"MEM +CPU +", "MEM       CPU   ", text)
    text = re.sub(r"\b\d+\.\d MiB +\d+\.\d% +", "10.1 MiB  0.5%  ", text)
    return re.sub(r"\([^()]* ago\)", "(6 days ago)", text)


def hints(piped):
    found = []
    for line in piped.splitlines():
        if match := re.match(r"\s*(?:hint:|next:|fix:|to see more:) (.*)", line):
            text = match[1]
            at = 0 if re.match(r"(sudo|solobot|sv|kill) ", text) else text.rfind(": ") + 2
            command = text[at:].split("   # ")[0]
            if re.match(r"(sudo |solobot |sv |kill |docker |systemctl )", command):
                found.append(command)
    return found


def words(text):
    return set(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


def checked(name, made):
    """Complaints about a situation's screens."""
    complaints = []
    pipe = words("\n".join(made["piped"]))
    whole = pipe.union(*(words(shown) for screen in made["screens"] if screen["columns"] == 100 for _, shown in screen["shown"]))
    for screen in made["screens"]:
        for typed, shown in screen["shown"]:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
            for line in plain.splitlines():
                if len(line) > screen["columns"] and len(line.split()) > 1:
                    complaints.append(f"{name}, {screen['columns']} columns: too long: {line}")
            cut = {word for word in words(plain) if word not in whole | LABELS and "…" not in word}
            stems = {word for word in cut if word.rstrip(",;:.") not in {other.rstrip(",;:.") for other in whole | LABELS}}
            stems = {word for word in stems if re.search(r"[a-z]{2}", word) and screen["columns"] < 100}
            if stems:
                complaints.append(f"{name}, {screen['columns']} columns, {typed}: words that stand nowhere else: {sorted(stems)}")
    return complaints


def page(name, made):
    numbers = {}
    text = f"{name}\n"
    for screen in made["screens"]:
        kind = "coloured" if screen["colour"] else "plain"
        text += f"\n{'=' * 12} {screen['columns']} columns, {kind}\n"
        for typed, shown in screen["shown"]:
            text += f"\n$ {typed}\n{redacted(shown, numbers)}"
    text = text.replace("\x1b", "\\e")
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def main():
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    solobot = os.path.realpath(os.environ.get("SOLOBOT", f"{target}/debug/solobot"))
    folder, is_check = pathlib.Path("docs/situations"), sys.argv[1:] == ["--check"]
    # Most of the time is spent waiting until ages are whole seconds.
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        made = dict(zip(SITUATIONS, pool.map(lambda name: alone(solobot, name), SITUATIONS)))
        typed = [(name, hint) for name in made for hint in dict.fromkeys(hints("\n".join(made[name]["piped"])))]
        ran = list(pool.map(lambda one: alone(solobot, *one), typed))
    complaints = [complaint for name in made for complaint in checked(name, made[name])]
    for (name, hint), ended in zip(typed, ran):
        if ended["code"] not in RUNS:
            complaints.append(f"{name}: the hint `{hint}` does not run ({ended['code']}): {ended['shown']}")
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.txt": page(name, made[name]) for name in made}
    for path in folder.glob("*.txt"):
        if path.name not in pages:
            complaints.append(f"{path} shows no situation")
    for name, new in pages.items():
        old = text_of(folder / name)
        if old != new and is_check:
            complaints.append("".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(folder / name), "printed now")))
        elif old != new:
            (folder / name).write_text(new)
    print(f"{len(pages)} situations, {len(typed)} hints")
    if complaints:
        sys.exit("\n".join([*complaints, "to make the screens again: python3 docs/situations.py"]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    else:
        main()
