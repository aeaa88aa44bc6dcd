"""Weights and the state of an interrupted training on disk, as safetensors: nothing in such a file can run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..documents import parse_json
from ..errors import InputError
from ..model_directory import write_atomically
from ..models.older_formats import renewed
from ..models.tensors import read_safetensors
from ..recipe import BEFORE
from .carried import Carried
from .device import device_of
from .early_stopping import BestEpoch
from .metrics import Metrics

CHECKPOINT_SCHEMA = 1
"""Version of the files written here."""

_SLOTS: Mapping[type[torch.optim.Optimizer], tuple[str, ...]] = {
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.SGD: ("momentum_buffer",),
}
_KEY = "rescomp"


@dataclass(frozen=True)
class TrainingState:
    """Everything that a resumed training needs to go on as if it had never stopped.

    generator draws batches and noise; torch's global generator (dropout) is saved beside it. best: the weights that early stopping
    would go back to. carried: where the rows of the last batch ended.
    """

    net: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    best: BestEpoch = field(default_factory=BestEpoch)
    carried: Carried = field(default_factory=Carried)

    @property
    def _on_gpu(self) -> bool:
        return device_of(self.net).type == "cuda"

    def tensors(self) -> dict[str, Tensor]:
        """Copies by name: `net.*`, `optimizer.<parameter>.<slot>`, `best.*`, `carried.*`, `random.*`."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for name, parameter in self.net.named_parameters():
            tensors |= {f"optimizer.{name}.{slot}": value for slot, value in self.optimizer.state.get(parameter, {}).items()}
        tensors |= {f"best.{name}": value for name, value in self.best.tensors.items()}
        tensors |= {f"carried.{name}": value for name, value in self.carried.states.items()}
        tensors |= {"random.batches": self.generator.get_state(), "random.torch": torch.get_rng_state()}
        if self._on_gpu:
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        return {name: value.detach().clone().contiguous() for name, value in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor], what: str) -> None:
        """Set net, optimizer and generators. Raises InputError naming `what` when keys, shapes or dtypes are not this net's."""
        _load_net(self.net, _under("net.", tensors), what)
        self._restore_optimizer(_under("optimizer.", tensors), what)
        self.best.tensors = renewed(self.net, _under("best.", tensors))
        if self.best.tensors:
            _check_tensors(self.net, self.best.tensors, what)
        self.carried.restore(_under("carried.", tensors), what)
        self._restore_generators(_under("random.", tensors), what)

    def _restore_optimizer(self, tensors: dict[str, Tensor], what: str) -> None:
        for name, parameter in self.net.named_parameters():
            known = _SLOTS[type(self.optimizer)]
            slots = {slot: tensors.pop(f"{name}.{slot}") for slot in known if f"{name}.{slot}" in tensors}
            if slots and set(slots) != set(known):
                raise InputError(f"{what} lacks part of the optimizer's state of {name!r}: train anew")
            for slot, value in slots.items():
                _check(f"optimizer.{name}.{slot}", value, torch.zeros(()) if slot == "step" else parameter, what)
            if slots:
                self.optimizer.state[parameter] = {
                    slot: value if slot == "step" else value.to(parameter.device) for slot, value in slots.items()
                }
        _check_names(set(tensors), set(), what)

    def _restore_generators(self, tensors: dict[str, Tensor], what: str) -> None:
        if ("cuda" in tensors) != self._on_gpu:
            there, here = ("the processor", "a GPU") if self._on_gpu else ("a GPU", "the processor")
            raise InputError(f"{what} is of a training on {there}, and this one is on {here}: go on where that one ran, or train anew")
        _check_names(set(tensors), {"batches", "torch", *(["cuda"] if self._on_gpu else [])}, what)
        try:
            if self._on_gpu:
                torch.cuda.set_rng_state(tensors["cuda"])
            self.generator.set_state(tensors["batches"])
            torch.set_rng_state(tensors["torch"])
        except (RuntimeError, TypeError) as error:
            raise InputError(f"{what} holds a damaged random generator: train anew") from error


@dataclass(frozen=True)
class CheckpointFile:
    """All that is known of a training after its last complete epoch: one file, replaced as a whole after every epoch.

    recipe: its text, kept where the recipe of what is finished is another one.
    """

    path: Path
    recipe: str | None = None

    def save(self, state: TrainingState, epoch: int, identity: Mapping[str, Any], metrics: Metrics) -> None:
        """Write the state after `epoch` epochs. identity: what a resumed run must have in common. Raises InputError."""
        best = {"best": {"epoch": state.best.epoch, "accuracy": state.best.figure, "loss": state.best.loss}} if state.best.epoch else {}
        recipe = {} if self.recipe is None else {"recipe": self.recipe}
        metadata = {"epoch": epoch, "identity": dict(identity), "metrics": metrics.lines, **best, **recipe}
        write_tensors(self.path, state.tensors(), metadata)

    def kept_recipe(self) -> str | None:
        """The recipe in the file. Raises InputError as `load` does."""
        recipe = read_tensors(self.path)[1].get("recipe")
        return recipe if isinstance(recipe, str) else None

    def load(self, state: TrainingState, identity: Mapping[str, Any], metrics: Metrics) -> int:
        """Restore `state` and `metrics` and return the epochs done. Raises InputError: no, damaged, or another run's checkpoint."""
        tensors, metadata = read_tensors(self.path)
        epoch, found, lines = metadata.get("epoch"), metadata.get("identity"), metadata.get("metrics")
        if not isinstance(epoch, int) or epoch < 0 or not isinstance(found, dict):
            raise InputError(f"{self.path} is not a training checkpoint: train anew")
        if not isinstance(lines, list) or len(lines) != epoch:
            raise InputError(
                f"{self.path} does not hold the metrics of its {epoch} epochs: it is damaged or of an older rescomp, train anew"
            )
        for key, value in identity.items():
            made_with = found.get(key, BEFORE.get(key))
            if made_with != json.loads(json.dumps(value)):  # a list stands there for a tuple
                raise InputError(
                    f"{self.path} was made with {key} = {made_with}, this run has {value}: "
                    "resume with the same recipe and data, or train anew"
                )
        state.restore(tensors, str(self.path))
        metrics.lines = [str(line) for line in lines]
        self._restore_best(state.best, metadata.get("best"), epoch)
        return epoch

    def _restore_best(self, best: BestEpoch, found: Any, epoch: int) -> None:
        if not best.tensors:
            best.epoch = 0
            return
        try:
            best.epoch, best.figure, best.loss = int(found["epoch"]), float(found["accuracy"]), float(found["loss"])
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"{self.path} does not say which epoch was the best: train anew") from error
        if not 0 < best.epoch <= epoch:
            raise InputError(f"{self.path} counts {epoch} epochs and calls epoch {best.epoch} the best: it is damaged, train anew")


def save_net(net: torch.nn.Module, path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write the net's parameters and buffers; equal weights give equal bytes. Raises InputError when `path` cannot be written."""
    write_atomically(path, encode_net(net, metadata))


def encode_net(net: torch.nn.Module, metadata: Mapping[str, Any] | None = None) -> bytes:
    """The file that save_net writes."""
    tensors = {name: value.detach().clone().contiguous() for name, value in net.state_dict().items()}
    return _encode(tensors, dict(metadata or {}))


def load_net(net: torch.nn.Module, path: Path) -> dict[str, Any]:
    """Set the net's parameters and buffers from `path`; returns the metadata saved with them.

    Raises InputError when the file is missing, damaged, of a newer version, or of another net.
    """
    tensors, metadata = read_tensors(path)
    _load_net(net, tensors, str(path))
    return metadata


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and JSON metadata, atomically and with the same bytes every time. Raises InputError."""
    write_atomically(path, _encode(tensors, metadata))


def _encode(tensors: dict[str, Tensor], metadata: Mapping[str, Any]) -> bytes:
    # One metadata entry: safetensors writes several in no fixed order.
    text = json.dumps({"schema": CHECKPOINT_SCHEMA, **metadata}, sort_keys=True)
    return safetensors.torch.save(tensors, {_KEY: text})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors by name, metadata) of a file that write_tensors wrote. Raises InputError: missing, damaged, or newer."""
    try:
        tensors, header = read_safetensors(path)
        metadata = parse_json(header["__metadata__"][_KEY])
        schema = metadata["schema"]
    except FileNotFoundError as error:
        raise InputError(f"there is no {path}: train first") from error
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a checkpoint of rescomp or is damaged ({error}): train anew") from error
    if schema != CHECKPOINT_SCHEMA:
        raise InputError(f"{path} has schema {schema}, this rescomp reads {CHECKPOINT_SCHEMA}: use the rescomp that wrote it")
    return tensors, metadata


def _load_net(net: torch.nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    tensors = renewed(net, tensors)
    _check_tensors(net, tensors, what)
    net.load_state_dict(tensors)


def _check_tensors(net: torch.nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    expected = net.state_dict()
    _check_names(set(tensors), set(expected), what)
    for name, value in tensors.items():
        _check(name, value, expected[name], what)


def _check_names(found: set[str], expected: set[str], what: str) -> None:
    for names, verb in ((expected - found, "lacks"), (found - expected, "has an unknown")):
        if names:
            raise InputError(f"{what} {verb} {min(names)!r}, so it is of another net: use the recipe it was made with, or train anew")


def _check(name: str, value: Tensor, expected: Tensor, what: str) -> None:
    if value.shape != expected.shape or value.dtype != expected.dtype:
        raise InputError(
            f"{what} holds {name!r} as {_describe(value)} and the net has {_describe(expected)}: "
            "use the recipe it was made with, or train anew"
        )


def _describe(value: Tensor) -> str:
    return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
