"""Runs bots and health checks beside them. benches/deaf.sh says what for, builds what it needs and starts it."""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(ROOT, "tests/it/peers")
PYTHON = os.path.join(ROOT, "target/venv-bots/bin/python3")
SILENCE = 170  # the two minutes that are asked for, and the 50 s that a poll may take
EVERY = 8  # seconds between two checks

# Name, interpreter, script, HANDLER, how many updates come at first, how many come with each check.
BUSY = [
    ("grammY, 60 s", "node", "grammy_bot.js", "60", 1, 1),
    ("telegraf, 60 s", "node", "telegraf_bot.js", "60", 1, 1),
    ("aiogram, 60 s", PYTHON, "aiogram_bot.py", "60", 1, 1),
    ("python-telegram-bot, 60 s", PYTHON, "ptb_bot.py", "60", 1, 1),
    ("sequential, ten of 15 s", PYTHON, "sequential.py", "15", 10, 0),
    ("50 updates a second", PYTHON, "sequential.py", "0.01", 1, 0),
]
DEAF = [
    ("stopped", PYTHON, "aiogram_bot.py", "0", 1, 0),
    ("event loop hangs", PYTHON, "aiogram_bot.py", "hang", 1, 0),
    ("poller died", PYTHON, "aiogram_bot.py", "die", 1, 0),
]


class Queue:
    """One bot at the server: its updates, and the poll that waits for them."""

    def __init__(self):
        self.updates, self.next, self.changed = [], 1, asyncio.Event()
        self.held = 0

    def add(self, count):
        for _ in range(count):
            self.updates.append(self.next)
            self.next += 1
        self.changed.set()

    async def poll(self, offset, timeout):
        if offset:
            self.updates = [number for number in self.updates if number >= offset]
        self.held += 1
        end = time.monotonic() + min(timeout, 50)
        while not self.updates and (left := end - time.monotonic()) > 0:
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                pass
        self.held -= 1
        person = {"id": 1, "is_bot": False, "first_name": "A"}
        chat = {"id": 1, "type": "private", "first_name": "A"}
        message = {"date": 1_700_000_000, "text": "x", "chat": chat, "from": person}
        return [{"update_id": one, "message": {"message_id": one, **message}} for one in self.updates[:100]]


class Server:
    """As much of the Bot API as the bots and the checks ask for; counts every method of every bot."""

    def __init__(self):
        self.queues, self.checks, self.polls_by_solobot = {}, 0, 0

    async def converse(self, reader, writer):
        try:
            while (line := await reader.readline()).strip():
                length = 0
                kind = agent = ""
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                    kind = value if name.lower() == "content-type" else kind
                    agent = value if name.lower() == "user-agent" else agent
                body = (await reader.readexactly(length)).decode()
                place, _, query = line.decode().split(" ")[1].partition("?")
                if "solobot" in agent:
                    self.checks += 1
                    self.polls_by_solobot += place.lower().endswith("/getupdates")
                result = await self.answer(place, parameters(query, body, kind))
                text = json.dumps({"ok": True, "result": result}).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
                writer.write(head.encode() + text)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async def answer(self, place, fields):
        token, method = place.removeprefix("/bot").split("/", 1)
        queue = self.queues[token]
        method = method.lower()
        if method == "getme":
            number = int(token.split(":")[0])
            return {"id": number, "is_bot": True, "first_name": "A", "username": "a_bot", "can_join_groups": True,
                    "can_read_all_group_messages": False, "supports_inline_queries": False}
        if method == "getwebhookinfo":
            return {"url": "", "has_custom_certificate": False, "pending_update_count": len(queue.updates)}
        if method == "getupdates":
            return await queue.poll(int(fields.get("offset") or 0), float(fields.get("timeout") or 0))
        return True


def parameters(query, body, kind):
    fields = dict(urllib.parse.parse_qsl(query))
    if "json" in kind:
        fields |= json.loads(body or "{}")
    elif "form-data" in kind:
        for part in body.split("\r\n--"):
            head, _, value = part.partition("\r\n\r\n")
            if 'name="' in head:
                fields[head.split('name="')[1].split('"')[0]] = value.split("\r\n")[0]
    else:
        fields |= dict(urllib.parse.parse_qsl(body))
    return fields


class Run:
    """One bot and the checks beside it."""

    def __init__(self, bench, number, scene, is_deaf):
        self.bench, self.scene, self.is_deaf = bench, scene, is_deaf
        self.token = f"{300_000_000 + number}:" + "A" * 35
        self.folder = tempfile.mkdtemp(prefix="run", dir=bench.folder)
        self.queue = bench.server.queues[self.token] = Queue()
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.folder, "LC_ALL": "C.UTF-8", "BOT_TOKEN": self.token,
            "API_BASE": bench.url, "SOLOBOT_API_URL": bench.url, "HANDLER": scene[3],
            "NODE_PATH": os.path.join(ROOT, "target/npm/node_modules"),
        }

    async def check(self):
        """Whether the answer is no, and the answer."""
        command = [self.bench.solobot, "check", "--json", "--running", "--responsive=2m", "-m", f"bot{self.script}"]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=self.env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
        answer = json.loads((await process.communicate())[0])
        return process.returncode == 1, f"{process.returncode} {answer.get('reasons')}"

    async def run(self):
        """`None` if all is as it should be; else what is not."""
        name, interpreter, script, _, first, more = self.scene
        self.script = os.path.splitext(script)[1]
        shutil.copy(os.path.join(PEERS, script), os.path.join(self.folder, f"bot{self.script}"))
        bot = await asyncio.create_subprocess_exec(
            interpreter, f"bot{self.script}", cwd=self.folder, env=self.env,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        flood = None
        try:
            deadline = time.monotonic() + 180
            while not self.queue.held:
                if time.monotonic() > deadline:
                    return "it never polled"
                await asyncio.sleep(0.05)
            if name.startswith("50 "):
                flood = asyncio.create_task(self.flood())
            if self.is_deaf:
                # Two looks, further apart than a poll takes, as a health check makes them all day.
                await self.check()
                await asyncio.sleep(62)
                await self.check()
                if self.scene[3] == "0":
                    os.kill(bot.pid, signal.SIGSTOP)
            begin = time.monotonic()
            self.queue.add(first)
            if self.is_deaf:
                await asyncio.sleep(1)
                self.queue.add(2)
            while time.monotonic() - begin < 240:
                asked = time.monotonic() - begin
                is_no, said = await self.check()
                if not self.is_deaf:
                    if is_no:
                        return f"{asked:.0f} s: {said}"
                    if asked > SILENCE + 2 * EVERY:
                        return None
                elif is_no:
                    self.bench.times.append(asked)
                    ok = "is deaf" in said and SILENCE - EVERY < asked <= 180
                    return None if ok else f"{asked:.0f} s: {said}"
                self.queue.add(more)
                await asyncio.sleep(EVERY)
            return f"not within 240 s: {said}"
        finally:
            if flood:
                flood.cancel()
            bot.kill()
            await bot.wait()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def flood(self):
        while True:
            self.queue.add(5)
            await asyncio.sleep(0.1)


class Bench:
    def __init__(self, solobot, folder):
        self.solobot, self.folder, self.server, self.times = solobot, folder, Server(), []

    async def run(self, runs, at_a_time):
        listener = await asyncio.start_server(self.server.converse, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        scenes = [(scene, is_deaf) for scenes, is_deaf in ((BUSY, False), (DEAF, True)) for scene in scenes]
        # In turn, so that every batch has some of each.
        all_runs = [(scene, is_deaf) for _ in range(runs) for scene, is_deaf in scenes]
        wrong = {scene[0]: [] for scene, _ in scenes}
        gate = asyncio.Semaphore(at_a_time)

        async def one(number, scene, is_deaf):
            async with gate:
                fault = await Run(self, number, scene, is_deaf).run()
                if fault:
                    wrong[scene[0]].append(fault)
                    print(f"    {scene[0]}: {fault}", file=sys.stderr, flush=True)

        await asyncio.gather(*(one(number, *run) for number, run in enumerate(all_runs)))
        for (name, *_), is_deaf in scenes:
            word = "not found within three minutes" if is_deaf else "false alarms"
            print(f"{name}: {runs} runs, {len(wrong[name])} {word}")
        if self.times:
            print(f"deaf after {min(self.times):.0f} to {max(self.times):.0f} s, checked every {EVERY} s")
        print(f"{self.server.checks} requests by solobot, {self.server.polls_by_solobot} of them getUpdates")
        return 1 if any(wrong.values()) or self.server.polls_by_solobot or not self.server.checks else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--solobot", required=True)
    parser.add_argument("--quick", action="store_true", help="two runs of each")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--at-a-time", type=int, default=20)
    options = parser.parse_args()
    options.solobot = os.path.abspath(options.solobot)
    with tempfile.TemporaryDirectory(prefix="solobot-bench.") as folder:
        bench = Bench(options.solobot, folder)
        return asyncio.run(bench.run(2 if options.quick else options.runs, options.at_a_time))


sys.exit(main())
