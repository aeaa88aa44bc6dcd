"""The trained net itself as a witness, upstream of lowering. torch is imported when it is asked, and not to know what it reads."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from ..errors import UnsupportedError, missing_package
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..model_directory import CELLS_FILE, NET, QUANTIZED_NET, RECIPE, ModelDirectory
from .variants import refuse_argument
from .witness import Answer, Forced, Job, LayerAnswer, RunLength, op_names

_PACKAGES = ("torch", "safetensors")


class TrainedNet:
    """The fine-tuned net in the model directory. It knows nothing of the integer graph, so it has no `run_graph`."""

    name: ClassVar[str] = "torch"
    default_argument: ClassVar[str] = ""
    is_board: ClassVar[bool] = False
    long_run: ClassVar[RunLength] = "as budgeted"

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:  # noqa: ARG002
        """See Witness."""
        return (QUANTIZED_NET, *(part for part in (RECIPE, NET, CELLS_FILE) if directory.expects(part)))

    def takes_decisions(self, variant: str) -> bool:  # noqa: ARG002
        """See Witness."""
        return False

    def check(self, argument: str) -> None:
        """See Witness."""
        refuse_argument(self.name, argument)
        for package in _PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise missing_package(ModuleNotFoundError(name=package))

    def excuse(self, directory: ModelDirectory) -> str | None:
        """See ExcusedWitness: torch is optional for those who only verify."""
        missing = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
        if missing:
            return f"{missing[0]} is not installed (pip install torch safetensors)"
        return None if directory.has(QUANTIZED_NET) else f"{QUANTIZED_NET} is not in the model directory"

    def answers(self, job: Job) -> Iterator[Answer]:
        """See Witness."""
        from .torch_net import answer

        yield answer(job)

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:  # noqa: ARG002
        """Refused."""
        raise UnsupportedError("the torch net computes no layers of the integer graph")

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:  # noqa: ARG002
        """Refused."""
        raise UnsupportedError("the torch net does not run integer graphs")

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """See Witness."""
        return op_names(job, role)
