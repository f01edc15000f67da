"""Compiled kernels of the lattice samplers: imported only where configurations are drawn."""
