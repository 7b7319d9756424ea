"""A machine within the machine, made of what a slim image of Python has and of nothing else.

Its root is a folder of its own, in which the machine's /usr is seen but cannot be changed; /usr/local has this Python
and none of its packages. It has its own /etc, users and processes. Needs root and mount namespaces.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
ETC = ("ssl", "ca-certificates", "ld.so.conf", "ld.so.conf.d", "login.defs", "nsswitch.conf", "resolv.conf", "hosts")
LEFT_OUT = ("site-packages", "test", "idlelib", "tkinter", "lib2to3", "__pycache__", "*.a", "config-3*")
# What tells clients of package registries how to reach them from this machine.
REACH = ("PIP_CERT", "PIP_INDEX_URL", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "npm_config_registry")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

ENTER = """
mount --rbind /usr "$ROOT/usr" && mount -o remount,bind,ro "$ROOT/usr"
mount --bind "$ROOT/.local" "$ROOT/usr/local"
for name in node npm npx; do
  # The image has no Node.js.
  if [ -e "/usr/bin/$name" ]; then mount --bind "$ROOT/.nothing" "$ROOT/usr/bin/$name"; fi
done
mount --rbind /dev "$ROOT/dev"
mount --rbind /sys "$ROOT/sys"
mount -t proc proc "$ROOT/proc"
"""


@cache
def why_not() -> str:
    """Says why no container can be made here; empty when it can."""
    if os.geteuid() != 0:
        return "needs root, to become somebody else and to mount"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "needs mount namespaces (unshare --mount)"


@dataclass
class Container:
    """A root folder, and how commands are started in it."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    user: str = "0:0"
    directory: str = "/"
    bound: dict[str, str] = field(default_factory=dict)

    @classmethod
    def slim(cls, root: Path) -> "Container":
        """Makes one with Python and a Debian's bare files."""
        for name in ("usr", "dev", "sys", "proc", "tmp", "root", "opt", "etc", "var", "home", "run"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "tmp").chmod(0o1777)
        (root / ".nothing").touch(mode=0o444)
        for name in ETC:
            found = Path("/etc", name)
            if found.is_dir():
                shutil.copytree(found, root / "etc" / name, symlinks=True)
            elif found.exists():
                shutil.copy(found, root / "etc" / name)
        (root / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/bin/sh\n"
        )
        (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        copy_python(root / ".local")
        made = cls(root)
        made.run("ldconfig")
        return made

    def resolve(self, path: str) -> Path:
        """Where a path of the container is for those outside."""
        return self.root / os.path.normpath(os.path.join(self.directory, path)).lstrip("/")

    def run(self, command: str, *, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs a shell's command line in it; fails with what it said."""
        done = subprocess.run(
            self._enter(
                ["sh", "-euc", command], {name: os.environ[name] for name in REACH + PROXIES if name in os.environ}
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done

    def start(self, command: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[str]:
        """Starts a program on a root that cannot be written to but for /tmp, without any privilege."""
        with log.open("w") as output:
            return subprocess.Popen(
                self._enter(command, environment, read_only=True), stdout=output, stderr=subprocess.STDOUT, text=True
            )

    def _home(self, user: str) -> str:
        lines = [line.split(":") for line in (self.root / "etc" / "passwd").read_text().splitlines()]
        return next((home for _, _, number, _, _, home, _ in lines if number == user), "/")

    def _enter(self, command: list[str], environment: Mapping[str, str], *, read_only: bool = False) -> list[str]:
        user, _, group = self.user.partition(":")
        found = {"HOME": self._home(user), **self.environment, **environment}
        variables = [f"{name}={value}" for name, value in found.items()]
        become = ["setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups"]
        if read_only:
            become += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        script = [f"ROOT={shlex.quote(str(self.root))}", 'mount --bind "$ROOT" "$ROOT"', ENTER]
        script += [
            f"mount --bind {shlex.quote(source)} {shlex.quote(str(self.root) + path)}"
            for path, source in self.bound.items()
        ]
        if read_only:
            script += ['mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"', 'mount -o remount,bind,ro "$ROOT"']
        inner = ["env", "-i", "-C", self.directory, *variables, *become, *command]
        script.append(f'exec chroot "$ROOT" {shlex.join(inner)}')
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "sh", "-euc", "\n".join(script)]


def copy_python(target: Path) -> None:
    """Copies this Python as `make install` would leave it in /usr/local, with pip alone."""
    base, name = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = target / "lib" / name
    shutil.copytree(base / "lib" / name, library, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (library / "site-packages").mkdir()
    packages = base / "lib" / name / "site-packages"
    for package in [*packages.glob("pip"), *packages.glob("pip-*.dist-info")]:
        shutil.copytree(package, library / "site-packages" / package.name)
    for found in (base / "lib").glob("libpython3*.so*"):
        shutil.copy(found, target / "lib" / found.name)
    (target / "bin").mkdir()
    shutil.copy(Path(sys.executable).resolve(), target / "bin" / name)
    for alias in ("python", "python3"):
        (target / "bin" / alias).symlink_to(name)
