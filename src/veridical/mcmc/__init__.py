"""Markov chains on tensors: kernels as pure functions of state, law, step and noise."""
