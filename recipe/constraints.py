"""The entries of `compress`: what is demanded of a net's weights, and what --weights and --density exchange among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from .section import GivenPath, RecipeSection, split_names

ScaleForm = Literal["multiplier", "power_of_two"]


class NamingEntry(RecipeSection):
    """An entry that may be for some matrices of the net alone.

    matrices: their names or patterns (with * ? []): `W`, `U` and `classifier` of a net of cells (`W_2` of the second cell), layers as
    `rescomp inspect` calls them. The last entry that names a matrix counts; one without names is for all that no other names.
    """

    matrices: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None

    _split_names = field_validator("matrices", mode="before")(split_names)

    @property
    def label(self) -> str:
        """What it demands, in a word."""
        return str(getattr(self, "kind", ""))

    @property
    def phrase(self) -> str:
        """The label, and the matrices that are named."""
        return self.label if self.matrices is None else f"{self.label} of {', '.join(self.matrices)}"


class WeightStorage(NamingEntry):
    """How weights are stored.

    learned: the scales are trained too, each a factor on the one that the weights give (after Esser et al. 2020, LSQ).

    Two keys of nets without state follow. activations: `int8` takes scales that are powers of two, and weights of at most six bits.
    first_and_last: the layers that read the input or give the scores; `dense`: they stay dense integers, of eight bits, or six beside int8
    activations.
    """

    learned: bool = False
    activations: Literal["int16", "int8"] = "int16"
    first_and_last: Literal["alike", "dense"] = "alike"

    @model_validator(mode="after")
    def _int8_has_no_ties(self) -> Self:
        if self.activations == "int8" and getattr(self, "scale", None) != "power_of_two":
            raise ValueError('activations = "int8" takes scale = "power_of_two", so that every runtime rounds alike')
        if self.activations == "int8" and getattr(self, "bits", 0) == 8:
            raise ValueError('activations = "int8" takes weights of at most six bits: set bits = 6')
        return self


class Ternary(WeightStorage):
    """Sherry 3:4 ternary weights, 1.25 bit each. One scale for each row, or one for the whole tensor.

    arenas: train with the annealing residual of Sherry (unset: where no float training goes before). packing: how a matrix of cells lies in
    flash, eight rows together, which is fast, or `rows` one after the other, which pads no classifier of few classes.
    """

    kind: Literal["ternary"] = "ternary"
    scale: ScaleForm = "multiplier"
    per: Literal["row", "tensor"] = "row"
    arenas: bool | None = None
    packing: Literal["blocks", "rows"] = "blocks"


class Quantize(WeightStorage):
    """Weights as small integers. One scale for each row."""

    kind: Literal["quantize"] = "quantize"
    bits: Literal[4, 6, 8] = 8
    scale: ScaleForm = "multiplier"

    @property
    def label(self) -> str:
        """The storage."""
        return f"int{self.bits}"


class LowRank(NamingEntry):
    """The trained matrices cut to a rank by their singular values, then fine-tuned (FastGRNN, section 3.2). Unset: left as they are.

    rank, share: of layers, and of the matrices that the entry names: so many, or this share of the most that there can be. A share without
    names is for all matrices that it makes smaller. rank_w, rank_u: of the input's and the state's matrices of cells.
    """

    kind: Literal["low_rank"] = "low_rank"
    rank: Annotated[int, Field(ge=1)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    rank_w: Annotated[int, Field(ge=1)] | None = None
    rank_u: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _ranks_are_of_something(self) -> Self:
        if self.rank is not None and (self.share is not None or self.matrices is None):
            raise ValueError("rank in low_rank is for the matrices that it names, in the place of share: set matrices, and one of them")
        if self.matrices is not None and (self.rank_w or self.rank_u):
            raise ValueError("rank_w and rank_u in low_rank are for all cells: beside matrices set rank or share")
        return self


class Sparse(NamingEntry):
    """Iterative hard thresholding in the paper's stages (FastGRNN, section 3.2), after the float training that learns the weights.

    density: fraction of entries kept in each matrix of the cells, in each layer of a net without cells, or in those that the entry names;
    density_w, density_u: of the input's and the state's instead.
    granularity: what of a layer is kept or left out together: single weights, kernels (of one output and one input channel: nine weights
    of a 3x3 convolution), or output channels.
    search: share of the fine-tuning in which the support is projected every `project_every` steps and may still move; then it is
    fixed. regrow: instead the support is thinned little by little over that share, and at each projection this share of its smallest
    entries makes room for those outside that have the largest gradients (Liu et al. 2021, GraNet).
    """

    kind: Literal["sparse"] = "sparse"
    density: Annotated[float, Field(gt=0, le=1)] = 0.3
    granularity: Literal["weight", "kernel", "channel"] = "weight"
    density_w: Annotated[float, Field(gt=0, le=1)] | None = None
    density_u: Annotated[float, Field(gt=0, le=1)] | None = None
    search: Annotated[float, Field(ge=0, le=1)] = 0.5
    project_every: Annotated[int, Field(ge=1)] = 15
    regrow: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def label(self) -> str:
        """The density, and of what where not of single weights."""
        return f"density {self.density:g}" + ("" if self.granularity == "weight" else f" by {self.granularity}")


class PiecewiseLinearActivations(RecipeSection):
    """Fine-tune with the paper's quantSigm and quantTanh (section 3.3) in place of sigmoid and tanh."""

    kind: Literal["piecewise_linear"] = "piecewise_linear"


class RotateFactors(RecipeSection):
    """Turn the two factors of every product of a low rank so that their storages keep more of the product (after Gong, Lazebnik 2011: ITQ).

    rounds: how often both are quantized, and a rotation taken that brings them nearest to that.
    """

    kind: Literal["rotate_factors"] = "rotate_factors"
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 60


class InputGains(RecipeSection):
    """Fine-tune a factor for each channel of the input, which the normalisation's own factors take in: no byte more on the device."""

    kind: Literal["input_gains"] = "input_gains"


class Distill(RecipeSection):
    """Fine-tune towards the float net's scores: `share` of the loss is its softened answer at `temperature` (Hinton et al. 2015).

    teachers: model directories whose float nets teach instead, by the mean of their softened answers, and in the float training too.
    """

    kind: Literal["distill"] = "distill"
    teachers: Annotated[tuple[GivenPath, ...], Field(strict=False, min_length=1)] | None = None
    temperature: Annotated[float, Field(gt=0)] = 2.0
    share: Annotated[float, Field(ge=0, le=1)] = 0.5

    _split_names = field_validator("teachers", mode="before")(split_names)


CONSTRAINTS: Mapping[str, type[BaseModel]] = {
    "ternary": Ternary,
    "quantize": Quantize,
    "low_rank": LowRank,
    "sparse": Sparse,
    "piecewise_linear": PiecewiseLinearActivations,
    "rotate_factors": RotateFactors,
    "input_gains": InputGains,
    "distill": Distill,
}
Constraint = Annotated[
    Ternary | Quantize | LowRank | Sparse | PiecewiseLinearActivations | RotateFactors | InputGains | Distill, Field(discriminator="kind")
]


def check_storages(entries: Iterable[Constraint]) -> Sequence[Ternary | Quantize]:
    """Those of the entries that say how weights are stored. Raises ValueError unless there is one, or several that name their matrices
    and at most one beside them that does not, all for activations of one dtype.
    """
    storages = [entry for entry in entries if isinstance(entry, Ternary | Quantize)]
    if not storages or sum(entry.matrices is None for entry in storages) > 1:
        raise ValueError(
            "exactly one entry must say how weights are stored, kind ternary or quantize, or each but one name the matrices that it is for"
        )
    if len({entry.activations for entry in storages}) > 1:
        raise ValueError("activations is one for the whole net: set it alike in every entry that says how weights are stored")
    return storages


WEIGHT_CONSTRAINTS: Mapping[str, Mapping[str, Any]] = {
    "ternary": {"kind": "ternary"},
    "int8": {"kind": "quantize", "bits": 8},
    "int6": {"kind": "quantize", "bits": 6},
    "int4": {"kind": "quantize", "bits": 4},
}
"""The storages of --weights, as entries of `compress`."""


def with_storage(entries: Sequence[Any], weights: str) -> list[Any]:
    """`compress` with its storage exchanged, for all matrices; one that has it already, and other constraints, stay as they are."""
    places = [i for i, entry in enumerate(entries) if _stores(entry)]
    if not places:
        return list(entries)
    kept = next((i for i in places if not entries[i].get("matrices")), places[0])
    stored = _exchanged(entries[kept], weights)
    return [stored if i == kept else entry for i, entry in enumerate(entries) if i == kept or i not in places]


def _stores(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("kind") in ("ternary", "quantize")


def _exchanged(entry: dict[str, Any], weights: str) -> dict[str, Any]:
    wanted = WEIGHT_CONSTRAINTS[weights]
    if {"kind": entry["kind"], **({"bits": entry.get("bits", 8)} if entry["kind"] == "quantize" else {})} == wanted:
        return {key: value for key, value in entry.items() if key != "matrices"}
    return {**wanted, **{key: entry[key] for key in ("scale", "learned", "activations", "first_and_last") if key in entry}}


def with_density(entries: Sequence[Any], density: float) -> list[Any]:
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
