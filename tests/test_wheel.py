"""The wheel: what it holds, and that it works without the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rescomp

ROOT = Path(rescomp.__file__).parent
NOT_SHIPPED = ("tests/", "benchmarks/", "docs/", "examples/", ".")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a clean copy: a stale build/ folder would ship deleted modules again."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", target, source]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (built,) = target.glob("*.whl")
    return built, listed


def test_it_holds_the_package_and_nothing_else(wheel):
    built, listed = wheel
    names = {name for name in zipfile.ZipFile(built).namelist() if ".dist-info/" not in name}
    code = {f"rescomp/{name}" for name in listed if name.endswith(".py") and not name.startswith(NOT_SHIPPED)}
    folders = ("boards/", "firmware_templates/", "data/bundled/", "models/recurrent/compiled/", "pages/", "validate/")
    data = {f"rescomp/{name}" for name in listed if name.startswith(folders) or name == "py.typed"}
    assert names == code | data


def test_it_runs_without_the_repository(wheel, tmp_path):
    with zipfile.ZipFile(wheel[0]) as archive:
        archive.extractall(tmp_path / "site")
    command = [sys.executable, "-m", "rescomp", "run", "--set", "train.epochs=1", "--set", "quantize.epochs=1", "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = subprocess.run(
        [sys.executable, "-c", "import rescomp; print(rescomp.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert where.stdout.startswith(str(tmp_path))
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "0 differ" in result.stdout
