#!/usr/bin/env bash
# Submits a whole run: a coordinator, WORKERS worker nodes, and a merge when the coordinator has finished.
#
#     deploy/slurm/submit.sh MANIFEST RUN KEYS WORKERS
#
# MANIFEST and RUN (the output) lie on the shared file system. KEYS is a folder with coordinator.key,
# coordinator.key.pub, worker.key and allowed, as ../README.md says. Submitting again goes on with the run.
set -euo pipefail

[ $# -eq 4 ] || { echo "usage: deploy/slurm/submit.sh MANIFEST RUN KEYS WORKERS" >&2; exit 64; }
BOLSTER_MANIFEST=$(realpath "$1")
mkdir -p "$2"
BOLSTER_RUN=$(realpath "$2")
BOLSTER_KEYS=$(realpath "$3")
export BOLSTER_MANIFEST BOLSTER_RUN BOLSTER_KEYS
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

rm -f "$BOLSTER_RUN/endpoint"
coordinator=$(sbatch --parsable --export=ALL "$here/coordinator.sbatch")
workers=$(sbatch --parsable --export=ALL --array="1-$4" --dependency="after:$coordinator" \
    "$here/workers.sbatch")
# afterany: exit code 2 means "done, but something is quarantined", which still merges.
merge=$(sbatch --parsable --export=ALL --dependency="afterany:$coordinator" "$here/merge.sbatch")
echo "coordinator $coordinator, workers $workers, merge $merge"
