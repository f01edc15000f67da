"""Three ways to invert a transformer flow: the same samples, their processor seconds, and the sweeps of Jacobi.

    OMP_NUM_THREADS=1 python benchmarks/flow_sampling.py [--steps 100] [--n 64]

A small flow is trained on the digits (64 tokens of one pixel) for some steps, since an untrained one is almost the
identity and settles at once. All methods start from the same codes, and their samples are compared.
"""

from __future__ import annotations

import argparse
import time

import torch

import veridical as vd
from veridical.config.families.autoregressive import Method
from veridical.config.families.transformer_flow import TransformerFlowConfig
from veridical.nn.transformer_flow import TransformerBlock

METHODS: tuple[Method, ...] = ("naive", "cached", "jacobi")


def main() -> None:
    """Train, invert, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--n", type=int, default=64, help="samples drawn together")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = vd.load_data(vd.DataConfig(source="digits"), "train")
    optimizer = vd.OptimizerConfig(lr=2e-3, warmup=50)
    model = vd.TransformerFlow(TransformerFlowConfig(blocks=2, width=48, optimizer=optimizer), data.space)
    vd.fit(vd.State(model, steps=options.steps), vd.Loader(data, 64), clip_norm=100.0)
    model.eval()
    z, found = torch.randn(options.n, 64), {}
    with torch.no_grad():
        for method in METHODS:
            began = time.process_time()
            found[method] = model.flow.invert(z, method)[0]
            error = float((found[method] - found["naive"]).abs().max())
            print(
                f"{method}: {time.process_time() - began:.3f} s for {options.n} samples, largest difference {error:.1e}"
            )
        x = z.reshape(options.n, *model.flow.shape)
        for block in reversed(model.flow.blocks):
            assert isinstance(block, TransformerBlock)
            sweeps = block.jacobi(block.in_order(x))[2]
            x = block.invert(x, "cached")[0]
            print(f"jacobi: {sweeps} sweeps of at most {block.length}")


if __name__ == "__main__":
    main()
