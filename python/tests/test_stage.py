"""A stage, against a worker of the test's own."""

import io
import os
import signal
import unittest
from unittest import mock

from worker import Worker, document

import jobctl
from jobctl import ContractError


class UpdateTests(unittest.TestCase):
    def test_a_stage_has_the_documents_values(self):
        stage = Worker(self).stage()
        self.assertEqual(
            (stage.seed, stage.samples_per_epoch, stage.batch, stage.ghost), (1, 8, 4, 2)
        )
        self.assertEqual((stage.start, stage.end, stage.samples, stage.epoch), (0, 16, 0, 0))
        self.assertEqual((stage.momentum, stage.parameters), (0.9, {"depth": 3}))
        self.assertEqual(stage.data, ["/data/pictures"])
        self.assertEqual(stage.optimizer["name"], "momentum")
        self.assertEqual(stage.document["runs"], ["seed=1"])

    def test_updates_have_clock_number_rate_and_samples(self):
        updates = list(Worker(self).stage().updates())
        self.assertEqual([u.samples for u in updates], [0, 4, 8, 12])
        self.assertEqual([u.number for u in updates], [0, 1, 2, 3])
        self.assertEqual([u.learning_rate for u in updates], [0.1, 0.1, 0.1, 0.05])
        self.assertEqual([u.epoch for u in updates], [0, 0.5, 1, 1.5])
        self.assertTrue(all((u.momentum, u.batch) == (0.9, 4) for u in updates))
        order = jobctl.permutation(8, 1, 1)
        self.assertEqual(updates[3].indices, order[4:])
        self.assertEqual(updates[3].ghosts, [order[4:6], order[6:]])

    def test_a_later_stage_counts_on(self):
        stage = Worker(
            self,
            start={"samples": 16, "updates": 40},
            end={"samples": 28, "updates": 43},
            resume={"samples": 20, "updates": 41},
            learning_rates=[[1, 1.0], [1, 2.0], [1, 3.0]],
        ).stage()
        updates = list(stage.updates())
        self.assertEqual([u.samples for u in updates], [20, 24])
        self.assertEqual([u.number for u in updates], [41, 42])
        self.assertEqual([u.learning_rate for u in updates], [2, 3])
        self.assertEqual(stage.samples, stage.end)

    def test_a_batch_runs_on_across_epochs(self):
        stage = Worker(self, samples_per_epoch=5, ghost=4).stage()
        updates = list(stage.updates())
        epochs = [jobctl.permutation(5, 1, epoch) for epoch in range(4)]
        stream = sum(epochs, [])
        self.assertEqual([i for u in updates for i in u.indices], stream[:16])
        self.assertEqual(stage.indices(3, 13), stream[3:13])
        self.assertEqual(updates[1].ghosts, [stream[4:8]])

    def test_progress_is_told(self):
        worker = Worker(self)
        list(worker.stage().updates())
        self.assertEqual(worker.messages()[0], {"type": "progress", "samples": 4})


class OrderTests(unittest.TestCase):
    def train(self, order_after, order, **kwargs):
        """The worker, and the stage until an order that comes after so many updates ends it."""
        worker = Worker(self)
        stage = worker.stage()
        done = 0
        try:
            for _ in stage.updates(**kwargs):
                done += 1
                if done == order_after:
                    order(worker)
        except SystemExit as end:
            return worker, stage, done, end.code
        return worker, stage, done, None

    def test_a_checkpoint_that_the_worker_asks_for_is_saved_between_updates(self):
        worker, stage, done, code = self.train(
            2, lambda worker: worker.send("checkpoint"), save=lambda: b"state"
        )
        self.assertEqual((done, code), (4, None))
        (message,) = worker.messages("checkpoint")
        self.assertEqual(message["samples"], 8)
        self.assertEqual(worker.content(message), b"state")

    def test_draining_saves_and_ends(self):
        for order in (
            lambda worker: worker.send("drain"),
            lambda worker: os.kill(os.getpid(), signal.SIGTERM),
        ):
            worker, stage, done, code = self.train(
                3, order, save=lambda: lambda file: file.write(b"by a function")
            )
            self.assertEqual((done, code), (3, 0))
            (message,) = worker.messages("checkpoint")
            self.assertEqual(message["samples"], 12)
            self.assertEqual(worker.content(message), b"by a function")
            self.assertEqual(worker.messages("finished"), [])

    def test_without_a_state_draining_ends_alone(self):
        worker, stage, done, code = self.train(1, lambda worker: worker.send("drain"))
        self.assertEqual((done, code), (1, 0))
        self.assertEqual(worker.messages("checkpoint"), [])

    def test_an_abandoned_stage_saves_nothing(self):
        worker, stage, done, code = self.train(
            1, lambda worker: worker.send("abandon"), save=lambda: b"state"
        )
        self.assertEqual((done, code), (1, 0))
        self.assertEqual(worker.messages("checkpoint"), [])

    def test_a_worker_that_is_gone_ends_the_script(self):
        _, _, done, code = self.train(1, lambda worker: worker.connection.close())
        self.assertEqual((done, code), (1, "the worker is gone"))

    def test_an_order_in_pieces_is_read_when_it_is_whole(self):
        worker = Worker(self)
        updates = worker.stage().updates(save=lambda: b"state")
        worker.connection.sendall(b'{"type": "check')
        next(updates)
        self.assertEqual(worker.messages("checkpoint"), [])
        worker.connection.sendall(b'point"}\n')
        next(updates)
        self.assertEqual(len(worker.messages("checkpoint")), 1)


class StateTests(unittest.TestCase):
    def test_the_state_is_read_back(self):
        self.assertIsNone(Worker(self).stage().load())
        stage = Worker(self, checkpoint=b"before", resume={"samples": 8, "updates": 2}).stage()
        with stage.load() as file:
            self.assertEqual(file.read(), b"before")
        self.assertEqual(stage.samples, 8)

    def test_every_state_has_a_file_of_its_own(self):
        worker = Worker(self)
        stage = worker.stage()
        for state in (b"one", bytearray(b"two"), memoryview(b"three")):
            stage.save(state)
        messages = worker.messages("checkpoint")
        self.assertEqual([worker.content(m) for m in messages], [b"one", b"two", b"three"])

    def test_a_stage_finishes_at_its_end_only(self):
        worker = Worker(self)
        stage = worker.stage()
        with self.assertRaisesRegex(ContractError, "sample 0; the stage ends at 16"):
            stage.finish(b"early")
        list(stage.updates())
        stage.finish(b"end")
        (message,) = worker.messages("finished")
        self.assertEqual(worker.content(message), b"end")

    def test_a_stage_may_finish_without_a_state(self):
        worker = Worker(self)
        stage = worker.stage()
        list(stage.updates())
        stage.finish()
        self.assertEqual(worker.messages("finished"), [{"type": "finished"}])


class MeasurementTests(unittest.TestCase):
    def test_numbers_are_reported_at_the_clock(self):
        worker = Worker(self, resume={"samples": 4, "updates": 1})
        stage = worker.stage()
        stage.measured(test_loss=0.5, test_accuracy=1, train_loss=None, test_samples=7, norm=2.5)
        self.assertEqual(
            worker.messages(),
            [
                {
                    "type": "measured", "samples": 4, "test_loss": 0.5, "test_accuracy": 1.0,
                    "test_samples": 7, "norm": 2.5,
                }
            ],
        )

    def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(self):
        worker = Worker(self)
        with self.assertRaises(SystemExit) as end:
            worker.stage().measured(train_loss=float("nan"))
        self.assertEqual(end.exception.code, 0)
        self.assertEqual(
            worker.messages(), [{"type": "diverged", "reason": "train_loss is nan"}]
        )

    def test_other_numbers_that_are_not_finite_are_refused(self):
        worker = Worker(self)
        with self.assertRaisesRegex(ContractError, "norm is inf"):
            worker.stage().measured(norm=float("inf"))
        self.assertEqual(worker.messages(), [])

    def test_a_script_may_say_that_it_has_diverged(self):
        worker = Worker(self)
        with self.assertRaises(SystemExit):
            worker.stage().diverged("no root")
        self.assertEqual(worker.messages(), [{"type": "diverged", "reason": "no root"}])


class ContractTests(unittest.TestCase):
    def test_another_version_of_the_contract_is_refused(self):
        with self.assertRaisesRegex(ContractError, "version 2 of the contract"):
            jobctl.Stage(document(contract=2))

    def test_a_script_without_a_worker_describes_its_stage(self):
        with mock.patch.dict(os.environ):
            os.environ.pop("JOBCTL_STAGE", None)
            with self.assertRaisesRegex(ContractError, "JOBCTL_STAGE is not set"):
                jobctl.stage()
            stage = jobctl.stage(
                samples_per_epoch=10, batch=4, learning_rate=0.5, epochs=2, seed=3
            )
        self.assertEqual([u.learning_rate for u in stage.updates()], [0.5] * 5)
        self.assertEqual((stage.samples, stage.end, stage.ghost), (20, 20, 4))
        with mock.patch("sys.stderr", new_callable=io.StringIO) as said:
            stage.measured(test_loss=1)
            stage.finish(b"kept nowhere")
        self.assertIn('"test_loss": 1.0', said.getvalue())
        self.assertIn('"finished"', said.getvalue())


if __name__ == "__main__":
    unittest.main()
