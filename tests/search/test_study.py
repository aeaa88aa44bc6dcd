"""The study: limits, rungs, the same seed, workers that are broken off or killed. Nothing is trained here; Optuna and SQLite are real."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")
sys.path.insert(0, str(Path(__file__).parent))

from judges import MadeUp, made_up_study

from rescomp.errors import BudgetError, InputError
from rescomp.search import study as study_module
from rescomp.search.front import Scored, front_of
from rescomp.search.storage import StudyStorage
from rescomp.search.study import COUNTED, OVER, STOPPED, TRAINED, Trained
from rescomp.search.worker import ended
from rescomp.text_files import without_passwords

WORKER = Path(__file__).parent / "judges.py"


def tried(study):
    """(candidate, outcome) of what was trained, in order."""
    return [(each.user_attrs["digest"], each.user_attrs["outcome"]) for each in ended(study._opened(), *COUNTED)]


def test_the_same_seed_gives_the_same_study_though_it_is_broken_off(tmp_path):
    for name in ("whole", "broken", "other"):
        (tmp_path / name).mkdir()
    whole = made_up_study(tmp_path / "whole")
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        made_up_study(tmp_path / "broken", judge=MadeUp(broken_off_at=3)).run()
    broken = made_up_study(tmp_path / "broken")
    broken.run()
    other = made_up_study(tmp_path / "other", "search.seed=1")
    other.run()
    assert tried(broken) == tried(whole) != tried(other)
    assert len(tried(whole)) == 6
    assert len(broken.judge.trained) == 4  # two were trained before
    whole.run()
    assert len(whole.judge.trained) == 6


@pytest.mark.parametrize("at", [2, 5, 8, 11])
def test_so_it_does_broken_off_while_a_candidate_is_drawn(at, tmp_path, monkeypatch):
    """After some of its values; the first candidate is one that was queued with values."""
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    asked, guess = 'search.space={"model.hidden_size" = [4, 8, 12, 16], "model.readings" = [1, 2, 4]}', {"model.hidden_size": 8}
    whole = made_up_study(tmp_path / "whole", asked, guess=guess)
    whole.run()
    drawn, suggested = [], study_module._suggested

    def break_off(trial, dimension):
        drawn.append(dimension)
        if len(drawn) == at:
            raise KeyboardInterrupt
        return suggested(trial, dimension)

    monkeypatch.setattr(study_module, "_suggested", break_off)
    with pytest.raises(KeyboardInterrupt):
        made_up_study(tmp_path / "broken", asked, guess=guess).run()
    broken = made_up_study(tmp_path / "broken", asked, guess=guess)
    broken.run()
    assert tried(broken) == tried(whole)


def test_candidates_past_a_limit_are_told_to_the_sampler_and_never_trained(tmp_path):
    study = made_up_study(tmp_path, guess={"model.hidden_size": 64})
    study.run()
    over = ended(study._opened(), OVER)
    assert over[0].params["model.hidden_size"] == 64
    assert over[0].constraints == {"const": 1.0}
    assert all(each.user_attrs["priced"]["const"] > 1024 for each in over)
    assert not {each.user_attrs["digest"] for each in over} & set(study.judge.trained)
    assert all(each.costs["const"] <= 1024 for each in study.scored())
    assert sum(study.outcomes().values()) == len(over) + 6


def test_limits_that_nothing_is_within_are_told_with_the_closest(tmp_path, monkeypatch):
    monkeypatch.setattr("rescomp.search.study.MOST_DRAWN", 30)  # of two values; Optuna takes the longer the more there were
    study = made_up_study(tmp_path, "search.const=20B", 'search.space={"model.hidden_size" = [4, 8]}')
    with pytest.raises(BudgetError, match=r"none of 30 candidates is within const 20 B: the closest takes const 128 B"):
        study.run()


def test_a_candidate_stops_at_a_rung_when_two_are_better_in_everything(tmp_path):
    class Falling(MadeUp):
        """Every candidate is worse than the one before, and takes as much."""

        def price(self, recipe):
            return {"const": 100, "state": 100}

        def train(self, recipe, digest, passes):
            self.trained.append(digest)
            passed = passes(0, 1 - len(self.trained) / 10)
            return Trained(0.5, self.price(recipe), digest) if passed else None

    study = made_up_study(tmp_path, judge=Falling())
    study.run()
    assert [outcome for _, outcome in tried(study)] == [TRAINED, TRAINED, *[STOPPED] * 4]


def test_two_workers_share_a_study_and_one_that_is_killed_loses_nothing(tmp_path):
    trials = 5
    command = [sys.executable, str(WORKER), str(tmp_path), "0.2", str(trials)]
    killed = subprocess.Popen([*command[:3], "60", *command[4:]], stdout=subprocess.DEVNULL)
    study = made_up_study(tmp_path)
    while not any("digest" in each.user_attrs for each in study._opened().get_trials()):
        pass
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [worker.wait(timeout=200) for worker in workers] == [0, 0]
    trained = [digest for digest, _ in tried(study)]
    every = study._opened().get_trials()
    (lost,) = (each for each in every if each.state.name == "FAIL")
    assert len(trained) == trials == len(set(trained))
    assert lost.user_attrs["digest"] in trained
    assert not [each for each in every if not each.state.is_finished()]


def test_the_front_holds_what_no_other_is_better_than():
    def scored(trial, metric, const):
        return Scored(trial, "", {}, metric, {"const": const, "state": 1}, "")

    candidates = [scored(0, 0.9, 100), scored(1, 0.8, 100), scored(2, 0.8, 50), scored(3, 0.95, 200), scored(4, 0.9, 100)]
    assert [each.trial for each in front_of(candidates, ["const"])] == [3, 0, 2]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("journal:///tmp/study.log", "a journal has no heartbeats"),
        ("redis://:s3cret@host", "a journal has no heartbeats"),
        ("study.log", "a storage is a database's URL"),
        ("sqlite://", "a study in memory ends with the command"),
        ("postgresql://who:s3cret@127.0.0.1:1/none", r"the storage postgresql\+psycopg://who:\*\*\*@127.0.0.1:1/none fails"),
        ("postgresql://who@127.0.0.1:1/none?password=s3cret", r"the storage postgresql\+psycopg://who@127.0.0.1:1/none fails"),
    ],
)
def test_what_is_no_storage_is_refused_without_its_password(tmp_path, url, said):
    with pytest.raises(InputError, match=said) as refusal:
        StudyStorage(url, tmp_path)
    assert "s3cret" not in str(refusal.value)
    assert not refusal.value.__cause__


def test_a_command_line_is_kept_without_passwords():
    assert without_passwords("postgresql://who:s3@cret@host/name") == "postgresql://who:***@host/name"
    assert without_passwords("--storage=mysql+x://a:b c@host/n?sslpassword=q&y=1") == "--storage=mysql+x://a:***@host/n?sslpassword=***&y=1"
    assert without_passwords("const=2KB") == "const=2KB"
