#!/usr/bin/env bash
# Compares solobot with the tools that people use instead: builds it, installs the others, runs all of them in turn, and writes
# one table a question.
#
#   bash benches/run.sh [--quick] [TABLE…]
#
# TABLE is take, handoff, look, stop, conflicts, memory, hosts or webhook; all of them by default, which takes about 20 minutes.
# --quick takes about 4, on smaller input and with fewer runs. A whole run writes benches/RESULTS.md. Any other one writes
# target/bench/RESULTS.md. This is a measurement, not a test: it does not fail if something is slow. A tool that cannot be
# installed stays in its table, with the reason. Needs root, for a PID namespace: the processes there are as many as a table says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=${CARGO_TARGET_DIR:-target}
readonly WORK=$TARGET/bench
readonly TABLES=(take handoff look stop conflicts memory hosts webhook)

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'benches/run.sh: %s\n' "$*" >&2; exit 1; }
. tests/need.sh

quick=no
tables=()
for word in "$@"; do
    case $word in
        --quick) quick=yes ;;
        -*) die "unknown argument: $word (the only option is --quick)" ;;
        *)
            [[ " ${TABLES[*]} " == *" $word "* ]] || die "no such table: $word (${TABLES[*]})"
            tables+=("$word")
            ;;
    esac
done
results=$WORK/RESULTS.md
if ((${#tables[@]} == 0)); then
    tables=("${TABLES[@]}")
    [[ $quick == yes ]] || results=benches/RESULTS.md
fi
[[ $(id -u) -eq 0 ]] || die "needs root, for a PID namespace of its own"
for needed in cargo cc python3 unshare; do
    command -v "$needed" >/dev/null || die "$needed is missing"
done
unshare -pf --mount-proc true 2>/dev/null || die "root may not make namespaces here (unshare -pf --mount-proc)"
mkdir -p "$WORK"

# ------------------------------------------------------------------------------------------------------------ the others

# One line each: name, program, version, and why it is not here.
readonly TOOLS=$WORK/tools.tsv
: >"$TOOLS"
tool() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >>"$TOOLS"; }

# What did not work is a row of the results, so it does not end the script. The last line says why.
try() {
    local name=$1
    shift
    if ! ("$@") >"$WORK/$name.log" 2>&1; then
        tool "$name" '' '' "$(tail -n 1 "$WORK/$name.log")"
        say "not here: $name: see $WORK/$name.log"
        return 1
    fi
}

# $1: name, $2: package, $3: its command or file, if that is not the name.
from_apt() {
    local name=$1 package=$2 command=${3:-$1}
    has "$command" || say "apt-get install $package"
    try "$name" need "$command $package" || return 0
    local version
    version=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || true)
    tool "$name" "$(command -v "$command")" "$package ${version:-of this system}"
}

# $1: name, $2: program in the venv, $3: folder, then what pip installs.
from_pip() {
    local name=$1 program=$2 folder=$TARGET/$3 package=${4%%=*}
    shift 3
    [[ -d $folder ]] || say "python venv with $*"
    try "$name" make_venv "$folder" "$@" || return 0
    tool "$name" "$folder/bin/$program" "$package $("$folder/bin/python3" -c \
        'import importlib.metadata as m, sys; print(m.version(sys.argv[1]))' "$package")"
}

install_pm2() {
    need 'npm npm'
    npm install --prefix "$TARGET/npm" --no-audit --no-fund --loglevel=error pm2 || die "npm could not install pm2"
}

install_procs() {
    cargo install --quiet procs --root "$TARGET/tools" || die "cargo could not install procs"
}

from_apt flock util-linux
from_apt chpst runit
from_apt s6-setlock s6
from_apt setlock daemontools
from_apt pgrep procps
from_apt ps procps
from_apt grep grep
from_apt rg ripgrep
from_apt etcdctl etcd-client
from_apt etcd etcd-server
from_apt redis redis-tools redis-check-rdb
from_apt postgres postgresql pg_lsclusters
from_apt sshd openssh-server /usr/sbin/sshd
from_apt ip iproute2
from_pip filelock-old python3 venv-filelock-old filelock==3.13.1
from_pip filelock python3 venv-peers-filelock filelock
from_pip psutil python3 venv-peers-psutil psutil
from_pip supervisord supervisord venv-peers-supervisor supervisor setuptools
from_apt node nodejs
[[ -d $TARGET/npm/node_modules/pm2 ]] || say "npm install pm2"
if [[ -d $TARGET/npm/node_modules/pm2 ]] || try pm2 install_pm2; then
    tool pm2 "$TARGET/npm/node_modules/pm2/bin/pm2" \
        "pm2 $(node -p 'require(process.argv[1]).version' "$(realpath "$TARGET/npm/node_modules/pm2/package.json")")"
fi
[[ -x $TARGET/tools/bin/procs ]] || say "cargo install procs"
if [[ -x $TARGET/tools/bin/procs ]] || try procs install_procs; then
    tool procs "$TARGET/tools/bin/procs" "$("$TARGET/tools/bin/procs" --version)"
fi

# --------------------------------------------------------------------------------------------------------------- our own

command -v valgrind >/dev/null || (need 'valgrind valgrind') >"$WORK/valgrind.log" 2>&1 ||
    say "no valgrind: the static build takes a tenth longer to start"
say "cargo build --release"
cargo build --quiet --release
# It only sleeps, so it need not be optimised.
cargo build --quiet --example sleeper
static=$(bash packaging/static.sh)
cc -O2 -pthread -o "$WORK/bare" benches/bare.c
version=$("$TARGET/release/solobot" --version)
# Copies: the programs stay the same, whatever is built meanwhile.
for copy in "usual $TARGET/release/solobot" "static $static"; do
    mkdir -p "$WORK/${copy%% *}"
    cp --remove-destination "${copy#* }" "$WORK/${copy%% *}/solobot"
    tool "${copy%% *}" "$WORK/${copy%% *}/solobot" "$version"
done
tool sleeper "$TARGET/debug/examples/sleeper" ''
tool bare "$WORK/bare" ''
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain 2>/dev/null) ]] || commit+=" with changes"

# ---------------------------------------------------------------------------------------------------------------- the run

# The shell is PID 1 there and reaps; unshare ends them all when it ends.
say "${tables[*]}"
options=()
[[ $quick == no ]] || options+=(--quick)
exec unshare -pf --mount-proc --kill-child=KILL bash -c '"$@"; exit $?' bash \
    python3 -B benches/run.py --tools "$TOOLS" --work "$WORK" --commit "$commit" --rustc "$(rustc --version)" \
    --command "bash benches/run.sh${*:+ $*}" --results "$results" "${options[@]}" "${tables[@]}"
