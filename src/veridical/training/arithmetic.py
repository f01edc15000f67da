"""Precision of the networks and layout of images in memory, by a fixed rule from device and network.

| device | network | precision | layout |
|---|---|---|---|
| processor with bf16 instructions (AVX-512 BF16, AMX) | convolutions of mean width ≥ 26 | bf16 | channels last |
| CUDA, compute capability ≥ 8 (Ampere and newer) | convolutions of mean width ≥ 26 | bf16 | channels last |
| any processor | other convolutions | fp32 | channels last |
| everything else | | fp32 | contiguous |

Nothing is timed, so that one command with one seed on one machine always gives the same numbers. The processor's rows
are read from the table that `benchmarks/arithmetic.py` prints (docs/benchmarks.md): bf16 does not speed up perceptrons,
and narrow convolutions too little to justify the loss of precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import nn

WIDE = 26
"""Mean width of the convolutions from which half precision pays."""

HALF_PRECISION_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Instruction sets with products in bf16, as named by the Linux kernel."""


@dataclass(frozen=True)
class Arithmetic:
    """Precision of the networks and layout of images in memory."""

    precision: str = "fp32"
    channels_last: bool = False

    def __str__(self) -> str:
        return f"{self.precision}{', channels last' if self.channels_last else ''}"


def choose_arithmetic(
    device: torch.device, network: nn.Module, shape: torch.Size | tuple[int, ...], precision: str = "auto"
) -> tuple[Arithmetic, str]:
    """Choose the arithmetic of a network on a device; the same arguments always give the same result.

    Args:
        device: where it trains.
        network: what trains; only the shapes of its parameters are read.
        shape: of a batch, (B, C, H, W) for images.
        precision: "fp32" or "bf16"; "auto": by the rule.

    Returns:
        The arithmetic, and the reason as a sentence.
    """
    width = mean_width(network) if len(shape) == 4 else 0.0
    fast = has_fast_bf16(device)
    if precision == "auto":
        precision = "bf16" if fast and width >= WIDE else "fp32"
        why = _reason(device, width, fast)
    else:
        why = "as requested"
    layout = width > 0 and (device.type == "cpu" or (device.type == "cuda" and precision == "bf16"))
    return Arithmetic(precision, layout), why


def _reason(device: torch.device, width: float, fast: bool) -> str:
    what = "no convolutions of images" if width == 0 else f"convolutions of mean width {width:.0f}"
    where = f"{device.type} {'with' if fast else 'without'} fast bf16"
    return f"{what}, {where}; bf16 is taken for a mean width of {WIDE} or more where it is fast"


def mean_width(network: nn.Module) -> float:
    """Return the mean over the two-dimensional convolutions of the narrower of their two sides, in channels; 0: none.

    Examples:
        >>> mean_width(nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 128, 3)))
        33.5
    """
    widths = [min(parameter.shape[:2]) for parameter in network.parameters() if parameter.dim() == 4]
    return fmean(widths) if widths else 0.0


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether this kind of device multiplies faster in bf16 than in fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return "AVX512" in torch.backends.cpu.get_cpu_capability() and bool(cpu_flags() & HALF_PRECISION_FLAGS)
    return False


def cpu_flags() -> frozenset[str]:
    """Return the instruction sets that the kernel names for this processor (Linux); empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    lines = [line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")]
    return frozenset(lines[0].split()) if lines else frozenset()
