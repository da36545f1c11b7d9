#!/usr/bin/env bash
# Attacks the lock and the lease: kills contenders of every kind at random, kills solobot or lets it get an error at one system
# call after the other, sets the wall clock, cuts hosts off from the engine of their lease, and does the first again on Windows.
#
#   bash tests/torture.sh [--minutes N] [--seed SEED] [--parts PART,PART…] [--self-check]
#
#   fire     contenders of every kind at one lock, killed at random
#   kills    KILL at one system call after the other
#   errors   one system call fails
#   clocks   as fire, while the wall clock jumps, on a machine that has run for any time
#   leases   two hosts and an engine, drawn by the seed, in tests/nemesis.sh; needs root
#   windows  contenders under wine (tests/windows/run.py)
#
# 10 minutes by default, which the parts share; N may be 0.5. Of the parts, those that cannot run here are left out, and a line says
# so; one that --parts names must run. One line a part says what was done and what was found. If anything was found, the exit code
# is 1 and the evidence is printed. The same seed makes the same choices again, but not the same timing. With --self-check, some
# contenders use another lock: each part must find two at once, and the exit code is 1 if one does not. Needs strace, and root or
# user namespaces.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LC_ALL=C.UTF-8 TZ=UTC

die() { printf 'tests/torture.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '==> %s\n' "$*"; }

readonly PARTS=(fire kills errors clocks leases windows)
readonly ENGINES=(redis ssh postgres pgbouncer etcd etcd-cluster)
minutes=10 self_check=
seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
wanted=()
while (($#)); do
    case $1 in
        --self-check) self_check=1 ;;
        --minutes | --seed | --parts)
            (($# > 1)) || die "$1: a value is missing"
            case $1 in
                --minutes) minutes=$2 ;;
                --seed) seed=$2 ;;
                --parts)
                    IFS=, read -ra wanted <<<"$2"
                    ((${#wanted[@]})) || die "--parts names no part (${PARTS[*]})"
                    ;;
            esac
            shift
            ;;
        *) die "unknown argument: $1 (only --minutes N, --seed SEED, --parts PART,PART… and --self-check)" ;;
    esac
    shift
done
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ && $minutes =~ [1-9] ]] || die "--minutes takes a number, not $minutes"
[[ $seed =~ ^[0-9A-Za-z]+$ ]] || die "--seed takes letters and digits, not $seed"
for part in "${wanted[@]}"; do
    [[ " ${PARTS[*]} " == *" $part "* ]] || die "no such part: $part (one of: ${PARTS[*]})"
done

readonly TARGET="${CARGO_TARGET_DIR:-target}"
folder=$(realpath -m "$TARGET")/torture
case $folder in
    /tmp/*) die "cannot run below /tmp, which cleaners empty: clone it elsewhere" ;;
esac
mkdir -p "$TARGET"
. tests/need.sh

python=$(python3 -c 'import sys; print(sys.executable if sys.version_info >= (3, 9) else "")')
[[ -n $python ]] || die "python3 is older than 3.9"

# ------------------------------------------------------------------------------------------------ what each part needs

namespaces=(unshare -pf --mount-proc --kill-child=KILL)
[[ $(id -u) -eq 0 ]] || namespaces=(unshare --map-root-user --map-auto -pf --mount-proc --kill-child=KILL)

# Each says why it cannot run here, if so.
needs_fire() {
    command -v flock >/dev/null || die "flock is missing: install util-linux"
    "${namespaces[@]}" true 2>/dev/null || die "no namespaces here (${namespaces[*]}): needs root, or user namespaces"
}

needs_kills() {
    needs_fire
    command -v strace >/dev/null || die "strace is missing: install strace"
    "${namespaces[@]}" strace -D -f -b execve -qq -o /dev/null -e inject=all:signal=KILL:when=500 true 2>/dev/null ||
        die "strace cannot trace here (ptrace is not allowed, or strace is older than 5.11)"
}

needs_errors() { needs_kills; }

needs_clocks() {
    needs_fire
    command -v cc >/dev/null || die "cc is missing: install gcc"
    "${namespaces[@]}" -T --boottime 1 true 2>/dev/null || die "no time namespaces here (Linux is older than 5.6)"
}

needs_leases() {
    [[ $(id -u) -eq 0 ]] || die "needs root: the hosts are network namespaces"
    [[ -w /dev/net/tun ]] || die "needs /dev/net/tun"
}

needs_windows() {
    [[ $(uname -m) == x86_64 ]] || die "wine runs programs for x86_64, and this is $(uname -m)"
    need 'x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64' '/usr/lib/wine/wine64 wine64'
}

# ------------------------------------------------------------------------------------------------------------ the parts

# Each runs in the background: while a shell waits for a foreground command, it handles no signal. Its line goes to stdout.

run_here() {
    # unshare ignores TERM, and the namespace ends with it.
    CLOCK_LIBRARY=$folder/clock.so background KILL "${namespaces[@]}" "$python" -I tests/torture.py \
        "$1" "$debug/solobot" "$debug/examples/turn" "$folder" "$seconds" "$seed $1"
}

run_fire() { run_here fire; }
run_kills() { run_here kills; }
run_errors() { run_here errors; }
run_clocks() {
    cc -shared -fPIC -O2 -Wall -Wextra -Werror -o "$folder/clock.so" tests/nemesis/clock.c || return
    run_here clocks
}

# The last rounds take half a minute longer.
run_leases() {
    local engines=("${ENGINES[@]}") engine code=0
    # Its lease is one file, whatever its name.
    [[ -z $self_check ]] || engines=(redis postgres etcd)
    engine=$("$python" -c 'import random, sys; print(random.Random(sys.argv[1]).choice(sys.argv[2:]))' "$seed leases" "${engines[@]}")
    # A cluster of three a pair: with more pairs, they wait for the machine rather than for each other.
    SOLOBOT=$debug/solobot background TERM bash tests/nemesis.sh "$engine" "$((seconds > 40 ? seconds - 30 : 10))s" --pairs 4 \
        --seed "$seed" --times-shown ${self_check:+--broken} >"$folder/leases.log" 2>&1 || code=$?
    # As the other parts say it.
    sed -n '/^nemesis: engine=/{s/^nemesis: /leases: /;s/ seed=[^ ]*//;s/ result=.*//;s/ \([a-z_]*\)=/, \1 /g;s/:,/:/;s/_/ /g;p}' \
        "$folder/leases.log"
    ((code == 0)) || grep -v '^nemesis: engine=' "$folder/leases.log" >&2
    return "$code"
}

# The programs are built before its time begins.
run_windows() {
    local code=0
    WINDOWS_RACE="$seed $seconds${self_check:+ broken}" background TERM bash tests/platforms.sh windows \
        >"$folder/windows.log" 2>&1 || code=$?
    sed -n 's/^  turns/windows: turns/p' "$folder/windows.log"
    ((code == 0)) || cat "$folder/windows.log" >&2
    return "$code"
}

child=
background() {
    local number=$1
    shift
    "$@" &
    child=$!
    # shellcheck disable=SC2064 # the child of now
    trap "kill -$number $child 2>/dev/null; exit 130" INT
    # shellcheck disable=SC2064
    trap "kill -$number $child 2>/dev/null; exit 143" TERM HUP
    wait "$child"
}

# ------------------------------------------------------------------------------------------------------------------------

parts=()
for part in "${PARTS[@]}"; do
    ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" $part "* ]] || continue
    if why=$("needs_$part" 2>&1 >/dev/null); then
        parts+=("$part")
        continue
    fi
    why=${why##*tests/torture.sh: }
    [[ ${#wanted[@]} == 0 && $part =~ ^(leases|windows)$ ]] || die "$part: $why"
    printf '%s: not run: %s\n' "$part" "$why"
done

cargo build --quiet --bin solobot --example turn
debug=$(realpath "$TARGET")/debug
rm -rf "$folder"
mkdir -p "$folder"
seconds=$("$python" -c 'import sys; print(max(1, round(float(sys.argv[1]) * 60 / int(sys.argv[2]))))' "$minutes" "${#parts[@]}")
printf 'torture: %s min, seed %s\n' "$minutes" "$seed"
[[ -z $self_check ]] || export BROKEN=1
failed=()
for part in "${parts[@]}"; do
    code=0
    if [[ -n $self_check ]]; then
        "run_$part" >"$folder/$part.said" 2>"$folder/$part.evidence" || code=$?
        grep -v '^==>' "$folder/$part.said" || true
        # Seconds with two, or how often two met.
        if ((code == 0)) || ! grep -qE '(overlaps|two pollers seconds) [0-9.]*[1-9]' "$folder/$part.said"; then
            cat "$folder/$part.evidence" >&2
            failed+=("$part")
        fi
    else
        "run_$part" || failed+=("$part")
    fi
done
if ((${#failed[@]})) && [[ -n $self_check ]]; then
    die "found nothing, although two did run at once: ${failed[*]}"
elif ((${#failed[@]})); then
    die "found something: ${failed[*]}; --seed $seed chooses the same again; the files are in $folder"
fi
rm -rf "$folder"
