"""[model]: the net, by its kind or by its stages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ..errors import nearest
from ..model_names import CELL_KINDS, is_model_name, model_name_of
from ..text_files import is_shown
from .model_stages import MOST_CELLS, MOST_STAGES, CellStage, Stage, fault_of, front_of, readings_of
from .section import GivenPath, RecipeSection

STAGES = "stages"
"""The kind of a net that model.stages lists."""
NET_KINDS = ("resnet1d", "resnet2d", "dscnn1d", "dscnn2d", "score1d", "score2d", "hourglass")
MODEL_KINDS = (*CELL_KINDS, *NET_KINDS)
BLOCK_READOUTS = ("last_mean", "mean", "max")
"""Readouts that keep something of each block of model.readout_steps steps."""


def _model_name(name: str) -> str:
    if not is_model_name(name):
        raise ValueError(
            "a model's name is a lower-case C identifier of at most 40 characters that is no keyword and no header of somebody else's: "
            f"choose another, {model_name_of(name)!r} for instance"
        )
    return name


def _model_kind(kind: str) -> str:
    own = re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", kind) or (is_onnx_file(kind) and is_shown(kind))
    if kind not in (*MODEL_KINDS, STAGES) and not own:
        known = ", ".join(MODEL_KINDS)
        raise ValueError(
            f"the nearest value is {nearest(kind, MODEL_KINDS)!r} (of {known}; package.module:function, your own net; or FILE.onnx)"
        )
    return kind


def is_onnx_file(kind: str) -> bool:
    """Whether a kind is the path of an ONNX file."""
    return kind.lower().endswith(".onnx")


class ModelSection(RecipeSection):
    """The net.

    name: prefix of everything generated (unset: from the data). rank_w, rank_u: ranks of the input's and the state's matrix, trained
    so from the start (unset: full).

    layers: cells stacked, each reading the state of the one before. stages: instead of a kind, layers and cells from the input on, as
    [[model.stages]] lists them (docs/nets.md); sizes of a cell that it leaves unset are those here.

    nonlinearity `table`: sigmoid and tanh; `piecewise_linear`: the paper's quantSigm and quantTanh. readings, stride: one time step is so
    many successive readings side by side, the next begins `stride` readings later (stride unset: readings), which shortens the loop over
    time. readout: what the classifier reads: `last`, the last cell's state; `mean` or `max`, of that state over blocks of readout_steps
    steps, after which the next block begins by itself (unset: the steps of the longest training recording); `last_mean`, state and mean
    side by side; `every`: as `last`, all steps carrying the loss. normalization `standard`: each channel less its mean, over its standard
    deviation; `robust`: less its median, over its median absolute deviation (as that of a normal distribution), limited to 2.67 of them,
    for channels whose rare large readings would hide the small ones; `none`: readings as they are, which is what a net with weights of
    its own was trained on (unset: none beside weights, standard otherwise).

    Nets without state (resnet1d, dscnn1d, score1d over time; resnet2d, dscnn2d, score2d over images; hourglass over either) read windows
    of time_steps readings, to which shorter recordings are filled up with zeros (unset: the longest training recording, up to a multiple
    of what the net's strides divide). widths: channels of each stage, each but the first halving every axis; of score the one width; of
    hourglass the wide and the narrow one. blocks: of a stage; of score how often its one block is applied, in steps of dt:
    x <- (1 - dt) x + dt block(x); of hourglass the residual blocks. fixed_projection: hourglass projects its input by random signs, which
    are not trained and which the device draws from a seed instead of storing them. kernel_size; stem_kernel, stem_stride: of the first
    convolution. norm `none`: no batch normalisation, but a learned scale on every branch. streaming: layers see
    no later readings, and the device takes a few readings at a time and keeps what the layers still need.

    kind `package.module:function`: your own net, what function(input_shape, classes) gives, channels last in input_shape; weights: its
    state dict in a .safetensors file. kind `FILE.onnx`: the float net in that file, with its weights.
    """

    kind: Annotated[str, AfterValidator(_model_kind)] = "fastgrnn"
    name: Annotated[str, AfterValidator(_model_name)] | None = None
    hidden_size: Annotated[int, Field(ge=1, le=1024)] = 32
    rank_w: Annotated[int, Field(ge=1)] | None = None
    rank_u: Annotated[int, Field(ge=1)] | None = None
    layers: Annotated[int, Field(ge=1, le=MOST_CELLS)] = 1
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=MOST_STAGES, strict=False)] | None = None
    readings: Annotated[int, Field(ge=1)] = 1
    stride: Annotated[int, Field(ge=1)] | None = None
    readout: Literal["last", "last_mean", "mean", "max", "every"] = "last"
    readout_steps: Annotated[int, Field(ge=1, le=32767)] | None = None
    nonlinearity: Literal["table", "piecewise_linear"] = "table"
    normalization: Literal["standard", "robust", "none"] = "standard"
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1, max_length=8, strict=False)] | None = None
    blocks: Annotated[int, Field(ge=1, le=32)] | None = None
    kernel_size: Annotated[int, Field(ge=1, le=64)] = 3
    stem_kernel: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=2, strict=False)] | None = None
    stem_stride: Annotated[int, Field(ge=1, le=16)] | None = None
    norm: Literal["batch", "none"] = "batch"
    dt: Annotated[float, Field(gt=0, le=1)] = 0.5
    fixed_projection: bool = False
    streaming: bool = False
    time_steps: Annotated[int, Field(ge=1)] | None = None
    weights: GivenPath | None = None

    @model_validator(mode="before")
    @classmethod
    def _own_weights_meet_raw_readings(cls, value: Any) -> Any:
        """Weights come with whatever their author did to the readings: nothing more is put before them unless it is asked for."""
        given = isinstance(value, dict) and (value.get("weights") is not None or is_onnx_file(str(value.get("kind", ""))))
        raw = given and "normalization" not in value
        return {**value, "normalization": "none"} if raw else value

    @model_validator(mode="before")
    @classmethod
    def _stages_are_a_kind(cls, value: Any) -> Any:
        """Stages say what the net is: no kind stands beside them."""
        if not isinstance(value, dict):
            return value
        kind, listed = value.get("kind", STAGES), value.get("stages") is not None
        if listed and kind != STAGES:
            raise ValueError(f"model.stages lists what the net is made of, and model.kind {kind} is another net: leave one of them out")
        if not listed and value.get("kind") == STAGES:
            raise ValueError('model.kind = "stages" is for a net that [[model.stages]] lists, and there are none: list them')
        return {**value, "kind": STAGES} if listed else value

    @model_validator(mode="after")
    def _stages_fit(self) -> Self:
        fault = fault_of(self.program)
        if fault:
            raise ValueError(fault)
        return self

    @property
    def program(self) -> Sequence[Stage]:
        """Layers and cells from the input on, of a net that has cells or lists its stages; nothing of others."""
        if self.stages is not None:
            return self.stages
        return (CellStage.model_validate({"kind": self.kind}),) * self.layers if self.kind in CELL_KINDS else ()

    @property
    def readings_a_step(self) -> int:
        """How many readings a step reads: `readings`, or what the layers before the first cell make one row of."""
        front = front_of(self.program) if self.is_recurrent else ()
        return readings_of(front) if front else self.readings

    @property
    def is_recurrent(self) -> bool:
        """Whether the net is one with recurrent cells, as far as the recipe tells."""
        return any(isinstance(stage, CellStage) for stage in self.program)

    @property
    def is_own(self) -> bool:
        """Whether the user's own function builds the net, or their ONNX file holds it."""
        return ":" in self.kind or self.is_onnx

    @property
    def is_onnx(self) -> bool:
        """Whether an ONNX file holds the net, its weights included."""
        return is_onnx_file(self.kind)

    @property
    def brings_weights(self) -> bool:
        """Whether the net begins with weights that were trained before."""
        return self.weights is not None or self.is_onnx
