#!/usr/bin/env bash
# What may come in with a dependency: licences, sources, second versions (deny.toml). With cargo-deny of PATH; else it is installed
# into target/tools once, which takes minutes. Advisories need their own repository on the network, and are asked for by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

deny=$(command -v cargo-deny || true)
if [[ -z $deny ]]; then
    deny=target/tools/bin/cargo-deny
    [[ -x $deny ]] || nice cargo install --quiet --locked --root target/tools cargo-deny
fi
"$deny" --locked check bans licenses sources
