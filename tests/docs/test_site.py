"""The documentation as a site: its contents are complete, and its first page says what was measured."""

import re

from tests.docs.pages import ROOT

INDEX = ROOT / "docs/index.md"
MEASURED = ROOT / "bundles/nodule_detection/docs/README.md"


def test_every_page_is_in_the_contents():
    contents = re.findall(r"^```{toctree}\n(.*?)^```", INDEX.read_text(), flags=re.MULTILINE | re.DOTALL)
    entries = [line for part in contents for line in part.splitlines() if line and not line.startswith(":")]
    names = {(re.search("<(.*)>", entry) or re.search("(.*)", entry))[1] for entry in entries}
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    others = {"../bundles/*/docs/README", "../bundles/*/docs/paper", "../CONTRIBUTING", "../SECURITY", "../CHANGELOG"}
    assert names == pages - {"index"} | others


def test_results_are_those_of_the_bundles_page():
    """README, first page and tutorial lead with a result; it must be the one that the bundle's page has measured."""
    measured = MEASURED.read_text()
    for page in (ROOT / "README.md", INDEX, ROOT / "docs/tutorials/public-data.md"):
        rows = [line for line in page.read_text().splitlines() if re.match(r"\| (AUC|Dice)", line)]
        numbers = [number for row in rows for number in re.findall(r"[+-]?0\.\d{3}", row)]
        assert len(numbers) == 10, page  # two rows of two values and a difference with its interval
        assert [number for number in numbers if number not in measured] == [], page
