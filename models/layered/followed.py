"""A torch module's forward as an fx graph: what it calls, in order."""

from __future__ import annotations

import operator
from typing import Any

import torch.fx
from torch import Tensor, nn

from ...errors import UnsupportedError
from ..own_net import FAULTS, blame
from .hourglass import RandomProjection


def follow(module: nn.Module) -> torch.fx.Graph:
    """The calls of its forward. Raises UnsupportedError where they depend on the input's values, InputError for faults of the module."""
    name = f"{type(module).__name__}.forward"
    try:
        graph = _Tracer().trace(module)
    except NameError as error:
        raise UnsupportedError(f"{name} cannot be followed ({error}): make its layers in __init__") from error
    except (torch.fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise UnsupportedError(f"{name} cannot be followed ({error}): let it not depend on its input's values") from error
    except FAULTS as error:
        raise blame(name, error) from error
    _refuse_tied(module)
    return graph


def _refuse_tied(module: nn.Module) -> None:
    """Layers get parameters of their own, so those that two modules share would part in training."""
    owners: dict[Tensor, str] = {}
    for path, part in module.named_modules():
        for name, parameter in part.named_parameters(path, recurse=False):
            owner = owners.setdefault(parameter, name)
            if owner != name:
                raise UnsupportedError(f"{owner!r} and {name!r} are one parameter: call one module in both places instead")


class _Proxy(torch.fx.Proxy):
    """Remembers that += and *= change what they read, which torch's own forgets."""

    def __iadd__(self, other: Any) -> torch.fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __imul__(self, other: Any) -> torch.fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})


class _Tracer(torch.fx.Tracer):
    """Stops at the modules of torch.nn and at random projections; everything else is looked into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See torch.fx.Tracer."""
        return isinstance(m, RandomProjection) or super().is_leaf_module(m, module_qualified_name)

    def proxy(self, node: torch.fx.Node) -> torch.fx.Proxy:
        """See torch.fx.Tracer."""
        return _Proxy(node, self)
