"""`make docs`: write the pages in docs/ anew."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import pages

DOCS = Path(__file__).parents[2] / "docs"

if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text)
        print(f"docs/{name}")
