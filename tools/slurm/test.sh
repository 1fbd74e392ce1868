#!/usr/bin/env bash
# deploy/slurm on a real Slurm: a whole run is submitted; one worker is cancelled, another requeued, the
# coordinator requeued onto an empty state folder; the merge runs as an array. The dataset must then be, byte
# for byte, that of `bolster run` on this machine.
#
#     tools/slurm/test.sh [BOLSTER]      default: .build/release/bolster
set -euo pipefail
# shellcheck source=../common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

bolster=$(realpath "${1:-$root/.build/release/bolster}")
work=$(mktemp -d "${TMPDIR:-/tmp}/bolster-slurm.XXXXXX")
chmod 755 "$work"
trap 'status=$?; "$root/tools/slurm/cluster.sh" stop "$work/cluster"; [ $status -eq 0 ] && rm -rf "$work" ||
    echo "kept for looking at: $work" >&2' EXIT

# 24 shards of the demo's samples, so that there is time to disturb the run.
write_manifest() {
    local copy shard
    mkdir -p "$work/shards"
    for copy in 0 1 2 3 4 5; do
        for shard in 0000 0001 0002 0003; do
            cp "$root/manifests/demo/shards/$shard.tar" "$work/shards/$copy-$shard.tar"
        done
    done
    sed -e "s|demo/shards/{0000..0003}.tar|$work/shards/*.tar|" \
        -e "s|demo/models|$root/manifests/demo/models|" \
        -e "s|\[demo/models|[$root/manifests/demo/models|" \
        -e "s|, demo/models|, $root/manifests/demo/models|" \
        -e "s|^output:.*|output: $work/$1|" "$root/manifests/demo.yaml" >"$work/$1.yaml"
}

make_keys() {
    mkdir -p "$work/keys"
    "$bolster" keys new "$work/keys/coordinator.key" >/dev/null
    "$bolster" keys new "$work/keys/worker.key" >/dev/null
    "$bolster" keys allow "$work/keys/worker.key.pub" --list "$work/keys/allowed" --name workers >/dev/null
}

committed() { find "$work/run/records" -name '*.records' 2>/dev/null | wc -l; }

# until_true SECONDS WHAT COMMAND…
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || {
            squeue --all >&2
            tail -n 30 "$work"/slurm/logs/*.log >&2
            fail "$what did not happen in time"
        }
        sleep 0.3
    done
}

more_than() { [ "$(committed)" -gt "$1" ]; }
state_is() { [ "$(squeue --noheader --jobs="$1" --format=%T 2>/dev/null)" = "$2" ]; }
is_over() { [ -z "$(squeue --noheader --jobs="$1" 2>/dev/null)" ] || state_is "$1" COMPLETED; }

# Slurm lets a requeued one wait for minutes; not here.
back_at_once() {
    until_true 60 "requeue of $1" state_is "$1" PENDING
    scontrol update "JobId=$1" StartTime=now
}

digests() { (cd "$1" && find . -type f -name '*.tar' -print0 | sort -z | xargs -0 sha256sum); }

write_manifest undisturbed
write_manifest run
make_keys
say "an undisturbed run for comparison"
quietly "bolster run" "$bolster" run "$work/undisturbed.yaml" --workers 2

say "a Slurm of three nodes"
eval "$("$root/tools/slurm/cluster.sh" start "$work/cluster" 3)"
mkdir "$work/bin"
ln -s "$bolster" "$work/bin/bolster"
export PATH=$work/bin:$PATH BOLSTER_STATE=$work/state BOLSTER_CACHE=$work/cache
export BOLSTER_WORKER_OPTIONS="--cpus-per-task=1" BOLSTER_MERGE_OPTIONS="--cpus-per-task=1 --mem=0"
submitted=$("$root/deploy/slurm/submit.sh" "$work/run.yaml" "$work/slurm" "$work/keys" 3 2)
say "$submitted"
read -r coordinator workers close < <(
    sed -E 's/coordinator ([0-9]+), workers ([0-9]+),.*close ([0-9]+)/\1 \2 \3/' <<<"$submitted"
)

until_true 120 "a first commit" more_than 8
say "cancelling worker 1 after $(committed) commits"
scancel "${workers}_1"
say "requeueing worker 2"
scontrol requeue "${workers}_2"
back_at_once "${workers}_2"
now=$(committed)
until_true 120 "commits without worker 1" more_than $((now + 8))
say "requeueing the coordinator onto an empty state folder after $(committed) commits"
scontrol requeue "$coordinator"
until_true 60 "the coordinator's end" state_is "$coordinator" PENDING
rm -rf "$work/state"
scontrol update "JobId=$coordinator" StartTime=now
now=$(committed)
until_true 180 "commits to the new coordinator" more_than $((now + 8))
until_true 600 "the end of the merge" is_over "$close"

"$bolster" verify "$work/run/dataset"
diff <(digests "$work/undisturbed/dataset") <(digests "$work/run/dataset") ||
    fail "the dataset differs from that of the undisturbed run"
say "equal: $(digests "$work/run/dataset" | wc -l) shards, $(committed) record files; $submitted"
