"""Every witness on every kind of model in every format: values compared and differing. Writes docs/witnesses.md.

    python benchmarks/witness_table.py --work DIRECTORY
    python benchmarks/witness_table.py --work DIRECTORY --witnesses tflite     again with numpy 2 and ai-edge-litert, for its rows

Models are trained for a few epochs: what counts here is their arithmetic, not their accuracy. The windows are JapaneseVowels' whole test
set, the images random ones.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rescomp import stages
from rescomp.errors import BudgetError, MissingToolError, UnsupportedError
from rescomp.model_directory import write_atomically
from rescomp.models import CELLS
from rescomp.recipe import load_recipe
from rescomp.targets.cores import CORES
from rescomp.validate.registry import load_witness

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
}
EPOCHS = ("train.epochs=2", "quantize.epochs=2", "train.learning_rate=0.005", "quantize.learning_rate=0.002")
IMAGES = (16, 16, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--witnesses", default=",".join(WITNESSES))
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    record = options.work / "results.json"
    results: dict[str, dict[str, list[int]]] = json.loads(record.read_text()) if record.exists() else {}
    for title, path in models(options.work):
        for witness, compared, differing in verified(path, options.witnesses.split(",")):
            results.setdefault(witness, {})[title] = [compared, differing]
        write_atomically(record, json.dumps(results, indent=1).encode())
    write_atomically(options.output, page(results).encode())
    print(f"wrote {options.output}")


def combinations() -> Iterator[tuple[str, str, str]]:
    """(title, model, format) of every row."""
    for model in MODELS:
        for name in FORMATS:
            if model not in CELLS or name not in STATELESS:
                yield f"{model} | {name}", model, name


def models(work: Path) -> Iterator[tuple[str, Path]]:
    """(title, model directory) of each combination; made where missing."""
    for title, model, name in combinations():
        path = work / f"{model}-{name}".replace(", ", "-").replace(" ", "_")
        if not (path / "report.json").exists():
            weights, overrides = FORMATS[name]
            source = [f"data.source={images(work)}"] if model.endswith("2d") else []
            recipe = load_recipe(overrides=[*MODELS[model], *EPOCHS, *source, *overrides], weights=weights)
            stages.train_model(recipe, path, force=True)
            stages.quantize(path)
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


def verified(path: Path, names: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """(witness with variant and version, values compared, values that differ) of every one of these witnesses that runs here."""
    for name in names:
        try:
            load_witness(name.partition(":")[0]).check(name.partition(":")[2])
            result = stages.verify(path, name)
        except (BudgetError, MissingToolError, UnsupportedError) as error:
            print(f"{path.name}: {name} does not run: {error}")
            continue
        for report in result.witnesses:
            print(f"{path.name}: {report.witness} {report.variant} {report.compared} {report.mismatches}", flush=True)
            yield f"{report.witness} | {report.variant} | {report.version}", report.compared, report.mismatches


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    titles = [title for title, _, _ in combinations()]
    witnesses = [
        f"| {witness} | {len(cells)} | {sum(c for c, _ in cells.values()):,} | {sum(d for _, d in cells.values()):,} |"
        for witness, cells in sorted(results.items())
    ]
    rows = []
    for title in titles:
        cells = [found[title] for found in results.values() if title in found]
        rows.append(f"| {title} | {len(cells)} | {sum(c for c, _ in cells):,} | {sum(d for _, d in cells):,} |")
    return PAGE.format(
        witnesses="\n".join(witnesses), rows="\n".join(rows), platform=f"{platform.machine()}, Python {platform.python_version()}"
    )


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

if __name__ == "__main__":
    main()
