// A bot for the tests under wine. It writes who it is to bot-PID.json in its current folder, and runs until it is ended, or ends
// with BOT_CODE after BOT_LASTS milliseconds. With BOT_CHILDREN, it first starts itself again, that many generations deep. With
// BOT_POLLS it stays connected to that port of this machine, until the file `hang-up` is in its current folder.
const fs = require('fs');
const { spawn } = require('child_process');
const net = require('net');
const { env, pid, ppid } = process;
const generations = Number(env.BOT_CHILDREN || 0);
const seen = Object.fromEntries(Object.entries(env).filter(([name]) => /^(SOLOBOT|SKIP)_/.test(name)));
fs.writeFileSync('bot.new', JSON.stringify({ pid, ppid, generations, env: seen, words: process.argv.slice(2) }));
fs.renameSync('bot.new', `bot-${pid}.json`);
if (generations) {
    const options = { env: { ...env, BOT_CHILDREN: String(generations - 1) }, stdio: 'ignore' };
    spawn(process.execPath, process.argv.slice(1), options);
}
setInterval(() => {}, 1000);
if (env.BOT_POLLS && !generations) {
    const socket = net.connect(Number(env.BOT_POLLS), '127.0.0.1');
    setInterval(() => fs.existsSync('hang-up') && socket.destroy(), 50);
}
if (env.BOT_LASTS) setTimeout(() => process.exit(Number(env.BOT_CODE || 0)), Number(env.BOT_LASTS));
