"""Markov chains on tensors: kernels as pure functions of state, density, step and noise."""
