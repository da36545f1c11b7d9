# shellcheck shell=bash
# Installs Debian packages. The other scripts here source it, and define `say`, `die` and TARGET.

# Installs what is missing. Each argument: a command or file that the package installs, and the package.
need() {
    local entry
    local -A packages=()
    for entry in "$@"; do
        has "${entry%% *}" || packages[${entry##* }]=
    done
    ((${#packages[@]})) || return 0
    if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
        die "missing: ${!packages[*]}; install them, for example: sudo apt-get install ${!packages[*]}"
    fi
    say "apt-get install ${!packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || die "apt-get update failed; needed: ${!packages[*]}"
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${!packages[@]}" >"$TARGET/apt.log" 2>&1 ||
        die "apt-get install ${!packages[*]} failed: see $TARGET/apt.log"
    for entry in "$@"; do
        has "${entry%% *}" || die "still missing after apt-get install: ${entry##* }"
    done
}

has() { command -v "$1" >/dev/null || [[ -e $1 ]]; }
