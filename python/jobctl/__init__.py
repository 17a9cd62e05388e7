"""Trains stages of jobctl's queue, and reads what came of them. Standard library only.

    import jobctl

    stage = jobctl.stage()
    for update in stage.updates(save=state):
        ...
    stage.measured(test_accuracy=accuracy)
    stage.finish(state())

docs/TRAINERS.md of jobctl describes the contract between a worker and a program.
"""

from .client import Client, Failed, connect
from .order import permutation
from .stage import ContractError, Stage, Update, stage

__all__ = [
    "Client",
    "ContractError",
    "Failed",
    "Stage",
    "Update",
    "connect",
    "permutation",
    "stage",
]
