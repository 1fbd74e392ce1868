#!/usr/bin/env bash
# A real Slurm on one machine: munge, one controller, several node daemons. For trying deploy/slurm and for
# its test; no service of the system is touched, everything lies in one folder.
#
#     tools/slurm/cluster.sh start DIR [NODES]    installs what is missing, starts it, prints what to export
#     tools/slurm/cluster.sh stop DIR
set -euo pipefail
# shellcheck source=../common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

packages=(slurmctld slurmd slurm-client munge)

install_packages() {
    local package missing=()
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    # Nothing of it may start as a service of the system.
    quietly "apt-get install" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install --yes --no-install-recommends "${missing[@]}"
}

# A port that nobody listens on, from $1 upwards.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

write_configuration() {
    local directory=$1 nodes=$2 host port index
    host=$(hostname -s)
    port=$(free_port 16817)
    mkdir -p "$directory"/{state,spool,log}
    {
        cat <<CONF
ClusterName=bolster
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$directory/munge.socket
CredType=cred/munge
StateSaveLocation=$directory/state
SlurmctldPidFile=$directory/slurmctld.pid
SlurmctldLogFile=$directory/log/slurmctld.log
SlurmdPidFile=$directory/slurmd.%n.pid
SlurmdLogFile=$directory/log/slurmd.%n.log
SlurmdSpoolDir=$directory/spool/%n
# The nodes are one machine: their processors and memory are made up, and no control group is needed.
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
# A requeued array member comes back at once and not after two minutes.
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2,requeue_delay=1
KillWait=10
MinJobAge=3600
CONF
        for index in $(seq "$nodes"); do
            echo "NodeName=node$index NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + index))" \
                "CPUs=8 RealMemory=64000"
        done
        echo "PartitionName=main Nodes=node[1-$nodes] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO"
    } >"$directory/slurm.conf"
    printf 'CgroupAutomount=no\n' >"$directory/cgroup.conf"
}

start() {
    local directory nodes=${2:-3} index
    [ "$(id -u)" -eq 0 ] || fail "Slurm's daemons want root here; start this as root"
    install_packages
    mkdir -p "$1"
    directory=$(realpath "$1")
    # Munge refuses a socket whose folder others may write to.
    chmod 755 "$directory"
    write_configuration "$directory" "$nodes"
    dd if=/dev/urandom of="$directory/munge.key" bs=128 count=1 status=none
    chmod 600 "$directory/munge.key"
    quietly "munged" munged --force --key-file="$directory/munge.key" --socket="$directory/munge.socket" \
        --pid-file="$directory/munged.pid" --log-file="$directory/log/munged.log" \
        --seed-file="$directory/munge.seed"
    export SLURM_CONF=$directory/slurm.conf
    quietly "slurmctld" slurmctld
    for index in $(seq "$nodes"); do quietly "slurmd" slurmd -N "node$index"; done
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --states=idle --Format=nodes 2>/dev/null | tr -d ' ')" = "$nodes" ] && {
            echo "export SLURM_CONF=$SLURM_CONF"
            return
        }
        sleep 0.5
    done
    sinfo --long --Node >&2 || true
    tail -n 20 "$directory"/log/*.log >&2
    fail "the nodes did not come up within 30 s; the logs are in $directory/log"
}

stop() {
    local directory file pid
    directory=$(realpath "$1")
    export SLURM_CONF=$directory/slurm.conf
    scancel --quiet --user="$(id -un)" 2>/dev/null || true
    for file in "$directory"/slurmd.*.pid "$directory"/slurmctld.pid "$directory"/munged.pid; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
}

case "${1:-}" in
    start) start "${2:?a folder}" "${3:-3}" ;;
    stop) stop "${2:?a folder}" ;;
    *) fail "usage: tools/slurm/cluster.sh start DIR [NODES] | stop DIR" ;;
esac
