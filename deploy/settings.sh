# What the jobs beside this file share; they read it from where `sbatch` is called: the repository's root.
# shellcheck shell=bash

MODULES=${TETRAD_MODULES:-}                              # of the cluster, such as "cuda/12.8 python/3.11"
VENV=${TETRAD_VENV:-$PWD/.venv}                          # where this package is installed; every node must see it
KEYS=${TETRAD_KEYS:-$HOME/.config/tetrad/keys.env}       # lines such as OPENAI_API_KEY=...: outside the repository, chmod 600
export TETRAD_WORKSPACE=${TETRAD_WORKSPACE:-$PWD/workspace}   # the batch node alone writes there

for module in $MODULES; do module load "$module"; done
# shellcheck disable=SC1091
. "$VENV/bin/activate"
if [ -r "$KEYS" ]; then
    set -a
    # shellcheck disable=SC1090
    . "$KEYS"
    set +a
fi

# Run tetrad, and pass on the SIGTERM that comes before the time is up: it keeps what came, and ends with 143. Then the job
# is queued again, and goes on; unless somebody cancelled it, for then it runs no longer by Slurm's count. Any other exit code
# (0 done, 2 for you to mend, 3 budget spent) is the job's own.
go_on() {
    local told="" tetrad="" code
    trap 'told=yes; [ -z "$tetrad" ] || kill -TERM "$tetrad" 2>/dev/null' TERM
    tetrad "$@" &
    tetrad=$!
    [ -z "$told" ] || kill -TERM "$tetrad"  # it came before there was anybody to tell
    wait "$tetrad"
    code=$?
    if [ -n "$told" ]; then  # the signal ended the waiting, not yet the run
        wait "$tetrad"
        code=$?
    fi
    if [ "$code" = 143 ] && [ "$(squeue --noheader --format %T --jobs "$SLURM_JOB_ID")" = RUNNING ]; then
        scontrol requeue "$SLURM_JOB_ID" || echo "not queued again: submit the same job once more to go on" >&2
    fi
    return "$code"
}
