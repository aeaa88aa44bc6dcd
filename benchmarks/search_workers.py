"""Two workers on one study in a database, one of them killed in the middle of a training: nothing is lost, nothing counted twice."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from rescomp.search.storage import StudyStorage

TRIALS = 6
ASKED = [
    *("--set", "model.kind=fastgrnn", "--set", f"search.trials={TRIALS}", "--set", "search.const=1KB", "--set", "search.finalists=1"),
    *("--set", "search.repeats=1", "--set", "train.epochs=8", "--set", "quantize.epochs=4"),
]


def worker(url: str, folder: Path) -> subprocess.Popen[bytes]:
    """A `rescomp search` in a directory of its own."""
    command = [sys.executable, "-m", "rescomp", "search", "--storage", url, "-o", str(folder), *ASKED]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=(folder.parent / f"{folder.name}.log").open("wb"))


def trials(url: str, folder: Path) -> list[object]:
    """Of the study of the newest name in the storage."""
    import optuna

    storage = StudyStorage(url, folder).rdb
    names = [each.study_name for each in storage.get_all_studies() if not each.study_name.endswith("-seeds")]
    return optuna.load_study(study_name=names[-1], storage=storage).get_trials() if names else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="An empty database: postgresql://USER@HOST/NAME.")
    url = parser.parse_args().url
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first, second = worker(url, folder / "first"), worker(url, folder / "second")
        while not list((folder / "first" / "candidates").glob("*/checkpoint.safetensors")):
            time.sleep(0.1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        third = worker(url, folder / "third")
        codes = second.wait(), third.wait()
        if any(codes):
            print((folder / "second.log").read_text()[-400:], (folder / "third.log").read_text()[-400:])
        every = trials(url, folder)
        written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    counted = [each for each in every if each.state.name != "FAIL" and each.user_attrs.get("outcome") in ("trained", "stopped at a rung")]
    lost = [each for each in every if each.state.name == "FAIL"]
    digests = [each.user_attrs["digest"] for each in counted]
    print(f"exit codes {codes}; {len(every)} trials, {len(counted)} counted of {TRIALS}, {len(set(digests))} of them different")
    for each in lost:
        again = each.user_attrs.get("digest") in digests
        print(f"trial {each.number}, of the worker that was killed: {'finished by another' if again else 'lost'}")
    print(f"unfinished: {sum(not each.state.is_finished() for each in every)}")
    password = (urlsplit(url).password or "").encode()
    if password:
        print(f"files and logs with the password: {sum(password in each for each in written)} of {len(written)}")


if __name__ == "__main__":
    main()
