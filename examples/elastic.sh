#!/bin/bash
# Training on two machines with SLURM: `sbatch examples/elastic.sh`. It leaves in time, is queued again, and goes on.
#SBATCH --job-name=elastic
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=elastic-%j.txt

out=${OUT:-runs/elastic}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000))  # two jobs may share a node

# torchrun, too, must know the signal, or it ends at once and leaves its ranks behind
export TORCHELASTIC_SIGNALS_TO_HANDLE=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1
# ranks that begin again must not find the addresses of those before: a store of their own for every start
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
srun torchrun --nnodes="$SLURM_NNODES" --nproc-per-node="${RANKS:-2}" --max-restarts=3 \
    --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$head:$port" \
    examples/elastic.py --out "$out" "$@"
status=$?
echo "step of the job ended with $status"
[ $status -eq 138 ] && scontrol requeue "$SLURM_JOB_ID"  # 128 + SIGUSR1: it has left in time
exit $status
