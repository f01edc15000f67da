"""What the configurations of models with learned codes and no prior share: how a restored example is compared."""

from __future__ import annotations

from typing import Literal, get_args

Reconstruction = Literal["auto", "bernoulli", "gaussian", "laplace", "squared", "laplacian"]
"""Misfit of example and restored example: bernoulli (data with two values), gaussian and laplace (a learned scale),
squared, laplacian (all scales of an image alike); `families/fitted_codes.py` has them."""

RECONSTRUCTIONS: tuple[str, ...] = get_args(Reconstruction)
