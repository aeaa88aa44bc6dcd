"""The package as users meet it: public names, import cost, what a wheel holds."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rescomp

ROOT = Path(rescomp.__file__).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
UNPACKED = {"benchmarks", "examples", "tests"}
PACKAGE_FOLDERS = sorted({path.parent.name for path in ROOT.glob("[a-z]*/*.py")} - UNPACKED)


def modules_after(code: str, *arguments: str) -> set[str]:
    """Top-level modules loaded by a fresh interpreter that ran `code`."""
    script = f"import sys, json\nsys.argv = ['rescomp', *{list(arguments)!r}]\n{code}\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/", timeout=120)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_help_is_cheap():
    loaded = modules_after("from rescomp.cli import main\nmain(['--help'])")
    assert not loaded & {"torch", "onnx", "onnxruntime", "tflite", "flatbuffers", "numpy", "pydantic", "jinja2", "safetensors"}


def test_reading_and_inspecting_a_model_needs_no_torch():
    loaded = modules_after("import rescomp.stages.verification, rescomp.stages.inspection, rescomp.validate.compare")
    assert not loaded & {"torch", "onnx", "onnxruntime", "tflite", "flatbuffers", "safetensors"}


FIRST_LINE = """
import os, sys
from rescomp.cli import main
class Stderr:
    def isatty(self): return False
    def flush(self): pass
    def write(self, text):
        if text.strip():
            line = text if isinstance(text, str) else text.decode()
            os.write(1, f"{line.strip()}|{'torch' in sys.modules}".encode())
            os._exit(0)
sys.stderr = Stderr()
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "arguments",
    [
        *("run", "run --seeds 0,1", "run --fit const=2KB", "run --against torch", "run --resume -o none"),
        *("train", "train --resume -o none", "train --from none --data none.npz", "quantize none", "search", "migrate none"),
    ],
)
def test_the_first_line_comes_before_torch_is_imported(arguments):
    command = [sys.executable, "-c", FIRST_LINE, *arguments.split()]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", timeout=120).stdout
    of = "none" if "none" in arguments else "japanese_vowels"
    assert said == f"read {of} ...|False"


@pytest.mark.parametrize("arguments", ["run", "train", "run --seeds 0,1", "run --fit const=2KB"])
def test_data_are_refused_before_torch_is_imported(arguments):
    loaded = modules_after("from rescomp.cli import main\nassert main(sys.argv[1:]) == 2", *arguments.split(), "--data", "none.npz")
    assert "torch" not in loaded
    assert "numpy" in loaded


def test_what_a_witness_reads_is_known_without_its_packages():
    code = "from rescomp.validate.registry import WITNESSES, load_witness\nassert all(callable(load_witness(name).reads) for name in WITNESSES)"
    assert not modules_after(code) & {"torch", "onnx", "onnxruntime", "tflite", "flatbuffers", "ai_edge_litert", "tflite_micro", "serial"}


def test_public_names():
    from rescomp import compress, graph, stages

    assert rescomp.__version__
    work = [
        "check",
        "doctor",
        "evaluate",
        "export_model",
        "flash",
        "import_onnx",
        "init",
        "inspect",
        "migrate",
        "plot",
        "predict",
        "profile",
        "quantize",
        "resume_run",
        "run",
        "run_seeds",
        "search_recipes",
        "train_from",
        "train_model",
        "verify",
    ]
    assert stages.__all__ == work
    for name in stages.__all__:
        function = getattr(stages, name)
        assert callable(function)
        assert function.__doc__
    assert graph.__doc__
    assert compress.__doc__


def test_every_child_process_has_a_limit():
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    ).stdout.splitlines()
    waits = re.compile(r"subprocess\.(run|call|check_call|check_output)")
    for name in (name for name in listed if (ROOT / name).is_file()):
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and waits.fullmatch(ast.unparse(node.func)):
                assert "timeout" in {keyword.arg for keyword in node.keywords}, f"{name}:{node.lineno} may wait for ever"


def test_every_test_has_a_limit():
    assert 0 < PYPROJECT["tool"]["pytest"]["ini_options"]["timeout"] <= 600
    assert any(requirement.startswith("pytest-timeout") for requirement in PYPROJECT["project"]["optional-dependencies"]["dev"])


STRANGER = re.compile(
    r"pip3?[\"']? install\b[^|\n]*?[\s\"']rescomp(?![\w/.-])|\brescomp\[[a-z]|(version|requires|metadata|distribution)\([\"']rescomp[\"']\)"
)
"""What would install, or look for, the distribution called `rescomp`, which is not ours."""


def test_the_distribution_has_a_name_of_its_own():
    assert PYPROJECT["project"]["name"] == rescomp.DISTRIBUTION
    assert rescomp.DISTRIBUTION == "rescomp-mcu"
    assert PYPROJECT["project"]["scripts"] == {"rescomp": "rescomp.cli:main"}
    assert importlib.metadata.version(rescomp.DISTRIBUTION) == rescomp.__version__


def test_nothing_tells_a_user_to_install_a_stranger_s_package():
    for line in ("pip install rescomp", "pip install 'rescomp[flash]'", '"$X/pip" install "rescomp[onnx]"', 'version("rescomp")'):
        assert STRANGER.search(line), line
    for line in ("pip install -e '.[all]'", "pip install torch safetensors", "pip wheel --no-deps -w ci PATH/rescomp", "rescomp run | pip"):
        assert not STRANGER.search(line), line
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yml", ".sh", ".j2", ".txt", ""} and path.name != "test_package.py" and path.is_file():
            text = path.read_text(encoding="utf-8")
            assert not (found := STRANGER.search(text)), f"{name}: {found[0]}"
            # A name that nobody has registered yet may stand only where a clone or a file is installed.
            assert not re.search(rf"install [^\n]*\b{rescomp.DISTRIBUTION}\b(?!.*(\.whl|file:))", text), name


def test_every_package_folder_is_listed():
    found = {"rescomp"}
    for folder in PACKAGE_FOLDERS:
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add("rescomp." + ".".join(init.parent.relative_to(ROOT).parts))
    assert found == set(PYPROJECT["tool"]["setuptools"]["packages"])
    for folder in PACKAGE_FOLDERS:
        for module in (ROOT / folder).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), f"{module} lies in no package"


def test_the_import_contract_names_every_room():
    (layers,) = (contract["layers"] for contract in PYPROJECT["tool"]["importlinter"]["contracts"] if contract.get("exhaustive"))
    named = [name.strip(" ()") for layer in layers for name in layer.split("|")]
    rooms = {*PACKAGE_FOLDERS, *(path.stem for path in ROOT.glob("*.py"))} - {"__init__"}
    assert len(named) == len(set(named))
    assert rooms <= set(named)
    assert set(named) - rooms <= {name.strip("()") for name in layers if name.startswith("(")}


def test_the_root_holds_only_the_package_s_modules():
    names = {path.name for path in ROOT.glob("*.py")}
    assert names == {
        "__init__.py",
        "__main__.py",
        "decision_figures.py",
        "errors.py",
        "documents.py",
        "manifest.py",
        "model_directory.py",
        "model_names.py",
        "rates.py",
        "strict_documents.py",
        "text_files.py",
    }


def test_templates_and_data_are_package_data():
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["rescomp"]
    listed = {path for pattern in patterns for path in ROOT.glob(pattern)}
    missing = [path for path in (ROOT / "firmware_templates").rglob("*") if path.is_file() and path not in listed]
    assert missing == []
    bundled = {
        path for pattern in PYPROJECT["tool"]["setuptools"]["package-data"]["rescomp.data"] for path in (ROOT / "data").glob(pattern)
    }
    assert {path for path in (ROOT / "data" / "bundled").rglob("*") if path.is_file()} == bundled
    for folder in ("boards", "boards/usb"):
        listed = PYPROJECT["tool"]["setuptools"]["package-data"][f"rescomp.{folder.replace('/', '.')}"]
        present = {path for path in (ROOT / folder).iterdir() if path.suffix not in {".py", ""}}
        assert {path for pattern in listed for path in (ROOT / folder).glob(pattern)} == present


def test_no_file_is_pickled():
    for path in ROOT.rglob("*.py"):
        if path.is_relative_to(ROOT / "tests") or any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            continue
        text = path.read_text()
        assert "import pickle" not in text
        assert "allow_pickle=True" not in text
        assert not re.search(r"(?<!safetensors\.)torch\.load\(", text)


def test_firmware_templates_are_0bsd_and_say_so():
    for path in (ROOT / "firmware_templates").rglob("*"):
        if path.is_file() and path.name != "LICENSE":
            assert "SPDX-License-Identifier: 0BSD" in path.read_text(), path


def test_the_manifest_says_which_licences():
    assert PYPROJECT["project"]["license"] == "Apache-2.0 AND 0BSD"
    for name in PYPROJECT["project"]["license-files"]:
        assert Path(ROOT / name).is_file()
