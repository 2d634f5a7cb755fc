#!/bin/bash
# One run over several GPU nodes that this job joins to a Ray cluster: models of the backend "ray" have `replicas` engines
# with `gpus` GPUs each, all of them for one model after another. This package and `tetrad[ray,vllm]` must be installed on all.
#
#     sbatch --nodes=8 deploy/slurm_ray.sh spa_vl --pool open --source ./images
#
# In models.toml, for 8 nodes of 4 GPUs and a model that needs two:
#
#     ["Qwen2.5-VL-7B"]
#     backend = "ray"
#     replicas = 16
#     gpus = 2
#     served_as = "Qwen/Qwen2.5-VL-7B-Instruct"
#     revision = "main"
#     options = { tensor_parallel_size = 2 }
#SBATCH --job-name=tetrad
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --output=tetrad-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@120

# shellcheck source=deploy/settings.sh
. deploy/settings.sh
set -u

HEAD=$(hostname)  # this script runs on the first of the nodes
export HEAD PORT=$((20000 + SLURM_JOB_ID % 10000))
export RAY_ADDRESS=$HEAD:$PORT RAY_USAGE_STATS_ENABLED=0
# Whoever can speak to a Ray cluster can run programs on it: only who knows this job's word may.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')

# shellcheck disable=SC2016 # each node fills in its own
srun --overlap --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 bash -c '
    if [ "$(hostname)" = "$HEAD" ]; then
        exec env -u RAY_ADDRESS ray start --head --port="$PORT" --include-dashboard=false --block
    fi
    until : </dev/tcp/"$HEAD"/"$PORT"; do sleep 2; done
    exec ray start --address="$RAY_ADDRESS" --block' >"tetrad-$SLURM_JOB_ID-ray.log" 2>&1 &
cluster=$!

until (: </dev/tcp/"$HEAD"/"$PORT") 2>/dev/null; do
    kill -0 "$cluster" 2>/dev/null || { echo "Ray did not start: see tetrad-$SLURM_JOB_ID-ray.log" >&2; exit 2; }
    sleep 2
done
go_on run "$@"
code=$?
kill "$cluster"
exit "$code"
