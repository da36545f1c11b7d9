// A real bot on telegraf: polls the server of API_BASE with BOT_TOKEN and logs to stderr.
const { Telegraf } = require("telegraf");

const bot = new Telegraf(process.env.BOT_TOKEN, { telegram: { apiRoot: process.env.API_BASE } });
bot.on("message", (context) => console.error("handled", context.message.text));
bot.launch();
