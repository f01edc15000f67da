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
            "fashion-mnist-10k: FID 7.6 (7.4 to 7.8), recall 0.03, 196 steps of 64 in 47 s; grid: 25 modes, "
            "high quality 0.92, 11,451 steps of 64 in 49 s"
        ),
    ),
    "gan-2d": Preset(
        "The same recipe for vectors: 25 of 25 modes of the grid in four minutes on one core.",
        RunConfig(
            model=GANConfig(),
            training=TrainingConfig(
                steps=30_000, batch_size=256, log_every=100, sample_every=2_000, checkpoint_every=2_000
            ),
        ),
        paper="Huang et al. (2024), https://arxiv.org/abs/2501.05441",
        published="grid, PacGAN4 (Lin et al. 2018): 24.8 modes, 93.6 % of high quality, KL 0.04",
        measured="grid: 25 of 25 modes on 5 of 5 seeds, high quality 0.981, KL 0.0044, 220 s each on a free core",
    ),
    "pacgan": Preset(
        "Four examples judged together, so that too few modes show (Lin et al. 2018, on the default recipe).",
        RunConfig(model=GANConfig(pack=4), training=TrainingConfig(ema=0.995)),
        paper="Lin, Khetan, Fanti & Oh, PacGAN (2018), https://arxiv.org/abs/1712.04086",
        published="grid: 24.8 modes, 93.6 % of high quality, KL 0.04; Stacked MNIST: 1000 modes, KL 0.07",
        measured=(
            "fashion-mnist-10k: FID 8.1 (7.9 to 8.2), recall 0.02, 386 steps of 64 in 45 s; grid: 15 modes, "
            "high quality 0.02, 11,896 steps of 64 in 48 s"
        ),
    ),
}
