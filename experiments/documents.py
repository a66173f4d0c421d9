"""Results written into docs/results.md, between ``<!-- NAME -->`` and ``<!-- end -->``."""

import re
from pathlib import Path

__all__ = ["put"]

PAGE = Path("docs/results.md")


def put(name: str, text: str) -> None:
    """Replace what stands between the marks; ``ValueError`` where the page has none."""
    page = PAGE.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marks.search(page):
        raise ValueError(f"{PAGE} has no '<!-- {name} -->' … '<!-- end -->'; add both")
    page = marks.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)
    PAGE.write_text(page, encoding="utf-8")
