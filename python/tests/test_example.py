"""The example examples/trainers/torch on data of the test's own."""

import importlib.util
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

from worker import PACKAGE, Worker

HAS_TORCH = importlib.util.find_spec("torch") is not None
REPOSITORY = PACKAGE.parent
EXAMPLE = REPOSITORY / "examples/trainers/torch"
BINARY = os.environ.get("JOBCTL_BINARY") or str(REPOSITORY / ".build/release/jobctl")


class Data(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jobctl-py-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.binary = self.folder / "cifar-10-batches-bin"

    def write_binary(self):
        """The layout of CIFAR-10's binary version, of 20 pictures a file."""
        self.binary.mkdir()
        noise = random.Random(1)
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
            records = (bytes([i % 10]) + noise.randbytes(3072) for i in range(20))
            (self.binary / f"{name}.bin").write_bytes(b"".join(records))


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class TrainTests(Data):
    def attempt(self, folder, checkpoint=None, samples=0, drains=False):
        """The worker after the program has ended, and what it handed over."""
        resume = {"samples": samples, "updates": samples // 32} if checkpoint else None
        worker = Worker(
            self,
            checkpoint=checkpoint,
            resume=resume,
            samples_per_epoch=80,
            batch=32,
            ghost=16,
            end={"samples": 640, "updates": 20},
            learning_rates=[[20, 0.05]],
            parameters={"depth": 10, "width": 1, "test": 20},
            data=[str(folder)],
            optimizer={"name": "momentum", "weight_decay": 0.001},
        )
        environment = {**os.environ, **worker.variables, "PYTHONPATH": str(PACKAGE)}
        with subprocess.Popen(
            [sys.executable, "train.py"], cwd=EXAMPLE, env=environment, stdout=subprocess.DEVNULL
        ) as process:
            worker.accept()
            if drains:
                first = worker.next("progress")
                worker.send("drain")
                message = worker.next("checkpoint")
                self.assertGreaterEqual(message["samples"], first["samples"])
            else:
                message = worker.next("finished")
        self.assertEqual(process.returncode, 0)
        return worker, message

    def tensors(self, content):
        import torch

        state = torch.load(io.BytesIO(content), weights_only=True)
        momentum = [s["momentum_buffer"] for s in state["optimizer"]["state"].values()]
        return list(state["model"].values()) + momentum

    def test_interruptions_change_no_bit(self):
        import torch

        self.write_binary()
        worker, message = self.attempt(self.binary)
        whole = self.tensors(worker.content(message))
        content, samples = None, 0
        for _ in range(2):
            worker, message = self.attempt(self.binary, content, samples, drains=True)
            content, samples = worker.content(message), message["samples"]
        worker, message = self.attempt(self.binary, content, samples)
        found = self.tensors(worker.content(message))
        self.assertEqual(len(whole), len(found))
        self.assertTrue(all(map(torch.equal, whole, found)))

    @unittest.skipUnless(importlib.util.find_spec("PIL"), "pillow is not installed")
    def test_folders_of_pictures_are_read(self):
        from PIL import Image

        for part, count in (("train", 40), ("test", 10)):
            for name in ("cat", "dog"):
                place = self.folder / "pictures" / part / name
                place.mkdir(parents=True)
                for i in range(count):
                    colour = (i, 200, 10) if name == "cat" else (i, 10, 200)
                    Image.new("RGB", (40, 32), colour).save(place / f"{i}.png")
        worker, message = self.attempt(self.folder / "pictures")
        self.assertIn("file", message)


@unittest.skipUnless(shutil.which(BINARY), f"{BINARY} is not there")
class GridTests(Data):
    def test_the_grids_are_planned(self):
        self.write_binary()
        environment = {
            **os.environ, "JOBCTL_DATA": str(self.folder), "JOBCTL_HOME": str(self.folder / "home")
        }
        for name, runs in (("grid.json", 4), ("grid-short.json", 3)):
            planned = subprocess.run(
                [BINARY, "plan", str(EXAMPLE / name), "--json"],
                env=environment, capture_output=True, text=True, check=False,
            )
            self.assertEqual(planned.returncode, 0, planned.stderr)
            self.assertEqual(len(json.loads(planned.stdout)["runs"]), runs)


if __name__ == "__main__":
    unittest.main()
