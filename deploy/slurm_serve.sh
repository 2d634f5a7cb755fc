#!/bin/bash
# One run over several GPU nodes with a server of one model on every GPU, which Tetrad asks as one pool: what we advise for
# a cluster. It needs `vllm` on all nodes, and nothing between them but HTTP.
#
#     MODEL=Qwen2.5-VL-7B sbatch --nodes=8 deploy/slurm_serve.sh spa_vl --pool open --source ./images
#
# ./models.toml says what is served; the servers' addresses are filled in here:
#
#     ["Qwen2.5-VL-7B"]
#     backend = "openai"
#     served_as = "Qwen/Qwen2.5-VL-7B-Instruct"
#     revision = "main"
#     key = "VLLM_API_KEY"
#     base_url = "SERVERS"
#SBATCH --job-name=tetrad
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --output=tetrad-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@120

# shellcheck source=deploy/settings.sh
. deploy/settings.sh
set -u

: "${MODEL:?which model of models.toml to serve}"
export ARGUMENTS=${ARGUMENTS:-}  # more for vllm serve, such as "--max-model-len 8192"
export PORT=$((20000 + SLURM_JOB_ID % 10000)) VLLM_API_KEY  # others can reach the ports, and do not know the key
VLLM_API_KEY=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
say='import sys, tomllib; model = tomllib.load(open("models.toml", "rb"))[sys.argv[1]]; print(model["served_as"], model["revision"])'
read -r SERVED REVISION < <(python -c "$say" "$MODEL") || exit 2
export SERVED REVISION

# shellcheck disable=SC2016 # each task fills in its own
srun --overlap --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 bash -c '
    exec vllm serve "$SERVED" --revision "$REVISION" --port $((PORT + SLURM_LOCALID)) $ARGUMENTS' \
    >"tetrad-$SLURM_JOB_ID-vllm.log" 2>&1 &
servers=$!

ready=()
for node in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
    for ((n = PORT; n < PORT + SLURM_NTASKS_PER_NODE; n++)); do  # loading takes minutes; who takes half an hour is left out
        until curl --silent --fail "http://$node:$n/health"; do
            if [ "$SECONDS" -gt 1800 ] || ! kill -0 "$servers"; then continue 2; fi
            sleep 5
        done
        ready+=("\"http://$node:$n/v1\"")
    done
done
export TETRAD_MODELS=$PWD/tetrad-$SLURM_JOB_ID-models.toml
sed "s|\"SERVERS\"|[$(IFS=, && echo "${ready[*]}")]|" models.toml >"$TETRAD_MODELS"

go_on run "$@"
code=$?
kill "$servers"
exit "$code"
