"""What a model reads of recordings: the same of golden vectors and of new data, and sentences about the rest."""

import json
import math

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.data.split import Split
from rescomp.errors import InputError
from rescomp.graph.serialize import from_npz, to_npz
from rescomp.model_directory import MANIFEST, VECTORS, ModelDirectory, to_json
from rescomp.stages import evaluation
from rescomp.tests.stages.test_streamed_data import STREAMING
from rescomp.tests.stages.untrained import BARE, CSV, UNTRAINED, made, parts, write_log


@pytest.fixture(scope="module")
def of_windows(recordings, tmp_path_factory):
    """An untrained net that streams without recurrent cells."""
    return made(tmp_path_factory.mktemp("windows") / "model", recordings, *STREAMING, small=BARE)


@pytest.fixture
def from_log(tmp_path):
    return made(tmp_path / "model", write_log(tmp_path / "log.csv", "abcd"), *CSV)


def figures(found):
    """All that an evaluation found, without what names its data."""
    document = found.as_json()
    return {**document, "data": None, "streamed": {**document["streamed"], "sha256": None}}


@pytest.mark.parametrize(
    "asked",
    [
        (*STREAMING, "model.time_steps=6"),
        ("model.readings=3",),
        ("model.readings=3", "model.stride=2"),
        ("model.kind=gru", "model.readings=2", "model.stride=1"),
        ("model.readings=2", "model.stride=3"),
    ],
    ids=lambda asked: " ".join(asked[-2:]),
)
def test_a_file_has_the_same_figures_as_golden_vectors_and_as_new_data(asked, recordings, tmp_path):
    """Recordings of 4 to 9 readings: longer than the window that the net reads, and not of whole steps."""
    arrays = {key: np.maximum(array, 4) if key.startswith("lengths") else array for key, array in np.load(recordings).items()}
    np.savez(tmp_path / "data.npz", **arrays)
    path = made(tmp_path / "model", tmp_path / "data.npz", *asked, small=BARE if STREAMING[0] in asked else UNTRAINED)
    perturb = "model.stride=3" not in asked  # which leaves readings out of the golden vectors
    own, new = (stages.evaluate(path, source=source, stream=True, perturb=perturb) for source in (None, str(tmp_path / "data.npz")))
    assert figures(own) == figures(new)
    _, vectors, reader = parts(path)
    lengths = arrays["lengths_test"]
    if perturb:
        x = reader.integers(arrays["x_test"].astype(np.float32))[0]
        ours, theirs = reader.readings(vectors), reader.read(Split(x, vectors.labels, lengths))
        assert ours.lengths.tolist() == theirs.lengths.tolist()
        assert np.array_equal(ours.x, theirs.x)
    assert own.streamed.clock.settle == math.ceil(np.median(np.minimum(lengths, 6) if "model.time_steps=6" in asked else lengths))
    if "model.time_steps=6" in asked:
        longer, behind = (lengths > 6).sum(), (lengths - 6)[lengths > 6].sum()
        said = f"{longer} of 24 recordings are longer than the 6 readings of the net's window: {behind} readings behind it are left out"
        assert own.sentences[0] == said


def test_a_sensor_s_noise_is_that_of_the_model_whatever_the_new_data(of_windows, recordings, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(evaluation, "perturbed", lambda readings, scales, *_: given.append((readings, scales)) or {})
    own = dict(np.load(recordings))
    np.savez(tmp_path / "fewer.npz", **{key: array[:5] if key.endswith("test") else array for key, array in own.items()})
    for source in (None, str(recordings), str(tmp_path / "fewer.npz")):
        stages.evaluate(of_windows, source=source, perturb=True)
    (readings, scales), *others = given
    assert scales.tolist() == readings.steps.astype(float).std(axis=0).tolist()
    assert all(each.tolist() == scales.tolist() for _, each in others)


def test_what_is_shorter_than_a_step_is_said_to_be_left_out(of_windows, recordings, tmp_path):
    lengths = np.load(recordings)["lengths_test"]
    said = f"{(lengths < 2).sum()} of 24 recordings are shorter than the 2 readings that the net takes as one step, and left out of what is"
    for source in (None, str(recordings)):
        assert any(sentence.startswith(said) for sentence in stages.evaluate(of_windows, source=source, stream=True).sentences)
        assert not stages.evaluate(of_windows, source=source).sentences
    own = np.load(recordings)
    np.savez(tmp_path / "new.npz", x_stream=own["x_test"][:3], y_stream=np.zeros((3, 9), int), lengths_stream=np.array([9, 1, 5]))
    (sentence,) = (
        each for each in stages.evaluate(of_windows, source=str(tmp_path / "new.npz"), stream=True).sentences if "left out" in each
    )
    assert sentence.startswith("1 of 3 streams is shorter than the 2 readings")


def test_predict_says_what_it_leaves_out(recordings, tmp_path, capsys):
    path = made(tmp_path / "model", recordings, *STREAMING, "model.time_steps=6", small=BARE)
    lengths = np.load(recordings)["lengths_test"]
    for words, said in (
        ((), f"{(lengths > 6).sum()} of 24 recordings are longer than the 6 readings of the net's window"),
        (("--stream",), f"{(lengths < 2).sum()} of 24 recordings are shorter than the 2 readings that the net takes as one step"),
    ):
        assert main(["predict", str(path), "--data", str(recordings), "-o", str(tmp_path / "a.csv"), "--force", *words]) == 0
        assert f"\n{said}" in capsys.readouterr().out


def test_golden_vectors_that_are_not_all_of_the_test_recordings_say_so(recordings, tmp_path):
    path = made(tmp_path / "model", recordings, "quantize.vectors=7")
    assert stages.evaluate(path).sentences == (
        "the golden vectors are of the first 7 of 24 test recordings (quantize.vectors): no other is asked",
    )


def test_data_that_the_model_was_trained_on_are_told_from_new_ones(from_log, tmp_path):
    found = stages.evaluate(from_log, source=str(tmp_path / "log.csv"))
    assert f"{tmp_path / 'log.csv'} is what the model was made of" in found.sentences[0]
    assert not stages.evaluate(from_log, source=str(write_log(tmp_path / "other.csv", "ab"))).sentences


def test_golden_vectors_that_tell_of_other_readings_than_their_steps_have_are_refused(recordings, tmp_path):
    own = {key: np.maximum(array, 3) if key.startswith("lengths") else array for key, array in np.load(recordings).items()}
    np.savez(tmp_path / "data.npz", **own)
    path = made(tmp_path / "model", tmp_path / "data.npz", "model.readings=3", "model.stride=2")
    arrays, manifest = from_npz((path / VECTORS).read_bytes(), VECTORS), json.loads((path / MANIFEST).read_text())
    assert arrays["recorded"].tolist() == own["lengths_test"].tolist()
    del manifest["vectors_sha256"]
    for more in (2, -1, 1 << 40):
        changed = {**arrays, "recorded": arrays["recorded"] + more}
        ModelDirectory.open(path).write({VECTORS: to_npz(changed), MANIFEST: to_json(manifest)})
        with pytest.raises(InputError, match=r"test\.npz tells of more or fewer readings than"):
            stages.evaluate(path)
