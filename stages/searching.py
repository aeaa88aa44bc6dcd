"""search: candidates of a recipe, drawn by Optuna within limits and judged on validation recordings, and the front of the best."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.dataset import Dataset
from ..errors import BudgetError, InputError, UnsupportedError
from ..export.optional_package import import_optional
from ..model_directory import MANIFEST, to_json
from ..recipe import Recipe, SearchSection, parse_recipe, to_toml
from ..search.front import Scored, front_of
from ..search.repeats import Repeats
from ..search.space import Chosen, Space
from ..search.storage import StudyStorage
from ..search.study import Study
from ..store import no_folder, read_file, write_atomically
from ..targets.kernel_choice import Target
from ..validate.counting import check_counter
from .budget import Budget
from .candidates import CANDIDATES_FOLDER, Candidates
from .defaults import with_defaults
from .epochs import telling_how_to_resume
from .exporting import parse_targets
from .fitting import fit_recipe
from .front_picture import front_picture
from .listener import Listener, Silent

SEARCH = "search.toml"
"""In the directory of a search: its recipe."""
FRONT, FRONT_FOLDER, PICTURE = "front.json", "front", "front.svg"
"""What a search leaves there: the document, a recipe a candidate of the front, and the picture."""
VALIDATION = 0.2
"""Of the training recordings, kept for validation where the recipe says nothing."""


@dataclass(frozen=True)
class SearchResult:
    """What `rescomp search` ends with. front: the best first. outcomes: how many trials came to what. storage: without its password."""

    path: Path
    study: str
    storage: str
    asked: SearchSection
    front: tuple[Scored, ...]
    outcomes: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp search --json`, and of front.json."""
        front = [
            {"recipe": recipe_name(each), **{key: value for key, value in asdict(each).items() if key != "recipe"}} for each in self.front
        ]
        return {
            "schema": 1,
            "study": self.study,
            "metric": self.asked.metric,
            "limits": dict(self.asked.limits),
            "core": self.asked.core,
            "outcomes": dict(self.outcomes),
            "front": front,
        }


def recipe_name(candidate: Scored) -> str:
    """Of the file that holds the recipe of one of the front."""
    return f"{FRONT_FOLDER}/trial-{candidate.trial}.toml"


def search_recipes(recipe: Recipe, path: Path, *, storage: str | None = None, listener: Listener | None = None) -> SearchResult:
    """Search for recipes within the limits of [search], in the directory `path`; the same call goes on with what is there.

    storage: URL of a database that any number of workers share, each with a directory of its own; None: a file in `path`. The test set
    plays no part: candidates are judged on the validation part of the training recordings. Raises InputError for a directory of
    something else and a storage that fails, BudgetError where no candidate is within the limits, MissingToolError.
    """
    listener = listener or Silent()
    import_optional("optuna")
    asked = recipe.search or SearchSection()
    target = _target(asked)
    recipe = _with_validation(recipe)
    judge = Candidates(path / CANDIDATES_FOLDER, asked, target, listener)
    _, dataset = judge.load(recipe)
    complete, guessed = partial(with_defaults, dataset=dataset), with_defaults(recipe, dataset)
    readings = guessed.model.readings
    space = Space(recipe, images=dataset.train.x.ndim == 4, readings=readings, complete=complete)
    _claim(recipe, path)
    kept = StudyStorage(storage, path)
    name = _study_name(recipe, dataset)
    listener.stage(f"search in {len(space.dimensions)} dimensions, study {name} in {kept.shown}")
    study = Study(kept, name, asked, space, judge, listener.stage, _guess(guessed, space, dataset))
    repeats = Repeats(kept, name, judge, listener.stage)
    with kept.telling(), telling_how_to_resume("give the same command again to go on"):
        study.run()
        scored = study.scored()
        repeats.run(front_of(scored, asked.costs)[: asked.finalists], asked.repeats)
        result = SearchResult(path, name, kept.shown, asked, repeats.of(front_of(scored, asked.costs)), study.outcomes())
    _write(result)
    return result


def _target(asked: SearchSection) -> Target | None:
    """Raises InputError for a core that nobody knows, MissingToolError where nothing can be counted on it."""
    if asked.core is None:
        return None
    (target,) = parse_targets([asked.core], "speed")
    check_counter(target.core)
    return target


def _with_validation(recipe: Recipe) -> Recipe:
    """The recipe with a validation part, by which candidates are judged. Raises InputError where it is not to have one."""
    if recipe.train.validation_fraction:
        return recipe
    if "validation_fraction" in recipe.train.model_fields_set:
        raise InputError("a search judges candidates on validation recordings: set train.validation_fraction, 0.2 for instance")
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"validation_fraction": VALIDATION})})


def _claim(recipe: Recipe, path: Path) -> None:
    """Make the directory, or see that it is of the same search, which may have asked for fewer trials or other finalists.

    Raises InputError.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise no_folder(path)
    kept = path / SEARCH
    if path.is_dir() and any(path.iterdir()):
        if not kept.is_file() or (path / MANIFEST).exists():
            raise InputError(f"{path} is not empty and holds no search: choose another directory with -o")
        if _identity(parse_recipe(read_file(kept), str(kept))) != _identity(recipe):
            raise InputError(f"{path} holds a search of another recipe: choose another directory with -o, or give the recipe {kept}")
    try:
        (path / CANDIDATES_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {path}: {error.strerror}; choose another directory with -o") from error
    write_atomically(kept, to_toml(recipe))


def _identity(recipe: Recipe) -> bytes:
    """What two searches have in common that are one."""
    asked = (recipe.search or SearchSection()).model_copy(update={"trials": 1, "finalists": 0, "repeats": 0})
    return to_toml(recipe.model_copy(update={"search": asked}))


def _study_name(recipe: Recipe, dataset: Dataset) -> str:
    """Of the recipe, the data and this version, so that workers on one study do the same, wherever their data lie."""
    anywhere = recipe.model_copy(update={"data": recipe.data.model_copy(update={"source": "data"})})
    digest = hashlib.sha256(b"\0".join((_identity(anywhere), dataset.digest.encode(), __version__.encode())))
    return f"rescomp-{digest.hexdigest()[:16]}"


def _guess(recipe: Recipe, space: Space, dataset: Dataset) -> Chosen:
    """The values of what `--fit` would choose; nothing where it has no choice."""
    asked = recipe.search or SearchSection()
    try:
        fitted, _ = fit_recipe(recipe.model_copy(update={"search": None}), Budget(asked.const, asked.state), dataset)
    except (InputError, BudgetError, UnsupportedError):
        return {}
    return space.values_of(fitted)


def _write(result: SearchResult) -> None:
    """The front's recipes, document and picture."""
    (result.path / FRONT_FOLDER).mkdir(exist_ok=True)
    for each in result.front:
        write_atomically(result.path / recipe_name(each), each.recipe.encode())
    write_atomically(result.path / FRONT, to_json(result.as_json()))
    write_atomically(result.path / PICTURE, front_picture(result.front, result.asked.costs[0]).encode())
