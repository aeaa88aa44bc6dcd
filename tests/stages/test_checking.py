"""check: limits, growth, mismatches and what they end with; the documented job."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import rescomp
from rescomp import stages
from rescomp.cli import command_line, main
from rescomp.errors import BudgetError, InputError, ParityError
from rescomp.model_directory import REPORT, ModelDirectory, to_json
from rescomp.stages.check_findings import Measure
from rescomp.stages.class_figures import class_figure
from rescomp.stages.limits import read_limits
from rescomp.stages.wake_words import WORD_FIGURES
from rescomp.validate.emulation import PACKAGES
from rescomp.validate.registry import parse_witnesses

ROOT = Path(rescomp.__file__).parent
EXAMPLE = ROOT / "examples/ci"
PROFILE = {
    "schema": 1,
    "cores": [
        {
            "core": "cortex-m0",
            "count": 12000,
            "flash": {"code": 3000, "weights": 700, "tables": 258},
            "ram": {"state": 64, "arena": 100, "scratch": 36},
            "stack": 200,
        }
    ],
}


@pytest.fixture(scope="module")
def verified_once(finished, tmp_path_factory):
    path = shutil.copytree(finished, tmp_path_factory.mktemp("verified") / "model")
    stages.verify(path, "onnxruntime,c")
    return path


@pytest.fixture
def verified(verified_once, tmp_path):
    return shutil.copytree(verified_once, tmp_path / "model")


@pytest.fixture
def sizes(verified):
    inspection = stages.inspect(verified)
    return inspection.bytes["model"], inspection.state + inspection.scratch


def profile_of(directory, **changes):
    """As `profile --json` would print it of the model there."""
    return {**PROFILE, "graph_sha256": ModelDirectory.open(directory).manifest().graph_sha256, **changes}


def write(path, text):
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def differing(directory, name="c"):
    """As if a witness had differed."""
    report = json.loads(directory.joinpath(REPORT).read_text())
    report["evidence"][0].update(mismatches=3, failure=f"{name} differs in 3 values")
    ModelDirectory(directory).write({REPORT: to_json(report)})


def test_without_limits_it_measures(verified, sizes):
    result = stages.check(verified)
    assert result.passed
    assert [(each.core, each.name, each.value) for each in result.measures] == [("", "const_bytes", sizes[0]), ("", "ram_bytes", sizes[1])]
    document = result.as_json()
    assert (document["const_bytes"], document["ram_bytes"], document["cores"]) == (*sizes, {})
    assert document["compared"] > 0
    assert document["mismatches"] == 0
    assert document["passed"] is True
    assert {witness["name"] for witness in document["witnesses"]} == {"onnxruntime", "c"}


def test_figures_of_the_classes_are_limited_and_are_those_of_the_vectors(verified, tmp_path):
    directory = ModelDirectory.open(verified)
    report, by_class = json.loads((verified / REPORT).read_text()), directory.manifest().by_class.integer
    assert report["by_class"] == by_class.model_dump()
    assert stages.check(verified).as_json()["by_class"] == report["by_class"]
    for name in ("balanced_accuracy", "macro_f1", "least_recall"):
        limits = tmp_path / "limits.toml"
        stages.check(verified, limits=write(limits, f"[evaluation]\n{name} = {class_figure(by_class, name)!r}\n")).raise_failures()
    report["by_class"]["macro_f1"] /= 2
    directory.write({REPORT: to_json(report)})
    with pytest.raises(InputError, match=r"tells other figures of the classes than vectors/test\.npz gives: run `rescomp verify"):
        stages.check(verified)
    del report["by_class"]
    directory.write({REPORT: to_json(report)})
    found = stages.check(verified, limits=write(limits, "[evaluation]\nleast_recall = 1.0\n"))
    assert found.passed == (min(by_class.recall.values()) == 1)


def test_a_size_may_equal_its_limit_and_not_be_past_it(verified, sizes, tmp_path):
    limits = write(tmp_path / "limits.toml", f"[limits]\nconst_bytes = {sizes[0]}\nram_bytes = {sizes[1]}\n")
    stages.check(verified, limits=limits).raise_failures()
    write(limits, f"[limits]\nconst_bytes = {sizes[0] - 5}\nram_bytes = {sizes[1] - 2}\n")
    result = stages.check(verified, limits=limits)
    assert not result.passed
    with pytest.raises(BudgetError, match=rf"constants: {sizes[0]:,} bytes, 5 past the limit of {sizes[0] - 5:,} \(and 1 more\)"):
        result.raise_failures()


@pytest.mark.parametrize(("before", "allowed", "past"), [(0, 0, 0), (-3, 3, 0), (-3, 2, 1), (-9, 0, 9), (4, 0, 0)])
def test_growth_is_held_against_the_baseline(verified, sizes, tmp_path, before, allowed, past):
    limits = write(tmp_path / "limits.toml", f"[growth]\nconst_bytes = {allowed}\n")
    baseline = {**stages.check(verified).as_json(), "const_bytes": sizes[0] + before}
    result = stages.check(verified, limits=limits, baseline=write(tmp_path / "baseline.json", baseline))
    assert result.measures[0].difference == -before
    assert result.passed == (past == 0)
    assert all(f"{past} past the growth of {allowed}" in failure for failure in result.size_failures)


def test_cores_are_read_from_a_profile(verified, tmp_path):
    text = "[limits.cortex-m0]\nflash_bytes = 3957\nram_bytes = 400\n"
    limits, profile = write(tmp_path / "limits.toml", text), write(tmp_path / "profile.json", profile_of(verified))
    result = stages.check(verified, limits=limits, profile_document=profile)
    assert result.as_json()["cores"] == {"cortex-m0": {"flash_bytes": 3958, "ram_bytes": 400, "instructions": 12000}}
    assert result.size_failures == ("flash on cortex-m0: 3,958 bytes, 1 past the limit of 3,957",)
    write(limits, f"{text}instructions = 11_999\n".replace("3957", "3958"))
    result = stages.check(verified, limits=limits, profile_document=profile)
    assert result.size_failures == ("instructions a step on cortex-m0: 12,000, 1 past the limit of 11,999",)
    write(limits, text.replace("m0", "m3"))
    with pytest.raises(InputError, match=r"profile\.json does not hold cortex-m3.*--core cortex-m3"):
        stages.check(verified, limits=limits, profile_document=profile)


@pytest.mark.parametrize("changes", [{"graph_sha256": "0" * 64}, {"graph_sha256": None}, {"cores": [{**PROFILE["cores"][0], "flash": {}}]}])
def test_the_profile_of_another_model_or_of_none_is_refused(verified, tmp_path, changes):
    with pytest.raises(InputError, match=r"profile\.json is (of another model|no document).*make it again"):
        stages.check(verified, profile_document=write(tmp_path / "profile.json", profile_of(verified, **changes)))


def test_cores_are_measured_as_profile_does(verified, tmp_path):
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm", "gcc"):
        if shutil.which(tool) is None and os.environ.get("CI") != "true":
            pytest.skip(f"needs {tool}: apt-get install {PACKAGES[tool]}")
    (expected,) = stages.profile(verified, ["cortex-m0"]).cores
    limits = write(tmp_path / "limits.toml", "[limits.cortex-m0]\nflash_bytes = 100000\n")
    result = stages.check(verified, limits=limits)
    ram = expected.ram.state + expected.ram.arena + expected.ram.scratch + expected.stack
    measured = {"flash_bytes": expected.flash.total, "ram_bytes": ram, "instructions": expected.count}
    assert result.as_json()["cores"] == {"cortex-m0": measured}
    assert result.passed


def test_ram_is_what_a_stream_keeps_where_a_model_has_a_policy(model_dir, tmp_path, capsys):
    before = stages.inspect(model_dir)
    stages.quantize(model_dir, overrides=["stream.window=20"])
    stages.export_model(model_dir)
    stages.verify(model_dir, "c", stress="off")
    header = (model_dir / "c" / "three_gestures.h").read_text()
    kept = int(re.search(r"#define THREE_GESTURES_STREAM_BYTES (\d+)", header)[1])
    assert kept == stages.inspect(model_dir).ram > 2 * before.ram == 2 * (before.state + before.scratch)
    profile = {**PROFILE["cores"][0], "stream": {"states": 2, "count": 9, "bytes": 1784}}
    document = write(tmp_path / "profile.json", profile_of(model_dir, cores=[profile]))
    limits = write(tmp_path / "limits.toml", f"[limits]\nram_bytes = {kept - 1}\n[limits.cortex-m0]\nram_bytes = 1784\n")
    result = stages.check(model_dir, limits=limits, profile_document=document)
    assert result.as_json()["cores"]["cortex-m0"]["instructions"] == 9
    assert (result.as_json()["ram_bytes"], result.as_json()["cores"]["cortex-m0"]["ram_bytes"]) == (kept, 1784 + profile["stack"])
    assert [text.partition(":")[0] for text in result.size_failures] == ["RAM", "RAM on cortex-m0"]
    assert main(["inspect", str(model_dir)]) == 0
    assert f"bytes; a stream, as its policy says, {kept:,} bytes" in capsys.readouterr().out


def test_a_mismatch_comes_before_a_size(verified, tmp_path):
    differing(verified)
    result = stages.check(verified, limits=write(tmp_path / "limits.toml", "[limits]\nram_bytes = 0\n"))
    assert len(result.mismatch_failures) == len(result.size_failures) == 1
    with pytest.raises(ParityError, match="c differs in 3 values"):
        result.raise_failures()
    assert "FAILED" in result.as_markdown()
    assert "- c differs in 3 values" in result.as_markdown()


def test_a_witness_that_was_not_asked_fails(verified, tmp_path):
    limits = write(tmp_path / "limits.toml", '[parity]\nwitnesses = ["c", "tflite"]\n')
    with pytest.raises(ParityError, match="did not ask tflite"):
        stages.check(verified, limits=limits).raise_failures()
    stages.check(verified, limits=write(limits, '[parity]\nwitnesses = ["c", "onnxruntime"]\n')).raise_failures()


def test_a_core_that_is_left_out_is_the_same_witness_as_when_it_is_named(tmp_path):
    assert parse_witnesses("qemu,qemu:cortex-m0,simavr, qemu") == [("qemu", "cortex-m0"), ("simavr", "atmega328p")]
    limits = read_limits(write(tmp_path / "limits.toml", '[parity]\nwitnesses = ["qemu", "simavr:atmega328p", "c"]\n'))
    assert limits.witnesses == ("qemu:cortex-m0", "simavr:atmega328p", "c")


def test_comparing_nothing_fails(verified):
    report = json.loads((verified / REPORT).read_text())
    ModelDirectory(verified).write({REPORT: to_json({**report, "evidence": []})})
    with pytest.raises(ParityError, match="compared nothing"):
        stages.check(verified).raise_failures()


BAD_LIMITS = {
    "[limit]\nram_bytes = 1\n": "'limits'",
    "[limits]\nram = 1\n": "'ram_bytes'",
    "[limits]\nflash_bytes = 1\n": "'limits.flash_bytes'",
    "[limits]\nram_bytes = 1.5\n": "whole number",
    "[limits]\nram_bytes = true\n": "whole number",
    "[limits]\nram_bytes = -1\n": "whole number",
    f"[limits]\nram_bytes = 1{'0' * 400}\n": "whole number",
    "[limits.cortexm0]\nram_bytes = 1\n": "limits.toml: there is no core 'cortexm0' here; the nearest one is 'cortex-m0'",
    "[limits.cortex-m0]\nconst_bytes = 1\n": "limits.cortex-m0.const_bytes",
    "limits = 3\n": "section",
    "[parity]\nwitnesses = 'c'\n": "parity.witnesses",
    "[limits\n": "TOML",
    "[growth]\nram_bytes = 0\n": "--baseline",
    "": "limits.toml demands nothing",
    "# const_bytes = 1\n": "limits.toml demands nothing",
    "[limits]\n": "[limits] demands nothing",
    "[limits.cortex-m0]\n": "[limits.cortex-m0] demands nothing",
    "[growth]\n": "[growth] demands nothing",
    "[parity]\n": "[parity] demands nothing",
    "[limits]\nram_bytes = 1\n[parity]\n": "[parity] demands nothing",
    "[parity]\nwitnesses = []\n": "parity.witnesses demands nothing",
    "[parity]\nsampled = true\n": "limits.toml demands nothing",
    "[limits]\nram_bytes = 1\n[parity]\nsampled = 1\n": "parity.sampled = 1 is neither true nor false",
    "[parity]\nstream_steps = 0\n": "parity.stream_steps = 0 is no number of steps",
    "[parity]\nstream_steps = true\n": "parity.stream_steps = True is no number of steps",
    "[parity]\nwitnesses = ['onnxruntim']\n": "limits.toml: there is no witness 'onnxruntim'; the nearest one is 'onnxruntime'",
    "[parity]\nwitnesses = ['']\n": "limits.toml: --against names no witness",
    "[parity]\nwitnesses = ['c,tflite']\n": "parity.witnesses",
}


@pytest.mark.parametrize("text", BAD_LIMITS)
def test_limits_that_mean_nothing_are_refused(verified, tmp_path, text):
    with pytest.raises(InputError, match=re.escape(BAD_LIMITS[text])):
        stages.check(verified, limits=write(tmp_path / "limits.toml", text))


def test_limits_may_begin_with_a_byte_order_mark(verified, sizes, tmp_path):
    limits = tmp_path / "limits.toml"
    limits.write_bytes(b"\xef\xbb\xbf[limits]\nram_bytes = 1\n")
    assert stages.check(verified, limits=limits).size_failures


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2}',
        '{"schema": 1}',
        '{"schema": 1, "const_bytes": 1, "ram_bytes": 1, "cores": [3]}',
        '{"schema": 1, "const_bytes": Infinity, "ram_bytes": 1, "cores": {"cortex-m0": {}}}',
        '{"schema": 1, "const_bytes": "1_0", "ram_bytes": 1, "cores": [{"core": "cortex-m0", "flash": {"code": "\uff11"}, "ram": {}}]}',
        "[" * 100_000,
    ],
)
def test_documents_that_are_none_are_refused(verified, tmp_path, text):
    path = write(tmp_path / "document.json", text)
    with pytest.raises(InputError, match=r"document\.json.*rescomp check --json"):
        stages.check(verified, baseline=path)
    with pytest.raises(InputError, match=r"document\.json.*rescomp profile --json"):
        stages.check(verified, profile_document=path)


def test_byte_order_marks_and_other_encodings(verified, tmp_path):
    """As editors and shells of Windows write files."""
    limits, document = tmp_path / "limits.toml", tmp_path / "profile.json"
    limits.write_bytes(b"\xef\xbb\xbf[limits.cortex-m0]\r\nflash_bytes = 4000\r\n")
    document.write_text(json.dumps(profile_of(verified)), encoding="utf-8-sig")
    stages.check(verified, limits=limits, profile_document=document).raise_failures()
    document.write_text(json.dumps(profile_of(verified)), encoding="utf-16")
    with pytest.raises(InputError, match=r"profile\.json is not valid JSON \(it is UTF-16 text: save it in UTF-8\)"):
        stages.check(verified, limits=limits, profile_document=document)
    limits.write_text("[limits]\nram_bytes = 1\n", encoding="utf-16")
    with pytest.raises(InputError, match=r"limits\.toml is not valid TOML: it is UTF-16 text: save it in UTF-8"):
        stages.check(verified, limits=limits)


def test_a_baseline_of_an_earlier_version_tells_no_instructions(verified, tmp_path):
    document = write(tmp_path / "profile.json", profile_of(verified))
    before = stages.check(verified, profile_document=document).as_json()
    limits, baseline = write(tmp_path / "limits.toml", "[growth.cortex-m0]\ninstructions = 0\n"), tmp_path / "baseline.json"
    before["cores"]["cortex-m0"]["instructions"] -= 1
    result = stages.check(verified, limits=limits, baseline=write(baseline, before), profile_document=document)
    assert result.size_failures == ("instructions a step on cortex-m0: 12,000, 1 more than before, 1 past the growth of 0",)
    del before["cores"]["cortex-m0"]["instructions"]
    assert stages.check(verified, baseline=write(baseline, before), profile_document=document).passed
    with pytest.raises(InputError, match="does not hold cortex-m0 instructions"):
        stages.check(verified, limits=limits, baseline=baseline, profile_document=document)


def test_growth_of_what_the_baseline_does_not_hold_is_refused(verified, tmp_path):
    baseline = write(tmp_path / "baseline.json", stages.check(verified).as_json())
    limits = write(tmp_path / "limits.toml", "[growth.cortex-m0]\nflash_bytes = 0\n")
    with pytest.raises(InputError, match="does not hold cortex-m0 flash_bytes"):
        stages.check(verified, limits=limits, baseline=baseline, profile_document=write(tmp_path / "profile.json", profile_of(verified)))


BAD_ACCURACIES = {
    "": "[evaluation] demands nothing",
    "steamed = 0.9": "'evaluation.steamed'; the nearest one is 'streamed'",
    "accuracy = 97": "evaluation.accuracy = 97 is no share of right answers",
    "noise = nan": "evaluation.noise = nan is no share",
    "noise = true": "evaluation.noise = True is no share",
}


@pytest.mark.parametrize("text", BAD_ACCURACIES)
def test_accuracies_that_mean_nothing_are_refused(text, tmp_path):
    with pytest.raises(InputError, match=re.escape(BAD_ACCURACIES[text])):
        read_limits(write(tmp_path / "limits.toml", f"[evaluation]\n{text}\n"))


def test_accuracies_alone_in_streams_and_perturbed_are_limited(verified, tmp_path, capsys):
    limits = tmp_path / "limits.toml"
    for name, option in (("streamed", "--stream"), ("noise", "--perturb")):
        with pytest.raises(InputError, match=f"{option}` first"):
            stages.check(verified, limits=write(limits, f"[evaluation]\n{name} = 0.1\n"))
    found = stages.evaluate(verified, stream=True, perturb=True)
    figures = found.streamed.metrics
    reached = {
        "accuracy": found.accuracy,
        "corner": found.corner,
        **{name: getattr(figures, name) for name in ("streamed", "tail", "ends")},
    }
    reached |= {name: each.accuracy for name, each in found.perturbed.items() if each.accuracy is not None}
    write(limits, "[evaluation]\n" + "".join(f"{name} = {value!r}\n" for name, value in reached.items()))
    result = stages.check(verified, limits=limits)
    result.raise_failures()
    assert {each.name: each.value for each in result.reached} == reached
    assert result.as_json()["reached"]["noise"] == {"value": reached["noise"], "least": reached["noise"]}
    for name, value in reached.items():
        write(limits, f"[evaluation]\n{name} = {min(1.0, value + 0.0125)!r}\n")
        if value < 1:
            assert main(["check", str(verified), "--limits", str(limits)]) == 4
            assert f"{value:.2%}, {100 * min(0.0125, 1 - value):.2f} points short" in capsys.readouterr().err
    text = stages.check(verified, limits=write(limits, "[evaluation]\nnoise = 0.0\n")).as_markdown()
    assert f"| accuracy under noise 0.2 sd | {reached['noise']:.2%} | 0.00% |" in text
    with pytest.raises(InputError, match=r"leave evaluation.turned out of the limits where that says that it cannot be asked"):
        stages.check(verified, limits=write(limits, "[evaluation]\nturned = 0.5\n"))


def test_figures_of_words_are_limited(verified, tmp_path, capsys):
    path, limits = verified, tmp_path / "limits.toml"
    limits.write_text("[wake_words]\nfalse_accepts = 1\n")
    with pytest.raises(InputError, match=r"wake_words.false_accepts has a limit, .* --stream --background CLASS` first"):
        stages.check(path, limits=limits)
    stages.evaluate(path, stream=True, background=["1"])
    with pytest.raises(
        InputError, match=r"wake_words.false_accepts is a limit of so many an hour, .* per 1000 readings: run `.* --rate HZ`"
    ):
        stages.check(path, limits=limits)
    assert main(["evaluate", str(path), "--stream", "--background", "1", "--rate", "10"]) == 0
    printed = capsys.readouterr().out
    words = json.loads((path / REPORT).read_text())["evaluation"]["streamed"]["wake_words"]
    assert f"{words['rejected']} of {words['words']} rejected" in printed
    assert words["background"] == ["1"]
    seen = words["false_accepts"]
    known = (seen["rate"], seen["bound_95"], words["rejected"] / words["words"], words.get("latency_median"), words.get("latency_p90"))
    figures = {name: value for name, value in zip(WORD_FIGURES, known, strict=True) if value is not None}
    limits.write_text("[wake_words]\n" + "".join(f"{name} = {value!r}\n" for name, value in figures.items()))
    result = stages.check(path, limits=limits)
    result.raise_failures()
    assert result.as_json()["wake_words"] == {name: {"value": value, "most": value} for name, value in figures.items()}
    asked = {name: 0.99 * (value or 1) for name, value in zip(WORD_FIGURES, known, strict=True)}
    limits.write_text("[wake_words]\n" + "".join(f"{name} = {value!r}\n" for name, value in asked.items()))
    failed = stages.check(path, limits=limits)
    assert len(failed.size_failures) == sum(value != 0 for value in known)
    assert "| words | now | at most |" in failed.as_markdown()
    with pytest.raises(BudgetError, match=r"false accepts an hour: .*, past the limit of"):
        failed.raise_failures()
    for forged, said in (
        ({"rejected": words["words"] + 1}, "81 of 80 words are rejected"),
        ({"rejected": 1, "words": 3, "latency_median": 2}, "1 of 3 words are rejected, and 1 of two latencies are told"),
        ({"rejected": 3, "words": 3, "latency_median": 2, "latency_p90": 2}, "3 of 3 words are rejected, and 2 of two latencies are told"),
        ({"rejected": 1, "words": 3, "latency_median": 3, "latency_p90": 2}, "half of the words are heard later than 90 % of them"),
    ):
        report = json.loads((path / REPORT).read_text())
        kept = {name: value for name, value in words.items() if not name.startswith("latency")}
        report["evaluation"]["streamed"]["wake_words"] = {**kept, **forged}
        before = (path / REPORT).read_bytes()
        ModelDirectory.open(path).write({REPORT: json.dumps(report).encode()})
        with pytest.raises(InputError, match=said):
            stages.check(path, limits=limits)
        ModelDirectory.open(path).write({REPORT: before})
    report = json.loads((path / REPORT).read_text())
    report["evaluation"]["streamed"]["wake_words"]["false_accepts"]["rate"] /= 2
    ModelDirectory.open(path).write({REPORT: json.dumps(report).encode()})
    with pytest.raises(InputError, match="the rate, or its bound, is not that of so many"):
        stages.check(path, limits=limits)


def _halved_exposure(streamed):
    seen = streamed["wake_words"]["false_accepts"]
    seen.update({key: seen[key] * factor for key, factor in (("exposure", 2), ("rate", 0.5), ("bound_95", 0.5))})


def _moved(figures, name):
    figures[name] = figures[name] / 2 + 0.1234


FORGED_FIGURES = {
    "no share of the steps": (lambda told: _moved(told["streamed"], "streamed"), "streamed is no share of"),
    "no share of the ends": (lambda told: _moved(told["streamed"], "ends"), r"tells ends, .* that is no share of 120 recordings"),
    "no share of the recordings": (lambda told: _moved(told, "corner"), r"tells corner, .* that is no share of 24 recordings"),
    "no share under noise": (lambda told: _moved(told["perturbed"], "noise"), r"tells noise, .* that is no share of 24 recordings"),
    "more words than steps": (lambda told: told["streamed"]["wake_words"].update(words=10**6), "more streams or words than steps"),
    "more streams than steps": (lambda told: told["streamed"].update(streams=10**6), "more streams or words than steps"),
    "no class": (lambda told: told["streamed"]["wake_words"].update(background=["none"]), "a background of no class of the model, 'none'"),
    "another exposure": (lambda told: _halved_exposure(told["streamed"]), r"thousand readings of [\d,]+ steps, which take"),
}


def test_figures_that_contradict_each_other_are_refused(verified):
    """By whoever makes all digests anew."""
    directory = ModelDirectory.open(verified)
    stages.evaluate(verified, stream=True, perturb=True, background=["1"])
    stages.check(verified)
    honest = (verified / REPORT).read_bytes()
    for change, said in FORGED_FIGURES.values():
        report = json.loads(honest)
        change(report["evaluation"])
        directory.write({REPORT: json.dumps(report).encode()})
        with pytest.raises(InputError, match=said):
            stages.check(verified)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rejected = 2", "wake_words.rejected = 2 is no share"),
        ("false_accepts = -1", "wake_words.false_accepts = -1 is no limit"),
        ("latency_median = inf", "wake_words.latency_median = inf is no limit"),
        ("false_accept = 1", "'wake_words.false_accept'; the nearest one is 'false_accepts'"),
        ("", r"\[wake_words\] demands nothing"),
    ],
)
def test_limits_of_words_that_mean_nothing_are_refused(text, said, tmp_path):
    (tmp_path / "limits.toml").write_text(f"[wake_words]\n{text}\n")
    with pytest.raises(InputError, match=said):
        read_limits(tmp_path / "limits.toml")


def test_a_measure_says_by_how_much():
    assert Measure("cortex-m0", "flash_bytes", 1200, 1000, 1100, 50).failures == [
        "flash on cortex-m0: 1,200 bytes, 200 past the limit of 1,000",
        "flash on cortex-m0: 1,200 bytes, 100 more than before, 50 past the growth of 50",
    ]
    assert Measure("", "ram_bytes", 1000, 1000, 1000, 0).failures == []


def test_the_markdown_has_the_differences(verified, sizes, tmp_path):
    baseline = {**stages.check(verified).as_json(), "const_bytes": sizes[0] - 17}
    limits = write(tmp_path / "limits.toml", "[limits]\nram_bytes = 99999\n")
    text = stages.check(verified, limits=limits, baseline=write(tmp_path / "baseline.json", baseline)).as_markdown()
    assert text.startswith("## three_gestures: passed\n\n| size |")
    assert f"| constants | {sizes[0]:,} | {sizes[0] - 17:,} | +17 |  |" in text
    assert f"| RAM | {sizes[1]:,} | {sizes[1]:,} | +0 | 99,999 |" in text
    assert re.search(r"\| c \(gcc -O2\) \| test \| gcc [\d.]+ \| [\d,]+ \| 0 \|", text)


def test_exit_codes_and_the_summary_on_the_command_line(verified, tmp_path, capsys):
    limits, summary = write(tmp_path / "limits.toml", "[limits]\nram_bytes = 1\n"), tmp_path / "summary.md"
    assert main(["check", str(verified), "--limits", str(limits), "--markdown", str(summary), "--json"]) == 4
    captured = capsys.readouterr()
    assert json.loads(captured.out)["passed"] is False
    assert "past the limit of 1" in captured.err
    assert "FAILED" in summary.read_text()
    assert main(["check", str(verified)]) == 0
    assert "passed" in capsys.readouterr().out
    differing(verified)
    assert main(["check", str(verified), "--markdown", str(summary)]) == 3
    assert "c differs" in summary.read_text()
    summary.write_text("## Notes\nof mine\n")
    assert main(["check", str(verified), "--markdown", str(summary)]) == 2
    assert "summary.md is there already and is no summary of rescomp check" in capsys.readouterr().err
    assert summary.read_text() == "## Notes\nof mine\n"


# ---- the documented job


def job(folder, model, **environment):
    """check.sh as a user runs it."""
    return subprocess.run(
        ["sh", "ci/check.sh", model],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=120,
    )


@pytest.fixture
def repository(model_dir, tmp_path):
    """A user's repository, and a `rescomp` on the path."""
    folder = tmp_path / "repository"
    shutil.copytree(EXAMPLE, folder / "ci")
    model_dir.rename(folder / "model")
    limits = folder / "ci/limits.toml"
    limits.write_text(re.sub(r"\[limits\.cortex-m0\].*?\n\n", "", limits.read_text(), flags=re.DOTALL))
    command = tmp_path / "bin/rescomp"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m rescomp "$@"\n')
    command.chmod(0o755)
    return folder, {"PATH": f"{command.parent}:{os.environ['PATH']}", "WITNESSES": "onnxruntime,tflite,c"}


def test_the_job_passes_then_fails_on_growth_then_on_a_mismatch(repository):
    folder, environment = repository
    result = job(folder, "model", **environment)
    assert result.returncode == 0, result.stderr
    sizes = json.loads((folder / "sizes.json").read_text())
    assert sizes["passed"]
    assert json.loads((folder / "verify.json").read_text())["failures"] == []
    assert "passed" in (folder / "summary.md").read_text()

    sizes["const_bytes"] -= 40
    (folder / "ci/baseline.json").write_text(json.dumps(sizes))
    limits = folder / "ci/limits.toml"
    limits.write_text(limits.read_text().replace("# [growth]\n# const_bytes = 32", "[growth]\nconst_bytes = 32"))
    result = job(folder, "model", **environment)
    assert result.returncode == 4
    assert "8 past the growth of 32" in result.stderr
    assert "+40" in (folder / "summary.md").read_text()

    c = next((folder / "model/c").glob("*.c"))
    changed = re.sub(r"(int16_t \w*bias\w*\[\d+\] = \{\n\s*)(-?\d+)", lambda m: f"{m[1]}{int(m[2]) ^ 1024}", c.read_text(), count=1)
    assert changed != c.read_text()
    ModelDirectory(folder / "model").write({f"c/{c.name}": changed.encode()})
    result = job(folder, "model", **environment)
    assert result.returncode == 3, result.stderr
    assert "FAILED" in (folder / "summary.md").read_text()


def test_the_job_ends_with_what_verify_ends_with_when_it_cannot_run(repository):
    folder, environment = repository
    result = job(folder, "nothing", **environment)
    assert result.returncode == 2
    assert not (folder / "summary.md").exists()


def test_the_page_shows_the_files_as_they_are():
    page = (ROOT / "docs/ci.md").read_text()
    assert f"```sh\n{(EXAMPLE / 'check.sh').read_text()}```" in page
    assert f"```toml\n{(EXAMPLE / 'limits.toml').read_text()}```" in page


def test_the_workflow_runs_the_script():
    workflow = yaml.safe_load((EXAMPLE / "github-workflow.yml").read_text())
    assert workflow.keys() == {"name", True, "jobs"}
    (steps,) = (job["steps"] for job in workflow["jobs"].values())
    assert all(("uses" in step) != ("run" in step) for step in steps)
    runs = [step["run"] for step in steps if "run" in step]
    assert "sh ci/check.sh model" in runs
    for text in runs:
        assert subprocess.run(["sh", "-n"], input=text, text=True, check=False, timeout=120).returncode == 0
    used = re.findall(r"^rescomp (\w+)|^\s*rescomp (\w+)", (EXAMPLE / "check.sh").read_text(), re.MULTILINE)
    assert {name for pair in used for name in pair if name} == {"verify", "check"} <= set(command_line.commands)
