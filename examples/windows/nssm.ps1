# One bot as a service by NSSM 2.24 or newer. Change the two paths, then run this as an administrator.
$solobot = 'C:\Program Files\solobot\solobot.exe'
$folder = 'C:\Users\bot\tgbot'

nssm install tgbot $solobot
nssm set tgbot AppParameters 'acquire --wait forever --takeover=orphan -- venv\Scripts\python.exe main.py'
nssm set tgbot AppDirectory $folder
nssm set tgbot Description 'Telegram bot (one instance, by solobot)'

# Whatever ends the bot, it is started again, except after 78: a wrong configuration does not fix itself.
nssm set tgbot AppExit Default Restart
nssm set tgbot AppExit 78 Exit
nssm set tgbot AppRestartDelay 10000

# NSSM stops a service by Ctrl-C, then WM_CLOSE to its windows, then WM_QUIT to its threads, then TerminateProcess, and by
# itself waits 1.5 s between them. A bot has a console and no window: Ctrl-C, 30 s, TerminateProcess.
# 6 = 2, no WM_CLOSE, and 4, no WM_QUIT.
nssm set tgbot AppStopMethodConsole 30000
nssm set tgbot AppStopMethodSkip 6

# What solobot and the bot print.
nssm set tgbot AppStdout "$folder\bot.log"
nssm set tgbot AppStderr "$folder\bot.log"
