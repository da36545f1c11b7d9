#!/usr/bin/env bash
# Every check of the project, the quickest first. It ends with the test runner's own summary. If a test failed, one more line
# says how to run that test again.
#
#   bash tests/run.sh            set up, check, test
#   bash tests/run.sh --setup    only set up; then `cargo nextest run FILTER` or `cargo test FILTER` runs single tests
#
# Nothing is skipped silently. If a check cannot run here, the script ends with one line that says what is missing. The two
# exceptions are tests/systemd.sh and tests/nemesis.sh, because few machines can boot a systemd, and not all let root make network
# devices: then they are left out, and a line says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Tests compare times and messages, which must not depend on the caller's environment.
export LC_ALL=C.UTF-8 TZ=UTC
unset LANG LANGUAGE RUST_LOG RUST_BACKTRACE NO_COLOR CLICOLOR_FORCE SKIP_TELEGRAM_LOCK SOLOBOT_CONFIG SOLOBOT_API_URL

readonly TARGET="${CARGO_TARGET_DIR:-target}"

say() { printf '==> %s\n' "$*"; }
die() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }
. tests/need.sh

# Some tests mount a file system on /tmp, which would hide their own files.
case $(realpath .):$(realpath -m "$TARGET") in
    /tmp/* | *:/tmp/*) die "cannot run below /tmp, because some tests mount over it: clone it elsewhere" ;;
esac

# What the tests call: the command, and its Debian package.
readonly NEEDED=(
    'shellcheck shellcheck'
    'flock util-linux'
    'unshare util-linux'
    'nsenter util-linux'
    'setpriv util-linux'
    'setsid util-linux'
    'ps procps'
    'tmux tmux'
    'screen screen'
    'sudo sudo'
    'python3 python3-venv'
    'ip iproute2'
    'openssl openssl'
    'strace strace'
    'tinyproxy tinyproxy-bin'
    'microsocks microsocks'
    'ssh openssh-client'
    '/usr/sbin/sshd openssh-server'
    'dropbear dropbear-bin'
    'redis-server redis-server'
    'etcd etcd-server'
    'etcdctl etcd-client'
    # Its programs are in /usr/lib/postgresql/VERSION/bin; this one is not of the client alone.
    'pg_ctlcluster postgresql'
    '/usr/sbin/pgbouncer pgbouncer'
    'promtool prometheus'
    'xmllint libxml2-utils'
    'runsv runit'
    's6-svscan s6'
    'cron cron'
    'node nodejs'
    'npm npm'
    'php php-cli'
    'systemd-analyze systemd'
    'dpkg-deb dpkg'
    'zsh zsh'
    'fish fish'
    'mandoc mandoc'
    'man man-db'
)

# A venv with the given requirements. The stamp contains them, so that other requirements build it again. A package without
# a version stays as it was when the venv was made: to get a newer one, remove the folder.
make_venv() {
    local folder=$1
    shift
    local stamp="$folder/requirements.stamp"
    if [[ -f $stamp && $(<"$stamp") == "$*" ]] && "$folder/bin/python3" -c '' 2>/dev/null; then
        return 0
    fi
    say "python venv $folder: $*"
    rm -rf "$folder"
    if ! python3 -m venv "$folder" >"$TARGET/venv.log" 2>&1; then
        if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
            apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >>"$TARGET/venv.log" 2>&1
            python3 -m venv --clear "$folder" >>"$TARGET/venv.log" 2>&1 || die "python3 -m venv failed: see $TARGET/venv.log"
        else
            die "python3 -m venv failed: install python3-venv (see $TARGET/venv.log)"
        fi
    fi
    "$folder/bin/python3" -m pip install --quiet --disable-pip-version-check "$@" ||
        die "pip could not install $* (is PyPI reachable?)"
    printf '%s' "$*" >"$stamp"
}

# pm2, Bun, two clients and a linter for Dockerfiles, in their own folder. To get newer ones, remove the folder.
install_node_packages() {
    local folder=$TARGET/npm package
    local -a wanted=(pm2 bun grammy telegraf dockerfile-utils) missing=()
    for package in "${wanted[@]}"; do
        [[ -d $folder/node_modules/$package ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "npm install ${wanted[*]}"
    mkdir -p "$folder"
    npm install --prefix "$folder" --no-audit --no-fund --loglevel=error "${wanted[@]}" >"$TARGET/npm.log" 2>&1 ||
        die "npm could not install ${missing[*]} (is the npm registry reachable?): see $TARGET/npm.log"
}

check_python() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || die "python3 is older than 3.9"
}

# Tests that look at all processes, mount something or set a sysctl do that in their own namespaces.
check_namespaces() {
    if [[ $(id -u) -eq 0 ]]; then
        unshare -pf --mount-proc true 2>/dev/null ||
            die "root may not make namespaces here (unshare -pf --mount-proc): allow CAP_SYS_ADMIN, for example with docker run --privileged"
    else
        unshare --map-root-user --map-auto -pf --mount-proc true 2>/dev/null ||
            die "needs root, or user namespaces with subordinate users (unshare --map-root-user --map-auto; package uidmap, /etc/subuid)"
    fi
}

shell_scripts() {
    local file
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [[ -f $file ]] || continue
        case $file in
            # Generated by clap.
            completions/*) ;;
            *.sh | *.bash) printf '%s\0' "$file" ;;
            *) if head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*[/ ](ba|da)?sh( |$)'; then printf '%s\0' "$file"; fi ;;
        esac
    done
}

run_tests() {
    # The tests start the examples as programs.
    cargo build --quiet --examples
    if cargo nextest --version >/dev/null 2>&1; then
        say "cargo test --doc"
        cargo test --quiet --doc
        say "cargo nextest run"
        cargo nextest run --no-fail-fast ||
            failed $? "cargo nextest run -E 'test(=MODULE::NAME)', as in the list above"
    else
        say "cargo test (cargo-nextest is not installed)"
        # Tests wait with deadlines, so no more of them at once than there are processors.
        RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(nproc)}" cargo test --no-fail-fast ||
            failed $? "cargo test --test it MODULE::NAME, as in the list above"
    fi
}

# The one line below the summary of a run with failures; with the runner's exit code.
failed() {
    printf '==> to run one test again: %s\n' "$2" >&2
    exit "$1"
}

# A real systemd, if one can be booted here. If not, that is printed, and is no failure.
run_systemd() {
    say "bash tests/systemd.sh"
    if ! command -v systemd-nspawn >/dev/null; then
        echo 'not run: systemd-nspawn is not installed (Debian package systemd-container)'
    elif [[ $(id -u) -ne 0 ]]; then
        echo 'not run: it needs root'
    else
        local code=0
        bash tests/systemd.sh >"$TARGET/systemd.log" 2>&1 || code=$?
        ((code == 77)) || tail -n 1 "$TARGET/systemd.log"
        case $code in
            0) ;;
            77) echo "not run: systemd-nspawn does not boot here (see $TARGET/systemd.log)" ;;
            *) SYSTEMD_FAILED=1 ;;
        esac
    fi
}

# One minute of it; `bash tests/torture.sh` takes longer. The evidence goes to the log, the counts are shown.
run_torture() {
    say "bash tests/torture.sh --minutes 1"
    bash tests/torture.sh --minutes 1 2>"$TARGET/torture.log" || TORTURE_FAILED=1
    ((TORTURE_FAILED == 0)) || tail -n 1 "$TARGET/torture.log"
}

# As many as nobody can think of. Optimised: a debug build takes ten times as long.
run_schedules() {
    say "cargo run --profile schedules --example lease_schedules"
    cargo run --quiet --profile schedules --example lease_schedules || SCHEDULES_FAILED=1
}

# A few rounds of it; `bash tests/nemesis.sh all 200` takes longer. The rounds go to the log, the counts are shown.
run_nemesis() {
    say "bash tests/nemesis.sh --times-shown"
    if [[ $(id -u) -ne 0 ]]; then
        echo 'not run: it needs root'
    elif [[ ! -w /dev/net/tun ]]; then
        echo 'not run: it needs /dev/net/tun'
    else
        bash tests/nemesis.sh --times-shown >"$TARGET/nemesis.log" 2>&1 || NEMESIS_FAILED=1
        grep '^nemesis: ' "$TARGET/nemesis.log" || NEMESIS_FAILED=1
    fi
}

mkdir -p "$TARGET"
check_namespaces
need "${NEEDED[@]}"
check_python
make_venv "$TARGET/venv-filelock-old" filelock==3.13.1
make_venv "$TARGET/venv" filelock psutil supervisor setuptools uv setproctitle uvicorn
make_venv "$TARGET/venv-bots" 'aiogram>=3,<4' 'python-telegram-bot>=22,<23' uvicorn gunicorn
make_venv "$TARGET/venv-ptb20" 'python-telegram-bot==20.2' 'pyTelegramBotAPI>=4,<5'
make_venv "$TARGET/venv-ptb13" 'python-telegram-bot==13.15' 'urllib3<2' 'pyTelegramBotAPI==3.7.3'
make_venv "$TARGET/venv-aiogram2" 'aiogram==2.25.1'
make_venv "$TARGET/venv-web" gunicorn uwsgi setproctitle
make_venv "$TARGET/venv-schema" 'jsonschema>=4.18,<5'
make_venv "$TARGET/venv-recipes" flask pyyaml kubernetes-validate compose-spec tree-sitter tree-sitter-powershell
install_node_packages
if [[ ${1:-} == --setup ]]; then
    say "set up; to run single tests: cargo nextest run FILTER"
    exit 0
fi
(($# == 0)) || die "unknown argument: $1 (only --setup)"

say "shellcheck"
shell_scripts | xargs -0 shellcheck
say "cargo fmt --check"
cargo fmt --check
say "cargo clippy"
cargo clippy --quiet --all-targets -- -D warnings
cargo clippy --quiet --all-targets --no-default-features -- -D warnings
say "cargo doc"
RUSTDOCFLAGS='-D warnings' cargo doc --quiet --no-deps --document-private-items
say "bash release.sh --debug"
bash release.sh --debug >"$TARGET/release.log" 2>&1 || die "release.sh --debug failed: see $TARGET/release.log"
SYSTEMD_FAILED=0
run_systemd
TORTURE_FAILED=0
run_torture
SCHEDULES_FAILED=0
run_schedules
NEMESIS_FAILED=0
run_nemesis
run_tests
((SYSTEMD_FAILED == 0)) || die "tests/systemd.sh failed: see $TARGET/systemd.log"
((TORTURE_FAILED == 0)) || die "tests/torture.sh failed: see $TARGET/torture.log"
((SCHEDULES_FAILED == 0)) || die "a schedule of the lease has two bots: see above; its seed shows it again: --seed SEED --count 1"
((NEMESIS_FAILED == 0)) || die "tests/nemesis.sh failed: see $TARGET/nemesis.log"
