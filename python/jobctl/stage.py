"""One stage of a schedule, as a worker hands it to a program (docs/TRAINERS.md)."""

from __future__ import annotations

import json
import math
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn, Union

from .order import permutation

#: The bytes of a state, or a function that writes them to a file.
State = Union[bytes, bytearray, memoryview, Callable[[BinaryIO], Any]]

_CONTRACT = 1
#: Seconds between two messages about progress.
_PROGRESS_EVERY = 0.5


class ContractError(Exception):
    """A script or its surroundings do not keep to docs/TRAINERS.md."""


class Update:
    """One update of the parameters."""

    def __init__(self, stage: Stage, samples: int, number: int, learning_rate: float):
        self._stage = stage
        #: The sample clock before it: training samples that the run has consumed.
        self.samples = samples
        #: Updates of the run before it.
        self.number = number
        self.learning_rate = learning_rate
        self.momentum = stage.momentum
        #: Samples of the update.
        self.batch = stage.batch

    @property
    def epoch(self) -> float:
        """Epochs of the run before it."""
        return self.samples / self._stage.samples_per_epoch

    @property
    def indices(self) -> list[int]:
        """The numbers of its training samples, from 0 to `samples_per_epoch` - 1."""
        return self._stage.indices(self.samples, self.samples + self.batch)

    @property
    def ghosts(self) -> list[list[int]]:
        """Its training samples in ghost batches, each of which is normalized by itself."""
        indices, size = self.indices, self._stage.ghost
        return [indices[i : i + size] for i in range(0, len(indices), size)]


class Stage:
    """A stretch of training with one batch size: from a checkpoint, or the start, to its end."""

    def __init__(
        self,
        document: dict[str, Any],
        *,
        connection: socket.socket | None = None,
        output: str | None = None,
        checkpoint: str | None = None,
    ):
        """`document` is the content of the file $JOBCTL_STAGE. Without `connection` what the script says
        is printed to standard error, and states are kept in the folder `output` if one is given."""
        if document.get("contract") != _CONTRACT:
            raise ContractError(
                f"the worker speaks version {document.get('contract')} of the contract, and this package "
                f"version {_CONTRACT}: install the package of the worker's version of jobctl"
            )
        #: All that the worker says of the stage.
        self.document = document
        self.seed: int = document["seed"]
        #: `trainer.parameters` of the grid file.
        self.parameters: dict[str, Any] = document["parameters"]
        #: Where the files and folders of `trainer.data` are, in the same order.
        self.data: list[str] = document["data"]
        self.samples_per_epoch: int = document["samples_per_epoch"]
        self.batch: int = document["batch"]
        #: Samples that are normalized together.
        self.ghost: int = document["ghost"]
        self.momentum: float | None = document["momentum"]
        self.optimizer: dict[str, Any] = document["optimizer"]
        #: Sample clock and updates of the run where the stage starts and ends.
        self.start: int = document["start"]["samples"]
        self.start_updates: int = document["start"]["updates"]
        self.end: int = document["end"]["samples"]
        resume = document["resume"]
        #: The sample clock: training samples that the run has consumed.
        self.samples: int = resume["samples"] if resume else self.start
        self._rates: list[tuple[int, float]] = [(n, rate) for n, rate in document["learning_rates"]]
        self._connection = connection
        self._output = output
        self._checkpoint = checkpoint
        self._lock = threading.Lock()
        self._heard = b""
        self._told = 0.0
        self._saved = 0
        self._wants_state = False
        self._drains = False
        self._orders: dict[int, list[int]] = {}

    # Updates

    @property
    def epoch(self) -> float:
        """Epochs that the run has consumed."""
        return self.samples / self.samples_per_epoch

    def updates(self, save: Callable[[], State] | None = None) -> Iterator[Update]:
        """The updates that are left. `save` gives the state between two updates, when the worker asks for
        a checkpoint and before the script is ended; it must hold all that training goes on from."""
        rates = self._rate_of_each(self._done())
        while self.samples < self.end:
            self._listen()
            if self._wants_state and save:
                self.save(save())
            if self._drains:
                if save:
                    self.save(save())
                raise SystemExit(0)
            yield Update(self, self.samples, self.start_updates + self._done(), next(rates))
            self.samples += self.batch
            self._progress()

    def _done(self) -> int:
        return (self.samples - self.start) // self.batch

    def _rate_of_each(self, skipped: int) -> Iterator[float]:
        for count, rate in self._rates:
            for _ in range(max(0, count - skipped)):
                yield rate
            skipped = max(0, skipped - count)

    def indices(self, start: int, end: int) -> list[int]:
        """The training samples of a stretch of the sample clock. Each epoch is a permutation of its own,
        and the stream runs on across epochs."""
        found: list[int] = []
        while start < end:
            epoch, place = divmod(start, self.samples_per_epoch)
            if epoch not in self._orders:
                self._orders = {e: o for e, o in self._orders.items() if e == epoch - 1}
                self._orders[epoch] = permutation(self.samples_per_epoch, self.seed, epoch)
            piece = self._orders[epoch][place : place + end - start]
            found += piece
            start += len(piece)
        return found

    # The state

    def load(self) -> BinaryIO | None:
        """The state that the stage goes on from, opened to be read; None at the start of training."""
        return open(self._checkpoint, "rb") if self._checkpoint else None

    def save(self, state: State) -> None:
        """Hands the state over as a checkpoint. The worker compresses and keeps it while training goes
        on."""
        name = self._write(state)
        if name is not None:
            self._say({"type": "checkpoint", "samples": self.samples, "file": name})
        self._wants_state = False

    def finish(self, state: State | None = None) -> None:
        """Says that the stage is trained to its end. The stages after it go on from `state`."""
        if self.samples != self.end:
            raise ContractError(
                f"finish() was called at sample {self.samples}; the stage ends at {self.end}"
            )
        message: dict[str, Any] = {"type": "finished"}
        name = self._write(state) if state is not None else None
        if name is not None:
            message["file"] = name
        self._say(message)

    def _write(self, state: State) -> str | None:
        if self._output is None:
            return None
        self._saved += 1
        name = f"state-{os.getpid()}-{self._saved}"
        with open(os.path.join(self._output, name), "wb") as file:
            if callable(state):
                state(file)
            else:
                file.write(state)
        return name

    # Messages

    def measured(self, **numbers: float | None) -> None:
        """Reports losses and accuracies (shares from 0 to 1) at this point of the sample clock:
        train_loss, train_accuracy, test_loss, test_accuracy, validation_loss, validation_accuracy.
        Other names become numbers of the report. A loss that is not finite ends the run as diverged."""
        message: dict[str, Any] = {"type": "measured", "samples": self.samples}
        for name, number in numbers.items():
            if number is None:
                continue
            value = float(number)
            if not math.isfinite(value):
                if name.endswith("_loss"):
                    self.diverged(f"{name} is {value}")
                raise ContractError(f"{name} is {value}; numbers of a measurement are finite")
            message[name] = int(value) if name == "test_samples" else value
        self._say(message)

    def diverged(self, reason: str) -> NoReturn:
        """Ends the run as diverged: nobody trains it again."""
        self._say({"type": "diverged", "reason": reason})
        raise SystemExit(0)

    def _progress(self) -> None:
        now = time.monotonic()
        if now - self._told < _PROGRESS_EVERY:
            return
        self._told = now
        if self._connection:
            self._say({"type": "progress", "samples": self.samples})

    def _say(self, message: dict[str, Any]) -> None:
        line = json.dumps(message)
        if not self._connection:
            print(line, file=sys.stderr)
            return
        with self._lock:
            try:
                self._connection.sendall(line.encode() + b"\n")
            except BrokenPipeError:
                raise SystemExit("the worker is gone") from None

    def _listen(self) -> None:
        """Takes the worker's orders without waiting for one."""
        if not self._connection:
            return
        while select.select([self._connection], [], [], 0)[0]:
            heard = self._connection.recv(4096)
            if not heard:
                raise SystemExit("the worker is gone")
            self._heard += heard
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            order = json.loads(line)["type"]
            if order == "checkpoint":
                self._wants_state = True
            elif order == "drain":
                self._drains = True
            elif order == "abandon":
                raise SystemExit(0)

    def _drain(self, number: int, frame: Any) -> None:
        self._drains = True


def stage(**local: Any) -> Stage:
    """The stage that the worker has started this program for.

    Keyword arguments describe a stage for a script that is started by hand; under a worker they are not
    looked at: seed, parameters, data, samples_per_epoch, batch, ghost, learning_rate, momentum,
    optimizer, epochs, output."""
    place = os.environ.get("JOBCTL_STAGE")
    if place is None:
        if not local:
            raise ContractError(
                "JOBCTL_STAGE is not set: no worker has started this program. To try it by hand, describe a "
                "stage: jobctl.stage(samples_per_epoch=1000, batch=50, learning_rate=0.1)"
            )
        return _by_hand(**local)
    with open(place, encoding="utf-8") as file:
        document = json.load(file)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(os.environ["JOBCTL_SOCKET"])
    made = Stage(
        document,
        connection=connection,
        output=os.environ["JOBCTL_OUTPUT"],
        checkpoint=os.environ.get("JOBCTL_CHECKPOINT"),
    )
    if threading.current_thread() is threading.main_thread():
        # The worker sends it with the order to drain: the update at hand is done first.
        signal.signal(signal.SIGTERM, made._drain)
    return made


def _by_hand(
    *,
    samples_per_epoch: int,
    batch: int,
    learning_rate: float,
    epochs: float = 1,
    seed: int = 1,
    ghost: int | None = None,
    momentum: float | None = None,
    parameters: dict[str, Any] | None = None,
    data: list[str] | None = None,
    optimizer: dict[str, Any] | None = None,
    output: str | None = None,
) -> Stage:
    updates = max(1, math.ceil(samples_per_epoch * epochs / batch))
    return Stage(
        {
            "contract": _CONTRACT,
            "seed": seed,
            "parameters": parameters or {},
            "data": data or [],
            "samples_per_epoch": samples_per_epoch,
            "batch": batch,
            "ghost": min(batch, ghost or batch),
            "momentum": momentum,
            "optimizer": optimizer or {"name": "sgd"},
            "start": {"samples": 0, "updates": 0},
            "end": {"samples": updates * batch, "updates": updates},
            "learning_rates": [[updates, learning_rate]],
            "resume": None,
        },
        output=output,
    )
