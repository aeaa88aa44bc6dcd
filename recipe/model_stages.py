"""The stages that [[model.stages]] lists: layers and cells from the input on, and which of them no net can be made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from pydantic import Field

from ..model_names import CELL_KINDS, CellKind
from .section import RecipeSection

MOST_CELLS, MOST_STAGES = 8, 32
MOST_READINGS_A_STEP = 4096
"""Of a step: what the strides of the layers before the first cell may come to."""
_Size = Annotated[int, Field(ge=1, le=1024)]
_Kernel = Annotated[int, Field(ge=1, le=64)]
_Stride = Annotated[int, Field(ge=1, le=16)]


class _LayerStage(RecipeSection):
    """norm `batch`: a batch normalisation follows, which folds into the weights. activation: after it."""

    norm: Literal["batch", "none"] = "batch"
    activation: Literal["relu", "none"] = "relu"


class ConvolutionStage(_LayerStage):
    """A convolution over time to `width` channels, which divides time by its stride."""

    kind: Literal["convolution"] = "convolution"
    width: _Size
    kernel_size: _Kernel = 3
    stride: _Stride = 1


class DepthwiseStage(_LayerStage):
    """A convolution of each channel by itself."""

    kind: Literal["depthwise"] = "depthwise"
    kernel_size: _Kernel = 3
    stride: _Stride = 1


class DenseStage(_LayerStage):
    """A fully connected layer to `width` features: of each row over time, or of what has no time any more."""

    kind: Literal["dense"] = "dense"
    width: _Size
    norm: Literal["batch", "none"] = "none"


class PoolStage(RecipeSection):
    """The maximum or the mean of `size` successive rows, which become one (unset, in a net without cells: of all positions)."""

    kind: Literal["pool"] = "pool"
    function: Literal["max", "average"] = "max"
    size: Annotated[int, Field(ge=2, le=64)] | None = None


EntrywiseKind = Literal["abs"]


class EntrywiseStage(RecipeSection):
    """A function of each entry: the kind of layer of that name."""

    kind: EntrywiseKind


class CellStage(RecipeSection):
    """A recurrent cell. What is unset of its sizes is [model]'s."""

    kind: CellKind
    hidden_size: _Size | None = None
    rank_w: Annotated[int, Field(ge=1)] | None = None
    rank_u: Annotated[int, Field(ge=1)] | None = None


Stage = Annotated[ConvolutionStage | DepthwiseStage | DenseStage | PoolStage | EntrywiseStage | CellStage, Field(discriminator="kind")]
STAGE_KINDS: Mapping[str, type[RecipeSection]] = {
    "convolution": ConvolutionStage,
    "depthwise": DepthwiseStage,
    "pool": PoolStage,
    "dense": DenseStage,
    **dict.fromkeys(get_args(EntrywiseKind), EntrywiseStage),
    **dict.fromkeys(CELL_KINDS, CellStage),
}
"""By the kind of an entry of [[model.stages]]."""


_ANYWHERE = (DenseStage, EntrywiseStage)
"""What may stand where no time is any more."""
_NAMES = " and ".join(kind for kind, stage in STAGE_KINDS.items() if stage in _ANYWHERE)


def stride_of(stage: Stage) -> int:
    """What a stage divides time by."""
    if isinstance(stage, ConvolutionStage | DepthwiseStage):
        return stage.stride
    return stage.size or 1 if isinstance(stage, PoolStage) else 1


def front_of(stages: Sequence[Stage]) -> Sequence[Stage]:
    """The layers before the first cell."""
    return stages[: next((place for place, stage in enumerate(stages) if isinstance(stage, CellStage)), len(stages))]


def readings_of(stages: Sequence[Stage]) -> int:
    """How many readings become one row of the last of these layers."""
    return math.prod(stride_of(stage) for stage in stages)


def fault_of(stages: Sequence[Stage]) -> str:
    """Why no net can be made of these stages, in one sentence; nothing where one can."""
    cells = [place for place, stage in enumerate(stages) if isinstance(stage, CellStage)]
    if len(cells) > MOST_CELLS:
        return f"model.stages holds {len(cells)} cells, and a net has at most {MOST_CELLS}: make the others larger instead"
    if not cells:
        return _fault_without_cells(stages)
    divided = readings_of(front_of(stages))
    if divided > MOST_READINGS_A_STEP:
        return f"the layers before the first cell divide time by {divided}, and at most {MOST_READINGS_A_STEP} are possible"
    for place, stage in enumerate(stages):
        if fault := _fault_beside_cells(f"model.stages.{place}", stage, after_first=place > cells[0], after_last=place > cells[-1]):
            return fault
    return ""


def _fault_without_cells(stages: Sequence[Stage]) -> str:
    """A pool over all positions leaves no time; there is one at most."""
    pools = [place for place, stage in enumerate(stages) if isinstance(stage, PoolStage) and stage.size is None]
    for place, stage in enumerate(stages[pools[0] + 1 :] if pools else (), start=pools[0] + 1 if pools else 0):
        if not isinstance(stage, _ANYWHERE):
            return f"model.stages.{place} ({stage.kind}) follows a pool over all positions, after which only {_NAMES} may stand: move it"
    return ""


def _fault_beside_cells(where: str, stage: Stage, *, after_first: bool, after_last: bool) -> str:
    if isinstance(stage, PoolStage) and stage.size is None:
        return f"{where} pools all positions, which a net with cells never has at once: give it a size"
    if after_last and not isinstance(stage, (*_ANYWHERE, CellStage)):
        return f"{where} ({stage.kind}) follows the last cell, where time is gone: put it before that cell, or take dense"
    if after_first and stride_of(stage) > 1:
        return f"{where} ({stage.kind}) divides time by {stride_of(stage)} behind a cell, where a step is one row: move it before"
    return ""
