// A real bot on grammY: polls the server of API_BASE with BOT_TOKEN and logs to stderr.
const { Bot } = require("grammy");

const bot = new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.API_BASE } });
bot.on("message", (context) => console.error("handled", context.message.text));
bot.start();
