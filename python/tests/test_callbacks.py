"""Stages in the loops of Lightning and of Hugging Face, against a worker of the test's own."""

import importlib.util
import logging
import os
import shutil
import signal
import sys
import tempfile
import unittest
import warnings
from unittest import mock

from worker import Worker

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_LIGHTNING = HAS_TORCH and importlib.util.find_spec("lightning") is not None
HAS_TRANSFORMERS = HAS_TORCH and bool(
    importlib.util.find_spec("transformers") and importlib.util.find_spec("accelerate")
)
if HAS_TORCH:
    import torch
    from torch.nn import functional as F

from jobctl.callbacks import lightning_callback, transformers_callback


def order_of(stage):
    """Its ghost batches that are left."""
    indices = stage.indices(stage.samples, stage.end)
    return [indices[i : i + stage.ghost] for i in range(0, len(indices), stage.ghost)]


class Cases:
    """Both loops pass these tests. `train` trains a stage with its framework. It calls `between` at
    each forward of a ghost batch, with their count in this attempt."""

    def train(self, stage, between):
        raise NotImplementedError

    def setUp(self):
        warnings.simplefilter("ignore")
        self.addCleanup(warnings.resetwarnings)

    def attempt(self, checkpoint=None, samples=0, between=lambda worker, count: None):
        """The worker and the parameters after an attempt, None of them if it was ended."""
        resume = {"samples": samples, "updates": samples // 4} if checkpoint else None
        worker = Worker(self, checkpoint=checkpoint, resume=resume)
        stage = worker.stage()
        try:
            model = self.train(stage, lambda count: between(worker, count))
        except SystemExit as end:
            self.assertEqual(end.code, 0)
            return worker, None
        return worker, [p.detach().clone() for p in model.parameters()]

    def expected(self):
        """Plain training: four updates of two ghost batches."""
        import jobctl.torch

        model = linear()
        optimizer = torch.optim.SGD(model.parameters(), lr=1, momentum=0.1)
        for update in Worker(self).stage().updates():
            jobctl.torch.train_step(update, model, optimizer, lambda ghost: loss(model, ghost))
        return list(model.parameters())

    def test_training_is_the_stages(self):
        worker, found = self.attempt()
        for a, b in zip(found, self.expected()):
            torch.testing.assert_close(a, b)
        (finished,) = worker.messages("finished")
        self.assertIn(b"optimizer", worker.content(finished))
        measured = worker.messages("measured")
        self.assertEqual([m["samples"] for m in measured][-1], 16)
        self.assertIn(self.measured, measured[0])

    def test_a_drained_stage_goes_on_to_the_same_bits(self):
        _, whole = self.attempt()
        for drain in (
            lambda worker: worker.send("drain"),
            lambda worker: os.kill(os.getpid(), signal.SIGTERM),
        ):
            # In the middle of the second update.
            worker, found = self.attempt(
                between=lambda worker, count: drain(worker) if count == 3 else None
            )
            self.assertIsNone(found)
            (message,) = worker.messages("checkpoint")
            self.assertEqual(message["samples"], 8)
            _, found = self.attempt(worker.content(message), samples=8)
            self.assertTrue(all(map(torch.equal, whole, found)))

    def test_a_checkpoint_is_saved_on_order(self):
        worker, found = self.attempt(
            between=lambda worker, count: worker.send("checkpoint") if count == 1 else None
        )
        self.assertEqual([m["samples"] for m in worker.messages("checkpoint")], [4])
        self.assertIsNotNone(found)


def linear():
    torch.manual_seed(3)
    return torch.nn.Linear(5, 3)


def loss(model, ghost):
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(9))[ghost]
    return F.cross_entropy(model(x), torch.as_tensor(ghost) % 3)


@unittest.skipUnless(HAS_LIGHTNING, "lightning is not installed")
class LightningTests(Cases, unittest.TestCase):
    measured = "validation_loss"

    def train(self, stage, between):
        from lightning import pytorch

        class Module(pytorch.LightningModule):
            def __init__(self):
                super().__init__()
                self.model, self.count = linear(), 0

            def training_step(self, batch, number):
                self.count += 1
                between(self.count)
                return loss(self.model, batch.tolist())

            def validation_step(self, batch, number):
                self.log("val_loss", loss(self.model, batch.tolist()))

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=1, momentum=0.1)

        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        module = Module()
        trainer = pytorch.Trainer(
            max_epochs=-1,
            accumulate_grad_batches=stage.batch // stage.ghost,
            callbacks=[lightning_callback(stage)],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        batches = [torch.tensor(ghost) for ghost in order_of(stage)]
        loader = torch.utils.data.DataLoader(batches, batch_size=None)
        test = torch.utils.data.DataLoader([torch.arange(8)], batch_size=None)
        trainer.fit(module, loader, test)
        return module


@unittest.skipUnless(HAS_TRANSFORMERS, "transformers or accelerate is not installed")
class TransformersTests(Cases, unittest.TestCase):
    measured = "test_loss"

    def train(self, stage, between):
        import transformers

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model, self.count = linear(), 0

            def forward(self, index, labels=None):
                if self.training:
                    self.count += 1
                    between(self.count)
                return {"loss": loss(self.model, index.tolist()), "logits": index}

        class Order(torch.utils.data.IterableDataset):
            def __iter__(self):
                for ghost in order_of(stage):
                    yield from ({"index": i, "labels": 0} for i in ghost)

        transformers.utils.logging.set_verbosity_error()
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        model = Model()
        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=stage.ghost,
                gradient_accumulation_steps=stage.batch // stage.ghost,
                max_steps=(stage.end - stage.samples) // stage.batch,
                save_strategy="no",
                eval_strategy="steps",
                eval_steps=1,
                report_to=[],
                use_cpu=True,
                max_grad_norm=0,
                disable_tqdm=True,
                optim="sgd",
            ),
            train_dataset=Order(),
            eval_dataset=[{"index": i, "labels": 0} for i in range(8)],
            optimizers=(torch.optim.SGD(model.parameters(), lr=1, momentum=0.1), None),
            callbacks=[transformers_callback(stage)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return model


class AbsentTests(unittest.TestCase):
    def test_a_missing_package_is_named(self):
        stage = Worker(self).stage()
        for module, factory in [
            ("lightning", lightning_callback), ("transformers", transformers_callback)
        ]:
            with mock.patch.dict(sys.modules, {module: None, f"{module}.pytorch": None}):
                with self.assertRaisesRegex(ImportError, f"pip install {module}"):
                    factory(stage)


if __name__ == "__main__":
    unittest.main()
