from __future__ import annotations

import math

import pytest
import torch

from rescomp.errors import InputError
from rescomp.train.augment import Augmentation, move, rotate
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


def test_three_angles_are_of_their_axes() -> None:
    x = torch.zeros(4000, 1, 6)
    x[..., 0], x[..., 5] = 1, 1
    before = Batch(x, torch.ones(4000, dtype=torch.int64), torch.zeros(4000, dtype=torch.int64))
    after = Augmentation(torch.ones(6), 0.0, (0.0, 0.04, 0.1))(before, torch.Generator().manual_seed(0)).x
    moved = [after[:, 0, channel].std().item() for channel in (1, 2, 3, 4)]
    assert moved == pytest.approx([0.1, 0.04, 0.04, 0], rel=0.06, abs=0.004)
    alike = [Augmentation(torch.ones(6), 0.0, angles)(before, torch.Generator().manual_seed(0)).x for angles in (0.1, (0.1, 0.1, 0.1))]
    assert torch.equal(*alike)


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


CENTER = torch.tensor([0.3, -7.0])


def images(count: int = 60, height: int = 5, width: int = 4) -> Batch:
    """Every pixel differs from every other, and from the centre."""
    x = torch.randn(count, height, width, 2, generator=torch.Generator().manual_seed(2))
    return Batch(x, torch.full((count,), height), torch.arange(count) % 3)


def moved(x: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """One image [height, width, channels] moved, the centre behind it, pixel by pixel."""
    result = CENTER.repeat(*x.shape[:2], 1)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if 0 <= i - down < x.shape[0] and 0 <= j - right < x.shape[1]:
                result[i, j] = x[i - down, j - right]
    return result


def test_a_crop_is_a_moved_copy_and_the_center_moves_in() -> None:
    before = images()
    after = Augmentation(torch.ones(2), crop=2, center=CENTER)(before, torch.Generator().manual_seed(0))
    found = []
    for old, new in zip(before.x, after.x, strict=True):
        fits = [(down, right) for down in range(-2, 3) for right in range(-2, 3) if torch.equal(moved(old, down, right), new)]
        assert len(fits) == 1
        found += fits
    assert {down for down, _ in found} == {right for _, right in found} == {-2, -1, 0, 1, 2}
    assert any(down != right for down, right in found)
    assert torch.equal(after.y, before.y)
    assert torch.equal(after.lengths, before.lengths)


def test_a_time_shift_is_a_moved_copy() -> None:
    x = torch.randn(60, 6, 2, generator=torch.Generator().manual_seed(2))
    before = Batch(x, torch.full((60,), 6), torch.zeros(60, dtype=torch.int64))
    after = Augmentation(torch.ones(2), time_shift=3, center=CENTER)(before, torch.Generator().manual_seed(0)).x
    found = []
    for old, new in zip(x, after, strict=True):
        fits = [amount for amount in range(-3, 4) if torch.equal(moved(old[None], 0, amount)[0], new)]
        assert len(fits) == 1
        found += fits
    assert set(found) == set(range(-3, 4))


def test_without_a_center_zeros_move_in() -> None:
    x = torch.ones(40, 3, 2)
    after = Augmentation(torch.ones(2), time_shift=2)(Batch(x, torch.full((40,), 3), torch.zeros(40)), torch.Generator().manual_seed(0)).x
    assert set(after.unique().tolist()) == {0.0, 1.0}


def test_moving_further_than_the_sample_leaves_the_center() -> None:
    x = torch.randn(2, 3, 2)
    assert torch.equal(move(x, torch.tensor([3, -7]), 1, CENTER), CENTER.expand(2, 3, 2))
    assert torch.equal(move(x, torch.tensor([0, 0]), 1, CENTER), x)


def test_flips_mirror_left_to_right_half_of_the_time() -> None:
    before = images(400)
    after = Augmentation(torch.ones(2), flip=True)(before, torch.Generator().manual_seed(0)).x
    mirrored = [torch.equal(old.flip(1), new) for old, new in zip(before.x, after, strict=True)]
    kept = [torch.equal(old, new) for old, new in zip(before.x, after, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 150 < sum(mirrored) < 250


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [("crop", 1, "images"), ("flip", True, "images"), ("rotation", 0.1, "sequences"), ("time_shift", 1, "sequences")],
)
def test_images_and_sequences_take_their_own(key: str, value: float, what: str) -> None:
    x = torch.zeros(2, 3, 6) if what == "images" else torch.zeros(2, 3, 4, 6)
    augmentation = Augmentation(torch.ones(6), **{key: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=rf"^train\.{key} is for {what}, and the data are none: leave it out$"):
        augmentation(Batch(x, torch.full((2,), 3), torch.zeros(2)), torch.Generator())
