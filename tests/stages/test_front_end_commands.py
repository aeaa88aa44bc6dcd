"""What evaluate, predict, inspect, profile and packages do with a model that reads samples."""

import csv
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.graph.evaluate import evaluate as evaluate_model
from rescomp.graph.sound import evaluate_frontend
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.beginning import train_model
from rescomp.stages.golden_vectors import answers
from rescomp.stages.quantization import quantize
from rescomp.stages.sound_costs import core_and_clock

SETTINGS = [
    *("frontend.length=200", "frontend.hop=160", "frontend.bands=6", "model.kind=gru", "model.hidden_size=4"),
    *("train.epochs=1", "quantize.epochs=0", "train.batch_size=4", "quantize.vectors=4", "decide.smoothing=0"),
]


def tones(count, seed, samples=1700):
    rng, y, t = np.random.default_rng(seed), np.arange(count) % 3, np.arange(samples) / 8000
    pitch = np.array([300, 1400, 0])[y] * rng.uniform(0.9, 1.1, count)
    x = np.sin(2 * np.pi * pitch[:, None] * t) * 6000 + rng.normal(size=(count, samples)) * 300
    return np.round(x).astype(np.int16), y


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    (x_train, y_train), (x_test, y_test) = tones(9, 1), tones(7, 2)
    path = tmp_path_factory.mktemp("tones") / "tones.npz"
    stream, labels = tones(3, 3)
    known = {"x_stream": stream.reshape(1, -1), "y_stream": labels.repeat(1700).reshape(1, -1), "sample_rate": 8000}
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, **known)
    return path


@pytest.fixture(scope="module")
def model_directory(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m"
    train_model(load_recipe(None, [f"data.source={source}", *SETTINGS]), path)
    quantize(path)
    return path


def opened(path):
    model = read_model(ModelDirectory.open(path))
    return model, read_vectors(ModelDirectory.open(path), model)


def test_new_samples_are_answered_as_the_device_answers_them(model_directory, source, tmp_path):
    model, _ = opened(model_directory)
    stages.predict(model_directory, str(source), tmp_path / "answers.csv")
    rows = list(csv.reader((tmp_path / "answers.csv").open()))[1:]
    pcm = np.load(source)["x_test"][..., None]
    assert len(rows) == len(pcm) == 7
    for row, clip in zip(rows, pcm, strict=True):
        scores = evaluate_model(model, evaluate_frontend(model, clip)[None]).scores[0]
        assert [int(value) for value in row[3:]] == scores.tolist()


def test_a_stream_of_samples_is_answered_step_by_step_at_the_step_s_last_sample(model_directory, source, tmp_path):
    model, _ = opened(model_directory)
    stages.predict(model_directory, str(source), tmp_path / "answers.csv", stream=True)
    header, *rows = csv.reader((tmp_path / "answers.csv").open())
    heard = evaluate_frontend(model, np.load(source)["x_stream"][0, :, None])
    decisions = evaluate_model(model, heard[None]).decisions[0]
    names = {-2: "", -1: "(unknown)", **dict(enumerate(model.classes))}
    assert header == ["stream", "group", "sample", "class"]
    assert [int(row[2]) for row in rows] == [step * 160 + 200 for step in range(len(heard))]
    assert [row[3] for row in rows] == [names[int(decision)] for decision in decisions]


def test_evaluation_is_of_samples_alone_in_streams_and_perturbed(model_directory, source):
    model, vectors = opened(model_directory)
    own = stages.evaluate(model_directory, stream=True, perturb=True)
    assert own.accuracy == vectors.accuracy
    assert own.streamed.of == "continuous"
    assert own.streamed.clock.rate == 50
    quieter = np.floor(vectors.samples / 1.4125375446227544 + 0.5).astype(np.int16)
    heard = np.stack([evaluate_frontend(model, clip) for clip in quieter])
    wanted = (answers(evaluate_model(model, heard).scores) == vectors.labels).mean()
    assert own.perturbed["gain_minus"].accuracy == wanted
    new = stages.evaluate(model_directory, source=str(source), stream=True)
    assert (new.recordings, new.streamed.of) == (7, "continuous")
    assert any("the golden vectors are of 4 of 7 test recordings" in sentence for sentence in own.sentences)


def test_what_is_no_such_sound_is_refused(model_directory, source, tmp_path):
    arrays = dict(np.load(source))
    np.savez(tmp_path / "two.npz", x_test=np.stack([arrays["x_test"]] * 2, axis=2), y_test=arrays["y_test"])
    with pytest.raises(InputError, match="has 2 channels and the model reads 1"):
        stages.predict(model_directory, str(tmp_path / "two.npz"), tmp_path / "a.csv")
    np.savez(tmp_path / "short.npz", x_test=arrays["x_test"][:, :150], y_test=arrays["y_test"])
    with pytest.raises(InputError, match=r"clip 0 .* has 150 samples, and a frame reads 201"):
        stages.evaluate(model_directory, source=str(tmp_path / "short.npz"))
    with pytest.raises(InputError, match="--rate is readings a second, of which the front-end makes 50"):
        stages.evaluate(model_directory, stream=True, rate=10.0)


def test_inspect_tells_of_samples_and_draws_what_the_device_sees(model_directory, tmp_path, capsys):
    picture = tmp_path / "seen.png"
    assert main(["inspect", str(model_directory), "--plot", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "a sample   int16, 8,000 a second" in said
    assert "a frame    201 samples, the next one begins 160 later; its 6 features are a reading of the net" in said
    assert f"{picture}: from above 0 (recording 0), 1 (recording 1)" in said
    _, vectors = opened(model_directory)
    pixels = np.asarray(Image.open(picture))
    frames = int(vectors.lengths[0])
    assert pixels.shape == (len(set(vectors.labels)) * 6 * 8 + 6 * (len(set(vectors.labels)) - 1), frames * 6, 3)
    shown, drawn = vectors.x[0, :frames], pixels[6 * 8 - 1 :: -8][:6, ::6]
    loudest, softest = shown.max(), shown.min()
    assert len(np.unique(drawn[loudest == shown.T], axis=0)) == len(np.unique(drawn[softest == shown.T], axis=0)) == 1
    before = picture.read_bytes()
    stages.plot(model_directory, picture)
    assert picture.read_bytes() == before


def test_a_picture_takes_the_place_of_nothing_but_a_picture(model_directory, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already and no PNG"):
        stages.plot(model_directory, tmp_path / "notes.txt")
    with pytest.raises(InputError, match="would lie in the model directory"):
        stages.plot(model_directory, model_directory / "seen.png")


def test_profile_prices_a_frame_and_a_second_and_says_whether_the_core_keeps_up(model_directory, emulated):
    emulated("cortex-m4")
    slow, board = (
        stages.profile(model_directory, cores, **at) for cores, at in ((["cortex-m4"], {"clock": 0.5}), ((), {"board": "microbit-v2"}))
    )
    (core,) = slow.cores
    frame = sum(layer.count for layer in core.layers if layer.graph == "frontend")
    sound = core.sound
    assert frame < sound.frame < frame + 1000
    assert sound.answer > core.count
    assert sound.second == round(8000 / 160 * (sound.frame + sound.answer))
    assert sound.share.verdict == "cannot keep up"
    assert "cannot keep up with its samples on cortex-m4 at 0.5 MHz" in sound.share.sentence
    (other,) = board.cores
    assert (other.core, other.sound.share.clock_hz, other.sound.share.verdict) == ("cortex-m4", 64e6, "keeps up")
    assert sound.bytes > core.ram.state + core.ram.arena + 2 * 201


def test_what_has_no_share_is_refused():
    with pytest.raises(InputError, match="leave out --core"):
        core_and_clock("microbit-v2", None, None, ["cortex-m4"])
    with pytest.raises(InputError, match=r"--clock takes megahertz, from 0\.001 to 100000, not 0"):
        core_and_clock(None, None, 0.0, ["cortex-m4"])
    assert core_and_clock("microbit-v2", None, 32.0, []) == (["cortex-m4"], 32e6)


def test_a_package_s_self_test_is_of_features(model_directory, tmp_path):
    path = tmp_path / "m"
    shutil.copytree(model_directory, path)
    stages.export_model(path, ["arduino"])
    (package,) = (path / "package-arduino").iterdir()
    header = next(package.rglob("tones.h"))
    text = header.read_text()
    assert "tones_push" in text
    assert "#define TONES_LISTENER_BYTES" in text
    sketch = tmp_path / "main.c"
    sketch.write_text(
        '#include "tones.h"\nint main(void) { static tones_listener l; static int16_t s[201]; uint8_t stepped = 0; tones_listen(&l);'
        " return tones_push(&l, s, 201, &stepped) == 201 && stepped ? 0 : 1; }\n"
    )
    sources = [str(each) for each in package.rglob("*.c") if "examples" not in each.parts]
    subprocess.run(["gcc", "-std=c99", f"-I{header.parent}", "-o", str(tmp_path / "a"), str(sketch), *sources], check=True, timeout=120)
    assert subprocess.run([str(tmp_path / "a")], timeout=60).returncode == 0
