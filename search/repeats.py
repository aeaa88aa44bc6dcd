"""The finalists with further seeds: a queue in the study's storage, which any number of workers empty."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..recipe import parse_recipe, revise, to_toml
from .front import Scored
from .storage import StudyStorage
from .study import FRUITLESS, TRAINED, TWIN, CandidateError, Judge, Told
from .worker import OUTCOME, ended, in_state, run_one, wait_for_others

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial


@dataclass
class Repeats:
    """Further seeds, 1, 2 ... above the recipe's own, of some candidates of the study `name`."""

    storage: StudyStorage
    name: str
    judge: Judge
    told: Told

    def run(self, finalists: Sequence[Scored], count: int) -> None:
        """Train what is not trained yet, or wait for the workers that do."""
        study = self._opened()
        known = {_place(each.user_attrs) for each in study.get_trials(deepcopy=False) if each.state.name != "FAIL"}
        for finalist in finalists:
            for seed in range(1, count + 1):
                if (finalist.trial, seed) not in known:
                    study.enqueue_trial({}, user_attrs={"trial": finalist.trial, "seed": seed, "recipe": finalist.recipe})
        while in_state(study, "WAITING", "RUNNING"):
            if in_state(study, "WAITING"):
                run_one(study, self._objective)
            else:
                wait_for_others(study)

    def of(self, candidates: Sequence[Scored]) -> tuple[Scored, ...]:
        """The candidates with the metrics of their further seeds."""
        done = ended(self._opened(), TRAINED)
        found = {_place(each.user_attrs): float(each.values[0]) for each in done}
        return tuple(replace(each, repeated=tuple(found[key] for key in sorted(found) if key[0] == each.trial)) for each in candidates)

    def _opened(self) -> OptunaStudy:
        import optuna

        return optuna.create_study(storage=self.storage.rdb, study_name=f"{self.name}-seeds", direction="maximize", load_if_exists=True)

    def _objective(self, trial: Trial) -> float:
        from optuna import TrialPruned

        place = _place(trial.user_attrs)
        before = [each for each in trial.study.get_trials(deepcopy=False) if each.number < trial.number and each.state.name != "FAIL"]
        if any(_place(each.user_attrs) == place for each in before):
            trial.set_user_attr(OUTCOME, TWIN)
            raise TrialPruned
        recipe = parse_recipe(trial.user_attrs["recipe"].encode(), f"trial {place[0]}")
        recipe = revise(recipe, [f"train.seed={recipe.train.seed + place[1]}"])
        try:
            trained = self.judge.train(recipe, hashlib.sha256(to_toml(recipe)).hexdigest()[:16], _passes)
        except CandidateError as error:
            trial.set_user_attr(OUTCOME, FRUITLESS)
            raise TrialPruned from error
        assert trained is not None
        trial.set_user_attr(OUTCOME, TRAINED)
        self.told(f"trial {place[0]} with seed {recipe.train.seed}: {trained.metric:.2%}")
        return trained.metric


def _passes(_rung: int, _metric: float) -> bool:
    """Finalists stop at no rung."""
    return True


def _place(attributes: dict[str, object]) -> tuple[int, int]:
    """(trial, which seed above the recipe's own)."""
    return int(str(attributes["trial"])), int(str(attributes["seed"]))
