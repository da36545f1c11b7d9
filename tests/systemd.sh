#!/usr/bin/env bash
# Tests with a real systemd: origin, stop command and restarts of real units, and the units of examples/ as they are.
#
#   bash tests/systemd.sh
#
# It boots this machine's own file system in a systemd-nspawn container, under an overlay that is thrown away. It downloads
# only systemd-container and dbus, and changes nothing on the machine. Needs root. The last line is `systemd: N checks
# passed`; the exit code is 77 if systemd cannot be booted here.
set -euo pipefail

die() { printf 'tests/systemd.sh: %s\n' "$*" >&2; exit 1; }
# The machine cannot run these tests: that is no failure of solobot.
cannot() { printf 'tests/systemd.sh: %s\n' "$*" >&2; exit 77; }

# ---------------------------------------------------------------------------------------------------- in the container

checks=0

# Prints what was checked. The first failure ends the script.
check() {
    local what=$1
    shift
    "$@" || { printf 'FAILED: %s\n' "$what"; exit 1; }
    checks=$((checks + 1))
    printf 'ok: %s\n' "$what"
}

is() { [[ $1 == "$2" ]] || { printf '  expected %s, got %s\n' "$2" "$1"; return 1; }; }
isnt() { [[ $1 != "$2" ]] || { printf '  did not expect %s\n' "$1"; return 1; }; }

# A value of solobot's JSON: json KEY… reads stdin.
json() {
    python3 -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[int(key) if key.isdigit() else key]
print(value)' "$@"
}

instances() { solobot status --json -m /srv/bot/main.py | json bots 0 instances; }
origin() { solobot status --json -m /srv/bot/main.py | json bots 0 instances 0 origin "$1"; }
main_pid() { systemctl show -p MainPID --value "$1"; }

wait_until() {
    local deadline=$((SECONDS + 30))
    until "$@"; do
        ((SECONDS < deadline)) || { printf '  not within 30 s: %s\n' "$*"; return 1; }
        sleep 0.05 # how often it looks
    done
}

runs() { [[ $(main_pid "$1") -gt 0 && $(instances) != '[]' ]]; }
none_runs() { [[ $(instances) == '[]' ]]; }
one_runs() { ! none_runs; }
is_inactive() { [[ $(systemctl show -p ActiveState --value "$1") =~ ^(inactive|failed)$ ]]; }

wait_for() { wait_until test -e "$1"; }
# The PID in the file stays the same for three seconds.
stays() {
    local file=$1 before deadline=$((SECONDS + 3))
    before=$(<"$file")
    while ((SECONDS < deadline)); do
        [[ $(<"$file") == "$before" ]] || return 1
        sleep 0.1 # how often it looks
    done
}

# Writes a unit: unit NAME LINES…
unit() {
    local name=$1
    shift
    { printf '[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\n'; printf '%s\n' "$@"; } >"/run/systemd/system/$name"
    systemctl daemon-reload
}

# A value of a finding of doctor's: finding CODE KEY reads stdin.
finding() {
    python3 -c 'import json, sys
print(next((str(one[sys.argv[2]]) for one in json.load(sys.stdin)["findings"] if one["code"] == sys.argv[1]), "none"))' "$@"
}
# How many findings are more than a remark.
above_info() {
    python3 -c 'import json, sys
print(sum(one["level"] != "info" for one in json.load(sys.stdin)["findings"]))'
}
quick_doctor() {
    local start
    systemctl restart tgbot.service
    wait_until runs tgbot.service
    start=${EPOCHREALTIME/[.,]/}
    solobot doctor -m /srv/bot/main.py && ((${EPOCHREALTIME/[.,]/} - start <= 2000000))
}
restarts() { (($(systemctl show -p NRestarts --value "$1") >= $2)); }

# A unit whose bot ends because another one has the lock.
respawns() {
    local code=0 seen holder
    unit again.service Restart=always RestartSec=500ms \
        "ExecStart=/usr/bin/flock -n -E 75 /run/bot.lock /usr/bin/python3 /srv/bot/main.py"
    flock /run/bot.lock /usr/bin/python3 /srv/bot/main.py &
    holder=$!
    wait_until one_runs
    systemctl start again.service
    check 'a unit is started again and again' wait_until restarts again.service 3
    seen=$(solobot doctor --json -m /srv/bot/main.py -l /run/bot.lock) || code=$?
    check 'doctor names that loop' is "$code $(finding respawn-loop level <<<"$seen")" '1 error'
    check 'with what systemd has counted' grep -q 'by systemd.s count (NRestarts)' <<<"$seen"
    check 'and the command that stops it' is "$(finding respawn-loop command <<<"$seen")" 'systemctl stop again.service'
    eval "$(finding respawn-loop command <<<"$seen")"
    code=0
    seen=$(solobot doctor --json -m /srv/bot/main.py -l /run/bot.lock) || code=$?
    check 'after which there is no loop' is "$(finding respawn-loop level <<<"$seen")" none
    check 'and the one that has the lock goes on' kill -0 "$holder"
    solobot stop -y -m /srv/bot/main.py
    wait "$holder" || true
}

# The units of examples/systemd as they are, except for the pause before a restart.
recipes() {
    local name bot
    useradd --no-create-home --home-dir /srv/bot bot
    cp /srv/examples/*.service /etc/systemd/system/
    for name in tgbot tgbot@; do
        mkdir -p "/run/systemd/system/$name.service.d"
        printf '[Service]\nRestartSec=100ms\nEnvironment=PYTHONUNBUFFERED=1\nStandardOutput=append:%s\nStandardError=inherit\n' \
            "$OUTPUT" >"/run/systemd/system/$name.service.d/test.conf"
    done
    systemctl daemon-reload
    for name in bot quiz weather; do
        [[ $name == bot ]] || useradd --no-create-home --home-dir "/srv/$name" "$name"
        mkdir -p "/srv/$name/venv/bin"
        ln -sf /usr/bin/python3 "/srv/$name/venv/bin/python"
        cp /srv/bot.py "/srv/$name/main.py"
        cp /srv/examples/solobot.toml "/srv/$name/solobot.toml"
        chown -R "$name:" "/srv/$name"
    done
    cd /srv/bot

    systemctl start tgbot.service
    wait_for main.pid
    bot=$(<main.pid)
    check 'tgbot.service runs the bot, hardened, under a lock that others see' as_bot solobot check --running main
    check 'and writes the journal, hardened' grep -q '"event":"lock-taken"' journal.jsonl
    check 'the unit is the place to stop it' is "$(as_bot solobot status --json main | json bots 0 instances 0 origin stop)" 'systemctl stop tgbot.service'
    code=0
    as_bot solobot acquire -q -n main -- venv/bin/python main.py || code=$?
    check 'a start by hand is refused' is "$code" 75
    check 'the job beside the bot is left out, quietly' systemctl start tgbot-job.service
    check 'since its condition said so' is "$(systemctl show -p ConditionResult --value tgbot-job.service)" no
    check 'it did not run' test ! -e job

    kill -KILL "$(main_pid tgbot.service)"
    check 'solobot killed: another bot runs' wait_until changed main.pid "$bot"
    check 'and it is the only one' wait_until as_bot solobot check --running main
    bot=$(<main.pid)
    rm -f signals
    systemctl stop tgbot.service
    check 'systemctl stop ends it with one TERM' is "$(<signals)" SIGTERM
    check 'and the lock is free' as_bot solobot check main

    check 'the job runs when the bot does not' systemctl start tgbot-job.service
    check 'it did run' test -e job
    echo '[bots.mian]' >solobot.toml
    check 'a wrong configuration lets the job fail, and be seen to fail' fails systemctl start tgbot-job.service
    check 'not by its condition' is "$(systemctl show -p Result,ExecMainStatus --value tgbot-job.service | xargs)" 'exit-code 78'
    cp /srv/examples/solobot.toml solobot.toml

    rm -f main.pid
    systemctl start tgbot.service
    wait_for main.pid
    touch wrong
    wait_until is_inactive tgbot.service
    check 'the bot ended with 78: the unit has failed' is "$(systemctl show -p ExecMainStatus --value tgbot.service)" 78
    check 'and is not started again' stays main.pid

    # The second one finds the first one running. Of another user's process it sees the command line alone.
    systemctl start tgbot@quiz.service
    wait_for /srv/quiz/main.pid
    check 'a second bot of the same unit starts beside the first' systemctl start tgbot@weather.service
    wait_for /srv/weather/main.pid
    cd /
    for name in quiz weather; do
        check "tgbot@$name.service runs its own bot" solobot check --running -m "/srv/$name/main.py"
        check "as its own user" is "$(stat -c %U "/proc/$(<"/srv/$name/main.pid")")" "$name"
        check "with its own journal" grep -q '"event":"lock-taken"' "/srv/$name/journal.jsonl"
    done
    systemctl stop tgbot@quiz.service tgbot@weather.service
    other_users
    words
    releases
}

# Whether the user weather may start /srv/weather/pause.py, as an exit code.
may_start() {
    local code=0
    runuser -u weather -- solobot check -m /srv/weather/pause.py || code=$?
    ((code == $1)) || { printf '  exit code %s, expected %s\n' "$code" "$1"; return 1; }
}

executes() { [[ $(readlink "/proc/$(main_pid "$1")/exe") == *"$2"* ]]; }

# Another user's bot, in a folder that only root can read from its process: the unit tells which one it is.
other_users() {
    local name hidden
    for name in quiz weather; do
        printf 'import signal\nsignal.pause()\n' >"/srv/$name/pause.py"
        unit "$name-folder.service" User=quiz "WorkingDirectory=/srv/$name" 'ExecStart=/usr/bin/nice /usr/bin/python3 pause.py'
    done
    systemctl start quiz-folder.service
    wait_until executes quiz-folder.service python3
    check "another user's bot in its own folder is another bot" may_start 0
    check 'which still runs' executes quiz-folder.service python3
    systemctl start weather-folder.service
    wait_until executes weather-folder.service python3
    check "in this folder it is this bot" may_start 1
    systemctl stop weather-folder.service
    check "which is over with it" may_start 0
    systemctl stop quiz-folder.service

    # In the group of a service that says nothing about it.
    runuser -u quiz -- env -C /srv/quiz python3 pause.py &
    hidden=$!
    check 'started by hand, it may be either' wait_until may_start 77
    kill "$hidden"
    wait "$hidden" || true
    check 'until it has ended' wait_until may_start 0
}

# The deploy recipe: the unit with its drop-in runs the release that `current` points to.
releases() {
    local name
    cd /srv/bot
    rm -f main.pid wrong
    for name in 1 2; do
        mkdir -p "releases/$name"
        cp /srv/bot.py "releases/$name/main.py"
    done
    cp /srv/examples/deploy/solobot.toml solobot.toml
    mkdir -p /etc/systemd/system/tgbot.service.d
    cp /srv/examples/deploy/tgbot.service.d/current.conf /etc/systemd/system/tgbot.service.d/
    chown -R bot: /srv/bot
    systemctl daemon-reload
    for name in 1 2; do
        # Named, so that root trusts it.
        check "deploy.sh deploys release $name" env SOLOBOT_CONFIG=/srv/bot/solobot.toml SETTLE=1 \
            START='systemctl start tgbot' STOP='systemctl stop tgbot' bash /srv/examples/deploy/deploy.sh "$name"
        check 'the unit runs it' is "$(tr '\0' ' ' <"/proc/$(<main.pid)/cmdline")" 'python3 current/main.py '
        check 'from the folder of that release' is "$(readlink -f current)" "/srv/bot/releases/$name"
    done
    check 'the unit is the place to stop it' is "$(as_bot solobot status --json main | json bots 0 instances 0 origin stop)" 'systemctl stop tgbot.service'
    systemctl stop tgbot.service
}

status_text() { systemctl show -p StatusText --value tgbot.service; }
says() { [[ $(status_text) == "$1"* ]]; }
is_active() { [[ $(systemctl show -p ActiveState --value "$1") == active ]]; }
drop_in() {
    printf '%s\n' '[Service]' "$@" >/run/systemd/system/tgbot.service.d/words.conf
    systemctl daemon-reload
}

# What solobot tells systemd: tgbot.service with shorter times.
words() {
    local solobot bot holder
    cd /srv/bot
    rm -f main.pid wrong signals
    drop_in WatchdogSec=2 Restart=no
    systemctl start tgbot.service
    wait_for main.pid
    bot=$(<main.pid)
    solobot=$(main_pid tgbot.service)
    check 'systemctl start returns once the bot runs' kill -0 "$bot"
    check 'systemd is told which process that is' is "$(status_text)" "running: PID $bot"
    check 'solobot is the main process' is "$(readlink "/proc/$solobot/exe")" /usr/local/bin/solobot
    check 'the watchdog leaves a solobot alone that is well' stays main.pid
    kill -STOP "$solobot"
    check 'solobot stopped: the unit is down' wait_until is_inactive tgbot.service
    check 'by the watchdog' is "$(systemctl show -p Result --value tgbot.service)" watchdog
    check 'with the bot' fails kill -0 "$bot"
    check 'which was asked to end' is "$(<signals)" SIGTERM
    check 'and the lock is free' as_bot solobot check main
    systemctl reset-failed tgbot.service

    rm -f main.pid
    drop_in WatchdogSec=2
    systemctl start tgbot.service
    wait_for main.pid
    bot=$(<main.pid)
    kill -STOP "$(main_pid tgbot.service)"
    check 'with Restart=always another bot runs' wait_until changed main.pid "$bot"
    wait_until is_active tgbot.service
    check 'it is the only one' wait_until as_bot solobot check --running main
    systemctl stop tgbot.service

    rm -f main.pid
    drop_in WatchdogSec=2 TimeoutStartSec=3
    setpriv --reuid=bot --regid=bot --clear-groups solobot acquire -q -- venv/bin/python main.py &
    holder=$!
    wait_for main.pid
    bot=$(<main.pid)
    systemctl start --no-block tgbot.service
    check 'a unit that waits says for whom' wait_until says "waiting: held by PID $bot on $(hostname) since 20"
    SECONDS=0
    while ((SECONDS < 10)); do
        # It would have timed out three times.
        is "$(systemctl show -p ActiveState --value tgbot.service)" activating || break
        sleep 0.2 # how often it looks
    done
    check 'and waits longer than TimeoutStartSec=' test "$SECONDS" -ge 10
    kill -TERM "$holder"
    check 'until the lock is free' wait_until is_active tgbot.service
    check 'then it runs its own bot' wait_until changed main.pid "$bot"
    wait "$holder" || true

    drop_in WatchdogSec=1 ExecStart= 'ExecStart=solobot acquire -n --if-held run -l words.lock -- /srv/bot/venv/bin/python main.py'
    systemctl stop tgbot.service
    setpriv --reuid=bot --regid=bot --clear-groups flock -o words.lock sleep 600 &
    holder=$!
    rm -f main.pid
    wait_for words.lock
    wait_until fails flock -n words.lock true
    systemctl start tgbot.service
    wait_for main.pid
    check 'a bot without the lock is not watched' stays main.pid
    check 'and that is said' is "$(status_text)" 'running without the lock'
    systemctl stop tgbot.service
    kill "$holder"
    wait "$holder" || true
    rm /run/systemd/system/tgbot.service.d/words.conf
    systemctl daemon-reload
}

# Root does not trust a file that belongs to the bot's user.
as_bot() { runuser -u bot -- "$@"; }
changed() { [[ $(<"$1") != "$2" ]]; }
fails() { ! "$@"; }

# What the units of the recipes have printed is shown if something fails.
readonly OUTPUT=/srv/output
ended() {
    local code=$?
    ((code == 0)) || tail -n 10 "$OUTPUT"
}

inside() {
    trap ended EXIT
    : >"$OUTPUT"
    # Over it, whoever is not root asks systemd. A systemd that boots a single unit starts it for nobody.
    systemctl start dbus.service
    local bot='ExecStart=/usr/bin/python3 /srv/bot/main.py' pid code answer
    unit tgbot.service "$bot" Restart=always RestartSec=100ms
    unit once.service "$bot" Restart=no
    unit onfailure.service "$bot" Restart=on-failure RestartSec=100ms
    unit leaves.service Type=oneshot KillMode=process "ExecStart=/bin/sh -c 'setsid /usr/bin/python3 /srv/bot/main.py & sleep 0.2'"

    systemctl start tgbot.service
    check 'the bot of a Restart=always unit runs' wait_until runs tgbot.service
    pid=$(main_pid tgbot.service)
    check 'its origin is systemd' is "$(origin kind)" systemd
    check 'with the name of the unit' is "$(origin name)" tgbot.service
    check 'and the command that stops it' is "$(origin stop)" 'systemctl stop tgbot.service'
    check 'it would respawn' is "$(origin respawns)" yes

    check 'doctor has no more than remarks about it' is "$(solobot doctor --json -m /srv/bot/main.py | above_info)" 0
    # On a busy machine, more than one try may be needed.
    check 'and takes no longer than two seconds about a young one' wait_until quick_doctor
    pid=$(main_pid tgbot.service)

    code=0
    answer=$(solobot stop --json -m /srv/bot/main.py) || code=$?
    check 'stop leaves it to systemd' is "$code $(json plan 0 action <<<"$answer")" '1 blocked'
    check 'and does not touch it' is "$(main_pid tgbot.service)" "$pid"

    code=0
    answer=$(solobot stop --json --include-managed -m /srv/bot/main.py) || code=$?
    check 'stopped anyway, it comes back, and solobot says so' is "$code $(json results 0 result <<<"$answer") $(json results 1 result <<<"$answer")" '1 terminated respawned'
    check 'the bot runs again' wait_until runs tgbot.service
    check 'as another process' isnt "$(main_pid tgbot.service)" "$pid"

    # Type what solobot says.
    eval "$(origin stop)"
    check 'the command that solobot named stops it' none_runs
    check 'and the unit is down' is_inactive tgbot.service

    systemctl start once.service
    check 'the bot of a Restart=no unit runs' wait_until runs once.service
    check 'it would not respawn' is "$(origin respawns)" no
    check 'so stop stops it' solobot stop -y -m /srv/bot/main.py
    check 'and nothing runs' none_runs

    systemctl start onfailure.service
    check 'the bot of a Restart=on-failure unit runs' wait_until runs onfailure.service
    check 'it would come back after KILL' is "$(origin respawns)" after-kill
    systemctl stop onfailure.service

    systemctl start leaves.service
    wait_until one_runs
    check 'a unit with KillMode=process has left its bot behind' is "$(systemctl show -p ActiveState --value leaves.service) $(origin kind)" 'inactive systemd'
    check 'stopping that unit would do nothing: no command is named' is "$(origin stop)" None
    check 'and it does not respawn' is "$(origin respawns)" no
    check 'so stop signals it' solobot stop -y -m /srv/bot/main.py
    check 'and nothing runs in the end' none_runs
    respawns
    recipes
    printf 'systemd: %s checks passed\n' "$checks"
}

if [[ ${1:-} == --inside ]]; then
    inside
    exit 0
fi

# ------------------------------------------------------------------------------------------------------ on the machine

(($# == 0)) || die "unknown argument: $1"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly TARGET="${CARGO_TARGET_DIR:-target}"
[[ $(id -u) -eq 0 ]] || die 'needs root'
mkdir -p "$TARGET"
if ! command -v systemd-nspawn >/dev/null || ! command -v dbus-daemon >/dev/null || [[ ! -x /lib/systemd/systemd ]]; then
    command -v apt-get >/dev/null || die 'missing: systemd, systemd-container, dbus'
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 systemd systemd-container dbus >"$TARGET/apt.log" 2>&1 ||
        die "apt-get install systemd-container failed: see $TARGET/apt.log"
fi
cargo build --quiet

# In a mount namespace of our own, so that the mounts end with this script.
if [[ ${SOLOBOT_SYSTEMD_TEST:-} != mounted ]]; then
    exec env SOLOBOT_SYSTEMD_TEST=mounted unshare -m "$BASH" tests/systemd.sh
fi
folder=$(mktemp -d)
trap 'umount -R "$folder" 2>/dev/null || true; rmdir "$folder"' EXIT
mount -t tmpfs none "$folder"
mkdir "$folder"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" ||
    cannot 'no overlay of / here'
root=$folder/root
mkdir -p "$root/srv/bot"
cp "$TARGET/debug/solobot" "$root/usr/local/bin/solobot"
cp tests/systemd.sh "$root/srv/check.sh"
printf 'import signal\nsignal.pause()\n' >"$root/srv/bot/main.py"
mkdir "$root/srv/examples"
cp -r examples/systemd/*.service examples/systemd/solobot.toml examples/deploy "$root/srv/examples/"
# The recipes' bot: says its PID and its signals, and ends with 78 once `wrong` is there.
cat >"$root/srv/bot.py" <<'BOT'
import os, signal, sys, time

def on_term(number, frame):
    with open("signals", "a") as file:
        file.write("SIGTERM\n")
    sys.exit(0)

signal.signal(signal.SIGTERM, on_term)
with open("main.pid.new", "w") as file:
    file.write(str(os.getpid()))
os.rename("main.pid.new", "main.pid")
while not os.path.exists("wrong"):
    time.sleep(0.05)  # how often it looks for the file
sys.exit(78)
BOT
printf 'open("job", "w").close()\n' >"$root/srv/bot/import_updates.py"
cat >"$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
Environment=HOME=/root LC_ALL=C.UTF-8
ExecStart=/bin/bash /srv/check.sh --inside
StandardOutput=file:/srv/result
StandardError=file:/srv/result
UNIT
timeout 300 systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$root" --boot -- \
    --unit=check.service --show-status=no >"$TARGET/nspawn.log" 2>&1 || true
[[ -s $root/srv/result ]] || cannot "systemd-nspawn does not boot here: see $TARGET/nspawn.log"
cat "$root/srv/result"
tail -n 1 "$root/srv/result" | grep -q '^systemd: [0-9]* checks passed$' || die 'failed'
