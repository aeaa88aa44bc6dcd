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
    "torch": (".torch_net", "TorchNet"),
    "tflite-micro": (".tflite_micro", "TfliteMicro"),
    "qemu": (".qemu", "Qemu"),
    "simavr": (".simavr", "Simavr"),
    "serial": (".serial_port", "SerialPort"),
}
DEFAULT_CORES: Mapping[str, str] = {"qemu": "cortex-m0", "simavr": "atmega328p"}
"""The argument of the witnesses that emulate cores, where none is given."""
DECIDING: Sequence[str] = ("onnxruntime", "c", "qemu", "simavr", "serial")
"""The witnesses that take the decisions of a model that decides."""
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
        pairs.append((name, argument or DEFAULT_CORES.get(name, "")))
    pairs = list(dict.fromkeys(pairs))
    if not pairs:
        raise InputError(f"--against names no witness: choose among {', '.join(WITNESSES)}")
    return pairs


def takes_decisions(witness: str, variant: str) -> bool:
    """Whether a variant of `name[:argument]` takes the decisions of a model that decides: the others end with the scores."""
    return witness.partition(":")[0] in DECIDING and (witness.partition(":")[0], variant) != ("onnxruntime", "sequence")


def load_witness(name: str) -> Witness:
    """The witness of that name. Raises MissingToolError when its module needs a package that is not installed."""
    module, kind = WITNESSES[name]
    try:
        witness: Witness = getattr(importlib.import_module(module, __package__), kind)()
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    return witness
