# For the PowerShell profile: completions, and three functions to type in the bot's folder. Put these lines into the file that
# $PROFILE names.

# Tab completes subcommands, options, and the names of bots.
if (Get-Command solobot -ErrorAction SilentlyContinue) { solobot completions powershell | Out-String | Invoke-Expression }

# Starts the bot under its lock, with the Python of its virtual environment if there is one.
function Start-Bot {
    param([string]$Script = 'main.py')
    $python = if (Test-Path venv\Scripts\python.exe) { 'venv\Scripts\python.exe' } else { 'python' }
    solobot acquire '--' $python $Script @args
}

# Stops every instance of this folder's bot, and no other Python.
function Stop-Bot {
    solobot stop @args
}

# What is running, since when, started by what.
function Get-Bot {
    solobot status @args
}
