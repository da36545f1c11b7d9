"""A real bot on aiogram 3: polls the server of API_BASE with BOT_TOKEN and logs to stderr.

HANDLER is how many seconds it takes for a message; `hang`: its event loop hangs then; `die`: it stops polling, and lives on.
"""

import asyncio
import logging
import os
import sys
import time

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s - %(levelname)s - %(message)s")


async def main():
    server = TelegramAPIServer.from_base(os.environ["API_BASE"], is_local=True)
    bot = Bot(os.environ["BOT_TOKEN"], session=AiohttpSession(api=server))
    dispatcher = Dispatcher()

    @dispatcher.message()
    async def on_message(message):
        handler = os.environ.get("HANDLER", "0")
        if handler == "hang":
            time.sleep(10**6)  # until it is killed
        elif handler == "die":
            asyncio.get_running_loop().create_task(dispatcher.stop_polling())
        else:
            await asyncio.sleep(float(handler))
        logging.info("handled %s", message.text)

    if len(sys.argv) > 1:
        with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
    await dispatcher.start_polling(bot, polling_timeout=10)
    if os.environ.get("HANDLER") == "die":
        await asyncio.Event().wait()


asyncio.run(main())
