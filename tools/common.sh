# What the scripts of this directory share; sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools

# Progress goes to standard error, so that a script's output stays its result.
say() { printf '%s\n' "== $*" >&2; }

fail() {
    printf '%s\n' "error: $*" >&2
    exit 1
}

# quietly WHAT COMMAND…: runs the command and shows what it wrote only when it fails.
quietly() {
    local what=$1 log status=0
    shift
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$log" >&2
        rm -f "$log"
        fail "$what failed with status $status; what it wrote is above"
    fi
    rm -f "$log"
}
