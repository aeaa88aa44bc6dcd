"""Making a model directory from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import stages
from ..errors import InputError
from ..recipe import Recipe, load_recipe
from .listening import listening
from .results import Ran


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe | None = None,
    output: str | Path = "rescomp-out",
    *,
    data: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    density: float | None = None,
    force: bool = False,
    against: str | None = None,
    fit: str | None = None,
    quiet: bool = False,
) -> Ran:
    """Train, quantize, export and verify in one go, into the model directory `output`, as `rescomp run` does.

    recipe: a TOML file, its sections as a dictionary, or a Recipe (None: all defaults). data: the recordings, in place of data.source.
    settings: keys as `{"train.epochs": 40}`. weights: ternary, int8, int6 or int4; density: the fraction of weights kept. force: replace a
    model directory that is there. against: witnesses; fit: a budget, `const=2KB`. quiet: say nothing on stderr. Witnesses that differ are
    told in the result: `ran.verification.raise_failures()`. Raises RescompError's subclasses for what cannot be.
    """
    made = _recipe(recipe, {} if data is None else {"data.source": str(data)}, settings or {}, weights, density)
    with listening(quiet) as listener:
        return Ran.of(stages.run(made, Path(output), force=force, against=against, fit=fit, listener=listener))


def _recipe(
    given: str | Path | Mapping[str, Any] | Recipe | None,
    source: Mapping[str, str],
    settings: Mapping[str, Any],
    weights: str | None,
    density: float | None,
) -> Recipe:
    if isinstance(given, Recipe):
        if source or settings or weights is not None or density is not None:
            raise InputError("a Recipe says all of it: give data, settings, weights and density in it, or a file or a dictionary instead")
        return given
    file = Path(given) if isinstance(given, str | Path) else None
    keys = dict(_flat(given)) if isinstance(given, Mapping) else {}
    return load_recipe(file, weights=weights, density=density, keys={**keys, **source, **settings})


def _flat(sections: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each key of each section by its full name; what is no section as it is."""
    return [
        pair
        for name, section in sections.items()
        for pair in ([(f"{name}.{key}", value) for key, value in section.items()] if isinstance(section, Mapping) else [(name, section)])
    ]
