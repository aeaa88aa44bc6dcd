"""The float nets of other model directories that teach a net: `teachers` of distill in [compress]."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.dataset import Dataset
from ..errors import InputError
from ..model_directory import FLOAT_NET, ModelDirectory
from ..models import Net, use_loop
from ..recipe import Recipe
from .kept_nets import kept_net
from .net_readings import readings_and_stride
from .recipes import read_recipe


@dataclass(frozen=True)
class Teachers:
    """nets: in the order of the recipe. digests: of their files, SHA-256 (hex)."""

    nets: Sequence[Net] = ()
    digests: Sequence[str] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """What of them a resumed training must have in common with the one that it continues."""
        return {"teachers": list(self.digests)} if self.digests else {}


def read_teachers(recipe: Recipe, net: Net, dataset: Dataset) -> Teachers:
    """The nets that the recipe asks for; none where it asks for none. Raises InputError for one that does not read what `net` reads."""
    read = [_read(Path(path), recipe, net, dataset) for path in recipe.teachers]
    return Teachers(tuple(teacher for teacher, _ in read), tuple(digest for _, digest in read))


def _read(path: Path, recipe: Recipe, net: Net, dataset: Dataset) -> tuple[Net, str]:
    directory = ModelDirectory.open(path)
    manifest, other = directory.manifest(), read_recipe(directory)
    if manifest.accuracy.float_ is None:
        raise InputError(f"{path} holds no float net that is trained to its end, so it cannot teach: train it, or name another teacher")
    if tuple(manifest.classes) != tuple(dataset.classes) or manifest.data.channels != dataset.train.channels:
        raise InputError(f"{path} was trained for other classes or channels than {dataset.name} has: name a teacher for the same")
    digest = hashlib.sha256(directory.read(FLOAT_NET)).hexdigest()
    teacher = kept_net(directory, other, cure="name another teacher")
    if other.frontend != recipe.frontend or _reads(other, teacher) != _reads(recipe, net):
        raise InputError(f"{path} reads other steps, windows or features than the net that it is to teach: name one that reads the same")
    use_loop(teacher, recipe.train.loop)
    return teacher, digest


def _reads(recipe: Recipe, net: Net) -> tuple[object, ...]:
    """What it reads at once."""
    return (bool(net.cells), net.time_steps, readings_and_stride(recipe, net) if net.cells else None)
