# What commands of calrun's test SLURM (scripts/slurm.py) want in the environment. MASTER_ADDR is for jobs of several
# tasks: Lightning would take the first node's name, and n1 does not resolve.
export SLURM_CONF={folder}/slurm.conf
export MASTER_ADDR=127.0.0.1
