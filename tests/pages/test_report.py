"""A page on models: what it tells is what the directory holds, nothing of a name is markup, and a browser shows it."""

import html.parser
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.model_directory import ModelDirectory
from rescomp.pages import write_report
from rescomp.pages.charts import histogram, lines, points
from rescomp.pages.facts import facts_of
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.golden_vectors import answers
from rescomp.stages.listener import Silent
from rescomp.tests.stages.untrained import made

HOSTILE = "</td></svg><script>alert(1)</script><b onclick=x> | `a` *b* \\"
VOID = {"meta", "br"}


class Page(html.parser.HTMLParser):
    """Tags with their attributes, texts, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """An untrained model whose classes, channels and unit are all hostile; verified."""
    folder = tmp_path_factory.mktemp("hostile")
    x = np.random.default_rng(5).normal(size=(40, 6, 3)).astype(np.float32)
    names = {"classes": np.array([HOSTILE, "a|b", "c"]), "channels": np.array([HOSTILE, "ay", "az"]), "unit": np.array(HOSTILE)}
    np.savez(folder / "own.npz", x=x, y=np.arange(40) % 3, **names)
    path = made(
        folder / "model", folder / "own.npz", "train.epochs=2", small=("quantize.epochs=1", "train.threads=1", "model.hidden_size=4")
    )
    stages.export_model(path, ["c"])
    stages.verify(path, "c", stress="off")
    stages.evaluate(path, stream=True)
    return path


@pytest.fixture(scope="module")
def page(directory, tmp_path_factory):
    output = tmp_path_factory.mktemp("page") / "report.html"
    write_report([directory], output)
    return output


def test_it_tells_what_the_directory_holds(directory, page):
    facts = facts_of(directory, (), Silent())
    model_directory = ModelDirectory.open(directory)
    model = read_model(model_directory)
    vectors = read_vectors(model_directory, model)
    taken = answers(vectors.scores)
    assert facts.confusion.counts[0, 1] == ((vectors.labels == 0) & (taken == 1)).sum()
    assert ((facts.margins > 0) | (taken != vectors.labels) | (facts.margins == 0)).all()
    assert [each.margin for each in facts.shown] == sorted(facts.margins)[:6]
    row = facts.shown[0].number
    assert np.array_equal(
        np.round(facts.shown[0].readings * 2.0**facts.manifest.input.fraction_bits), vectors.x[row, : vectors.lengths[row]]
    )
    worst = facts.worst_confusion
    wrong = [(i, j) for i in range(3) for j in range(3) if i != j]
    assert worst[2] == max(((vectors.labels == i) & (taken == j)).sum() for i, j in wrong)
    text = " ".join(Page(page.read_text()).texts)
    for said in (f"{facts.accuracy:.2%}", f"{facts.inspection.bytes['model']:,} bytes", "Witnesses", "gcc -O2", "In a stream", "Margins"):
        assert said in text
    assert [section for section in ("train: loss", "quantize: accuracy") if section not in text] == []


def test_nothing_of_a_name_is_markup(page):
    text = page.read_text()
    found = Page(text)
    assert found.open == []
    assert not {"script", "b", "iframe", "link", "img"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("href", "src")]
    assert HOSTILE in found.texts
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    assert not re.search(r"https?://|url\(|@import", text)
    assert all(each.isprintable() for line in text.splitlines() for each in line)


def test_tables_and_charts_are_named(page):
    found = Page(page.read_text())
    names = dict(found.attributes)
    assert found.tags.count("table") == found.tags.count("caption") > 4
    assert found.tags.count("svg") == found.tags.count("figcaption") > 6
    assert [value for name, value in found.attributes if name == "aria-label"].count("") == 0
    assert names["lang"] == "en"


def test_markdown_holds_the_same_tables(directory, tmp_path):
    write_report([directory], tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text()
    assert "<script>" not in text.replace(r"\<script\>", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    headers = [line for line in rows if "---" in line]
    assert len(headers) > 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows if "gcc -O2" in line} == {7}
    assert r"a\|b" in text


def test_several_are_compared(directory, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(directory, other)
    assert main(["report", str(directory), str(other), "-o", str(tmp_path / "both.html"), "--json"]) == 0
    text = (tmp_path / "both.html").read_text()
    assert "accuracy over bytes of constants" in text
    assert str(other) in text
    assert Page(text).tags.count("h2") == 3


def test_what_is_in_the_way_is_refused(directory, tmp_path, capsys):
    assert main(["report", str(directory), "-o", str(tmp_path / "a.html"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bytes"] == (tmp_path / "a.html").stat().st_size
    with pytest.raises(InputError, match="is there already"):
        write_report([directory], tmp_path / "a.html")
    write_report([directory], tmp_path / "a.html", force=True)
    with pytest.raises(InputError, match=r"is neither \.html nor \.md"):
        write_report([directory], tmp_path / "a.pdf")
    with pytest.raises(InputError):
        write_report([directory], directory / "report.html")
    assert main(["report", str(tmp_path / "none"), "-o", str(tmp_path / "b.html")]) == 2
    assert not (tmp_path / "b.html").exists()


def test_the_same_directory_gives_the_same_page(directory, page, tmp_path):
    write_report([directory], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_charts_stand_whatever_the_numbers_are():
    assert lines("t", [], "x", "y") == points("t", [], "x", "y") == ""
    for chart in (
        lines("t", [("a", [(0.0, 1.0)])], "x", "y"),
        lines("t", [("a", [(float(i), 2.0) for i in range(5000)])], "x", "y"),
        points("t", [("a", 1.0, 1.0)], "x", "y"),
        histogram("t", np.array([1.0, 1.0]), np.array([]), "x"),
    ):
        assert "nan" not in chart
        assert "inf" not in chart
        assert len(chart) < 20_000
        assert Page(chart).open == []


def luminance(colour):
    """Relative luminance of #rrggbb, WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_and_lines_stand_out_in_both_schemes(page):
    schemes = re.findall(r":root \{(.*?)\}", page.read_text(), re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", scheme))
        paper = luminance(colours["paper"])
        for name, least in {"ink": 7.0, "soft": 4.5, **{f"c{number}": 3.0 for number in range(6)}}.items():
            lighter, darker = sorted((luminance(colours[name]), paper), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= least, name


MEASURE = "<script>document.title = [document.documentElement.scrollWidth, innerWidth].join(' ')</script></body>"


@pytest.mark.parametrize("width", [500, 1400])
def test_a_browser_shows_it_without_overflow_or_errors(page, tmp_path, width):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs chromium: apt-get install chromium")
    text = page.read_text()
    measured = re.sub(r"<meta http-equiv[^>]*>", "", text).replace("</body>", MEASURE)
    assert measured.count("<script>") == 1
    (tmp_path / "measured.html").write_text(measured)
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    command = [browser, *flags, "--enable-logging=stderr", "--dump-dom", (tmp_path / "measured.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    needed, there = map(int, re.search(r"<title>(\d+) (\d+)</title>", shown.stdout).groups())
    assert needed <= there <= width
    command[-2:] = ["--dump-dom", page.as_uri()]
    assert "CONSOLE" not in subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stderr
