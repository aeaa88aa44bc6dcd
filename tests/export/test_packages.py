"""The libraries: metadata by each ecosystem's published rules, C in each layout, and examples that say PASS or FAIL."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from rescomp.errors import InputError
from rescomp.export.c import export_c, translate
from rescomp.export.packages import ECOSYSTEMS, About, choose_recording, export_package
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import evaluate
from rescomp.graph.ir import StreamPolicy
from rescomp.model_directory import ModelDirectory
from rescomp.stages.artefacts import read_model
from rescomp.targets.cores import CORES
from rescomp.tests.goldens.directories import DIRECTORIES
from rescomp.validate.c_program import WARNINGS
from rescomp.validate.emulation import PACKAGES, run_program

STUBS = Path(__file__).parent / "package_stubs"
ABOUT = About("1.2.0-rc.1", "Ada Lovelace <ada@example.org>", "https://example.org/models")
SEMVER = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
NAMES = ("tiny", "a", "arduino_taps", "many__parts_", "forty_characters_are_the_longest_name_ok")
FORMATS = tuple(ECOSYSTEMS)


def needs(*tools):
    """Skip where one is missing, naming the package; in CI that is a failure of the test itself."""
    packages = {**PACKAGES, "g++": "g++", "cmake": "cmake make", "simavr": "simavr", "avr-g++": "gcc-avr avr-libc"}
    for tool in tools:
        if shutil.which(tool) is None and os.environ.get("CI") != "true":
            pytest.skip(f"needs {tool}: apt-get install {packages[tool]}")


def run(*command, cwd=None, **environment):
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "warning" not in result.stderr.lower(), result.stderr
    return result.stdout


def recording_of(model, seed=0):
    rng = np.random.default_rng(seed)
    t = model.input.type
    shape = (6, 12, *t.shape) if model.is_recurrent else (2, *t.shape)
    x, lengths = rng.integers(t.format.low, t.format.high + 1, shape), np.array([3, 12, 9, 8, 12, 1])
    return choose_recording(model, x, lengths, evaluate(model, x, lengths).scores)


def write(folder, format, model, recording=None, about=ABOUT):
    """A package on disk; its folder."""
    files = export_package(format, model, recording or recording_of(model), about)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (package,) = {name.partition("/")[0] for name in files}
    return folder / package


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(1), weights="ternary")


@pytest.fixture(params=["recurrent", "whole", "int8"])
def some_model(request, random_fastgrnn, random_block, random_int8_block):
    builder = {"recurrent": random_fastgrnn, "whole": random_block, "int8": random_int8_block}[request.param]
    return builder(np.random.default_rng(2))


@pytest.fixture(params=NAMES)
def named(request, model):
    return replace(model, name=request.param)


# ---- what every package holds


@pytest.mark.parametrize("format", FORMATS)
def test_the_c_is_the_plain_export_byte_for_byte(format, some_model, tmp_path):
    package = write(tmp_path, format, some_model)
    found = {path.name: path.read_bytes() for path in package.rglob("*") if path.is_file() and path.suffix in (".c", ".h", "")}
    expected = {Path(name).name: data for name, data in export_c(some_model).items() if name != "README.md"}
    assert expected.items() <= found.items()
    assert found["LICENSE"].startswith(b"BSD Zero Clause License")


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_again_gives_the_same_bytes_and_all_of_it_is_0bsd(format, model):
    first, second = (export_package(format, model, recording_of(model), ABOUT) for _ in range(2))
    assert first == second
    for name, data in first.items():
        text = data.decode()
        assert "0BSD" in text or name.endswith("/LICENSE"), name
        assert "{%" not in text, name
        assert "{#" not in text, name
        assert "\n\n\n" not in text, name
        assert text.endswith("\n"), name
        assert ABOUT.version in text or name.count("/") > 1 or not name.endswith(("README.md", ".json", ".yml", ".properties")), name


def test_the_recording_is_short_but_shows_the_state(model):
    x = np.arange(5 * 20 * 6).reshape(5, 20, 6)
    scores = np.arange(20).reshape(5, 4)
    chosen = choose_recording(model, x, np.array([20, 7, 9, 8, 8]), scores)
    assert np.array_equal(chosen.x, x[3, :8])
    assert np.array_equal(chosen.scores, scores[3])
    longest = choose_recording(model, x, np.array([1, 5, 3, 5, 1]), scores)
    assert np.array_equal(longest.x, x[1, :5])


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0 ", "1.0.0-alpha.beta.gamma", "१.0.0", ""])
def test_versions_that_are_not_semantic_are_refused(version):
    with pytest.raises(InputError, match="semver"):
        About(version=version)


@pytest.mark.parametrize("author", ["", "Arduino", "arduino team", "Ada\nversion=2", "Ada <ada>", "Ada, Bob", "<ada@example.org>", " Ada "])
def test_authors_that_an_ecosystem_refuses_are_refused(author):
    with pytest.raises(InputError, match="author"):
        About(author=author)


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "https://example.org/a b", "https://example.org\nname=x"])
def test_pages_that_are_no_addresses_are_refused(url):
    with pytest.raises(InputError, match="https://"):
        About(url=url)


def test_names_that_a_package_needs_for_itself_are_refused(model):
    for name in ("test_vector", "arduino"):
        with pytest.raises(InputError, match=r"model\.name"):
            export_package("arduino", replace(model, name=name), recording_of(model), ABOUT)
    with pytest.raises(InputError, match="arduino"):
        export_package("ardunio", model, recording_of(model), ABOUT)


# ---- metadata


def properties(path):
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@pytest.mark.parametrize("about", [ABOUT, About()], ids=["full", "default"])
def test_arduino(named, tmp_path, about):
    """Arduino, Library specification, 1.5 library format (rev. 2.2): fields, folders, keywords.txt; Sketch specification: names."""
    package = write(tmp_path, "arduino", named, about=about)
    fields = properties(package / "library.properties")
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    optional = {"depends", "dot_a_linkage", "includes", "precompiled", "ldflags", "license"}
    assert required <= fields.keys() <= required | optional
    assert all(value and value == value.strip() for value in fields.values())
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", fields["name"])
    assert re.search("[A-Za-z]", fields["name"])
    assert not fields["name"].lower().startswith("arduino")
    assert not fields["maintainer"].lower().startswith("arduino")
    assert re.fullmatch(SEMVER, fields["version"])
    assert fields["category"] in (
        *("Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing"),
        *("Data Storage", "Data Processing", "Other"),
    )
    assert re.fullmatch(r"https?://[\w.]+/[\w/.-]*", fields["url"])
    assert fields["architectures"] == "*"
    assert fields["dot_a_linkage"] == "true"
    assert (package / "src" / fields["includes"]).is_file()
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", package.name)
    assert [path.name for path in (package / "src").glob("*.h")] == [fields["includes"]]
    for sketch in (package / "examples").iterdir():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", sketch.name)
        assert (sketch / f"{sketch.name}.ino").is_file()
    words = [line.split("\t") for line in (package / "keywords.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert {word[1] for word in words} == {"KEYWORD1", "KEYWORD2", "LITERAL1"}
    header = (package / "src" / fields["includes"]).read_text()
    assert all(len(word) == 2 and re.search(rf"\b{word[0]}\b", header) for word in words)


@pytest.mark.parametrize("about", [ABOUT, About()], ids=["full", "default"])
def test_platformio(named, tmp_path, about):
    """PlatformIO, library.json: the fields and their lengths; Creating Library: src and include."""
    package = write(tmp_path, "platformio", named, about=about)
    document = json.loads((package / "library.json").read_text())
    known = "name version description keywords homepage repository authors license frameworks platforms headers examples dependencies export scripts build"
    assert {"name", "version"} <= document.keys() <= set(known.split())
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", document["name"])
    assert len(document["name"]) <= 50
    assert document["name"] == package.name
    assert re.fullmatch(SEMVER, document["version"])
    assert len(document["version"]) <= 20
    assert 1 <= len(document["description"]) <= 255
    assert all(re.fullmatch(r"[a-z\d\-_+. ]{1,50}", word) for word in document["keywords"])
    (author,) = document["authors"]
    assert author.keys() <= {"name", "email", "url", "maintainer"}
    assert 1 <= len(author["name"]) <= 100
    assert about is not ABOUT or author["email"] == "ada@example.org"
    assert ("homepage" in document) == bool(about.url)
    assert document["license"] == "0BSD"
    assert (document["frameworks"], document["platforms"]) == ("*", "*")
    assert (package / "include" / document["headers"]).is_file()
    for example in document["examples"]:
        assert example.keys() == {"name", "base", "files"}
        assert re.fullmatch(r"[a-zA-Z\d\-_/. ]{1,255}", example["name"])
        files = {
            path.relative_to(package / example["base"]).as_posix() for path in (package / example["base"]).rglob("*") if path.is_file()
        }
        assert set(example["files"]) == files
        assert "platformio.ini" in files


def test_zephyr(named, tmp_path):
    """Zephyr, Modules (External projects): module yaml file description; Test Runner (Twister): test definition; Kconfig: conventions."""
    package = write(tmp_path, "zephyr", named)
    module = yaml.safe_load((package / "zephyr/module.yml").read_text())
    assert module.keys() <= {"name", "build", "tests", "samples", "boards", "blobs", "runners", "security", "package-managers"}
    assert module["name"] == package.name
    assert module["build"].keys() <= {
        "cmake",
        "kconfig",
        "cmake-ext",
        "kconfig-ext",
        "depends",
        "settings",
        "sysbuild-cmake",
        "sysbuild-kconfig",
    }
    assert (package / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    symbols = re.findall(
        r"^config ([A-Z0-9_]+)\n\tbool \"[^\"\n]+\"\n\thelp\n(?:\t  .+\n)+", (package / module["build"]["kconfig"]).read_text(), re.M
    )
    assert symbols == [f"RESCOMP_{package.name.upper()}"]
    assert f"if(CONFIG_{symbols[0]})" in (package / "CMakeLists.txt").read_text()
    (samples,) = module["samples"]
    tests = {path.name: sample_of(path, symbols[0]) for path in (package / samples).iterdir()}
    assert set(tests) == {"self_test", "stream"}
    assert tests["stream"].keys() == {"tags", "build_only", "filter"}
    test = tests["self_test"]
    assert test.keys() == {"tags", "integration_platforms", "harness", "harness_config"}
    assert test["harness"] == "console"
    assert test["harness_config"]["type"] in ("one_line", "multi_line")
    assert any(re.search(pattern, "PASS") for pattern in test["harness_config"]["regex"])
    assert not any(re.search(pattern, "FAIL: scores that differ: 1") for pattern in test["harness_config"]["regex"])


def sample_of(sample, symbol):
    """What Twister does with a sample, whose files are those that it must have."""
    assert {"CMakeLists.txt", "prj.conf", "sample.yaml", "src"} == {path.name for path in sample.iterdir()}
    settings = [line for line in (sample / "prj.conf").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"CONFIG_[A-Z0-9_]+=y", line) for line in settings)
    assert f"CONFIG_{symbol}=y" in settings
    definition = yaml.safe_load((sample / "sample.yaml").read_text())
    assert definition.keys() <= {"sample", "common", "tests"}
    assert definition["sample"].keys() == {"name", "description"}
    ((name, test),) = definition["tests"].items()
    assert re.fullmatch(r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)+", name)
    return test


@pytest.mark.parametrize("about", [ABOUT, About()], ids=["full", "default"])
def test_esp_idf(named, tmp_path, about):
    """ESP-IDF, idf_component.yml manifest file: attributes, dependencies from local directories; Build system: component register."""
    package = write(tmp_path, "esp-idf", named, about=about)
    manifest = yaml.safe_load((package / "idf_component.yml").read_text())
    known = (
        "version maintainers description license tags targets dependencies files examples url repository documentation issues discussion"
    )
    assert {"version", "description", "license"} <= manifest.keys() <= set(known.split())
    assert re.fullmatch(SEMVER, manifest["version"])
    assert manifest["license"] == "0BSD"
    assert manifest["maintainers"] == [about.author]
    assert manifest.get("url", "") == about.url
    assert re.fullmatch(r"[a-zA-Z\d]+(?:[_-](?![_-])|[a-zA-Z\d])*[a-zA-Z\d]+", package.name)
    assert len(package.name) <= 64
    (example,) = (package / "examples").iterdir()
    dependencies = yaml.safe_load((example / "main/idf_component.yml").read_text())["dependencies"]
    assert dependencies.keys() == {package.name}
    assert (example / "main" / dependencies[package.name]["path"]).resolve() == package.resolve()
    listed = re.findall(r'"(src/[^"]+)"', (package / "CMakeLists.txt").read_text())
    assert {package / name for name in listed} == set((package / "src").rglob("*.c"))


# ---- the C in each layout, on this machine


def archive(folder, package, compiler, *flags, ar="ar"):
    """Every C file under src/, as Arduino and PlatformIO compile a library; only src/ and include/ are searched for headers."""
    objects = []
    for i, source in enumerate(sorted((package / "src").rglob("*.c"))):
        objects.append(folder / f"{package.name}-{i}.o")
        run(compiler, *flags, "-std=gnu11", f"-I{package / 'src'}", f"-I{package / 'include'}", "-c", source, "-o", objects[-1])
    run(ar, "rcs", folder / f"lib{package.name}.a", *objects)
    return folder / f"lib{package.name}.a"


def link_example(folder, package, example, main, c, cpp, flags, stubs=()):
    """The example's C and C++ linked to the archive of the package."""
    library = archive(folder, package, c, *flags, ar="ar" if c == "gcc" else "avr-gcc-ar")
    include = [f"-I{path}" for path in (package / "src", package / "include", example, *(stub.parent for stub in stubs))]
    run(c, *flags, "-std=gnu11", *include, "-c", example / "test_vector.c", "-o", folder / "vector.o")
    run(
        cpp,
        *flags,
        "-std=gnu++11",
        "-fno-exceptions",
        *include,
        main,
        *stubs,
        folder / "vector.o",
        library,
        "-Wl,--gc-sections",
        "-o",
        folder / "program",
    )
    return folder / "program"


def build_arduino(folder, package, c="gcc", cpp="g++", flags=(*WARNINGS, "-O1")):
    example = package / "examples/SelfTest"
    sketch = folder / "sketch.cpp"
    sketch.write_text("#include <Arduino.h>\n" + (example / "SelfTest.ino").read_text())
    return link_example(folder, package, example, sketch, c, cpp, flags, stubs=[STUBS / "arduino/core.cpp"])


def build_platformio(folder, package, flags=(*WARNINGS, "-O1"), stubs=()):
    example = package / "examples/SelfTest/src"
    return link_example(folder, package, example, example / "main.cpp", "gcc", "g++", flags, stubs)


def build_zephyr(folder, package, *settings):
    options = (f"-DZephyr_DIR={STUBS / 'zephyr'}", f"-DCMAKE_C_FLAGS=-std=c99 {' '.join(WARNINGS)}", *settings)
    run("cmake", "-S", package / "samples/self_test", "-B", folder / "build", *options)
    run("cmake", "--build", folder / "build")
    return folder / "build/app"


def build_esp_idf(folder, package):
    example = package / "examples/self_test"
    ((_, dependency),) = yaml.safe_load((example / "main/idf_component.yml").read_text())["dependencies"].items()
    component = (example / "main" / dependency["path"]).resolve()
    options = (f"-DCOMPONENT={component}", f"-DCMAKE_C_FLAGS=-std=gnu17 {' '.join(WARNINGS)}")
    run("cmake", "-S", example, "-B", folder / "build", *options, IDF_PATH=str(STUBS / "esp-idf"))
    run("cmake", "--build", folder / "build", IDF_PATH=str(STUBS / "esp-idf"))
    return folder / "build/app"


BUILDERS = {"arduino": build_arduino, "platformio": build_platformio, "zephyr": build_zephyr, "esp-idf": build_esp_idf}


def says(program):
    result = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    return result.stdout.replace("\r\n", "\n")


def altered(recording, at):
    scores = recording.scores.copy()
    scores[at] ^= 1
    return replace(recording, scores=scores)


@pytest.mark.parametrize("format", FORMATS)
def test_the_example_says_pass(format, some_model, tmp_path):
    needs("gcc", "g++", "cmake")
    package = write(tmp_path, format, some_model)
    assert says(BUILDERS[format](tmp_path, package)) == "PASS\n"


@pytest.mark.parametrize(("format", "name"), [("arduino", "stages_int8"), ("platformio", "gru_last_and_mean_int4")])
def test_a_net_of_stages_and_one_that_keeps_sums_of_blocks_say_pass(format, name, tmp_path):
    """Rows of layers and int32 states among what the caller keeps."""
    needs("gcc", "g++", "cmake")
    shutil.unpack_archive(DIRECTORIES / f"{name}.zip", tmp_path / "model")
    model = read_model(ModelDirectory.open(tmp_path / "model"))
    assert {"normalize_rows", "readout_sum"} & {value.name for value in model.graphs["step"].state_inputs}
    assert says(BUILDERS[format](tmp_path, write(tmp_path, format, model))) == "PASS\n"


@pytest.mark.parametrize("format", FORMATS)
def test_the_example_says_fail_where_one_score_is_another(format, model, tmp_path):
    needs("gcc", "g++", "cmake")
    at = FORMATS.index(format)
    package = write(tmp_path, format, model, altered(recording_of(model), at))
    assert says(BUILDERS[format](tmp_path, package)) == "FAIL: scores that differ: 1\n"


def test_platformio_s_example_is_a_sketch_as_well(model, tmp_path):
    needs("gcc", "g++")
    package = write(tmp_path, "platformio", model)
    assert says(build_platformio(tmp_path, package, (*WARNINGS, "-DARDUINO=10819"), [STUBS / "arduino/core.cpp"])) == "PASS\n"


# ---- several models in one firmware


def two_models(folder, format, model, other):
    return [write(folder, format, replace(each, name=name)) for name, each in (("first_model", model), ("second_model", other))]


@pytest.mark.parametrize("format", ["arduino", "platformio", "esp-idf"])
def test_archives_share_kernels(format, random_fastgrnn, tmp_path):
    needs("gcc")
    models = [random_fastgrnn(np.random.default_rng(seed), hidden=6 + seed) for seed in (3, 4)]
    packages = two_models(tmp_path, format, *models)
    main = tmp_path / "main.c"
    calls = "".join(f"{package}_state {package}; {package}_init(&{package});" for package in ("first_model", "second_model"))
    main.write_text(
        '#include "first_model.h"\n#include "second_model.h"\n'
        f"int main(void) {{ {calls} int16_t x[6] = {{0}}; first_model_step(&first_model, x); second_model_step(&second_model, x); }}"
    )
    libraries = [archive(tmp_path, package, "gcc") for package in packages]
    headers = [f"-I{package / ECOSYSTEMS[format].headers}" for package in packages]
    run("gcc", *headers, main, *libraries, "-o", tmp_path / "program")
    assert says(tmp_path / "program") == ""


def test_zephyr_modules_share_kernels(random_fastgrnn, tmp_path):
    needs("gcc", "cmake")
    models = [random_fastgrnn(np.random.default_rng(seed), hidden=6 + seed) for seed in (3, 4)]
    first, second = two_models(tmp_path, "zephyr", *models)
    more = f"-DMORE_MODULES={second}", "-DMORE_SETTINGS=CONFIG_RESCOMP_SECOND_MODEL=y"
    assert says(build_zephyr(tmp_path, first, *more)) == "PASS\n"
    text = (second / "CMakeLists.txt").read_text()
    (second / "CMakeLists.txt").write_text(re.sub(r"EQUAL \d+", "EQUAL 1", text))
    shutil.rmtree(tmp_path / "build")
    with pytest.raises(AssertionError, match="export all models with one version"):
        build_zephyr(tmp_path, first, *more)


def test_zephyr_compiles_nothing_unless_it_is_switched_on(model, tmp_path):
    needs("gcc", "cmake")
    package = write(tmp_path, "zephyr", model)
    conf = package / "samples/self_test/prj.conf"
    conf.write_text(conf.read_text().replace("CONFIG_RESCOMP_TINY=y", "CONFIG_RESCOMP_TINY="))
    with pytest.raises(AssertionError, match=r"tiny\.h"):
        build_zephyr(tmp_path, package)


# ---- on emulated cores


@pytest.mark.parametrize(("right", "text"), [(True, "PASS"), (False, "FAIL: scores that differ: 1")])
def test_the_sketch_on_an_emulated_uno(right, text, model, tmp_path):
    """Compiled as Arduino's AVR core does: gnu11 and gnu++11, link-time optimization, the library as an archive."""
    needs("avr-gcc", "avr-g++", "simavr")
    recording = recording_of(model)
    package = write(tmp_path, "arduino", model, recording if right else altered(recording, 2))
    flags = ("-mmcu=atmega328p", "-Os", "-ffunction-sections", "-fdata-sections", "-flto", "-fno-fat-lto-objects", "-Wall", "-Wextra")
    program = build_arduino(tmp_path, package, "avr-gcc", "avr-g++", flags)
    ram = sum(map(int, run("avr-size", program).splitlines()[1].split()[1:3]))
    assert ram < 512
    result = subprocess.run(
        ["simavr", "-m", "atmega328p", "-f", "16000000", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert f"{text}.." in result.stdout + result.stderr


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize(
    ("format", "core", "folder", "entry"),
    [
        ("zephyr", "cortex-m0", "samples/self_test/src", "int main("),
        ("zephyr", "cortex-m3", "samples/self_test/src", "int main("),
        ("esp-idf", "riscv32imc", "examples/self_test/main", "void app_main("),
    ],
)
def test_the_example_on_an_emulated_core(format, core, folder, entry, right, model, tmp_path):
    core = CORES[core]
    needs(core.family.compiler, core.family.emulator)
    recording = recording_of(model)
    package = write(tmp_path, format, model, recording if right else altered(recording, 0))
    example = package / folder
    main = tmp_path / "sample.c"
    main.write_text((example / "main.c").read_text().replace(entry, "int sample_main(").replace("void app_main", "int sample_main"))
    if format == "esp-idf":
        main.write_text(re.sub(r"}\n$", "    return 0;\n}\n", main.read_text()).replace("printf(", "sample_printf("))
        main.write_text(
            main.read_text().replace("#include <stdio.h>", "int sample_printf(const char *format, ...);\nint sample_main(void);")
        )
    else:
        main.write_text("int sample_main(void);\n" + main.read_text())
    sources = [*sorted((package / "src").rglob("*.c")), example / "test_vector.c", main, STUBS / "on_qemu.c"]
    include = [f"-I{path}" for path in (package / "include", example, STUBS / "zephyr")]
    output = run_program(core, sources, ["-DON_QEMU", *include], b"").decode()
    assert output.startswith("PASS\n" if right else "FAIL: scores that differ")


def test_the_sketch_compiles_for_arm(model, tmp_path):
    needs("arm-none-eabi-gcc")
    package = write(tmp_path, "arduino", model)
    flags = ("-mcpu=cortex-m4", "-mthumb", "-Os", *WARNINGS)
    archive(tmp_path, package, "arm-none-eabi-gcc", *flags, ar="arm-none-eabi-ar")
    sketch = tmp_path / "sketch.cpp"
    sketch.write_text("#include <Arduino.h>\n" + (package / "examples/SelfTest/SelfTest.ino").read_text())
    include = [f"-I{path}" for path in (package / "src", package / "examples/SelfTest", STUBS / "arduino")]
    run("arm-none-eabi-g++", *flags, "-std=gnu++14", "-fno-exceptions", "-fno-rtti", *include, "-c", sketch, "-o", tmp_path / "sketch.o")


# ---- a sensor in a loop


def in_streams(model):
    """What the model's examples of streams may be: as it is, with a decision, and with a policy too."""
    deciding = with_decision(model, Decision(smoothing=1, hold=1))
    return [model, deciding, replace(deciding, policy=StreamPolicy(gap=2, half_window=4))]


def test_packages_tell_what_a_stream_keeps(model, tmp_path):
    for form, each in enumerate(in_streams(model)):
        folder, source = tmp_path / f"{form}", translate(each)
        kept = source.stream_bytes if each.policy else source.state_bytes + source.scratch_bytes
        for ecosystem, name in (("arduino", "library.properties"), ("platformio", "library.json"), ("zephyr", "Kconfig")):
            package = write(folder / ecosystem, ecosystem, each)
            assert f"{kept} bytes of RAM" in (package / name).read_text()
            for readme in ((package / "README.md").read_text(), export_c(each)["README.md"].decode()):
                assert re.findall(r"_stream` in the place of both, in RAM.* \| (\d+) \|", readme) == [str(kept)] * bool(each.policy)


def test_arduino_colours_what_a_stream_adds(model, tmp_path):
    words = [
        {line.split("\t")[0] for line in (write(tmp_path / f"{form}", "arduino", each) / "keywords.txt").read_text().splitlines()}
        for form, each in enumerate(in_streams(model))
    ]
    assert words[1] - words[0] == {"tiny_decide", "TINY_UNKNOWN", "TINY_NO_DECISION"}
    assert {"tiny_stream", "TINY_STREAM_BYTES"} <= words[2] - words[1]


@pytest.mark.parametrize("form", range(3))
def test_the_sketch_of_a_stream_prints_the_decision(form, model, tmp_path):
    needs("gcc", "g++")
    deciding = in_streams(model)[form]
    package = write(tmp_path, "arduino", deciding)
    sketch, objects = tmp_path / "sketch.cpp", []
    sketch.write_text("#include <Arduino.h>\n" + (package / "examples/Stream/Stream.ino").read_text())
    for source in sorted((package / "src").rglob("*.c")):
        objects.append(tmp_path / f"{source.stem}.o")
        run("gcc", *WARNINGS, "-std=gnu11", f"-I{package / 'src'}", "-c", source, "-o", objects[-1])
    include = [f"-I{path}" for path in (package / "src", STUBS / "arduino")]
    core = STUBS / "arduino/core.cpp"
    run("g++", *WARNINGS, "-std=gnu++11", *include, sketch, core, *objects, "-o", tmp_path / "program")
    reading = 40 * (14 + np.arange(model.input.type.size) % 4)
    trajectory = evaluate(deciding, reading[None, None])
    decision = trajectory.decisions[0, 0] if deciding.decides else trajectory.scores[0].argmax()
    assert says(tmp_path / "program").replace("\r", "") == f"decision {decision}\n"


@pytest.mark.parametrize("form", range(3))
def test_zephyr_s_sample_of_a_stream_compiles(form, model, tmp_path):
    needs("gcc")
    package = write(tmp_path, "zephyr", in_streams(model)[form])
    include = [f"-I{path}" for path in (package / "include", STUBS / "zephyr")]
    run("gcc", *WARNINGS, "-std=c99", *include, "-c", package / "samples/stream/src/main.c", "-o", tmp_path / "main.o")
    assert "CONFIG_SENSOR=y" in (package / "samples/stream/prj.conf").read_text()
    assert ("_gap(" in (package / "samples/stream/src/main.c").read_text()) == (form == 2)


@pytest.mark.parametrize("format", FORMATS)
def test_the_readme_of_a_model_with_a_policy_shows_its_stream(format, model, tmp_path):
    without, _, deciding = in_streams(model)
    shown = (write(tmp_path / "deciding", format, deciding) / "README.md").read_text()
    assert set(re.findall(r"tiny_(?:stream_)?(?:init|step|scores|decide|gap)\(", shown)) == {
        f"tiny_{name}("
        for name in ("init", "step", "scores", "decide", "stream_init", "stream_step", "stream_scores", "stream_decide", "gap")
    }
    plain = (write(tmp_path / "policy", format, replace(without, policy=StreamPolicy(gap=1))) / "README.md").read_text()
    assert ("tiny_stream_step(" in plain, "decide" in plain) == (True, False)
    assert (
        "stream"
        not in (write(tmp_path / "without", format, without) / "README.md").read_text().partition("```c")[2].partition("## Check")[0]
    )


LATE = """
#include <cstdio>

static unsigned long now = 60000000;
HardwareSerial Serial;
void HardwareSerial::begin(unsigned long) {}
void HardwareSerial::print(const char *) {}
void HardwareSerial::println(const char *) {}
void HardwareSerial::println(unsigned int) {}
void HardwareSerial::println(int) {}
void HardwareSerial::println(long) {}
unsigned long micros() { return now += 10; }

int analogRead(int pin)
{
    if (pin == A0) {
        printf("%lu ", now);
    }
    return 0;
}

int main()
{
    setup();
    for (int i = 0; i < 12; ++i) {
        loop();
        now += i == 4 ? 1000000 : i == 8 ? 25000 : 300;
    }
    return 0;
}
"""


def test_the_sketch_of_a_stream_takes_no_burst_of_readings_after_a_late_start_or_a_stall(random_fastgrnn, tmp_path):
    needs("gcc", "g++")
    model = random_fastgrnn(np.random.default_rng(1), inputs=4)
    package, objects = write(tmp_path, "arduino", model), []
    (tmp_path / "sketch.cpp").write_text("#include <Arduino.h>\n" + (package / "examples/Stream/Stream.ino").read_text() + LATE)
    for source in sorted((package / "src").rglob("*.c")):
        objects.append(tmp_path / f"{source.stem}.o")
        run("gcc", *WARNINGS, "-std=gnu11", f"-I{package / 'src'}", "-c", source, "-o", objects[-1])
    include = [f"-I{path}" for path in (package / "src", STUBS / "arduino")]
    run("g++", *WARNINGS, "-std=gnu++11", *include, tmp_path / "sketch.cpp", *objects, "-o", tmp_path / "program")
    times = np.array(says(tmp_path / "program").split(), int)
    assert 20000 <= times[0] - 60000000 <= 20050
    assert [round(interval, -3) for interval in np.diff(times)] == [20000] * 4 + [1000000] + [20000] * 3 + [25000, 15000, 20000]


SAMPLE = """
#define main sample_main
#include "src/main.c"
#undef main
#include <stdlib.h>

const struct device the_device = {0};
static int64_t now = 5, micro;
static int fetched, fails = 1;
bool device_is_ready(const struct device *device) { return device->number == 0; }
int sensor_channel_get(const struct device *device, enum sensor_channel channel, struct sensor_value *value)
{
    (void)device, (void)channel, value->val1 = 0;
    return 0;
}
int64_t sensor_value_to_micro(const struct sensor_value *value) { return value->val1 + micro; }
int64_t k_uptime_get(void) { return now; }
int32_t k_msleep(int32_t milliseconds) { return now += milliseconds, 0; }

int sensor_sample_fetch(const struct device *device)
{
    if (!fails && fetched++ == 8) {
        exit(device->number);
    }
    if (!fails) {
        printf("at %d\\n", (int)now);
    }
    now += fetched == 4 ? 100 : 7;
    return fails;
}

int main(void)
{
    static const int64_t values[] = {VALUES};
    static READING reading[INPUT_SIZE];

    begin_stream();
    for (int i = 0; i < 40; ++i) {
        printf("lost %d\\n", (int)lose_reading());
    }
    now = 5, fails = 0, fetched = -1000;
    for (uint32_t i = 0; i < sizeof values / sizeof values[0]; ++i) {
        micro = values[i];
        read_sensor(reading);
        printf("reads %d\\n", (int)reading[0]);
    }
    now = 5, fetched = 0;
    return sample_main();
}
"""


@pytest.mark.parametrize("form", range(4))
def test_zephyr_s_sample_rounds_as_the_contract_says_keeps_its_period_and_decides_nothing_while_nothing_comes(form, model, tmp_path):
    needs("gcc")
    each = [*in_streams(model), replace(model, policy=StreamPolicy(gap=2))][form]
    package, format = write(tmp_path, "zephyr", each), model.input.type.format
    unit = 2**format.fraction_bits
    micro = [0, 1, -1, 999999, -1000000, 500000 // unit, -500000 // unit, -500000 // unit - 1, -700000, 1 << 52, -(1 << 52)]
    named = {"VALUES": ", ".join(map(str, micro)), "READING": "int16_t", "INPUT_SIZE": "TINY_INPUT_SIZE"}
    defined = [f"-D{name}={value}" for name, value in named.items()]
    (tmp_path / "harness.c").write_text(SAMPLE)
    include = [f"-I{path}" for path in (package / "include", package / "samples/stream", STUBS / "zephyr")]
    sources = [tmp_path / "harness.c", *sorted((package / "src").rglob("*.c"))]
    run(
        "gcc",
        *WARNINGS,
        "-std=c99",
        "-fsanitize=undefined",
        "-fno-sanitize-recover",
        *defined,
        *include,
        *sources,
        "-o",
        tmp_path / "sample",
    )
    said = [line.split() for line in run(tmp_path / "sample").splitlines()]
    found = {word: [int(number) for kind, number in said if kind == word] for word in ("lost", "reads", "at")}
    rounded = [(2 * value * unit + 1000000) // 2000000 for value in micro]
    assert found["lost"] == [-2] * 40
    assert found["reads"] == [min(max(value, format.low), format.high) for value in rounded]
    assert [time - 5 for time in found["at"][-8:]] == [0, 20, 40, 60, 160, 180, 200, 220]


def test_a_net_without_state_has_no_example_of_a_stream(random_block, tmp_path):
    for format in ("arduino", "zephyr"):
        package = write(tmp_path, format, random_block(np.random.default_rng(0)))
        assert not [path for path in package.rglob("*") if "tream" in path.name]
