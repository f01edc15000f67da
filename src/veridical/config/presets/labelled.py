"""Recipes that learn from labels."""

from veridical.config.families import ConditionalGANConfig, SemiSupervisedGANConfig
from veridical.config.presets.preset import PLAIN, Preset, both
from veridical.config.run import RunConfig
from veridical.config.training import OptimizerConfig, TrainingConfig

LABELLED: dict[str, Preset] = {
    "cgan": Preset(
        "Draws the class asked for: the label beside code and example, on the default recipe.",
        RunConfig(model=ConditionalGANConfig(conditioning="concatenate"), training=TrainingConfig(ema=0.995)),
        paper="Mirza & Osindero, Conditional Generative Adversarial Nets (2014), https://arxiv.org/abs/1411.1784",
        published="MNIST: 132 nats by Parzen windows, which is no likelihood",
        measured="fashion-mnist-10k: FID 8.1 (7.9 to 8.3), recall 0.01, 178 steps of 64 in 44 s",
    ),
    "acgan": Preset(
        "A discriminator that also tells the class, on DCGAN networks.",
        RunConfig(
            model=ConditionalGANConfig(
                **PLAIN,
                conditioning="auxiliary",
                network="dcgan",
                latent_dim=100,
                **both(OptimizerConfig(lr=2e-4, betas=(0.5, 0.999))),
            ),
        ),
        paper="Odena, Olah & Shlens, Auxiliary Classifier GANs (2017), https://arxiv.org/abs/1610.09585",
        published="CIFAR-10, modified, as run by StudioGAN: FID 33.4",
        measured="fashion-mnist-10k: FID 30.4 (30.1 to 30.7), recall 0.00, 296 steps of 64 in 30 s",
    ),
    "projection": Preset(
        "The class as an inner product with the features, on narrow SNGAN networks.",
        RunConfig(
            model=ConditionalGANConfig(
                **PLAIN,
                conditioning="projection",
                objective="hinge",
                network="sngan",
                spectral_norm=True,
                latent_dim=128,
                width=32,
                **both(OptimizerConfig(lr=2e-4, betas=(0.0, 0.9), schedule="linear")),
            ),
        ),
        paper="Miyato & Koyama, cGANs with Projection Discriminator (2018), https://arxiv.org/abs/1802.05637",
        published="CIFAR-10: FID 17.5 (mimicry: 17.8)",
        measured="fashion-mnist-10k: FID 14.8 (14.6 to 15.0), recall 0.00, 100 steps of 64 in 24 s",
    ),
    "biggan-32": Preset(
        "BigGAN for 32x32 with the paper's values: far beyond a CPU; on one, --width 16 and less.",
        RunConfig(
            model=ConditionalGANConfig(
                **PLAIN,
                conditioning="projection",
                objective="hinge",
                network="biggan",
                spectral_norm=True,
                latent_dim=80,
                width=384,
                orthogonal_weight=1e-4,
                discriminator_turns=2,
                generator_optimizer=OptimizerConfig(lr=5e-5, betas=(0.0, 0.999)),
                discriminator_optimizer=OptimizerConfig(lr=2e-4, betas=(0.0, 0.999)),
            ),
            training=TrainingConfig(steps=100_000, batch_size=2048, ema=0.9999),
        ),
        paper="Brock, Donahue & Simonyan, Large Scale GAN Training (2019), https://arxiv.org/abs/1809.11096",
        published="CIFAR-10: FID 14.7 (StudioGAN: 4.2)",
        measured="fashion-mnist-10k: FID 30.4 (30.0 to 30.7), recall 0.00, 312 steps of 64 in 25 s at width 16",
    ),
    "semisupervised": Preset(
        "A classifier from 100 labels, with fakes as one more class and feature matching.",
        RunConfig(
            model=SemiSupervisedGANConfig(instance_noise=0.3, instance_noise_steps=1_000_000),
            training=TrainingConfig(steps=3_000),
        ),
        paper="Salimans et al., Improved Techniques for Training GANs (2016), https://arxiv.org/abs/1606.03498",
        published="MNIST, 100 labels: 93 errors of 10,000 (± 6.5)",
        measured=(
            "digits, 100 labels: 7.2 % of the test wrong, 9.8 % with the labels alone (three seeds, 9 s); "
            "fashion-mnist-10k: FID 17.5 (17.3 to 17.7), recall 0.00, 129 steps of 64 in 24 s"
        ),
    ),
}
