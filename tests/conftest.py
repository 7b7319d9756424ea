"""What all tests share: the data beside the project, and one real Neo4j for the whole run."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the contract and real data, which is not part of the project."""
    folder = Path(os.environ.get("ECS_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared folder at {folder}; ECS_SHARED names another place")
    return folder
