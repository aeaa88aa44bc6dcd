"""Continuous recordings are walked through in order, a row of a batch going on with the state in which it ended."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from rescomp.data import Split, load_dataset
from rescomp.data.chains import chains, predecessors
from rescomp.data.recordings import APART
from rescomp.errors import InputError
from rescomp.recipe import DataSection
from rescomp.train import CheckpointFile, Schedule, fit
from rescomp.train.walk import Walk

from .test_carried import net_of, watched_training


def split_of(spans: list[tuple[int, int]], y: list[int] | None = None) -> Split:
    lengths = np.array([end - begin for begin, end in spans], np.int64)
    x = np.random.default_rng(0).normal(size=(len(spans), lengths.max(), 3)).astype(np.float32)
    return Split(x, np.array(y or np.arange(len(spans)) % 2), lengths, spans=np.array(spans, np.int64))


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 4), (4, 8), (8, 12)], [-1, 0, 1]),
        ([(8, 12), (0, 4), (4, 8)], [2, -1, 1]),
        ([(0, 4), (7, 11), (15, 19)], [-1, 0, -1]),  # three readings between, then four: as many as a window
        ([(0, 4), (2, 6), (4, 8), (6, 10)], [-1, -1, 0, 1]),  # windows that overlap by half: two chains
        ([(0, 4), (2, 6), (6, 10), (7, 11)], [-1, -1, 1, 0]),  # each is followed once
        ([(0, 4), (2, 6), (4, 8), (8, 12), (10, 14), (12, 16)], [-1, -1, 0, 2, 1, 3]),  # another label from 8 on: both chains go on
        ([(0, 4), (2, 6), (4, 8), (9, 13), (11, 15), (13, 17)], [-1, -1, 0, 1, 2, 3]),  # from 9 on, where none ended: in their order
        ([(0, 4), (2, 6), (14, 18)], [-1, -1, -1]),  # two windows on, and as many readings as one has in no window
        ([(0, 4), (3, 7), (6, 10), (9, 13), (12, 16)], [-1, -1, 0, 1, 2]),  # a stride that does not divide them
        ([(0, 40), (41, 43), (44, 46), (60, 64)], [-1, 0, 1, -1]),  # a long one far back does not stand in for a near one too far
        ([(0, 4), ((1 << 32) + 4, (1 << 32) + 8)], [-1, -1]),
    ],
)
def test_a_sequence_follows_the_one_that_ended_where_it_begins_or_else_chains_go_on_in_order(
    spans: list[tuple[int, int]], expected: list[int]
) -> None:
    assert predecessors(split_of(spans)).tolist() == expected
    assert sorted(np.concatenate(chains(split_of(spans))).tolist()) == list(range(len(spans)))


def test_without_places_nothing_follows() -> None:
    assert predecessors(dataclasses.replace(split_of([(0, 4), (4, 8)]), spans=None)).tolist() == [-1, -1]


def log(path: Path, *parts: tuple[str, str, int, int]) -> Path:
    """Parts of (group, label, first time, readings)."""
    rows = [f"{first + i},{i},{label},{group}" for group, label, first, count in parts for i in range(count)]
    path.write_text("\n".join(["time,a,label,who", *rows]) + "\n")
    return path


def test_windows_of_logs_follow_each_other_over_changes_of_the_label_but_not_over_gaps_or_groups(tmp_path: Path) -> None:
    parts = [(who, label, 100 * k + 10 * i, 10) for k, who in enumerate("abcd") for i, label in enumerate("xyx")]
    source = log(tmp_path / "log.csv", *parts, ("a", "x", 500, 8))
    train = load_dataset(DataSection(source=str(source), group="who", window=4)).train
    found = [[(int(train.groups[i]), int(train.y[i]), int(train.x[i, 0, 0])) for i in chain] for chain in chains(train)]
    whole = [(0, 0), (0, 4), (1, 0), (1, 4), (0, 0), (0, 4)]
    each = [[(group, *place) for place in whole] for group in np.unique(train.groups)]
    assert [chain for chain in found if len(chain) == 6] == each
    assert {len(chain) for chain in found} <= {2, 6}
    cut_in_two = load_dataset(DataSection(source=str(source), group="who", window=2, split="time"))
    for split in (train, cut_in_two.train, cut_in_two.test):
        assert (split.spans[:, 0] % APART % 10 == split.x[:, 0, 0]).all()
        assert (split.spans[:, 1] - split.spans[:, 0] == split.lengths).all()


@pytest.mark.parametrize(("window", "stride"), [(8, 4), (8, 1), (8, 5), (8, 8)])
def test_no_chain_ends_where_a_label_does(tmp_path: Path, window: int, stride: int) -> None:
    """Five labels of 16 to 37 readings: as many chains as windows cover a reading, each through all labels, exact within a label."""
    runs = [("x", 0, 16), ("y", 16, 27), ("x", 43, 37), ("y", 80, 23), ("x", 103, 29)]
    parts = [(who, label, 1000 * k + begin, count) for k, who in enumerate("abc") for label, begin, count in runs]
    source = DataSection(source=str(log(tmp_path / "log.csv", *parts)), group="who", window=window, stride=stride, channels=("a",))
    train = load_dataset(source).train
    walk = Walk.of(train)
    assert walk is not None
    assert len(walk.chains) == -(-window // stride) * len(np.unique(train.groups))
    for chain in walk.chains:
        assert len(set(train.groups[chain])) == 1
        steps = train.spans[chain[1:], 0] - train.spans[chain[:-1], 1]
        same = train.y[chain[1:]] == train.y[chain[:-1]]
        assert (steps[same] == -window % stride).all()
        assert 0 <= steps.min() <= steps.max() < 2 * window
        assert (~same).sum() == 4


def test_recordings_of_one_class_each_are_not_walked_through(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for label in "xy":
        (folder / label).mkdir(parents=True)
        for day in range(3):
            log(folder / label / f"{day}.csv", ("a", label, 0, 12))
    one_class = load_dataset(DataSection(source=str(folder), window=4, channels=("a",))).train
    assert (predecessors(one_class) >= 0).any()
    assert Walk.of(one_class) is None


def test_an_epoch_walks_every_lane_in_order_and_sees_each_sequence_once() -> None:
    spans = [(begin + 4 * i, begin + 4 * i + 4) for begin in (0, 1 << 40, 1 << 41) for i in range(9)]
    walk = Walk.of(split_of(spans))
    assert walk is not None
    orders = [walk.order(4, torch.Generator().manual_seed(seed)).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert sorted(order) == list(range(27))
        batches = [torch.tensor(order[start : start + 4]) for start in range(0, 27, 4)]
        assert [len(batch) for batch in batches] == [4] * 6 + [3]
        broken = 0
        for previous, rows in itertools.pairwise(batches):
            follows = walk.follows(rows, previous)
            assert all(row == place for place, row in enumerate(follows.tolist()) if row >= 0)
            broken += int((follows < 0).sum())
        assert broken <= 3  # where a recording ends, if no lane does there


def test_a_row_goes_on_exactly_where_its_recording_ended(schedule: Schedule) -> None:
    """One recording of 60 windows in lanes of 15: with carry = 1 every row but the first batch's begins where it ended itself."""
    split = split_of([(4 * i, 4 * i + 4) for i in range(60)])
    seen = watched_training(split, dataclasses.replace(schedule, carry=1.0, loss_share=0.5, epochs=1, batch_size=4))
    assert len(seen) == 15
    exact = sum(int((begin == before).all(dim=1).sum()) for (_, before), (begin, _) in itertools.pairwise(seen))
    assert exact >= 14 * 4 - 1  # the ring is cut once where the recording ends


def test_a_walk_that_died_resumes_to_the_same_net(schedule: Schedule, tmp_path: Path) -> None:
    """Windows that overlap by half, labels of 17 readings, a last batch that is smaller and that an epoch's first one would go on from."""
    begins = [17 * k + 2 * i for k in range(6) for i in range(7)]
    split = split_of([(begin, begin + 4) for begin in begins], [begin // 17 % 2 for begin in begins])
    walking = dataclasses.replace(schedule, carry=0.75, loss_share=1.0, epochs=4, batch_size=24)

    def die(step: int, total: int) -> None:
        if step == 5:
            raise KeyboardInterrupt

    files, nets = [CheckpointFile(tmp_path / name) for name in ("whole", "cut")], [net_of() for _ in range(3)]
    fit(nets[0], split, walking, checkpoint=files[0])
    with pytest.raises(KeyboardInterrupt):
        fit(nets[1], split, walking, checkpoint=files[1], on_step=die)
    fit(nets[2], split, walking, checkpoint=files[1], resume=True)
    assert files[0].path.read_bytes() == files[1].path.read_bytes()


def test_recordings_at_other_places_are_not_resumed(schedule: Schedule, tmp_path: Path) -> None:
    file, carrying = CheckpointFile(tmp_path / "c"), dataclasses.replace(schedule, carry=0.5, epochs=1)
    fit(net_of(), split_of([(4 * i, 4 * i + 4) for i in range(6)]), carrying, checkpoint=file)
    with pytest.raises(InputError, match=r"was made with places of the data = .*: resume with the same recipe and data, or train anew"):
        fit(net_of(), split_of([(8 * i, 8 * i + 4) for i in range(6)]), carrying, checkpoint=file, resume=True)
