#!/usr/bin/env bash
# Measures how fast one core reads shards into samples from the page cache: tar, JSONL, and compressed tars.
#     tools/benchmarks/reading.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

echo "building the tests in release mode"
swift build -c release --build-tests -Xswiftc -enable-testing >/dev/null
BOLSTER_BENCHMARKS=1 swift test -c release -Xswiftc -enable-testing --skip-build \
    --filter ReadingBenchmark | grep -E '^reading'
