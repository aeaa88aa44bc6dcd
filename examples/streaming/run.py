# SPDX-License-Identifier: 0BSD
"""Build the streaming example around a model, run it on an emulated core or this machine, and print its decisions.

python run.py MODEL_DIRECTORY [--core cortex-m0] [--sequences 8]

The stream is sequences of the model's own test set, one behind the other: nothing tells the model where one ends.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rescomp.errors import RescompError
from rescomp.export.c import translate
from rescomp.export.c_templates import read_template
from rescomp.graph.fixed_point import IntArray
from rescomp.graph.ir import IntegerModel
from rescomp.model_directory import ModelDirectory
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.golden_vectors import Vectors
from rescomp.targets.cores import find_core
from rescomp.validate.c_program import WARNINGS, exported_sources, workspace
from rescomp.validate.emulation import build_sources, export_folder, find_tool, run_firmware

HERE = Path(__file__).parent
SOURCES = ("main.c", "smoothing.c", "smoothing.h")


def record(vectors: Vectors, sequences: int) -> tuple[IntArray, IntArray]:
    """The samples of so many sequences, int16 [samples, *input shape], and the label of each; they are taken evenly from all."""
    chosen = np.unique(np.linspace(0, len(vectors.x) - 1, sequences).astype(int))
    samples = np.concatenate([vectors.x[i, : vectors.lengths[i]] for i in chosen])
    return samples, np.repeat(vectors.labels[chosen], vectors.lengths[chosen])


def model_header(model: IntegerModel) -> str:
    """model.h for this model: the names that it exports, under the names that the example uses."""
    source = translate(model)
    text = (HERE / "model.h").read_text(encoding="utf-8")
    types = {"reading": source.inputs[0].c_type, "score": source.scores.c_type}
    for name, c_type in types.items():
        text = text.replace(f"typedef int16_t model_{name};", f"typedef {c_type} model_{name};")
    own = "#define model_decide japanese_vowels_decide\n" if model.decides else ""
    if model.policy is not None:
        own += "#define model_has_read_nothing(state) ((state)->lost > JAPANESE_VOWELS_GAP)\n"
    text = text.replace("\n\ntypedef", f"\n{own}\ntypedef", 1)
    if model.policy is not None:
        text = text.replace("typedef japanese_vowels_state", "typedef japanese_vowels_stream")
        for function in ("init", "step", "scores", "decide"):
            text = text.replace(f"japanese_vowels_{function}\n", f"japanese_vowels_stream_{function}\n")
    return text.replace("JAPANESE_VOWELS", source.macro).replace("japanese_vowels", source.name)


def encode(model: IntegerModel, samples: IntArray) -> bytes:
    """The stream as main.c reads it."""
    stored = model.input.type.format.numpy_dtype.newbyteorder("<")
    return np.array([len(samples)], "<u4").tobytes() + samples.astype(stored).tobytes()


def run(directory: Path, model: IntegerModel, samples: IntArray, core: str | None = None, flags: Sequence[str] = ()) -> str:
    """The lines that the example prints, as text. core: a name of targets/cores.py; None for this machine."""
    data = encode(model, samples)
    with workspace() as folder:
        for name in SOURCES:
            shutil.copy(HERE / name, folder)
        (folder / "model.h").write_text(model_header(model), encoding="utf-8")
        own = [folder / name for name in SOURCES if name.endswith(".c")]
        if core is not None:
            target = find_core(core)
            exported = (directory / export_folder(target, directory)).resolve()
            sources = [*own, *exported_sources(exported, model)]
            (folder / "build").mkdir()
            elf = build_sources(target, sources, [f"-I{folder}", f"-I{exported}", *flags], folder / "build")
            return run_firmware(target, elf, data).decode("ascii")
        exported = (directory / "c").resolve()
        for name in ("io.h", "host/io.c"):
            (folder / Path(name).name).write_text(read_template(f"platforms/{name}"), encoding="utf-8")
        program = folder / "streaming"
        sources = [*own, folder / "io.c", *exported_sources(exported, model)]
        command = [find_tool("gcc"), "-std=c99", "-O2", *WARNINGS, f"-I{folder}", f"-I{exported}", *flags, "-o", str(program)]
        subprocess.run([*command, *map(str, sources)], check=True, timeout=120)
        return subprocess.run([program], input=data, capture_output=True, check=True, timeout=120).stdout.decode("ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the streaming example on a recorded stream.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--core", help="of `rescomp profile`; this machine unless one is named")
    parser.add_argument("--sequences", type=int, default=12)
    options = parser.parse_args()
    try:
        directory = ModelDirectory.open(options.directory)
        model = read_model(directory)
        if not model.is_recurrent:
            sys.exit(f"{model.name} keeps no state: train it with model.streaming = true, or a recurrent one")
        samples, labels = record(read_vectors(directory, model), options.sequences)
        text = run(options.directory, model, samples, options.core)
    except RescompError as error:
        sys.exit(str(error))
    print(text, end="")
    decisions = np.array([int(line.split()[1]) for line in text.splitlines()])
    print(f"{len(decisions)} samples, {(decisions == labels).mean():.1%} of the decisions are the label of their sample", file=sys.stderr)


if __name__ == "__main__":
    main()
