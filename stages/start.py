"""A training that goes on from the float net of another model directory, with new data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.dataset import Dataset
from ..data.labels import refuse_other_classes
from ..data.streams import is_log
from ..errors import InputError, counted
from ..manifest import Manifest
from ..model_directory import FLOAT_NET, START, ModelDirectory
from ..models import Net
from ..recipe import DataSection, Recipe, revise
from .artefacts import check_manifest
from .doubts import rounded_away, sampled_otherwise
from .kept_nets import kept_net
from .recipes import has_state, read_recipe


@dataclass(frozen=True)
class Start:
    """What a training begins with. directory, manifest: of the net. recipe: of the new directory; files: that it holds from the beginning,
    the net as START among them.
    """

    directory: ModelDirectory
    recipe: Recipe
    manifest: Manifest
    files: Mapping[str, bytes] = field(repr=False)

    @property
    def origin(self) -> dict[str, Any]:
        """What the new manifest records of it."""
        known = {"float_net_sha256": hashlib.sha256(self.files[START]).hexdigest(), "data_sha256": self.manifest.data.sha256}
        graph = {"graph_sha256": self.manifest.graph_sha256} if self.manifest.graph_sha256 else {}
        return {"begun_from": {**known, **graph}}

    def net(self) -> Net:
        """The net, its normalisation included."""
        return kept_net(self.directory, self.recipe)

    def check(self, dataset: Dataset) -> None:
        """Raise InputError for data of other classes, channels or numbers than the net was trained on."""
        before, source = self.manifest, self.recipe.data.source
        shape = dataset.train.x.shape[1:]
        if (len(shape) == 3) != (len(before.input.shape or ()) == 3) or (len(shape) == 3 and shape != before.input.shape):
            raise InputError(f"{source} has samples of shape {list(shape)} and the net reads {list(before.input.shape or ())}: give such")
        refuse_other_classes(source, dataset.classes, before.classes)
        if dataset.train.channels != before.data.channels:
            raise InputError(
                f"{source} has {counted(dataset.train.channels, 'channel')} and the net reads {before.data.channels}: give the same sensors"
            )
        if dataset.channels and before.input.channels and dataset.channels != before.input.channels:
            said = f"{source} has the channels {', '.join(dataset.channels)} and the net reads {', '.join(before.input.channels)}"
            raise InputError(f"{said}: give the same, in the same order")
        if dataset.train.is_integer and before.input.fraction_bits:
            raise InputError(
                f"{source} holds integers and the net was trained on fractions: store floating-point numbers, in the same unit"
            )

    def doubts(self, dataset: Dataset) -> Iterator[str]:
        """Whether the data are of the kind that the net was trained on."""
        before = self.manifest
        yield from sampled_otherwise(self.recipe.data.source, dataset.facts.get("interval"), before.data.interval)
        yield from rounded_away(dataset.train.steps, before.input.fraction_bits)


def read_start(path: Path, source: str, overrides: Iterable[str], *, weights: str | None, density: float | None) -> Start:
    """From the model directory `path`: its net, its recipe with the data `source`, and the input format and name that stay.

    overrides, weights, density: change the recipe but for [model] and the input format. Raises InputError where they would, and for a
    directory without a trained float net.
    """
    overrides = list(overrides)
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key.split(".")[0] in ("model", "frontend") or key in ("data.source", "data.fraction_bits", "data.unit"):
            raise InputError(f"--set {override}: --from goes on with the net and the input format as they are; to change them, train anew")
    directory = ModelDirectory.open(path)
    check_manifest(directory)
    with directory.unchanging():
        manifest, recipe = directory.manifest(), read_recipe(directory)
        files = {START: directory.read(FLOAT_NET)}
    shape = manifest.input.shape or ()
    model: dict[str, Any] = {"name": manifest.name}
    if not has_state(directory, recipe) and len(shape) == 2:
        model["time_steps"] = shape[0]
    kept = recipe.data if is_log(source) else DataSection(unit=recipe.data.unit)
    bits = manifest.input.fraction_bits if manifest.samples is None else manifest.samples.fraction_bits
    data: dict[str, Any] = {"source": source, "fraction_bits": bits}
    if is_log(source) and manifest.input.channels:
        data["channels"] = manifest.input.channels
    new = recipe.model_copy(update={"model": recipe.model.model_copy(update=model), "data": kept.model_copy(update=data)})
    return Start(directory, revise(new, overrides, weights=weights, density=density), manifest, files)
