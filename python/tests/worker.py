"""A worker's side of the contract, as small as a test needs it."""

import json
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
from unittest import mock

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PACKAGE))

import jobctl  # noqa: E402


def document(**changes):
    """Two epochs of 8 samples, in updates of 4; the rate falls after the third one."""
    return {
        "contract": 1,
        "digest": "d" * 64,
        "runs": ["seed=1"],
        "seed": 1,
        "parameters": {"depth": 3},
        "data": ["/data/pictures"],
        "samples_per_epoch": 8,
        "batch": 4,
        "ghost": 2,
        "momentum": 0.9,
        "optimizer": {"name": "momentum", "weight_decay": 0},
        "start": {"samples": 0, "updates": 0},
        "end": {"samples": 16, "updates": 4},
        "learning_rates": [[3, 0.1], [1, 0.05]],
        "resume": None,
        **changes,
    }


class Worker:
    """Gives one stage to a script of the test's own process, or to another one."""

    def __init__(self, test, checkpoint=None, **changes):
        self.folder = tempfile.mkdtemp(prefix="jobctl-py-")
        test.addCleanup(shutil.rmtree, self.folder)
        self.output = self.folder + "/output"
        os.mkdir(self.output)
        self.variables = {
            "JOBCTL_STAGE": self.folder + "/stage.json",
            "JOBCTL_SOCKET": self.folder + "/socket",
            "JOBCTL_OUTPUT": self.output,
        }
        with open(self.variables["JOBCTL_STAGE"], "w", encoding="utf-8") as file:
            json.dump(document(output=self.output, **changes), file)
        if checkpoint is not None:
            self.variables["JOBCTL_CHECKPOINT"] = self.folder + "/checkpoint"
            with open(self.variables["JOBCTL_CHECKPOINT"], "wb") as file:
                file.write(checkpoint)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.variables["JOBCTL_SOCKET"])
        self.listener.listen(1)
        test.addCleanup(self.listener.close)
        self.test, self.connection, self.heard, self.said = test, None, b"", []

    def stage(self):
        """The stage, in the test's process."""
        handler = signal.getsignal(signal.SIGTERM)
        self.test.addCleanup(signal.signal, signal.SIGTERM, handler)
        with mock.patch.dict(os.environ, self.variables):
            os.environ.pop("JOBCTL_CHECKPOINT", None)
            os.environ.update(self.variables)
            stage = jobctl.stage()
        self.test.addCleanup(stage._connection.close)
        self.accept()
        return stage

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.test.addCleanup(self.connection.close)

    def send(self, order):
        self.connection.sendall(json.dumps({"type": order}).encode() + b"\n")

    def messages(self, *types):
        """All that was said so far, of these types if any are named."""
        self.connection.setblocking(False)
        try:
            while piece := self.connection.recv(65536):
                self.heard += piece
        except BlockingIOError:
            pass
        self.connection.setblocking(True)
        *lines, self.heard = self.heard.split(b"\n")
        self.said += [json.loads(line) for line in lines]
        return [m for m in self.said if not types or m["type"] in types]

    def next(self, kind):
        """Waits for the next message of a kind; None at the end of the connection."""
        with self.connection.makefile("rb") as file:
            for line in file:
                message = json.loads(line)
                if message["type"] == kind:
                    return message
        return None

    def content(self, message):
        """The state that a message names."""
        with open(os.path.join(self.output, message["file"]), "rb") as file:
            return file.read()
