"""Kac-Ward against enumeration, transfer matrices and the whole determinant; gradients against correlations."""

import cmath
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from veridical.ising.exact.enumeration import enumerate_lattice
from veridical.ising.exact.kac_ward import kac_ward_bond_correlations, kac_ward_log_partition
from veridical.ising.exact.lattice import uniform_couplings
from veridical.ising.exact.transfer import transfer_expectation, transfer_log_partition


def couplings(height: int, width: int, kind: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    shapes = (height, width - 1), (height - 1, width)
    if kind == "gaussian":
        across, down = (rng.normal(size=shape) for shape in shapes)
    elif kind == "signs":
        across, down = (rng.choice([-1.5, 1.5], size=shape) for shape in shapes)
    else:
        across, down = (rng.normal(size=shape) * (rng.random(shape) < 0.6) for shape in shapes)  # diluted
    return torch.from_numpy(across), torch.from_numpy(down)


@pytest.mark.parametrize("kind", ["gaussian", "signs", "diluted"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 7), (6, 1), (2, 2), (3, 4), (4, 3), (4, 4)])
def test_small_lattices_one_configuration_at_a_time(shape: tuple[int, int], kind: str) -> None:
    across, down = couplings(*shape, kind)
    truth = enumerate_lattice(across.numpy(), down.numpy())
    assert kac_ward_log_partition(across, down).item() == pytest.approx(truth.log_partition, abs=1e-11)
    sites = np.arange(shape[0] * shape[1]).reshape(shape)
    got_across, got_down = kac_ward_bond_correlations(across, down)
    wanted = truth.correlations
    assert got_across.numpy() == pytest.approx(wanted[sites[:, :-1], sites[:, 1:]], abs=1e-10)
    assert got_down.numpy() == pytest.approx(wanted[sites[:-1], sites[1:]], abs=1e-10)


@pytest.mark.parametrize("kind", ["gaussian", "signs", "diluted"])
@pytest.mark.parametrize("shape", [(12, 12), (16, 10), (9, 30)])
def test_transfer_matrices_beyond_enumeration(shape: tuple[int, int], kind: str) -> None:
    across, down = couplings(*shape, kind, seed=1)
    truth = transfer_log_partition(across.numpy(), down.numpy())
    assert kac_ward_log_partition(across, down).item() == pytest.approx(truth, abs=1e-10)
    got_across, got_down = kac_ward_bond_correlations(across, down)
    for row, column in [(0, 0), (4, 5), (8, 8)]:
        right = transfer_expectation(across.numpy(), down.numpy(), [(row, column), (row, column + 1)])
        below = transfer_expectation(across.numpy(), down.numpy(), [(row - 1, column), (row, column)]) if row else None
        assert got_across[row, column].item() == pytest.approx(right, abs=1e-10)
        assert below is None or got_down[row - 1, column].item() == pytest.approx(below, abs=1e-10)


def test_ferromagnet_at_any_coupling() -> None:
    for k in (0.0, 1e-3, 0.44, 2.0, 15.0):
        across, down = uniform_couplings(10, 12, k, wrap=(False, False))
        got = kac_ward_log_partition(torch.from_numpy(across), torch.from_numpy(down)).item()
        assert got == pytest.approx(transfer_log_partition(across, down), rel=1e-13)


def whole_determinant(across: np.ndarray, down: np.ndarray) -> float:
    """ln Z from the one matrix 1 - T over all directed edges, with its phase checked."""
    height, width = len(across), down.shape[1]
    phase = {0: 1.0, 1: cmath.exp(0.25j * math.pi), 2: 0.0, 3: cmath.exp(-0.25j * math.pi)}
    matrix = np.eye(4 * height * width, dtype=complex)
    for r in range(height):
        for c in range(width):
            for d, (dr, dc) in enumerate([(0, 1), (-1, 0), (0, -1), (1, 0)]):
                to_r, to_c = r + dr, c + dc
                if 0 <= to_r < height and 0 <= to_c < width:
                    k = across[r, min(c, to_c)] if dr == 0 else down[min(r, to_r), c]
                    for turned in range(4):
                        column = 4 * (to_r * width + to_c) + turned
                        matrix[4 * (r * width + c) + d, column] -= math.tanh(k) * phase[(turned - d) % 4]
    sign, log_abs = np.linalg.slogdet(matrix)
    assert abs(sign - 1) < 1e-9
    cosh = np.log(np.cosh(across)).sum() + np.log(np.cosh(down)).sum()
    return height * width * math.log(2) + cosh + 0.5 * log_abs


def test_elimination_by_rows_is_the_whole_determinant() -> None:
    across, down = couplings(16, 16, "gaussian", seed=2)
    wanted = whole_determinant(across.numpy(), down.numpy())
    assert kac_ward_log_partition(across, down).item() == pytest.approx(wanted, rel=1e-13)


def test_turning_over_the_lattice_and_a_batch_of_lattices() -> None:
    pairs = [couplings(5, 8, "gaussian", seed) for seed in range(6)]
    across = torch.stack([a for a, _ in pairs]).reshape(2, 3, 5, 7)
    down = torch.stack([d for _, d in pairs]).reshape(2, 3, 4, 8)
    got = kac_ward_log_partition(across, down)
    one_by_one = torch.stack([kac_ward_log_partition(a, d) for a, d in pairs]).reshape(2, 3)
    assert torch.allclose(got, one_by_one, rtol=1e-13)
    assert torch.allclose(got, kac_ward_log_partition(down.mT, across.mT), rtol=1e-13)
    gradients = kac_ward_bond_correlations(across, down)
    assert gradients[0].shape == across.shape and gradients[1].shape == down.shape


def test_first_and_second_derivatives() -> None:
    inputs = tuple(k.requires_grad_() for k in couplings(3, 4, "gaussian"))
    assert torch.autograd.gradcheck(kac_ward_log_partition, inputs)
    assert torch.autograd.gradgradcheck(kac_ward_log_partition, inputs)


def test_second_derivative_is_the_variance_of_the_energy() -> None:
    across, down = uniform_couplings(3, 4, 0.4, wrap=(False, False))
    k = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    log_z = kac_ward_log_partition(k.expand(across.shape), k.expand(down.shape))
    (first,) = torch.autograd.grad(log_z, k, create_graph=True)
    (second,) = torch.autograd.grad(first, k)
    truth = enumerate_lattice(across, down)
    assert -0.4 * first.item() == pytest.approx(truth.mean_energy, rel=1e-12)
    assert 0.16 * second.item() == pytest.approx(truth.energy_variance, rel=1e-11)


def test_single_precision_couplings_are_summed_in_double() -> None:
    across, down = (k.float() for k in couplings(4, 4, "gaussian"))
    got = kac_ward_log_partition(across, down)
    assert got.dtype == torch.float64
    assert got.item() == pytest.approx(enumerate_lattice(across.double().numpy(), down.double().numpy()).log_partition)


def test_frustration_beyond_rounding_is_refused_and_what_passes_is_right() -> None:
    refused = 0
    for strength in (2.0, 3.0, 4.0, 5.0, 6.0, 8.0):
        for seed in range(3):
            across, down = (torch.sign(k) * strength for k in couplings(8, 8, "gaussian", seed))
            try:
                got = kac_ward_log_partition(across, down).item()
            except ValueError as error:
                assert "frustrated" in str(error)
                refused += 1
                continue
            assert strength < 6
            assert got == pytest.approx(transfer_log_partition(across.numpy(), down.numpy()), abs=1e-6)
    assert refused >= 6


def test_what_is_no_free_planar_lattice_is_refused() -> None:
    with pytest.raises(ValueError, match="not planar"):
        kac_ward_log_partition(torch.zeros(4, 4), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="not planar"):
        kac_ward_log_partition(torch.zeros(4, 3), torch.zeros(4, 4))
    with pytest.raises(ValueError, match="batch shapes differ"):
        kac_ward_log_partition(torch.zeros(2, 4, 3), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="uniform_couplings"):
        kac_ward_log_partition(torch.zeros(4, 3), torch.zeros(3, 5))
