"""Every proof fails where something is wrong: faults of well-known code, planted one at a time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from tests.families import proofs
from tests.families.densities import Autoregression, Bits, EncodedBits, Flow, LinearGaussian, Masked, OneShear, Small

from veridical.model import GenerativeModel, Space

BITS = Space((1, 3, 3), levels=2)
FOUR = Space((1, 2, 2), levels=2)
LEVELS = Space((1, 2, 2), levels=4, mean=-0.2, std=0.7)
LINE = Space((1,), kind="vector", support=None, levels=None, mean=30.0, std=5.0)
PLANE = Space((2,), kind="vector", support=None, levels=None, mean=3.0, std=0.5)
PAIR = Space((2,), kind="vector", support=(0.0, 5.0), levels=11, mean=2.0, std=1.5)
VOLUME = Space((3,), kind="vector", support=None, levels=None)


def rows(model: Small) -> None:
    proofs.rows_are_independent(model, proofs.all_examples(BITS)[:5] if model.space == BITS else torch.randn(5, 3))


def planar_rows(model: Small) -> None:
    proofs.rows_are_independent(model, 3.0 + torch.randn(5, 2))


def layers(model: OneShear) -> None:
    proofs.layers_are_invertible(model, torch.randn(4, 2))


Proof = Callable[[Any], None]

FITS = proofs.samples_follow_the_probabilities

RIGHT: dict[str, tuple[type[GenerativeModel], Space, tuple[Proof, ...]]] = {
    "bits": (Autoregression, BITS, (proofs.sums_to_one, proofs.samples_follow_the_probabilities, rows)),
    "levels": (Autoregression, LEVELS, (proofs.sums_to_one, proofs.samples_follow_the_probabilities)),
    "line": (Flow, LINE, (proofs.integrates_to_one, proofs.samples_follow_the_density)),
    "plane": (Flow, PLANE, (proofs.integrates_to_one, proofs.samples_follow_the_density, planar_rows)),
    "pair": (Flow, PAIR, (proofs.bound_is_below_the_cell,)),
    "linear": (LinearGaussian, VOLUME, (proofs.bounds_are_below_the_evidence, proofs.derivative_of_decode, rows)),
    "layers": (OneShear, PLANE, (layers,)),
    "weights": (EncodedBits, FOUR, (proofs.weights_sum_to_one, proofs.bounds_are_below_the_mixture)),
    "masks": (Masked, FOUR, (proofs.sites_see_the_past_alone, proofs.sums_to_one, FITS)),
    "mixture": (
        Bits,
        FOUR,
        (
            proofs.observations_sum_to_one,
            proofs.observations_follow_their_probabilities,
            proofs.samples_follow_the_mixture,
            proofs.bounds_are_below_the_mixture,
        ),
    ),
}


class Mutant(NamedTuple):
    """A fault, and the proof that fails."""

    kind: Any
    space: Space
    proof: Proof


SUMS, PAST = proofs.sums_to_one, proofs.sites_see_the_past_alone
INTEGRATES, FOLLOWS = proofs.integrates_to_one, proofs.samples_follow_the_density
EVIDENCE, MIXTURE = proofs.bounds_are_below_the_evidence, proofs.bounds_are_below_the_mixture

MUTANTS: dict[tuple[str, str], Mutant] = {
    ("bits", "future sites are seen"): Mutant(Autoregression, BITS, SUMS),
    ("bits", "the site itself is seen"): Mutant(Autoregression, BITS, SUMS),
    ("bits", "logits are not normalised"): Mutant(Autoregression, BITS, SUMS),
    ("bits", "a factor is missing"): Mutant(Autoregression, BITS, SUMS),
    ("bits", "the mean over sites, not the sum"): Mutant(Autoregression, BITS, SUMS),
    ("bits", "orders average logits"): Mutant(Autoregression, BITS, SUMS),
    ("levels", "the width of a level is left out"): Mutant(Autoregression, LEVELS, SUMS),
    ("levels", "levels are off by one"): Mutant(Autoregression, LEVELS, FITS),
    ("levels", "the last level is never drawn"): Mutant(Autoregression, LEVELS, FITS),
    ("bits", "sampled in the reverse order"): Mutant(Autoregression, BITS, FITS),
    ("bits", "a temperature in samples only"): Mutant(Autoregression, BITS, FITS),
    ("bits", "rows are normalised together"): Mutant(Autoregression, BITS, rows),
    ("line", "the scale of the data is left out"): Mutant(Flow, LINE, INTEGRATES),
    ("line", "a layer has no log-determinant"): Mutant(Flow, LINE, INTEGRATES),
    ("plane", "a layer has no log-determinant"): Mutant(Flow, PLANE, INTEGRATES),
    ("plane", "the log-determinant has the other sign"): Mutant(Flow, PLANE, INTEGRATES),
    ("plane", "the constant of the Gaussian is left out"): Mutant(Flow, PLANE, INTEGRATES),
    ("line", "a temperature in samples only"): Mutant(Flow, LINE, FOLLOWS),
    ("plane", "a temperature in samples only"): Mutant(Flow, PLANE, FOLLOWS),
    ("plane", "the inverse has the other sign"): Mutant(Flow, PLANE, FOLLOWS),
    ("plane", "the inverse conditions on z"): Mutant(Flow, PLANE, FOLLOWS),
    ("plane", "rows are normalised together"): Mutant(Flow, PLANE, planar_rows),
    ("pair", "noise of half a cell"): Mutant(Flow, PAIR, proofs.bound_is_below_the_cell),
    ("pair", "noise that starts at the level"): Mutant(Flow, PAIR, proofs.bound_is_below_the_cell),
    ("linear", "the divergence is left out"): Mutant(LinearGaussian, VOLUME, EVIDENCE),
    ("linear", "the divergence has the other sign"): Mutant(LinearGaussian, VOLUME, EVIDENCE),
    ("linear", "the mean of the divergence over units"): Mutant(LinearGaussian, VOLUME, EVIDENCE),
    ("linear", "the code is the mean of q"): Mutant(LinearGaussian, VOLUME, EVIDENCE),
    ("linear", "the mean over components, not the sum"): Mutant(LinearGaussian, VOLUME, EVIDENCE),
    ("linear", "the code is cut off"): Mutant(LinearGaussian, VOLUME, proofs.derivative_of_decode),
    ("linear", "rows are normalised together"): Mutant(LinearGaussian, VOLUME, rows),
    ("layers", "no log-determinant"): Mutant(OneShear, PLANE, layers),
    ("layers", "the other sign"): Mutant(OneShear, PLANE, layers),
    ("layers", "the inverse comes from a cache"): Mutant(OneShear, PLANE, layers),
    ("layers", "the inverse subtracts after it divides"): Mutant(OneShear, PLANE, layers),
    ("layers", "the inverse has the sign of the map"): Mutant(OneShear, PLANE, layers),
    ("masks", "the order for its inverse"): Mutant(Masked, FOUR, PAST),
    ("masks", "the site itself is seen"): Mutant(Masked, FOUR, PAST),
    ("masks", "the first site is masked too"): Mutant(Masked, FOUR, PAST),
    ("mixture", "the sigmoid is taken twice"): Mutant(Bits, FOUR, proofs.observations_sum_to_one),
    ("mixture", "only the ones count"): Mutant(Bits, FOUR, proofs.observations_sum_to_one),
    ("mixture", "drawn at another scale"): Mutant(Bits, FOUR, proofs.observations_follow_their_probabilities),
    ("mixture", "bits are rounded, not drawn"): Mutant(Bits, FOUR, proofs.observations_follow_their_probabilities),
    ("mixture", "a narrow prior in samples"): Mutant(Bits, FOUR, proofs.samples_follow_the_mixture),
    ("mixture", "a constant is added"): Mutant(Bits, FOUR, MIXTURE),
    ("weights", "codes of another density"): Mutant(EncodedBits, FOUR, proofs.weights_sum_to_one),
}


pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_proved(name: str) -> None:
    kind, space, all_proofs = RIGHT[name]
    for proof in all_proofs:
        proof(kind(space))


@pytest.mark.parametrize("mutant", MUTANTS, ids="-".join)
def test_what_is_wrong_is_found(mutant: tuple[str, str]) -> None:
    kind, space, proof = MUTANTS[mutant]
    with pytest.raises(AssertionError):
        proof(kind(space, mutant[1]))
