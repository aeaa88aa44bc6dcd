"""What a result is to a person: the text that the command prints of it, on a terminal and in a notebook."""

from __future__ import annotations

import contextlib
import html
import io
from typing import Self

STYLE = "overflow-x: auto; font-family: monospace; line-height: 1.3"


class Shown:
    """A stage's result that shows itself. Subclasses are results too, and have all that these have."""

    @classmethod
    def of(cls, result: object) -> Self:
        """The same result, which shows itself."""
        found = object.__new__(cls)
        vars(found).update(vars(result))
        return found

    @property
    def text(self) -> str:
        """What the command prints of it."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self._print()
        return printed.getvalue().strip("\n")

    def _print(self) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return as_html(self.text)


def as_html(text: str) -> str:
    """A text of whatever origin for a notebook, as it stands."""
    return f'<pre style="{STYLE}">{html.escape(text)}</pre>'
