r"""Convolutions that see only the pixels before the present one in raster order, and their step-by-step form.

`RowConv` works on a *vertical* stack: its output at row $r$ sees rows up to $r$, all columns. `PixelConv` works on a
*horizontal* stack: its output at $(r, c)$ sees some rows above, and in row $r$ the columns up to $c$; of the present
pixel itself it sees the channels that a mask admits. Rows above are finished when a row begins, so their part of a
`PixelConv` is one convolution for a whole row, and what is left for each pixel is one matrix product.

`RowCache` and `PixelCache` do this with memory that is allocated once. Fed with the same values in raster order, they
return what the convolutions return for the whole image, up to the rounding of sums in another order. They are used
without gradients.

References:
    van den Oord, Kalchbrenner & Kavukcuoglu, Pixel Recurrent Neural Networks (2016), Sec. 3.4, for the masks.
        https://arxiv.org/abs/1601.06759
    van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), Sec. 2.2, for the two stacks.
        https://arxiv.org/abs/1606.05328
    Ramachandran et al., Fast Generation for Convolutional Autoregressive Models (2017), for the caches.
        https://arxiv.org/abs/1704.06001
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from veridical.nn.buffers import BufferRole


def colour_groups(channels: int, colours: int) -> Tensor:
    """Return (channels,) the group of every channel: equal shares of the colours, in their order.

    Examples:
        >>> colour_groups(5, 3).tolist()
        [0, 0, 1, 1, 2]
    """
    return torch.arange(channels) * colours // channels


def sees(groups_in: Tensor, groups_out: Tensor, *, itself: bool) -> Tensor:
    """Return (out, in) whether an output channel sees an input channel of its own pixel.

    Args:
        groups_in: (in,) group of every input channel; -1 is seen by all.
        groups_out: (out,) group of every output channel.
        itself: whether a group sees itself (mask B) or earlier groups only (mask A).
    """
    before, after = groups_in[None, :], groups_out[:, None]
    return before <= after if itself else before < after


def shift_down(h: Tensor) -> Tensor:
    """Return (B, C, H, W) with every row moved down by one; zeros enter above."""
    return F.pad(h, (0, 0, 1, 0))[:, :, :-1]


class RowConv(nn.Conv2d):
    """Convolution over the present row and rows above, symmetric in the columns.

    Args:
        channels_in: C of the input.
        channels_out: C of the output.
        above: rows above the present one that are seen.
        side: columns seen to either side.
        stride: rows and columns between outputs.
    """

    def __init__(self, channels_in: int, channels_out: int, above: int, side: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, (above + 1, 2 * side + 1), stride=stride)
        self.above, self.side = above, side

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        return super().forward(F.pad(input, (self.side, self.side, self.above, 0)))


class RowCache:
    """The output of a `RowConv`, row by row, without gradients.

    Args:
        conv: whose weights are used.
        n: images.
        width: columns of the input.
    """

    def __init__(self, conv: RowConv, n: int, width: int) -> None:
        self.conv, self.above, self.side, self.width = conv, conv.above, conv.side, width
        shape = (n, conv.in_channels, conv.above + 1, width + 2 * conv.side)
        self.rows = conv.weight.new_zeros(shape)

    def write(self, row: Tensor) -> None:
        """Take the next row (n, C, W) of the input."""
        if self.above:
            self.rows[:, :, :-1] = self.rows[:, :, 1:].clone()
        self.rows[:, :, -1, self.side : self.side + self.width] = row

    def read(self) -> Tensor:
        """Return the output (n, C', W') at the row written last."""
        return F.conv2d(self.rows, self.conv.weight, self.conv.bias, self.conv.stride)[:, :, 0]

    def __call__(self, row: Tensor) -> Tensor:
        """Take the next row of the input and return the output there."""
        self.write(row)
        return self.read()


class PixelConv(nn.Module):
    """Convolution over rows above, the columns to the left, and the admitted channels of the pixel itself.

    Args:
        channels_in: C of the input.
        channels_out: C of the output.
        above: rows above that are seen.
        left: columns to the left that are seen, in all rows.
        right: columns to the right that are seen in the rows above.
        centre: (out, in) whether an output channel sees an input channel of its own pixel; None: all do.
        stride: rows and columns between outputs.
    """

    buffer_roles = {"mask": BufferRole.LIVE}

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        above: int = 0,
        left: int = 0,
        right: int = 0,
        *,
        centre: Tensor | None = None,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.above, self.left, self.right, self.stride = above, left, right, stride
        mask = torch.ones(channels_out, channels_in, above + 1, left + 1 + right)
        mask[:, :, -1, left + 1 :] = 0
        if centre is not None:
            mask[:, :, -1, left] = centre.to(mask.dtype)
        self.masked = bool((mask == 0).any())
        self.register_buffer("mask", mask, persistent=False)
        bound = mask.flatten(1).sum(1).clamp(min=1).rsqrt()  # of the inputs that an output sees
        self.weight = nn.Parameter(mask * (2 * torch.rand_like(mask) - 1) * bound[:, None, None, None])
        self.bias = nn.Parameter((2 * torch.rand(channels_out) - 1) / math.sqrt(mask[0].numel()))

    @property
    def kernel(self) -> Tensor:
        """(out, in, above + 1, left + 1 + right) weights, those of unseen inputs 0."""
        return self.weight * self.get_buffer("mask") if self.masked else self.weight

    def forward(self, h: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        if self.above or self.left or self.right:
            h = F.pad(h, (self.left, self.right, self.above, 0))
        return F.conv2d(h, self.kernel, self.bias, self.stride)


class PixelCache:
    """The output of a `PixelConv`, pixel by pixel, without gradients.

    Args:
        conv: whose weights are used, as they are now.
        n: images.
        width: columns of the input.
    """

    def __init__(self, conv: PixelConv, n: int, width: int) -> None:
        kernel, self.bias = conv.kernel.detach(), conv.bias.detach()
        self.left, self.width, self.above = conv.left, width, conv.above
        out, channels = kernel.shape[:2]
        self.stride, self.steps = conv.stride, -(-width // conv.stride)
        self.rows_kernel = kernel[:, :, :-1].contiguous()
        present = kernel[:, :, -1, : conv.left + 1]  # (out, in, taps)
        self.weight = present.permute(2, 1, 0).reshape(-1, out).contiguous()  # (taps * in, out)
        self.line = kernel.new_zeros(n, conv.left + width, channels)
        self.rows = kernel.new_zeros(n, channels, max(conv.above, 1), conv.left + width + conv.right)
        self.base = self.bias.expand(n, self.steps, out).contiguous()

    def start_row(self) -> None:
        """Move to the next row: the finished one joins the rows above."""
        if self.above:
            if self.above > 1:
                self.rows[:, :, :-1] = self.rows[:, :, 1:].clone()
            self.rows[:, :, -1, self.left : self.left + self.width] = self.line[:, self.left :].transpose(1, 2)

    def start_outputs(self, extra: Tensor | None = None) -> None:
        """Prepare the outputs of the present row from the rows above.

        Args:
            extra: (n, C', W') added to the outputs of this row; None: nothing.
        """
        if self.above:
            of_rows = F.conv2d(self.rows, self.rows_kernel, self.bias, self.stride)[:, :, 0]
            self.base.copy_((of_rows if extra is None else of_rows + extra).transpose(1, 2))
        elif extra is not None:
            torch.add(extra.transpose(1, 2), self.bias, out=self.base)

    def write(self, column: int, h: Tensor) -> None:
        """Take the input (n, C) at a column of the present row; it may be replaced later."""
        self.line[:, column + self.left] = h

    def read(self, column: int) -> Tensor:
        """Return the output (n, C') at a column of the input, of those that the stride keeps."""
        seen = self.line[:, column : column + self.left + 1].flatten(1)
        return torch.addmm(self.base[:, column // self.stride], seen, self.weight)

    def __call__(self, column: int, h: Tensor) -> Tensor:
        """Take the input at a column and return the output there."""
        self.write(column, h)
        return self.read(column)
