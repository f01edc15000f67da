"""The loop of every family, and what stands around it: optimisers, averages, recorded steps, checkpoints."""
