// One bot under pm2: `pm2 start ecosystem.config.js && pm2 save`
module.exports = {
  apps: [
    {
      name: "tgbot",
      cwd: "/srv/bot",
      // pm2 looks for it on PATH when you type `pm2 start`.
      script: "solobot",
      interpreter: "none",
      args: "acquire --wait forever --takeover=orphan -- venv/bin/python main.py",
      // Cluster mode and `instances` are for web servers: each further copy of a bot is one poller too many.
      exec_mode: "fork",
      instances: 1,
      // pm2 signals solobot only, which passes the signal on once. Many bots take a second signal for "end at once".
      treekill: false,
      kill_timeout: 30000,
      // Whatever ends the bot, it is started again, except after 78: a wrong configuration does not fix itself. (pm2 7.0.4
      // then shows "waiting restart" and does not restart it. To start it: `pm2 start tgbot`.)
      autorestart: true,
      stop_exit_codes: [78],
      restart_delay: 10000,
    },
  ],
};
