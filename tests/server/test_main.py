"""The `ecs` command, as processes that compute see it when they import it again."""

import subprocess
import sys


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_the_command_brings_nothing_along() -> None:
    loaded = "import sys, server.__main__; print({'strawberry', 'starlette', 'typer', 'neo4j'} & sys.modules.keys())"
    assert run("-c", loaded).strip() == "set()"


def test_the_package_is_the_command() -> None:
    assert "type Query" in run("-m", "server", "schema")
