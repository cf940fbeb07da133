#!/bin/bash
# Pre-trains on several machines under Slurm: sbatch recipes/cluster/slurm.sh --data data/news --output saved_models/news
# Options after the script go to pretrain.py. --data and --output must be on storage that all machines share.
#SBATCH --job-name=keras-mlm
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
# Five minutes before the time is over, or before somebody else's job takes the machines, every worker is told, writes
# its checkpoint and ends; Slurm queues the job again, and the same command continues it.
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

# srun starts one worker a machine; TensorFlow's resolver reads their names from Slurm's variables.
# --kill-on-bad-exit ends the others at once when a worker is lost; without it they notice by themselves in about 10 s.
status=0
srun --kill-on-bad-exit=1 .venv/bin/python recipes/pretrain.py --strategy multi_worker "$@" || status=$?

# 130: stopped after a checkpoint. 1: a worker or a machine was lost. Both go on from the last checkpoint.
if [ "$status" = 130 ] || [ "$status" = 1 ]; then
    [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ] && scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
