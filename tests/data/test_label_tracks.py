"""Long WAV files with label tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rescomp.data.clip_sources import load_clips
from rescomp.errors import InputError
from rescomp.recipe import DataSection
from rescomp.tests.data.wav_files import tone, write_wav

SECONDS = "start,end,label\n0.5,1,on\n0,0.25,off\n"
"""Of files at 100 samples a second."""


@pytest.fixture
def tracked(tmp_path: Path) -> Any:
    """Write recordings of 120 samples, each with the track given for it, or else the one above."""

    def write(*tracks: str, **keys: Any) -> Any:
        for n in range(3):
            write_wav(tmp_path / f"r{n}.wav", tone(120, 1000 * n), rate=100)
            (tmp_path / f"r{n}.csv").write_text(tracks[n] if n < len(tracks) else SECONDS)
        return load_clips(DataSection.of(str(tmp_path), **keys))

    return write


def places(clips: Any) -> list[tuple[int, ...]]:
    """(class, first sample, samples) of each clip, by file."""
    return sorted((int(clips.y[clip]), int(clips.read(clip)[0, 0]), len(clips.read(clip))) for clip in range(len(clips)))


def test_each_line_of_a_track_is_a_clip(tracked: Any) -> None:
    data = tracked()
    assert (data.classes, data.train.sample_rate) == (("off", "on"), 100)
    assert sorted(places(data.train) + places(data.test)) == sorted(
        (label, 1000 * n + begin, size) for n in range(3) for label, begin, size in ((0, 0, 25), (1, 50, 50))
    )
    assert sorted({*data.facts["train_groups"], *data.facts["test_groups"]}) == ["r0.wav", "r1.wav", "r2.wav"]
    assert len({first // 1000 for _, first, _ in places(data.test)}) == 1


def test_places_may_be_samples(tracked: Any) -> None:
    track = "start_sample;end_sample;what\n3;7;on\n7;120;off\n"
    data = tracked(track, track, track, label="what", split_seed=1)
    assert {(label, first % 1000, size) for label, first, size in places(data.train)} == {(1, 3, 4), (0, 7, 113)}


def test_what_no_line_covers_may_be_a_class(tracked: Any) -> None:
    data = tracked(rest="nothing")
    assert data.classes == ("nothing", "off", "on")
    assert {(first % 1000, size) for label, first, size in places(data.train) if label == 0} == {(25, 25), (100, 20)}


def test_a_track_without_a_line_leaves_the_whole_recording_to_the_rest(tracked: Any) -> None:
    data = tracked("start,end,label\n", rest="nothing", split_seed=1)
    assert (0, 0, 120) in places(data.train) + places(data.test)


def test_stretches_are_cut_into_windows(tracked: Any) -> None:
    data = tracked(window=20, stride=10)
    assert {(label, first % 1000) for label, first, _ in places(data.train)} == {(0, 0), (1, 50), (1, 60), (1, 70), (1, 80)}
    assert data.facts["readings_too_short_for_a_window"] == 0


def test_one_long_recording_is_split_in_time(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", tone(1000), rate=100)
    (tmp_path / "long.csv").write_text("start,end,label\n0,4,a\n4,8,b\n8,10,a\n")
    data = load_clips(DataSection.of(str(path), split="time", window=50, test_fraction=0.25))
    assert places(data.train) == [(0, 50 * n, 50) for n in range(8)] + [(0, 800, 50)] + [(1, 400 + 50 * n, 50) for n in range(6)]
    assert places(data.test) == [(0, 850, 50), (0, 900, 50), (0, 950, 50), (1, 700, 50), (1, 750, 50)]
    with pytest.raises(InputError, match=r"one group only \(long\.wav\).* or split in time"):
        load_clips(DataSection.of(str(path)))


FAULTY = {
    "": r"r1\.csv, line 1: the file is empty: give a header line, or remove it",
    "start,end,label\n": r"r1\.csv, line 1: no line below it labels a stretch: add one, or name in data\.rest",
    "start,end,label\n0.5,0.25,on\n": "it ends at 0.25, not behind its start at 0.5",
    "start,end,label\n0,0.5,on\n0.4,1,off\n": r"r1\.csv, line 3: it begins before line 2 ends",
    "start,end,label\n0.4,1,off\n0,0.5,on\n": r"r1\.csv, line 2: it begins before line 3 ends",
    "start,end,label\n0,1.21,on\n": r"r1\.csv, line 2: it ends at 1\.21, and .*r1\.wav has 1\.2 seconds",
    "start_sample,end_sample,label\n0,121,on\n": r"line 2: it ends at 121, and .*r1\.wav has 120 samples",
    "start,end,label\n0.5,0.5,on\n": "it ends at 0.5, not behind its start at 0.5",
    "start,end,label\n0.5,0.504,on\n": "it ends at 0.504, not behind its start at 0.5 by a sample",
    "start,end,label\n-1,0.5,on\n": r"column 'start' is '-1', no number of seconds from 0 on",
    "start,end,label\n0,nan,on\n": r"column 'end' is 'nan', no number of seconds",
    "start,end,label\n0,1e300,on\n": r"column 'end' is '1e300', no number of seconds",
    "start_sample,end_sample,label\n0,1.5,on\n": r"column 'end_sample' is '1\.5', no whole number of samples",
    "start,end,label\n0,1,\n": r"line 2: column 'label' is empty",
    "begin,end,label\n0,1,on\n": r"line 1: there are no columns start and end \(seconds\) or start_sample and end_sample",
    "start,end,name\n0,1,on\n": r"there is no column 'label' \(data\.label\)",
    "start,stop,label\n0,1,on\n": "there is no column 'end'",
}


@pytest.mark.parametrize("track", FAULTY)
def test_a_faulty_track_is_refused_with_its_line(tracked: Any, track: str) -> None:
    with pytest.raises(InputError, match=FAULTY[track]) as caught:
        tracked(SECONDS, track)
    assert "\n" not in str(caught.value)


def test_every_file_has_a_track_and_every_track_a_file(tracked: Any, tmp_path: Path) -> None:
    tracked()
    (tmp_path / "r1.csv").rename(tmp_path / "r3.csv")
    with pytest.raises(InputError, match=r"no WAV file for r3\.csv"):
        load_clips(DataSection.of(str(tmp_path)))
    (tmp_path / "r3.csv").unlink()
    with pytest.raises(InputError, match=r"r1\.wav has no label: .* a label track r1\.csv beside it"):
        load_clips(DataSection.of(str(tmp_path)))
