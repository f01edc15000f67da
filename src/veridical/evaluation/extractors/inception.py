"""`inception:PATH`: the Inception of published FIDs, from a TorchScript file of yours.

Published distances use one set of weights (2015-12-05), which no package ships; the TorchScript file that StyleGAN2-ADA
and EDM load takes images of 0..255 at any size, resizes them itself as TensorFlow did, and returns 2048 features with
`return_features=True`. Loading TorchScript runs the code inside the file: nothing is loaded unless you name a path, and
the SHA-256 of what was loaded is part of the version.
"""

import hashlib
import warnings
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor


@final
class InceptionFeatures:
    """Features of a TorchScript Inception.

    Args:
        path: the file; only one you trust, since loading it runs its code.
        device: where the network runs.

    Raises:
        FileNotFoundError: there is no such file.
    """

    name = "inception"
    dim = 2048

    def __init__(self, path: str | Path, device: torch.device | str = "cpu") -> None:
        path, self.device = Path(path), torch.device(device)
        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file; inception:PATH needs a TorchScript Inception that you trust.")
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self.version = f"sha256 {self.sha256[:16]}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is what published FIDs are made with
            self.network = torch.jit.load(str(path), map_location=self.device).eval()

    def __call__(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 2048"]:
        """Return features of images in [-1, 1], rounded to 8 bits as those of published FIDs are."""
        levels = ((images.to(self.device, torch.float32) + 1) * 127.5).round().clamp(0, 255).expand(-1, 3, -1, -1)
        return self.network(levels, return_features=True)
