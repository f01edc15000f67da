"""The shape of the small classifiers: the mean over places, folded normalisation, weights as they were written."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file

from veridical.evaluation.extractors.classifier import Classifier, read_weights


def test_features_are_means_over_places() -> None:
    network = Classifier((1, 2), (1,), classes=3)
    torch.nn.init.zeros_(network.convolutions[0].weight)  # type: ignore[arg-type]
    network.convolutions[0].bias.data = torch.tensor([-1.0, 2.0])  # type: ignore[union-attr]
    features = network.features(torch.randn(4, 1, 28, 28))
    assert torch.equal(features, torch.tensor([[0.0, 2.0]]).expand(4, 2))  # rectified
    x = torch.randn(4, 1, 28, 28)
    assert torch.equal(network(x), network.head(features))


def test_strides_halve_the_grid() -> None:
    network, sizes = Classifier((1, 2, 3), (2, 1)), []
    for convolution in network.convolutions:
        convolution.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    network(torch.zeros(1, 1, 28, 28))
    assert sizes == [(2, 14, 14), (3, 14, 14)]


def test_normalisation_is_kept_for_training_only() -> None:
    trained, folded = Classifier((1, 2), (1,), normalised=True), Classifier((1, 2), (1,))
    assert trained.convolutions[0].bias is None and folded.convolutions[0].bias is not None
    assert isinstance(trained.norms[0], torch.nn.BatchNorm2d) and isinstance(folded.norms[0], torch.nn.Identity)


def test_weights_come_back_in_full_precision_and_frozen(tmp_path: Path) -> None:
    network, copy, file = Classifier((1, 2), (1,)), Classifier((1, 2), (1,)), tmp_path / "weights.safetensors"
    save_file({k: v.half().contiguous() for k, v in network.state_dict().items()}, file, {"version": "7"})
    metadata = read_weights(copy, file, torch.device("cpu"))
    assert metadata == {"version": "7", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    for name, value in copy.state_dict().items():
        assert value.dtype is torch.float32 and torch.equal(value, network.state_dict()[name].half().float())
    assert not copy.training and not any(p.requires_grad for p in copy.parameters())
