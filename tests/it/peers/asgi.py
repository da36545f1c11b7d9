"""A web application that polls beside its pages: real aiogram 3 in the worker's event loop, on the server of API_BASE."""

import asyncio
import os

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer


async def poll():
    server = TelegramAPIServer.from_base(os.environ["API_BASE"], is_local=True)
    bot = Bot(os.environ["BOT_TOKEN"], session=AiohttpSession(api=server))
    await Dispatcher().start_polling(bot, polling_timeout=10, handle_signals=False)


async def app(scope, receive, send):
    if scope["type"] != "lifespan":
        return
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            asyncio.get_running_loop().create_task(poll())
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return
