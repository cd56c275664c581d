"""Equations as MathML, which browsers draw by themselves: a page needs no script for them, and no font of ours."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

BOLD = re.compile('<mi mathvariant="bold-italic">(?P<letter>[^<]+)</mi>')  # of boldsymbol
SMALL_GREEK = 0x1D736 - ord("α")  # from a letter to the bold italic one that Unicode has for vectors


def block(source: str, language: str, css_class: str, options: dict[str, Any], md: Any, **_: Any) -> str:
    """A fence of language `math`, in LaTeX (GitHub draws the same fence); a blank line parts two equations."""
    equations = [part for part in source.split("\n\n") if part.strip()]
    return "".join(f'<div class="{css_class}">{mathml(part)}</div>' for part in equations)


def mathml(equation: str) -> str:
    """One equation. Vectors are written `\\boldsymbol` and a small Greek letter: browsers ignore MathML's own bold."""
    return BOLD.sub(_bold, convert(equation, display="block"))


def _bold(found: re.Match[str]) -> str:
    letter = html.unescape(found["letter"])
    if len(letter) != 1 or not "α" <= letter <= "ω":
        raise ValueError(f"\\boldsymbol: {letter} is no small Greek letter")
    return f"<mi>{chr(ord(letter) + SMALL_GREEK)}</mi>"
