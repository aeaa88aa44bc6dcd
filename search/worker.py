"""A worker on an Optuna study: one trial at a time, of which nothing is lost or counted twice, whatever ends the worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.trial import FrozenTrial

OUTCOME = "outcome"
"""The attribute of a trial that has ended: what it came to."""
CHOSEN = "chosen"
"""The attribute of a trial that was drawn: its values by the key of their dimension."""
_FIXED = "fixed_params"
"""Optuna's attribute of a trial that was queued with values."""
_WAIT = 1.0
"""Seconds between two looks at what other workers do."""


def ended(study: OptunaStudy, *outcomes: str) -> list[FrozenTrial]:
    """The trials that came to one of the outcomes."""
    return [each for each in study.get_trials(deepcopy=False) if each.state.is_finished() and each.user_attrs.get(OUTCOME) in outcomes]


def in_state(study: OptunaStudy, *names: str) -> list[FrozenTrial]:
    """The trials in one of Optuna's states: WAITING, RUNNING, COMPLETE, PRUNED, FAIL."""
    return [each for each in study.get_trials(deepcopy=False) if each.state.name in names]


def run_one(study: OptunaStudy, objective: Callable[[Trial], float | Sequence[float]]) -> None:
    """Take the next trial through `objective`. What breaks it off, Ctrl-C for instance, puts it back into the queue, and is raised.

    A trial that another worker took over meanwhile is that worker's: what it came to here is dropped, and what broke it off is raised.
    """
    from optuna.exceptions import UpdateFinishedTrialError

    taken: list[int] = []
    broken_off: list[BaseException] = []

    def noted(trial: Trial) -> float | Sequence[float]:
        taken.append(trial.number)
        try:
            return objective(trial)
        except BaseException as error:
            broken_off.append(error)
            raise

    try:
        study.optimize(noted, n_trials=1)
    except BaseException:
        if not taken:
            raise
        left = study.get_trials(deepcopy=False)[taken[0]]
        if left.state.name != "FAIL":
            raise
        if not _is_taken_over(study, left):
            _queue_again(study, left)
            raise
        for error in broken_off:  # in its place Optuna raises that the trial had ended
            if not isinstance(error, UpdateFinishedTrialError):
                raise error from None


def wait_for_others(study: OptunaStudy) -> None:
    """A moment; a trial whose worker has given no sign of life for too long is put back into the queue."""
    from optuna.storages import fail_stale_trials

    time.sleep(_WAIT)
    fail_stale_trials(study)


def _queue_again(study: OptunaStudy, trial: FrozenTrial) -> None:
    """With the values that it has. One that was broken off while it was drawn is drawn anew, from the first value on: the rest would come
    from another place of the sampler's numbers.
    """
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    if CHOSEN not in trial.user_attrs:
        study.enqueue_trial(trial.system_attrs.get(_FIXED, {}))
        return
    RetryHeartbeatStaleTrialCallback()(study, trial)


def _is_taken_over(study: OptunaStudy, trial: FrozenTrial) -> bool:
    """Whether another worker took this one for dead, as where the machine slept, and put the trial back into the queue."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    return any(trial.number in RetryHeartbeatStaleTrialCallback.retry_history(each) for each in study.get_trials(deepcopy=False))
