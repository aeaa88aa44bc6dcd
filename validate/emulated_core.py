"""What the witnesses qemu and simavr have in common: the generated C, compiled for a core and run on its emulation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ..export.c_limits import check_counts
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..model_directory import ModelDirectory
from ..targets.cores import Core, find_core
from ..targets.kernel_choice import Target, graph_on
from .c_kernels import layer_functions
from .c_layers import decode_layers, encode_forced
from .c_program import TAP_FLAG, run_probe
from .c_uses import ask_uses
from .c_vectors import decode_trajectory, encode_vectors
from .emulation import check_tools, export_folder, run_model, source_on, target_of, tool_versions
from .use_lengths import CORE_LENGTHS
from .variants import compiled_files
from .witness import Answer, Forced, Job, LayerAnswer, RunLength, UsesAnswer


class EmulatedCore:
    """Compiles what the job's directory holds for a core, and runs it there. The argument names the core.

    What is compiled is the export for this core alone (c-<core>/) where there is one, and c/ otherwise; the variant says which.
    """

    name: ClassVar[str]
    default_argument: ClassVar[str]
    is_board: ClassVar[bool] = False
    long_run: ClassVar[RunLength] = "not"

    def __init__(self, core: str = "", target: Target | None = None) -> None:
        """core: the one that run_graph uses. target: for which run_graph exports; without one, the plain C."""
        self.core, self.target = core, target

    def check(self, argument: str) -> None:
        """See Witness."""
        check_tools(self._find(argument))

    def folder(self, argument: str, directory: Path) -> str:
        """See CompilingWitness."""
        return export_folder(self._find(argument), directory)

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:
        """See Witness."""
        return compiled_files(directory, model, self.folder(argument, directory.path))

    def takes_decisions(self, variant: str) -> bool:  # noqa: ARG002
        """See Witness."""
        return True

    def answers(self, job: Job) -> Iterator[Answer]:
        """One answer, of the core that the argument names."""
        core = self._find(job.argument)
        check_counts(job.model, core)
        version, folder = tool_versions(core, job.build), export_folder(core, job.directory)
        self.target = target_of(core, job.directory)
        output = run_model(core, job.model, job.directory / folder, (), encode_vectors(job), build=job.build)
        yield Answer(_variant(core, job, folder), version, decode_trajectory(job, output))

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:
        """See Witness. One answer, of the core that the argument names."""
        core = self._find(job.argument)
        folder = export_folder(core, job.directory)
        target = target_of(core, job.directory)
        data = encode_forced(job.model, forced, target)
        output = run_model(core, job.model, job.directory / folder, (TAP_FLAG,), data, "layers", job.build)
        yield decode_layers(job.model, forced, output, _variant(core, job, folder), tool_versions(core, job.build), target)

    def run_uses(self, job: Job) -> Iterator[UsesAnswer]:
        """See HeaderWitness. One answer, of the core that the argument names."""
        core = self._find(job.argument)
        folder = export_folder(core, job.directory)

        def run(flags: Sequence[str], data: bytes) -> bytes:
            return run_model(core, job.model, job.directory / folder, flags, data, "uses", job.build)

        target = target_of(core, job.directory)
        yield ask_uses(job, _variant(core, job, folder), tool_versions(core, job.build), run, CORE_LENGTHS, target)

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Every value, by the tap of a fresh export: for the core that answered last, if its own export did, else the plain one."""
        core = self.target.core if self.target else self._find("")
        return run_probe(graph, inputs, lambda model, folder, data: run_model(core, model, folder, (TAP_FLAG,), data), self.target)

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """See Witness: of the export that the core compiles."""
        source = source_on(self._find(job.argument), job)
        return layer_functions(source, graph_on(job.model.graphs[role], source.target))

    def _find(self, argument: str) -> Core:
        return find_core(argument or self.core or self.default_argument, self.name)


def _variant(core: Core, job: Job, folder: str) -> str:
    how = job.build.variant(core.family.compiler) if job.build else "-O2"
    return f"{core.name} {how}, {folder}/"
