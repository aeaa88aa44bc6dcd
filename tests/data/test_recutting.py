"""Windows cut again from their continuous recordings, and at another speed."""

import numpy as np
import pytest

from rescomp.data.recutting import Recutting
from rescomp.data.split import Split

LINE = np.arange(40, dtype=np.float32)


def split_of(begins, y, size=8, *, spans=True, dtype=np.float32):
    """Windows of a line of readings, whose values tell their places: [place, -3 place]."""
    begins = np.array(begins)
    x = np.stack([np.stack([LINE[begin : begin + size], -3 * LINE[begin : begin + size]], axis=1) for begin in begins]).astype(dtype)
    lengths = np.full(len(begins), size)
    return Split(x, np.array(y), lengths, spans=np.stack([begins, begins + lengths], axis=1) if spans else None)


def starts(split):
    return split.x[:, 0, 0].astype(int).tolist()


def test_windows_move_within_the_stretch_of_their_class_and_no_farther_than_asked():
    split = split_of([4, 0, 8, 20, 28], [1, 1, 1, 0, 1])
    recutting = Recutting.of(split)
    assert recutting.moves
    seen = [starts(recutting.drawn(3, 0.0, 7, epoch)) for epoch in range(60)]
    assert [sorted(set(each)) for each in zip(*seen, strict=True)] == [[*range(1, 8)], [*range(4)], [*range(5, 9)], [20], [28]]
    for epoch in range(3):
        drawn = recutting.drawn(3, 0.0, 7, epoch)
        assert all(np.array_equal(window[:, 0], np.arange(8) + window[0, 0]) for window in drawn.x)
        assert np.array_equal(drawn.x[..., 1], -3 * drawn.x[..., 0])
        assert all(getattr(drawn, name) is getattr(split, name) for name in ("y", "lengths", "spans"))
    assert starts(recutting.drawn(3, 0.0, 7, 5)) == seen[5] != starts(recutting.drawn(3, 0.0, 8, 5))


def test_windows_that_touch_are_one_stretch_and_a_gap_parts_them():
    assert set(starts(Recutting.of(split_of([0, 8, 17], [0, 0, 0])).drawn(9, 0.0, 1, 3))) - {0, 8} != set()
    assert not Recutting.of(split_of([0, 9, 18], [0, 0, 0])).moves
    assert not Recutting.of(split_of([0, 8], [0, 1])).moves
    assert not Recutting.of(split_of([0, 4], [0, 0], spans=False)).moves


@pytest.mark.parametrize("spans", [True, False])
def test_a_warp_plays_windows_slower_or_faster_about_their_middle(spans):
    split = split_of([4, 8, 30], [0, 0, 1], spans=spans)
    drawn = [Recutting.of(split).drawn(0, 0.25, 3, epoch).x[:, :, 0] for epoch in range(40)]
    steps = np.stack([np.diff(x, axis=1) for x in drawn])
    assert 0.75 - 1e-4 <= steps[..., 3].min() < 0.8
    assert 1.2 < steps[..., 3].max() <= 1.25 + 1e-4
    np.testing.assert_allclose(
        [x.mean(axis=1) for x in drawn if np.ptp(np.diff(x, axis=1)) < 1e-4],
        [[7.5, 11.5, 33.5]] * sum(np.ptp(np.diff(x, axis=1)) < 1e-4 for x in drawn),
        rtol=1e-4,
    )
    low, high = (4, 15) if spans else (4, 11)
    assert min(x[0].min() for x in drawn) == low, "beyond the stretch stands its first reading"
    assert max(x[0].max() for x in drawn) <= high
    assert (max(x[0].max() for x in drawn) > 11) == spans, "readings of the next window come in"


def test_integers_stay_integers_and_nothing_stands_past_the_end():
    split = split_of([0, 4, 20], [0, 0, 1], dtype=np.int32)
    short = Split(np.where(np.arange(8)[None, :, None] < 5, split.x, 0), split.y, np.array([5, 5, 5]), spans=split.spans - [[0, 3]])
    drawn = Recutting.of(short).drawn(1, 0.2, 5, 1)
    assert drawn.x.dtype == np.int32
    assert not drawn.x[:, 5:].any()
    assert np.array_equal(drawn.x[2, :5, 0], drawn.x[2, :5, 0].clip(20, 24))
