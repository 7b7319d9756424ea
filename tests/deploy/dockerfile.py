"""Reads a Dockerfile into stages, and its build context as `.dockerignore` leaves it."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser

FLAG = re.compile(r"--([a-z-]+)=(\S+)\s*")


@dataclass(frozen=True)
class Step:
    """An instruction, its flags (each may be given more than once) and what follows them."""

    instruction: str
    flags: tuple[tuple[str, str], ...]
    rest: str

    def flag(self, name: str) -> list[str]:
        return [value for each, value in self.flags if each == name]

    @property
    def words(self) -> list[str]:
        """The exec form's words, or those that a shell would see."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    name: str
    base: str
    steps: list[Step] = field(default_factory=list)


def read_stages(dockerfile: Path) -> list[Stage]:
    """Reads the stages of a Dockerfile in their order; ARGs before the first stage have their defaults."""
    with dockerfile.open("rb") as file:
        structure = DockerfileParser(fileobj=file).structure
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for each in structure:
        step = read_step(each["instruction"], each["value"])
        if step.instruction == "FROM":
            base, _, name = Template(step.rest).substitute(arguments).partition(" AS ")
            stages.append(Stage(name or "final", base))
        elif step.instruction == "ARG" and not stages:
            name, _, default = step.rest.partition("=")
            arguments[name] = default
        elif step.instruction != "COMMENT":
            stages[-1].steps.append(step)
    return stages


def read_step(instruction: str, value: str) -> Step:
    flags: list[tuple[str, str]] = []
    while found := FLAG.match(value):
        flags.append((found[1], found[2]))
        value = value[found.end() :]
    return Step(instruction, tuple(flags), value.strip())


def is_sent(path: str, rules: list[str]) -> bool:
    """Tells whether a file is part of the build context: the last rule counts that names it or a folder above it."""
    sent, parts = True, path.split("/")
    above = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    for rule in rules:
        pattern = rule.removeprefix("!")
        anywhere = pattern.removeprefix("**/")
        if any(fnmatch(each, pattern) or (anywhere != pattern and fnmatch(each, anywhere)) for each in above):
            sent = rule.startswith("!")
    return sent


def read_rules(dockerignore: Path) -> list[str]:
    lines = (line.strip() for line in dockerignore.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def context(root: Path, tracked: list[str]) -> Iterator[str]:
    """Yields the files of a project that a build gets to see."""
    rules = read_rules(root / ".dockerignore")
    return (path for path in tracked if is_sent(path, rules))


def copy(source: Path, target: Path) -> None:
    """Copies as COPY does: a folder's content into a folder, a file to its place."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
