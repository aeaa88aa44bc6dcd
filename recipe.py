"""What the user asks for: a recipe of five sections, read from TOML, checked key by key, recorded in the model directory."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import InputError

ScaleForm = Literal["multiplier", "power_of_two"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """Where the recordings come from.

    source: a bundled set's name, a .npz file, or `TRAIN.ts,TEST.ts`. fraction_bits: the device reads integers in this Q format
    (unset: the finest that holds twice the largest training value in int16; integers stay as they are).
    """

    source: str = "japanese_vowels"
    fraction_bits: Annotated[int, Field(ge=0, le=15)] | None = None


class ModelSection(_Section):
    """The net. rank_w, rank_u: ranks of the input's and the state's matrix (unset: full).

    nonlinearity `table`: sigmoid and tanh; `piecewise_linear`: the paper's quantSigm and quantTanh.
    """

    kind: Literal["fastgrnn"] = "fastgrnn"
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)] | None = None
    hidden_size: Annotated[int, Field(ge=1, le=1024)] = 32
    rank_w: Annotated[int, Field(ge=1)] | None = None
    rank_u: Annotated[int, Field(ge=1)] | None = None
    nonlinearity: Literal["table", "piecewise_linear"] = "table"


class TrainSection(_Section):
    """The float training. threads: of torch, pinned because the count changes the weights."""

    epochs: Annotated[int, Field(ge=1)] = 120
    batch_size: Annotated[int, Field(ge=1)] = 30
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    input_noise: Annotated[float, Field(ge=0)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    validation_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=64)] = 2


class QuantizeSection(_Section):
    """The fine-tuning under the constraints, against the integer formats."""

    epochs: Annotated[int, Field(ge=0)] = 80
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3


class Ternary(_Section):
    """Sherry 3:4 ternary weights, 1.25 bit each, trained with Arenas. scale: one a row."""

    kind: Literal["ternary"] = "ternary"
    scale: ScaleForm = "multiplier"
    arenas: bool = True


class Quantize(_Section):
    """Weights as small integers. scale: one a row."""

    kind: Literal["quantize"] = "quantize"
    bits: Literal[8] = 8
    scale: ScaleForm = "multiplier"


Constraint = Annotated[Ternary | Quantize, Field(discriminator="kind")]


class Recipe(_Section):
    """All of it. `compress` is applied in order; exactly one of its entries gives the weights their format."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    compress: tuple[Constraint, ...] = (Ternary(),)
    quantize: QuantizeSection = QuantizeSection()
