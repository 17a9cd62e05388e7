"""jobctl's networks in PyTorch, parameter for parameter: what its engine is measured against."""

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, kernel, stride=1, pad=None):
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    pad = tuple((k - 1) // 2 for k in kernel) if pad is None else pad
    return nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False)


def unit(inputs, outputs, kernel, stride=1, pad=None):
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(conv(inputs, outputs, kernel, stride, pad), nn.BatchNorm2d(outputs), nn.ReLU())


def chain(inputs, *steps):
    """Units one behind the other; each step is (outputs, kernel) or (outputs, kernel, stride, pad)."""
    layers = []
    for outputs, *rest in steps:
        layers.append(unit(inputs, outputs, *rest))
        inputs = outputs
    return nn.Sequential(*layers)


class GlobalMean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def cnn(channels, classes):
    return nn.Sequential(
        unit(channels, 16, 3), nn.MaxPool2d(2), unit(16, 32, 3), nn.MaxPool2d(2), unit(32, 64, 3),
        GlobalMean(), nn.Linear(64, classes))


class PreActivation(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first, self.second = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1, self.conv2 = conv(inputs, outputs, 3, stride), conv(outputs, outputs, 3)
        changes = stride != 1 or inputs != outputs
        self.shortcut = conv(inputs, outputs, 1, stride) if changes else None

    def forward(self, x):
        a = F.relu(self.first(x))
        y = self.conv2(F.relu(self.second(self.conv1(a))))
        return y + (x if self.shortcut is None else self.shortcut(a))


def wide_resnet(depth, width, channels, classes):
    layers, inputs = [conv(channels, 16, 3)], 16
    for group in range(3):
        outputs = 16 * width << group
        for block in range((depth - 4) // 6):
            layers.append(PreActivation(inputs, outputs, 2 if group and not block else 1))
            inputs = outputs
    return nn.Sequential(
        *layers, nn.BatchNorm2d(inputs), nn.ReLU(), GlobalMean(), nn.Linear(inputs, classes))


class Bottleneck(nn.Module):
    def __init__(self, inputs, middle, stride, changes):
        super().__init__()
        self.body = nn.Sequential(
            unit(inputs, middle, 1), unit(middle, middle, 3, stride), conv(middle, 4 * middle, 1),
            nn.BatchNorm2d(4 * middle))
        self.shortcut = nn.Sequential(
            conv(inputs, 4 * middle, 1, stride), nn.BatchNorm2d(4 * middle)) if changes else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet50(channels, classes):
    layers, inputs = [unit(channels, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        middle = 64 << stage
        for block in range(blocks):
            layers.append(Bottleneck(inputs, middle, 2 if stage and not block else 1, block == 0))
            inputs = 4 * middle
    return nn.Sequential(*layers, GlobalMean(), nn.Linear(inputs, classes))


class Branches(nn.ModuleList):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], 1)


class Mixed(nn.Module):
    """x + scale * up(branches)."""

    def __init__(self, width, scale, relu, *branches):
        super().__init__()
        self.branches, self.scale, self.relu = Branches(branches), scale, relu
        mixed = sum(branch[-1][0].out_channels for branch in branches)
        self.up = nn.Conv2d(mixed, width, 1)

    def forward(self, x):
        y = x + self.scale * self.up(self.branches(x))
        return F.relu(y) if self.relu else y


def inception_resnet_v2(channels, classes):
    pool = lambda: nn.MaxPool2d(3, 2)
    mean = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    layers = [chain(channels, (32, 3, 2, 0), (32, 3, 1, 0), (64, 3)), pool(), chain(64, (80, 1), (192, 3, 1, 0)), pool()]
    layers.append(Branches([
        chain(192, (96, 1)), chain(192, (48, 1), (64, 5)), chain(192, (64, 1), (96, 3), (96, 3)),
        nn.Sequential(mean, unit(192, 64, 1))]))
    for _ in range(10):
        layers.append(Mixed(320, 0.17, True, chain(320, (32, 1)), chain(320, (32, 1), (32, 3)),
                            chain(320, (32, 1), (48, 3), (64, 3))))
    layers.append(Branches([
        chain(320, (384, 3, 2, 0)), chain(320, (256, 1), (256, 3), (384, 3, 2, 0)), pool()]))
    for _ in range(20):
        layers.append(Mixed(1088, 0.1, True, chain(1088, (192, 1)),
                            chain(1088, (128, 1), (160, (1, 7)), (192, (7, 1)))))
    layers.append(Branches([
        chain(1088, (256, 1), (384, 3, 2, 0)), chain(1088, (256, 1), (288, 3, 2, 0)),
        chain(1088, (256, 1), (288, 3), (320, 3, 2, 0)), pool()]))
    for block in range(10):
        last = block == 9
        layers.append(Mixed(2080, 1.0 if last else 0.2, not last, chain(2080, (192, 1)),
                            chain(2080, (192, 1), (224, (1, 3)), (256, (3, 1)))))
    return nn.Sequential(*layers, unit(2080, 1536, 1), GlobalMean(), nn.Linear(1536, classes))


def build(name, channels):
    """The network and its number of classes."""
    if name == "cnn":
        return cnn(channels, 10), 10
    if name == "resnet-50":
        return resnet50(channels, 1000), 1000
    if name == "inception-resnet-v2":
        return inception_resnet_v2(channels, 1000), 1000
    _, depth, width = name.split("-")
    return wide_resnet(int(depth), int(width), channels, 10), 10
