"""Model directories as this version writes them, and their C: later versions read them, find them equal, and export the same again.

python tests/goldens/directories.py                  only where the format of a directory changes, beside the old ones
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

import numpy as np

from rescomp import stages
from rescomp.recipe import load_recipe
from rescomp.tests.goldens.nets import FOLDER

DIRECTORIES = FOLDER / "directories"
UNTRAINED = ("train.epochs=0", "quantize.epochs=0", "train.threads=1", "model.name=golden")
_CELLS, _CONVOLUTIONS = "model.hidden_size=6", "model.widths=[4] model.blocks=1"
EARLIER = {
    "fastgrnn_ternary": (_CELLS, "ternary"),
    "fastgrnn_low_rank": (f"{_CELLS} model.rank_w=2 model.rank_u=3 model.nonlinearity=piecewise_linear", "int4"),
    "fastgrnn_decides": (f"{_CELLS} decide.smoothing=2 decide.hold=2 stream.gap=2 stream.window=6", "ternary"),
    "fastrnn_int8": (f"{_CELLS} model.kind=fastrnn", "int8"),
    "gru_two_layers": (f"{_CELLS} model.kind=gru model.layers=2", "int8"),
    "lstm_int4": (f"{_CELLS} model.kind=lstm", "int4"),
    "two_readings_a_step": (f"{_CELLS} model.readings=2 model.normalization=robust", "int8"),
    "resnet1d_int8": (f"model.kind=resnet1d {_CONVOLUTIONS}", "int8"),
    "dscnn1d_streaming": (f"model.kind=dscnn1d {_CONVOLUTIONS} model.streaming=true", "int8"),
    "score1d_ternary": (f"model.kind=score1d {_CONVOLUTIONS}", "ternary"),
    "hourglass_int4": ("model.kind=hourglass model.widths=[8,4]", "int4"),
    "own_gru": ("model.kind=own_nets:gru", "ternary"),
    "own_convolutions": ("model.kind=own_nets:convolutions", "int8"),
}
"""By name: settings of the recipe, and weights. Written before all nets had one net.json."""
LATER = {
    "stages_int8": (
        'model.stages=[{kind="convolution",width=4},{kind="gru",hidden_size=5},{kind="abs"},{kind="mgu",hidden_size=4},{kind="dense",width=4}]',
        "int8",
    ),
    "mgu_int8": (f"{_CELLS} model.kind=mgu", "int8"),
    "gru_last_and_mean_int4": (f"{_CELLS} model.kind=gru model.readout=last_mean model.readout_steps=3", "int4"),
    "log_mel_ternary": (f"{_CELLS} frontend.length=64 frontend.hop=64 frontend.bands=6 decide.hold=2", "ternary"),
}
"""The same of nets that there were none of before; the last one hears."""
KINDS = {**EARLIER, **LATER}
OWN_NETS = """import torch
from torch import nn

from rescomp.models import CellShape, GruCell, RecurrentNet


def gru(input_shape, classes):
    channels = input_shape[-1]
    return RecurrentNet([GruCell(CellShape(channels, 5))], classes, torch.zeros(channels), torch.ones(channels), "table")


def convolutions(input_shape, classes):
    time, channels = input_shape
    return nn.Sequential(nn.Conv1d(channels, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(4 * (time // 2), classes))
"""


def write_recordings(path: Path) -> Path:
    """Three classes of 12 training and 8 test recordings of four channels, as integers."""
    draw = np.random.default_rng(11)
    arrays = {}
    for split, count in (("train", 12), ("test", 8)):
        y = np.arange(count) % 3
        arrays |= {f"x_{split}": draw.integers(-400, 400, (count, 8, 4)) + 300 * np.eye(3, 4, dtype=int)[y][:, None], f"y_{split}": y}
        arrays[f"lengths_{split}"] = draw.integers(4, 9, count)
    np.savez(path, **arrays)
    return path


def write_sounds(path: Path) -> Path:
    """Three pitches in noise at 8 kHz, as many recordings of ten frames."""
    draw, time = np.random.default_rng(12), np.arange(641)
    arrays = {}
    for split, count in (("train", 12), ("test", 8)):
        y = np.arange(count) % 3
        waves = (time * np.array([3, 9, 20])[y][:, None]) % 64 * 150 - 4800
        arrays |= {f"x_{split}": (waves + draw.integers(-300, 300, waves.shape)).astype(np.int16), f"y_{split}": y}
    np.savez(path, **arrays, sample_rate=8000)
    return path


def make(name: str, data: str, path: Path) -> None:
    """The directory of a kind, without exports."""
    settings, weights = KINDS[name]
    stages.train_model(load_recipe(None, [f"data.source={data}", *UNTRAINED, *settings.split()], weights=weights), path)
    stages.quantize(path)


def main() -> None:
    """Writes every kind that is not there: an archive of the directory without exports, and the model's own C beside it."""
    DIRECTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("own_nets.py").write_text(OWN_NETS)
        write_recordings(Path("golden.npz"))
        write_sounds(Path("sounds.npz"))
        for name in KINDS:
            if (DIRECTORIES / f"{name}.zip").exists():
                continue
            path = Path(name)
            make(name, "sounds.npz" if "frontend" in KINDS[name][0] else "golden.npz", path)
            shutil.make_archive(str(DIRECTORIES / name), "zip", path)
            stages.export_model(path, ["c"])
            for suffix in (".c", ".h"):
                shutil.copy(path / "c" / f"golden{suffix}", DIRECTORIES / f"{name}{suffix}")


if __name__ == "__main__":
    main()
