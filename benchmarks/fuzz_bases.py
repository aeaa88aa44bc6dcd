"""The undamaged files that fuzz.py mutates: model directories by the commands themselves, and every kind of input."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

WITH_STATE = ("recurrent", "staged", "sound")
"""Bases of models with state."""
SMALL = ("train.epochs=2", "quantize.epochs=0", "train.threads=1", "train.validation_fraction=0.2", "train.patience=2")

OWN_NET = """
import torch


def net(shape, classes):
    layers = torch.nn.Linear(shape[0] * shape[1], 12), torch.nn.ReLU(), torch.nn.Linear(12, classes)
    return torch.nn.Sequential(torch.nn.Flatten(), *layers)
"""
RECIPE = """
[data]
source = "japanese_vowels"
[model]
kind = "fastgrnn"
hidden_size = 8
name = "m"
[train]
epochs = 1
batch_size = 18
[[compress]]
kind = "sparse"
density = 0.5
[[compress]]
kind = "quantize"
bits = 4
[quantize]
epochs = 1
vectors = 4
[decide]
smoothing = 2
margin = 0.5
thresholds = 0.1
refractory = 3
false_alarms = 60.0
rate = 50.0
[stream]
gap = 2
rail = 3
window = 16
"""
SOUND_KEYS = ("frontend.length=64", "frontend.hop=40", "frontend.bands=4")
SOUND_RECIPE = """
[data]
source = "sound.npz"
[frontend]
kind = "mfcc"
length = 64
hop = 40
bands = 4
coefficients = 3
[model]
name = "m"
readout = "last_mean"
readout_steps = 3
[[model.stages]]
kind = "depthwise"
kernel_size = 2
[[model.stages]]
kind = "mgu"
hidden_size = 4
[[model.stages]]
kind = "dense"
width = 3
[train]
epochs = 1
batch_size = 8
[[compress]]
kind = "quantize"
bits = 4
[quantize]
epochs = 1
"""
STAGES = "[{kind='convolution',width=4,norm='none'},{kind='gru'},{kind='depthwise'},{kind='lstm'},{kind='dense',width=4}]"
BOARD = """
title = "Mine"
core = "cortex-m4"
clock_hz = 16000000
[memory]
flash_bytes = 100000
ram_bytes = 30000
[console]
baud = 9600
sources = ["./uart.c"]
usb = ["2341:0043"]
[[flash]]
method = "pyocd"
target = "x"
[[flash]]
method = "uf2"
label = "X"
family = 1
"""
LIMITS = {
    "growth": '[growth]\nram_bytes = 9\n[parity]\nwitnesses = ["tflite"]\n',
    "core": "[limits.cortex-m4]\nflash_bytes = 90000\n",
}
LIMITS["limits"] = "[limits]\nconst_bytes = 9000\n" + LIMITS["core"] + LIMITS["growth"] + "[evaluation]\nstreamed = 0.0\nnoise = 0.0\n"


def make_bases(work: Path) -> None:
    """The undamaged directories, by the commands themselves."""
    from rescomp import stages
    from rescomp.recipe import load_recipe

    set_up_inputs(work / "inputs")
    data = f"data.source={work}/inputs/set.npz"
    sound = (f"data.source={work}/inputs/sound.npz", *SOUND_KEYS)
    kinds = {
        "recurrent": ("model.hidden_size=8", "model.layers=2"),
        "staged": (f"model.stages={STAGES}", "model.hidden_size=4", "model.readout=last_mean", "model.readout_steps=3", "decide=true"),
        "sound": (*sound, "model.kind=gru", "model.hidden_size=4"),
        "whole": ("model.kind=dscnn1d", "model.widths=[8,8]"),
        "hourglass": ("model.kind=hourglass", "model.widths=[16,8]", "model.fixed_projection=true"),
    }
    for name, keys in kinds.items():
        stages.train_model(load_recipe(None, [data, *SMALL, *keys]), work / name)
        stages.quantize(work / name)
        stages.export_model(work / name)
        stages.verify(work / name, "onnxruntime,tflite")
        stages.evaluate(work / name, stream=name in WITH_STATE, perturb=True)
    make_own(work, data)
    interrupt(work / "interrupted", load_recipe(None, [data, *SMALL, "model.hidden_size=8", "train.epochs=3"]))
    checks = work / "checks"
    shutil.copytree(work / "recurrent", checks / "m")
    for name, text in LIMITS.items():
        (checks / f"{name}.toml").write_text(text)
    (checks / "baseline.json").write_text(json.dumps(stages.check(checks / "m").as_json(), indent=1))
    core = {
        "core": "cortex-m4",
        "flash": {"code": 1, "weights": 2, "tables": 3},
        "ram": {"state": 1, "arena": 2, "scratch": 3},
        "stack": 9,
        "count": 9,
    }
    digest = json.loads((checks / "m" / "manifest.json").read_bytes())["graph_sha256"]
    (checks / "profile.json").write_text(json.dumps({"schema": 1, "graph_sha256": digest, "cores": [core]}))
    set_up_new_data(checks)
    for name in ("board.toml", "uart.c"):
        shutil.copy(work / "inputs" / name, checks)


def set_up_new_data(folder: Path) -> None:
    """For the model of three channels and classes."""
    rng, names = np.random.default_rng(1), ("left", "right", "up")
    x = rng.normal(size=(4, 30, 3)).astype(np.float32)
    labels = np.array(names)[np.arange(30) // 10]
    arrays = {f"x_{split}": x[:, :8] for split in ("train", "test")} | {
        f"y_{split}": np.array(names)[[0, 1, 2, 0]] for split in ("train", "test")
    }
    arrays |= {f"lengths_{split}": np.array([8, 3, 8, 1]) for split in ("train", "test")}
    streams = {
        "x_stream": x,
        "y_stream": np.tile(labels, (4, 1)),
        "lengths_stream": np.array([30, 20, 30, 1]),
        "group_stream": np.arange(4),
    }
    np.savez(folder / "new.npz", **arrays, **streams, classes=np.array(names))
    rows = [f"{t},{labels[t]},{','.join(f'{v:.3f}' for v in x[0, t])}" for t in range(30)]
    (folder / "new.csv").write_text("\n".join(["time,label,ax,ay,az", *rows]) + "\n")


def make_own(work: Path, data: str) -> None:
    """A net of a user's own function, whose directory holds cells.json or net.json."""
    from rescomp import stages
    from rescomp.recipe import load_recipe

    (work / "fuzz_own.py").write_text(OWN_NET)
    sys.path.insert(0, str(work))
    stages.train_model(load_recipe(None, [data, *SMALL, "model.kind=fuzz_own:net", "train.epochs=0"]), work / "own")
    stages.quantize(work / "own")
    stages.export_model(work / "own")


def interrupt(path: Path, recipe: Any) -> None:
    """A training that was interrupted after its first epoch."""
    from rescomp import stages
    from rescomp.stages.listener import Silent

    class Interrupting(Silent):
        def epoch(self, _report: Any) -> None:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        stages.train_model(recipe, path, listener=Interrupting())


def set_up_inputs(folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    folder.mkdir()
    y = np.arange(24) % 3
    x = (rng.normal(size=(24, 8, 3)) * 0.3 + np.eye(3)[y][:, None]).astype(np.float32)
    arrays = {
        "x_train": x,
        "y_train": y,
        "x_test": x[:9],
        "y_test": y[:9],
        "lengths_train": rng.integers(1, 9, 24),
        "lengths_test": rng.integers(1, 9, 9),
    }
    np.savez(folder / "set.npz", **arrays, classes=np.array(["left", "right", "up"]), group_train=np.arange(24) // 6)
    rows = [f"{t / 50:.3f},{'abc'[t // 40 % 3]},{t // 120},{','.join(f'{v:.4f}' for v in rng.normal(size=2))}" for t in range(240)]
    (folder / "log.csv").write_text("\n".join(["time,label,group,ax,ay", *rows]) + "\n")
    for label in ("go", "stop"):
        (folder / "logs" / label).mkdir(parents=True)
        (folder / "images" / label).mkdir(parents=True)
        for k in range(5):
            lines = [",".join(f"{v:.3f}" for v in row) for row in rng.normal(size=(24, 2))]
            (folder / "logs" / label / f"{k}.csv").write_text("\n".join(["ax,ay", *lines]) + "\n")
            suffix = ("png", "png", "bmp", "jpg", "ppm")[k]
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / "images" / label / f"{k}.{suffix}")
    for name in "ab":
        series = [":".join(",".join(f"{v:.3f}" for v in rng.normal(size=6)) for _ in range(2)) + f":{k % 2}" for k in range(8)]
        (folder / f"{name}.ts").write_text(
            "\n".join(["@problemName fuzz", "@timeStamps false", "@classLabel true 0 1", "@data", *series]) + "\n"
        )
    set_up_sound(folder, rng)
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "board.toml").write_text(BOARD)
    (folder / "uart.c").write_text("/* nothing that is compiled */\n")


def set_up_sound(folder: Path, rng: np.random.Generator) -> None:
    """Noise of three levels at 8 kHz, and a recipe for it."""
    y, lengths = np.arange(12) % 3, 400 - 20 * np.arange(12)
    x = np.rint(rng.normal(size=(12, 400, 1)) * 5000).astype(np.int16) >> (y * 3)[:, None, None]
    arrays = {"x_train": x, "y_train": y, "lengths_train": lengths, "x_test": x[:6], "y_test": y[:6], "lengths_test": lengths[:6]}
    np.savez(folder / "sound.npz", **arrays, sample_rate=8000, classes=np.array(["left", "right", "up"]))
    (folder / "sound.toml").write_text(SOUND_RECIPE)
