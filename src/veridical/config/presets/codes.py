"""Recipes whose codes can be read back from what they make."""

from veridical.config.families import InfoGANConfig, ProgressiveGANConfig
from veridical.config.presets.preset import Preset
from veridical.config.run import RunConfig
from veridical.config.training import TrainingConfig

CODES: dict[str, Preset] = {
    "infogan": Preset(
        "Codes that can be read from the samples, their information in nats; on the default recipe.",
        RunConfig(model=InfoGANConfig(latent_dim=62), training=TrainingConfig(ema=0.995)),
        paper="Chen et al., InfoGAN (2016), https://arxiv.org/abs/1606.03657",
        published="MNIST: the categorical code matches the digit in 95 % of the cases",
        measured="fashion-mnist-10k: FID 9.5 (9.3 to 9.7), recall 0.02, 156 steps of 64 in 46 s",
    ),
    "progressive": Preset(
        "Progressive growing: from coarse pictures to fine ones.",
        RunConfig(model=ProgressiveGANConfig(), training=TrainingConfig(ema=0.995)),
        paper="Karras et al., Progressive Growing of GANs (2018), https://arxiv.org/abs/1710.10196",
        published="CIFAR-10, as run by chainer-gan-lib: FID 19.1",
        measured=(
            "fashion-mnist-10k: FID 18.8 (18.5 to 19.0), recall 0.00, 181 steps of 64 in 25 s, still in the "
            "first stage, 7x7"
        ),
    ),
    "proinfogan": Preset(
        "Progressive growing with codes at every scale, each read back from the picture.",
        RunConfig(
            model=ProgressiveGANConfig(latent_dim=16, codes_per_scale=4, consistency=10.0),
            training=TrainingConfig(ema=0.995),
        ),
        paper="after Karras et al. (2018), https://arxiv.org/abs/1710.10196, and Chen et al. (2016)",
        published="none",
        measured=(
            "fashion-mnist-10k: FID 20.5 (20.3 to 20.7), recall 0.00, 140 steps of 64 in 22 s, still in the "
            "first stage, 7x7"
        ),
    ),
}
