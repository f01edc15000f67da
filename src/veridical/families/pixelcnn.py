r"""PixelCNN: the distribution of an image as a product over its pixels, computed by causal convolutions.

**Model.** In raster order, and within a pixel in the order of its colours,

$$ p(x) = \prod_i p(x_i \mid x_{<i}), $$

and one network of convolutions returns the parameters of all factors at once. Two levels have a Bernoulli
distribution, more levels a categorical one (a logit for each, without a notion of their distance), continuous data a
mixture of Gaussians.

- *plain*: one stack of masked convolutions with residual blocks (`nn/pixelcnn.py`). It is blind to a part of the
  pixels above and to the right.
- *gated*: a vertical stack of all rows above, a horizontal one of the present row, with gates
  (`nn/gated_pixelcnn.py`). It sees every pixel before, given enough layers.

**Directions.** The order need not begin at the top left. With `directions` above 1 one network also reads the mirrored
and turned images, given the direction as it is given a label. Every direction is a distribution of images of its own,
and $p(x)$ is the mean of their *probabilities*. Training is a mean over directions, which is an upper bound of
$-\log p(x)$ and acts like more data: no prediction is learned from one direction alone (Jun et al. 2020 give
augmentations to the network in the same way).

**What to expect.** An exact likelihood, stable training, and a model that overfits few images soon: choose `dropout`
and the number of steps on held-out examples. Sampling takes one step for every pixel; the steps keep what does not
change (`nn/causal_conv.py`) and give the same image as the whole network would.

References:
    van den Oord, Kalchbrenner & Kavukcuoglu, Pixel Recurrent Neural Networks (2016). https://arxiv.org/abs/1601.06759
    van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016). https://arxiv.org/abs/1606.05328
    Jun et al., Distribution Augmentation for Generative Modeling (2020). https://proceedings.mlr.press/v119/jun20a.html
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.pixelcnn import PixelCNNConfig
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.default_heads import interval_of, scalar_head
from veridical.nn.gated_pixelcnn import GatedPixelCNN
from veridical.nn.pixel_network import Pixels, classes_of
from veridical.nn.pixelcnn import PlainPixelCNN
from veridical.nn.triangular import Chain, Steps


class PixelCNN(Autoregressive, Cached):
    """PixelCNN and Gated PixelCNN (module docstring).

    Args:
        config: the choices.
        facts: of images, (channels, height, width).

    Raises:
        ValueError: the space is not one of images, or labels are to be learned that the data do not have.

    Examples:
        >>> model = PixelCNN(PixelCNNConfig(width=8, layers=2), Space((1, 4, 4), levels=2))
        >>> model.sample(3).shape
        torch.Size([3, 1, 4, 4])
    """

    papers = (
        "van den Oord, Kalchbrenner & Kavukcuoglu, Pixel Recurrent Neural Networks, ICML 2016. "
        "https://arxiv.org/abs/1601.06759",
        "van den Oord et al., Conditional Image Generation with PixelCNN Decoders, NeurIPS 2016. "
        "https://arxiv.org/abs/1606.05328",
    )

    def __init__(self, config: PixelCNNConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        if len(space.shape) != 3:
            raise ValueError(
                f"space has shape {space.shape}; PixelCNN needs images (channels, height, width). For other examples "
                "choose made, nade or causal-transformer."
            )
        head = scalar_head(space, config.components)
        super().__init__(facts, head=head, labels=config.labels)
        self.config, colours = config, space.shape[0]
        network = GatedPixelCNN if config.network == "gated" else PlainPixelCNN
        built = network(
            colours,
            colours * head.parameters,
            width=max(config.width, colours),
            layers=config.layers,
            kernel=(config.first_kernel, config.kernel),
            classes=classes_of(self.classes, config.directions),
            dropout=config.dropout,
        )
        self.pixels = Pixels(built, space.shape, interval_of(space), directions=config.directions)
        self.order.copy_(self.pixels.order(0))

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all sites, in the first direction."""
        return self.pixels(x, c)

    def steps(self, n: int, c: Tensor | None) -> Steps:
        """Start n images with labels (n,), pixel by pixel in the first direction."""
        return self.pixels.steps(n, c)

    def chains(self) -> Sequence[Chain]:
        """Return one factorisation for each direction."""
        return self.pixels.chains()

    def training_chain(self) -> Chain:
        """Return all directions in turn, from row to row of the batch."""
        return self.pixels.mixed_chain()

    def optimizer(self, player: str) -> OptimizerConfig:
        """Return the optimiser of the configuration."""
        return self.config.optimizer
