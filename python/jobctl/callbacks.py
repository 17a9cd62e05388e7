"""Callbacks that train a stage in the loops of Lightning and of Hugging Face's Trainer.

Both restore the stage's state, set the learning rate and momentum of every update, report
measurements, hand over a checkpoint when the worker asks for one, and end the program when the
worker drains. The script keeps its data, which must follow the stage: samples in the order
`stage.indices(stage.samples, stage.end)`, without shuffling, `stage.ghost` a step, and
`stage.batch // stage.ghost` steps an update. Learning rate schedulers of the script have no effect.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from .stage import Stage, Update

#: The frameworks' usual names of measurements, and the contract's.
MEASUREMENTS = {
    "train_loss": "train_loss",
    "train_accuracy": "train_accuracy",
    "val_loss": "validation_loss",
    "val_acc": "validation_accuracy",
    "val_accuracy": "validation_accuracy",
    "test_loss": "test_loss",
    "test_acc": "test_accuracy",
    "test_accuracy": "test_accuracy",
    "eval_loss": "test_loss",
    "eval_accuracy": "test_accuracy",
}


def lightning_callback(stage: Stage, measurements: Mapping[str, str] = MEASUREMENTS) -> Any:
    """A `lightning.pytorch.Callback` for `Trainer(max_epochs=-1, callbacks=[...],
    accumulate_grad_batches=stage.batch // stage.ghost)`. The module has one optimizer.
    `measurements` maps names of `trainer.callback_metrics` to names of `stage.measured`; the
    callback reports them after each validation. Raises ImportError without the package
    lightning."""
    try:
        from lightning.pytorch import Callback
    except ImportError as error:
        raise ImportError("lightning_callback needs a package: pip install lightning") from error

    class StageCallback(Callback):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.loop = _Loop(stage, measurements)
            self.steps = 0
            self.on_sigterm = signal.getsignal(signal.SIGTERM)

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            # Lightning's handler ends training in the middle of an update, without a state.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, self.on_sigterm)
            if len(trainer.optimizers) != 1:
                raise ValueError(f"the module has {len(trainer.optimizers)} optimizers, not one")
            self.steps = trainer.global_step
            self.loop.begin(pl_module, trainer.optimizers[0])

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            self.loop.set_rates()

        def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
            if trainer.global_step > self.steps:
                self.steps = trainer.global_step
                if not self.loop.advance():
                    trainer.should_stop = True

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if not trainer.sanity_checking:
                self.loop.measured(trainer.callback_metrics)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self.loop.finish()

    return StageCallback()


def transformers_callback(stage: Stage, measurements: Mapping[str, str] = MEASUREMENTS) -> Any:
    """A `transformers.TrainerCallback` for `Trainer(callbacks=[...])` with the arguments
    `per_device_train_batch_size=stage.ghost`, `gradient_accumulation_steps=stage.batch //
    stage.ghost`, `max_steps=(stage.end - stage.samples) // stage.batch` and
    `save_strategy="no"`. `measurements` maps names of metrics to names of `stage.measured`; the
    callback reports them after each evaluation. Raises ImportError without the package
    transformers."""
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise ImportError(
            "transformers_callback needs a package: pip install transformers"
        ) from error

    class StageCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.loop = _Loop(stage, measurements)

        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.loop.begin(rest["model"], rest["optimizer"])

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.loop.set_rates()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if not self.loop.advance():
                control.should_training_stop = True

        def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.loop.measured(rest["metrics"])

        def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.loop.finish()

    return StageCallback()


class _Loop:
    """The updates of a stage, advanced from outside."""

    def __init__(self, stage: Stage, measurements: Mapping[str, str]):
        self._stage, self._measurements = stage, measurements
        self._update: Update | None = None
        self._updates: Iterator[Update] = iter(())
        self._model: Any = None
        self._optimizer: Any = None

    def begin(self, model: Any, optimizer: Any) -> None:
        """Restores the state, and makes ready for the first update."""
        from .torch import load_state

        self._model, self._optimizer = model, optimizer
        load_state(self._stage, model, optimizer)
        self._updates = self._stage.updates(save=self._state)
        self.advance()

    def _state(self) -> Any:
        from .torch import save_state

        return save_state(self._model, self._optimizer)

    def advance(self) -> bool:
        """Counts the update at hand. A checkpoint is saved, and the program ended, in here. False
        at the end of the stage."""
        self._update = next(self._updates, None)
        return self._update is not None

    def set_rates(self) -> None:
        from .torch import set_rates

        if self._update is not None:
            set_rates(self._update, self._optimizer)

    def measured(self, metrics: Mapping[str, Any]) -> None:
        found = {
            name: float(metrics[key]) for key, name in self._measurements.items() if key in metrics
        }
        if found:
            self._stage.measured(**found)

    def finish(self) -> None:
        """Finishes the stage, unless the framework has ended training before its end."""
        if self._stage.samples == self._stage.end:
            self._stage.finish(self._state())
