"""Sentences that several findings share."""

from __future__ import annotations

SMALLER_STEPS = "Take smaller steps (--lr-scale 0.3) or bound them (--clip-norm 1)"
SMOOTHER_DISCRIMINATOR = (
    "Raise the penalty on the discriminator's gradient at the data and at the samples tenfold (--r1 1 --r2 1), "
    "and judge pairs (--relativistic)"
)
JUDGE_TOGETHER = (
    "Let the discriminator judge pairs of samples (--pack 2), or see how alike the samples of a batch are "
    "(--minibatch stddev)"
)
