"""import: a float net in an ONNX file becomes a model directory, quantized after training with data that need no labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.check import checked_values
from ..data.dataset import Dataset
from ..data.npz import read_npz_part
from ..data.split import Split, set_digest
from ..errors import InputError
from ..manifest import Manifest
from ..model_directory import ModelDirectory
from ..models import Net, build_net
from ..models.onnx_net.read import ImportedNet, read_onnx
from ..recipe import Recipe, load_recipe
from ..store import refuse_held
from .artefacts import read_model
from .float_parity import FloatParity, float_parity
from .kept_nets import kept_net
from .layer_errors import LayerError, layer_errors
from .listener import Listener, Silent
from .quantization import quantize
from .readings import Reader
from .training import train_alone

SAMPLES_COMPARED = 256
"""Of the calibration data, whose values are compared layer by layer."""
BATCH = 256
NOTE = "the labels are the float net's own answers to the calibration data: an accuracy here is the agreement with it"


@dataclass(frozen=True)
class Imported:
    """agreement: the share of the calibration data that the integer model answers as the float net does. layers: worst first."""

    model_dir: Path
    layout: str
    dropped: str
    parity: FloatParity
    agreement: float
    samples: int
    layers: Sequence[LayerError]

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "model_dir": str(self.model_dir)}


def import_onnx(
    file: Path, calibrate: Path, path: Path, *, overrides: Iterable[str] = (), force: bool = False, listener: Listener | None = None
) -> Imported:
    """Make a model directory at `path` of the float net in `file`, quantized without training on.

    calibrate: an .npz with x, [samples, time, channels] or [samples, height, width, channels]; labels are not read. overrides: keys of
    the recipe, as --set gives them. Raises InputError and UnsupportedError for files that cannot be imported, ParityError where the net
    that was read and onnxruntime differ by more than rounding.
    """
    listener = listener or Silent()
    listener.stage(f"read {file}")
    refuse_held(path)
    readings, channels, unit = _readings(calibrate)
    imported = read_onnx(file, readings.x.shape[1:])
    recipe = _recipe(file, calibrate, overrides)
    if recipe.train.epochs or recipe.quantize.epochs:
        raise InputError(f"import trains nothing: leave the epochs at 0, and fine-tune by `rescomp train --from {path} --data LABELLED`")
    net = build_net(recipe.model, readings.x.shape[1:], imported.file.classes)
    parity = float_parity(imported, net, readings.x.astype(np.float32))
    dataset = _answered(net, imported, readings, calibrate, channels, unit)

    def load(recipe: Recipe, known: Manifest | None = None, listener: Listener | None = None) -> tuple[Recipe, Dataset]:  # noqa: ARG001
        return recipe, dataset

    train_alone(recipe, path, load, force=force, listener=listener)
    agreement = quantize(path, listener=listener, load=load)
    layers = _compared(path, readings)
    return Imported(path, imported.layout, imported.dropped, parity, agreement, len(readings), layers)


def _recipe(file: Path, calibrate: Path, overrides: Iterable[str]) -> Recipe:
    """The defaults, but that nothing is trained and that weights are int8."""
    keys: Mapping[str, Any] = {
        "model.kind": str(file),
        "data.source": str(calibrate),
        "train.epochs": 0,
        "train.validation_fraction": 0,
        "quantize.epochs": 0,
        "compress": [{"kind": "quantize", "bits": 8}],
    }
    return load_recipe(None, overrides, keys=keys)


def _readings(path: Path) -> tuple[Split, tuple[str, ...], str]:
    """(the samples of an .npz, labelled 0; its channels; its unit)."""
    found = read_npz_part(path, labelled=False)
    if found is None:
        raise InputError(f"{path} has no array 'x': save the calibration data under that name, [samples, time, channels]")
    raw, names = found
    x, lengths = checked_values(raw)
    if x.ndim == 3 and int(lengths.min()) < x.shape[1]:
        raise InputError(f"{path} holds samples of different lengths, and the net reads windows of one: cut them to it")
    return Split(x, np.zeros(len(x), np.int64), lengths), names.channels, names.unit


def _answered(net: Net, imported: ImportedNet, readings: Split, path: Path, channels: tuple[str, ...], unit: str) -> Dataset:
    """The samples with the float net's answers as labels; they are calibrated on, and compared on."""
    x = readings.x.astype(np.float32)
    net.eval()
    with torch.no_grad():
        parts = [net(torch.from_numpy(x[begin : begin + BATCH])).argmax(1).numpy() for begin in range(0, len(x), BATCH)]
    split = Split(readings.x, np.concatenate(parts).astype(np.int64), readings.lengths)
    classes = tuple(str(number) for number in range(imported.file.classes))
    digest = set_digest(classes, split.digest(), split.digest())
    return Dataset(path.stem, split, split, classes, digest, channels, {}, (NOTE,), unit)


def _compared(path: Path, readings: Split) -> Sequence[LayerError]:
    directory = ModelDirectory.open(path)
    recipe, manifest, model = load_recipe(path / "recipe.toml"), directory.manifest(), read_model(directory)
    integers = Reader.of(manifest, model).integers(readings.x[:SAMPLES_COMPARED])[0].astype(np.int64)
    return layer_errors(kept_net(directory, recipe), model, integers, readings.x[:SAMPLES_COMPARED].astype(np.float32))
