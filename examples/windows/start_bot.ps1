# Starts the bot of this script's folder, if it is not running. If two of these start at the same moment, one bot runs: the
# lock decides, not a look at the list of processes.
#
# Exit codes: 75 another instance is running, and solobot says which one; otherwise the bot's own.
Set-Location -LiteralPath $PSScriptRoot -ErrorAction Stop
# Without this line a missing solobot would end the script with 0.
Get-Command solobot -ErrorAction Stop | Out-Null
solobot acquire --nonblock '--' venv\Scripts\python.exe main.py @args
exit $LASTEXITCODE
