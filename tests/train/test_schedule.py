from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch

from rescomp.errors import InputError
from rescomp.recipe import ALONE, STREAMS, Recipe, with_unset
from rescomp.train import Determinism, Schedule, accuracy, make_deterministic, quantize_schedule, scores, train_schedule


def test_warm_up_then_half_a_cosine() -> None:
    schedule = Schedule("train", 1, 1, 0.1, seed=0, warmup=0.1)
    rates = [schedule.rate(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.01 * step for step in range(1, 11)])
    assert rates[10] == 0.1
    assert rates[55] == pytest.approx(0.05)
    assert all(earlier > later > 0 for earlier, later in itertools.pairwise(rates[10:]))


@pytest.mark.parametrize(("warmup", "total"), [(0.0, 1), (0.02, 1), (1.0, 5), (0.5, 2)])
def test_short_runs_have_a_rate(warmup: float, total: int) -> None:
    schedule = Schedule("train", 1, 1, 0.1, seed=0, warmup=warmup)
    assert all(0 < schedule.rate(step, total) <= 0.1 for step in range(total))


def test_schedules_of_a_recipe() -> None:
    recipe = Recipe.model_validate({"train": {"epochs": 7, "batch_size": 5, "weight_decay": 0.1, "seed": 2}, "quantize": {"epochs": 4}})
    train = train_schedule(recipe.train)
    assert (train.stage, train.epochs, train.batch_size, train.weight_decay, train.seed) == ("train", 7, 5, 0.1, 2)
    quantize = quantize_schedule(recipe.train, recipe.quantize)
    assert (quantize.stage, quantize.epochs, quantize.learning_rate) == ("quantize", 4, recipe.quantize.learning_rate)
    assert dataclasses.replace(quantize, stage="train", epochs=7, learning_rate=train.learning_rate) == train


def test_nets_with_a_state_are_trained_for_streams_unless_the_recipe_says_otherwise() -> None:
    def of(recipe: Recipe) -> set[tuple[float, float]]:
        both = train_schedule(recipe.train), quantize_schedule(recipe.train, recipe.quantize)
        return {(schedule.carry, schedule.loss_share) for schedule in both}

    some = Recipe.model_validate({"train": {"loss_share": 0.25}})
    assert [of(with_unset(recipe, STREAMS)) for recipe in (Recipe(), some)] == [{(0.75, 0.5)}, {(0.75, 0.25)}]
    assert [of(with_unset(recipe, ALONE)) for recipe in (Recipe(), some)] == [{(0.0, 0.0)}, {(0.0, 0.25)}]
    assert of(Recipe()) == {(0.0, 0.0)}


def test_determinism_is_pinned_and_recorded() -> None:
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        assert make_deterministic(5, 1) == Determinism(5, 1, torch.__version__)
        first = torch.rand(3)
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        make_deterministic(5, 1)
        assert torch.equal(first, torch.rand(3))
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


@pytest.mark.parametrize("seed", [-1, 1 << 63])
def test_a_seed_that_torch_does_not_take(seed: int) -> None:
    with pytest.raises(InputError, match=r"train\.seed = -?\d+ is outside 0\.\.2\^63-1: choose a smaller one"):
        make_deterministic(seed, 1)


def test_scores_do_not_depend_on_the_batch_and_keep_the_mode(make_net: Any, train_split: Any) -> None:
    net = make_net().train()
    whole = scores(net, train_split)
    assert whole.shape == (46, 2)
    assert net.training
    torch.testing.assert_close(whole, scores(net, train_split, batch_size=7))
    assert accuracy(net.eval(), train_split) == float((whole.argmax(dim=1).numpy() == train_split.y).mean())
    assert not net.training
