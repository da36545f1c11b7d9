#!/usr/bin/env bash
# Attacks the lock: kills contenders of every kind at random, then kills solobot, or lets it get an error, at one system call
# after the other.
#
#   bash tests/torture.sh [--minutes N] [--seed SEED]     10 minutes by default; N may be 0.5
#
# One line per part says what was done and what was found. If anything was found, the exit code is 1 and the evidence is
# printed. The same seed makes the same choices again, but not the same timing. Needs strace, and root or user namespaces.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LC_ALL=C.UTF-8 TZ=UTC

die() { printf 'tests/torture.sh: %s\n' "$*" >&2; exit 1; }

minutes=10
seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
while (($#)); do
    case $1 in
        --minutes) minutes=${2:-} ;;
        --seed) seed=${2:-} ;;
        *) die "unknown argument: $1 (only --minutes N and --seed SEED)" ;;
    esac
    shift
    (($#)) || die "a value is missing"
    shift
done
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ && $minutes != 0 ]] || die "--minutes takes a number, not $minutes"
[[ $seed =~ ^[0-9A-Za-z]+$ ]] || die "--seed takes letters and digits, not $seed"

readonly TARGET="${CARGO_TARGET_DIR:-target}"
folder=$(realpath -m "$TARGET")/torture
case $folder in
    /tmp/*) die "cannot run below /tmp, which cleaners empty: clone it elsewhere" ;;
esac

python=$(python3 -c 'import sys; print(sys.executable if sys.version_info >= (3, 9) else "")')
[[ -n $python ]] || die "python3 is older than 3.9"
command -v flock >/dev/null || die "flock is missing: install util-linux"
command -v strace >/dev/null || die "strace is missing: install strace"

namespaces=(unshare -pf --mount-proc --kill-child=KILL)
[[ $(id -u) -eq 0 ]] || namespaces=(unshare --map-root-user --map-auto -pf --mount-proc --kill-child=KILL)
"${namespaces[@]}" true 2>/dev/null || die "no namespaces here (${namespaces[*]}): needs root, or user namespaces"
"${namespaces[@]}" strace -D -f -b execve -qq -o /dev/null -e inject=all:signal=KILL:when=500 true 2>/dev/null ||
    die "strace cannot trace here (ptrace is not allowed, or strace is older than 5.11)"

cargo build --quiet --bin solobot --example turn
debug=$(realpath "$TARGET")/debug

rm -rf "$folder"
mkdir -p "$folder"
printf 'torture: %s min, seed %s\n' "$minutes" "$seed"
# In the background: while a shell waits for a foreground command, it handles no signal. unshare ignores TERM, and the
# namespace ends with it.
"${namespaces[@]}" "$python" -I tests/torture.py "$debug/solobot" "$debug/examples/turn" "$folder" "$minutes" "$seed" &
child=$!
trap 'kill -KILL "$child"; exit 130' INT
trap 'kill -KILL "$child"; exit 143' TERM HUP
wait "$child"
