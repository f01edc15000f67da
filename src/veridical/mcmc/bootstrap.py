r"""Annealed importance sampling from a model q towards $p^2/q$: samples where the model should be and is not.

The path $f_b = q\,(p/q)^{2b}$ begins at q (b = 0), passes through p (b = 1/2) and ends at $p^2/q$ (b = 1), which has
the least variance of all targets when the integral of $p^2/q$ is estimated. Between two values of b a
Metropolis-adjusted Langevin step moves the samples. The weights make up for what the steps miss, whatever their size:
on average, weighted samples are those of $p^2/q$.

The step of every chain is drawn anew from a wide range of sizes, independently of where the chain is. So nothing has to
be adapted, and a state that would have to be kept does not exist: whatever the width of the modes, some steps fit.

References:
    Midgley, Stimper, Simm, Schölkopf & Hernández-Lobato, Flow Annealed Importance Sampling Bootstrap (2023).
        https://arxiv.org/abs/2208.01893
    Neal, Annealed Importance Sampling (2001). https://arxiv.org/abs/physics/9803008
"""

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.mcmc.annealing import anneal
from veridical.mcmc.langevin import LogDensity, adjusted_step, evaluate
from veridical.noise import Noise, noise_for


def bootstrap(
    log_q: LogDensity,
    log_p: LogDensity,
    x: Float[Tensor, "n *event"],
    bridges: int,
    steps: tuple[float, float],
    *,
    noise: Noise | None = None,
) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
    r"""Move samples of q towards $p^2/q$.

    Args:
        log_q: of the model, whose weights are constants here.
        log_p: of the target, up to a constant.
        x: samples of q.
        bridges: steps of the path, each with a Langevin step; 0: the samples stay where they are.
        steps: smallest and largest step $h$ of the Langevin kernel, in squared units of x.
        noise: one row for each sample; None: torch's global generator.

    Returns:
        Where the samples are, and the logarithms of their weights, in float64.
    """
    noise = noise_for(len(x), x.device, noise)
    b = torch.linspace(0, 1, bridges + 2, dtype=torch.float64)

    def log_ratio(x: Tensor) -> Tensor:
        with torch.no_grad():
            return 2 * (log_p(x).double() - log_q(x).double())

    def transition(x: Tensor, t: int) -> Tensor:
        if t > bridges:  # nothing is weighted after the last step
            return x
        power = 2 * float(b[t])
        return _move(lambda y: (1 - power) * log_q(y) + power * log_p(y).to(y.dtype), x, steps, noise)

    log_w, x = anneal(log_ratio, transition, x, b)
    return x, log_w


def _move(log_density: LogDensity, x: Tensor, steps: tuple[float, float], noise: Noise) -> Tensor:
    """Take one Metropolis-adjusted Langevin step, of a size that is log-uniform for every chain."""
    low, high = steps
    step = low * (high / low) ** noise.uniform(dtype=x.dtype).to(x.device)
    return adjusted_step(log_density, evaluate(log_density, x), step, noise=noise)[0].x
