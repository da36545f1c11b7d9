// One bot under pm2: `pm2 start ecosystem.config.js && pm2 save`
module.exports = {
  apps: [
    {
      name: "tgbot",
      cwd: "/srv/bot",
      script: "/usr/bin/solobot",
      interpreter: "none",
      args: "acquire --wait forever --takeover=orphan -- venv/bin/python main.py",
      // Cluster mode and instances balance web servers; every copy of a bot that polls is one too many.
      exec_mode: "fork",
      instances: 1,
      // The signal goes to solobot alone, which passes it on once: many bots take a second one for "end at once".
      treekill: false,
      kill_timeout: 30000,
      // Whatever ends the bot, it comes back; but a wrong configuration (78) does not mend itself. (pm2 7.0.4 then shows
      // "waiting restart", and does not restart; `pm2 start tgbot` starts it.)
      autorestart: true,
      stop_exit_codes: [78],
      restart_delay: 10000,
    },
  ],
};
