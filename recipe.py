"""What the user asks for: a recipe of five to seven sections, read from TOML, checked key by key, recorded in the model directory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

from .documents import MOST_DOCUMENT_BYTES, parse_toml
from .errors import InputError, nearest
from .model_names import CELL_KINDS, is_model_name, model_name_of
from .recipe_stages import (
    MOST_CELLS,
    MOST_STAGES,
    STAGE_KINDS,
    CellStage,
    RecipeSection,
    Stage,
    fault_of,
    front_of,
    readings_of,
)
from .store import read_file

ScaleForm = Literal["multiplier", "power_of_two"]
Loop = Literal["torch", "compiled"]
Device = Literal["auto", "cpu", "cuda"]
RATES = (1e-6, 1e9)
"""Readings a second, at least and at most."""


def _given(path: str) -> str:
    if not path.strip():
        raise ValueError("an empty path names nothing: give one, or leave the key out")
    if "\0" in path:
        raise ValueError("no file's name holds a zero byte: give another path")
    return path


class DataSection(RecipeSection):
    """Where the recordings come from.

    source: a bundled set's name, a .npz file, `TRAIN.ts,TEST.ts`, a .csv file, or a folder of them with one sub-folder a class.
    fraction_bits: the device reads integers in this Q format (unset: the finest that holds twice the largest training value in int16;
    integers stay as they are). unit: of the readings, free text, recorded beside the input format.

    The rest is for CSV logs. label, group, time: columns (label unset: the folder's name, or the column `label`; group unset: the file;
    time unset: the column `timestamp` or `time`, if there is one). channels: columns to read (unset: all others that hold numbers).
    window, stride: readings of a sequence, and from one's start to the next one's (unset: the whole recording; the window). gap: a step
    in time of more than this many median steps ends a recording. split: `group` keeps each group on one side; `time` gives the end of
    each class's readings to test. test_fraction, split_seed: of that split.
    """

    source: Annotated[str, AfterValidator(_given)] = "japanese_vowels"
    fraction_bits: Annotated[int, Field(ge=0, le=15)] | None = None
    unit: str = ""
    label: str | None = None
    group: str | None = None
    time: str | None = None
    channels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    window: Annotated[int, Field(ge=1)] | None = None
    stride: Annotated[int, Field(ge=1)] | None = None
    gap: Annotated[float, Field(gt=1)] = 3.0
    split: Literal["group", "time"] = "group"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    split_seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def of(cls, source: str, **keys: Any) -> Self:
        """The section of a source, the rest unset but for some keys. Raises InputError for a source that names nothing."""
        try:
            return cls(source=source, **keys)
        except ValidationError as error:
            raise InputError(_explain(error, "data")) from error

    @field_validator("channels", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        """`ax,ay,az`, as on a command line, for ["ax", "ay", "az"]."""
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


def _model_name(name: str) -> str:
    if not is_model_name(name):
        raise ValueError(
            "a model's name is a lower-case C identifier of at most 40 characters that is no keyword and no header of somebody else's: "
            f"choose another, {model_name_of(name)!r} for instance"
        )
    return name


STAGES = "stages"
"""The kind of a net that model.stages lists."""
NET_KINDS = ("resnet1d", "resnet2d", "dscnn1d", "dscnn2d", "score1d", "score2d", "hourglass")
MODEL_KINDS = (*CELL_KINDS, *NET_KINDS)


OWN = "an own net"
_OVER_TIME = ("resnet1d", "dscnn1d", "score1d")
_STEMS = ("dscnn1d", "dscnn2d", "score1d", "score2d")
READERS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("hidden_size", "rank_w", "rank_u", "nonlinearity", "readout_steps", "readout"), (*CELL_KINDS, STAGES)),
    "layers": CELL_KINDS,
    "stages": (STAGES,),
    **dict.fromkeys(("readings", "stride"), (*CELL_KINDS, STAGES, OWN)),
    **dict.fromkeys(("widths", "blocks", "norm"), NET_KINDS),
    "kernel_size": tuple(kind for kind in NET_KINDS if kind != "hourglass"),
    **dict.fromkeys(("stem_kernel", "stem_stride"), _STEMS),
    "dt": ("score1d", "score2d"),
    "fixed_projection": ("hourglass",),
    "streaming": (*_OVER_TIME, STAGES, OWN),
    "time_steps": (*_OVER_TIME, "hourglass", STAGES, OWN),
    "weights": (OWN,),
}
"""Who reads a key of [model]; every kind reads the others. Of stages it depends on which they are: see unread_by_stages."""
TRAIN_READERS: Mapping[str, Sequence[str]] = dict.fromkeys(("carry", "loss_share"), (*CELL_KINDS, STAGES, OWN))
"""The same of [train]."""
STREAMS: Mapping[str, float] = {"carry": 0.75, "loss_share": 0.5}
"""What keys of [train] that recurrent nets alone read are where they are unset."""
EVERY_STEP = 1.0
"""train.loss_share of readout `every`."""
ALONE: Mapping[str, float] = dict.fromkeys(STREAMS, 0.0)
"""What they were before there were such keys: recordings one by one, the loss on each one's last step."""
BLOCK_READOUTS = ("last_mean", "mean", "max")
"""Readouts that keep something of each block of model.readout_steps steps."""


def _model_kind(kind: str) -> str:
    if kind not in (*MODEL_KINDS, STAGES) and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", kind):
        known = ", ".join(MODEL_KINDS)
        raise ValueError(f"the nearest value is {nearest(kind, MODEL_KINDS)!r} (of {known}; or package.module:function, your own net)")
    return kind


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
    state dict in a .safetensors file.
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
    weights: Annotated[str, AfterValidator(_given)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _own_weights_meet_raw_readings(cls, value: Any) -> Any:
        """Weights come with whatever their author did to the readings: nothing more is put before them unless it is asked for."""
        raw = isinstance(value, dict) and value.get("weights") is not None and "normalization" not in value
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
        """Whether the user's own function builds the net."""
        return ":" in self.kind


class TrainSection(RecipeSection):
    """The float training.

    optimizer: AdamW, or gradient descent with Nesterov momentum 0.9. threads: of torch, pinned because the count changes the weights.
    For nets of this size one is as fast as two, and far faster when the machine is busy. input_noise: standard deviation of Gaussian
    noise on the readings, in units of each channel's spread. rotation: standard deviation in radians of the three components of a
    rotation, drawn for each sequence and turning every three successive channels (x, y, z of one sensor), as a sensor worn a little
    askew would. time_shift: the most steps by which a sequence is moved in time; crop: the most pixels by which an image is moved;
    flip: images are mirrored half of the time. patience: stop after this many epochs without a better validation accuracy; the weights
    of the best epoch are kept (unset: train all epochs and keep the last one's). It holds for the fine-tuning too. loop: what runs the
    loop over time; `compiled`: C that gcc compiles for this machine, several times as fast, with weights that differ from torch's in the
    last bits. device `auto`: a GPU where there is one, for nets without state; weights differ from one device to another.

    Recurrent cells alone read two keys, and the fine-tuning reads them too. carry: probability that a row of a batch begins in the state
    in which a row of the batch before ended (rows permuted; no gradient flows there), as on a device that runs on without a reset, and
    not with zeros (unset: 0.75). loss_share: share of each recording's last steps that carries the loss, the mean over them (0: the last
    step alone; unset: 0.5).
    """

    epochs: Annotated[int, Field(ge=0)] = 60
    batch_size: Annotated[int, Field(ge=1)] = 18
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    optimizer: Literal["adam", "sgd"] = "adam"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    input_noise: Annotated[float, Field(ge=0)] = 0.6
    rotation: Annotated[float, Field(ge=0)] = 0.0
    time_shift: Annotated[int, Field(ge=0)] = 0
    crop: Annotated[int, Field(ge=0)] = 0
    flip: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    validation_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    patience: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    loop: Loop = "torch"
    device: Device = "auto"
    carry: Annotated[float, Field(ge=0, le=1)] | None = None
    loss_share: Annotated[float, Field(ge=0, le=1)] | None = None

    @field_validator("patience")
    @classmethod
    def _needs_validation(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("validation_fraction") == 0:
            raise ValueError("early stopping needs a validation part: set train.validation_fraction, 0.2 for instance")
        return value


class QuantizeSection(RecipeSection):
    """The fine-tuning under the constraints, against the integer formats.

    vectors: how many test samples are kept as golden vectors, which every witness runs (unset: all of them).
    """

    epochs: Annotated[int, Field(ge=0)] = 60
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    vectors: Annotated[int, Field(ge=1)] | None = None


class DecideSection(RecipeSection):
    """A decision behind the scores of a net with steps; without this section there is none. docs/streaming.md says what it does.

    smoothing: the newest score weighs 1 / 2^smoothing in the mean. margin: by how much more than its own another class's mean must be
    better than the one that holds, in units of a score. hold: steps for which it must be. refractory: steps of rest after a decision for a
    class. thresholds: means below which a class is unknown, one number for all classes or one a class.

    false_alarms: what is unset of smoothing, margin and hold is chosen on validation recordings put in a row: the least delay with at
    most so many changes of the decision an hour of settled time (from half a median recording after a change on), or per 1000 readings
    where nobody knows how many a second there are. rate: readings a second. Unset without false_alarms, and where there is no validation
    part: 2 bits, 0 and 1 step.
    """

    smoothing: Annotated[int, Field(ge=0, le=14)] | None = None
    margin: Annotated[float, Field(ge=0)] | None = None
    hold: Annotated[int, Field(ge=1, le=32767)] | None = None
    refractory: Annotated[int, Field(ge=0, le=32767)] = 0
    thresholds: Annotated[tuple[float, ...], Field(min_length=1, strict=False)] | None = None
    false_alarms: Annotated[float, Field(ge=0)] | None = None
    rate: Annotated[float, Field(ge=RATES[0], le=RATES[1])] | None = None

    @field_validator("thresholds", mode="before")
    @classmethod
    def _one_for_all(cls, value: Any) -> Any:
        """A number for [number]."""
        return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @property
    def searched(self) -> tuple[str, ...]:
        """What false_alarms chooses."""
        return tuple(key for key in ("smoothing", "margin", "hold") if getattr(self, key) is None)


class StreamSection(RecipeSection):
    """What a stream of a net with steps does beside running on; without this section nothing. docs/contract.md says it exactly.

    gap: for so many lost steps the last one is held, then everything begins anew. rail: for so many steps in a row an entry may stand at
    an end of its format before readings count as lost (0: it does not matter). window: steps that the net was trained on: two states run,
    half a window apart, and none grows older; for nets that cannot be trained for streams, as it takes twice the work.
    """

    gap: Annotated[int, Field(ge=0, le=4096)] = 0
    rail: Annotated[int, Field(ge=0, le=4096)] = 0
    window: Annotated[int, Field(ge=2, le=8192)] | None = None


class _WeightStorage(RecipeSection):
    """Two keys of nets without state.

    activations: `int8` takes scales that are powers of two, and weights of at most six bits. first_and_last: the layers that read the
    input or give the scores; `dense`: they stay dense integers, of eight bits, or six beside int8 activations.
    """

    activations: Literal["int16", "int8"] = "int16"
    first_and_last: Literal["alike", "dense"] = "alike"

    @model_validator(mode="after")
    def _int8_has_no_ties(self) -> Self:
        if self.activations == "int8" and getattr(self, "scale", None) != "power_of_two":
            raise ValueError('activations = "int8" takes scale = "power_of_two", so that every runtime rounds alike')
        if self.activations == "int8" and getattr(self, "bits", 0) == 8:
            raise ValueError('activations = "int8" takes weights of at most six bits: set bits = 6')
        return self


class Ternary(_WeightStorage):
    """Sherry 3:4 ternary weights, 1.25 bit each, trained with Arenas. One scale for each row, or one for the whole tensor."""

    kind: Literal["ternary"] = "ternary"
    scale: ScaleForm = "multiplier"
    per: Literal["row", "tensor"] = "row"
    arenas: bool = True


class Quantize(_WeightStorage):
    """Weights as small integers. One scale for each row."""

    kind: Literal["quantize"] = "quantize"
    bits: Literal[4, 6, 8] = 8
    scale: ScaleForm = "multiplier"


class LowRank(RecipeSection):
    """The trained matrices cut to a rank by their singular values, then fine-tuned (FastGRNN, section 3.2). Unset: left as they are."""

    kind: Literal["low_rank"] = "low_rank"
    rank_w: Annotated[int, Field(ge=1)] | None = None
    rank_u: Annotated[int, Field(ge=1)] | None = None


class Sparse(RecipeSection):
    """Iterative hard thresholding in the paper's stages (FastGRNN, section 3.2), after the float training that learns the weights.

    density: fraction of entries kept in each matrix of the cell; density_w, density_u: of the input's and the state's instead.
    search: share of the fine-tuning in which the support is projected every `project_every` steps and may still move; then it is
    fixed.
    """

    kind: Literal["sparse"] = "sparse"
    density: Annotated[float, Field(gt=0, le=1)] = 0.3
    density_w: Annotated[float, Field(gt=0, le=1)] | None = None
    density_u: Annotated[float, Field(gt=0, le=1)] | None = None
    search: Annotated[float, Field(ge=0, le=1)] = 0.5
    project_every: Annotated[int, Field(ge=1)] = 15


class PiecewiseLinearActivations(RecipeSection):
    """Fine-tune with the paper's quantSigm and quantTanh (section 3.3) in place of sigmoid and tanh."""

    kind: Literal["piecewise_linear"] = "piecewise_linear"


class Distill(RecipeSection):
    """Fine-tune towards the float net's scores: `share` of the loss is its softened answer at `temperature` (Hinton et al. 2015)."""

    kind: Literal["distill"] = "distill"
    temperature: Annotated[float, Field(gt=0)] = 2.0
    share: Annotated[float, Field(ge=0, le=1)] = 0.5


_CONSTRAINTS: Mapping[str, type[BaseModel]] = {
    "ternary": Ternary,
    "quantize": Quantize,
    "low_rank": LowRank,
    "sparse": Sparse,
    "piecewise_linear": PiecewiseLinearActivations,
    "distill": Distill,
}
Constraint = Annotated[Ternary | Quantize | LowRank | Sparse | PiecewiseLinearActivations | Distill, Field(discriminator="kind")]


WEIGHT_CONSTRAINTS: Mapping[str, Mapping[str, Any]] = {
    "ternary": {"kind": "ternary"},
    "int8": {"kind": "quantize", "bits": 8},
    "int6": {"kind": "quantize", "bits": 6},
    "int4": {"kind": "quantize", "bits": 4},
}
"""The storages of --weights, as entries of `compress`."""


OPTIONAL_SECTIONS: Mapping[str, type[RecipeSection]] = {"decide": DecideSection, "stream": StreamSection}
"""Sections that may be missing."""
OLDER_NAMES: Mapping[str, str] = {"model.window": "model.readings"}
"""Keys by the names that they had earlier, by which they are read still."""


class Recipe(RecipeSection):
    """All of it. `compress` is applied in order; exactly one of its entries says how weights are stored."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    compress: Annotated[tuple[Constraint, ...], Field(strict=False)] = (Ternary(),)
    quantize: QuantizeSection = QuantizeSection()
    decide: DecideSection | None = None
    stream: StreamSection | None = None

    @field_validator("model", mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        """`model = "package.module:function"` for a section with that kind alone."""
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("compress")
    @classmethod
    def _one_storage(cls, entries: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
        if sum(entry.kind in ("ternary", "quantize") for entry in entries) != 1:
            raise ValueError("exactly one entry must say how weights are stored: kind ternary or quantize")
        return entries


def _default_compress() -> list[dict[str, Any]]:
    """Fresh entries: overrides change them in place."""
    entries: list[dict[str, Any]] = Recipe().model_dump(mode="json")["compress"]
    return entries


def load_recipe(
    path: Path | None = None,
    overrides: Iterable[str] = (),
    *,
    weights: str | None = None,
    density: float | None = None,
    keys: Mapping[str, Any] | None = None,
    note: Callable[[str], None] | None = None,
) -> Recipe:
    """The recipe of a TOML file (None: all defaults), with `overrides` (`section.key=value`, as on the command line) on top.

    keys: values by `section.key`, of options that stand for one key.

    weights: `ternary`, `int8` or `int4` exchanges the storage in `compress` and keeps its scale form and place. density: sets
    that of every matrix in the sparse constraint, or puts one before the storage. `overrides` come after all of these.
    note: is told of keys under the names that they had earlier. Raises InputError naming file, key and nearest neighbour.
    """
    document = {} if path is None else _read_toml(path)
    origin = str(path or "the recipe")
    for key, value in (keys or {}).items():
        _set(document, key.split("."), value, f"{key}={value}")
    asked = list(overrides)
    _tell_older_names(document, asked, note or (lambda _: None))
    recipe = _validate(document, asked, weights, density, origin)
    refuse_unread(recipe, origin)
    return recipe


def refuse_unread(recipe: Recipe, origin: str = "the recipe") -> None:
    """Raise InputError for a key that asks for something, and that what the recipe chooses does not read."""
    model, data = recipe.model, recipe.data
    kind = OWN if model.is_own else model.kind
    for name, table, section in (("model", READERS, model), ("train", TRAIN_READERS, recipe.train)):
        for key, readers in table.items():
            if kind not in readers and _is_asked(section, key):
                raise InputError(f"{origin}: {kind} does not read {name}.{key}, which is for {_enumerated(readers)}: leave it out")
    for name, why in unread_by_stages(model) if model.stages else ():
        table_name, _, key = name.partition(".")
        if _is_asked(model if table_name == "model" else recipe.train, key):
            raise InputError(f"{origin}: a net of these stages does not read {name}, {why}: leave it out")
    if data.stride is not None and data.window is None:
        raise InputError(f"{origin}: data.stride is how far windows lie apart, and data.window is unset: set both, or neither")
    if data.split == "time" and data.split_seed:
        raise InputError(f"{origin}: data.split_seed draws the groups that go to test, and data.split = 'time' draws none: leave it out")
    if model.readout_steps is not None and model.readout not in BLOCK_READOUTS:
        blocks = f"model.readout_steps is the length of blocks, and model.readout = {model.readout!r} reads none"
        raise InputError(f"{origin}: {blocks}: leave it out, or choose {_enumerated(BLOCK_READOUTS)}")
    if model.readout == "every" and recipe.train.loss_share not in (None, EVERY_STEP):
        raise InputError(f"{origin}: model.readout = 'every' puts the loss on every step, so that train.loss_share is 1: leave it out")
    refuse_unread_of_streams(recipe, origin)
    for entry in recipe.compress:
        if isinstance(entry, Sparse) and None not in (entry.density_w, entry.density_u) and entry.density != Sparse().density:
            raise InputError(f"{origin}: density in compress is read by neither matrix beside density_w and density_u: leave it out")
        if isinstance(entry, LowRank) and entry.rank_w is None and entry.rank_u is None:
            raise InputError(f"{origin}: low_rank in compress without rank_w or rank_u changes nothing: set one, or leave it out")
        if isinstance(entry, Distill) and recipe.quantize.epochs == 0:
            raise InputError(f"{origin}: distill in compress acts while the net is fine-tuned, and quantize.epochs is 0: leave it out")


def _is_asked(section: RecipeSection, key: str) -> bool:
    return bool(getattr(section, key) != type(section).model_fields[key].default)


def unread_by_stages(model: ModelSection) -> Iterable[tuple[str, str]]:
    """(key, why) of what a net of the stages at hand does not read, though others do."""
    cells = [stage for stage in model.program if isinstance(stage, CellStage)]
    if not cells:
        of_model = ("nonlinearity", "readings", "stride", "readout", "readout_steps")
        keys = (*(f"model.{key}" for key in of_model), *(f"train.{key}" for key in TRAIN_READERS))
        yield from ((key, "as it has no cell") for key in keys)
    else:
        yield from ((f"model.{key}", "as a net with cells takes steps of its own") for key in ("streaming", "time_steps"))
        if front_of(model.program):
            yield from ((f"model.{key}", "as its first layers say what a step reads") for key in ("readings", "stride"))
    for key in ("hidden_size", "rank_w", "rank_u"):
        if all(getattr(cell, key) is not None for cell in cells):
            yield f"model.{key}", "as each of its cells has its own" if cells else "as it has no cell"


def refuse_unread_of_streams(recipe: Recipe, origin: str = "the recipe") -> None:
    """Raise InputError for a decision or a policy of streams that the net cannot have, and for keys of them that nothing reads."""
    model, decide = recipe.model, recipe.decide
    asked = [name for name in OPTIONAL_SECTIONS if getattr(recipe, name) is not None]
    if asked and not model.is_recurrent and not model.is_own and not model.streaming:
        cure = "set model.streaming = true" if model.kind in READERS["streaming"] else "choose a net that does"
        raise InputError(f"{origin}: {model.kind} takes no steps, so that [{asked[0]}] has no meaning: {cure}, or leave it out")
    if decide is None:
        return
    if decide.rate is not None and decide.false_alarms is None:
        raise InputError(f"{origin}: decide.rate is read beside decide.false_alarms, which is unset: set both, or neither")
    if decide.false_alarms is not None and not decide.searched:
        raise InputError(
            f"{origin}: decide.false_alarms chooses smoothing, margin and hold, and all three are set: leave one of them out, or it"
        )


def _enumerated(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def revise(recipe: Recipe, overrides: Iterable[str] = (), *, weights: str | None = None, density: float | None = None) -> Recipe:
    """The same on top of a resolved recipe."""
    return _validate(recipe.model_dump(mode="json"), overrides, weights, density, "the recipe")


def with_streams(recipe: Recipe) -> Recipe:
    """The recipe of a recurrent net, with what is unset of the keys that such nets alone read."""
    return with_unset(recipe, {**STREAMS, "loss_share": EVERY_STEP} if recipe.model.readout == "every" else STREAMS)


def with_unset(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with `values` for the keys of [train] that it leaves unset."""
    unset = {key: value for key, value in values.items() if getattr(recipe.train, key) is None}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=unset)})


def parse_recipe(data: bytes, origin: str) -> Recipe:
    """The recipe in TOML bytes. Raises InputError naming `origin`."""
    return _validate(_parse_toml(data, origin), (), None, None, origin)


def older_names(data: bytes, origin: str) -> dict[str, str]:
    """The keys in TOML bytes that stand there by the name that they had earlier, with today's name. Raises InputError naming `origin`."""
    return {older: OLDER_NAMES[older] for older in _older_names(_parse_toml(data, origin))}


def _tell_older_names(document: Mapping[str, Any], overrides: Iterable[str], note: Callable[[str], None]) -> None:
    """Tell `note` of every key that is asked for by the name that it had earlier."""
    for older in sorted(_keys_of(overrides).intersection(OLDER_NAMES).union(_older_names(document))):
        note(f"{older} is called {OLDER_NAMES[older]} now: use that name")


def _older_names(document: Mapping[str, Any]) -> list[str]:
    """Of OLDER_NAMES those that stand in the document."""
    return [older for older in OLDER_NAMES if _stands_in(document, older)]


def _stands_in(document: Mapping[str, Any], name: str) -> bool:
    section, key = name.split(".")
    return isinstance(document.get(section), dict) and key in document[section]


def _keys_of(overrides: Iterable[str]) -> set[str]:
    return {override.partition("=")[0].strip() for override in overrides}


def _by_todays_names(document: dict[str, Any], overrides: Iterable[str], origin: str) -> None:
    """Rename what stands in the document. Raises InputError where it and the overrides together use both names of a key."""
    asked = _keys_of(overrides)
    for older, name in OLDER_NAMES.items():
        if all(each in asked or _stands_in(document, each) for each in (older, name)):
            raise InputError(f"{origin}: {older} is the name that {name} had earlier, and both are there: leave {older} out")
    for older in _older_names(document):
        section, key = older.split(".")
        document[section][OLDER_NAMES[older].split(".")[1]] = document[section].pop(key)


def _validate(document: dict[str, Any], overrides: Iterable[str], weights: str | None, density: float | None, origin: str) -> Recipe:
    overrides = list(overrides)
    _by_todays_names(document, overrides, origin)
    if weights is not None:
        document["compress"] = [_exchange(entry, weights) for entry in document.get("compress", _default_compress())]
    if density is not None:
        document["compress"] = _thin(document.get("compress", _default_compress()), density)
    for override in overrides:
        _apply(document, override)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{origin}: {_explain(error)}") from error


def to_toml(recipe: Recipe) -> bytes:
    """The recipe as TOML, defaults spelled out; keys that are unset are left out."""
    import tomli_w

    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)).encode()


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return _parse_toml(read_file(path, MOST_DOCUMENT_BYTES), str(path))
    except OSError as error:
        raise InputError(f"cannot read the recipe {path}: {error.strerror}") from error


def _parse_toml(data: bytes, origin: str) -> dict[str, Any]:
    try:
        return parse_toml(data)
    except ValueError as error:
        raise InputError(f"{origin} is not valid TOML: {error}") from error


def _exchange(entry: Any, weights: str) -> Any:
    """An entry of `compress` with its storage exchanged; one that has it already, and other constraints, stay as they are."""
    if not isinstance(entry, dict) or entry.get("kind") not in ("ternary", "quantize"):
        return entry
    wanted = WEIGHT_CONSTRAINTS[weights]
    if {"kind": entry["kind"], **({"bits": entry.get("bits", 8)} if entry["kind"] == "quantize" else {})} == wanted:
        return entry
    return {**wanted, **{key: entry[key] for key in ("scale", "activations", "first_and_last") if key in entry}}


def _thin(entries: Sequence[Any], density: float) -> list[Any]:
    """`compress` with one density for every matrix: in its sparse constraint, or in a new one before the storage."""
    kinds = [entry.get("kind") if isinstance(entry, dict) else None for entry in entries]
    thinned = {"kind": "sparse", "density": density}
    if "sparse" not in kinds:
        place = next((i for i, kind in enumerate(kinds) if kind in ("ternary", "quantize")), len(kinds))
        return [*entries[:place], thinned, *entries[place:]]
    return [
        {key: value for key, value in entry.items() if key not in ("density_w", "density_u")} | thinned if kind == "sparse" else entry
        for entry, kind in zip(entries, kinds, strict=True)
    ]


def _apply(document: dict[str, Any], override: str) -> None:
    """Set one dotted key; numbers address entries of a list (compress.0.scale=power_of_two)."""
    key, equals, text = override.partition("=")
    parts = OLDER_NAMES.get(key.strip(), key.strip()).split(".")
    if not equals or not all(parts) or (len(parts) < 2 and parts not in (["compress"], *([name] for name in OPTIONAL_SECTIONS))):
        raise InputError(f"--set takes section.key=value, not {override!r}")
    if len(parts) == 1 and parts[0] in OPTIONAL_SECTIONS:
        _switch(document, parts[0], text.strip())
        return
    if parts[0] in OPTIONAL_SECTIONS and document.get(parts[0]) is None:
        document[parts[0]] = {}
    if parts[0] == "compress" and len(parts) > 1:
        document.setdefault("compress", _default_compress())
    target = _set(document, parts, _parse_value(text.strip()), override)
    if parts[0] == "compress" and parts[-1] == "kind" and target["kind"] in _CONSTRAINTS:
        known = _CONSTRAINTS[target["kind"]].model_fields
        for name in [name for name in target if name not in known]:
            del target[name]


def _switch(document: dict[str, Any], name: str, text: str) -> None:
    """`decide=true` for an empty section where there is none, `decide=false` for none."""
    if text not in ("true", "false"):
        raise InputError(f"--set {name}={text}: {name} is a section; {name}=true asks for it as it is by default, {name}=false for none")
    document[name] = (document.get(name) or {}) if text == "true" else None


def _set(document: dict[str, Any], parts: Sequence[str], value: Any, asked: str) -> Any:
    """Set the entry at a path; returns what holds it."""
    target: Any = document
    try:
        for part in parts[:-1]:
            target = target[_place(part)] if isinstance(target, list | tuple) else target.setdefault(part, {})
        target[parts[-1]] = value
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"--set {asked!r}: there is no such entry in the recipe") from error
    return target


def _place(part: str) -> int:
    """Of an entry of a list, from 0 on. Raises ValueError."""
    if re.fullmatch("[0-9]+", part) is None:
        raise ValueError(part)
    return int(part)


def _parse_value(text: str) -> Any:
    """A TOML value; what is none is taken as a string, so that quotes can be left out on a command line."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def _explain(error: ValidationError, *section: str) -> str:
    """The first problem in one sentence. section: where that one alone was read."""
    problem = error.errors(include_url=False)[0]
    where = [*section, *(str(part) for part in problem["loc"])]
    kinds = _kinds_listed_at(where)
    shown = [part for part in where if part not in kinds]
    key = ".".join(shown)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key!r}; the nearest one is {nearest(where[-1], _siblings(where[:-1]))!r}"
    if problem["type"] == "union_tag_not_found":
        return f"{key}: an entry of {'compress' if kinds is _CONSTRAINTS else 'model.stages'} needs a kind ({', '.join(kinds)})"
    if problem["type"] == "value_error" and len(where) == 1:  # of a whole section, which the sentence itself names
        return _reason(problem)
    if problem["type"] == "missing":
        return f"{key} is missing: set it"
    given = json.dumps(problem["input"], default=str, ensure_ascii=False)
    return f"{key} = {given if len(given) <= _LONGEST_SHOWN else given[:_LONGEST_SHOWN] + '...'}: {_reason(problem)}"


def _kinds_listed_at(where: Sequence[str]) -> Mapping[str, type[BaseModel]]:
    """The kinds of entries of the list that a place of the recipe is in; nothing of any other place."""
    return _CONSTRAINTS if where[:1] == ["compress"] else STAGE_KINDS if where[:2] == ["model", "stages"] else {}


def _reason(problem: Mapping[str, Any]) -> str:
    """Why a value is refused, in plain words."""
    kind, given = problem["type"], problem["input"]
    if kind in _WANTED:
        return _WANTED[kind].format(**problem.get("ctx", {}))
    if kind in ("literal_error", "union_tag_invalid"):
        context = problem["ctx"]
        known = re.findall(r"'([^']+)'", context.get("expected") or context["expected_tags"]) or [context["expected"]]
        value = given.get("kind") if isinstance(given, dict) else given
        return f"the nearest value is {nearest(str(value), known)!r} (of {', '.join(known)})"
    return re.sub(r"^Value error, ", "", problem["msg"])


_WANTED: Mapping[str, str] = {
    "int_type": "a whole number is wanted",
    "float_type": "a number is wanted",
    "finite_number": "a finite number is wanted",
    "bool_type": "true or false is wanted",
    "string_type": "a string is wanted",
    "model_type": "a section with keys is wanted",
    "tuple_type": "a list is wanted",
    "model_attributes_type": "a table with a kind is wanted",
    "too_short": "a list of at least {min_length} is wanted",
    "too_long": "a list of at most {max_length} is wanted, not of {actual_length}",
    "greater_than": "more than {gt} is wanted",
    "greater_than_equal": "at least {ge} is wanted",
    "less_than": "less than {lt} is wanted",
    "less_than_equal": "at most {le} is wanted",
}
"""By pydantic's kind of error; in braces what it tells of it."""
_LONGEST_SHOWN = 200
"""Characters of a refused value."""


def _siblings(path: list[str]) -> list[str]:
    """The keys that may stand beside an unknown one."""
    if not path:
        return list(Recipe.model_fields)
    sections = {**{name: field.annotation for name, field in Recipe.model_fields.items()}, **OPTIONAL_SECTIONS}
    kinds = _kinds_listed_at(path)
    section = kinds.get(path[-1]) if kinds else sections[path[0]]
    return list(section.model_fields) if section is not None else []
