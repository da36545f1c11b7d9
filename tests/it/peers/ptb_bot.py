"""A real bot on python-telegram-bot 22: polls the server of API_BASE with BOT_TOKEN and logs to stderr.

HANDLER is how many seconds it takes for a message.
"""

import asyncio
import logging
import os
import sys

from telegram.ext import Application, MessageHandler, filters

logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
# Its HTTP library logs each URL, and with it the token.
logging.getLogger("httpx").setLevel(logging.WARNING)

if len(sys.argv) > 1:
    with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
base = os.environ["API_BASE"]
application = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(base + "/bot").build()
if "HANDLER" in os.environ:

    async def on_message(update, context):
        await asyncio.sleep(float(os.environ["HANDLER"]))

    application.add_handler(MessageHandler(filters.ALL, on_message))
application.run_polling(timeout=10)
