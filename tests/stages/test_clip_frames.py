"""What a recipe and the headers of WAV files tell is refused before a sample of them is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rescomp.data.split import Split
from rescomp.data.streams import Streams
from rescomp.data.wav import WavFile
from rescomp.errors import InputError
from rescomp.frontend.asked import asked_front_end
from rescomp.models import build_net
from rescomp.recipe import load_recipe
from rescomp.stages.beginning import train_model
from rescomp.stages.features import load_readings
from rescomp.stages.net_readings import steps
from rescomp.stages.readings import Reader
from rescomp.tests.data.wav_files import write_wav
from rescomp.tests.frontend.summing_net import summing_net

RATE = 8000


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of 1,200 samples and one of 900, and noise."""
    folder, rng = tmp_path_factory.mktemp("spoken"), np.random.default_rng(0)
    for word in ("low", "high"):
        for n in range(4):
            size = 900 if (word, n) == ("high", 2) else 1200
            write_wav(folder / word / f"{n}.wav", rng.integers(-9000, 9000, size), RATE)
    write_wav(folder / "_background_noise_" / "hum.wav", rng.integers(-500, 500, 4000), RATE)
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that samples were read of."""
    files: list[str] = []
    of_file = WavFile.read

    def counting(wav: WavFile, *place: int) -> object:
        files.append(wav.path.name)
        return of_file(wav, *place)

    monkeypatch.setattr(WavFile, "read", counting)
    return files


def recipe_of(source: Path, *asked: str) -> object:
    front = ("frontend.length=200", "frontend.hop=160", "frontend.bands=6", "model.kind=gru")
    return load_recipe(None, [f"data.source={source}", *front, *asked])


REFUSED = {
    "a length": (["frontend.length=2000"], r"frontend\.length = 2000 is outside 2\.\.1024: a transform has 256, 512, 1024 points"),
    "a hop": (["frontend.hop=0"], r"frontend\.hop = 0 is outside"),
    "bands": (["frontend.bands=200"], r"frontend\.bands = 200 is outside 1\.\.127 at a frontend\.size of 256; set one within"),
    "a size": (["frontend.size=300"], r"frontend\.size = 300 is none of 256, 512, 1024: set one of them"),
    "a rate of no device": (["frontend.sample_rate=9999999"], r"frontend\.sample_rate = 9999999 is outside"),
    "edges beyond half the rate": (
        ["frontend.high_hz=5000"],
        r"high_hz = 5000 do not lie in order between 0 and half the sample_rate, 4000",
    ),
    "channels": (["frontend.channels=2"], r"the data have 1 channel, and frontend\.channels is 2"),
    "a preset of another rate": (["frontend.preset=vibration"], r"is for 12000 samples a second, and the data have 8000"),
    "another kind's key": (["frontend.kind=statistics", "frontend.statistics=mean"], r"does not read frontend\.bands"),
    "a clip shorter than a frame": (
        ["frontend.length=1000"],
        r"high/2\.wav of the (train|test) split .* has 900 samples, and a frame reads 1001",
    ),
    "a clip shorter than a step": (["model.readings=6"], r"high/2\.wav has 5 frames, and the net takes 6 as one step \(model\.readings\)"),
    "noise that is not there": (["augment.snr=[5,20]", "augment.noise=nowhere"], r"nowhere holds no WAV file of noise"),
    "a net of other sizes": (["model.kind=resnet1d", "model.time_steps=1"], r"halves time, and 1 positions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_headers_tell_is_refused_before_a_sample_is_read(spoken: Path, read: list[str], tmp_path: Path, name: str) -> None:
    asked, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        train_model(recipe_of(spoken, *asked), tmp_path / "out")
    assert (read, (tmp_path / "out").exists()) == ([], False)


def test_samples_are_read_where_nothing_is_refused(spoken: Path, read: list[str]) -> None:
    load_readings(recipe_of(spoken, "model.readings=5", "augment.snr=[5,20]"))
    assert set(read) == {"0.wav", "1.wav", "2.wav", "3.wav"}


def test_what_no_data_can_mend_is_refused_before_the_data_are_looked_for(tmp_path: Path) -> None:
    for asked, message in ((["frontend.length=2000"], "is outside 2..1024"), ([], "does not say how many samples a second it has")):
        log = tmp_path / "log.csv"
        log.write_text("this is no table\n")
        with pytest.raises(InputError, match=message):
            load_readings(recipe_of(log, *asked))


def test_what_is_too_short_for_a_step_is_counted_in_frames(spoken: Path) -> None:
    recipe, dataset = load_readings(recipe_of(spoken))
    longer = recipe.model_copy(update={"model": recipe.model.model_copy(update={"readings": 6})})
    with pytest.raises(InputError, match=r"sequence [0-9] has 5 frames, and the net takes 6 as one step"):
        steps(longer, build_net(longer.model, (6,), 2), dataset.train)
    model = summing_net(asked_front_end({"length": 64}, RATE, 1), frames=3)
    reader = Reader(model, 10, model.features.type.size, 3, 3, None)
    short = Split(np.zeros((1, 2, reader.channels), np.int16), np.zeros(1, np.int64), np.array([2]))
    with pytest.raises(InputError, match="no recording has the 3 frames that the net takes as one step"):
        reader.row_steps(short)
    with pytest.raises(InputError, match="no stream has 3 frames, which the net takes as one step"):
        reader.stream_steps(Streams(short.x, np.zeros((1, 2), np.int64), short.lengths))


def test_more_channels_than_a_front_end_reads_are_told_of_the_data(tmp_path: Path, read: list[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (4, 300, 65)).astype(np.int16)
    np.savez(tmp_path / "wide.npz", x_train=x, y_train=[0, 1, 0, 1], x_test=x, y_test=[0, 1, 0, 1], sample_rate=RATE)
    with pytest.raises(InputError, match=r"the data have 65 channels, and a front-end of frontend\.kind = log_mel reads at most 64"):
        load_readings(recipe_of(tmp_path / "wide.npz"))
