r"""PixelCNN++: a PixelCNN whose pixels are drawn at once, from a mixture of rounded logistic distributions.

**Model.** $p(x) = \prod_i p(x_i \mid x_{<i})$ over pixels $x_i$ with all their channels. The head
(`nn.heads.LogisticMixture`) gives a pixel a mixture of logistic distributions, each rounded to the nearest level; in a
component the mean of green is linear in red, that of blue in both. Levels are ordered: what is learned of one level
serves its neighbours, unlike with a logit for each. The network has residual blocks of a vertical and a horizontal
stack at several resolutions, with shortcuts across (`nn/pixelcnn_plus.py`).

**Objective.** Minus log likelihood in nats. On data of more than two levels it is reported as a density,
$\log P(x) - D\log\delta$ with the distance $\delta$ of the levels. Any number of levels is allowed.

**Directions.** As in `families/pixelcnn.py`: one network reads the image from several corners, the probabilities are
averaged.

**What to expect.** Better likelihoods than those of `pixelcnn` on photographs; on drawings, where single levels such as
an exact black have a large probability, a logit for each level can be better. The sampler moves a draw to the nearest
level before the next pixel sees it, as in training.

**Left out** of the paper's recipe: weight normalisation and the initialisation from data.

References:
    Salimans, Karpathy, Chen & Kingma, PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood
        and Other Modifications (2017). https://arxiv.org/abs/1701.05517
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from veridical.config import OptimizerConfig
from veridical.config.families.pixelcnn_plus_plus import PixelCNNPlusPlusConfig
from veridical.families.autoregressive import Autoregressive, Cached
from veridical.model import Facts, Space
from veridical.nn.default_heads import grid_of, interval_of
from veridical.nn.heads import LogisticMixture
from veridical.nn.pixel_network import Pixels, classes_of
from veridical.nn.pixelcnn_plus import PixelCNNPlus
from veridical.nn.triangular import Chain, Steps


class PixelCNNPlusPlus(Autoregressive, Cached):
    """PixelCNN++ (module docstring).

    Args:
        config: the choices.
        facts: of images (channels, height, width) with levels.

    Raises:
        ValueError: the space is not one of images with levels, or labels are to be learned that the data do not have.

    Examples:
        >>> model = PixelCNNPlusPlus(PixelCNNPlusPlusConfig(width=8, blocks=1), Space((3, 4, 4)))
        >>> model.sample(2).shape
        torch.Size([2, 3, 4, 4])
    """

    papers = (
        "Salimans, Karpathy, Chen & Kingma, PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture "
        "Likelihood and Other Modifications, ICLR 2017. https://arxiv.org/abs/1701.05517",
    )

    def __init__(self, config: PixelCNNPlusPlusConfig, facts: Facts | Space) -> None:
        space = Facts.of(facts).space
        if len(space.shape) != 3 or space.levels is None:
            raise ValueError(
                f"space has shape {space.shape}; PixelCNN++ needs images (channels, height, width) with levels. For "
                "continuous images choose pixelcnn, for other examples made, nade or causal-transformer."
            )
        most = 1 + math.ceil(math.log2(max(space.shape[1:])))
        if config.scales > most:
            raise ValueError(
                f"scales is {config.scales}, but images of {space.shape[1]} x {space.shape[2]} are one pixel after "
                f"{most - 1} halvings; choose at most {most} scales."
            )
        colours = space.shape[0]
        head = LogisticMixture(grid_of(space), config.components, colours)
        super().__init__(facts, head=head, labels=config.labels)
        self.config = config
        network = PixelCNNPlus(
            colours,
            head.parameters,
            width=config.width,
            blocks=config.blocks,
            scales=config.scales,
            classes=classes_of(self.classes, config.directions),
            dropout=config.dropout,
        )
        self.pixels = Pixels(network, space.shape, interval_of(space), size=colours, directions=config.directions)

    def conditionals(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Return (B, S, P) numbers of all pixels, in the first direction."""
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
