"""The queue from a notebook: the program `jobctl` does the work, so its rules and messages are the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any


class Failed(Exception):
    """The program refused; the message is its own."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        #: Exit code (docs/CLI.md).
        self.code = code


def connect(database: str | None = None, program: str = "jobctl") -> Client:
    """A client of the queue that `jobctl` uses by itself, or of `database`: a libpq connection string."""
    return Client(database, program)


class Client:
    def __init__(self, database: str | None = None, program: str = "jobctl"):
        found = shutil.which(program)
        if not found:
            raise FileNotFoundError(f"the program {program} is not in PATH")
        self._program = found
        self._options = ["--database", database] if database else []

    def grids(self) -> Any:
        """One row a grid: its runs by what came of them. A DataFrame where pandas is installed, else a
        list of dictionaries."""
        return _rows(self._json(["list"])["grids"])

    def runs(self, grid: str | int) -> Any:
        """One row a run (docs/JSON.md, `runs[]` of a report); a DataFrame where pandas is installed."""
        return _rows(self._json(["show", str(grid)])["runs"])

    def stages(self, grid: str | int, run: str) -> Any:
        """The stages of a run, in their order."""
        return _rows(self._json(["show", str(grid), run])["stages"])

    def measurements(self, grid: str | int, run: str) -> Any:
        """What was measured of a run, by its sample clock."""
        return _rows(self._json(["show", str(grid), run])["measurements"])

    def submit(self, grid: dict[str, Any] | str | os.PathLike[str], priority: int | None = None) -> Any:
        """Submits a grid: the path of a file, or its content as a dictionary. Folders of code in a
        dictionary are looked for in the current folder."""
        arguments = ["submit", "-" if isinstance(grid, dict) else os.fspath(grid)]
        if priority is not None:
            arguments += ["--priority", str(priority)]
        return self._json(arguments, json.dumps(grid) if isinstance(grid, dict) else None)

    def wait(self, grid: str | int, timeout: float | None = None) -> int:
        """Waits until a grid is over. The exit code says how it went: 0 where every run finished, 3 to 6
        otherwise (docs/CLI.md)."""
        arguments = ["wait", str(grid)]
        if timeout is not None:
            arguments += ["--timeout", str(timeout)]
        done = self._run(arguments)
        if done.returncode not in (0, 3, 4, 5, 6):
            raise Failed(_message(done), done.returncode)
        return done.returncode

    def _json(self, arguments: list[str], text: str | None = None) -> Any:
        done = self._run([*arguments, "--json"], text)
        if done.returncode != 0:
            raise Failed(_message(done), done.returncode)
        return json.loads(done.stdout)

    def _run(
        self, arguments: list[str], text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, *arguments, *self._options],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
        )


def _message(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip() or f"jobctl ended with {done.returncode}"


def _rows(rows: list[dict[str, Any]]) -> Any:
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame(rows)
