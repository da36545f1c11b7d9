# shellcheck shell=bash
# Installs Debian packages and makes venvs. The other scripts here source it, and define `say`, `die` and TARGET.

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
