"""Training steps, states and the gradient noise scale with PyTorch.

    if jobctl.torch.load_state(stage, model, optimizer) is None:
        jobctl.torch.seed_everything(stage.seed)
    for update in stage.updates(save=lambda: jobctl.torch.save_state(model, optimizer)):
        loss = jobctl.torch.train_step(update, model, optimizer, loss_of)
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import torch
from torch import Tensor

from .stage import ContractError, Stage, Update

_FORMAT = 1

# MARK: Training


def train_step(
    update: Update,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[list[int]], Tensor],
    noise: GradientNoise | None = None,
) -> float:
    """Makes one update and returns the mean training loss of its samples.

    `loss_of` takes the sample numbers of one ghost batch and returns their mean loss, a scalar. The
    step puts the model into training mode and calls `loss_of` for each of `update.ghosts`, in their
    order. Each forward sees one ghost batch alone, so batch norm is ghost batch norm. The gradients
    add up to the gradient of the mean loss of the whole update. The step drops gradients from
    before.

    `noise` takes the squared norms of the ghost batches' gradients. The update stays the same.

    The step returns a loss that is not finite as it is. It makes the parameters not finite, and so
    every later loss: `stage.measured(train_loss=...)` then ends the run as diverged."""
    set_rates(update, optimizer)
    model.train()
    optimizer.zero_grad(set_to_none=True)
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    total: Tensor | None = None
    squares: list[Tensor] = []
    ghosts = update.ghosts
    for ghost in ghosts:
        share = len(ghost) / update.batch
        loss = loss_of(ghost)
        if noise is None:
            (loss * share).backward()  # type: ignore[no-untyped-call,unused-ignore]
        else:
            squares.append(_accumulate(loss * share, parameters) / share**2)
        part = loss.detach() * share
        total = part if total is None else total + part
    if noise is not None:
        whole = _square(p.grad for p in parameters)
        noise.add([float(square) for square in squares], float(whole), len(ghosts[0]))
    optimizer.step()
    return float("nan") if total is None else float(total)


def set_rates(update: Update, optimizer: torch.optim.Optimizer) -> None:
    """Sets the learning rate of every parameter group, and the momentum of those that have one."""
    for group in optimizer.param_groups:
        group["lr"] = update.learning_rate
        if update.momentum is not None and "momentum" in group:
            group["momentum"] = update.momentum


def _accumulate(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    """Adds the gradient to the parameters', as backward() does; returns its squared norm."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, found):
        if gradient is None:
            continue
        if parameter.grad is None:
            parameter.grad = gradient
        else:
            parameter.grad += gradient
    return _square(found)


def _square(gradients: Iterable[Tensor | None]) -> Tensor:
    """The squared norm of all of them together, in double precision."""
    found = [g.detach() for g in gradients if g is not None]
    norms = [torch.linalg.vector_norm(g, dtype=torch.float64) for g in found]
    return torch.stack(norms).square().sum() if norms else torch.zeros(())


# MARK: The gradient noise scale


class GradientNoise:
    """Estimates the simple noise scale tr(Sigma) / |G|^2 (McCandlish et al. 2018, appendix A). So
    many samples make the mean gradient as large as its noise. The estimate compares the gradients
    of ghost batches with the gradient of their update, at the same parameters. An update of one
    ghost batch gives no estimate."""

    def __init__(self) -> None:
        #: Updates that gave an estimate.
        self.estimates = 0
        self._square_sum = 0.0
        self._variance_sum = 0.0

    def add(self, ghost_squares: list[float], square: float, ghost: int) -> None:
        """Takes one update: the squared norms of the gradients of its ghost batches, which have
        `ghost` samples each, and the squared norm of their mean."""
        count = len(ghost_squares)
        if count < 2:
            return
        small, large = ghost, ghost * count
        mean = sum(ghost_squares) / count
        self._square_sum += (large * square - small * mean) / (large - small)
        self._variance_sum += (mean - square) / (1 / small - 1 / large)
        self.estimates += 1

    @property
    def gradient_square(self) -> float | None:
        """|G|^2, the squared norm of the true gradient. It is a mean of unbiased estimates and may
        be negative. None without any estimate."""
        return self._square_sum / self.estimates if self.estimates else None

    @property
    def gradient_variance(self) -> float | None:
        """tr(Sigma), the variance of the gradient of one sample, summed over all parameters. None
        without any estimate."""
        return self._variance_sum / self.estimates if self.estimates else None

    @property
    def noise_scale(self) -> float | None:
        """The noise scale in samples. None without any estimate, and if |G|^2 is not above 0."""
        square, variance = self.gradient_square, self.gradient_variance
        if square is None or variance is None or not square > 0:
            return None
        return variance / square

    def reset(self) -> None:
        """Forgets all updates: the noise scale changes in the course of training."""
        self.load_state_dict({"estimates": 0, "square_sum": 0.0, "variance_sum": 0.0})

    def state_dict(self) -> dict[str, Any]:
        return {
            "estimates": self.estimates,
            "square_sum": self._square_sum,
            "variance_sum": self._variance_sum,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.estimates = state["estimates"]
        self._square_sum = state["square_sum"]
        self._variance_sum = state["variance_sum"]


# MARK: The state


def save_state(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, **extra: Any
) -> Callable[[BinaryIO], None]:
    """Returns a function that writes the state of training to a file: model, optimizer, all random
    generators and `extra`. `stage.updates(save=...)`, `stage.save` and `stage.finish` take it.

    The generators are Python's, NumPy's global one, and torch's on the CPU and each CUDA device.
    `extra` consists of tensors, numbers, texts, None, lists, tuples and dictionaries, such as
    `scheduler.state_dict()`. Anything else raises TypeError, because loading would refuse it."""
    _check(extra, "extra")

    def write(file: BinaryIO) -> None:
        torch.save(
            {
                "format": _FORMAT,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "generators": _generators(),
                "extra": extra,
            },
            file,
        )

    return write


def load_state(
    stage: Stage, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any] | None:
    """Restores the state that `save_state` wrote, and returns its `extra`. At the start of training
    it changes nothing and returns None. Model and optimizer have the classes and shapes of the
    state; their devices may differ. Raises ContractError if `save_state` did not write the file."""
    file = stage.load()
    if file is None:
        return None
    with file:
        # Tensors and plain values only: a state cannot run code.
        state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ContractError("the checkpoint was not written by jobctl.torch.save_state")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    # This is the last step, because the ones before may draw numbers.
    _restore_generators(state["generators"])
    extra: dict[str, Any] = state["extra"]
    return extra


def _check(value: Any, place: str) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            _check(key, f"a key of {place}")
            _check(member, f"{place}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, member in enumerate(value):
            _check(member, f"{place}[{i}]")
    elif value is not None and not (
        isinstance(value, Tensor) or type(value) in (bool, int, float, str, bytes)
    ):
        raise TypeError(f"{place} is a {type(value).__name__}, which a state cannot hold")


def _generators() -> dict[str, Any]:
    state: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        name, keys, *rest = numpy.random.get_state()
        state["numpy"] = (name, keys.tolist(), *rest)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call,unused-ignore]
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _restore_generators(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    if "numpy" in state:
        import numpy

        name, keys, *rest = state["numpy"]
        numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), *rest))
    if torch.cuda.is_available():
        # A machine may have fewer devices than that of the state.
        for device, one in zip(range(torch.cuda.device_count()), state.get("cuda", [])):
            torch.cuda.set_rng_state(one, device)


def seed_everything(seed: int) -> None:
    """Seeds the generators of Python, NumPy (where it is installed) and torch, and asks torch for
    deterministic algorithms. An operation that has none warns and runs."""
    random.seed(seed)
    try:
        import numpy
    except ImportError:
        pass
    else:
        numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    # cuBLAS reads it at its start, and is deterministic only with it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
