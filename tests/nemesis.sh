#!/usr/bin/env bash
# Lets everything go wrong between two hosts that want one lease, and counts the seconds with two pollers: there must be none.
#
#   bash tests/nemesis.sh [ENGINE] [ROUNDS] [--seed SEED] [--pairs N] [--times-shown] [--only FAULT,FAULT] [--broken]
#
# ENGINE is redis, ssh, postgres, pgbouncer, etcd, etcd-cluster (three members), etcdctl (beside solobot: what etcd's own tool
# does in the same rounds), or all, which is all of them but etcdctl, and the default. ROUNDS is a number, 3 by default, or a time
# such as 90s, after which no round begins. One line a round, a table an engine, and a line for programs. Exit code 1 if anything
# was found, 77 if this machine cannot run it. With --times-shown, how long a hand-over takes is shown and fails nothing: a debug
# build on a busy machine is no measure. With --only, each round has one of these faults of tests/nemesis/faults.py, and no second
# one. With --broken, each host has a lease of its own, so that two do poll, and the witness must see it (not with ssh, whose lease
# is one file). The same seed makes the same choices again, but not the same timing. SOLOBOT names another program than
# target/debug/solobot. Needs root: the hosts are network namespaces.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LC_ALL=C.UTF-8 TZ=UTC

die() { printf 'tests/nemesis.sh: %s\n' "$*" >&2; exit 1; }

# More at once, and the hosts of a machine with two processors wait for these rather than for each other.
pairs=6
seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
words=()
export NEMESIS_TIMES=bounded NEMESIS_ONLY=
while (($#)); do
    case $1 in
        --times-shown) NEMESIS_TIMES=shown ;;
        --only)
            (($# > 1)) || die "$1: a value is missing"
            NEMESIS_ONLY=$2
            shift
            ;;
        --broken) export BROKEN=1 ;;
        --seed | --pairs)
            (($# > 1)) || die "$1: a value is missing"
            declare "${1#--}=$2"
            shift
            ;;
        -*) die "unknown argument: $1 (only --seed SEED, --pairs N, --only FAULT,FAULT, --times-shown and --broken)" ;;
        *) words+=("$1") ;;
    esac
    shift
done
((${#words[@]} <= 2)) || die "too many arguments: [ENGINE] [ROUNDS]"
rounds=${words[1]:-3}
case ${words[0]:-all} in
    all) engines=(redis ssh postgres pgbouncer etcd etcd-cluster) ;;
    redis | ssh | postgres | pgbouncer | etcd | etcd-cluster | etcdctl) engines=("${words[0]}") ;;
    *) die "no such engine: ${words[0]} (redis, ssh, postgres, pgbouncer, etcd, etcd-cluster, etcdctl, all)" ;;
esac
[[ $rounds =~ ^[1-9][0-9]*s?$ ]] || die "ROUNDS is a number or a time such as 90s, not $rounds"
[[ $pairs =~ ^[1-9][0-9]?$ ]] || die "--pairs takes a number, not $pairs"
[[ $seed =~ ^[0-9A-Za-z]+$ ]] || die "--seed takes letters and digits, not $seed"

cannot() { printf 'tests/nemesis.sh: %s\n' "$*" >&2; exit 77; }
[[ $(id -u) -eq 0 ]] || cannot "needs root: the hosts are network namespaces, and their ways TUN devices"
[[ -w /dev/net/tun ]] || cannot "needs /dev/net/tun, which a container has only if it is told so (docker run --device /dev/net/tun)"
readonly TARGET="${CARGO_TARGET_DIR:-target}"
folder=$(realpath -m "$TARGET")/nemesis
case $folder in
    /tmp/* | /run/*) die "cannot run below /tmp or /run, which each host has of its own: clone it elsewhere" ;;
esac
say() { printf '==> %s\n' "$*"; }
. tests/need.sh
python=$(python3 -c 'import sys; print(sys.executable if sys.version_info >= (3, 9) else "")')
[[ -n $python ]] || die "python3 is older than 3.9"
# redis-server is the name by which Debian's redis-check-rdb is a server; the package of that name would start one here.
needed=('ip iproute2' 'ss iproute2' 'unshare util-linux' 'redis-check-rdb redis-tools')
for engine in "${engines[@]}"; do
    case $engine in
        ssh) needed+=('ssh openssh-client' '/usr/sbin/sshd openssh-server') ;;
        postgres) needed+=('pg_lsclusters postgresql') ;;
        pgbouncer) needed+=('pg_lsclusters postgresql' 'pgbouncer pgbouncer') ;;
        etcd*) needed+=('etcd etcd-server' 'etcdctl etcd-client') ;;
    esac
done
mkdir -p "$TARGET"
(need "${needed[@]}") || exit 77

namespaces=(unshare -n -m -p -f --mount-proc --kill-child=KILL)
"${namespaces[@]}" true 2>/dev/null || cannot "root may not make namespaces here (${namespaces[*]})"

if [[ -z ${SOLOBOT:-} ]]; then
    cargo build --quiet --bin solobot
    SOLOBOT=$TARGET/debug/solobot
fi
rm -rf "$folder"
mkdir -p "$folder/bin"
# A copy: the program must stay the same, whatever is built meanwhile. A home host runs it by this name.
cp "$(realpath "$SOLOBOT")" "$folder/bin/solobot"
ln -s "$(command -v redis-check-rdb)" "$folder/bin/redis-server"
cc -shared -fPIC -O2 -Wall -Wextra -Werror -o "$folder/bin/clock.so" tests/nemesis/clock.c

work=()
for engine in "${engines[@]}"; do work+=("$engine" "$rounds"); done
printf 'nemesis: %s, %s rounds, seed %s\n' "${engines[*]}" "$rounds" "$seed"
# In the background: while a shell waits for a foreground command, it handles no signal. All that runs in the namespaces ends
# with the first process there, and that one with unshare.
"${namespaces[@]}" "$python" -IB tests/nemesis "$folder" "$seed" "$pairs" "${work[@]}" &
child=$!
trap 'kill -KILL "$child"; exit 130' INT
trap 'kill -KILL "$child"; exit 143' TERM HUP
wait "$child"
