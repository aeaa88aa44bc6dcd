"""The trained nets that a model directory keeps, of which its recipe and the file of the net's parts must speak too."""

from __future__ import annotations

from ..model_directory import FLOAT_NET, ModelDirectory
from ..models import Net, refuse_unusable
from ..models.kept import empty_net
from ..recipe import Recipe
from ..train.checkpoint import load_net

TRAIN_ANEW = "train anew, with a lower train.learning_rate or other model.weights"


def kept_net(directory: ModelDirectory, recipe: Recipe, name: str = FLOAT_NET, cure: str = TRAIN_ANEW) -> Net:
    """The net whose weights are in the directory's file `name`.

    Raises InputError where that file, the one that tells the net's parts and the recipe are not whole or of different nets, and for
    weights that nothing can go on from. cure: what to do about these.
    """
    manifest, path = directory.manifest(), directory.path / name
    directory.read(name)
    net = empty_net(directory, recipe, manifest.data.channels, len(manifest.classes))
    load_net(net, path)
    refuse_unusable(net, f"{path}", cure)
    return net
