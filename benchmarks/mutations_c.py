"""Mutants of C: of the kernels, the constants, the calls, the macros and the class names. Comments are left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from mutations import Mutant, StaleError

Replace = Callable[[re.Match[str]], Sequence[str]]
"""Everything that may stand in a match's place."""
NEIGHBOURS = {"<": ("<=", ">"), "<=": ("<", ">="), ">": (">=", "<"), ">=": (">", "<="), "==": ("!=",), "!=": ("==",)}
NARROWER = {
    "int32_t": ("int16_t", "uint32_t"),
    "uint32_t": ("uint16_t", "int32_t"),
    "int16_t": ("int8_t", "uint16_t"),
    "uint16_t": ("uint8_t", "int16_t"),
    "int8_t": ("uint8_t",),
    "uint8_t": ("int8_t",),
    "unsigned": ("int",),
}
OTHERS = {
    "+": ("-",), "-": ("+",), "*": ("+",), "/": ("*",), "%": ("/",), "+=": ("-=", "="), "-=": ("+=",), "++": ("--",), "--": ("++",),
    "<<": (">>",), ">>": ("<<",), ">>=": ("<<=",), "<<=": (">>=",), "&": ("|",), "|": ("&",), "|=": ("&=",), "&&": ("||",), "||": ("&&",),
}  # fmt: skip


class Rule(NamedTuple):
    """An operator of mutation: where it applies in the code, and to what it changes it."""

    name: str
    pattern: re.Pattern[str]
    replace: Replace


class Edit(NamedTuple):
    """A span of a text and what it becomes."""

    operator: str
    start: int
    end: int
    after: str


def _others(match: re.Match[str]) -> Sequence[str]:
    return OTHERS[match[0].strip()]


def _next_numbers(match: re.Match[str]) -> Sequence[str]:
    text = match[0]
    value = int(text, 0)
    form = (lambda n: f"0x{n:0{len(text) - 2}x}") if text.startswith("0x") else str
    return [form(n) for n in (value + 1, value - 1) if n >= 0]


CODE_RULES: Sequence[Rule] = (
    Rule("relation", re.compile(r"(?<= )(<=|>=|==|!=|<|>)(?= )"), lambda match: NEIGHBOURS[match[0]]),
    Rule("constant", re.compile(r"(?<![\w.])(0x[0-9a-fA-F]+|\d+)(?![\w.])"), _next_numbers),
    Rule("arithmetic", re.compile(r"(?<= )(\+|-|\*|/|%|\+=|-=)(?= )|\+\+|--"), _others),
    Rule("shift", re.compile(r"(?<= )(<<|>>)=?(?= )"), _others),
    Rule("bits", re.compile(r"(?<= )(&|\||\|=|&&|\|\|)(?= )"), _others),
    Rule("condition", re.compile(r"(?<=\b(?:if|or|le) \()[^()]+(?=\) \{)|(?<=while \()[^()]+(?=\))"), lambda match: [f"!({match[0]})"]),
    Rule("type", re.compile(rf"\b({'|'.join(NARROWER)})\b"), lambda match: NARROWER[match[0]]),
    Rule("sign", re.compile(r"(?<=[(,=:?] )-(?=[\w(])|(?<=\()-(?=[\w(])|(?<=return )-"), lambda _: [""]),
    Rule("bound", re.compile(r"\bINT(8|16)_(MIN|MAX)\b"), lambda match: [f"({match[0]} {'+' if match[2] == 'MIN' else '-'} 1)"]),
    Rule("returned", re.compile(r"(?<=return )[^;]+(?=;)"), lambda match: [f"({match[0]}) + 1", "0"]),
)
DECLARATION = r"return\b|const\b|static\b|typedef\b|u?int\d+_t\b|\w+ \w+[;,=]"
STATEMENT = re.compile(
    rf"(?m)^ +(?=\S)(?!{DECLARATION})"
    r"(?:[\w*.>\[\]() +-]+ [-+*/|&^<>]*= [^{};]+|\w+\([^{};]*\)|[\w*+-]+);\n"
)
CALL = re.compile(r"(?<=[ (!*])(?!if\b|while\b|for\b|switch\b|return\b|sizeof\b)[A-Za-z_]\w*\(")
ARRAY = re.compile(r"(?s)\b(?!\w+_class_names)(\w+)\[\w+\] = \{(.*?)\};")
FUNCTION = re.compile(r"(?ms)^[a-z][^\n;=#]*?(\w+)\([^;{}]*\)\n\{\n.*?^\}\n")
PROTOTYPE = re.compile(r"(?m)^[a-z][^;{}=#]*\);\n")
BLANKED = re.compile(r"(?s)/\*.*?\*/|RESCOMP_STATIC_ASSERT\(.*?\);|\bTAP\([^;]*;|^#[^\n]*(?:\\\n[^\n]*)*|\bextern \"C\"", re.MULTILINE)
STATE_FUNCTIONS = ("_init", "_run", "_classify")
KINDS = ("weight", "bias", "multiplier", "shift", "table")
"""Of constants, by the end of their names."""


def c_mutants(model: str, file: str, text: str) -> Iterator[Mutant]:
    """Every mutant of one C file."""
    for edit in _edits(text):
        if edit.after != text[edit.start : edit.end]:
            yield edit_mutant(model, file, text, edit)


def apply_to_text(text: str, mutant: Mutant) -> str:
    """The text with the change. Raises StaleError where the lines are gone."""
    _, _, number = mutant.site.rpartition("#")
    at = -1
    for _ in range(int(number)):
        at = text.find(mutant.before, at + 1)
        if at < 0:
            raise StaleError(mutant.file)
    return text[:at] + mutant.after + text[at + len(mutant.before) :]


def edit_mutant(model: str, file: str, text: str, edit: Edit) -> Mutant:
    """The mutant that an edit of `text` makes: in terms of whole lines, numbered among equal ones."""
    start, end = text.rfind("\n", 0, edit.start) + 1, text.find("\n", max(edit.start, edit.end - 1)) + 1
    before = text[start:end]
    after = text[start : edit.start] + edit.after + text[edit.end : end]
    number = sum(text.startswith(before, at) for at in range(start + 1))
    site = f"{before.strip()}@{edit.start - start}#{number}"
    return Mutant(model, file, edit.operator, site, text.count("\n", 0, start) + 1, before, after)


def _edits(text: str) -> Iterator[Edit]:
    yield from _macros(text)
    yield from _class_names(text)
    yield from _initializers(text)
    code = BLANKED.sub(_blank, text)
    code = PROTOTYPE.sub(_blank, ARRAY.sub(_blank, code))
    functions = [match for match in FUNCTION.finditer(code) if match[1].endswith(STATE_FUNCTIONS)]
    states = [match.span() for match in functions if "requantize_by" not in match[0]]
    for edit in (*_by_rules(code), *_statements(code), *_swaps(code)):
        inside = any(start <= edit.start < end for start, end in states)
        yield edit._replace(operator="state handling") if inside else edit


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _by_rules(code: str) -> Iterator[Edit]:
    for rule in CODE_RULES:
        for match in rule.pattern.finditer(code):
            yield from (Edit(rule.name, *match.span(), after) for after in rule.replace(match))


def _statements(code: str) -> Iterator[Edit]:
    for match in STATEMENT.finditer(code):
        if _balanced(match[0]):
            yield Edit("statement", *match.span(), "    (void)0;\n")


def _balanced(text: str) -> bool:
    return text.count("(") == text.count(")")


def _swaps(code: str) -> Iterator[Edit]:
    """Neighbouring arguments of a call, swapped."""
    for match in CALL.finditer(code):
        arguments = _arguments(code, match.end())
        for (start, middle), (other, end) in pairwise(arguments):
            first, second = code[start:middle], code[other:end]
            if first != second and not re.match(r"(const |u?int\d+_t |rescomp_\w+ |RESCOMP_\w+ )", first):
                yield Edit("swapped arguments", start, end, second + code[middle:other] + first)


def _arguments(code: str, at: int) -> list[tuple[int, int]]:
    """Spans of the arguments behind an opening parenthesis that ends at `at`."""
    spans, depth, start = [], 0, at
    for i in range(at, len(code)):
        if code[i] in "([{":
            depth += 1
        elif code[i] in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and code[i] == ","):
            padding = len(code[start:i]) - len(code[start:i].lstrip())
            spans.append((start + padding, i))
            start = i + 1
        if depth < 0 or code[i] == ";":
            break
    return spans


def _initializers(text: str) -> Iterator[Edit]:
    for array in ARRAY.finditer(text):
        numbers = list(re.finditer(r"-?(0x[0-9a-f]+|\d+)", array[2]))
        spans = [(array.start(2) + number.start(), array.start(2) + number.end()) for number in numbers]
        texts = [number[0] for number in numbers]
        kind = next((kind for kind in KINDS if array[1].endswith(kind)), "")
        operator = f"initializer {kind}".rstrip()
        for i, ((start, end), number) in enumerate(zip(spans, texts, strict=True)):
            yield from (Edit(operator, start, end, after) for after in _near(number))
            if i + 1 < len(texts) and texts[i + 1] != number:
                between = text[end : spans[i + 1][0]]
                yield Edit(operator, start, spans[i + 1][1], texts[i + 1] + between + number)


def _near(number: str) -> Iterator[str]:
    value = int(number, 0)
    if number.startswith("0x"):
        yield from (f"0x{value ^ 1 << bit:02x}" for bit in range(8))
    else:
        yield from (str(value + 1), str(value - 1), str(value ^ 4))
        yield from (str(-value),) if value else ()


def _macros(text: str) -> Iterator[Edit]:
    for match in re.finditer(r"(?m)^#define \w+ \(?(-?\d+)\)?$", text):
        value = int(match[1])
        yield from (Edit("macro", *match.span(1), str(value + step)) for step in (1, -1) if min(value, value + step) >= 0 or value < -1)
    for match in re.finditer(r'(?m)^#define \w+ "([0-9a-f]{64})"$', text):
        yield Edit("macro", *match.span(1), match[1][:-1] + ("0" if match[1][-1] != "0" else "1"))


def _class_names(text: str) -> Iterator[Edit]:
    array = re.search(r"(?s)_class_names\[\w+\] = \{\n(.*?)\};", text)
    if array is None:
        return
    names = list(re.finditer(r'"(?:[^"\\]|\\.)*"', array[1]))
    for name in names:
        span = array.start(1) + name.start(), array.start(1) + name.end()
        yield from (Edit("class name", *span, after) for after in (f'{name[0][:-1]}x"', '""'))
    for name, other in pairwise(names):
        span = array.start(1) + name.start(), array.start(1) + other.end()
        yield Edit("class name", *span, other[0] + array[1][name.end() : other.start()] + name[0])
