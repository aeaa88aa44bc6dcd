"""The generated C, compiled for this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..errors import DeviceError, MissingToolError, ParityError
from ..export.c_templates import read_template
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..model_directory import C_FOLDER, ModelDirectory
from .build import Build, runner
from .c_kernels import exported_source, layer_functions
from .c_layers import decode_layers, encode_forced
from .c_program import (
    TAP_FLAG,
    WARNINGS,
    Program,
    build_program,
    exported_sources,
    first_lines,
    run_probe,
    run_tool,
    tool_version,
    workspace,
    write_program,
)
from .c_uses import ask_uses
from .c_vectors import decode_trajectory, encode_vectors
from .use_lengths import HOST_LENGTHS
from .variants import compiled_files, refuse_argument
from .witness import Answer, Forced, Job, LayerAnswer, RunLength, UsesAnswer

COMPILER = "gcc"


@dataclass(frozen=True)
class Variant:
    """A way to compile."""

    name: str
    flags: Sequence[str]


SANITIZED = Variant("gcc -O1 sanitized", (*WARNINGS, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"))
VARIANTS: Sequence[Variant] = (Variant("gcc -O2", (*WARNINGS, "-O2")), SANITIZED)
PROBE_FLAGS: Sequence[str] = (*WARNINGS, "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all", TAP_FLAG)


class HostC:
    """Compiles what lies in the job's c/ folder, once a variant, and runs it."""

    name: ClassVar[str] = "c"
    default_argument: ClassVar[str] = ""
    is_board: ClassVar[bool] = False
    long_run: ClassVar[RunLength] = "far"

    def __init__(self, probe_flags: Sequence[str] = PROBE_FLAGS) -> None:
        self.probe_flags = probe_flags

    def folder(self, argument: str, directory: Path) -> str:  # noqa: ARG002
        """See CompilingWitness."""
        return C_FOLDER

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:
        """See Witness."""
        return compiled_files(directory, model, self.folder(argument, directory.path))

    def takes_decisions(self, variant: str) -> bool:  # noqa: ARG002
        """See Witness."""
        return True

    def check(self, argument: str) -> None:
        """See Witness."""
        refuse_argument(self.name, argument)
        find_compiler()

    def answers(self, job: Job) -> Iterator[Answer]:
        """One answer a variant. A sanitizer's report or a crash raises ParityError."""
        refuse_argument(self.name, job.argument)
        compiler = find_compiler(job.build.compiler)
        version = tool_version(compiler)
        data = encode_vectors(job)
        for variant in _variants(job.build):
            output = build_and_run(compiler, job.model, job.directory / C_FOLDER, variant.flags, data)
            with _cut_short():
                trajectory = decode_trajectory(job, output)
            yield Answer(variant.name, version, trajectory)

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:
        """See Witness. One answer, of the product's own build, or of the code under both sanitizers."""
        refuse_argument(self.name, job.argument)
        compiler, data, variant = find_compiler(job.build.compiler), encode_forced(job.model, forced), _variants(job.build)[-1]
        output = build_and_run(compiler, job.model, job.directory / C_FOLDER, (*variant.flags, TAP_FLAG), data, "layers")
        with _cut_short():
            answer = decode_layers(job.model, forced, output, variant.name, tool_version(compiler))
        yield answer

    def run_uses(self, job: Job) -> Iterator[UsesAnswer]:
        """See HeaderWitness. One answer, built as for run_layers."""
        compiler, variant = find_compiler(job.build.compiler), _variants(job.build)[-1]

        def run(flags: Sequence[str], data: bytes) -> bytes:
            return build_and_run(compiler, job.model, job.directory / C_FOLDER, (*variant.flags, *flags), data, "uses")

        with _cut_short():
            answer = ask_uses(job, variant.name, tool_version(compiler), run, HOST_LENGTHS)
        yield answer

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Every value, by the tap of a fresh export, under the undefined-behaviour sanitizer."""
        compiler = find_compiler()
        return run_probe(graph, inputs, lambda model, folder, data: build_and_run(compiler, model, folder, self.probe_flags, data))

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """See Witness."""
        return layer_functions(exported_source(job.model, job.directory / C_FOLDER), job.model.graphs[role])


@contextmanager
def _cut_short() -> Iterator[None]:
    """On this machine no device is at fault when a program writes more or less than it should: the C is another one."""
    try:
        yield
    except DeviceError as error:
        raise ParityError(f"the C on this machine: {error}") from error


def _variants(build: Build) -> Sequence[Variant]:
    """The product's own, or those that are asked for want of one. Warnings are errors in the latter alone."""
    return [Variant(build.variant(COMPILER), build.options)] if build else VARIANTS


def find_compiler(wanted: str = "") -> str:
    """Path of a compiler for this machine. Raises MissingToolError."""
    path = shutil.which(wanted or COMPILER)
    if path is None:
        raise MissingToolError(
            f"the witness c needs {wanted or COMPILER}, which is not installed: on Debian, apt-get install gcc libc6-dev"
        )
    return path


def build_and_run(
    compiler: str, model: IntegerModel, exported: Path, flags: Sequence[str], data: bytes, program: Program = "main"
) -> bytes:
    """What the program around exported C writes when it reads `data`. Raises ParityError for a crash, and what build_program raises."""
    with workspace() as folder:
        platform = write_program(folder, model, {"io.c": read_template("platforms/host/io.c")}, program)
        sources = [*exported_sources(exported.resolve(), model), *platform]
        build_program((compiler, "-std=c99", *flags, f"-I{exported.resolve()}"), folder, "program", sources)
        result = run_tool([*runner(folder / "program"), str(folder / "program")], folder, data)
    if result.returncode:
        raise ParityError(f"the generated C failed on this machine (status {result.returncode}): {first_lines(result.stderr)}")
    return result.stdout
