"""A trainer that only counts: its state shows every update that is lost or made twice."""

import hashlib
import json
import os
import subprocess
import sys
import time

import jobctl

stage = jobctl.stage(samples_per_epoch=480, batch=32, learning_rate=0.1)
file = stage.load()
state = json.load(file) if file else {"chain": "", "updates": 0}


def save():
    return json.dumps(state).encode()


def behave(action):
    """Does what a test asks for, at the update that the test names.

    Only the first attempt of the first stage does it, unless the parameter `always` is set."""
    if action == "kill":
        os.kill(os.getpid(), 9)
    elif action == "exit":
        sys.exit(3)
    elif action == "save and exit":
        stage.save(save())
        sys.exit(3)
    elif action == "raise":
        raise ValueError("no such luck")
    elif action == "diverge":
        stage.measured(train_loss=float("nan"))
    elif action == "stall":
        time.sleep(1000)
    elif action == "orphans":
        # Forked twice, in sessions of their own.
        subprocess.Popen(
            ["sh", "-c", "for i in 1 2 3; do setsid sh -c 'sleep 7777 & sleep 7777' & done"],
            start_new_session=True,
        )
        # The test removes the file when it has seen them.
        while os.path.exists(stage.parameters["hold"]) and not stage._drains:
            time.sleep(0.02)
    elif action == "look":
        print("variables", " ".join(sorted(os.environ)))
        print("files", " ".join(sorted(os.listdir("/proc/self/fd"), key=int)))
        print("user", os.getuid(), os.getgid(), os.getgroups())
        for place in stage.parameters.get("places", []):
            try:
                what = os.listdir(place) if os.path.isdir(place) else open(place).read(1)
                print("can read", place, what)
            except OSError as error:
                print("cannot read", place, error.strerror)
        sys.stdout.flush()
    elif action:
        stage._say(json.loads(action))


for update in stage.updates(save=save):
    action = stage.parameters.get("action")
    is_due = stage.parameters.get("always") or not file
    if action and update.number == stage.parameters["at"] and is_due:
        behave(action)
    words = [state["chain"], update.number, sum(update.indices), update.learning_rate, update.batch]
    state["chain"] = hashlib.sha256(json.dumps(words).encode()).hexdigest()
    state["updates"] += 1
    time.sleep(stage.parameters.get("pace", 0))

assert state["updates"] == stage.document["end"]["updates"], "updates were lost or made twice"
stage.measured(train_loss=1 / (1 + state["updates"]), test_accuracy=0.5, seen=state["updates"])
stage.finish(save())
