#!/usr/bin/env bash
# `bolster run` against llama.cpp's server, in an environment of its own in .tools/chat-servers, with a model
# that is made here.
#
#     tools/chat_servers/test.sh BOLSTER [TEST…]      TEST: as unittest names it, all without
set -euo pipefail
# shellcheck source=../common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

[ $# -ge 1 ] && [ -x "$1" ] || fail "usage: tools/chat_servers/test.sh BOLSTER [TEST…]"
bolster=$(realpath "$1")
shift
requirements=$root/tools/chat_servers/requirements.txt
venv=$tools/chat-servers
wanted=$(sha256sum <"$requirements")

if [ "$(cat "$venv/made-from" 2>/dev/null)" != "$wanted" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    say "making the Python environment .tools/chat-servers"
    rm -rf "$venv"
    mkdir -p "$tools"
    quietly "python3 -m venv" python3 -m venv "$venv"
    quietly "pip install" "$venv/bin/python" -m pip install --no-deps --only-binary :all: -r "$requirements"
    echo "$wanted" >"$venv/made-from"
fi
cd "$root/tools/chat_servers"
BOLSTER_BINARY=$bolster exec "$venv/bin/python" -m unittest "${@:-test_llama_server}"
