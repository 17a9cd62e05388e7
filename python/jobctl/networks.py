"""The networks of jobctl's engine as torch modules, from files of `jobctl checkpoint export`.

    network = jobctl.networks.load("model.safetensors")
    logits = network(pictures)

Modules take batches of pictures with the channels first: (n, channels, height, width). Submodules
have the names of the engine's layers, so a file fits a module name by name.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
from collections import OrderedDict
from typing import Any, List, Tuple, Union

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Path = Union[str, "os.PathLike[str]"]

#: The engine adds it to variances.
_EPSILON = 1e-5


class Network(nn.Module):
    """A network and the metadata of its file. `forward` maps pictures (n, channels, height, width)
    to logits (n, classes)."""

    #: The metadata of the file as texts; empty for a network without a file.
    metadata: dict[str, str]
    #: How files become inputs: `shape` (height, width, channels), `classes`, and one of `pixels`,
    #: `table` and `numbers` (docs/JSON.md); empty for a network without a file.
    inputs: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.metadata, self.inputs = {}, {}


# MARK: Layers


Kernel = Union[int, Tuple[int, int]]
#: Units of one branch, one after the other: outputs and kernel of each.
Branch = List[Tuple[int, Kernel]]


def _convolution(
    inputs: int, outputs: int, kernel: Kernel, stride: int = 1, *, valid: bool = False
) -> nn.Conv2d:
    """A convolution without bias. Padding keeps the size at stride 1; `valid` means no padding."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (0, 0) if valid else ((height - 1) // 2, (width - 1) // 2)
    return nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


def _named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def _mean(x: Tensor) -> Tensor:
    """Means over the pixels: (n, channels)."""
    return x.mean(dim=(2, 3))


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Kernel,
        stride: int = 1,
        *,
        valid: bool = False,
    ):
        super().__init__()
        self.conv = _convolution(inputs, outputs, kernel, stride, valid=valid)
        self.bn = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


# MARK: Small networks


class MLP(Network):
    """Fully connected layers with ReLU between them. The first layer takes the numbers of a picture
    in the engine's order: height, width, channels. Vectors (n, features) are inputs too."""

    def __init__(self, hidden: list[int], shape: tuple[int, int, int], classes: int):
        super().__init__()
        sizes = [math.prod(shape), *hidden, classes]
        for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
            self.add_module(f"fc{i + 1}", nn.Linear(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x
        for i, layer in enumerate(self.children()):
            x = layer(x if i == 0 else F.relu(x))
        return x


class CNN(Network):
    """Three 3x3 convolutions to 16, 32 and 64 channels, the first two pooled by 2, then a global
    mean."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.conv1, self.bn1 = _convolution(channels, 16, 3), _norm(16)
        self.conv2, self.bn2 = _convolution(16, 32, 3), _norm(32)
        self.conv3, self.bn3 = _convolution(32, 64, 3), _norm(64)
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self._pool(F.relu(self.bn1(self.conv1(x))))
        x = self._pool(F.relu(self.bn2(self.conv2(x))))
        x = F.relu(self.bn3(self.conv3(x)))
        y: Tensor = self.fc(_mean(x))
        return y

    def _pool(self, x: Tensor) -> Tensor:
        """Pictures of one pixel in a direction are past pooling."""
        return F.max_pool2d(x, 2) if min(x.shape[2:]) >= 2 else x


# MARK: Wide residual networks


class WideBlock(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv. Where the shape changes, the shortcut is a 1x1 convolution of the
    input after its batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1, self.conv1 = _norm(inputs), _convolution(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = _norm(outputs), _convolution(outputs, outputs, 3)
        changes = stride != 1 or inputs != outputs
        self.shortcut = _convolution(inputs, outputs, 1, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))
        y: Tensor = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return y + (self.shortcut(a) if self.shortcut is not None else x)


class WideResNet(Network):
    """Wide residual network (Zagoruyko and Komodakis 2016) of depth 6n + 4."""

    def __init__(self, depth: int, width: int, channels: int, classes: int):
        super().__init__()
        self.conv0 = _convolution(channels, 16, 3)
        inputs = 16
        for group in (1, 2, 3):
            outputs = 16 * width << (group - 1)
            blocks: dict[str, nn.Module] = {}
            for block in range((depth - 4) // 6):
                stride = 2 if group > 1 and block == 0 else 1
                blocks[f"block{block + 1}"] = WideBlock(inputs, outputs, stride)
                inputs = outputs
            self.add_module(f"group{group}", _named(**blocks))
        self.bn = _norm(inputs)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv0(x)
        for group in (1, 2, 3):
            x = self.get_submodule(f"group{group}")(x)
        y: Tensor = self.fc(_mean(F.relu(self.bn(x))))
        return y


# MARK: ResNet-50


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut. The first block of a stage has a 1x1
    convolution in the shortcut; the stride is in the 3x3 convolution."""

    def __init__(self, inputs: int, channels: int, stride: int, is_first: bool):
        super().__init__()
        outputs = 4 * channels
        self.conv1, self.bn1 = _convolution(inputs, channels, 1), _norm(channels)
        self.conv2, self.bn2 = _convolution(channels, channels, 3, stride), _norm(channels)
        self.conv3, self.bn3 = _convolution(channels, outputs, 1), _norm(outputs)
        self.shortcut = (
            _named(conv=_convolution(inputs, outputs, 1, stride), bn=_norm(outputs))
            if is_first
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (self.shortcut(x) if self.shortcut is not None else x))


class ResNet50(Network):
    """Residual network of 3 + 4 + 6 + 3 bottlenecks (He et al. 2015)."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.stem = Unit(channels, 64, 7, 2)
        inputs = 64
        for stage, count in enumerate((3, 4, 6, 3), start=1):
            width = 64 << (stage - 1)
            blocks: dict[str, nn.Module] = {}
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                blocks[f"block{block + 1}"] = Bottleneck(inputs, width, stride, block == 0)
                inputs = 4 * width
            self.add_module(f"stage{stage}", _named(**blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.stem(x), 3, stride=2, padding=1)
        for stage in (1, 2, 3, 4):
            x = self.get_submodule(f"stage{stage}")(x)
        y: Tensor = self.fc(_mean(x))
        return y


# MARK: Inception-ResNet-V2


class Mixed5b(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b0 = Unit(192, 96, 1)
        self.b1a, self.b1b = Unit(192, 48, 1), Unit(48, 64, 5)
        self.b2a, self.b2b, self.b2c = Unit(192, 64, 1), Unit(64, 96, 3), Unit(96, 96, 3)
        self.b3 = Unit(192, 64, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 192, h, w) -> (n, 320, h, w)"""
        # The mean is over the pixels inside of the picture.
        pooled = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat(
            [self.b0(x), self.b1b(self.b1a(x)), self.b2c(self.b2b(self.b2a(x))), self.b3(pooled)], 1
        )


class Mixed6a(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b0 = Unit(320, 384, 3, 2, valid=True)
        self.b1a, self.b1b = Unit(320, 256, 1), Unit(256, 256, 3)
        self.b1c = Unit(256, 384, 3, 2, valid=True)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 320, h, w) -> (n, 1088, h / 2, w / 2)"""
        return torch.cat([self.b0(x), self.b1c(self.b1b(self.b1a(x))), F.max_pool2d(x, 3, 2)], 1)


class Mixed7a(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b0a, self.b0b = Unit(1088, 256, 1), Unit(256, 384, 3, 2, valid=True)
        self.b1a, self.b1b = Unit(1088, 256, 1), Unit(256, 288, 3, 2, valid=True)
        self.b2a, self.b2b = Unit(1088, 256, 1), Unit(256, 288, 3)
        self.b2c = Unit(288, 320, 3, 2, valid=True)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1088, h, w) -> (n, 2080, h / 2, w / 2)"""
        return torch.cat(
            [
                self.b0b(self.b0a(x)),
                self.b1b(self.b1a(x)),
                self.b2c(self.b2b(self.b2a(x))),
                F.max_pool2d(x, 3, 2),
            ],
            1,
        )


class InceptionBlock(nn.Module):
    """x + scale * up(branches)"""

    def __init__(
        self,
        channels: int,
        branches: list[Branch],
        scale: float,
        relu: bool = True,
    ):
        super().__init__()
        self._scale, self._relu = scale, relu
        self._branches: list[list[str]] = []
        for number, branch in enumerate(branches):
            names: list[str] = []
            inputs = channels
            for place, (outputs, kernel) in enumerate(branch):
                name = f"b{number}" + ("abc"[place] if len(branch) > 1 else "")
                self.add_module(name, Unit(inputs, outputs, kernel))
                names.append(name)
                inputs = outputs
            self._branches.append(names)
        self.up = nn.Conv2d(sum(branch[-1][0] for branch in branches), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        ends = []
        for names in self._branches:
            y = x
            for name in names:
                y = self.get_submodule(name)(y)
            ends.append(y)
        y = x + self._scale * self.up(torch.cat(ends, 1))
        return F.relu(y) if self._relu else y

    @property
    def last_units(self) -> list[Unit]:
        """The last unit of each branch."""
        units = [self.get_submodule(names[-1]) for names in self._branches]
        return [unit for unit in units if isinstance(unit, Unit)]


class InceptionResNetV2(Network):
    """Inception-ResNet-V2 (Szegedy et al. 2016). Pictures have at least 75 pixels a side."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.stem1 = Unit(channels, 32, 3, 2, valid=True)
        self.stem2 = Unit(32, 32, 3, valid=True)
        self.stem3 = Unit(32, 64, 3)
        self.stem4 = Unit(64, 80, 1)
        self.stem5 = Unit(80, 192, 3, valid=True)
        self.mixed5b = Mixed5b()
        self.block35 = _blocks(
            10, 320, [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]], 0.17
        )
        self.mixed6a = Mixed6a()
        self.block17 = _blocks(
            20, 1088, [[(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]], 0.1
        )
        self.mixed7a = Mixed7a()
        last: list[Branch] = [[(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]]
        self.block8 = _blocks(9, 2080, last, 0.2)
        self.block8.add_module("10", InceptionBlock(2080, last, 1, relu=False))
        self.head = Unit(2080, 1536, 1)
        self.fc = nn.Linear(1536, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.stem3(self.stem2(self.stem1(x))), 3, 2)
        x = F.max_pool2d(self.stem5(self.stem4(x)), 3, 2)
        x = self.block35(self.mixed5b(x))
        x = self.block17(self.mixed6a(x))
        x = self.block8(self.mixed7a(x))
        y: Tensor = self.fc(_mean(self.head(x)))
        return y


def _blocks(count: int, channels: int, branches: list[Branch], scale: float) -> nn.Sequential:
    """Blocks with the names 1 to `count`."""
    blocks = {str(i): InceptionBlock(channels, branches, scale) for i in range(1, count + 1)}
    return nn.Sequential(OrderedDict(blocks))


# MARK: Making one


def build(
    network: str | dict[str, Any], shape: tuple[int, int, int] | list[int], classes: int
) -> Network:
    """A network as a grid file names it: "wrn-16-4", or {"name": "mlp", "hidden": [256, 128]}.
    `shape` is (height, width, channels) of a picture. Weights start as the engine's do: normal with
    variance 2 / fan-in in front of a ReLU, and 1 / fan-in elsewhere (torch's generator draws them,
    so they are not the engine's own numbers). Raises ValueError for a name that is none."""
    spec: dict[str, Any] = {"name": network} if isinstance(network, str) else network
    name, (height, width, channels) = spec["name"], shape
    wide = re.fullmatch(r"wrn-(\d+)-(\d+)", name)
    made: Network
    if name == "mlp":
        made = MLP(spec.get("hidden", [256, 128]), (height, width, channels), classes)
    elif name == "cnn":
        made = CNN(channels, classes)
    elif name == "resnet-50":
        made = ResNet50(channels, classes)
    elif name == "inception-resnet-v2":
        made = InceptionResNetV2(channels, classes)
    elif wide and int(wide[1]) >= 10 and int(wide[1]) % 6 == 4:
        made = WideResNet(int(wide[1]), int(wide[2]), channels, classes)
    else:
        raise ValueError(
            f"{name} is no network: mlp, cnn, wrn-DEPTH-WIDTH with DEPTH = 6n + 4, resnet-50, "
            "inception-resnet-v2"
        )
    _initialize(made, zero_gamma=spec.get("zero_gamma", False))
    return made


def _initialize(network: Network, zero_gamma: bool) -> None:
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        # No ReLU follows the last layer, nor a convolution with a bias.
        is_linear = isinstance(layer, nn.Conv2d) and layer.bias is not None
        gain = 1.0 if layer is layers[-1] or is_linear else math.sqrt(2)
        nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for block in network.modules() if zero_gamma else []:
        if isinstance(block, Bottleneck):
            nn.init.zeros_(block.bn3.weight)
        elif isinstance(block, InceptionBlock):
            for unit in block.last_units:
                nn.init.zeros_(unit.bn.weight)


# MARK: Files

_ELEMENTS: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
}


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The arrays of a safetensors file by name, and its metadata. Raises ValueError for a file with
    another layout."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:start])
        metadata: dict[str, str] = header.pop("__metadata__", {})
        arrays = {name: _array(content, start, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{os.fspath(path)} is no safetensors file: {error}") from error
    return arrays, metadata


def _array(content: bytearray, start: int, entry: dict[str, Any]) -> Tensor:
    element, shape = _ELEMENTS[entry["dtype"]], entry["shape"]
    first, end = entry["data_offsets"]
    if end - first != math.prod(shape) * element.itemsize or start + end > len(content):
        raise ValueError("an array has another size than its shape")
    if first == end:
        return torch.empty(shape, dtype=element)
    # A copy: the array may stand at an address that its element is not aligned to.
    piece = content[start + first : start + end]
    return torch.frombuffer(piece, dtype=element).reshape(shape)


def load(path: Path) -> Network:
    """The network of a file that `jobctl checkpoint export` wrote, in eval mode on the CPU. `path`
    is the file, or a folder with one such file. Raises ValueError if the file is no export, or if
    its arrays do not fit its network."""
    path = os.fspath(path)
    if os.path.isdir(path):
        files = sorted(name for name in os.listdir(path) if name.endswith(".safetensors"))
        if len(files) != 1:
            raise ValueError(f"{path} holds {len(files)} safetensors files; name one of them")
        path = os.path.join(path, files[0])
    arrays, metadata = read_safetensors(path)
    if metadata.get("format") != "jobctl model 1":
        raise ValueError(f"{path} is no model; jobctl checkpoint export writes one")
    inputs = json.loads(metadata["inputs"])
    spec = json.loads(metadata["training"])["network"]
    network = build(spec, inputs["shape"], len(inputs["classes"]))
    left = {name for name in arrays if not name.startswith("optimizer.")}
    for target, name, axes in _places(network):
        if name not in left:
            raise ValueError(f"{path} lacks the array {name}")
        array = arrays[name].permute(axes)
        if array.shape != target.shape:
            raise ValueError(
                f"{path}: {name} is {tuple(array.shape)}, and the network's {tuple(target.shape)}"
            )
        with torch.no_grad():
            target.copy_(array)
        left.remove(name)
    if left:
        raise ValueError(f"{path} has arrays that the network has not: {', '.join(sorted(left))}")
    network.metadata, network.inputs = metadata, inputs
    network.eval()
    return network


def _places(network: Network) -> list[tuple[Tensor, str, tuple[int, ...]]]:
    """For each array of the network: its name in the file, and the file's axes in torch's order."""
    places: list[tuple[Tensor, str, tuple[int, ...]]] = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            # Kernel height, kernel width, inputs, outputs -> outputs, inputs, height, width.
            places.append((layer.weight, f"{name}.weight", (3, 2, 0, 1)))
        elif isinstance(layer, nn.Linear):
            places.append((layer.weight, f"{name}.weight", (1, 0)))
        elif isinstance(layer, nn.BatchNorm2d):
            mean, variance = layer.running_mean, layer.running_var
            assert mean is not None and variance is not None
            places.append((layer.weight, f"{name}.gamma", (0,)))
            places.append((layer.bias, f"{name}.beta", (0,)))
            places.append((mean, f"{name}.running_mean", (0,)))
            places.append((variance, f"{name}.running_variance", (0,)))
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
            places.append((layer.bias, f"{name}.bias", (0,)))
    return places


def to_onnx(module: nn.Module, path: Path, input_shape: tuple[int, ...] | list[int]) -> None:
    """Writes the module as an ONNX file for batches of any size. `input_shape` is the shape of one
    sample: (channels, height, width). The names are `input` and `logits`. Raises ImportError
    without the packages onnx and onnxscript."""
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxscript")):
        raise ImportError("to_onnx needs two packages: pip install onnx onnxscript")
    was_training = module.training
    module.eval()
    try:
        # Two samples: an export with one takes the size of the batch for a constant.
        example = torch.zeros(2, *input_shape)
        torch.onnx.export(
            module,
            (example,),
            os.fspath(path),
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    finally:
        module.train(was_training)
