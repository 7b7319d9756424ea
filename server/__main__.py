"""The `ecs` command. What it needs is imported when it runs.

Processes that compute import the program's first module again: with all of the server in it, each would take 50 MB
more.
"""


def main() -> None:
    """Runs the command."""
    from server.cli import app  # noqa: PLC0415 — see above

    app()


if __name__ == "__main__":
    main()
