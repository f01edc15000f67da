"""Every test of causality, of cached sampling and of directions turns red when a line is wrong."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests.families import test_causal_transformer, test_pixelcnn, test_pixelcnn_plus_plus
from tests.mutants import mutated
from tests.nn import (
    test_causal_attention,
    test_causal_conv,
    test_gated_pixelcnn,
    test_pixel_network,
    test_pixelcnn_plus,
)
from tests.nn import test_pixelcnn as test_plain

from veridical.families import causal_transformer
from veridical.nn import causal_attention, causal_conv, gated_pixelcnn, pixel_network, pixelcnn, pixelcnn_plus

pytestmark = pytest.mark.usefixtures("double_precision")


class Mutant(NamedTuple):
    """A wrong line, and the test that notices it."""

    owners: tuple[Any, ...]
    """Modules or classes through which the function is reached."""

    function: str
    before: str
    after: str
    test: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


SHIFTED = (gated_pixelcnn, pixelcnn_plus)
SEEN = (gated_pixelcnn, pixelcnn)
MUTANTS = {
    "the row itself is seen by the vertical stack": Mutant(
        SHIFTED,
        "shift_down",
        "F.pad(h, (0, 0, 1, 0))[:, :, :-1]",
        "h",
        test_gated_pixelcnn.test_gated_sees_every_pixel_before_and_none_after,
        (1,),
    ),
    "rows are shifted by two": Mutant(
        SHIFTED,
        "shift_down",
        "F.pad(h, (0, 0, 1, 0))[:, :, :-1]",
        "F.pad(h, (0, 0, 2, 0))[:, :, :-2]",
        test_pixelcnn_plus.test_a_pixel_sees_every_pixel_before_and_none_after,
        (1, 3),
    ),
    "a colour sees itself": Mutant(
        SEEN,
        "sees",
        "before < after",
        "before <= after",
        test_plain.test_plain_sees_none_after_and_is_blind_to_some_before,
        (3,),
    ),
    "a colour does not see the colours before": Mutant(
        SEEN,
        "sees",
        "before < after",
        "before < after - 1",
        test_gated_pixelcnn.test_gated_sees_every_pixel_before_and_none_after,
        (3,),
    ),
    "padding on the wrong side": Mutant(
        (causal_conv.PixelConv,),
        "forward",
        "(self.left, self.right, self.above, 0)",
        "(self.right, self.left, self.above, 0)",
        test_causal_conv.test_a_pixel_convolution_sees_what_came_before,
        (True,),
    ),
    "a cache of rows forgets": Mutant(
        (causal_conv.RowCache,),
        "write",
        "self.rows[:, :, 1:].clone()",
        "0.0",
        test_causal_conv.test_rows_one_by_one_are_the_convolution,
        (1,),
    ),
    "a cache of pixels reads the wrong column": Mutant(
        (causal_conv.PixelCache,),
        "read",
        "column // self.stride",
        "0",
        test_causal_conv.test_pixels_one_by_one_are_the_convolution,
        (1, 1, 0, 1),
    ),
    "rows above are not taken over": Mutant(
        (causal_conv.PixelCache,),
        "start_row",
        "if self.above:",
        "if self.above > 1:",
        test_pixel_network.test_pixel_by_pixel_it_is_the_network,
        ("plain", 1),
    ),
    "a coarse position serves the wrong pixel": Mutant(
        (pixelcnn_plus._PlusSteps,),
        "pixel",
        "(self.row >> s) % 2, place % 2",
        "place % 2, (self.row >> s) % 2",
        test_pixelcnn_plus.test_pixel_by_pixel_it_is_the_network,
        (2, (1, 8, 8)),
    ),
    "coarse rows come too late": Mutant(
        (pixelcnn_plus._PlusSteps,),
        "active",
        "place % 2**s == 0",
        "(place + 1) % 2**s == 0",
        test_pixelcnn_plus.test_pixel_by_pixel_it_is_the_network,
        (2, (1, 8, 8)),
    ),
    "numbers of another colour": Mutant(
        (pixel_network.Pixels,),
        "of_sites",
        "unflatten(1, (self.groups, -1)).transpose(2, 3)",
        "unflatten(1, (-1, self.groups)).permute(0, 2, 3, 1)",
        test_pixelcnn.test_every_way_to_draw_gives_the_same_images,
        ("gated", test_pixelcnn.COLOUR),
    ),
    "values between the levels are fed back": Mutant(
        (pixel_network.Pixels,),
        "steps",
        "self.scaled((yield h))",
        "self.scaled((yield h)) + 0.01",
        test_pixelcnn_plus_plus.test_every_way_to_draw_gives_the_same_images,
        ("levels",),
    ),
    "a direction is turned back the other way": Mutant(
        (pixel_network,),
        "turned",
        "x = x.transpose(2, 3) if direction & 4 else x",
        "x = x",
        test_pixel_network.test_directions_are_the_symmetries_of_a_square,
    ),
    "directions in blocks instead of in turn": Mutant(
        (pixel_network.Pixels,),
        "mixed",
        "mixed[d :: self.directions] = part",
        "mixed[d * len(part) : (d + 1) * len(part)] = part",
        test_pixelcnn.test_directions_are_averaged_in_probability_and_mixed_in_training,
        (test_pixelcnn.BITS, 2),
    ),
    "attention sees what comes after": Mutant(
        (causal_attention.CausalBlock,),
        "forward",
        "is_causal=True",
        "is_causal=False",
        test_causal_attention.test_a_position_sees_itself_and_all_before_and_none_after,
    ),
    "the first key is lost": Mutant(
        (causal_attention.CausalSteps,),
        "__call__",
        "keys[:, :, :seen], values[:, :, :seen]",
        "keys[:, :, min(here, 1) : seen], values[:, :, min(here, 1) : seen]",
        test_causal_attention.test_position_by_position_it_is_the_network,
        (1,),
    ),
    "keys are written over": Mutant(
        (causal_attention.CausalSteps,),
        "__call__",
        "self.position = seen",
        "self.position = here",
        test_causal_attention.test_position_by_position_it_is_the_network,
        (1,),
    ),
    "a component receives its own value": Mutant(
        (causal_transformer.CausalTransformer,),
        "conditionals",
        "[:, :-1]",
        "[:, 1:]",
        test_causal_transformer.test_a_component_depends_on_every_one_before_and_on_none_after,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_line_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    wrong = mutated(getattr(mutant.owners[0], mutant.function), mutant.before, mutant.after)
    for owner in mutant.owners:
        monkeypatch.setattr(owner, mutant.function, wrong)
    if mutant.function == "turned":
        monkeypatch.setattr(test_pixel_network, "turned", wrong)
    with pytest.raises((AssertionError, RuntimeError, ValueError, IndexError)):
        mutant.test(*mutant.arguments)
