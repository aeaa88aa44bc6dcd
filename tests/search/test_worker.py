"""A trial that another worker took for dead and put back into the queue is that worker's."""

import optuna
import pytest
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState

from rescomp.errors import InputError
from rescomp.search.worker import in_state, run_one


def a_study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study()


def take_over(study, number):
    """As another worker does, after too long without a sign of life."""
    left = study.get_trials()[number]
    study._storage.set_trial_state_values(left._trial_id, TrialState.FAIL)
    RetryHeartbeatStaleTrialCallback()(study, study.get_trials()[number])


def test_what_a_trial_came_to_that_was_taken_over_is_dropped():
    study = a_study()

    def objective(trial):
        take_over(study, trial.number)
        return 1.0

    run_one(study, objective)
    assert [len(in_state(study, name)) for name in ("FAIL", "WAITING", "COMPLETE")] == [1, 1, 0]


def test_a_trial_that_notices_that_it_was_taken_over_ends_there():
    study = a_study()

    def objective(trial):
        take_over(study, trial.number)
        trial.set_user_attr("outcome", "done")
        raise AssertionError("goes on with another worker's trial")

    run_one(study, objective)
    assert [len(in_state(study, name)) for name in ("FAIL", "WAITING")] == [1, 1]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), InputError("no disk")], ids=["Ctrl-C", "exit", "error"])
def test_what_ends_a_worker_ends_it_also_when_its_trial_was_taken_over(error):
    study = a_study()

    def objective(trial):
        take_over(study, trial.number)
        raise error

    with pytest.raises(type(error)):
        run_one(study, objective)
    assert len(in_state(study, "WAITING")) == 1, "put back once, by the other worker"


def test_what_ends_a_worker_puts_its_trial_back_into_the_queue():
    study = a_study()

    def objective(trial):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(study, objective)
    assert [len(in_state(study, name)) for name in ("FAIL", "WAITING")] == [1, 1]
