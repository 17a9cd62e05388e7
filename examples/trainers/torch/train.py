"""WRN-16-4 on CIFAR-10 with ghost batch norm (paper, section 5.2), as a trainer of jobctl.

data[0] is the folder of CIFAR-10's binary version, or a folder of pictures train/CLASS/*.png and
test/CLASS/*.png (which needs pillow). Parameters: depth, width, test (test pictures; default all).
"""

import hashlib
import itertools
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

import jobctl
import jobctl.torch

MEAN, DEVIATION = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


# The network: BN-ReLU-conv-BN-ReLU-conv around a shortcut (Zagoruyko and Komodakis 2016).


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def forward(self, x):  # (n, inputs, h, w) -> (n, outputs, h / stride, w / stride)
        a = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return y + (x if self.shortcut is None else self.shortcut(a))


class WideResNet(nn.Module):
    def __init__(self, depth, width, classes):
        super().__init__()
        blocks, inputs = [], 16
        for group in range(3):
            for block in range((depth - 4) // 6):
                outputs = 16 * width * 2**group
                blocks.append(Block(inputs, outputs, 2 if group > 0 and block == 0 else 1))
                inputs = outputs
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(inputs)
        self.last = nn.Linear(inputs, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, x):  # (n, 3, 32, 32) -> (n, classes)
        x = F.relu(self.bn(self.blocks(self.first(x))))
        return self.last(x.mean(dim=(2, 3)))


# The data: bytes (n, 3, 32, 32) and labels (n).


def read_binary(folder, names):
    content = bytearray().join((folder / name).read_bytes() for name in names)
    records = torch.frombuffer(content, dtype=torch.uint8).view(-1, 1 + 3 * 32 * 32)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()


def read_pictures(folder):
    from PIL import Image

    pictures, labels = [], []
    for label, name in enumerate(sorted(p.name for p in folder.iterdir() if p.is_dir())):
        for file in sorted((folder / name).iterdir()):
            pixels = Image.open(file).convert("RGB").resize((32, 32)).tobytes()
            pictures.append(torch.frombuffer(bytearray(pixels), dtype=torch.uint8))
            labels.append(label)
    return torch.stack(pictures).view(-1, 32, 32, 3).permute(0, 3, 1, 2), torch.tensor(labels)


def first(count, pictures, labels):
    """So many of them, mixed: folders have one class after the other."""
    if len(labels) < count:
        raise SystemExit(f"there are {len(labels)} pictures, and {count} were asked for")
    chosen = jobctl.permutation(len(labels), seed=0, epoch=0)[:count]
    return pictures[chosen].to(device), labels[chosen].to(device)


def floats(pictures):
    mean, deviation = (torch.tensor(v, device=device).view(3, 1, 1) for v in (MEAN, DEVIATION))
    return (pictures - mean) / deviation


def augmented(pictures, seed, clock):
    """Moves each picture by up to 4 pixels and flips half of them. The draws are a function of seed
    and sample clock, so a stage that was interrupted goes on with the same ones."""
    digest = hashlib.sha256(f"{seed} {clock}".encode()).digest()
    random = torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
    moves = torch.randint(0, 9, (len(pictures), 2), generator=random).tolist()
    flips = torch.randint(0, 2, (len(pictures),), generator=random).bool().to(device)
    padded = F.pad(pictures, (4, 4, 4, 4))
    moved = torch.stack([p[:, y : y + 32, x : x + 32] for p, (y, x) in zip(padded, moves)])
    return torch.where(flips.view(-1, 1, 1, 1), moved.flip(3), moved)


@torch.no_grad()
def test(model, pictures, labels):
    model.eval()
    losses = hits = 0.0
    for part in torch.arange(len(labels), device=device).split(500):
        logits = model(floats(pictures[part]))
        losses += F.cross_entropy(logits, labels[part], reduction="sum").item()
        hits += (logits.argmax(1) == labels[part]).sum().item()
    return losses / len(labels), hits / len(labels)


# Without a worker: python3 train.py trains a little, on data in cifar-10-batches-bin.
stage = jobctl.stage(
    samples_per_epoch=1024, batch=256, ghost=128, learning_rate=0.1, momentum=0.9,
    data=["cifar-10-batches-bin"], parameters={"depth": 10, "width": 1, "test": 1000},
)
depth, width = stage.parameters.get("depth", 16), stage.parameters.get("width", 4)
folder = pathlib.Path(stage.data[0])
if (folder / "test_batch.bin").exists():
    train_data = read_binary(folder, [f"data_batch_{i}.bin" for i in range(1, 6)])
    test_data = read_binary(folder, ["test_batch.bin"])
else:
    train_data, test_data = read_pictures(folder / "train"), read_pictures(folder / "test")
train_pictures, train_labels = first(stage.samples_per_epoch, *train_data)
test_part = first(stage.parameters.get("test", len(test_data[1])), *test_data)

jobctl.torch.seed_everything(stage.seed)
model = WideResNet(depth, width, classes=10).to(device)
optimizer = torch.optim.SGD(
    model.parameters(), lr=0.1, momentum=0.9,  # each update sets its own
    weight_decay=stage.optimizer.get("weight_decay", 0),
    nesterov=stage.optimizer["name"] == "nesterov",
)
extra = jobctl.torch.load_state(stage, model, optimizer) or {"losses": []}
losses = extra["losses"]  # of the updates since the last measurement


def save():
    return jobctl.torch.save_state(model, optimizer, losses=losses)


def measure():
    test_loss, test_accuracy = test(model, *test_part)
    train_loss = sum(losses) / len(losses) if losses else None
    losses.clear()
    stage.measured(train_loss=train_loss, test_loss=test_loss, test_accuracy=test_accuracy)
    print(f"epoch {stage.epoch:.2f}: test accuracy {100 * test_accuracy:.2f} %", flush=True)


for update in stage.updates(save=save):
    before = (update.samples - update.batch) // stage.samples_per_epoch
    if losses and int(update.epoch) > before:
        measure()  # once an epoch, between two updates
    clock = itertools.count(update.samples, stage.ghost)

    def loss_of(indices):
        pictures = augmented(floats(train_pictures[indices]), stage.seed, next(clock))
        return F.cross_entropy(model(pictures), train_labels[indices])

    losses.append(jobctl.torch.train_step(update, model, optimizer, loss_of))

measure()
stage.finish(save())
