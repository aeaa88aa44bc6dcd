"""Long recordings of samples as streams, and samples for a model that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data.clip_streams import has_tracks, load_clip_streams
from rescomp.data.new_clips import load_new_clips
from rescomp.errors import InputError
from rescomp.recipe import DataSection
from rescomp.tests.data.wav_files import tone, write_wav

RATE = 100
TRACK = "start,end,label\n0.1,0.3,off\n0.3,0.7,on\n0.9,1.2,off\n"


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    for n in range(2):
        write_wav(tmp_path / f"r{n}.wav", tone(120, 1000 * n), rate=RATE)
        (tmp_path / f"r{n}.csv").write_text(TRACK)
    return tmp_path


def streams_of(path: Path, classes: Any = (), **keys: Any) -> Any:
    labelled = keys.pop("labelled", True)
    return load_clip_streams(DataSection.of(str(path), **keys), RATE, 0, classes, labelled=labelled)


def new(path: Path, classes: Any = ("on", "off"), channels: int = 1, labelled: bool = True, **keys: Any) -> Any:
    return load_new_clips(DataSection.of(str(path), **keys), classes, channels, RATE, labelled=labelled)


def told(streams: Any, stream: int) -> list[tuple[int, str]]:
    """(sample, label) of every sample of a stream."""
    samples = streams.clips.read(stream)[:, 0]
    return list(zip(samples.tolist(), [streams.classes[y] for y in streams.runs[stream].at(np.arange(len(samples)))], strict=True))


def test_a_stream_is_what_lies_in_a_row_under_labels(tracked: Path) -> None:
    streams = streams_of(tracked)
    assert (len(streams), streams.classes, streams.groups) == (4, ("off", "on"), ("r0.wav", "r1.wav"))
    assert told(streams, 2) == [(1000 + n, "off" if n < 30 else "on") for n in range(10, 70)]
    assert told(streams, 1) == [(n, "off") for n in range(90, 120)]
    assert streams.clips.groups.tolist() == [0, 0, 1, 1]


def test_with_a_class_for_the_rest_a_file_is_one_stream(tracked: Path) -> None:
    streams = streams_of(tracked, rest="none")
    assert len(streams) == 2
    labels = [label for _, label in told(streams, 0)]
    assert labels == ["none"] * 10 + ["off"] * 20 + ["on"] * 40 + ["none"] * 20 + ["off"] * 30


def test_unlabelled_a_file_is_one_stream_whatever_its_track_says(tracked: Path) -> None:
    (tracked / "r0.csv").write_text("no,track\n1,2\n")
    streams = streams_of(tracked, labelled=False)
    assert [len(streams.clips.read(stream)) for stream in range(len(streams))] == [120, 120]
    assert set(streams.runs[0].at(np.arange(120)).tolist()) == {-1}


def test_streams_of_groups_and_their_digest(tracked: Path) -> None:
    streams = streams_of(tracked)
    some = streams.of_groups(["r1.wav"])
    assert [told(some, 0), told(some, 1)] == [told(streams, 2), told(streams, 3)]
    assert some.digest() != streams.digest() == streams_of(tracked).digest()
    (tracked / "r1.csv").write_text(TRACK.replace("0.3", "0.31"))
    assert streams_of(tracked).digest() != streams.digest()


def test_a_label_that_the_model_has_not_is_told_by_its_line(tracked: Path) -> None:
    with pytest.raises(InputError, match=r"r0\.csv, line 3: the label is 'on', not one of the 2 classes"):
        streams_of(tracked, ("off", "idle"))
    with pytest.raises(InputError, match=r"data\.rest for .*r0\.csv: the label is 'x'"):
        streams_of(tracked, ("off", "on"), rest="x")


def test_other_words_are_unknown_to_a_model_that_has_such_a_class(tracked: Path) -> None:
    streams = streams_of(tracked, ("on", "unknown"), words=("on",))
    assert {label for _, label in told(streams, 0)} == {"on", "unknown"}
    found = new(tracked, ("on", "unknown"), words=("on",))
    assert found.clips.y.tolist() == [1, 0, 1] * 2


def test_recordings_of_one_class_each_are_no_streams(tmp_path: Path) -> None:
    for word in ("a", "b"):
        write_wav(tmp_path / word / "x.wav", tone(3), rate=RATE)
    assert not has_tracks(DataSection.of(str(tmp_path)))
    with pytest.raises(InputError, match="has no label track: recordings of one class each are no streams"):
        streams_of(tmp_path)


def test_streams_of_arrays_come_with_the_same_labels(tmp_path: Path) -> None:
    x, y = tone(12).reshape(2, 6), np.array([[0, 0, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0]])
    np.savez(tmp_path / "s.npz", x_stream=x, y_stream=y, lengths_stream=np.array([6, 4]), classes=np.array(["off", "on"]))
    streams = streams_of(tmp_path / "s.npz")
    assert told(streams, 0) == [(n, ("off", "on")[y[0, n]]) for n in range(6)]
    assert told(streams, 1) == [(6 + n, ("off", "on")[y[1, n]]) for n in range(4)]


def test_new_files_with_tracks_are_clips_and_streams(tracked: Path) -> None:
    found = new(tracked)
    assert (found.clips.y.tolist(), found.clips.lengths.tolist()) == ([1, 0, 1] * 2, [20, 40, 30] * 2)
    assert (len(found.streams), found.groups, found.streams.classes) == (4, ("r0.wav", "r1.wav"), ("on", "off"))
    assert new(tracked, window=30).clips.lengths.tolist() == [30, 30] * 2
    short = new(tracked, window=50)
    assert (short.clips, len(short.streams)) == (None, 4)
    assert "no recording fills a window of 50 samples" in short.without_clips


def test_new_files_without_labels_are_read_whole(tracked: Path) -> None:
    found = new(tracked, labelled=False)
    assert (found.clips.lengths.tolist(), found.clips.y.tolist(), len(found.streams)) == ([120, 120], [-1, -1], 2)
    (tracked / "r0.csv").unlink()
    assert len(new(tracked / "r0.wav", labelled=False).clips) == 1
    with pytest.raises(InputError, match="has no label"):
        new(tracked / "r0.wav")


def test_of_new_class_folders_the_folder_test_is_read(tmp_path: Path) -> None:
    for side, start in (("train", 0), ("test", 5)):
        for word in ("on", "off"):
            write_wav(tmp_path / side / word / "x.wav", tone(4, start), rate=RATE)
    found = new(tmp_path)
    assert (found.clips.y.tolist(), [int(found.clips.read(clip)[0, 0]) for clip in range(2)], found.streams) == ([1, 0], [5, 5], None)
    assert found.groups == ("test/off/x.wav", "test/on/x.wav")


def test_new_files_of_other_channels_or_classes_are_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "on" / "x.wav", np.zeros((4, 2)), rate=RATE)
    with pytest.raises(InputError, match=r"has 2 channels and the model reads 1: choose one in data\.channel"):
        new(tmp_path)
    with pytest.raises(InputError, match=r"has 1 channel and the model reads 2: give recordings of the same sensors"):
        new(tmp_path, channels=2, channel=0)
    with pytest.raises(InputError, match=r"x\.wav has the label 'on', not one of the 2 classes"):
        new(tmp_path, ("up", "down"), channel=1)


def test_new_arrays_of_samples_are_clips(write_npz: Any) -> None:
    path = Path(write_npz(x_test=tone(10).reshape(2, 5)))
    found = new(path, ("0", "1"))
    assert (found.clips.y.tolist(), found.clips.read(1).ravel().tolist(), found.streams) == ([1, 0], [5, 6, 7, 8, 9], None)
