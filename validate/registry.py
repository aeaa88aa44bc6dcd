"""The witnesses by name. Each is imported when it is asked for, so that none of their packages is needed by the others."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

from ..errors import InputError, missing_package, nearest
from .witness import Witness

WITNESSES: Mapping[str, tuple[str, str]] = {
    "onnxruntime": (".onnxruntime", "OnnxruntimeWitness"),
    "tflite": (".tflite", "TfliteWitness"),
    "c": (".host_c", "HostC"),
    "torch": (".trained_net", "TrainedNet"),
    "tflite-micro": (".tflite_micro", "TfliteMicro"),
    "qemu": (".qemu", "Qemu"),
    "simavr": (".simavr", "Simavr"),
    "serial": (".serial_port", "SerialPort"),
}
DEFAULT: Sequence[str] = ("onnxruntime", "tflite", "c", "torch")


def parse_witnesses(text: str | None) -> list[tuple[str, str]]:
    """`name[:argument],...` as (name, argument) pairs; None: the default ones. Raises InputError for an unknown name.

    `qemu` and `qemu:cortex-m0` are one and the same: evidence and limits call it by the longer name.
    """
    if text is None:
        return [(name, "") for name in DEFAULT]
    pairs = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, argument = item.partition(":")
        if name not in WITNESSES:
            known = ", ".join(WITNESSES)
            raise InputError(f"there is no witness {name!r}; the nearest one is {nearest(name, WITNESSES)!r} (of {known})")
        pairs.append((name, argument or load_witness(name).default_argument))
    pairs = list(dict.fromkeys(pairs))
    if not pairs:
        raise InputError(f"--against names no witness: choose among {', '.join(WITNESSES)}")
    return pairs


def find_witness(text: str) -> tuple[Witness, str]:
    """The one witness that `name[:argument]` names, and its argument. Raises InputError."""
    ((name, argument),) = parse_witnesses(text)
    return load_witness(name), argument


def load_witness(name: str) -> Witness:
    """The witness of that name. Raises MissingToolError when its module needs a package that is not installed."""
    module, kind = WITNESSES[name]
    try:
        witness: Witness = getattr(importlib.import_module(module, __package__), kind)()
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    return witness
