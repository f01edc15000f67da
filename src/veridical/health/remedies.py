"""Sentences that several findings share."""

from __future__ import annotations

SMALLER_STEPS = "Take smaller steps (--lr-scale 0.3) or bound them (--clip-norm 1)"
SMOOTHER_DISCRIMINATOR = (
    "Use a ten times larger penalty on the discriminator's gradient at the data and at the samples (--r1 1 --r2 1) "
    "and a relativistic loss, which compares each sample with an example (--relativistic)"
)
JUDGE_TOGETHER = (
    "Give the discriminator several samples at once (--pack 2), or the standard deviation over the batch "
    "(--minibatch stddev)"
)
