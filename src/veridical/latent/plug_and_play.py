r"""Plug and play: draw codes of any generator under any differentiable condition.

With a prior $p(z)$, a generator $x = G(z)$ and a condition $\log p(y \mid x)$ (a classifier's log-probability of a
label, the likelihood of a measurement, a discriminator's logit), the codes to draw are those of

$$ p(z \mid y) \propto p(z)\, p(y \mid G(z)). $$

They are drawn by Langevin chains, Metropolis-adjusted, so that this is exactly their stationary distribution and at any
step size. The steps are found while the chains burn in (`mcmc.langevin.adapt`), one for each chain, and kept after.
The remaining error is that of chains of finite length: chains start at draws of the prior and lose this memory step by
step; a chain may need more steps than it has to cross a barrier. `unadjusted` chains take every proposal: this is
cheaper for difficult conditions, where the adjustment would force small steps, and has an error of $O(h)$.

**Between modes** that are far apart no chain of local steps crosses: chains keep the shares that the basins of the
modes have under the prior. `temperatures` of more than one lets them cross (`latent/tempered.py`): replicas under
weaker conditions, down to the prior, which is drawn anew at every step, exchange their codes. The distribution stays
exact, the cost is multiplied by the number of temperatures, and `renewals` counts how often the last replica received
a code that stems from a new draw of the prior: a chain with none still remembers where it started.

A uniform prior on $[-1, 1]$ has boundaries that stop a chain. They are removed by $z = \operatorname{erf}(u/\sqrt 2)$,
which makes $u$ standard normal a priori; chains run in $u$.

**The original method.** PPGN adds $s\,d / \overline{|d|}$ to the code, where $d$ is score plus noise and the mean
runs over its components. Drift and noise are scaled by the same $c = s / \overline{|d|}$ where a Langevin step needs
$c$ and $\sqrt c$. The chain therefore runs at temperature $c$, which follows from the rule for the step and not from
the intended distribution; with the noise of the published scripts ($10^{-17}$) it is an ascent. The sampler here keeps
its idea, the combination of a generator and a condition, but not its chain.

References:
    Nguyen, Clune, Bengio, Dosovitskiy & Yosinski, Plug & Play Generative Networks (2017).
        https://arxiv.org/abs/1612.00005
    Roberts & Tweedie, Exponential Convergence of Langevin Distributions and Their Discrete Approximations (1996).
        https://doi.org/10.2307/3318418
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.latent.tempered import ConditionPath, Guided, temper
from veridical.mcmc.langevin import LogDensity, State, adapt, adjusted_step, evaluate, init, unadjusted_step
from veridical.noise import Noise, noise_for

Prior = Literal["normal", "uniform"]


def plug_and_play(
    decode: Callable[[Tensor], Tensor],
    log_condition: LogDensity,
    z: Float[Tensor, "B *latent"],
    *,
    prior: Prior = "normal",
    step: float = 0.1,
    n_steps: int = 200,
    adjusted: bool = True,
    temperatures: int = 1,
    preconditioner: Float[Tensor, "*latent"] | None = None,
    noise: Noise | None = None,
) -> Guided:
    r"""Draw codes from $p(z)\, p(y \mid G(z))$, one chain for each row of z.

    Args:
        decode: $G$, from codes to examples.
        log_condition: $\log p(y \mid x)$ of examples, nats, up to a constant.
        z: where the chains start: draws of the prior.
        prior: distribution of the codes: standard normal, or uniform on [-1, 1].
        step: at the start; adjusted chains adapt it in the first half of their steps, unadjusted ones keep it.
        n_steps: length of the chains.
        adjusted: accept or reject, so that the distribution is exact; False takes every proposal.
        temperatures: replicas of every chain; 1: none but the chain itself.
        preconditioner: diagonal, positive, for codes that the condition determines with unequal precision.
        noise: one row for each chain; None: torch's global generator.

    Returns:
        The codes at the end of the chains; decode them.

    Raises:
        ValueError: codes outside the prior, a condition that is not finite at the start of a chain, or replicas of
            chains that are not adjusted.

    Examples:
        >>> from veridical.noise import FreshNoise
        >>> drawn = plug_and_play(lambda z: z, lambda x: -8 * (x - 1).square().sum(dim=1), torch.zeros(5000, 1),
        ...     noise=FreshNoise(5000, generator=torch.Generator().manual_seed(0)))
        >>> round(drawn.z.mean().item(), 1)  # (0 + 16 * 1) / (1 + 16)
        0.9
    """
    if n_steps < 2:
        raise ValueError(f"n_steps is {n_steps}; expected at least 2, one to burn in and one to draw.")
    if temperatures < 1 or (temperatures > 1 and not adjusted):
        raise ValueError(f"temperatures is {temperatures}; expected 1, or more with adjusted chains.")
    to_code, noise = _CODES[prior], noise_for(len(z), z.device, noise)

    def log_p(u: Tensor) -> Tensor:
        return -u.square().flatten(1).sum(dim=1) / 2 + log_condition(decode(to_code(u)))

    start = init(log_p, _from_code(z, prior))
    steps = torch.full((len(z),), float(step), dtype=start.log_p.dtype, device=z.device)
    if temperatures > 1:

        def condition_of_all(u: Tensor) -> Tensor:  # decode and condition may belong to rows, such as their labels
            return torch.cat([log_condition(decode(to_code(part))) for part in u.split(len(z))])

        path = ConditionPath(condition_of_all, z.shape[1:], steps, preconditioner)
        found = temper(path, start.x, temperatures, n_steps, noise)
        return found._replace(z=to_code(found.z))
    walk = _adjusted if adjusted else _unadjusted
    state, steps, acceptance = walk(log_p, start, steps, n_steps, preconditioner, noise)
    log_prior = -state.x.square().flatten(1).sum(dim=1) / 2
    alone = torch.ones(len(z), 1, dtype=torch.float64, device=z.device)
    renewals = torch.zeros(len(z), dtype=torch.int64, device=z.device)
    return Guided(to_code(state.x), state.log_p - log_prior, acceptance, steps, alone, alone[:, 1:], renewals)


def log_label(logits: Callable[[Tensor], Tensor], label: int) -> LogDensity:
    r"""Build a condition from a classifier: $\log p(\text{label} \mid x)$, nats.

    Args:
        logits: of the classes, (B, *event) → (B, classes).
        label: the class.

    Raises:
        ValueError: when called, if the classifier has no such class.

    Examples:
        >>> log_label(lambda x: torch.zeros(len(x), 4), 2)(torch.zeros(1, 3))
        tensor([-1.3863])
    """

    def log_condition(x: Tensor) -> Tensor:
        values = logits(x)
        if not 0 <= label < values.shape[1]:
            raise ValueError(f"label is {label}; the classifier has the classes 0 to {values.shape[1] - 1}.")
        return values.log_softmax(dim=1)[:, label]

    return log_condition


def _adjusted(
    log_p: LogDensity,
    state: State,
    steps: Tensor,
    n_steps: int,
    preconditioner: Tensor | None,
    noise: Noise,
) -> tuple[State, Tensor, Tensor]:
    burn_in, taken = n_steps // 2, torch.zeros_like(steps)
    for n in range(n_steps):
        state, accepted = adjusted_step(log_p, state, steps, preconditioner=preconditioner, noise=noise)
        if n < burn_in:
            steps = adapt(steps, accepted, n)
        else:
            taken += accepted
    return state, steps, taken / (n_steps - burn_in)


def _unadjusted(
    log_p: LogDensity,
    state: State,
    steps: Tensor,
    n_steps: int,
    preconditioner: Tensor | None,
    noise: Noise,
) -> tuple[State, Tensor, Tensor]:
    for _ in range(n_steps):
        x = unadjusted_step(state.x, state.score, steps, preconditioner=preconditioner, noise=noise)
        state = evaluate(log_p, x)
    return state, steps, torch.ones_like(steps)


_CODES: dict[Prior, Callable[[Tensor], Tensor]] = {
    "normal": lambda u: u,
    "uniform": lambda u: torch.erf(u / math.sqrt(2)),
}


def _from_code(z: Tensor, prior: Prior) -> Tensor:
    if prior == "normal":
        return z
    if float(z.abs().max()) >= 1:
        raise ValueError(f"a code reaches {float(z.abs().max())}; a uniform prior holds codes between -1 and 1.")
    return math.sqrt(2) * torch.erfinv(z)
