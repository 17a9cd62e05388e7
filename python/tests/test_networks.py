"""The torch networks against jobctl's own engine, and files that are no exports."""

import importlib.util
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

import worker  # noqa: F401  (finds the package)

HAS_TORCH = importlib.util.find_spec("torch") is not None
if HAS_TORCH:
    import torch

    from jobctl import networks

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("JOBCTL_BINARY") or str(REPOSITORY / ".build/release/jobctl")


def write_npy(path, array):
    """Version 1.0 of NumPy's format, of a float32 tensor."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(array.shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    numbers = array.flatten().tolist()
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(struct.pack(f"<{len(numbers)}f", *numbers))


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class EngineTests(unittest.TestCase):
    """Trains each network a little with the engine, exports it, and compares what both say."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which(BINARY):
            raise unittest.SkipTest(f"{BINARY} is not there; JOBCTL_BINARY names another one")
        cls.folder = tempfile.mkdtemp(prefix="jobctl-py-")
        # The server of the embedded database may run as another user.
        os.chmod(cls.folder, 0o711)
        cls.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("PG") and key != "JOBCTL_DATABASE_URL"
        }
        cls.environment["JOBCTL_HOME"] = cls.folder + "/home"

    @classmethod
    def tearDownClass(cls):
        try:
            cls.jobctl("local", "stop")
        finally:
            shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def jobctl(cls, *arguments):
        done = subprocess.run(
            [BINARY, *arguments], env=cls.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"jobctl {arguments}: {done.stderr}")
        return done.stdout

    def exported(self, name, network, shape, classes=5, samples=16, rate=0.02):
        """The path of the network's export after some updates, so running statistics are not 0
        and 1."""
        height, width, channels = shape
        grid = {
            "name": name,
            "dataset": {
                "name": "synthetic", "height": height, "width": width, "channels": channels,
                "classes": classes, "train": samples, "test": 4,
            },
            "network": network,
            "epochs": 2,
            "optimizer": {"name": "momentum", "learning_rate": rate},
            "batch": {"size": 8, "ghost": 8},
            "schedule": {"name": "constant"},
            "seeds": [1],
        }
        file = f"{self.folder}/{name}.json"
        with open(file, "w", encoding="utf-8") as f:
            json.dump(grid, f)
        self.jobctl("submit", file)
        self.jobctl("worker", "--until-empty", "--grid", name)
        model = f"{self.folder}/{name}.safetensors"
        self.jobctl("checkpoint", "export", name, "seed=1", model)
        return model

    def compare(self, name, network, shape, **settings):
        model = self.exported(name, network, shape, **settings)
        loaded = networks.load(model)
        self.assertFalse(loaded.training)
        inputs = torch.randn(6, *shape, generator=torch.Generator().manual_seed(3))
        write_npy(f"{self.folder}/inputs.npy", inputs)
        document = json.loads(
            self.jobctl("predict", model, f"{self.folder}/inputs.npy", "--json", "--top", "99")
        )
        with torch.no_grad():
            own = loaded(inputs.permute(0, 3, 1, 2)).double().log_softmax(1)
        names = loaded.inputs["classes"]
        worst = spread = 0.0
        for row, prediction in zip(own, document["predictions"]):
            for one in prediction["classes"]:
                logit = math.log(one["probability"])
                worst = max(worst, abs(row[names.index(one["class"])].item() - logit))
            spread = max(spread, (row.max() - row.min()).item())
        self.assertEqual(len(document["predictions"]), 6)
        # Networks that say the same of every class would agree with anything.
        self.assertGreater(spread, 0.1)
        self.assertLess(worst, 1e-4)

    def test_mlp(self):
        self.compare("mlp", {"name": "mlp", "hidden": [24, 12]}, (5, 4, 3))

    def test_mlp_without_hidden_layers(self):
        self.compare("linear", {"name": "mlp", "hidden": []}, (3, 4, 2))

    def test_cnn(self):
        self.compare("cnn", "cnn", (9, 7, 3))

    def test_cnn_of_a_line_of_pixels(self):
        self.compare("cnn-line", "cnn", (1, 8, 1))

    def test_wide_residual_network(self):
        self.compare("wide", "wrn-16-2", (12, 9, 3))

    def test_resnet_50(self):
        # As many updates as the running statistics need: before, logits are in the thousands.
        self.compare("resnet", "resnet-50", (33, 40, 3), samples=128)

    def test_inception_resnet_v2(self):
        # A low rate: logits beyond 700 would have the probability 0.
        self.compare("inception", "inception-resnet-v2", (75, 80, 3), samples=32, rate=1e-4)

    def test_a_folder_and_the_optimizers_state_are_no_obstacles(self):
        model = self.exported("folder", {"name": "mlp", "hidden": [4]}, (2, 2, 1))
        folder = f"{self.folder}/models"
        os.mkdir(folder)
        self.jobctl(
            "checkpoint", "export", "folder", "seed=1", f"{folder}/a.safetensors", "--optimizer"
        )
        arrays, metadata = networks.read_safetensors(f"{folder}/a.safetensors")
        self.assertTrue(any(name.startswith("optimizer.") for name in arrays))
        self.assertEqual(metadata["grid"], "folder")
        loaded, same = networks.load(folder), networks.load(model)
        self.assertTrue(torch.equal(loaded.fc1.weight, same.fc1.weight))
        self.assertEqual(loaded.inputs["shape"], [2, 2, 1])
        shutil.copy(f"{folder}/a.safetensors", f"{folder}/b.safetensors")
        with self.assertRaisesRegex(ValueError, "holds 2 safetensors files"):
            networks.load(folder)

    @unittest.skipUnless(
        all(map(importlib.util.find_spec, ("onnx", "onnxscript", "onnxruntime"))),
        "onnx, onnxscript and onnxruntime are not installed",
    )
    def test_onnx_gives_the_same_logits_for_any_batch(self):
        import onnxruntime

        loaded = networks.load(self.exported("onnx", "wrn-10-1", (8, 8, 3)))
        path = f"{self.folder}/model.onnx"
        networks.to_onnx(loaded, path, (3, 8, 8))
        session = onnxruntime.InferenceSession(path)
        for count in (1, 5):
            inputs = torch.randn(count, 3, 8, 8)
            (logits,) = session.run(["logits"], {"input": inputs.numpy()})
            with torch.no_grad():
                self.assertLess((loaded(inputs) - torch.from_numpy(logits)).abs().max(), 1e-4)


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class FileTests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder + "/model.safetensors"

    def write(self, arrays, metadata):
        """A file of float32 arrays: name -> (shape, numbers)."""
        header, content = {"__metadata__": metadata}, b""
        for name, (shape, numbers) in arrays.items():
            piece = struct.pack(f"<{len(numbers)}f", *numbers)
            ends = [len(content), len(content) + len(piece)]
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": ends}
            content += piece
        text = json.dumps(header).encode()
        with open(self.file, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + content)

    def metadata(self, **changes):
        return {
            "format": "jobctl model 1",
            "inputs": json.dumps({"shape": [1, 1, 2], "classes": ["a", "b", "c"]}),
            "training": json.dumps({"network": {"name": "mlp", "hidden": []}}),
            **changes,
        }

    def test_weights_are_inputs_by_outputs_in_the_file(self):
        self.write(
            {"fc1.weight": ([2, 3], [1, 2, 3, 4, 5, 6]), "fc1.bias": ([3], [10, 20, 30])},
            self.metadata(),
        )
        network = networks.load(self.file)
        logits = network(torch.tensor([[1.0, 100.0]]))
        self.assertEqual(logits.tolist(), [[411, 522, 633]])
        self.assertTrue(torch.equal(network(torch.tensor([1.0, 100]).view(1, 2, 1, 1)), logits))

    def test_arrays_that_do_not_fit_are_named(self):
        weight, bias = ([2, 3], [0] * 6), ([3], [0] * 3)
        for arrays, message in [
            ({"fc1.weight": weight}, "lacks the array fc1.bias"),
            ({"fc1.weight": weight, "fc1.bias": bias, "fc2.bias": bias}, "has not: fc2.bias"),
            ({"fc1.weight": ([3, 2], [0] * 6), "fc1.bias": bias}, r"fc1.weight is \(2, 3\)"),
        ]:
            self.write(arrays, self.metadata())
            with self.assertRaisesRegex(ValueError, message):
                networks.load(self.file)

    def test_other_files_are_refused(self):
        self.write({}, {})
        with self.assertRaisesRegex(ValueError, "is no model"):
            networks.load(self.file)
        for content in (b"", b"\xff" * 40, struct.pack("<Q", 4) + b"[1] "):
            with open(self.file, "wb") as file:
                file.write(content)
            with self.assertRaisesRegex(ValueError, "is no safetensors file"):
                networks.read_safetensors(self.file)
        text = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
        with open(self.file, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"1234")
        with self.assertRaisesRegex(ValueError, "another size than its shape"):
            networks.read_safetensors(self.file)

    def test_names_that_are_none_are_refused(self):
        for name in ("wrn-11-4", "vgg", "wrn-16", "wrn-4-1"):
            with self.assertRaisesRegex(ValueError, "is no network"):
                networks.build(name, (8, 8, 3), 10)

    def test_weights_start_as_the_engines_do(self):
        network = networks.build({"name": "resnet-50", "zero_gamma": True}, (8, 8, 3), 10)
        block = network.get_submodule("stage1.block2")
        expected = math.sqrt(2 / (9 * 64))
        self.assertAlmostEqual(block.conv2.weight.std().item() / expected, 1, delta=0.02)
        self.assertAlmostEqual(network.fc.weight.std().item() * math.sqrt(2048), 1, delta=0.02)
        self.assertEqual(block.bn3.weight.abs().max(), 0)
        self.assertEqual(block.bn2.weight.min(), 1)
        numbers = sum(p.numel() for p in network.parameters())
        self.assertEqual(numbers, 23_528_522)


if __name__ == "__main__":
    unittest.main()
