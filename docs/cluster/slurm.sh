#!/bin/bash
# A study on several nodes of Slurm: a Ray cluster that lives as long as the job.
#
#   sbatch slurm.sh STUDY.yaml --out runs/studies/NAME        # further words go to `frugal study`
#
# Submit it from a folder on storage that all nodes see. The same command goes on after a time limit.
#SBATCH --job-name=frugal-study
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
# Three minutes before the time limit, cells end in order, with their checkpoints.
#SBATCH --signal=B:TERM@180
set -euo pipefail

# source /path/to/venv/bin/activate    # with: pip install 'frugal-cxr[ray]'

patience=300 # seconds for all nodes to arrive
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts%%$'\n'*}
export RAY_ADDRESS="$head:$((20000 + SLURM_JOB_ID % 10000))"
export RAY_TMPDIR="${RAY_TMPDIR:-/tmp/ray-$SLURM_JOB_ID}" RAY_USAGE_STATS_ENABLED=0
# Without a token, anyone who reaches the head could run code as you.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
mkdir -p "$RAY_TMPDIR"
has=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --disable-usage-stats --block)

# Steps of their own, which end with the job.
srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --port="${RAY_ADDRESS#*:}" --include-dashboard=false "${has[@]}" &
steps=($!)
if ((SLURM_JOB_NUM_NODES > 1)); then
    others=$((SLURM_JOB_NUM_NODES - 1))
    # A node that asks before the head listens asks again.
    srun --nodes="$others" --ntasks="$others" --exclude="$head" bash -c \
        'mkdir -p "$RAY_TMPDIR"; until ray health-check --address "$RAY_ADDRESS" &> /dev/null; do sleep 1; done
        exec ray start --address="$RAY_ADDRESS" "$@"' workers "${has[@]}" &
    steps+=($!)
fi

end_steps() {
    kill "${steps[@]}" 2> /dev/null || true
    wait "${steps[@]}" || true
}
trap end_steps EXIT

# Wait for the nodes themselves, not for a number of seconds.
until ray health-check --address "$RAY_ADDRESS" &> /dev/null; do
    for step in "${steps[@]}"; do
        kill -0 "$step" 2> /dev/null || { echo "a step of the Ray cluster ended; see above" >&2; exit 1; }
    done
    ((SECONDS < patience)) || { echo "$RAY_ADDRESS: no head after $patience s" >&2; exit 1; }
    sleep 1
done
python - "$SLURM_JOB_NUM_NODES" "$((patience - SECONDS))" <<'PYTHON'
import sys, time, ray
nodes, patience = map(int, sys.argv[1:])
ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
until = time.monotonic() + patience
while (alive := sum(node["Alive"] for node in ray.nodes())) < nodes:
    if time.monotonic() > until:
        sys.exit(f"only {alive} of {nodes} nodes arrived within the time allowed")
    time.sleep(1)
PYTHON

frugal study "$@" --on auto &
study=$!
trap 'kill -TERM "$study"; wait "$study"; exit 143' TERM
status=0
wait "$study" || status=$?
trap '' TERM # only the cluster is left to end
exit "$status"
