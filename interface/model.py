"""A model directory as an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import stages
from ..errors import counted
from ..model_directory import ModelDirectory
from ..stages.artefacts import read_model
from ..stages.readings import Reader
from .listening import listening
from .predictions import Predictions, predict
from .results import Evaluated, Inspected, Profiled, Verified
from .streams import LiveStream


class Model:
    """A quantized model in its directory. The files are read when it is opened; methods that write say so.

    path: the directory. name, classes, channels, unit: of the model and of what it reads. manifest: all that is recorded of it.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises InputError for what is no model directory, is damaged, or was not quantized yet."""
        self.path = Path(path)
        directory = ModelDirectory.open(self.path)
        with directory.unchanging():
            self._model, self.manifest = read_model(directory), directory.manifest()
        self._reader = Reader.of(self.manifest, self._model)

    @property
    def name(self) -> str:
        """The prefix of everything generated."""
        return self._model.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of scores."""
        return self._model.class_names

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that it reads, in order; numbers where they have no names."""
        said = self.manifest.input.channels if self.manifest.samples is None else self.manifest.samples.names
        return said or tuple(map(str, range(self._reader.channels)))

    @property
    def unit(self) -> str:
        """Of what it reads; empty where nobody said."""
        return (self.manifest.input.unit if self.manifest.samples is None else self.manifest.samples.unit) or ""

    @property
    def accuracy(self) -> float | None:
        """Of the integer model on its test recordings, from 0 to 1."""
        return self.manifest.accuracy.integer

    def predict(self, x: Any, lengths: Any = None) -> Predictions:
        """Answer recordings x [recordings, time, channels], or one [time, channels]; images [images, height, width, channels].

        Numbers are in the unit of the training data; where those were integers, the sensor's own. lengths: readings of each recording,
        where they are filled up to one length. Raises InputError for other channels and numbers, UnsupportedError behind a front-end.
        """
        return predict(self._reader, x, lengths)

    def stream(self) -> LiveStream:
        """A stream that takes one reading after another. Raises UnsupportedError for a net without state."""
        return LiveStream(self._reader)

    def inspect(self) -> Inspected:
        """Layers, shapes, bits and bytes."""
        return Inspected.of(stages.inspect(self.path))

    def evaluate(self, data: str | Path | None = None, *, quiet: bool = True, **asked: Any) -> Evaluated:
        """Accuracy on the model's test recordings (kept in report.json), or on new data. Others, `stream` among them: stages.evaluate."""
        with listening(quiet) as listener:
            return Evaluated.of(stages.evaluate(self.path, source=None if data is None else str(data), listener=listener, **asked))

    def verify(self, against: str | None = None, *, quiet: bool = True, **asked: Any) -> Verified:
        """Compare witnesses with numpy, bit for bit, and keep what was found in report.json; others: stages.verify."""
        with listening(quiet) as listener:
            return Verified.of(stages.verify(self.path, against, listener=listener, **asked))

    def profile(self, *cores: str, quiet: bool = True, **asked: Any) -> Profiled:
        """Count what a step costs on emulated cores; others: stages.profile."""
        with listening(quiet) as listener:
            return Profiled.of(stages.profile(self.path, cores, listener=listener, **asked))

    def export(self, *formats: str, cores: Sequence[str] = (), quiet: bool = True, **asked: Any) -> list[Path]:
        """Write exports into the directory: `onnx`, `tflite`, `c`, packages; others: stages.export_model. Returns the files."""
        with listening(quiet) as listener:
            written = stages.export_model(self.path, formats or None, cores=cores, listener=listener, **asked)
        return [self.path / name for name in written]

    def __repr__(self) -> str:
        accuracy = "" if self.accuracy is None else f", {self.accuracy:.2%} of its test recordings right"
        what = f"{counted(len(self.channels), 'channel')} ({', '.join(self.channels)}){f' in {self.unit}' if self.unit else ''}"
        return f"<rescomp model {self.name}: {what} to {counted(len(self.classes), 'class')}{accuracy}>"

    def _repr_html_(self) -> str:
        return self.inspect()._repr_html_()


def load(path: str | Path) -> Model:
    """The model in a directory that `run` made, or `quantize`. Raises InputError."""
    return Model(path)
