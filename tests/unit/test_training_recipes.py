"""Recipes are what they say: the paper's numbers to the letter, and every recipe names a network that can be built."""

import pytest

from embeddings.normalization import Normalization
from embeddings.training.augmentation import NO_AUGMENTATION
from embeddings.training.config import Projection, Schedule
from embeddings.training.recipes import PAPER, RECIPES, SMALL, with_bilinear_head, with_varied_colors


def test_the_papers_recipe_is_the_papers():
    """VGG16, Adam at a constant 1e-5 with no decay, batches of 16, 14 epochs, 224 px; softmax of unit length, not
    calibrated; fixed ICA of 20, neither balanced nor normalised."""
    config = PAPER.config
    assert (config.trunk, config.epochs, config.batch_size, config.learning_rate) == ("vgg16", 14, 16, 1e-5)
    assert (config.schedule, config.weight_decay, config.augmentation) == (Schedule.CONSTANT, 0, NO_AUGMENTATION)
    assert (config.projection, config.projection_rank, config.train_projection) == (Projection.ICA, 20, False)
    assert (config.balanced_projection, config.bilinear_normalization) == (False, False)
    assert (config.activation, config.prob_normalization, config.calibrate) == ("softmax", Normalization.L2, False)
    assert (PAPER.input_size, PAPER.pretrained) == (224, True)


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_recipe_can_be_written_into_a_manifest(name):
    """Every number is in the JSON that the manifest holds."""
    stored = RECIPES[name].config.to_json()
    assert stored["learning_rate"] == RECIPES[name].config.learning_rate
    assert stored["augmentation"]["flip"] == RECIPES[name].config.augmentation.flip


def test_a_bilinear_head_warms_up_longer_where_the_rate_warms_up_at_all():
    config = with_bilinear_head(SMALL.config)
    assert (SMALL.config.warm_up, config.warm_up, config.head) == (0.06, 0.25, "bilinear")
    assert with_bilinear_head(PAPER.config).warm_up == 0


def test_varied_colors_change_colours_alone():
    """Exposure, cast and saturation; framing stays."""
    varied = with_varied_colors(SMALL.config).augmentation
    assert varied.cast > SMALL.config.augmentation.cast
    assert varied.saturation > SMALL.config.augmentation.saturation
    assert (varied.scale, varied.rotation) == (SMALL.config.augmentation.scale, SMALL.config.augmentation.rotation)
