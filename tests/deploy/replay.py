"""Replays a Dockerfile in containers of this machine, because images cannot be built everywhere."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tests.deploy.container import Container
from tests.deploy.dockerfile import Stage, Step, context, copy, read_stages

IGNORED = {"LABEL", "EXPOSE"}


@dataclass
class Image:
    """What a build leaves: a file system, and how it is started and asked for its health."""

    container: Container
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)


def build(project: Path, dockerfile: Path, scratch: Path) -> Image:
    """Replays every stage; the last one is the image."""
    sources = send_context(project, scratch / "context")
    Container.slim(scratch / "base")
    built: dict[str, Image] = {}
    for stage in read_stages(dockerfile):
        built[stage.name] = replay(stage, sources, scratch, built)
    return built["final"]


def send_context(project: Path, target: Path) -> Path:
    """Copies what a build gets to see of the files that git knows or would take."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = subprocess.run(listed, cwd=project, capture_output=True, text=True, check=True).stdout.splitlines()
    for path in context(project, tracked):
        if (project / path).exists():
            copy(project / path, target / path)
    return target


def replay(stage: Stage, sources: Path, scratch: Path, built: dict[str, Image]) -> Image:
    """Does what a stage's steps say, in a fresh copy of the base. Every base is the same slim image."""
    root = scratch / stage.name
    # Links spare copying; whoever installs something replaces files and changes none.
    shutil.copytree(scratch / "base", root, symlinks=True, copy_function=link, ignore=shutil.ignore_patterns("etc"))
    shutil.copytree(scratch / "base" / "etc", root / "etc", symlinks=True)
    image = Image(Container(root))
    for step in stage.steps:
        apply(step, image, sources, built)
    return image


def link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def apply(step: Step, image: Image, sources: Path, built: dict[str, Image]) -> None:
    """Does one step; raises ValueError for one that is not known here, so that none is passed over."""
    container = image.container
    match step.instruction:
        case "RUN":
            container.bound = dict(cache_mount(container, each) for each in step.flag("mount"))
            container.run(step.rest)
            container.bound = {}
        case "COPY":
            *names, target = step.words
            whence = [built[name].container.root for name in step.flag("from")] or [sources]
            into = target.endswith("/")
            for name in names:
                place = container.resolve(target) / Path(name).name if into else container.resolve(target)
                copy(whence[0] / name.lstrip("/"), place)
        case "WORKDIR":
            container.directory = step.rest
            container.resolve(".").mkdir(parents=True, exist_ok=True)
        case "ENV":
            container.environment |= dict(
                Template(word).safe_substitute(container.environment).split("=", 1) for word in step.words
            )
        case "USER":
            container.user = step.rest
        case "ENTRYPOINT":
            image.entrypoint = step.words
        case "CMD":
            image.command = step.words
        case "HEALTHCHECK":
            image.healthcheck = Step("CMD", (), step.rest.removeprefix("CMD").strip()).words
        case _ if step.instruction not in IGNORED:
            raise ValueError(f"Nobody knows here how to do {step.instruction}")


def cache_mount(container: Container, mount: str) -> tuple[str, str]:
    """A cache that builds share: the machine's own folder of the same path."""
    options = dict(option.split("=", 1) for option in mount.split(","))
    if options["type"] != "cache":
        raise ValueError(f"Nobody knows here how to mount {mount}")
    folder = options["target"]
    Path(folder).mkdir(parents=True, exist_ok=True)
    container.resolve(folder).mkdir(parents=True, exist_ok=True)
    return folder, folder
