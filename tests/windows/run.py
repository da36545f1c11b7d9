"""The Windows tests: solobot.exe under wine, beside programs that lock as Python does, with Node as a bot.

    python3 tests/windows/run.py SOLOBOT NODE PEERS FOLDER [SCENE…]
    python3 tests/windows/run.py SOLOBOT NODE PEERS FOLDER --race SEED SECONDS [broken]

The second form is a part of tests/torture.sh. PEERS has locker.exe and witness.exe; the scenes work below FOLDER. The variable
WINE is wine's program, WINEPREFIX a prefix that is set up. The last line is `N passed, N failed`; the exit code is 1 if a scene failed."""

import http.server
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

from world import DEADLINE, TOKEN, Failed, Scene, expect, read, wait_until


NOBODY = "http://127.0.0.1:1"


class Bed:
    def __init__(self, solobot, node, peers, folder):
        self.solobot, self.node, self.peers, self.folder = solobot, node, peers, folder
        self.wine = [os.environ["WINE"]]
        kept = ("PATH", "HOME", "WINEPREFIX", "WINEDEBUG", "LANG", "LC_ALL")
        self.env = {name: os.environ[name] for name in kept if name in os.environ}
        self.env["NODE_SKIP_PLATFORM_CHECK"] = "1"
        # Nobody there: no scene asks Telegram itself.
        self.env["SOLOBOT_API_URL"] = NOBODY
        self.nothing = ["cmd", "/c", "exit 0"]
        # First, so that what wine starts beside its first program belongs to no scene.
        pipe, line = subprocess.PIPE, [*self.wine, self.peer("terminator")]
        self.terminator = subprocess.Popen(line, env=self.env, stdin=pipe, stdout=pipe, encoding="utf-8")
        expect(not self.terminate(1), "the terminator does not answer")

    def windows(self, path):
        return "Z:" + path.replace("/", "\\")

    def peer(self, name):
        return os.path.join(self.peers, name + ".exe")

    def terminate(self, pid):
        """TerminateProcess; whether the process was still there."""
        self.terminator.stdin.write(f"{pid}\n")
        self.terminator.stdin.flush()
        return self.terminator.stdout.readline().strip() == "ended"


SCENES = []


def scene(function):
    SCENES.append(function)
    return function


# -------------------------------------------------------------------------------------------------------------- one bot's life


@scene
def knows_its_version(world):
    world.solobot("--version").ends_with(0).says("solobot ")


@scene
def one_life(world):
    world.free()
    world.solobot("status", "--exit-code", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(3)
    acquire, bot = world.started()
    world.held(bot["pid"])
    record = json.loads(read(world.here("bot.lock.info")))
    expect(record["pid"] == bot["pid"], "the record has another PID", record, bot)
    expect(bot["env"]["SOLOBOT_HOLDER_PID"] == str(record["holder_pid"]), "not the record's holder", record, bot)
    expect(bot["env"]["SKIP_TELEGRAM_LOCK"] == "1", "the bot is not told that it is locked", bot)
    world.solobot("stop", "--yes", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(0)
    world.gone("bot.js")
    acquire.wait()
    world.free()


@scene
def the_refusal_names_the_holder(world):
    _, bot = world.started()
    refused = world.solobot("acquire", "-n", "-l", "bot.lock", "--", *world.node()).ends_with(75)
    refused.says(bot["pid"], "bot.lock", "hint: ")


@scene
def passes_code_and_output_on(world):
    code = world.solobot("acquire", "-n", "-l", "bot.lock", "--", *world.node(), BOT_LASTS="10", BOT_CODE="42")
    code.ends_with(42)
    command = [world.bed.windows(world.bed.node), "-e", "console.log('one');console.error('two');process.exit(7)"]
    ended = world.solobot("acquire", "-n", "-l", "bot.lock", "--", *command).ends_with(7)
    expect(ended.out.strip() == "one" and "two" in ended.err, "the output is another", ended)
    words = ["a b", 'c"d', "e\\", "", "ü", "f&g", "%PATH%"]
    world.solobot("acquire", "-n", "-l", "bot.lock", "--", *world.node(), *words, BOT_LASTS="10").ends_with(0)
    expect(words in [bot["words"] for bot in world.bots()], "the arguments are others", world.bots())


@scene
def command_is_not_found(world):
    world.solobot("acquire", "-n", "-l", "bot.lock", "--", "no-such-program").ends_with(127)
    world.free()


@scene
def what_windows_lacks_is_wrong_usage(world):
    for words in (["-F", "--", *world.node()], ["--fd", "9"]):
        world.solobot("acquire", "-l", "bot.lock", *words).ends_with(2).says("hint: ")
    world.solobot("stop", "--signal", "INT", "-m", world.path("bot.js")).ends_with(2)


# ------------------------------------------------------------------------------------------------------------- waiting, taking over


@scene
def waits_for_its_turn(world):
    first, bot = world.started()
    second = world.acquire("--wait", "1h", "-l", "bot.lock", "--", *world.node())
    wait_until(lambda: str(bot["pid"]) in second.so_far().err, "who is waited for", second.so_far)
    world.terminate(bot["pid"])
    first.wait()
    world.held(world.bot([bot])["pid"])


@scene
def waits_no_longer_than_told(world):
    world.started()
    began = time.monotonic()
    world.solobot("acquire", "--wait", "1s", "-l", "bot.lock", "--", *world.node()).ends_with(75)
    expect(time.monotonic() - began >= 1, "it did not wait")


@scene
def takes_over(world):
    first, old = world.started()
    _, new = world.started("--takeover")
    first.wait()
    world.held(new["pid"])
    expect(len(world.processes("bot.js")) == 2, "more than a bot and its solobot", list(world.living()), old, new)


@scene
def starts_an_auxiliary_bot(world):
    world.started()
    known = world.bots()
    auxiliary = world.acquire("-n", "--if-held", "run", "-l", "bot.lock", "--", *world.node())
    bot = world.bot(known)
    expect(bot["env"].get("SOLOBOT_POLLING") == "0", "it may poll", bot)
    expect("polling is disabled" in auxiliary.so_far().err, "it does not say so", auxiliary.so_far())


@scene
def starts_its_command_again(world):
    acquire = world.acquire("--restart", "on-failure", "-l", "bot.lock", "--", *world.node(), BOT_LASTS="50", BOT_CODE="3")
    first = world.bot()
    wait_until(lambda: "3" in acquire.so_far().err, "the failure", acquire.so_far)
    world.refused_locker("byte")
    world.bot([first])


@scene
def keeps_a_lock_for_a_process(world):
    bot = world.start(world.bed.node, "bot.js")
    pid = world.bot()["pid"]
    world.solobot("acquire", "--pid", pid, "-l", "bot.lock").ends_with(0)
    world.held()
    world.solobot("release", "--yes", "-l", "bot.lock").ends_with(0)
    expect(bot.is_running(), "release has ended the process")
    world.solobot("acquire", "--pid", pid, "-l", "bot.lock").ends_with(0)
    world.terminate(pid)
    wait_until(lambda: world.status()["lock"]["state"] != "held", "the lock free again")
    world.free()


@scene
def release_is_for_no_bot(world):
    world.solobot("release", "-l", "bot.lock").ends_with(0)
    _, bot = world.started()
    world.solobot("release", "--yes", "-l", "bot.lock").ends_with(1)
    world.held(bot["pid"])


# -------------------------------------------------------------------------------------------------------------- sudden ends


@scene
def a_bot_keeps_the_lock_of_a_killed_solobot(world):
    _, bot = world.started()
    world.terminate(bot["env"]["SOLOBOT_HOLDER_PID"])
    expect(world.processes("bot.js"), "the bot is gone too")
    held = world.held(bot["pid"])
    expect(held["lock"]["orphaned"], "it is not called an orphan", held)
    for how in ("msvcrt", "byte", "whole"):
        world.refused_locker(how)
    world.terminate(bot["pid"])
    world.free()


@scene
def killed_while_its_command_starts(world):
    """Either COMMAND runs, and keeps the lock until it ends, or it never does, and nothing of it is left to hold the lock."""
    os.mkdir(world.here("meeting"))
    witness = [world.bed.windows(world.bed.peer("witness")), world.path("meeting"), "20"]
    chance, tries = random.Random(3), 30

    def is_free():
        return world.solobot("acquire", "-n", "--lock-only", "-l", "bot.lock", "--", *world.bed.nothing).code == 0

    for _ in range(tries):
        one = world.acquire("-n", "--lock-only", "-l", "bot.lock", "--", *witness)
        while one.is_running() and not os.path.exists(world.here("bot.lock.info")):
            pass
        time.sleep(chance.uniform(0, 0.03))  # at any moment from the owner record to the end
        one.child.kill()
        one.wait()
        wait_until(is_free, "the lock free again", one.so_far)
    ran = read(world.here("meeting/log")).splitlines()
    expect(0 < len(ran) < tries and all(line.startswith("turn ") for line in ran), "it was killed at one moment alone", ran)


@scene
def an_orphan_is_taken_over(world):
    _, old = world.started()
    world.terminate(old["env"]["SOLOBOT_HOLDER_PID"])
    _, new = world.started("--takeover=orphan")
    expect(old["pid"] != new["pid"], "it is the same one")
    world.held(new["pid"])


@scene
def both_killed(world):
    _, bot = world.started()
    world.terminate(bot["env"]["SOLOBOT_HOLDER_PID"])
    world.terminate(bot["pid"])
    state = world.status()["lock"]
    expect(state["state"] == "stale", "it is not stale", state)
    world.solobot("clean-stale", "--json", "bot.lock").ends_with(0)
    expect(world.status()["lock"]["state"] in ("free", "absent"), "it is still stale", world.status())
    world.free()


@scene
def a_reused_pid_is_another_process(world):
    _, bot = world.started()
    record = json.loads(read(world.here("bot.lock.info")))
    world.terminate(bot["env"]["SOLOBOT_HOLDER_PID"])
    world.terminate(bot["pid"])
    node = world.bed.windows(world.bed.node)
    world.start(node, "-e", "require('fs').writeFileSync('other',String(process.pid));setInterval(()=>{},1000)")
    other = int(wait_until(lambda: read(world.here("other")), "another program"))
    # It got the PID of the bot that was killed, and began later.
    world.write("bot.lock.info", json.dumps({**record, "pid": other, "holder_pid": other}))
    state = world.status()["lock"]
    expect(state["state"] == "stale" and not state["holders"], "a reused PID holds it", state)
    world.solobot("acquire", "-n", "-l", "bot.lock", "--", *world.bed.nothing).ends_with(0)
    expect(world.processes("setInterval"), "the other program is gone")


# ------------------------------------------------------------------------------------------------------------ other lockers


@scene
def other_lockers_exclude_solobot(world):
    for how in ("msvcrt", "byte", "whole"):
        locker = world.locked(how)
        world.solobot("acquire", "-n", "-l", "bot.lock", "--", *world.node()).ends_with(75)
        known = world.bots()
        waiting = world.acquire("--wait", "1h", "-l", "bot.lock", "--", *world.node(), BOT_LASTS="10")
        wait_until(lambda: waiting.so_far().err, "that it waits", waiting.so_far)
        expect(world.bots() == known, "it did not wait", world.bots())
        locker.child.stdin.close()
        locker.wait().ends_with(0)
        waiting.wait().ends_with(0)


@scene
def solobot_excludes_other_lockers(world):
    _, bot = world.started()
    for how in ("msvcrt", "byte", "whole"):
        world.refused_locker(how)
    world.terminate(bot["pid"])
    for how in ("msvcrt", "byte", "whole"):
        wait_until(lambda: world.run(world.bed.peer("locker"), how, world.path("bot.lock")).code == 0, "a free lock")


@scene
def a_locker_deletes_the_file_after_release(world):
    locker = world.locked("msvcrt", "bot.lock", "unlink")
    waiting = [world.acquire("--wait", "1h", "-l", "bot.lock", "--", *world.node()) for _ in range(2)]
    for one in waiting:
        wait_until(lambda one=one: one.so_far().err, "that it waits", one.so_far)
    locker.child.stdin.close()
    first = world.bot()
    locker.wait()
    world.held(first["pid"])
    world.refused_locker("msvcrt")
    expect(len(world.bots()) == 1, "two run", world.bots())
    world.terminate(first["pid"])
    world.held(world.bot([first])["pid"])


# ---------------------------------------------------------------------------------------------------------- which processes


def start_unlocked(world, script="bot.js", *words, **env):
    """A bot that somebody has started by hand; its PID."""
    known = world.bots()
    world.start(world.bed.node, world.path(script), *words, **env)
    return world.bot(known)["pid"]


@scene
def kills_duplicates_and_nothing_else(world):
    text = read(world.here("bot.js"))
    world.write("other/bot.js", text)
    world.write("editor.js", text)
    first, second = start_unlocked(world), start_unlocked(world)
    decoys = [start_unlocked(world, "other/bot.js"), start_unlocked(world, "editor.js", world.path("bot.js"))]
    asked = ("kill-duplicates", "--json", "-m", world.path("bot.js"), "-l", "bot.lock", "--keep", str(first))
    world.solobot("status", "--exit-code", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(1)
    plan = world.solobot(*asked, "--dry-run").ends_with(1).json()["plan"]
    actions = {one["pid"]: one["action"] for one in plan}
    expect(actions == {first: "keep", second: "stop"}, "another plan", plan)
    results = world.solobot(*asked, "--yes").ends_with(0).json()["results"]
    expect([one["pid"] for one in results] == [second], "others were stopped", results)
    expect(results[0]["result"] in ("terminated", "killed"), "it was not stopped", results)
    instances = [one["pid"] for one in world.status()["instances"]]
    expect(instances == [first], "others are left", instances)
    left = [line for _, line in world.living()]
    expect(len(left) == 3, f"a decoy is gone: {decoys}", left)


@scene
def a_bot_without_the_lock_is_in_the_way(world):
    pid = start_unlocked(world)
    world.solobot("acquire", "-n", "-l", "bot.lock", "--", *world.node()).ends_with(75).says(pid)
    world.solobot("check", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(1).says(pid)
    found = world.solobot("doctor", "--json", "-m", world.path("bot.js"), "-l", "bot.lock").json()["findings"]
    expect(any(pid in one["pids"] for one in found), "doctor does not name it", found)


@scene
def stops_a_tree_whole(world):
    known = world.bots()
    acquire = world.acquire("-l", "bot.lock", "--", "cmd", "/c", *world.node(), BOT_CHILDREN="2")
    for generations in (2, 1, 0):
        world.bot(known, generations=generations)
    world.solobot("stop", "--yes", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(0)
    world.gone("bot.js")
    acquire.wait()
    world.free()


@scene
def names_the_service_that_keeps_a_bot(world):
    name = f"tgbot-{os.getpid()}"
    # Its name tells that it starts its program again.
    nssm = shutil.copy(world.bed.peer("service"), world.here("nssm.exe"))
    world.run(nssm, "install", name, "Telegram bot", world.bed.windows(world.folder), *world.node()).ends_with(0)
    try:
        bot = world.bot()
        instance = world.status()["instances"][0]
        origin = instance["origin"]
        expect(instance["pid"] == bot["pid"], "another process", instance, bot)
        wanted = {"kind": "service", "name": name, "stop": f"Stop-Service -Name {name}", "respawns": "yes"}
        expect(wanted.items() <= origin.items(), "another origin", origin)
        asked = ("-m", world.path("bot.js"), "-l", "bot.lock")
        world.solobot("stop", "--yes", *asked).ends_with(1).says("Stop-Service", name)
        expect(world.status()["instances"][0]["pid"] == bot["pid"], "it was stopped, and the service is to do that")
        # It does come back.
        known = world.bots()
        expect(world.bed.terminate(bot["pid"]), "it had gone already")
        world.bot(known)
    finally:
        world.run(nssm, "remove", name).ends_with(0)
    world.free()


@scene
def a_batch_file_starts_the_bot(world):
    script = world.path("start.bat")
    world.write("start.bat", f'@echo off\r\ncd /d %~dp0\r\n"{world.node()[0]}" bot.js >> bot.log 2>&1\r\n')
    by_hand = start_unlocked(world)
    world.solobot("acquire", "-n", "-l", "bot.lock", "--", script).ends_with(75).says(by_hand)
    world.terminate(by_hand)
    known = world.bots()
    acquire = world.acquire("-l", "bot.lock", "--", script)
    bot = world.bot(known)
    seen = world.held()["instances"]
    expect([(one["pid"], one["lock"]) for one in seen] == [(bot["pid"], "covered")], "another instance", seen)
    began = time.monotonic()
    world.solobot("stop", "--yes", "--grace", "1h", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(0)
    acquire.wait()
    expect(time.monotonic() - began < 120, "what cannot be asked to end was waited for")
    world.gone("bot.js")
    world.free()


@scene
def a_batch_file_that_starts_its_bot_again_is_named(world):
    world.write("run.bat", f'@echo off\r\n:again\r\n"{world.node()[0]}" "{world.node()[1]}"\r\ngoto again\r\n')
    known = world.bots()
    world.start("cmd", "/c", world.path("run.bat"))
    bot = world.bot(known)
    origin = world.status()["instances"][0]["origin"]
    expect(origin["kind"] == "loop" and origin["respawns"] == "yes", "another origin", origin)
    ended = world.solobot("stop", "--yes", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(1)
    expect(world.status()["instances"][0]["pid"] == bot["pid"], "the bot was stopped", ended)


# ---------------------------------------------------------------------------------------------------------------- agreement

ASKED = ("status", "check", "doctor", "kill-duplicates --dry-run", "stop --dry-run", "metrics")


def agree(world, situation, state, *pids):
    """Every subcommand says that the lock is in this state, and that these are the instances."""
    for line in ASKED:
        ended = world.solobot(*line.split(), "--json", "-m", world.path("bot.js"), "-l", "bot.lock")
        answer = ended.json()
        expect("error" not in answer and len(answer["bots"]) == 1, f"{situation}: no answer", ended)
        bot = answer["bots"][0]
        lock = bot.get("lock") or (bot.get("locks") or [{}])[0]
        expect(lock.get("state", state) == bot.get("lock_state", state) == state, f"{situation}: not {state}", ended)
        seen = bot.get("instances", answer.get("plan"))
        if isinstance(seen, list):
            seen = sorted(one if isinstance(one, int) else one["pid"] for one in seen)
            expect(seen == sorted(pids), f"{situation}: not {sorted(pids)}", ended)
        else:
            expect(seen == len(pids), f"{situation}: not {len(pids)}", ended)


@scene
def all_say_the_same(world):
    agree(world, "nothing yet", "absent")
    first = start_unlocked(world)
    agree(world, "one by hand", "absent", first)
    second = start_unlocked(world)
    agree(world, "two by hand", "absent", first, second)
    world.terminate(first)
    world.terminate(second)
    acquire, bot = world.started()
    agree(world, "one under solobot", "held", bot["pid"])
    other = start_unlocked(world)
    agree(world, "one under solobot, one by hand", "held", bot["pid"], other)
    world.terminate(other)
    waiting = world.acquire("--wait", "1h", "-l", "bot.lock", "--", *world.node())
    wait_until(lambda: waiting.so_far().err, "that it waits", waiting.so_far)
    agree(world, "one under solobot, another waits", "held", bot["pid"])
    world.terminate(bot["pid"])
    acquire.wait()
    bot = next_bot(world, bot)
    agree(world, "the other one's turn", "held", bot["pid"])
    world.terminate(bot["env"]["SOLOBOT_HOLDER_PID"])
    agree(world, "an orphan", "held", bot["pid"])
    world.terminate(bot["pid"])
    agree(world, "both gone", "stale")
    world.solobot("clean-stale", "bot.lock").ends_with(0)
    agree(world, "all cleaned", "free")
    locker = world.locked("msvcrt")
    agree(world, "a program that locks as Python does", "held")
    locker.child.stdin.close()
    locker.wait()
    agree(world, "that one gone", "free")


def next_bot(world, before):
    """The bot that solobot starts when that one has gone."""

    def found():
        known = [bot for bot in world.bots() if "SOLOBOT_HOLDER_PID" in bot["env"] and bot["pid"] != before["pid"]]
        return known and known[-1]

    return wait_until(found, "the next bot")


# ---------------------------------------------------------------------------------------------------------------- files, Telegram

CONFLICT = (
    "ETELEGRAM: 409 Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)


@scene
def counts_conflicts_in_files_of_windows(world):
    lines = "".join(f"2026-01-0{day} 10:00:00 ERROR {CONFLICT}\r\n" for day in (1, 2, 2, 3))
    for name, encoding in (("crlf.log", "utf-8"), ("bom.log", "utf-8-sig"), ("wide.log", "utf-16")):
        world.write(name, lines, encoding)
        counted = world.solobot("conflicts", "--json", name).ends_with(0).json()
        expect(counted["totals"]["conflicts"] == 4, f"other totals in {name}", counted)
        days = [day["conflicts"] for day in counted["days"] if day["conflicts"]]
        expect(days == [1, 2, 1], f"other days in {name}", counted)


class Telegram(http.server.BaseHTTPRequestHandler):
    """As much of the Bot API as `delete-webhook` asks for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token, _, method = self.path.split("?")[0].removeprefix("/bot").partition("/")
        self.server.asked.append(method)
        info = {"url": self.server.webhook, "has_custom_certificate": False, "pending_update_count": 0}
        answers = {
            "getMe": {"id": 1234567890, "is_bot": True, "first_name": "Test", "username": "test_bot"},
            "getWebhookInfo": info,
            "deleteWebhook": True,
        }
        known = token == TOKEN and method in answers
        if known and method == "deleteWebhook":
            self.server.webhook = ""
        answer = {"ok": True, "result": answers[method]} if known else {"ok": False, "error_code": 401}
        body = json.dumps({"description": "Unauthorized", **answer}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_):
        pass


def telegram():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Telegram)
    server.webhook, server.asked = "https://example.org/hook", []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


@scene
def deletes_a_webhook(world):
    server, url = telegram()
    world.solobot("delete-webhook", "--token-env", "BOT_TOKEN", "--api-url", url).ends_with(0).says("example.org")
    expect(not server.webhook, "the webhook is left", server.asked)
    server.webhook = "https://example.org/again"
    world.write("own-env", f"BOT_TOKEN={TOKEN}\r\n")
    ended = world.solobot(
        *("acquire", "-l", "bot.lock", "--delete-webhook", "--env-file", "own-env", "--", *world.node()),
        SOLOBOT_API_URL=url, BOT_LASTS="10",
    )
    ended.ends_with(0)
    expect(not server.webhook, "the webhook is left", server.asked, ended)
    server.shutdown()


@scene
def shows_who_is_connected(world):
    server, url = telegram()
    server.webhook = ""
    port = server.server_address[1]
    pid = start_unlocked(world, BOT_POLLS=str(port), BOT_CHILDREN="1")
    world.bot(generations=0)
    asked = ("-m", world.path("bot.js"), "-l", "bot.lock")

    def polling(api):
        ended = world.solobot("status", "--json", *asked, SOLOBOT_API_URL=api).ends_with(0)
        instances = ended.json()["bots"][0]["instances"]
        expect([one["pid"] for one in instances] == [pid], "other instances", ended)
        return instances[0]["polling"]

    wait_until(lambda: polling(url) == "yes", "that its child is connected")
    # The same address with another port is another server.
    expect(polling(NOBODY) == "no", "it is connected to nobody")
    expect(" yes " in world.solobot("status", *asked, SOLOBOT_API_URL=url).ends_with(0).out, "the table does not say so")
    world.write("hang-up", "")
    wait_until(lambda: polling(url) == "no", "that nobody is connected")
    world.terminate(pid)
    os.remove(world.here("hang-up"))
    world.started(BOT_POLLS=str(port))
    healthy = ("check", "--running", *asked)
    wait_until(lambda: world.solobot(*healthy, SOLOBOT_API_URL=url).code == 0, "that it is healthy")
    expect(not server.asked, "status has asked the server", server.asked)
    server.shutdown()


@scene
def an_api_that_is_not_there(world):
    ended = world.solobot("delete-webhook", "--token-env", "BOT_TOKEN", "--api-url", NOBODY)
    ended.ends_with(69)


@scene
def reads_its_configuration(world):
    world.write("solobot.toml", '[bots.main]\nscript = "bot.js"\nlock = "bot.lock"\n')
    bot = world.solobot("status", "--json").ends_with(0).json()["bots"][0]
    expect(bot["name"] == "main" and bot["lock"]["path"] == world.path("bot.lock"), "another bot", bot)
    world.write("solobot.toml", '[bots.main]\nscrpt = "bot.js"\n')
    world.solobot("status").ends_with(78).says("script")


@scene
def believes_no_configuration_that_others_may_write(world):
    """wine makes an access list of the mode, and an owner of the user: every other user of Linux is `ANONYMOUS LOGON`."""
    world.write("app/solobot.toml", '[bots.main]\nscript = "bot.js"\n')
    file, folder = world.here("app/solobot.toml"), world.here("app")

    def status():
        return world.run("cmd", "/c", f"cd app && {world.bed.windows(world.bed.solobot)} status")

    status().ends_with(0)
    for path, mode in ((file, 0o666), (folder, 0o777)):
        before = os.stat(path).st_mode
        os.chmod(path, mode)
        status().ends_with(78).says("is writable by every user", "icacls", "/remove:g *S-1-1-0")
        os.chmod(path, before)
    status().ends_with(0)
    if os.getuid() == 0:
        for path in (file, folder):
            os.chown(path, 65534, -1)
            status().ends_with(78).says("belongs to user ")
            os.chown(path, 0, -1)
        status().ends_with(0)


@scene
def paths_may_be_long_and_of_any_alphabet(world):
    folder = "Ünïcödé 机器人/" + "/".join("x" * 60 for _ in range(5))
    world.write(f"{folder}/bot.js", read(world.here("bot.js")))
    lock = world.path(f"{folder}/bot.lock")
    acquire = world.acquire("-l", lock, "--", *world.node()[:1], "-e", "setInterval(()=>{},1000)")
    wait_until(lambda: os.path.exists(world.here(f"{folder}/bot.lock.info")), "the record", acquire.so_far)
    world.solobot("acquire", "-n", "-l", lock, "--", *world.bed.nothing).ends_with(75)
    state = world.solobot("status", "--json", "-l", lock).ends_with(0).json()["bots"][0]["lock"]
    expect(state["path"] == lock and state["state"] == "held", "another lock", state)


# ---------------------------------------------------------------------------------------------------------------------- doctor


def finds(world, code, *words, **env):
    """That `doctor` finds this, which it gives back."""
    ended = world.solobot("doctor", "--json", *words, **env)
    found = [one for one in ended.json()["findings"] if one["code"] == code]
    expect(found, f"doctor does not find {code}", ended)
    return found[0]


@scene
def doctor_of_locks(world):
    asked = ("-m", world.path("bot.js"), "-l", "bot.lock")
    pid = start_unlocked(world)
    expect(finds(world, "unlocked-instance", *asked)["pids"] == [pid], "another PID")
    both = sorted([pid, start_unlocked(world)])
    expect(sorted(finds(world, "duplicate-instances", *asked)["pids"]) == both, "other PIDs")


@scene
def doctor_of_a_pid_file(world):
    pid = start_unlocked(world)
    world.write("bot.lock", str(pid))
    found = finds(world, "pidfile-only", "-m", world.path("bot.js"), "-l", "bot.lock")
    expect(found["pids"] == [pid], "another PID", found)


@scene
def doctor_of_a_leaked_variable(world):
    world.env["SKIP_TELEGRAM_LOCK"] = "1"
    pid = start_unlocked(world)
    del world.env["SKIP_TELEGRAM_LOCK"]
    found = finds(world, "leaked-skip-variable", "-m", world.path("bot.js"), "-l", "bot.lock")
    expect(found["pids"] == [pid], "another PID", found)


@scene
def doctor_of_a_stale_lock(world):
    _, bot = world.started()
    world.terminate(bot["env"]["SOLOBOT_HOLDER_PID"])
    world.terminate(bot["pid"])
    found = finds(world, "stale-lock", "-l", "bot.lock")
    expect("solobot clean-stale" in found["command"], "another command", found)


@scene
def doctor_of_telegram(world):
    server, url = telegram()
    asked = ("-m", "bot.js", "--token-env", "BOT_TOKEN")
    expect("delete-webhook" in finds(world, "webhook-active", *asked, "--api-url", url)["command"], "another command")
    server.webhook = ""
    finds(world, "token-invalid", *asked, "--api-url", url, BOT_TOKEN=TOKEN.replace("abc", "xyz"))
    finds(world, "tcp", *asked, "--api-url", NOBODY, "--timeout", "2s")
    world.write("own-token", TOKEN + "\r\n")
    finds(world, "token-whitespace", "-m", "bot.js", "--token-file", "own-token", "--api-url", url)
    bots = "".join(f'[bots.{name}]\nscript = "{name}.js"\nlock = "{name}.lock"\n' for name in "ab")
    world.write("solobot.toml", f'[defaults]\napi_url = "{url}"\n{bots}')
    finds(world, "token-shared", SOLOBOT_API_URL=url)
    server.shutdown()


@scene
def doctor_of_a_poller_elsewhere(world):
    server, url = telegram()
    server.webhook = ""
    now = time.time()
    times = [time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now - ago)) for ago in range(40, 0, -5)]
    world.write("bot.log", "".join(f"{at},000 ERROR {CONFLICT}\r\n" for at in times))
    world.write("solobot.toml", '[bots.main]\nscript = "bot.js"\nlogs = ["bot.log"]\n')
    finds(world, "remote-poller", "main", SOLOBOT_API_URL=url, TZ="UTC")
    server.shutdown()


# -------------------------------------------------------------------------------------------------------------------- the rest


@scene
def metrics(world):
    world.started()
    said = world.solobot("metrics", "-m", world.path("bot.js"), "-l", "bot.lock").ends_with(0)
    expect(said.out.rstrip().endswith("# EOF"), "it is no OpenMetrics", said)


@scene
def writes_a_configuration_of_what_runs(world):
    start_unlocked(world)
    world.solobot("init", "--dry-run").ends_with(0).says("bot.js")


@scene
def completions_for_powershell(world):
    world.solobot("completions", "powershell").ends_with(0).says("Register-ArgumentCompleter")
    world.write("solobot.toml", '[bots.mainbot]\nscript = "bot.js"\n')

    def offered(*typed):
        said = world.solobot("--", "solobot", *typed, SOLOBOT_COMPLETE="powershell").ends_with(0)
        return [line.split("\t")[0] for line in said.out.splitlines()]

    for typed, wanted in ((["stat"], "status"), (["check", "mai"], "mainbot"), (["check", '""'], "mainbot"), (["-c", "solo"], "solobot.toml")):
        expect(wanted in offered(*typed), f"{wanted} is not offered for {typed}", offered(*typed))


# What only a shell of Unix reads, or only a system of that kind has.
OF_UNIX = re.compile(
    r"/proc|\bsudo\b|\$\$|(?<!\.)\b(ls|rm|ps|tr|kill|env|stat|od|ss|ip|chmod|grep|mkdir) -|\brm \w|\bkill \w*PID|&&|\blslocks|\bgetent|/tmp/|/srv/"
    r"|\bpython3|\bcurl |\bman \w|\bexec \d|date -u|timedatectl|printf %s|--fd [<\d]"
)


def speaks_powershell(ended):
    for line in (ended.out + ended.err).splitlines():
        expect(not OF_UNIX.search(line), f"not for Windows: {line}", ended)


@scene
def hints_are_powershells(world):
    world.solobot("acquire", "-l", "a.lock").ends_with(2).says("--pid $PID")
    for words in (
        *(["acquire", "-l", "a.lock"], ["acquire", "-l", "a.lock", "--", "nowhere.exe"], ["acquire", "--pid", "999999", "-l", "a.lock"]),
        *(["acquire", "--pid", "4", "-l", "a.lock", "--", "x"], ["acquire"], ["restart", "main"], ["lock", "a.lock"], ["start", "bot.py"]),
        *(["conflicts", "none/*.log"], ["conflicts", "none.log"], ["metrics", "-o", "none/x.prom"], ["status", "-c", "none.toml"]),
        *(["acquire", "-n", "-l", r"none\a.lock", "--", "x"], ["delete-webhook", "--token-env", "BOT_TOKEN"]),
    ):
        speaks_powershell(world.solobot(*words))
    world.write("solobot.toml", "[bots.main]\nscrpt = 1\n")
    speaks_powershell(world.solobot("status").ends_with(78))


@scene
def words_are_quoted_for_powershell(world):
    lock = "it's a #1, $x.lock"
    acquire = world.acquire("-l", lock, "--", *world.node())
    world.bot()
    quoted = "'" + world.path(lock).replace("'", "''") + "'"
    refused = world.solobot("acquire", "-n", "-l", lock, "--", *world.node()).ends_with(75)
    refused.says(f"solobot stop --lock {quoted}", "-l 'it''s a #1, $x.lock' -- ")
    speaks_powershell(refused)
    world.solobot("stop", "--yes", "--lock", lock).ends_with(0)
    acquire.wait()
    # What has spaces is run by its call operator.
    world.write("a b.js", read(world.here("bot.js")))
    start_unlocked(world, "a b.js")
    said = world.solobot("status", "--json", "-m", world.path("a b.js"), "-l", "b.lock").ends_with(0).json()
    command = said["bots"][0]["instances"][0]["command"]
    expect(f"'{world.path('a b.js')}'" in command, "it is not quoted", command)


@scene
def help_and_explanations_are_for_windows(world):
    said = world.solobot("--help").ends_with(0)
    subcommands = [line.split()[0] for line in said.out.splitlines() if re.match(r"  [a-z-]+ {2,}\w", line)]
    expect("acquire" in subcommands and len(subcommands) > 10, "other subcommands", subcommands)
    for subcommand in subcommands:
        if subcommand != "help":
            speaks_powershell(world.solobot(subcommand, "--help").ends_with(0))
    codes = world.solobot("--", "solobot", "doctor", "--explain", '""', SOLOBOT_COMPLETE="powershell").out.split()
    expect(len(codes) > 40, "other codes", codes)
    for code in codes:
        if code not in ("private-tmp", "fcntl-lock", "inherited-lock", "tmp-cleaner"):  # none of these is on Windows
            said = world.solobot("doctor", "--explain", code).ends_with(0)
            said.out = "\n".join(line for line in said.out.splitlines() if line.startswith("    "))  # the commands
            speaks_powershell(said)


@scene
def has_folders_of_its_own(world):
    # The program that Linux starts gets those of wine's user, whatever is asked for; not so what that one starts.
    roaming, local = world.path("roaming"), world.path("local")
    world.write(r"roaming/solobot/solobot.toml", '[bots.configured]\nscript = "bot.js"\ndir = "' + world.path("").replace("\\", "/") + '"\n')

    def solobot(*words):
        return world.run("cmd", "/c", f"set APPDATA={roaming}&& set LOCALAPPDATA={local}&& " + " ".join([world.bed.solobot, *words]))

    names = [bot["name"] for bot in solobot("status", "--json").ends_with(0).json()["bots"]]
    expect("configured" in names, "the file in APPDATA is not used", names)
    solobot("acquire", "configured", "--", *world.bed.nothing).ends_with(0)
    journal = world.here("local/solobot/journal.jsonl")
    expect("configured" in read(journal), "no journal in LOCALAPPDATA", *(os.path.join(at, name) for at, _, names in os.walk(world.here("local")) for name in names))


@scene
def watches(world):
    watch = world.start(world.bed.solobot, "status", "--watch=1", "-m", world.path("bot.js"), "-l", "bot.lock")
    wait_until(lambda: "no instance" in watch.so_far().out, "a first look", watch.so_far)
    _, bot = world.started()
    wait_until(lambda: str(bot["pid"]) in watch.so_far().out, "the bot", watch.so_far)


@scene
def watching_is_woken_by_the_folder(world):
    pid = start_unlocked(world)
    watch = world.start(world.bed.solobot, "status", "--watch=1h", "-m", world.path("bot.js"), "-l", "bot.lock")
    wait_until(lambda: str(pid) in watch.so_far().out, "a first look", watch.so_far)

    def shown(what):
        wait_until(lambda: what in watch.so_far().out, f"a look long before its time: {what}", watch.so_far)

    for text, state in (("", "bot.lock: free"), ("999999", "bot.lock: stale")):
        world.write("new.lock", text)
        os.replace(world.here("new.lock"), world.here("bot.lock"))
        shown(state)
    world.terminate(pid)
    shown("no instance")


@scene
def the_witness_sees_two(world):
    os.mkdir(world.here("meeting"))
    witness, log = world.bed.peer("witness"), world.here("meeting/log")
    first = world.start(witness, world.path("meeting"), "60000")
    wait_until(lambda: "\n" in read(log), "the first one", first.so_far)
    world.run(witness, world.path("meeting")).ends_with(1)
    expect([line.split()[0] for line in read(log).splitlines()] == ["turn", "overlap"], "another log", read(log))
    # One that is terminated leaves nothing behind.
    world.terminate(read(log).split()[1])
    world.run(witness, world.path("meeting")).ends_with(0)


@scene
def lockers_exclude_each_other(world):
    for how in ("msvcrt", "byte", "whole"):
        locker = world.locked(how)
        for other in ("msvcrt", "byte", "whole"):
            world.refused_locker(other)
        locker.child.stdin.close()
        locker.wait().ends_with(0)


@scene
def never_two_at_once(world):
    """Sixteen contenders, four of them programs that lock as Python does; holders are killed: the witness meets nobody."""
    ours, seen, killed = race(world, random.Random(19), turns=200)
    expect(seen / 2 < ours < seen and killed > seen / 20, f"too uneven: {ours} of {seen} turns, {killed} killed")


def race(world, chance, turns=None, seconds=None, broken=False):
    """Until there were so many turns, or for so many seconds, in which those that wait are killed too; then each contender has
    its turn. How many turns there were under solobot and in all, and how many were killed. `broken`: some have another lock, so
    that two do meet."""
    killed, shots = 0, []
    os.mkdir(world.here("meeting"))
    witness = [world.bed.windows(world.bed.peer("witness")), world.path("meeting")]

    def entries():
        return [line.split() for line in read(world.here("meeting/log")).splitlines()]

    # Without a lock the witness does meet another, or it would prove nothing.
    first = world.start(*witness, "60000")
    wait_until(entries, "the first witness", first.so_far)
    world.run(*witness).ends_with(1)
    expect([entry[0] for entry in entries()] == ["turn", "overlap"], "two at once were not noticed", entries())
    world.bed.terminate(entries()[0][1])
    first.wait()
    os.remove(world.here("meeting/log"))

    def start(place):
        inside = [*witness, str(chance.randint(20, 120))]
        lock = "other.lock" if broken and place % 2 else "bot.lock"
        if place % 4:
            return world.acquire("--lock-only", "--wait", "1h", "-l", lock, "--", *inside)
        how = ("msvcrt", "byte", "whole", "msvcrt")[place // 4]
        return world.start(world.bed.peer("locker"), how, world.path(lock), "run", *inside)

    def killed_so_far():
        # The holder's solobot, or its witness, or both. Of a locker neither: its lock would end before its witness does.
        _, inside, solobot = entries()[-1]
        if solobot == "0" or chance.random() < 0.7:
            return 0
        which = chance.choice([[solobot], [inside], [solobot, inside], [inside, solobot]])
        shots.append(f"{len(entries())} turns: terminated {' and '.join(which)}")
        return any([world.bed.terminate(pid) for pid in which])

    def shot():
        """A solobot, at any moment: while it starts, waits, takes the lock, starts its witness, gives the lock back."""
        one = chance.choice([one for place, one in enumerate(contenders) if place % 4])
        if turns or chance.random() < 0.98 or not one.is_running():
            return 0
        shots.append(f"{len(entries())} turns: killed {one.child.pid}, contender {contenders.index(one)}")
        one.child.kill()
        return 1

    def is_over():
        return seen >= turns if turns else time.monotonic() - began >= seconds

    began = progress = time.monotonic()
    contenders, seen = [start(place) for place in range(16)], 0
    while any(one.is_running() for one in contenders) or not is_over():
        stuck = [one.so_far() for one in contenders if one.is_running()]
        expect(time.monotonic() < progress + DEADLINE, f"no turn for {DEADLINE} s after {seen}", *stuck)
        expect(is_over() or not turns or time.monotonic() < began + 600, f"only {seen} turns within 600 s", *stuck)
        for place, one in enumerate(contenders):
            if not one.is_running():
                allowed = (0, 99) if turns else (0, 99, -signal.SIGKILL, int(broken))
                is_fine = one.child.returncode in allowed or one.so_far().was_not_started()
                expect(is_fine, "a bad end", one.so_far(), *shots[-9:], *entries()[-9:])
                if not is_over():
                    contenders[place] = start(place)
        if len(entries()) > seen:
            seen, progress = len(entries()), time.monotonic()
            killed += killed_so_far()
        killed += shot()
        time.sleep(0.01)  # how often it looks
    overlaps = len([entry for entry in entries() if entry[0] == "overlap"])
    ours = len([entry for entry in entries() if entry[2] != "0"])
    print(f"  turns {seen}, under solobot {ours}, killed {killed}, overlaps {overlaps}", flush=True)
    expect(not overlaps, f"{overlaps} overlaps in {seen} turns")
    world.solobot("acquire", "-n", "-l", "bot.lock", "--", *world.bed.nothing).ends_with(0)
    return ours, seen, killed


# ------------------------------------------------------------------------------------------------------------------------------


def main():
    bed = Bed(*map(os.path.abspath, sys.argv[1:5]))
    wanted, passed, failed, scenes = sys.argv[5:], 0, 0, SCENES
    if wanted[:1] == ["--race"]:
        (_, seed, seconds, *broken), wanted = wanted, []
        scenes = [lambda world: race(world, random.Random(seed), seconds=float(seconds), broken=bool(broken))]
        scenes[0].__name__ = "race"
    for function in scenes:
        if wanted and function.__name__ not in wanted:
            continue
        world, began = Scene(function.__name__, bed), time.monotonic()
        try:
            try:
                function(world)
                world.shows_no_token()
            finally:
                world.end()
            passed += 1
            print(f"ok: {function.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception as error:
            failed += 1
            shown = error if isinstance(error, Failed) else traceback.format_exc()
            print(f"FAILED: {function.__name__}: {shown}", flush=True)
    bed.terminator.stdin.close()
    bed.terminator.wait()
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
