"""The codes of given examples, as arrays by name, for every model that can infer or compute them.

| a model that is | gives |
|---|---|
| an `Encoder` | `z` the mean of the posterior, and `std` its standard deviation where it has a width |
| `Bijective` | `z` the code |
| `Coded` | the value that it reads of every code, by the name of the code |
| `Interpolating` without an encoder | `z` the code of its own of every training example |
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from veridical.data.dataset import ArrayData
from veridical.errors import RequestError
from veridical.model import Bijective, Coded, Encoder, GenerativeModel, Interpolating, refuse_shape
from veridical.nn.modes import evaluating

BATCH = 256


class NoCodesError(ValueError, RequestError):
    """The model cannot tell the codes of these examples."""


def encodes(model: GenerativeModel) -> bool:
    """Return whether a model has codes of any examples, not only of those of its training."""
    return isinstance(model, Encoder | Bijective | Coded)


@torch.no_grad()
def encode(
    model: GenerativeModel, examples: Tensor | ArrayData, *, training: bool = False, batch: int = BATCH
) -> dict[str, Tensor]:
    """Return the codes of examples by name (module docstring), (n, ...) float32 each, on the CPU.

    Args:
        model: it is in evaluation mode while it encodes.
        examples: (n, *event) in data space, or a data set.
        training: the examples are those of the training, all and in order; models with a code for each training
            example have no others.
        batch: examples that are encoded together.

    Raises:
        NoCodesError: the model has no codes, or none of examples outside its training data.
        ValueError: the examples have another shape than those of the training.

    Examples:
        >>> from veridical import VAE, Space, VAEConfig
        >>> model = VAE(VAEConfig(latent_dim=2, width=8), Space((3,), kind="vector", support=None, levels=None))
        >>> {name: tuple(codes.shape) for name, codes in encode(model, torch.zeros(5, 3)).items()}
        {'z': (5, 2), 'std': (5, 2)}
    """
    if not len(examples):
        raise NoCodesError("there are no examples to encode; give at least one.")
    with evaluating(model):
        pieces = [codes_of_batch(model, x, row if training else None) for x, row in _batches(examples, batch)]
    found = {name: torch.cat([piece[name].float().cpu() for piece in pieces]) for name in pieces[0]}
    if "std" in found and not bool(found["std"].any()):
        del found["std"]
    return found


def _batches(examples: Tensor | ArrayData, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield examples (B, *event), and their numbers (B,)."""
    for row in torch.arange(len(examples)).split(size):
        yield (examples.batch(row).x if isinstance(examples, ArrayData) else examples[row.to(examples.device)]), row


def codes_of_batch(model: GenerativeModel, x: Tensor, rows: Tensor | None) -> dict[str, Tensor]:
    """Return the codes of a batch by name; `std` is 0 where a code is computed and not drawn.

    Args:
        model: in evaluation mode.
        x: (B, *event) examples in data space.
        rows: (B,) their rows in the training data; None: they are no training examples.

    Raises:
        NoCodesError: the model has no codes of these examples.
    """
    refuse_shape(x, model.space, type(model).__name__)
    x = x.to(model.device)
    if isinstance(model, Encoder):
        q = model.posterior(x)
        return {"z": q.mean, "std": q.stddev}
    if isinstance(model, Bijective):
        return {"z": model.encode(x)}
    if isinstance(model, Coded) and (read := model.read_codes(x)):
        return read
    if isinstance(model, Interpolating):
        return {"z": own_codes(model, rows)}
    raise NoCodesError(
        f"{type(model).__name__} has no codes of given examples. Train a model that has: veridical train vae, "
        "autoencoder or flow."
    )


def own_codes(model: Interpolating, rows: Tensor | None) -> Tensor:
    """Return (B, *latent_shape) the codes that a model keeps of training examples.

    Args:
        model: whose codes they are.
        rows: (B,) of the training data; None: other examples.

    Raises:
        NoCodesError: no code is kept for them.
    """
    if rows is None:
        raise NoCodesError(
            f"{type(model).__name__} has codes of its training examples alone, and no encoder for others. Leave the "
            "others out (veridical encode RUN), or train an autoencoder."
        )
    known = model.known_codes()
    if int(rows.max()) >= len(known):
        raise NoCodesError(f"row {int(rows.max())} has no code; this model has codes of {len(known)} examples.")
    return known[rows.to(known.device)]
