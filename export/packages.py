"""The C export as a library that an ecosystem's own tools take: its layout, its metadata, an example that checks itself, the licence.

What a package consists of is the tree of templates in firmware_templates/packages/<format>/: each becomes a file of the same path, but
for those of which nothing is left for the model at hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import InputError, nearest
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from .c import export_c, translate
from .c_declarations import ConstArray
from .c_source import Source
from .c_templates import list_templates, render

MIN_STEPS = 8
"""Of a recording that shows what the state does."""
MAX_VERSION = 20
"""Characters of a version (PlatformIO's registry)."""
TAKEN = frozenset({"arduino", "test_vector"})
"""Names of headers beside which no model's header can lie, whatever the case."""

_NUMBER, _IDENTIFIER = r"(?:0|[1-9]\d*)", r"[0-9A-Za-z-]+"
_PRERELEASE = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
SEMANTIC_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE}(?:\.{_PRERELEASE})*)?(?:\+{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?", re.ASCII
)
"""Semantic Versioning 2.0.0."""
_AUTHOR = re.compile(r"(?P<name>[^<>,]*[^<>,\s])(?: <(?P<email>[^<>@\s]+@[^<>@\s]+)>)?")


@dataclass(frozen=True)
class About:
    """What a package says of itself. author: a name, or `name <address>`. Raises InputError for what an ecosystem would refuse."""

    version: str = "0.1.0"
    author: str = "Anonymous"
    url: str = ""

    def __post_init__(self) -> None:
        if not SEMANTIC_VERSION.fullmatch(self.version) or len(self.version) > MAX_VERSION:
            raise InputError(
                f"{self.version!r} is no version of a package: give one like 1.0.2 (semver.org), of {MAX_VERSION} characters at most"
            )
        if not _AUTHOR.fullmatch(self.author) or not self.author.isprintable() or self.author.lower().startswith("arduino"):
            raise InputError(f"{self.author!r} is no author of a package: give one name, or `name <address>`, and not Arduino's")
        if self.url and not re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[!-~]*)?", self.url, re.ASCII):
            raise InputError(f"{self.url!r} is no address of a package's page: give one that begins with https://")

    @property
    def author_name(self) -> str:
        """Without the address."""
        return self._author("name")

    @property
    def author_email(self) -> str:
        """The address alone, or nothing."""
        return self._author("email")

    def _author(self, part: str) -> str:
        match = _AUTHOR.fullmatch(self.author)
        return (match[part] or "") if match else ""


@dataclass(frozen=True, eq=False)
class GoldenVector:
    """One golden vector. x: [steps, *input] of a recurrent model, [*input] of another one; scores: what it answers."""

    x: IntArray
    scores: IntArray


@dataclass(frozen=True)
class Ecosystem:
    """headers: folder of <model>.h, beside src/ with the C. vector: folder of test_vector.c and .h in the example."""

    package_name: Callable[[str], str]
    headers: str
    vector: str


def camel_case(name: str) -> str:
    """Arduino's way: letters and digits, and none of its own names."""
    text = "".join(part.capitalize() for part in name.split("_") if part)
    return f"Model{text}" if text.lower().startswith("arduino") else text


def slug(name: str) -> str:
    """Single separators, none at the end, two characters at least."""
    text = re.sub("_+", "_", name).strip("_")
    return text if len(text) > 1 else f"{text}_model"


ECOSYSTEMS: Mapping[str, Ecosystem] = {
    "arduino": Ecosystem(camel_case, "src", "examples/SelfTest"),
    "platformio": Ecosystem(lambda name: slug(name).replace("_", "-"), "include", "examples/SelfTest/src"),
    "zephyr": Ecosystem(slug, "include", "samples/self_test/src"),
    "esp-idf": Ecosystem(slug, "include", "examples/self_test/main"),
}
"""By the format's name on the command line."""


@dataclass(frozen=True, eq=False)
class Package:
    """All that the templates of a format need beside the Source."""

    name: str
    about: About
    source: Source
    recording: GoldenVector
    kernels: Sequence[str]

    @property
    def sentence(self) -> str:
        """What the library is for."""
        source = self.source
        reads = f"{source.inputs[0].type.size} values{' a step' if source.states else ''}"
        return f"Integer model {source.name}: reads {reads} and gives {source.scores.type.size} scores."

    @property
    def paragraph(self) -> str:
        """What it costs."""
        source = self.source
        kept = f"{source.constant_bytes} bytes of constants in flash and {source.ram_bytes} bytes of RAM"
        return f"It takes {kept}, no heap and no floating point."

    @property
    def kconfig(self) -> str:
        """Symbol that switches the module on, clear of Zephyr's own."""
        return f"RESCOMP_{self.name.upper()}"

    @property
    def functions(self) -> Sequence[str]:
        """What <model>.h declares, without the prefix."""
        if not self.source.states:
            return "run", "classify"
        streams = ("stream_init", "stream_step", "gap", "stream_scores") if self.source.model.policy else ()
        deciding = ("decide", *(("stream_decide",) if streams else ())) if self.source.decide_states else ()
        return "init", "step", "scores", "run", "classify", *deciding, *streams

    @property
    def input_rows(self) -> list[str]:
        """Of the recording, as lines of C."""
        return _rows(self.recording.x, self.source.inputs[0].type.format.dtype)

    @property
    def recorded_pages(self) -> int:
        """Of 256 bytes that the recording takes in flash, rounded up."""
        values = (self.source.inputs[0].type, self.recording.x), (self.source.scores.type, self.recording.scores)
        return -(-sum(array.size * type.format.numpy_dtype.itemsize for type, array in values) // 256)

    @property
    def score_rows(self) -> list[str]:
        """Of the recording, as lines of C."""
        return _rows(self.recording.scores, self.source.scores.type.format.dtype)

    def quote(self, text: str) -> str:
        """A string of JSON, which is one of YAML too."""
        return json.dumps(text, ensure_ascii=False)


def package_folder(format: str) -> str:
    """Where a model directory keeps the packages of a format."""
    return f"package-{format}"


def export_package(format: str, model: IntegerModel, recording: GoldenVector, about: About) -> dict[str, bytes]:
    """The files of a package by name, the first folder being the package's name. The C is what export_c gives, byte for byte.

    Equal arguments give equal bytes. Raises InputError for a format that nothing has or a model's name that cannot be a header's there,
    UnsupportedError for a model that the kernels cannot run.
    """
    if format not in ECOSYSTEMS:
        known = ", ".join(ECOSYSTEMS)
        raise InputError(f"there is no package format {format!r}; the nearest one is {nearest(format, ECOSYSTEMS)!r} (of {known})")
    if model.name in TAKEN:
        raise InputError(f"a package needs the header's name {model.name}.h for itself: choose another name with model.name")
    ecosystem = ECOSYSTEMS[format]
    c = export_c(model)
    kernels = [PurePosixPath(name).stem for name in c if name.startswith("rescomp/") and name.endswith(".c")]
    source = translate(model)
    package = Package(ecosystem.package_name(model.name), about, source, recording, kernels)
    files = {_place(name, model.name, ecosystem): data for name, data in c.items() if name != "README.md"}
    for folder, target in ((format, ""), ("shared", f"{ecosystem.vector}/")):
        for path in list_templates(f"packages/{folder}"):
            if folder == format or path.startswith("test_vector."):
                text = render(f"packages/{folder}/{path}", source=source, package=package)
                if text.strip():
                    files[target + path.removesuffix(".j2")] = text.encode()
    return {f"{package.name}/{name}": data for name, data in sorted(files.items())}


def choose_recording(model: IntegerModel, x: IntArray, lengths: IntArray, scores: IntArray) -> GoldenVector:
    """The shortest of golden vectors with MIN_STEPS steps, the longest where all have fewer; the first of a model without state.

    x: [sequences, longest, *input] or [samples, *input]; lengths: [sequences]; scores: [sequences, *scores].
    """
    if not model.is_recurrent:
        return GoldenVector(x[0], scores[0])
    long_enough = [i for i in range(len(x)) if lengths[i] >= MIN_STEPS]
    chosen = min(long_enough, key=lambda i: int(lengths[i])) if long_enough else int(lengths.argmax())
    return GoldenVector(x[chosen, : lengths[chosen]], scores[chosen])


def _place(name: str, model: str, ecosystem: Ecosystem) -> str:
    """Where a file of the C export lies in a package."""
    if name == "LICENSE":
        return name
    return f"{ecosystem.headers if name == f'{model}.h' else 'src'}/{name}"


def _rows(array: IntArray, dtype: str) -> list[str]:
    return ConstArray("", "", array.astype(dtype), "tables", "").rows
