"""A real bot on aiogram 3: polls the server of API_BASE with BOT_TOKEN and logs to stderr."""

import asyncio
import logging
import os
import sys

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
        logging.info("handled %s", message.text)

    if len(sys.argv) > 1:
        with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
    await dispatcher.start_polling(bot, polling_timeout=10)


asyncio.run(main())
