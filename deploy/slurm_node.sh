#!/bin/bash
# One run on one GPU node: the models of the pool (backend "vllm") have all its GPUs, one model after another.
#
#     sbatch deploy/slurm_node.sh spa_vl --pool open --source ./images
#
# Told to end, the job keeps what came and queues itself again; the next time it goes on where this one ended.
# Give --time, --partition and --account to sbatch, or add them here.
#SBATCH --job-name=tetrad
#SBATCH --nodes=1
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

go_on run "$@"
