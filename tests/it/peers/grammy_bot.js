// A real bot on grammY: polls the server of API_BASE with BOT_TOKEN and logs to stderr.
// HANDLER is how many seconds it takes for a message.
const { Bot } = require("grammy");

const bot = new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.API_BASE } });
bot.on("message", async (context) => {
  await new Promise((done) => setTimeout(done, 1000 * Number(process.env.HANDLER ?? 0)));
  console.error("handled", context.message.text);
});
bot.start();
