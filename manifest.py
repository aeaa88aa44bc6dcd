"""manifest.json: where a model comes from, how it reads, and what it was found to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from .decision_figures import ChosenDecision
from .documents import parse_json
from .errors import InputError, counted
from .strict_documents import Count, Fraction, Positive, Sha256, Stated, cause_of, is_share

MANIFEST_SCHEMA = 1
"""Version of manifest.json."""


class DataOrigin(Stated):
    """The recordings: sha256 over both splits (data.dataset), the rest as the source counts it. From files on: of CSV logs and WAV files;
    interval: the median step of the logs' times, where they have some, in their own unit. sample_rate: samples a second, where the source
    says it or a front-end reads them. resampled_from, resampled_by: the other rates of WAV files, and what brought them to that one.

    test_streams_sha256: of the continuous recordings that the test recordings were cut from, or that stand beside them, if any.
    """

    sha256: Sha256
    channels: Positive
    name: str | None = None
    train_sequences: Count | None = None
    test_sequences: Count | None = None
    test_streams_sha256: Sha256 | None = None
    sample_rate: Positive | None = None
    files: Count | None = None
    interval: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    recordings: Count | None = None
    readings: Count | None = None
    readings_too_short_for_a_window: Count | None = None
    split: Literal["group", "time", "lists", "hash", "folders"] | None = None
    resampled_from: tuple[Positive, ...] | None = None
    resampled_by: str | None = None
    train_groups: tuple[str, ...] | None = None
    test_groups: tuple[str, ...] | None = None


_InputBits = Annotated[int, Field(ge=0, le=15)]
_Scale = Annotated[float, Field(allow_inf_nan=False)]
_Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class InputFormat(Stated):
    """What the net reads: integers of dtype, times scale = 2^-fraction_bits, in unit, or of each channel where these differ. shape: of what
    it reads at once. sample_rate: readings a second; full_scale: the largest reading of the sensor, or of each channel; None: nobody said.

    Behind a front-end they are features, and SampleFormat says what the device reads.
    """

    fraction_bits: _InputBits | tuple[_InputBits, ...]
    dtype: str | None = None
    scale: _Scale | tuple[_Scale, ...] | None = None
    unit: str | None = None
    channels: tuple[str, ...] = ()
    shape: tuple[Positive, ...] | None = None
    readings_a_step: Positive | None = None
    stride: Positive | None = None
    sample_rate: _Amount | None = None
    full_scale: _Amount | tuple[_Amount, ...] | None = None


class SampleFormat(Stated):
    """What a front-end reads: int16 samples of so many channels, sample_rate a second, times 2^-fraction_bits in unit; these as of
    InputFormat.

    names: of the channels, where they are known. full_scale: as of InputFormat.
    """

    sample_rate: Positive
    channels: Positive
    fraction_bits: _InputBits | tuple[_InputBits, ...] = 0
    unit: str = ""
    names: tuple[str, ...] = ()
    full_scale: _Amount | tuple[_Amount, ...] | None = None


Q14 = Annotated[int, Field(ge=-(1 << 14), le=1 << 14)]
"""Of a direction: 1 is 2^14."""


class Alignment(Stated):
    """How the readings of a worn device are turned. axes: channels, x, y, z of the accelerometer and then of further sensors.

    reference: the direction in Q14 to which a calibration turns the accelerometer's mean.
    """

    axes: tuple[Count, ...]
    reference: tuple[Q14, Q14, Q14]


class Calibrated(Stated):
    """What a calibration is worth: fractions of so many test recordings that are answered right, with and without it.

    groups: whose recordings they are, each calibrated by its first readings, of which the recordings are left out.
    """

    accuracy: Fraction
    as_they_are: Fraction
    recordings: Positive
    groups: Positive

    @model_validator(mode="after")
    def _are_shares_of_the_recordings(self) -> Self:
        for name in ("accuracy", "as_they_are"):
            if not is_share(getattr(self, name), self.recordings):
                raise ValueError(f"calibrated.{name} is no share of {counted(self.recordings, 'recording')}")
        if self.groups > self.recordings:
            raise ValueError(f"{counted(self.groups, 'group')} have {counted(self.recordings, 'recording')}")
        return self


class Versions(Stated):
    """Of everything that a model directory's bytes may depend on."""

    rescomp: str
    python: str | None = None
    numpy: str | None = None
    torch: str | None = None
    safetensors: str | None = None
    onnx: str | None = None
    flatbuffers: str | None = None
    tflite: str | None = None
    compiler: str | None = None

    def as_json(self) -> dict[str, str]:
        """By name."""
        return self.model_dump(exclude_none=True)


class Accuracies(Stated):
    """Fractions of the test set that are answered right: by the float net, and by the integer model."""

    float_: Fraction | None = Field(None, alias="float")
    integer: Fraction | None = None


class ClassFigures(Stated):
    """Beside an accuracy, of the same recordings; see data.confusion. recall: by class, of those that they are of."""

    balanced_accuracy: Fraction
    macro_f1: Fraction
    recall: Annotated[Mapping[str, Fraction], Field(min_length=1)]


class ClassFiguresOfNets(Stated):
    """Of the float net and of the integer model."""

    float_: ClassFigures | None = Field(None, alias="float")
    integer: ClassFigures | None = None


NOT_KNOWN = ClassFiguresOfNets()
"""Of nets of earlier versions."""


class Warnings(Stated):
    """Sentences on what a user should know: of the data and the float net, and of the integer model."""

    train: tuple[str, ...] = ()
    quantize: tuple[str, ...] = ()


NOTHING_TOLD = Warnings()


class BegunFrom(Stated):
    """What the training went on from: the float net of another model directory, and what it was of. graph_sha256: of its integer model."""

    float_net_sha256: Sha256
    data_sha256: Sha256
    graph_sha256: Sha256 | None = None


class ValueFormat(Stated):
    """Of a value of the graph: the format as it is written there, and its scale."""

    format: str
    scale: _Scale


class Manifest(Stated):
    """The document. What only a trained net, or an integer model, has is None before."""

    schema_: Literal[1] = Field(1, alias="schema")
    contract: Count
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    classes: tuple[str, ...]
    data: DataOrigin
    input: InputFormat
    samples: SampleFormat | None = None
    alignment: Alignment | None = None
    versions: Versions
    seed: Count | None = None
    threads: Positive | None = None
    device: str | None = None
    begun_from: BegunFrom | None = None
    accuracy: Accuracies = Accuracies()
    by_class: ClassFiguresOfNets = NOT_KNOWN
    warnings: Warnings = NOTHING_TOLD
    calibrated: Calibrated | None = None
    decision: ChosenDecision | None = None
    graph_sha256: Sha256 | None = None
    vectors_sha256: Sha256 | None = None
    formats: Mapping[str, ValueFormat] | None = None

    @model_validator(mode="after")
    def _refuse_other_channels(self) -> Self:
        for name, said, channels in (
            ("input", self.input.fraction_bits, self.data.channels),
            *([] if self.samples is None else [("samples", self.samples.fraction_bits, self.samples.channels)]),
        ):
            if isinstance(said, tuple) and (len(said) != channels or len(set(said)) < 2):
                raise ValueError(f"{name}.fraction_bits are no different ones of {channels} channels")
        if self.input.scale is not None and isinstance(self.input.scale, tuple) != isinstance(self.input.fraction_bits, tuple):
            raise ValueError("input.scale is of all channels, or of each, and input.fraction_bits the other")
        return self

    @model_validator(mode="after")
    def _is_sampled_at_one_rate(self) -> Self:
        if self.samples is not None and self.data.sample_rate not in (None, self.samples.sample_rate):
            raise ValueError(f"data.sample_rate is {self.data.sample_rate}, and samples.sample_rate {self.samples.sample_rate}")
        return self

    @model_validator(mode="after")
    def _figures_are_of_its_classes(self) -> Self:
        for each in (self.by_class.float_, self.by_class.integer):
            if each is not None and not set(each.recall) <= set(self.classes):
                raise ValueError("by_class tells of other classes than there are")
        if self.decision is not None:
            self.decision.check_classes(self.classes)
        return self

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> Self:
        """From values of JSON. Raises pydantic's ValidationError."""
        return cls.model_validate_json(json.dumps(entries))

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {"schema": MANIFEST_SCHEMA, **self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)}


def parse_manifest(data: bytes, name: str) -> Manifest:
    """A manifest from its bytes. name: what errors call it. Raises InputError."""
    try:
        document = parse_json(data)
        schema = document["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name} is damaged, or not rescomp's ({error}): train the model again") from error
    if schema != MANIFEST_SCHEMA or type(schema) is not int:
        raise InputError(f"{name} has schema {schema!r:.40}, this rescomp reads {MANIFEST_SCHEMA}: use the rescomp that wrote it")
    try:
        return Manifest.of(document)
    except ValidationError as error:
        raise InputError(f"{name} is damaged, or not rescomp's ({cause_of(error)}): train the model again") from error
