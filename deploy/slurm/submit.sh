#!/usr/bin/env bash
# Submits a whole run: a coordinator, an array of workers, and a merge in parts when the coordinator has
# finished. Submitting again goes on with the run.
#
#     deploy/slurm/submit.sh MANIFEST RUN KEYS WORKERS [PARTS]
#
# MANIFEST and RUN, the folder for logs and the rendezvous, lie on the shared file system. KEYS is a folder
# with coordinator.key, worker.key and allowed, as README.md beside this says. What the cluster wants besides
# is said by Slurm's own variables or by BOLSTER_WORKER_OPTIONS, BOLSTER_COORDINATOR_OPTIONS and
# BOLSTER_MERGE_OPTIONS, e.g. BOLSTER_WORKER_OPTIONS="--partition=gpu --gpus-per-node=8 --cpus-per-task=64".
set -euo pipefail

[ $# -ge 4 ] && [ $# -le 5 ] || { sed -n '5s/^# *//p' "${BASH_SOURCE[0]}" >&2; exit 64; }
BOLSTER_MANIFEST=$(realpath "$1")
mkdir -p "$2/logs" "$2/rendezvous"
BOLSTER_RUN=$(realpath "$2")
BOLSTER_KEYS=$(realpath "$3")
export BOLSTER_MANIFEST BOLSTER_RUN BOLSTER_KEYS
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Options of several words are meant to be split.
# shellcheck disable=SC2086
submit() {
    local log=$1 options=$2
    shift 2
    sbatch --parsable --export=ALL --output="$BOLSTER_RUN/logs/$log.log" $options "$@"
}

coordinator=$(submit coordinator-%j "${BOLSTER_COORDINATOR_OPTIONS:-}" "$here/coordinator.sbatch")
workers=$(submit worker-%A_%a "${BOLSTER_WORKER_OPTIONS:-}" --array="1-$4" "$here/workers.sbatch")
# afterany: exit code 2 means "done, but something is quarantined", which still merges.
merge=$(submit merge-%A_%a "${BOLSTER_MERGE_OPTIONS:-}" --array="1-${5:-1}" \
    --dependency="afterany:$coordinator" "$here/merge.sbatch")
close=$(submit close-%j "" --dependency="afterok:$merge" "$here/close.sbatch")
echo "coordinator $coordinator, workers $workers, merge $merge, close $close"
