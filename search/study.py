"""The study: draws candidates, gives those that take too much to the sampler as constraints, stops those that others are better than.

Any number of workers may work on one study. What is known of a trial are its attributes: `outcome`, once it has ended; `recipe`, `digest`,
`chosen`: the candidate; `priced`: what it was said to take; `rungs`: the metric at each rung that it came to; `trained`: see Trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import BudgetError, RescompError
from ..recipe import Recipe, SearchSection, to_toml
from .front import Scored, dominates, losses
from .space import Chosen, Dimension, Space
from .storage import StudyStorage
from .worker import CHOSEN, OUTCOME, ended, in_state, run_one, wait_for_others

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

TRAINED, STOPPED, FRUITLESS = "trained", "stopped at a rung", "came to nothing"
OVER, REFUSED, TWIN, SURPLUS = "takes too much", "no net", "tried before", "one too many"
COUNTED = (TRAINED, STOPPED, FRUITLESS)
"""What counts as a trial: other candidates were not trained."""
DOMINATORS = 2
"""So many candidates that are better in everything stop one at a rung: a single one may be so by luck."""
STARTUP = 8
"""Candidates that are drawn at random before the sampler learns of them."""
MOST_DRAWN = 200
"""Candidates in a row that are not trained, after which the space counts as tried."""


@dataclass(frozen=True)
class Trained:
    """What a training came to: see Scored."""

    metric: float
    costs: Mapping[str, int]
    graph_sha256: str


class Judge(Protocol):
    """Who prices and trains candidates."""

    def price(self, recipe: Recipe) -> Mapping[str, int]:
        """What a candidate takes, by cost, before it is trained. Raises RescompError for one that no model can be made of."""
        ...

    def train(self, recipe: Recipe, digest: str, passes: Callable[[int, float], bool]) -> Trained | None:
        """Train a candidate, or go on with it where an earlier call was broken off.

        passes: asked at each rung, by its number and the metric; None where it did not pass. Raises CandidateError.
        """
        ...


class CandidateError(RescompError):
    """A training that comes to nothing by the candidate's own fault: it diverges, or no integers can stand for it."""


Told = Callable[[str], None]


@dataclass
class Study:
    """A study in a storage. guess: values of the first candidate; what they leave out is drawn. told: of each trial that has ended."""

    storage: StudyStorage
    name: str
    asked: SearchSection
    space: Space
    judge: Judge
    told: Told
    guess: Chosen = field(default_factory=dict)

    def run(self) -> None:
        """Work until as many candidates were trained as are asked for, by whomever; of fewer, the space has no more.

        Raises BudgetError where none takes little enough.
        """
        study, drawn = self._opened(), 0
        while drawn < MOST_DRAWN and not self._is_done(study):
            if self._all_are_taken(study):
                wait_for_others(study)
                continue
            before = len(ended(study, *COUNTED))
            study.sampler = self._sampler(len(in_state(study, "COMPLETE", "PRUNED", "RUNNING")))
            run_one(study, self._objective)
            drawn = 0 if len(ended(study, *COUNTED)) > before else drawn + 1
        if not ended(study, *COUNTED):
            raise self._nothing_fits(study)

    def scored(self) -> tuple[Scored, ...]:
        """The candidates that were trained to the end and are within the limits, in the order in which they were tried."""
        return tuple(_scored(each) for each in ended(self._opened(), TRAINED) if _is_within(each))

    def outcomes(self) -> Mapping[str, int]:
        """How many trials came to what."""
        study = self._opened()
        found = {outcome: len(ended(study, outcome)) for outcome in (*COUNTED, OVER, REFUSED, TWIN, SURPLUS)}
        return {outcome: count for outcome, count in found.items() if count}

    def _opened(self) -> OptunaStudy:
        import optuna
        from optuna.study import StudyDirection

        directions = [StudyDirection.MAXIMIZE, *(StudyDirection.MINIMIZE for _ in self.asked.costs)]
        study = optuna.create_study(storage=self.storage.rdb, study_name=self.name, directions=directions, load_if_exists=True)
        if self.guess and not study.get_trials(deepcopy=False):
            dimensions = {each.key: each for each in self.space.dimensions}
            study.enqueue_trial({key: _stored(dimensions[key], value) for key, value in self.guess.items()})
        return study

    def _is_done(self, study: OptunaStudy) -> bool:
        return len(ended(study, *COUNTED)) >= self.asked.trials and not in_state(study, "WAITING")

    def _all_are_taken(self, study: OptunaStudy) -> bool:
        """Whether other workers are at all that is left."""
        taken = len(ended(study, *COUNTED)) + len(in_state(study, "RUNNING"))
        return taken >= self.asked.trials and not in_state(study, "WAITING")

    def _sampler(self, tried: int) -> BaseSampler:
        """A sampler that remembers nothing: what it draws follows from the study and how many were tried, so that a study goes on as if
        it had never been broken off.
        """
        from optuna.samplers import RandomSampler, TPESampler

        seed = int.from_bytes(hashlib.sha256(f"{self.asked.seed} {tried}".encode()).digest()[:4], "little")
        if self.asked.sampler == "random":
            return RandomSampler(seed)
        return TPESampler(n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True, seed=seed)

    def _objective(self, trial: Trial) -> Sequence[float]:
        """The metric and the costs of the next candidate. Raises TrialPruned for one that is not trained to the end."""
        chosen = self.space.draw(lambda dimension: _suggested(trial, dimension))
        trial.set_user_attr(CHOSEN, dict(chosen))
        try:
            recipe = self.space.recipe(chosen)
            costs = self.judge.price(recipe)
        except RescompError as error:
            trial.set_constraint("possible", 1.0)
            raise self._end(trial, REFUSED, str(error)) from error
        text = to_toml(recipe)
        digest = hashlib.sha256(text).hexdigest()[:16]
        for key, value in (("recipe", text.decode()), ("digest", digest), ("priced", dict(costs))):
            trial.set_user_attr(key, value)
        if not self._constrain(trial, costs):
            raise self._end(trial, OVER, _enumerated(costs))
        self._refuse_another(trial, digest)
        return self._train(trial, recipe, digest)

    def _constrain(self, trial: Trial, costs: Mapping[str, int]) -> bool:
        """Whether the costs are within the limits; where not, or at the end, the sampler is told by how much."""
        within = all(costs.get(name, 0) <= limit for name, limit in self.asked.limits.items())
        if not within or "trained" in trial.user_attrs:
            for name, limit in self.asked.limits.items():
                trial.set_constraint(name, costs.get(name, 0) / limit - 1.0)
        return within

    def _refuse_another(self, trial: Trial, digest: str) -> None:
        """Raise TrialPruned for a candidate that an earlier trial is, and for one more than are asked for."""
        before = [each for each in trial.study.get_trials(deepcopy=False) if each.number < trial.number]
        taken = [each for each in before if each.user_attrs.get(OUTCOME) in COUNTED or each.state.name == "RUNNING"]
        for each in taken:
            if each.user_attrs.get("digest") == digest:
                raise self._end(trial, TWIN, f"trial {each.number}")
        if len(taken) >= self.asked.trials:
            raise self._end(trial, SURPLUS, "other workers are at all that is left")

    def _train(self, trial: Trial, recipe: Recipe, digest: str) -> Sequence[float]:
        try:
            trained = self.judge.train(recipe, digest, lambda rung, metric: self._passes(trial, rung, metric))
        except CandidateError as error:
            raise self._end(trial, FRUITLESS, str(error)) from error
        if trained is None:
            raise self._end(trial, STOPPED, f"rung {len(trial.user_attrs['rungs'])}")
        trial.set_user_attr("trained", asdict(trained))
        self._constrain(trial, trained.costs)
        self._note(trial, TRAINED, f"{trained.metric:.2%}, {_enumerated(trained.costs)}")
        return [trained.metric, *(float(trained.costs[name]) for name in self.asked.costs)]

    def _passes(self, trial: Trial, rung: int, metric: float) -> bool:
        """Whether a candidate goes on behind a rung: unless DOMINATORS of those that came to it have a better metric and take less."""
        rungs = {**trial.user_attrs.get("rungs", {}), str(rung): metric}
        trial.set_user_attr("rungs", rungs)
        own = losses(metric, trial.user_attrs["priced"], self.asked.costs)
        others = [each for each in trial.study.get_trials(deepcopy=False) if each.number != trial.number and each.state.name != "FAIL"]
        met = [each for each in others if str(rung) in each.user_attrs.get("rungs", {})]
        better = (losses(each.user_attrs["rungs"][str(rung)], each.user_attrs["priced"], self.asked.costs) for each in met)
        return sum(dominates(each, own) for each in better) < DOMINATORS

    def _end(self, trial: Trial, outcome: str, why: str) -> Exception:
        from optuna import TrialPruned

        trial.set_user_attr("why", why)
        self._note(trial, outcome, why)
        return TrialPruned(why)

    def _note(self, trial: Trial, outcome: str, what: str) -> None:
        trial.set_user_attr(OUTCOME, outcome)
        self.told(f"trial {trial.number}, {outcome}: {what}")

    def _nothing_fits(self, study: OptunaStudy) -> BudgetError:
        limits = _enumerated(self.asked.limits) or "the limits"
        over = ended(study, OVER)
        if not over:
            reasons = [str(each.user_attrs["why"]) for each in ended(study, REFUSED)]
            return BudgetError(f"no net can be made of the {len(reasons)} candidates drawn: {reasons[0] if reasons else 'none were'}")
        closest = min(over, key=lambda each: (sum(max(0.0, value) for value in each.constraints.values()), each.number))
        return BudgetError(
            f"none of {len(over)} candidates is within {limits}: the closest takes {_enumerated(closest.user_attrs['priced'])}"
        )


def _enumerated(costs: Mapping[str, int]) -> str:
    units = {"const": " B", "state": " B"}
    return ", ".join(f"{name} {value:,}{units.get(name, '')}" for name, value in costs.items())


def _is_within(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())


def _scored(trial: FrozenTrial) -> Scored:
    known = trial.user_attrs
    found = known["trained"]
    return Scored(trial.number, known["recipe"], known[CHOSEN], found["metric"], found["costs"], found["graph_sha256"])


def _suggested(trial: Trial, dimension: Dimension) -> Any:
    """A value, as Optuna's sampler chooses it: evenly spaced whole numbers as such, others by their text."""
    values = dimension.values
    if (step := _step(values)) is not None:
        return trial.suggest_int(dimension.key, values[0], values[-1], step=step)
    chosen = trial.suggest_categorical(dimension.key, [_stored(dimension, value) for value in values])
    return next(value for value in values if _stored(dimension, value) == chosen)


def _stored(dimension: Dimension, value: Any) -> Any:
    """A value as the study keeps it."""
    return value if _step(dimension.values) is not None else str(value)


def _step(values: Sequence[Any]) -> int | None:
    """Of evenly spaced rising whole numbers, three or more."""
    if len(values) < 3 or not all(type(value) is int for value in values):
        return None
    steps = {after - before for before, after in pairwise(values)}
    return steps.pop() if len(steps) == 1 and min(steps) > 0 else None
