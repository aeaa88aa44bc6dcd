"""The models whose exports are mutated: small, trained for an epoch, seeded; two of them on made sounds and readings of a worn device."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

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
SENSED: Mapping[str, Sequence[str]] = {
    "log-mel": (
        *("--model", "gru", "--weights", "int8", "--set", "model.hidden_size=4", *ALONE),
        *("--set", "frontend.kind=log_mel", "--set", "frontend.length=200", "--set", "frontend.hop=160", "--set", "frontend.bands=6"),
        *("--set", "model.readings=2", "--set", "stream.gap=2", "--set", "stream.window=6", "--set", "decide.smoothing=1"),
    ),
    "align": (
        *("--model", "fastgrnn", "--weights", "int8", "--set", "model.hidden_size=6", *ALONE),
        *("--set", "frontend.kind=align", "--set", "frontend.calibration=walking", "--set", "frontend.calibration_readings=24"),
        *("--set", "frontend.axes=4,5,6,0,1,2", "--set", "model.readings=2"),
    ),
}
"""The same of models that read a sensor's own samples, with a policy, or turn its readings; their data are made. A step reads two frames
or readings.
"""
EPOCHS = ("--set", "train.epochs=1", "--set", "quantize.epochs=1")


def make_model(work: Path, name: str, cores: Sequence[str]) -> None:
    """The model directory work/<name>, with its exports for every core, unless it is there."""
    path = work / name
    if not (path / f"c-{cores[-1]}").exists():
        work.mkdir(parents=True, exist_ok=True)
        train_model(path, MODELS[name] if name in MODELS else (*SENSED[name], "--set", f"data.source={write_data(work, name)}"))
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


def write_data(work: Path, name: str) -> Path:
    """The recordings of a model of SENSED, of three classes, as .npz."""
    arrays = {key: array for part, count in (("train", 24), ("test", 12)) for key, array in _DATA[name](part, count)}
    path = work / f"{name}.npz"
    np.savez(path, **arrays)
    return path


def _tones(part: str, count: int) -> Sequence[tuple[str, np.ndarray]]:
    """Low ones, high ones, noise."""
    rng, y, t = np.random.default_rng(len(part)), np.arange(count) % 3, np.arange(1700)[:, None] / 8000
    pitch = np.array([300, 1400, 0])[y] * rng.uniform(0.9, 1.1, count)
    x = np.sin(2 * np.pi * pitch[:, None, None] * t) * 6000 + rng.normal(size=(count, 1700, 1)) * 300
    return (f"x_{part}", np.round(x).astype(np.int16)), (f"y_{part}", y), ("sample_rate", np.array(8000))


def _worn(part: str, count: int) -> Sequence[tuple[str, np.ndarray]]:
    """Who walks, sits and stands differs by where down is; six wear the device in the training, three in the test."""
    rng, y, down = np.random.default_rng(len(part)), np.arange(5 * count) % 3, np.array([[0, -1, 0], [0.5, -0.85, 0], [-0.5, -0.85, 0]])
    shape = (5 * count, 12, 3)
    x = np.concatenate([rng.normal(size=shape), rng.normal(size=(*shape[:2], 1)), down[y][:, None] + rng.normal(size=shape) * 0.1], axis=2)
    classes = ("classes", np.array(["walking", "sitting", "standing"]))
    return (f"x_{part}", x.astype(np.float32)), (f"y_{part}", y), (f"group_{part}", np.arange(5 * count) // 20), classes


_DATA: Mapping[str, Callable[[str, int], Sequence[tuple[str, np.ndarray]]]] = {"log-mel": _tones, "align": _worn}
