"""The default recipe: pairing, R1 and R2, steps relative to the weights."""

from veridical.config.families import GANConfig
from veridical.config.presets.preset import Preset
from veridical.config.run import RunConfig
from veridical.config.training import TrainingConfig

DEFAULT: dict[str, Preset] = {
    "gan": Preset(
        "The default: relativistic pairing with R1 and R2 (R3GAN), steps relative to the weights; for pictures.",
        RunConfig(model=GANConfig(), training=TrainingConfig(ema=0.995)),
        paper="Huang et al., The GAN is dead; long live the GAN! (2024), https://arxiv.org/abs/2501.05441",
        published="Stacked MNIST: 1000 modes, KL 0.029; CIFAR-10: FID 1.96 (32 GPU-days)",
        measured=(
            "fashion-mnist-10k: FID 7.6 (7.4 to 7.8), recall 0.03, 196 steps of 64 in 50 s; grid: 24 modes, "
            "high quality 0.09, 1,107 steps of 64 in 23 s"
        ),
    ),
    "gan-2d": Preset(
        "The same recipe for vectors: 25 of 25 modes of the grid in a minute and a half on one core.",
        RunConfig(
            model=GANConfig(),
            training=TrainingConfig(
                steps=30_000, batch_size=256, log_every=100, sample_every=2_000, checkpoint_every=2_000
            ),
        ),
        paper="Huang et al. (2024), https://arxiv.org/abs/2501.05441",
        published="grid, PacGAN4 (Lin et al. 2018): 24.8 modes, 93.6 % of high quality, KL 0.04",
        measured="grid: 25 of 25 modes on 5 of 5 seeds, high quality 0.973, KL 0.0054, about 96 s each",
    ),
    "pacgan": Preset(
        "Four examples judged together, so that too few modes show (Lin et al. 2018, on the default recipe).",
        RunConfig(model=GANConfig(pack=4), training=TrainingConfig(ema=0.995)),
        paper="Lin, Khetan, Fanti & Oh, PacGAN (2018), https://arxiv.org/abs/1712.04086",
        published="grid: 24.8 modes, 93.6 % of high quality, KL 0.04; Stacked MNIST: 1000 modes, KL 0.07",
        measured=(
            "fashion-mnist-10k: FID 8.9 (8.7 to 9.1), recall 0.01, 353 steps of 64 in 43 s; grid: 11 modes, "
            "high quality 0.02, 1,788 steps of 64 in 26 s"
        ),
    ),
}
