#!/usr/bin/env bash
# A whole small run, manifest to merged set, against a plain PyTorch, open_clip and webdataset program doing
# the same work on the same cores; and how soon the demo's first samples reach a model.
#
#     tools/benchmarks/end_to_end.sh [--images 128] [--views 2] [--batch 16]
#
# Needs the release build and what tools/venv.sh --torch installs. Takes minutes.
set -euo pipefail
# shellcheck source=../common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
cd "$root"
bolster=${BOLSTER_BINARY:-.build/release/bolster}
[ -x "$bolster" ] || fail "build it first: swift build --configuration release --product bolster"
exec "${BOLSTER_PYTHON:-$root/.tools/venv/bin/python}" \
    tools/benchmarks/end_to_end.py --bolster "$bolster" "$@"
