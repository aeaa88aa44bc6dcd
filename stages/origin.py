"""What a model directory is made of: data, input format, versions; and whether the data are still those."""

from __future__ import annotations

import importlib.metadata
import platform
from importlib.util import find_spec
from typing import Any

from .. import __version__
from ..data.clip_streams import ClipStreams
from ..data.dataset import Dataset
from ..data.input_format import scales
from ..data.streams import Streams, load_test_streams
from ..errors import InputError
from ..graph.serialize import CONTRACT
from ..manifest import Alignment, Manifest, SampleFormat
from ..model_names import model_name_of
from ..models import Net
from ..models.recurrent.compiled import compiler_version
from ..recipe import Recipe
from .alignment import WornDataset
from .features import FeatureDataset, input_bits
from .hearing import load_test_clip_streams
from .net_readings import readings_and_stride

RECORDED = ("numpy", "torch", "safetensors", "onnx", "flatbuffers", "tflite")
"""Packages whose version a model directory's bytes may depend on."""


def refuse_other_data(manifest: Manifest, recipe: Recipe, dataset: Dataset) -> None:
    """Raise InputError when the data are not those that the model directory was begun with."""
    if dataset.digest != manifest.data.sha256:
        raise InputError(f"{recipe.data.source} is not the data that the float net was trained on (its SHA-256 differs): train anew")


def describe_origin(recipe: Recipe, net: Net, dataset: Dataset) -> dict[str, Any]:
    """What the manifest records before training begins."""
    readings, stride = readings_and_stride(recipe, net)
    bits = input_bits(recipe, dataset)
    return {
        "contract": CONTRACT,
        "name": recipe.model.name or model_name_of(dataset.name),
        "classes": list(dataset.classes),
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest,
            "channels": dataset.train.channels,
            "train_sequences": len(dataset.train),
            "test_sequences": len(dataset.test),
            **_test_streams(recipe, dataset),
            **dataset.facts,
        },
        "input": {
            "dtype": "int16",
            "fraction_bits": bits,
            "scale": scales(bits),
            **({} if isinstance(dataset, FeatureDataset) else _of_readings(recipe)),
            "channels": list(dataset.channels),
            "shape": list(dataset.train.x.shape[-1:] if net.cells else net.layer_modules[0].plan.input_shape),
            "readings_a_step": readings,
            "stride": stride,
        },
        **(
            {"samples": _samples(recipe, dataset).model_dump(mode="json", exclude_none=True)} if isinstance(dataset, FeatureDataset) else {}
        ),
        **({"alignment": worn.model_dump(mode="json")} if (worn := alignment_in(dataset)) else {}),
        "seed": recipe.train.seed,
        "threads": recipe.train.threads,
        "versions": versions(recipe),
    }


def _of_readings(recipe: Recipe) -> dict[str, Any]:
    """What the manifest says of readings that a net reads as they are."""
    rate = recipe.data.sample_rate
    return {"unit": recipe.data.unit, **({} if rate is None else {"sample_rate": rate}), **_full_scale(recipe)}


def _full_scale(recipe: Recipe) -> dict[str, Any]:
    return {} if recipe.data.full_scale is None else {"full_scale": recipe.data.full_scale}


def alignment_in(dataset: Dataset) -> Alignment | None:
    """By which the recordings of the training were turned."""
    return dataset.alignment if isinstance(dataset, WornDataset | FeatureDataset) else None


def _samples(recipe: Recipe, dataset: FeatureDataset) -> SampleFormat:
    """What the device reads, where that is not what the net reads."""
    clips, unit = dataset.clips, recipe.data.unit
    rate, channels = clips.train.sample_rate, clips.train.channels
    return SampleFormat(
        sample_rate=rate, channels=channels, fraction_bits=clips.fraction_bits, unit=unit, names=clips.channels, **_full_scale(recipe)
    )


def _test_streams(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """What names the continuous recordings beside the test recordings, where there are some."""
    groups = dataset.facts.get("test_groups")
    streams: Streams | ClipStreams | None
    if isinstance(dataset, FeatureDataset):
        streams = load_test_clip_streams(recipe.data, dataset.classes, groups, _samples(recipe, dataset))
    else:
        streams = load_test_streams(recipe.data, dataset.classes, groups)
    return {} if streams is None else {"test_streams_sha256": streams.digest()}


def versions(recipe: Recipe) -> dict[str, str]:
    """Of everything that a model directory's bytes may depend on."""
    return {
        "rescomp": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in RECORDED if find_spec(package)},
        **({"compiler": compiler_version()} if recipe.train.loop == "compiled" else {}),
    }
