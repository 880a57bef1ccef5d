#!/bin/bash
# Runs campaign.sbatch on a Slurm of one machine with two task slots, and compares the merged result with that of a
# single process over the same seeds. Needs root, `slurm-wlm` and `munge`: meant for a container.
set -eu
cd "$(dirname "$0")/../.."

backfire=$(realpath "${BACKFIRE:-target/release/backfire}")
seeds=${SEEDS:-0..40} profile=${PROFILE:-calm}
work=$(mktemp -d)
host=$(hostname -s)

for tool in munged slurmctld slurmd sbatch; do
    command -v "$tool" >/dev/null || { echo "no $tool: apt-get install slurm-wlm munge"; exit 2; }
done

started=()
stop() {
    for pid in ${started[@]+"${started[@]}"}; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap stop EXIT

# --- A Slurm of our own, under $work.
mkdir -p "$work"/{munge,state,spool,log}
chmod 700 "$work/munge"
head -c 1024 /dev/urandom >"$work/munge/key"
chmod 400 "$work/munge/key"
socket=$work/munge/socket
munged --foreground --force --key-file="$work/munge/key" --socket="$socket" --pid-file="$work/munge/pid" \
    --log-file="$work/munge/log" --seed-file="$work/munge/seed" >"$work/log/munged.out" 2>&1 &
started+=($!)

cat >"$work/slurm.conf" <<CONF
ClusterName=backfire
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
ReturnToService=2
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
SlurmctldPort=16817
SlurmdPort=16818
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=$host CPUs=2 RealMemory=2048 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm.conf

wait_for() {
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    echo "not ready: $*"
    tail -n 20 "$work"/log/* "$work/munge/log" 2>/dev/null
    exit 1
}
wait_for test -S "$socket"
slurmctld -D >"$work/log/slurmctld.out" 2>&1 &
started+=($!)
slurmd -D >"$work/log/slurmd.out" 2>&1 &
started+=($!)
idle() { sinfo --noheader --format=%T | grep -q idle; }
wait_for idle

# --- The campaign as an array of four tasks, two at a time.
sbatch --wait --array=0-3 --output="$work/log/task-%a" \
    --export="ALL,BACKFIRE=$backfire,SEEDS=$seeds,PROFILE=$profile,OUT=$work/results" deploy/slurm/campaign.sbatch ||
    { tail -n 20 "$work"/log/*; exit 1; }
ls "$work/results"

# --- The same in one process.
"$backfire" explore --profile "$profile" --seeds "$seeds" --signatures stand-in --out "$work/single" >/dev/null || true
timeless() { "$backfire" merge --json "$1" | grep -v '"wall_ms"'; }
timeless "$work/results" >"$work/merged.json" || true
timeless "$work/single" >"$work/single.json" || true
diff "$work/single.json" "$work/merged.json"
echo "equal: $(grep -o '"runs": [0-9]*' "$work/merged.json" | head -n 1), merged from $(find "$work/results" -name '*.ndjson' | wc -l) tasks"
