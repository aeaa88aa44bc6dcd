"""Every witness on every kind of model in every format: values compared and differing. Writes docs/witnesses.md.

    python benchmarks/witness_table.py --work DIRECTORY
    python benchmarks/witness_table.py --work DIRECTORY --witnesses tflite     again with numpy 2 and ai-edge-litert, for its rows
    python benchmarks/witness_table.py --work DIRECTORY --model "fastgrnn, deciding" --model "dscnn1d, streaming, deciding"

Models are trained for a few epochs: what counts here is their arithmetic, not their accuracy. The windows are JapaneseVowels' whole test
set, the images random ones. A section of the page of whose models none was run in DIRECTORY stays as it is.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rescomp import stages
from rescomp.errors import BudgetError, DeviceError, MissingToolError, UnsupportedError
from rescomp.graph.ops.decide import MEMORY
from rescomp.model_directory import ModelDirectory, write_atomically
from rescomp.models import CELLS
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.targets.cores import CORES
from rescomp.validate.registry import find_witness

OUTPUT = Path(__file__).parent.parent / "docs" / "witnesses.md"
EMULATED = tuple(f"{core.family.witness}:{core.name}" for core in CORES.values())
WITNESSES = ("onnxruntime", "tflite", "tflite-micro", "c", *EMULATED, "torch")
INT8 = ("compress.0.scale=power_of_two", "compress.0.activations=int8")
DENSE_ENDS = ("compress.0.first_and_last=dense",)
FORMATS: Mapping[str, tuple[str, Sequence[str]]] = {
    "int8": ("int8", ()),
    "int8, powers of two": ("int8", ("compress.0.scale=power_of_two",)),
    "int4": ("int4", ()),
    "ternary": ("ternary", ()),
    "ternary, powers of two": ("ternary", ("compress.0.scale=power_of_two",)),
    "6-bit beside int8": ("int6", INT8),
    "int4 beside int8": ("int4", INT8),
    "ternary beside int8": ("ternary", INT8),
    "ternary, dense ends": ("ternary", DENSE_ENDS),
    "ternary beside int8, dense ends": ("ternary", (*INT8, *DENSE_ENDS)),
}
STATELESS = [name for name in FORMATS if "beside" in name or "ends" in name]
"""Formats that recurrent cells do not have."""
DECISION = ("decide.margin=0.25", "decide.hold=2", "decide.refractory=3", "decide.thresholds=0.1")
DECIDING: Mapping[str, tuple[Sequence[str], Collection[str]]] = {
    "fastgrnn, deciding": (("model.kind=fastgrnn", "model.hidden_size=16", *DECISION), ("int8", "int4", "ternary")),
    "dscnn1d, streaming, deciding": (
        ("model.kind=dscnn1d", "model.widths=[24]", "model.streaming=true", *DECISION),
        ("int8",),
    ),
}
"""Models that decide, and their formats; they run a stream of STREAM_STEPS too."""
STREAM_STEPS = 1000
MGU: Mapping[str, tuple[Sequence[str], Collection[str]]] = {
    "mgu": (("model.kind=mgu", "model.hidden_size=16"), [name for name in FORMATS if name not in STATELESS])
}
"""The cell that came last."""
_BLOCKS = ("model.readout_steps=8", "model.hidden_size=16")
READOUTS: Mapping[str, tuple[Sequence[str], Collection[str]]] = {
    "gru, last and mean": (("model.kind=gru", "model.readout=last_mean", *_BLOCKS), ("int8", "ternary, powers of two")),
    "fastgrnn, mean": (("model.kind=fastgrnn", "model.readout=mean", *_BLOCKS), ("int8",)),
    "fastgrnn, maximum": (("model.kind=fastgrnn", "model.readout=max", *_BLOCKS), ("int8", "ternary, powers of two")),
    "gru, every step": (("model.kind=gru", "model.readout=every", "model.hidden_size=16"), ("int8",)),
}
"""Models whose classifier reads blocks of steps, or learns at each, and their formats."""
_CRNN = '{kind="convolution",width=16,kernel_size=5,stride=2},{kind="gru",hidden_size=16},{kind="dense",width=12}'
STAGED: Mapping[str, tuple[Sequence[str], Collection[str]]] = {
    "convolution, gru, dense": ((f"model.stages=[{_CRNN}]",), ("int8", "int4", "ternary")),
    "fastgrnn, gru, lstm": (
        ("model.stages=[{kind='fastgrnn'},{kind='gru'},{kind='lstm'}]", "model.hidden_size=12"),
        ("int8", "ternary"),
    ),
    "three gru": (("model.kind=gru", "model.layers=3", "model.hidden_size=12"), ("int8", "ternary")),
}
"""Nets of several parts, and their formats."""
SPECIAL = {**DECIDING, **MGU, **READOUTS, **STAGED}
"""Models that have a section of the page of their own."""
MODELS: Mapping[str, Sequence[str]] = {
    **{kind: (f"model.kind={kind}", "model.hidden_size=16") for kind in CELLS},
    "resnet1d": ("model.kind=resnet1d",),
    "resnet1d, no norm": ("model.kind=resnet1d", "model.norm=none"),
    "resnet1d, streaming": ("model.kind=resnet1d", "model.streaming=true"),
    "dscnn1d": ("model.kind=dscnn1d", "model.widths=[24]"),
    "score1d": ("model.kind=score1d", "model.widths=[16]"),
    "hourglass": ("model.kind=hourglass", "model.widths=[64,16]"),
    "hourglass, fixed projection": ("model.kind=hourglass", "model.widths=[64,16]", "model.fixed_projection=true"),
    "resnet2d": ("model.kind=resnet2d", "model.widths=[8,12,16]"),
    "dscnn2d": ("model.kind=dscnn2d", "model.widths=[16]"),
    "score2d": ("model.kind=score2d", "model.widths=[16]"),
    **{name: overrides for name, (overrides, _) in SPECIAL.items()},
}
EPOCHS = ("train.epochs=2", "quantize.epochs=2", "train.learning_rate=0.005", "quantize.learning_rate=0.002")
IMAGES = (16, 16, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--witnesses", default=",".join(WITNESSES))
    parser.add_argument("--model", action="append", choices=MODELS, metavar="NAME", help="run these alone")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    record = options.work / "results.json"
    results: dict[str, dict[str, list[int]]] = json.loads(record.read_text()) if record.exists() else {}
    for title, path in models(options.work, options.model or tuple(MODELS)):
        for witness, counts in verified(path, options.witnesses.split(","), deciding=title.partition(" | ")[0] in DECIDING):
            results.setdefault(witness, {})[title] = counts
            write_atomically(record, json.dumps(results, indent=1).encode())
    write_atomically(options.output, page(results, options.output.read_text() if options.output.exists() else "").encode())
    print(f"wrote {options.output}")


def combinations() -> Iterator[tuple[str, str, str]]:
    """(title, model, format) of every row."""
    for model in MODELS:
        for name in formats(model):
            yield f"{model} | {name}", model, name


def formats(model: str) -> Collection[str]:
    """Those of a model's rows."""
    if model in SPECIAL:
        return SPECIAL[model][1]
    return [name for name in FORMATS if name not in STATELESS] if model in CELLS else FORMATS


def models(work: Path, wanted: Collection[str]) -> Iterator[tuple[str, Path]]:
    """(title, model directory) of each combination of these models; made where missing."""
    for title, model, name in combinations():
        if model not in wanted:
            continue
        path = work / f"{model}-{name}".replace(", ", "-").replace(" ", "_")
        if not (path / "report.json").exists():
            weights, overrides = FORMATS[name]
            source = [f"data.source={images(work)}"] if model.endswith("2d") else []
            recipe = load_recipe(overrides=[*MODELS[model], *EPOCHS, *source, *overrides], weights=weights)
            stages.train_model(recipe, path, force=True)
            stages.quantize(path)
            stages.export_model(path)
            stages.export_model(path, cores=list(CORES))
        yield title, path


def images(work: Path) -> Path:
    """Random ones of four classes."""
    path = work / "images.npz"
    if not path.exists():
        rng = np.random.default_rng(0)
        arrays = {f"x_{split}": rng.integers(0, 256, (count, *IMAGES), dtype=np.uint8) for split, count in (("train", 200), ("test", 100))}
        np.savez(path, **arrays, y_train=np.arange(200) % 4, y_test=np.arange(100) % 4)
    return path


def verified(path: Path, names: Sequence[str], *, deciding: bool) -> Iterator[tuple[str, list[int]]]:
    """(witness with variant and version; values compared, those that differ, and how many are of decisions) of every one that runs here."""
    for name in names:
        try:
            witness, argument = find_witness(name)
            witness.check(argument)
            result = stages.verify(path, name, stress="off", stream_steps=STREAM_STEPS if deciding else None)
        except (BudgetError, MissingToolError, UnsupportedError) as error:
            print(f"{path.name}: {name} does not run: {error}")
            continue
        except DeviceError as error:
            if "the stack ran into" not in str(error):
                raise
            print(f"{path.name}: {name} has no room for the stack: {error}")
            continue
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for entry in (each for each in result.witnesses if each.on_vectors):
            print(f"{path.name}: {entry.witness} {entry.variant} {entry.set} {entry.compared} {entry.mismatches}", flush=True)
            takes = deciding and find_witness(entry.witness)[0].takes_decisions(entry.variant)
            decided = of_decisions(path, entry.steps) if takes else 0
            row = counts[f"{entry.witness} | {entry.variant} | {entry.version}"]
            row[:] = [sum(pair) for pair in zip(row, (entry.compared, entry.mismatches, decided), strict=True)]
        yield from counts.items()


def of_decisions(path: Path, steps: int | None) -> int:
    """Decisions and the entries that they keep, after so many steps, or those of the test recordings."""
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    return int(steps or read_vectors(directory, model).lengths.sum()) * (model.output.type.size + MEMORY + 1)


def page(results: Mapping[str, Mapping[str, Any]], before: str) -> str:
    """The page. before: as it stands."""
    where = f"{platform.machine()}, Python {platform.python_version()}"
    kept, parts = before, []
    for heading, (models, text) in reversed(tuple(SECTIONS.items())):
        kept, found, section = kept.partition(heading) if heading else ("", "", kept)
        rows = tables(results, [title for title, model, _ in combinations() if model in models], decisions=models == set(DECIDING))
        parts.append(heading + text.format(**rows, platform=where) if rows["witnesses"] else found + section)
    return "".join(reversed(parts))


def tables(results: Mapping[str, Mapping[str, Any]], titles: Sequence[str], *, decisions: bool) -> dict[str, str]:
    """The rows of both tables for these models. decisions: with the values that are of decisions."""
    shown = (0, 2, 1) if decisions else (0, 1)

    def row(title: str, cells: Sequence[Sequence[int]]) -> str:
        return f"| {title} | {len(cells)} | {' | '.join(f'{sum(cell[i] for cell in cells):,}' for i in shown)} |"

    by_witness = {witness: [cells[title] for title in titles if title in cells] for witness, cells in sorted(results.items())}
    by_model = {title: [cells[title] for cells in results.values() if title in cells] for title in titles}
    return {
        name: "\n".join(row(title, cells) for title, cells in table.items() if cells)
        for name, table in (("witnesses", by_witness), ("rows", by_model))
    }


PAGE = """# Who computed what, and how often it differed

Every value that a model gives out, states and scores, on JapaneseVowels' 370 test recordings (100 random images for the 2-D nets), from
each witness, compared with numpy. The models were trained for two epochs each: what counts here is their arithmetic. Emulated cores run
the C exported for them, with their own kernels, and only the models that fit their flash and RAM.

| witness | variant | version | models | values compared | differ |
|---|---|---|---|---|---|
{witnesses}

| model | weights | witnesses | values compared | differ |
|---|---|---|---|---|
{rows}

`beside int8`: with int8 activations; the others have int16 activations. `dense ends`: the first and the last layer are dense integers.
Documented exceptions: onnxruntime with its default options on x86 processors without VNNI, see [contract.md](contract.md), int8
activations; the witness sets the option that cures it.

Made by `python benchmarks/witness_table.py --work DIRECTORY` with tflite-runtime and numpy 1, and with `--witnesses tflite` once more with
ai-edge-litert and numpy 2, on {platform}.
"""

DECIDING_PAGE = f"""
Of models with a decision behind their scores every state and score, and after every step the decision and what it keeps (an average of each
class, a memory of four numbers), on the same recordings and on a stream of {STREAM_STEPS:,} steps whose state is never reset. TFLite,
tflite-micro, the torch net and model_sequence.onnx take no decisions ([proof.md](proof.md)): of them states and scores are compared.

| witness | variant | version | models | values compared | of decisions | differ |
|---|---|---|---|---|---|---|
{{witnesses}}

| model | weights | witnesses | values compared | of decisions | differ |
|---|---|---|---|---|---|
{{rows}}

Made by `python benchmarks/witness_table.py --work DIRECTORY {" ".join(f'--model "{name}"' for name in DECIDING)}` on {{platform}}.
"""


def _section(what: str, models: Mapping[str, Any]) -> str:
    """The text of a section without decisions."""
    return f"""
{what}

| witness | variant | version | models | values compared | differ |
|---|---|---|---|---|---|
{{witnesses}}

| model | weights | witnesses | values compared | differ |
|---|---|---|---|---|
{{rows}}

Made by `python benchmarks/witness_table.py --work DIRECTORY {" ".join(f'--model "{name}"' for name in models)}` on {{platform}}.
"""


SECTIONS: Mapping[str, tuple[Collection[str], str]] = {
    "": (set(MODELS) - set(SPECIAL), PAGE),
    "\n## Models that decide\n": (set(DECIDING), DECIDING_PAGE),
    "\n## A minimal gated unit\n": (set(MGU), _section("The same of a cell that came later, on the same recordings.", MGU)),
    "\n## What the classifier reads\n": (
        set(READOUTS),
        _section(
            "The mean and the maximum of blocks of eight steps, and a net that learns at every step, on the same recordings.", READOUTS
        ),
    ),
    "\n## Models of several parts\n": (
        set(STAGED),
        _section("Layers before and behind a cell, and three cells, on the same recordings.", STAGED),
    ),
}
"""Of the page: the heading, which models it is of, and its text."""

if __name__ == "__main__":
    main()
