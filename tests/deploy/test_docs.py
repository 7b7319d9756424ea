"""The docs on running it: every alert has its section, and links, files and settings that they name exist."""

import re
from pathlib import Path

import pytest
import yaml

from server.settings import Settings
from tests.conftest import ROOT

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DOCS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
SETTING = re.compile(r"`(ECS_[A-Z0-9_]+[A-Z0-9])(?:=[^`]*)?`")
# For tests and this checkout, not for the program.
OTHERS = {"ECS_SHARED"}


def anchors(page: Path) -> set[str]:
    """The places on a page that a link can lead to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_alert_has_a_section_to_turn_to():
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    sections = set(re.findall(r"^## (Ecs\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    assert alerts == sections


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_settings_that_are_named_exist(page: Path):
    named = set(SETTING.findall(page.read_text())) - OTHERS
    assert {name for name in named if name.removeprefix("ECS_").lower() not in Settings.model_fields} == set()


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in DOCS:
        assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets, page.name
