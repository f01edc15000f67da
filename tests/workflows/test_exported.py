"""An exported sampler: its inputs are the numbers that the sampler drew, and given back they draw the same."""

import torch
from torch import Tensor, nn

from veridical.noise import Noise
from veridical.workflows.exported import Exported, GivenNoise, Input, Manifest, RecordedNoise


class Line(nn.Module):
    """Samples 2 z + u + c."""

    def sample(self, n: int, *, noise: Noise) -> Tensor:
        return 2 * noise.normal(3) + noise.uniform(3) + noise.integers(5)[:, None]


def test_recorded_numbers_draw_the_same_examples() -> None:
    noise = RecordedNoise(4, torch.device("cpu"))
    x = Line().sample(4, noise=noise)
    assert noise.inputs == [Input("normal", (3,)), Input("uniform", (3,)), Input("integers", (), 5)]
    assert torch.equal(Exported(Line())(*noise.drawn), x.float())
    assert GivenNoise(noise.drawn).n == 4


def test_the_types_of_numbers_are_recorded() -> None:
    noise = RecordedNoise(4, torch.device("cpu"))
    noise.normal(3, dtype=torch.float64)
    noise.uniform(dtype=torch.float32)
    assert [noted.dtype for noted in noise.inputs] == ["float64", None]


def test_inputs_are_written_as_code_that_draws_them() -> None:
    n = 6
    for noted, shape in (
        (Input("normal", (2, 3)), (6, 2, 3)),
        (Input("uniform", ()), (6,)),
        (Input("integers", (), 4), (6,)),
        (Input("uniform", (2,), dtype="float64"), (6, 2)),
    ):
        drawn = eval(str(noted), {"torch": torch, "n": n})
        assert tuple(drawn.shape) == shape
        assert drawn.dtype == (torch.int64 if noted.kind == "integers" else getattr(torch, noted.dtype or "float32"))
        assert noted.kind != "integers" or int(drawn.max()) < 4


def test_the_manifest_names_its_inputs_and_how_to_call_it() -> None:
    manifest = Manifest((Input("normal", (2,)), Input("integers", (), 3)), (1, 8, 8), (-1.0, 1.0), "vae", 16)
    assert manifest.names == ["normal_0", "integers_1"]
    assert "n = 16" in manifest.usage("x.pt2") and "(torch.randn(n, 2), torch.randint(3, (n,)))" in manifest.usage(
        "x.pt2"
    )
    assert '"normal_0": torch.randn(n, 2).numpy()' in manifest.usage("x.onnx")
