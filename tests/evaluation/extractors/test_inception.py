"""A TorchScript file of features: run as it is, at the levels of published FIDs."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from veridical.evaluation.extractors import (
    InceptionFeatures,
    extractor_for,
)
from veridical.model import Space

GREY = Space((1, 28, 28))


class TinyInception(nn.Module):
    """With the signature of the published file."""

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        return x.mean(dim=(2, 3)).repeat(1, 683)[:, :2048] if return_features else x


def test_inception_runs_the_file_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "inception.pt"
    with pytest.warns(DeprecationWarning):
        torch.jit.script(TinyInception()).save(str(path))
    extractor = extractor_for(GREY, f"inception:{path}")
    assert isinstance(extractor, InceptionFeatures)
    assert extractor.version == f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    assert torch.equal(extractor(torch.full((2, 1, 4, 4), -1.0)), torch.zeros(2, 2048))
    assert torch.equal(extractor(torch.full((2, 3, 4, 4), 1.2)), torch.full((2, 2048), 255.0))
    assert torch.equal(extractor(torch.full((2, 3, 4, 4), 1.0)), torch.full((2, 2048), 255.0))
    with pytest.raises(FileNotFoundError, match="that you trust"):
        InceptionFeatures(tmp_path / "none.pt")
