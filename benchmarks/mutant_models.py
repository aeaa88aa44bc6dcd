"""The five models whose exports are mutated: small, trained for an epoch, seeded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rescomp.model_directory import TFLITE

ALONE = ("--set", "train.carry=0", "--set", "train.loss_share=0")
"""Recurrent nets as they were trained when the lists of mutants were drawn."""
MODELS: Mapping[str, Sequence[str]] = {
    "fastgrnn-ternary": ("--model", "fastgrnn", "--weights", "ternary", "--set", "model.hidden_size=18", *ALONE),
    "fastgrnn-int4": (
        *("--model", "fastgrnn", "--weights", "int4", "--set", "model.hidden_size=11"),
        *("--set", "model.nonlinearity=piecewise_linear"),
        *ALONE,
    ),
    "gru": ("--model", "gru", "--weights", "int8", "--set", "model.hidden_size=8", *ALONE),
    "resnet": ("--model", "resnet1d", "--weights", "int8", "--set", "model.widths=[4,6]", "--set", "model.blocks=1"),
    "dscnn-streaming": (
        *("--model", "dscnn1d", "--weights", "int6", "--set", "compress.0.scale=power_of_two"),
        *("--set", "compress.0.activations=int8", "--set", "model.streaming=true"),
        *("--set", "model.widths=[8,12]", "--set", "model.blocks=1"),
    ),
}
"""Arguments of `rescomp train`. Rows and columns that fill no block of eight and four, tables and straight lines, state and none."""
EPOCHS = ("--set", "train.epochs=1", "--set", "quantize.epochs=1")


def make_model(work: Path, name: str, cores: Sequence[str]) -> None:
    """The model directory work/<name>, with its exports for every core, unless it is there."""
    path = work / name
    if not (path / f"c-{cores[-1]}").exists():
        work.mkdir(parents=True, exist_ok=True)
        train_model(path, MODELS[name])
        run_rescomp("export", str(path), "--core", ",".join(cores))
    if not (path / TFLITE).exists():
        run_rescomp("export", str(path))


def train_model(path: Path, arguments: Sequence[str]) -> None:
    """Train with these arguments of `rescomp train` for an epoch, and quantize."""
    run_rescomp("train", *arguments, *EPOCHS, "-o", str(path), "--force")
    run_rescomp("quantize", str(path))


def run_rescomp(*words: str) -> None:
    """In a process of its own, so that this one needs no torch and can fork."""
    subprocess.run([sys.executable, "-m", "rescomp", *words], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=600)
