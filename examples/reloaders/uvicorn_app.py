"""An ASGI app that also polls, safe with uvicorn's reloader.

    solobot acquire -- python3 -m uvicorn uvicorn_app:app --reload

The bot starts in `lifespan`, which only a server process runs: not the reloader, and no other program that imports this
file. With --workers 4 there are four server processes, and each polls: then run the bot as a separate process.
"""

import asyncio
import os


async def poll():
    print(f"polling in PID {os.getpid()}", flush=True)
    # Here a real bot would ask getUpdates.
    await asyncio.Event().wait()


async def lifespan(receive, send):
    bot = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            if os.environ.get("SOLOBOT_POLLING") != "0":
                bot = asyncio.create_task(poll())
            await send({"type": "lifespan.startup.complete"})
        else:
            if bot is not None:
                # Before the answer: after it the process ends, and the next one polls.
                bot.cancel()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"ok"})
