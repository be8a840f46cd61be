"""What the README and the docs show is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import readme


@pytest.mark.parametrize("page", readme.PAGES, ids=lambda page: page.name)
def test_the_examples_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    assert text.count("<!-- run -->") >= 5
    # If this fails because output was changed on purpose: python -m tests.readme
    assert readme.rendered(text, tmp_path) == text


def test_folders_of_the_architecture_exist() -> None:
    text = readme.README.read_text("utf-8")
    section = text.split("## Architecture")[1].split("```")[1]
    names = [line.split()[0] for line in section.splitlines() if line.startswith("  ")]
    assert names[:2] == ["model/", "formats/"]
    for name in names:
        if name.endswith(("/", ".py")):
            assert (readme.PROJECT / "tfartifacts" / name).exists(), name
