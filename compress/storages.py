"""The format of every matrix of a net, by the entries of `compress` that say how weights are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from ..errors import InputError
from ..models import Net
from ..models.layered.layered_module import LayeredModule
from ..recipe import Quantize, Ternary
from .learned_scale import LearnedFactors
from .quantize import Bits, IntegerStorage
from .seeded import SeededStorage
from .selection import entries_by_name, named_matrices
from .ternary import TernaryStorage


def give_storages(net: Net, entries: Sequence[Ternary | Quantize]) -> None:
    """Give every matrix its format. Raises InputError for entries that leave one out, or that the net does not read."""
    if net.cells:
        for entry in entries:
            _refuse_keys_of_layers(entry)
    matrices = named_matrices(net)
    owners = entries_by_name(entries, matrices)
    for name in matrices:
        if name not in owners:
            raise InputError(f"compress does not say how {name} is stored: name it too, or add an entry that names no matrices")
        for matrix in matrices[name]:
            matrix.storage = _storage(owners[name], len(matrix.weight))
    _refuse_packed_layers(net, owners)
    special = {name for module in net.layer_modules for name in _store_special_layers(owners, module)}
    _refuse_special_alone(entries, owners, special)


def _refuse_packed_layers(net: Net, owners: Mapping[str, Ternary | Quantize]) -> None:
    for module in net.layer_modules:
        for name in module.by_name:
            entry = owners[module.whole(name)]
            if isinstance(entry, Ternary) and entry.packing == "rows":
                raise InputError(f'packing = "rows" in compress is for cells and their classifier, and {name} is a layer: name others')


def _storage(entry: Ternary | Quantize, rows: int) -> nn.Module:
    if isinstance(entry, Quantize):
        return IntegerStorage(entry.bits, entry.scale, LearnedFactors(rows) if entry.learned else None)
    learned = LearnedFactors(rows if entry.per == "row" else 1) if entry.learned else None
    return TernaryStorage(entry.scale, per=entry.per, arenas=bool(entry.arenas), learned=learned, packing=entry.packing)


def _store_special_layers(owners: Mapping[str, Ternary | Quantize], module: LayeredModule) -> list[str]:
    """Depthwise kernels, a few bytes a channel, stay dense integers; random projections keep their signs and take the form of the scales
    alone: the names of these, whatever their entry says. So do the first and the last layers, where it says so.
    """
    first_and_last = set(map(module.whole, module.plan.first_and_last()))
    special = []
    for own, layer in module.by_name.items():
        name = module.whole(own)
        entry = owners[name]
        if layer.layer.seed is not None:
            layer.matrix.storage = SeededStorage(layer.layer.seed, entry.scale)
        elif layer.layer.depthwise or (entry.first_and_last == "dense" and name in first_and_last):
            learned = LearnedFactors(len(layer.matrix.weight)) if entry.learned else None
            layer.matrix.storage = IntegerStorage(_dense_bits(entry), entry.scale, learned)
        if layer.layer.is_special:
            special.append(name)
    return special


def _dense_bits(entry: Ternary | Quantize) -> Bits:
    return 6 if entry.activations == "int8" else 8


def _refuse_special_alone(entries: Sequence[Ternary | Quantize], owners: Mapping[str, Ternary | Quantize], special: set[str]) -> None:
    """Refuse an entry that names only matrices whose format it does not change."""
    for entry in entries:
        own = [name for name, owner in owners.items() if owner is entry]
        if entry.matrices is not None and special.issuperset(own):
            raise InputError(
                f"compress: {entry.phrase} changes nothing, since depthwise kernels stay dense integers and random projections signs: "
                "name other matrices"
            )


def _refuse_keys_of_layers(entry: Ternary | Quantize) -> None:
    if entry.activations == "int8":
        raise InputError('activations = "int8" is for nets without state: a recurrent state needs 16 bits')
    if entry.first_and_last == "dense":
        raise InputError('first_and_last = "dense" is for nets without state: beside cells let another entry name matrices')
