"""Whether metrics of features agree with other packages on the same features, and where the packages are wrong.

    python benchmarks/metric_peers.py [--peers build/metric-peers]

The packages are installed once into a folder of their own (no dependencies: they use this interpreter's torch), and
run in a process of their own. torchvision, which torch-fidelity imports, has compiled operators that do not match a CPU
build of torch: their names are declared, none of them is called.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = (
    "torchmetrics==1.9.0",
    "lightning-utilities==0.15.3",
    "torch-fidelity==0.4.0",
    "torchvision==0.28.0",
    "prdc==0.2",
    "vendi-score==0.0.3",
    "tqdm",
)

PEERS = r"""
import contextlib, io, json, re, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import numpy as np, torch
source = (Path(sys.argv[1]) / "torchvision" / "_meta_registrations.py").read_text()
names = set(re.findall(r'torchvision::(\w+)', source)) | set(re.findall(r'register_meta\("(\w+)"', source))
library = torch.library.Library("torchvision", "DEF")
for name in names:
    library.define(f"{name}(Tensor x) -> Tensor")
f = {k: torch.from_numpy(v) for k, v in np.load(sys.argv[2]).items()}
real, fake = f["real"], f["fake"]
out = {}
from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc
a, b = (metric_fid.fid_features_to_statistics(x) for x in (fake, real))
out["fid", "torch-fidelity"] = metric_fid.fid_statistics_to_metric(a, b, False)["frechet_inception_distance"]
out["kid", "torch-fidelity"] = metric_kid.kernel_mmd(fake.numpy(), real.numpy(), kid_kernel="poly",
    kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1)
p, r = metric_prc.calculate_precision_recall_full(fake, real, 3)
out["precision", "torch-fidelity"], out["recall", "torch-fidelity"] = p, r
isc = metric_isc.isc_features_to_metric(f["logits"], splits=1)
out["inception_score", "torch-fidelity"] = isc["inception_score_mean"]
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance
from torchmetrics.image.mifid import _compute_cosine_distance
class Same(torch.nn.Module):
    num_features = real.shape[1]
    def forward(self, x): return x.double()
fid = FrechetInceptionDistance(feature=Same(), normalize=True, input_img_size=(real.shape[1],)).set_dtype(torch.float64)
kid = KernelInceptionDistance(feature=Same(), subsets=1, subset_size=len(real), normalize=True).set_dtype(torch.float64)
for metric in (fid, kid):
    metric.update(real, real=True); metric.update(fake, real=False)
out["fid", "torchmetrics"] = float(fid.compute())
out["kid", "torchmetrics"] = float(kid.compute()[0])
from prdc import compute_prdc
with contextlib.redirect_stdout(io.StringIO()):
    for k, names in ((3, ("precision", "recall")), (5, ("density", "coverage"))):
        found = compute_prdc(real.numpy(), fake.numpy(), k)
        out |= {(name, "prdc"): float(found[name]) for name in names}
    same = compute_prdc(np.ones((20, 4)), np.ones((20, 4)), 3)
from vendi_score import vendi
x = torch.nn.functional.normalize(fake, dim=1).numpy()
out["vendi", "vendi-score (score_dual)"] = float(vendi.score_dual(x, q=1))
out["vendi_2", "vendi-score (score_dual)"] = float(vendi.score_dual(x, q=2))
copies = real[:1].repeat(len(fake), 1)
wrong = {
    "prdc: equal points": [float(same[name]) for name in ("precision", "recall", "density", "coverage")],
    "vendi-score: score_X at q = 1, 2, inf": [float(vendi.score_X(x, q)) for q in (1, 2, "inf")],
    "torchmetrics: memorisation distance of 1 image copied always": float(_compute_cosine_distance(real, copies)),
}
print(json.dumps({"values": [[*key, value] for key, value in out.items()], "wrong": wrong}))
"""


def install(folder: Path) -> None:
    if not (folder / "vendi_score").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *PACKAGES]
        subprocess.run(command, check=True)


def ours(features: dict) -> dict[str, float]:  # type: ignore[type-arg]
    import torch

    from veridical.evaluation.frechet import GaussianFit, distance_of_fits
    from veridical.evaluation.inception_score import inception_score
    from veridical.evaluation.kernel import KernelSample, kernel_distance
    from veridical.evaluation.manifold import Sample, manifold
    from veridical.evaluation.vendi import vendi

    real, fake, logits = (torch.from_numpy(features[name]) for name in ("real", "fake", "logits"))
    found = vendi(fake)
    return {
        **manifold(Sample(real, 3, 5), Sample(fake, 3, 5))._asdict(),
        "fid": distance_of_fits(GaussianFit(real), GaussianFit(fake)),
        "kid": kernel_distance(KernelSample(real), KernelSample(fake)).value,
        "vendi": found.one,
        "vendi_2": found.two,
        "inception_score": inception_score(logits.log_softmax(dim=1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=Path("build/metric-peers"))
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--d", type=int, default=64)
    options = parser.parse_args()
    import numpy as np

    rng = np.random.default_rng(0)
    mix = rng.normal(size=(options.d, options.d)) / options.d**0.5
    real, fake = (np.maximum(rng.normal(size=(options.n, options.d)) @ mix + shift, 0) for shift in (0.5, 0.6))
    features = {"real": real, "fake": fake, "logits": rng.normal(size=(options.n, 10))}
    install(options.peers)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        np.savez(file, **features)  # type: ignore[arg-type]
        environment = {**os.environ, "PYTHONPATH": str(options.peers)}
        command = [sys.executable, "-c", PEERS, str(options.peers), str(file)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    theirs, values = json.loads(answer.splitlines()[-1]), ours(features)
    print(f"{'metric':16} {'package':26} {'theirs':>18} {'ours':>18} {'relative':>9}")
    worst = 0.0
    for metric, package, value in theirs["values"]:
        off = abs(value - values[metric]) / max(abs(values[metric]), 1e-12)
        worst = max(worst, off)
        print(f"{metric:16} {package:26} {value:18.12f} {values[metric]:18.12f} {off:9.1e}")
    print(f"largest relative difference {worst:.1e}")
    print("Where a package is wrong:")
    for what, value in theirs["wrong"].items():
        print(f"  {what}: {value}")
    sys.exit(worst > 1e-6)


if __name__ == "__main__":
    main()
