#!/usr/bin/env bash
# Installs, builds and tests everything, and ends with "N passed, N failed". Safe to repeat.
#
#     tools/test.sh            compares with NumPy, Pillow, webdataset, tarfile…
#     BOLSTER_TORCH=1 tools/test.sh     and with PyTorch, torchvision and OpenCLIP
#     tools/test.sh --full     and what is long: shards of 4 GB, joins, fuzzing, many nemesis rounds, a real
#                              Slurm, llama.cpp's server, five trainings with and without, mutations; more
#                              than two hours
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

full=0
case "${1:-}" in
    --full)
        full=1
        BOLSTER_TORCH=1
        ;;
    "") ;;
    *) fail "usage: tools/test.sh [--full]" ;;
esac
torch=${BOLSTER_TORCH:-0}
cd "$root"
logs=$root/.build/test-logs
mkdir -p "$logs"

passed=0
failed=0
failures=()
# What ran last left its output here.
log=

# step NAME COMMAND…: runs it, keeps its output in a log, prints name, time and outcome. The status is the
# command's. Output is shown only where it failed.
step() {
    local name=$1 began=$SECONDS status=0
    shift
    log=$logs/${name// /-}.log
    printf '%-34s' "$name"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    printf '%5d s  %s\n' $((SECONDS - began)) "$([ $status -eq 0 ] && echo ok || echo "FAILED ($status)")"
    if [ $status -ne 0 ]; then
        failures+=("$name: $log")
        tail -n 60 "$log"
    fi
    return $status
}

# A step that is one check.
check() {
    if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# A check that everything after it needs.
need() {
    local before=$failed
    check "$@"
    [ "$failed" -eq "$before" ] || finish
}

finish() {
    local failure
    for failure in "${failures[@]:+${failures[@]}}"; do echo "failed: $failure"; done
    echo "took $SECONDS s"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && exit 0 || exit 1
}

# build NAME ARGUMENTS…: a warning in our own code fails it.
build() {
    swift build "$@" 2>&1 | tee "$logs/compiler.log" || return 1
    if grep -E "^$root/(Sources|Tests)/.*warning:" "$logs/compiler.log"; then
        echo "warnings are errors here; see above"
        return 1
    fi
}

# Adds the counts of the Swift Testing run in $log: tests, failed ones, skipped ones.
count_swift_tests() {
    local total bad skipped
    total=$(sed -n 's/.*Test run with \([0-9]*\) tests\{0,1\} .*/\1/p' "$log" | tail -n 1)
    bad=$(grep -cE '^✘ Test (".*"|[A-Za-z_]+\(.*\)) (with [0-9]+ test cases? )?failed after' "$log" || true)
    skipped=$(grep -cE '^➜ Test .* skipped' "$log" || true)
    if [ -z "$total" ]; then
        # It crashed before its summary.
        failed=$((failed + 1))
        return
    fi
    [ "$bad" -gt 0 ] || [ "$1" -eq 0 ] || bad=1
    failed=$((failed + bad))
    passed=$((passed + total - bad - skipped))
    grep -E '^➜ ' "$log" | sort | uniq -c | sort -rn | head -n 20 || true
}

# Adds the counts of the unittest run in $log.
count_python_tests() {
    local total bad skipped
    total=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in.*/\1/p' "$log" | tail -n 1)
    count_of() { tail -n 1 "$log" | sed -n "s/.*$1=\([0-9]*\).*/\1/p"; }
    bad=$(($(count_of failures || true) + $(count_of errors || true) + 0))
    skipped=$(count_of skipped)
    [ "$bad" -gt 0 ] || [ "$1" -eq 0 ] || bad=1
    failed=$((failed + bad))
    passed=$((passed + ${total:-$bad} - bad - ${skipped:-0}))
}

# Adds the kinds of check of the conformance run in $log; each holds for every sample or has failed.
count_conformance() {
    local good bad
    good=$(grep -c '^ok ' "$log" || true)
    bad=$(grep -c '^FAIL ' "$log" || true)
    [ "$bad" -gt 0 ] || [ "$1" -eq 0 ] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
}

# counted COUNTER NAME COMMAND…: a step whose output says how many checks it held.
counted() {
    local counter=$1 status=0
    shift
    step "$@" || status=$?
    "$counter" "$status"
}

digests() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

declare -A begun

# begin NAME COMMAND…: starts it beside what follows, of lower priority; `begun NAME` is its outcome.
begin() {
    local name=$1
    shift
    (renice -n 10 "$BASHPID" && "$@") >"$logs/begun-${name// /-}.log" 2>&1 </dev/null &
    begun[$name]=$!
}

begun() {
    local status=0
    wait "${begun[$1]}" || status=$?
    cat "$logs/begun-${1// /-}.log"
    return $status
}

# The second start must find everything done and change nothing.
demo_again() {
    digests "$demo/dataset" >"$logs/demo-first.sha256" &&
        tools/demo.sh "$demo" &&
        digests "$demo/dataset" >"$logs/demo-second.sha256" &&
        diff "$logs/demo-first.sha256" "$logs/demo-second.sha256"
}

need "setup" env BOLSTER_TORCH="$torch" tools/setup.sh
python=(tools/venv.sh)
if [ "$torch" = 1 ]; then python+=(--torch); fi
begin "python" "${python[@]}"
check "format" swift format lint --strict --recursive Sources Tests Package.swift
need "release build" build --configuration release --product bolster
need "simulator build" build --configuration release --product bolster-simulator
need "python" begun "python"
export BOLSTER_PYTHON=$root/.tools/venv/bin/python
BOLSTER_BINARY=$(swift build --configuration release --show-bin-path)/bolster
export BOLSTER_BINARY
# One broken promise prints the seed that shows it.
check "simulation, 5000 seeds" "$(dirname "$BOLSTER_BINARY")/bolster-simulator" --seeds 1..5000

demo=$root/.build/demo-check
rm -rf "$demo"
check "demo" tools/demo.sh "$demo"
conformance=(tools/conformance.py "$demo/dataset" --manifest manifests/demo.yaml)
if [ "$torch" = 1 ]; then conformance+=(--strict); fi
counted count_conformance "conformance of the demo" "$BOLSTER_PYTHON" "${conformance[@]}"
check "demo, second start" demo_again
# Both of the next steps mostly wait for processes.
begin "tests build" build --build-tests
counted count_python_tests "python tests" "$BOLSTER_PYTHON" -m unittest discover tools/tests
check "nemesis" "$BOLSTER_PYTHON" tools/nemesis/nemesis.py --bolster "$BOLSTER_BINARY" --rounds 2

check "tests build" begun "tests build"
# Whoever kills processes and waits for them holds a thread for minutes; those who wait for an answer on a
# socket want one at once. So each kind has a process of its own; what is built needs no lock.
swift_tests=(swift test --ignore-lock --skip-build --disable-xctest)
counted count_swift_tests "socket tests" "${swift_tests[@]}" --filter BolsterMessagingTests
begin "swift tests" "${swift_tests[@]}" --skip BolsterMessagingTests --skip BolsterProcessTests
counted count_swift_tests "process tests" "${swift_tests[@]}" --no-parallel --filter BolsterProcessTests
counted count_swift_tests "swift tests" begun "swift tests"
if [ "$full" = 1 ]; then
    check "embeddings of a ViT-L/14" \
        env BOLSTER_FULL=1 "${swift_tests[@]}" --filter TeacherTests/largeAccuracy
    check "memory with a 4 GB shard" \
        "$BOLSTER_PYTHON" tools/benchmarks/memory.py "$BOLSTER_BINARY" "$root/.build/memory-check"
    check "reading a 4 GB shard" \
        env BOLSTER_FULL=1 "$BOLSTER_PYTHON" -m unittest tools/tests/test_large_shard.py
    check "memory that is not there" \
        env BOLSTER_FULL=1 "$BOLSTER_PYTHON" -m unittest tools/tests/test_out_of_memory.py
    check "a lost state folder" \
        env BOLSTER_FULL=1 "${swift_tests[@]}" --filter DrainTests/lostState
    check "join against others" \
        "$BOLSTER_PYTHON" tools/benchmarks/join.py "$BOLSTER_BINARY" "$root/.build/join-check" --require
    check "nemesis, twenty rounds" \
        "$BOLSTER_PYTHON" tools/nemesis/nemesis.py --bolster "$BOLSTER_BINARY" --rounds 20
    check "a real Slurm" tools/slurm/test.sh "$BOLSTER_BINARY"
    check "captions of a real server" tools/chat_servers/test.sh "$BOLSTER_BINARY"
    check "training with and without" \
        "$BOLSTER_PYTHON" tools/trainer/experiment.py --bolster "$BOLSTER_BINARY"
    check "fuzzing the decoders" tools/fuzz/augmentation.sh
    check "fuzzing the parsers" tools/fuzz/parsers.sh
    check "fuzzing frames and the journal" tools/fuzz/messages.sh
    check "mutations" "$BOLSTER_PYTHON" tools/mutations/mutations.py
fi
finish
