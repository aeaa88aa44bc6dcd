"""Continuous recordings with a label a reading, and single ones put in a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data import Split, load_dataset
from rescomp.data.rows import in_a_row, row_orders
from rescomp.data.streams import Streams, holds_streams, load_streams, streams_in_steps
from rescomp.errors import InputError
from rescomp.recipe import DataSection


def write(path: Path, **changes: Any) -> str:
    arrays = {
        "x_stream": np.arange(24.0).reshape(2, 6, 2),
        "y_stream": np.array([[0, 0, 1, 1, 0, 9], [1, 1, 1, 0, 0, 0]]),
        "lengths_stream": np.array([5, 6]),
        "group_stream": np.array(["ann", "bob"]),
    }
    np.savez(path / "s.npz", **{key: value for key, value in (arrays | changes).items() if value is not None})
    return str(path / "s.npz")


def test_streams_of_an_archive(tmp_path: Path) -> None:
    found = load_streams(write(tmp_path))
    assert found.classes == ("0", "1")
    assert found.groups == ("ann", "bob")
    assert found.streams.x.shape == (2, 6, 2)
    assert not found.streams.x[0, 5].any()
    assert found.streams.y.tolist() == [[0, 0, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]]
    assert found.streams.lengths.tolist() == [5, 6]
    assert found.streams.has_changes
    assert holds_streams(DataSection(source=write(tmp_path)))


def test_text_labels_are_the_model_s_classes(tmp_path: Path) -> None:
    labels = np.array([["walk"] * 3 + ["sit"] * 3] * 2)
    path = write(tmp_path, y_stream=labels)
    assert load_streams(path, ("walk", "sit", "lie")).streams.y[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert load_streams(path).classes == ("sit", "walk")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"x_stream": None}, "no array 'x_stream'"),
        ({"y_stream": np.array([0, 1])}, "labels of shape [2]"),
        ({"y_stream": np.full((2, 6), 0.5)}, "type float64"),
        ({"y_stream": np.full((2, 6), 1 << 60)}, "number the classes from 0 without gaps"),
        ({"x_stream": np.where(np.arange(24).reshape(2, 6, 2) == 17, np.nan, 0)}, "nan at stream 1, step 2, channel 1"),
        ({"x_stream": np.zeros((2, 6, 2, 2))}, "streams are [streams, time, channels]"),
        ({"lengths_stream": np.array([5, 7])}, "length 7 at stream 1, outside 1..6"),
        ({"group_stream": np.array([1])}, "2 streams"),
        ({"lengths_streams": np.array([5, 6])}, "'lengths_stream'"),
        ({"lengths": np.array([5, 6])}, "'lengths_stream'"),
    ],
)
def test_a_damaged_archive_is_refused_naming_the_place(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_streams(write(tmp_path, **changes))
    assert text in str(caught.value)


def test_a_label_that_no_class_has_is_named_with_stream_and_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"label 1 at stream 0, step 2, outside 0\.\.0"):
        load_streams(write(tmp_path), ("only",))
    with pytest.raises(InputError, match="did you mean 'walking'"):
        load_streams(write(tmp_path, y_stream=np.full((2, 6), "walkin")), ("walking", "sitting"))
    named = write(tmp_path, classes=np.array(["walking", "sitting"]))
    assert load_streams(named, ("sitting", "walking")).streams.y[1].tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(InputError, match="label 'walking' at stream 0, step 0, not one of the 2 classes"):
        load_streams(named, ("sitting", "lying"))


LOG = """t,ax,label,who
0,1,sit,ann
1,2,sit,ann
2,3,walk,ann
9,4,walk,ann
10,5,sit,ann
0,6,walk,bob
1,7,sit,bob
"""


def test_a_log_is_cut_at_gaps_and_groups_and_not_at_labels(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    data = DataSection(source=str(tmp_path / "log.csv"), group="who", time="t")
    found = load_streams(data)
    assert found.streams.lengths.tolist() == [3, 2, 2]
    assert found.streams.y.tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert found.streams.x[..., 0].tolist() == [[1, 2, 3], [4, 5, 0], [6, 7, 0]]
    assert found.streams.x.dtype == np.int32
    assert (found.groups, found.channels) == (("ann", "bob"), ("ax",))
    with pytest.raises(InputError, match=r"log.csv, line 4: column 'label' is 'walk', not one of the 2 classes: did you mean 'walks'"):
        load_streams(data, ("sit", "walks"))


def test_a_folder_a_class_holds_no_streams(tmp_path: Path) -> None:
    for name in ("sit", "walk"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("ax\n1\n2\n")
    assert not holds_streams(DataSection(source=str(tmp_path)))
    assert not holds_streams(DataSection())
    with pytest.raises(InputError, match="sub-folder a class"):
        load_streams(str(tmp_path))
    for load in (load_streams, load_dataset):
        with pytest.raises(InputError, match=r'data\.source = "": an empty path names nothing'):
            load("")
    with pytest.raises(InputError, match="no continuous recordings"):
        load_streams("japanese_vowels")


def neighbours_alike(y: np.ndarray) -> int:
    return int((y[1:] == y[:-1]).sum())


@pytest.mark.parametrize(("counts", "least"), [((10, 10, 10), 0), ((16, 8, 7), 0), ((20, 5, 5), 9), ((3,), 2), ((1, 1), 0), ((50, 49), 0)])
def test_neighbours_differ_wherever_possible(counts: tuple[int, ...], least: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    orders = row_orders(y)
    assert orders.shape == (5, len(y))
    for order in orders:
        assert sorted(order) == list(range(len(y)))
        assert neighbours_alike(y[order]) == least
    assert np.array_equal(orders, row_orders(y))
    assert len(y) < 4 or len({tuple(order) for order in orders.tolist()}) == 5


def test_recordings_in_a_row() -> None:
    x = np.arange(1, 25, dtype=np.int32).reshape(4, 3, 2)
    split = Split(x, np.array([0, 1, 0, 1]), np.array([2, 3, 1, 2]))
    row = in_a_row(split, np.array([[3, 2, 1, 0], [0, 1, 2, 3]]))
    assert row.groups is not None
    assert row.groups.tolist() == [0, 1]
    assert row.x[0].tolist() == [*x[3, :2].tolist(), *x[2, :1].tolist(), *x[1].tolist(), *x[0, :2].tolist()]
    assert row.y[0].tolist() == [1, 1, 0, 1, 1, 1, 0, 0]
    assert row.ends is not None
    assert np.flatnonzero(row.ends[0]).tolist() == [1, 2, 5, 7]
    cut = in_a_row(split, np.array([[3, 2, 1, 0]]), row_steps=4)
    assert cut.lengths.tolist() == [3, 5]
    assert np.concatenate([cut.y[0, :3], cut.y[1]]).tolist() == row.y[0].tolist()
    assert cut.ends is not None
    assert [np.flatnonzero(ends).tolist() for ends in cut.ends] == [[1, 2], [2, 4]]


def test_steps_of_several_readings_have_the_label_of_their_last_one() -> None:
    streams = Streams(np.arange(18, dtype=np.int32).reshape(2, 9, 1), np.array([[0] * 4 + [1] * 5, [2] * 9]), np.array([9, 2]))
    stepped = streams_in_steps(streams, 3, 2)
    assert stepped.lengths.tolist() == [4]
    assert stepped.x[0].tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8]]
    assert stepped.y[0].tolist() == [0, 1, 1, 1]
    with pytest.raises(InputError, match="no stream has 10 readings"):
        streams_in_steps(streams, 10, 10)


def test_the_digest_is_of_values_labels_and_lengths(tmp_path: Path) -> None:
    digest = load_streams(write(tmp_path)).streams.digest()
    behind = np.array([[0, 0, 1, 1, 0, 3], [1, 1, 1, 0, 0, 0]])
    assert digest == load_streams(write(tmp_path, y_stream=behind)).streams.digest()
    others = ({"y_stream": 1 - np.minimum(behind, 1)}, {"x_stream": np.zeros((2, 6, 2))}, {"lengths_stream": np.array([4, 6])})
    assert digest not in {load_streams(write(tmp_path, **other)).streams.digest() for other in others}
