"""A recipe for data at hand: it trains as none does, and each of its comments may be made a line."""

import json
import re

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.recipe import load_recipe, refuse_unread
from rescomp.stages.defaults import with_defaults
from rescomp.stages.features import load_readings
from rescomp.tests.data.wav_files import tone, write_wav
from rescomp.tests.stages.untrained import write_log

KEY = re.compile(r"(# )?([a-z_]+) = .*")


def settings(text):
    """(section, line, whether it is a comment) of each key."""
    section = ""
    for line in text.splitlines():
        if found := re.fullmatch(r"(?:# )?\[+([a-z]+)\]+(?: +#.*)?", line):
            section = found[1]
        elif found := KEY.fullmatch(line):
            yield section, line.removeprefix("# "), found[1] is not None


def arrays(path, **changes):
    x = np.random.default_rng(5).normal(size=(24, 6, 3)).astype(np.float32)
    np.savez(path, **{"x": x, "y": np.arange(24) % 3, "channels": np.array(["ax", "ay", "az"]), "unit": np.array("g"), **changes})
    return str(path)


@pytest.fixture(params=["log", "npz", "images", "bundled"])
def source(request, tmp_path):
    if request.param == "log":
        return str(write_log(tmp_path / "log.csv", "abcd")), ("data.group=who", "data.time=t", "data.window=8", "data.test_fraction=0.5")
    if request.param == "npz":
        return arrays(tmp_path / "own.npz"), ()
    if request.param == "images":
        return arrays(tmp_path / "own.npz", x=np.zeros((24, 6, 6, 3), np.uint8), channels=np.array(["r", "g", "b"])), ()
    return "japanese_vowels", ("train.epochs=3",)


def test_the_recipe_trains_as_none_does(source, tmp_path):
    data, overrides = source
    written = stages.init(data, tmp_path / "recipe.toml", overrides=overrides)
    recipe, bare = load_recipe(tmp_path / "recipe.toml"), load_recipe(None, overrides, keys={"data.source": data})
    if "6 x 6 x 3" in written.text:
        bare = load_recipe(None, [*overrides, "model.kind=resnet2d"], keys={"data.source": data})
    assert recipe == bare
    resolved, dataset = load_readings(recipe)
    assert with_defaults(resolved, dataset) == with_defaults(load_readings(bare)[0], dataset)
    sections = [section for section, _, _ in settings(written.text)]
    assert {"data", "model", "train", "compress", "quantize"} <= set(sections)
    assert all(f"# {sentence}\n" in written.text for sentence in written.found)
    assert f"{len(dataset.train) + len(dataset.test)} " in written.found[0]


def test_each_comment_may_be_made_a_line(source, tmp_path):
    data, overrides = source
    lines = list(settings(stages.init(data, tmp_path / "recipe.toml", overrides=overrides).text))
    assert sum(is_comment for _, _, is_comment in lines) > 10
    set_ones = [(section, line) for section, line, is_comment in lines if not is_comment]
    for section, line, is_comment in lines:
        if not is_comment:
            continue
        together = [(section, line)] if section in ("compress", "search") and not line.startswith("scale") else [*set_ones, (section, line)]
        together += [("compress", 'kind = "ternary"')] if line.startswith("scale") else []
        text = ""
        for name in dict.fromkeys(name for name, _ in together):
            header = f"[[{name}]]" if name == "compress" else f"[{name}]"
            text += "\n".join([header, *(each for of, each in together if of == name), ""])
        (tmp_path / "one.toml").write_text(text)
        refuse_unread(load_recipe(tmp_path / "one.toml"))


def test_values_in_force_are_shown(tmp_path):
    text = stages.init(arrays(tmp_path / "own.npz"), tmp_path / "recipe.toml").text
    recipe, dataset = load_readings(load_recipe(tmp_path / "recipe.toml"))
    in_force = with_defaults(recipe, dataset)
    assert re.search(rf"^# epochs = {in_force.train.epochs}$", text, re.MULTILINE)
    assert re.search(rf"^# batch_size = {in_force.train.batch_size}$", text, re.MULTILINE)
    assert in_force.train.epochs != 60
    assert "# 3 channels (ax, ay, az) in g\n" in text


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arrays("own.npz")
    assert main(["init", "--data", "own.npz"]) == 0
    said = capsys.readouterr().out
    assert "recipe.toml is written; look through it, then: rescomp run --recipe recipe.toml -o my_model" in said
    assert main(["init", "--data", "own.npz"]) == 2
    assert "recipe.toml is there already" in capsys.readouterr().err
    assert main(["init", "--data", "own.npz", "--force", "--set", "model.hidden_size=8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] == "recipe.toml"
    assert load_recipe(tmp_path / "recipe.toml").model.hidden_size == 8
    assert main(["init", "--data", "none.npz", "-o", "other.toml"]) == 2
    assert not (tmp_path / "other.toml").exists()


def test_sound_gets_a_front_end(tmp_path):
    for word in ("low", "high"):
        for speaker in range(5):
            write_wav(tmp_path / "words" / word / f"{speaker:08x}_nohash_0.wav", tone(1200), 8000)
    written = stages.init(str(tmp_path / "words"), tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml").frontend.kind == "log_mel"
    assert "a second" in " ".join(written.found)


def test_what_is_in_the_way_is_refused(tmp_path, finished):
    with pytest.raises(InputError, match=r"model directory|inside"):
        stages.init("japanese_vowels", finished / "recipe.toml", force=True)
