"""Builds the documentation's site: `uv run --group docs docs/site/build.py` writes var/site/html.

Its pages are those of docs/, the sections of the README, and the schema's reference; so nothing is said twice.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from schema_reference import schema_reference

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = ROOT / "var" / "site"
# Which sections of the README make a page, under which title.
PAGES = {
    "quick-start.md": ("Quick start", ("Start it", "A trip from end to end")),
    "production.md": ("In production", ("In production",)),
}
_SECTION = re.compile(r"^## (?P<title>.+)\n(?P<text>(?:(?!^## ).*\n)*)", re.MULTILINE)
_PAGE = re.compile(r'"([\w/-]+\.md)"')
# The terminal that a block of the example belongs to.
_TERMINAL = re.compile(r"^(```\w+) \w+$", re.MULTILINE)


def main() -> None:
    """Gather the pages and build the site. Raises: SystemExit when a page of the README or a link is wrong."""
    shutil.rmtree(SITE, ignore_errors=True)
    pages = SITE / "pages"
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("site", "changelog"))
    shutil.copy(DOCS / "site" / "zensical.toml", SITE)
    shutil.copy(ROOT / "benchmarks" / "results.json", pages)
    for name, text in _pages_of_the_readme().items():
        (pages / name).write_text(text, encoding="utf-8")
    (pages / "schema.md").write_text(
        schema_reference((ROOT / "schema.graphql").read_text(encoding="utf-8")), encoding="utf-8"
    )
    for page in pages.rglob("*.md"):
        page.write_text(_linked_within_the_site(page.read_text(encoding="utf-8")), encoding="utf-8")
    _check_navigation(pages)
    subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "-f", str(SITE / "zensical.toml")], check=True
    )


def _pages_of_the_readme() -> dict[str, str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = {match["title"]: match["text"] for match in _SECTION.finditer(readme)}
    pages = {"index.md": readme[: readme.index("\n## ")]}
    for name, (title, wanted) in PAGES.items():
        if missing := [section for section in wanted if section not in sections]:
            raise SystemExit(f"the README has no section {missing[0]!r}: change PAGES in {Path(__file__).name}")
        parts = [
            f"## {section}\n{sections[section]}" if len(wanted) > 1 else sections[section] for section in wanted
        ]
        pages[name] = f"# {title}\n\n" + "\n".join(parts)
    return {name: _linked_to_sections(text) for name, text in pages.items()}


def _linked_to_sections(text: str) -> str:
    """The text with the README's links to its own sections leading to their pages."""
    for name, (_, sections) in PAGES.items():
        for section in sections:
            anchor = section.lower().replace(" ", "-")
            text = text.replace(f"](#{anchor})", f"]({name}#{anchor})" if len(sections) > 1 else f"]({name})")
    return text


def _check_navigation(pages: Path) -> None:
    listed = set(_PAGE.findall((SITE / "zensical.toml").read_text(encoding="utf-8")))
    written = {str(page.relative_to(pages)) for page in pages.rglob("*.md")}
    if listed != written:
        raise SystemExit(f"zensical.toml lists pages that are not there, or not all: {sorted(listed ^ written)}")


def _linked_within_the_site(text: str) -> str:
    for old, new in (
        ("](docs/", "]("),
        ("](schema.graphql)", "](schema.md)"),
        ("](../schema.graphql)", "](schema.md)"),
        ("](../benchmarks/results.json)", "](results.json)"),
        ("](../README.md)", "](index.md)"),
    ):
        text = text.replace(old, new)
    return _TERMINAL.sub(r"\1", text)


if __name__ == "__main__":
    main()
