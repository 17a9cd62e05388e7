"""Softmax regression on points in a ring of classes: the smallest trainer that checkpoints and drains."""

import numpy as np

import jobctl

stage = jobctl.stage(samples_per_epoch=2048, batch=64, learning_rate=0.1, momentum=0.9, epochs=4)
classes, features = 8, 16

# The data: a function of nothing, so every stage and every attempt sees the same.
random = np.random.Generator(np.random.Philox(key=7))
centres = random.normal(size=(classes, features))
labels = np.arange(stage.samples_per_epoch + 512) % classes
points = centres[labels] + stage.parameters.get("noise", 1.5) * random.normal(size=(len(labels), features))
train, test = slice(0, stage.samples_per_epoch), slice(stage.samples_per_epoch, None)

weights, velocity = np.zeros((features, classes)), np.zeros((features, classes))
if file := stage.load():
    state = np.load(file)
    weights, velocity = state["weights"], state["velocity"]


def save(file):
    np.savez(file, weights=weights, velocity=velocity)


def loss_and_slope(x, y):
    scores = x @ weights
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    loss = -np.log(shares[np.arange(len(y)), y]).mean()
    shares[np.arange(len(y)), y] -= 1
    return loss, x.T @ shares / len(y)


def accuracy(part):
    return float((np.argmax(points[part] @ weights, axis=1) == labels[part]).mean())


for update in stage.updates(save=lambda: save):
    loss, slope = loss_and_slope(points[update.indices], labels[update.indices])
    velocity = (update.momentum or 0) * velocity + slope
    weights = weights - update.learning_rate * velocity
    if (update.number + 1) % 16 == 0:
        print(f"update {update.number + 1}: loss {loss:.4f}", flush=True)

stage.measured(train_loss=loss_and_slope(points[train], labels[train])[0],
               test_accuracy=accuracy(test), weight_norm=np.linalg.norm(weights))
stage.finish(save)
