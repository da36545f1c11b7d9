#!/usr/bin/env bash
# Every check of the project, in the order of what fails fastest; the last lines are the test runner's own summary.
#
#   bash tests/run.sh            set up, check, test
#   bash tests/run.sh --setup    set up only; then `cargo nextest run FILTER` or `cargo test FILTER` runs single tests
#
# Nothing is skipped in silence: what cannot run ends the script with one line that says what is missing; only the boot of
# a real systemd (tests/systemd.sh), which few machines allow, is left out with such a line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Tests compare times and messages: neither may depend on who runs them.
export LC_ALL=C.UTF-8 TZ=UTC
unset LANG LANGUAGE RUST_LOG RUST_BACKTRACE NO_COLOR CLICOLOR_FORCE SKIP_TELEGRAM_LOCK SOLOBOT_CONFIG SOLOBOT_API_URL

readonly TARGET="${CARGO_TARGET_DIR:-target}"

say() { printf '==> %s\n' "$*"; }
die() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }
. tests/need.sh

# Some tests mount a file system of their own there, and would not see themselves any more.
case $(realpath .):$(realpath -m "$TARGET") in
    /tmp/* | *:/tmp/*) die "not below /tmp, where some tests mount: clone it elsewhere" ;;
esac

# Command, Debian package: what the tests call.
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
    'dropbear dropbear-bin'
    'promtool prometheus'
    'runsv runit'
    's6-svscan s6'
    'cron cron'
    'node nodejs'
    'npm npm'
    'systemd-analyze systemd'
    'dpkg-deb dpkg'
    'zsh zsh'
    'fish fish'
    'mandoc mandoc'
    'man man-db'
)

# A venv with the given requirements; the stamp holds their text, so that another text builds it anew. The newest of
# something stays what it was when the venv was made: remove the folder for a newer one.
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

# pm2, with all that it needs, and what reads Dockerfiles, in a folder of its own. The newest ones stay what they were when
# the folder was made.
install_node_packages() {
    local folder=$TARGET/npm
    [[ -x $folder/node_modules/.bin/pm2 && -d $folder/node_modules/dockerfile-utils ]] && return 0
    say "npm install pm2 dockerfile-utils"
    mkdir -p "$folder"
    npm install --prefix "$folder" --no-audit --no-fund --loglevel=error pm2 dockerfile-utils >"$TARGET/npm.log" 2>&1 ||
        die "npm could not install pm2 and dockerfile-utils (is the npm registry reachable?): see $TARGET/npm.log"
}

check_python() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || die "python3 is older than 3.9"
}

# Tests that look at all processes, mount things or set a sysctl do it in namespaces of their own.
check_namespaces() {
    if [[ $(id -u) -eq 0 ]]; then
        unshare -pf --mount-proc true 2>/dev/null ||
            die "root, but no namespaces here (unshare -pf --mount-proc): allow CAP_SYS_ADMIN, for example docker run --privileged"
    else
        unshare --map-root-user --map-auto -pf --mount-proc true 2>/dev/null ||
            die "needs root, or user namespaces with subordinate users (unshare --map-root-user --map-auto; newuidmap of uidmap, /etc/subuid), and has neither"
    fi
}

shell_scripts() {
    local file
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [[ -f $file ]] || continue
        case $file in
            # Written by clap, not by people.
            completions/*) ;;
            *.sh | *.bash) printf '%s\0' "$file" ;;
            *) if head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*[/ ](ba|da)?sh( |$)'; then printf '%s\0' "$file"; fi ;;
        esac
    done
}

run_tests() {
    # Plain, not as test targets: the tests start them.
    cargo build --quiet --examples
    if cargo nextest --version >/dev/null 2>&1; then
        say "cargo test --doc"
        cargo test --quiet --doc
        say "cargo nextest run"
        cargo nextest run --no-fail-fast
    else
        say "cargo test (cargo-nextest is not installed)"
        # Tests measure nothing, but they wait with deadlines: not more of them at once than processors.
        RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(nproc)}" cargo test --no-fail-fast
    fi
}

# A real systemd, where one can be booted: elsewhere that is said, and is no failure.
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

# One minute of it; `bash tests/torture.sh` attacks for longer. Its evidence stays in the log, its counts are shown.
run_torture() {
    say "bash tests/torture.sh --minutes 1"
    bash tests/torture.sh --minutes 1 2>"$TARGET/torture.log" || TORTURE_FAILED=1
    ((TORTURE_FAILED == 0)) || tail -n 1 "$TARGET/torture.log"
}

mkdir -p "$TARGET"
check_namespaces
need "${NEEDED[@]}"
check_python
make_venv "$TARGET/venv-filelock-old" filelock==3.13.1
make_venv "$TARGET/venv" filelock psutil supervisor setuptools uv setproctitle uvicorn
make_venv "$TARGET/venv-bots" 'aiogram>=3,<4' 'python-telegram-bot>=22,<23'
make_venv "$TARGET/venv-schema" 'jsonschema>=4.18,<5'
make_venv "$TARGET/venv-recipes" flask pyyaml kubernetes-validate compose-spec
install_node_packages
if [[ ${1:-} == --setup ]]; then
    say "set up; run single tests with: cargo nextest run FILTER"
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
run_tests
((SYSTEMD_FAILED == 0)) || die "tests/systemd.sh failed: see $TARGET/systemd.log"
((TORTURE_FAILED == 0)) || die "tests/torture.sh failed: see $TARGET/torture.log"
