"""Draw the picture of hidden scales for the page of flows: RealNVP on digits, a minute of one processor core.

    python scripts/hidden_scales.py

Writes `docs/assets/hidden-scales.png`: the same twelve samples with all codes drawn (first row), with the codes of the
finest scale at their mean given the coarser ones, and with those of the two finest.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import veridical as vd
from veridical.config.families.flow import FlowConfig, FlowSampling
from veridical.data.preprocess import log_det
from veridical.noise import SampleNoise

PICTURE = Path(__file__).parents[1] / "docs" / "assets" / "hidden-scales.png"
STEPS, SAMPLES, ZOOM = 400, 12, 6


def main() -> None:
    """Train, draw, save."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = vd.load_data(vd.DataConfig(source="digits"), "train")
    optimizer = vd.OptimizerConfig(lr=2e-3, schedule="cosine", warmup=50)
    model = vd.Flow(FlowConfig(layers="realnvp", width=32, optimizer=optimizer), data.space)
    state, began = vd.State(model, steps=STEPS, ema=0.99), time.process_time()
    vd.fit(state, vd.Loader(data, 64), clip_norm=100.0)
    assert state.ema is not None
    state.ema.swap()
    model.eval()
    rows = []
    for hidden in range(3):
        x = model.sample(SAMPLES, noise=SampleNoise(0, 0, SAMPLES), options=FlowSampling(hide_scales=hidden))
        tiles = np.uint8(255 * (x[:, 0].numpy() + 1) / 2).repeat(ZOOM, axis=1).repeat(ZOOM, axis=2)
        rows.append(np.hstack([np.pad(tile, 2, constant_values=128) for tile in tiles]))
    Image.fromarray(np.vstack(rows)).save(PICTURE)
    test = vd.load_data(vd.DataConfig(source="digits"), "test")
    x = test.batch(torch.arange(len(test)), "cpu").x
    with torch.no_grad():
        nats = -float(model.dequantised_bound(x, 16).mean()) - log_det(data.space)
    print(f"{time.process_time() - began:.0f} processor seconds, {nats:.1f} nats per held-out image, 16 draws")


if __name__ == "__main__":
    main()
