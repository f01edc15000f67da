"""The nearest valid name."""

import pytest

from veridical.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "valid", "expected"),
    [
        ("VAE", ["gan", "vae"], "vae"),  # a comparison that counts case finds nothing
        ("--verson", ["--help", "--version"], "--version"),
        ("lst", ["list", "get", "check"], "list"),
        ("hinj", ["minimax", "hinge", "wasserstein"], "hinge"),
        ("batch_size", ["--steps", "--batch-size"], "--batch-size"),
        ("fashion", ["digits", "fashion-mnist-10k"], "fashion-mnist-10k"),  # too short to be close, but its beginning
        ("GAN", ["GAN", "gan"], "GAN"),
        ("zzz", ["gan", "vae"], None),
        ("", ["gan", "vae"], None),
    ],
)
def test_the_nearest_name(name: str, valid: list[str], expected: str | None) -> None:
    assert nearest(name, valid) == expected


def test_the_sentence_names_the_nearest_or_all() -> None:
    assert did_you_mean("lst", iter(["list", "get"])) == "Did you mean list?"
    assert did_you_mean("zzz", iter(["list", "get"])) == "Expected one of: list, get."
