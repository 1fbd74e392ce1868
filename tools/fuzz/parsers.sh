#!/usr/bin/env bash
# Fuzzes what reads other people's bytes: tars, JSONL, manifests, patterns, info.json, npy files of uids, and
# record files. The tests' mutations by fixed seeds, and more of them: what fails is told by its round. What
# traps or hangs is the last input of its kind, left in the folder that is named at the end: it is to be kept
# in Tests/BolsterDatasetTests/Finds/KIND, whose files every test run reads first.
#
#     tools/fuzz/parsers.sh [ROUNDS]      default 50000 of each kind, about ten minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
last=$(mktemp -d)
status=0
tests='FuzzTests|PeerInfoFuzzTests|MutationTests|UIDSetTests/damage'
tests+='|JSONLSampleReaderTests/mutations|TarScannerTests/agreesWithReader'
BOLSTER_FUZZ_ROUNDS=${1:-50000} BOLSTER_MUTATIONS=${1:-50000} BOLSTER_FUZZ_LAST=$last \
    swift test --disable-xctest --no-parallel --filter "$tests" || status=$?
if [ "$status" -eq 0 ]; then rm -rf "$last"; else echo "the last inputs: $last"; fi
exit "$status"
