// A real bot on telegraf: polls the server of API_BASE with BOT_TOKEN and logs to stderr.
// HANDLER is how many seconds it takes for a message.
const { Telegraf } = require("telegraf");

const bot = new Telegraf(process.env.BOT_TOKEN, { telegram: { apiRoot: process.env.API_BASE } });
bot.on("message", async (context) => {
  await new Promise((done) => setTimeout(done, 1000 * Number(process.env.HANDLER ?? 0)));
  console.error("handled", context.message.text);
});
bot.launch();
