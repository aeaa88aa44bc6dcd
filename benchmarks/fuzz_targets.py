"""What fuzz.py mutates, and the commands that read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fuzz_archives import mutate_image, mutate_npz, mutate_safetensors
from fuzz_bases import SMALL, SOUND_KEYS
from fuzz_mutations import Mutation, mutate_json, mutate_text, mutate_toml
from fuzz_networks import mutate_onnx, mutate_tflite

Command = Sequence[str]
"""Arguments; {d} is the mutated directory, {o} a directory that does not exist yet."""


@dataclass(frozen=True)
class Target:
    """Files that are mutated, and the commands of which one then reads them. base: the directory that holds them."""

    base: str
    pattern: str
    mutate: Mutation
    commands: Sequence[Command]
    weight: float = 1.0


def witness(name: str, stress: str = "off") -> Command:
    return ("verify", "{d}", "--json", "--against", name, "--stress", stress)


def training(*arguments: str) -> Command:
    return ("train", "-o", "{o}", *(word for key in SMALL for word in ("--set", key)), "--set", "train.epochs=0", *arguments)


INSPECT, CHECK = ("inspect", "{d}", "--json"), ("check", "{d}", "--json")
EVALUATE = ("evaluate", "{d}", "--json", "--perturb")
NEW = tuple(
    command
    for name, more in (("new.npz", ()), ("new.csv", ("--set", "data.split=time", "--set", "data.window=2")))
    for command in (
        ("evaluate", "{d}/m", "--data", f"{{d}}/{name}", "--stream", "--rate", "50", "--background", "up"),
        ("predict", "{d}/m", "--data", f"{{d}}/{name}", "-o", "{o}.csv", "--stream"),
        ("train", "--from", "{d}/m", "--data", f"{{d}}/{name}", "-o", "{o}", "--set", "train.epochs=0", *more),
    )
)
EXPORT_C, EXPORT_ALL = ("export", "{d}", "--format", "c"), ("export", "{d}", "--format", "onnx,tflite")
PACKAGES = tuple(("export", "{d}", "--format", name) for name in ("arduino", "zephyr", "esp-idf", "platformio"))
QUANTIZE, RESUME = ("quantize", "{d}", "--set", "quantize.epochs=0"), ("train", "--resume", "-o", "{d}")
FLASH = ("flash", "{d}", "--board", "arduino-uno", "--dry-run")
ONNX, LAYERS = witness("onnxruntime:{v}"), witness("onnxruntime:{v}", "quick")
TFLITE, TFLITE_LAYERS = witness("tflite:default"), witness("tflite:reference", "quick")
TORCH, MICRO, C = witness("torch"), witness("tflite-micro"), witness("c")
ANY = (INSPECT, CHECK, EVALUATE, EXPORT_C, EXPORT_ALL, *PACKAGES, QUANTIZE, ONNX, TORCH, FLASH)
SOUND = tuple(word for key in SOUND_KEYS for word in ("--set", key))
LOG = ("--set", "data.split=time", "--set", "data.window=8")
MODELS = ("recurrent", "staged", "sound", "whole", "hourglass")
CHECKS = tuple(
    ("check", "{d}/m", "--json", "--limits", f"{{d}}/{limits}", *more)
    for limits, more in (
        ("limits.toml", ("--baseline", "{d}/baseline.json", "--profile", "{d}/profile.json")),
        ("growth.toml", ("--baseline", "{d}/baseline.json")),
        ("core.toml", ("--profile", "{d}/profile.json")),
    )
)


def targets() -> list[Target]:
    """Weights tell how often each is drawn."""
    return [each for base in MODELS for each in _of_a_model(base)] + _of_one_kind() + _of_inputs()


def _of_a_model(base: str) -> list[Target]:
    return [
        Target(base, "manifest.json", mutate_json, ANY, 2),
        Target(base, "graph.json", mutate_json, (INSPECT, EXPORT_C, EXPORT_ALL, *PACKAGES, ONNX), 6),
        Target(base, "weights.npz", mutate_npz, (INSPECT, EXPORT_C, EXPORT_ALL, ONNX), 4),
        Target(base, "vectors/test.npz", mutate_npz, (ONNX, *PACKAGES, TORCH, EVALUATE), 4),
        Target(base, "recipe.toml", mutate_toml, (QUANTIZE, TORCH, INSPECT, EVALUATE), 2),
        Target(base, "report.json", mutate_json, (CHECK, FLASH, PACKAGES[0], EVALUATE), 2),
        Target(base, "SHA256SUMS", mutate_text, ANY),
        Target(base, "metrics.jsonl", mutate_text, (QUANTIZE, INSPECT)),
        Target(base, "float.safetensors", mutate_safetensors, (QUANTIZE,), 2),
        Target(base, "quantized.safetensors", mutate_safetensors, (TORCH,), 2),
        Target(base, "model*.onnx", mutate_onnx, (ONNX, ONNX, ONNX, LAYERS, CHECK), 6),
        Target(base, "model.tflite", mutate_tflite, (TFLITE, TFLITE, MICRO, TFLITE_LAYERS, CHECK), 4),
        Target(base, "c/**/*.[ch]", mutate_text, (CHECK, CHECK, CHECK, FLASH, C), 1),
    ]


def _of_one_kind() -> list[Target]:
    return [
        Target("whole", "net.json", mutate_json, (QUANTIZE, TORCH), 2),
        Target("staged", "net.json", mutate_json, (QUANTIZE, TORCH, INSPECT), 4),
        Target("own", "*.json", mutate_json, (QUANTIZE, TORCH, INSPECT), 2),
        Target("interrupted", "checkpoint.safetensors", mutate_safetensors, (RESUME,), 3),
        Target("interrupted", "metrics.jsonl", mutate_text, (RESUME,), 2),
        Target("interrupted", "manifest.json", mutate_json, (RESUME,)),
        Target("interrupted", "recipe.toml", mutate_toml, (RESUME,)),
        Target("checks", "limits.toml", mutate_toml, CHECKS[:1], 3),
        Target("checks", "growth.toml", mutate_toml, CHECKS[1:2], 1),
        Target("checks", "baseline.json", mutate_json, CHECKS[:2], 2),
        Target("checks", "profile.json", mutate_json, CHECKS[2:], 2),
        Target("checks", "new.npz", mutate_npz, NEW[:3], 4),
        Target("checks", "new.csv", mutate_text, NEW[3:], 4),
        Target("checks", "board.toml", mutate_toml, (("flash", "{d}/m", "--board-file", "{d}/board.toml", "--dry-run"),), 2),
    ]


def _of_inputs() -> list[Target]:
    recipe = ("train", "-o", "{o}", "--recipe", "{d}/recipe.toml", "--set", "train.epochs=0")
    sound = ("train", "-o", "{o}", "--recipe", "{d}/sound.toml", "--data", "{d}/sound.npz", "--set", "train.epochs=0")
    return [
        Target("inputs", "set.npz", mutate_npz, (training("--data", "{d}/set.npz"),), 6),
        Target(
            "inputs",
            "log.csv",
            mutate_text,
            (training("--data", "{d}/log.csv", "--set", "data.split=time", "--set", "data.window=8"),),
            4,
        ),
        Target("inputs", "logs/*/*.csv", mutate_text, (training("--data", "{d}/logs", "--set", "data.window=8"),), 4),
        Target("inputs", "*.ts", mutate_text, (training("--data", "{d}/a.ts,{d}/b.ts"),), 4),
        Target("inputs", "images/*/*", mutate_image, (training("--data", "{d}/images", "--model", "dscnn2d"),), 4),
        Target("inputs", "sound.npz", mutate_npz, (training("--data", "{d}/sound.npz", *SOUND),), 4),
        Target("inputs", "recipe.toml", mutate_toml, (recipe,), 6),
        Target("inputs", "sound.toml", mutate_toml, (sound,), 6),
        Target("inputs", "board.toml", mutate_toml, (("boards", "--board-file", "{d}/board.toml"),), 3),
    ]
