from __future__ import annotations

import math

import pytest
import torch

from rescomp.errors import InputError
from rescomp.train.augment import Augmentation, rotate
from rescomp.train.batches import Batch


def batch(sequences: int = 50, sensors: int = 2) -> Batch:
    x = torch.randn(sequences, 5, 3 * sensors, generator=torch.Generator().manual_seed(1))
    return Batch(x, torch.full((sequences,), 5), torch.zeros(sequences, dtype=torch.int64))


def augment(noise: float, rotation: float, seed: int = 0) -> tuple[Batch, Batch]:
    before = batch()
    spread = torch.tensor([1.0, 2, 3, 4, 5, 6])
    return before, Augmentation(spread, noise, rotation)(before, torch.Generator().manual_seed(seed))


def test_quarter_turns() -> None:
    x = torch.tensor([[[1.0, 2, 3, 4, 5, 6]]])
    quarter = torch.eye(3) * (math.pi / 2)
    about_x, about_y, about_z = (rotate(x, axis[None])[0, 0] for axis in quarter)
    torch.testing.assert_close(about_x, torch.tensor([1.0, -3, 2, 4, -6, 5]))
    torch.testing.assert_close(about_y, torch.tensor([3.0, 2, -1, 6, 5, -4]))
    torch.testing.assert_close(about_z, torch.tensor([-2.0, 1, 3, -5, 4, 6]))


def test_a_rotation_keeps_lengths_and_is_one_a_sequence() -> None:
    before, after = augment(0.0, 0.3)
    sensors = [x.unflatten(2, (2, 3)) for x in (before.x, after.x)]
    torch.testing.assert_close(sensors[0].norm(dim=3), sensors[1].norm(dim=3))
    products = [x @ x.flatten(1, 2)[:, None].transpose(2, 3) for x in sensors]
    torch.testing.assert_close(products[0], products[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(before.x, after.x, atol=0.1)


def test_angles_have_the_asked_spread() -> None:
    x = torch.zeros(4000, 1, 3)
    x[..., 0] = 1
    before = Batch(x, torch.ones(4000, dtype=torch.int64), torch.zeros(4000, dtype=torch.int64))
    after = Augmentation(torch.ones(3), 0.0, 0.05)(before, torch.Generator().manual_seed(0)).x
    assert after[..., 1].std() == pytest.approx(0.05, rel=0.05)
    assert after[..., 2].std() == pytest.approx(0.05, rel=0.05)


def test_noise_in_units_of_the_spread() -> None:
    before, after = augment(0.1, 0.0)
    torch.testing.assert_close((after.x - before.x).std(dim=(0, 1)), 0.1 * torch.tensor([1.0, 2, 3, 4, 5, 6]), rtol=0.2, atol=0)


def test_repeatable_and_nothing_unasked() -> None:
    assert torch.equal(augment(0.1, 0.1)[1].x, augment(0.1, 0.1)[1].x)
    assert not torch.equal(augment(0.1, 0.1)[1].x, augment(0.1, 0.1, seed=1)[1].x)
    before, after = augment(0.0, 0.0)
    assert torch.equal(before.x, after.x)


def test_channels_must_go_in_threes() -> None:
    with pytest.raises(InputError, match=r"in threes .* there are 4: set it to 0"):
        Augmentation(torch.ones(4), rotation=0.1)
