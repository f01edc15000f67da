"""What the configurations of models with learned codes share."""

from veridical.config.families.fitted_codes import RECONSTRUCTIONS
from veridical.families.fitted_codes import MISFITS


def test_every_misfit_can_be_chosen() -> None:
    assert set(RECONSTRUCTIONS) == {"auto", *MISFITS}
