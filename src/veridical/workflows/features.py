"""The features by which a model compares restored examples: those of the extractor that its configuration names."""

from __future__ import annotations

import torch

from veridical.evaluation.extractors import check_name, extractor_for
from veridical.model import GenerativeModel
from veridical.objectives.reconstruction import ComparesFeatures
from veridical.workflows.progress import Say


def give_features(model: GenerativeModel, device: torch.device, say: Say) -> None:
    """Give a model the features that it wants, on its device; a model that wants none stays as it is.

    Args:
        model: before its first step.
        device: where it trains.
        say: called with the name of the extractor.

    Raises:
        NoSuchExtractorError: nothing has the name that the configuration states.
        ModuleNotFoundError: the weights of that extractor are not installed.
    """
    if not isinstance(model, ComparesFeatures) or not model.wants_features:
        return
    check_name(model.perceptual_features)
    extractor = extractor_for(model.space, model.perceptual_features, device)
    model.use_features(extractor)
    say(f"features   {extractor.name} {extractor.version}, weight {model.perceptual_weight:g}")
