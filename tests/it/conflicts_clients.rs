//! Real clients and what they log: one 409 that Telegram sent is one that `conflicts` counts.

use crate::harness::{Background, Test, alone, installed, token, wait_until};
use crate::standin::Standin;

const PTB: &str = "import logging, os\n\
    logging.basicConfig(format='%(asctime)s - %(name)s - %(levelname)s - %(message)s', level=logging.INFO)\n";
const PTB_13: &str = "from telegram.ext import Updater\n\
    bot = Updater(os.environ['BOT_TOKEN'], base_url=os.environ['API'] + '/bot')\n\
    def failed(update, context): logging.error('Update %s caused error %s', update, context.error)\n\
    if 'HANDLES' in os.environ: bot.dispatcher.add_error_handler(failed)\n\
    bot.start_polling(timeout=5)\n\
    bot.idle()\n";
const PTB_20: &str = "from telegram.ext import Application\n\
    bot = Application.builder().token(os.environ['BOT_TOKEN']).base_url(os.environ['API'] + '/bot').build()\n\
    async def failed(update, context): logging.error('Exception while handling an update:', exc_info=context.error)\n\
    if 'HANDLES' in os.environ: bot.add_error_handler(failed)\n\
    bot.run_polling(timeout=5)\n";
const TELEBOT: &str = "import os, telebot\n\
    telebot.apihelper.API_URL = os.environ['API'] + '/bot{0}/{1}'\n\
    telebot.TeleBot(os.environ['BOT_TOKEN']).polling(none_stop=True, timeout=5)\n";
const TELEBOT_4: &str = "import os, telebot\n\
    telebot.apihelper.API_URL = os.environ['API'] + '/bot{0}/{1}'\n\
    telebot.TeleBot(os.environ['BOT_TOKEN']).infinity_polling(timeout=5, long_polling_timeout=5)\n";
const TELEBOT_ASYNC: &str = "import asyncio, os\n\
    from telebot import asyncio_helper\n\
    from telebot.async_telebot import AsyncTeleBot\n\
    asyncio_helper.API_URL = os.environ['API'] + '/bot{0}/{1}'\n\
    asyncio.run(AsyncTeleBot(os.environ['BOT_TOKEN']).infinity_polling(timeout=5))\n";
const AIOGRAM_3: &str = "import asyncio, logging, os\n\
    logging.basicConfig(level=logging.INFO)\n\
    from aiogram import Bot, Dispatcher\n\
    from aiogram.client.session.aiohttp import AiohttpSession\n\
    from aiogram.client.telegram import TelegramAPIServer\n\
    bot = Bot(os.environ['BOT_TOKEN'], session=AiohttpSession(api=TelegramAPIServer.from_base(os.environ['API'])))\n\
    asyncio.run(Dispatcher().start_polling(bot, polling_timeout=5))\n";
const GRAMMY: &str = "const { Bot } = require(process.env.MODULES + '/grammy');\n\
    new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.API } }).start();\n";
const TELEGRAF: &str = "const { Telegraf } = require(process.env.MODULES + '/telegraf');\n\
    new Telegraf(process.env.BOT_TOKEN, { telegram: { apiRoot: process.env.API } }).launch();\n";

/// A running client, its server, and the name of its log.
struct Client {
    name: &'static str,
    server: Standin,
    bot: Background,
}

fn start(test: &Test, name: &'static str, program: &str, script: &str, handles: bool) -> Client {
    let server = Standin::start();
    test.write(name, script);
    let program = if program == "node" { program.to_owned() } else { installed(&format!("{program}/bin/python3")) };
    let mut command = test.command("sh -c");
    command.arg(format!("exec '{program}' {name} >{name}.log 2>&1 </dev/null"));
    command.env("API", server.url()).env("BOT_TOKEN", token()).env("MODULES", installed("npm/node_modules"));
    if handles {
        command.env("HANDLES", "1");
    }
    Client { name, server, bot: test.start_command(command) }
}

fn counted(test: &Test, client: &Client) -> (usize, usize) {
    let seen = test.solobot(&format!("conflicts --json {}.log", client.name)).run().code(0).json();
    let of = |key: &str| usize::try_from(seen["totals"][key].as_u64().expect("a number")).expect("a count");
    (of("conflicts"), of("other"))
}

/// Each client polls, and then finds a webhook set for a while: the server refuses every poll.
fn each_409_counts_once(test: &Test, clients: Vec<Client>, sent: usize) {
    for client in &clients {
        wait_until("it polls", || client.server.rules().is_polled());
        client.server.rules().set_webhook("https://bot.example.org/hook");
    }
    for client in &clients {
        let rules = client.server.rules();
        wait_until("it was refused", || rules.conflicts().len() >= sent);
        rules.set_webhook("");
    }
    for client in clients {
        let rules = client.server.rules();
        if sent > 1 {
            wait_until("it polls again", || rules.is_polled());
        }
        wait_until(&format!("{} has logged {:?}", client.name, rules.conflicts().len()), || {
            counted(test, &client).0 >= rules.conflicts().len()
        });
        let expected = (rules.conflicts().len(), 0);
        assert_eq!(counted(test, &client), expected, "{}: {}", client.name, test.read(&format!("{}.log", client.name)));
        client.bot.kill();
    }
}

#[test]
fn python_telegram_bots() {
    alone(|test| {
        let (old, new) = (format!("{PTB}{PTB_13}"), format!("{PTB}{PTB_20}"));
        let clients = vec![
            start(test, "ptb13", "venv-ptb13", &old, false),
            start(test, "ptb13_handled", "venv-ptb13", &old, true),
            start(test, "ptb20", "venv-ptb20", &new, false),
            start(test, "ptb20_handled", "venv-ptb20", &new, true),
            start(test, "ptb22", "venv-bots", &new, false),
            start(test, "ptb22_handled", "venv-bots", &new, true),
        ];
        each_409_counts_once(test, clients, 3);
    });
}

#[test]
fn telebots_and_aiograms() {
    alone(|test| {
        let clients = vec![
            start(test, "telebot3", "venv-ptb13", TELEBOT, false),
            start(test, "telebot4", "venv-ptb20", TELEBOT_4, false),
            start(test, "telebot4_async", "venv-ptb20", TELEBOT_ASYNC, false),
            start(test, "aiogram3", "venv-bots", AIOGRAM_3, false),
        ];
        each_409_counts_once(test, clients, 3);
    });
}

#[test]
fn clients_of_node_which_die_of_one() {
    alone(|test| {
        let grammy = start(test, "grammy", "node", GRAMMY, false);
        each_409_counts_once(test, vec![grammy, start(test, "telegraf", "node", TELEGRAF, false)], 1);
    });
}
