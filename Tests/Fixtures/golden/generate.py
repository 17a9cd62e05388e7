"""Makes the golden values in this folder: operations, update rules, gradient noise and one training
step of whole networks, computed by PyTorch in double precision from the tables of cases below.
`python3 Tests/Fixtures/golden/generate.py FOLDER` writes all files into a folder, and with --check
it compares fresh values with the files there; either takes two minutes on one core.
It was run with Python 3.11.7, PyTorch 2.13.0 (CPU) and numpy 2.4.6.
"""

import argparse
import json
import math
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

ROOT2 = math.sqrt(2)

# ---- Inputs ------------------------------------------------------------------------------------


def fnv1a64(name):
    """The 64-bit FNV-1a hash of a name's UTF-8 bytes."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def splitmix64(name, indices):
    """64 mixed bits for every index, by a counter that starts at the name's hash."""
    z = np.uint64(fnv1a64(name)) + indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """Doubles in [0, 1) with 24 random bits."""
    return (splitmix64(name, np.arange(count)) >> np.uint64(40)).astype(np.float64) / 2**24


def draw(name, shape, a=1.0, b=0.0):
    """Floats, uniform in [b - a, b + a)."""
    return (a * (2 * uniform(name, math.prod(shape)) - 1) + b).astype(np.float32).reshape(shape)


def draw_labels(name, shape, classes):
    """Whole numbers from 0 to classes - 1."""
    return (uniform(name, math.prod(shape)) * classes).astype(np.int64).reshape(shape)


def spec(gen, shape, a=1.0, b=0.0):
    """How a manifest describes a drawn tensor."""
    return {"gen": gen, "shape": list(shape), "a": a, "b": b}


def make(node, step=0):
    """The tensor that a manifest describes."""
    name = node["gen"].replace("<step>", str(step))
    if "classes" in node:
        return draw_labels(name, node["shape"], node["classes"])
    return draw(name, node["shape"], node["a"], node["b"])


def sample_indices(name, count, samples):
    """Distinct flat indices in ascending order, the first and the last among them."""
    chosen = {0, count - 1}
    for u in uniform("index/" + name, 100 * samples):
        if len(chosen) == samples:
            break
        chosen.add(int(u * count))
    return np.array(sorted(chosen), np.int64)


# ---- Files -------------------------------------------------------------------------------------

DTYPES = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "I64": np.dtype("<i8")}


def is_leaf(value):
    """Whether a JSON value is a scalar or a list of scalars."""
    items = value if isinstance(value, list) else [value]
    return not any(isinstance(item, (dict, list)) for item in items)


def render(value, depth=0):
    """JSON text: short objects of leaves on one line, other objects and lists a line a member."""
    line = json.dumps(value)
    if is_leaf(value) or not value:
        return line
    if isinstance(value, dict) and all(map(is_leaf, value.values())) and len(line) <= 400:
        return line
    space = "\n" + " " * (depth + 1)
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}: {render(item, depth + 1)}" for key, item in value.items()]
        return "{" + space + ("," + space).join(rows) + "\n" + " " * depth + "}"
    rows = [render(item, depth + 1) for item in value]
    return "[" + space + ("," + space).join(rows) + "\n" + " " * depth + "]"


def write_safetensors(path, arrays):
    """Arrays by falling element size, then by name; the header is padded to eight bytes."""
    header, blobs, offset = {}, [], 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array = arrays[name]
        dtype = next(key for key, dtype in DTYPES.items() if dtype == array.dtype)
        end = offset + array.nbytes
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, end]}
        blobs.append(np.ascontiguousarray(array).tobytes())
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    """The arrays of a .safetensors file by name."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    arrays = {}
    for name, entry in json.loads(data[8:start]).items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        flat = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"])
    return arrays


# ---- Errors and tolerances ---------------------------------------------------------------------


def norm(values):
    """The Euclidean norm in double precision."""
    return float(np.linalg.norm(np.asarray(values, np.float64)))


def rounded(value):
    """A number with two digits."""
    return float(f"{value:.1e}")


def rounded_up(value):
    """A number with two digits that is at least the given one."""
    digits = 1 - math.floor(math.log10(value))
    return float(f"{math.ceil(value * 10.0**digits - 1e-9)}e{-digits}")


def relative_errors(reference, results):
    """The worst ||result - reference|| / ||reference|| of several results, for every output."""
    return {
        key: max(norm(result[key] - value) / max(norm(value), 1e-300) for result in results)
        for key, value in reference.items()
    }


def with_kernels(fast, run):
    """What a computation gives with PyTorch's fast kernels, or with its plain ones."""
    torch.backends.mkldnn.enabled = fast
    result = run()
    torch.backends.mkldnn.enabled = True
    return result


def both_kernels(run):
    """What a computation gives with either kind of kernels."""
    return [with_kernels(fast, run) for fast in (True, False)]


def operation(suite, name, op, attrs, inputs, reference, errors, floor, note=None):
    """Adds a case to a suite: (its cases, its arrays). `errors` are by kind, then by output."""
    outputs = {}
    for key, value in reference.items():
        entry = {"shape": list(value.shape), "l2": norm(value), "sum": math.fsum(value.flat)}
        entry.update({kind: rounded(found[key]) for kind, found in errors.items()})
        entry["tol"] = rounded_up(max(10 * errors["err_torch32"][key], floor))
        entry["stored"] = "full" if value.size <= 32768 else "samples"
        path = f"{name}/{key}"
        if entry["stored"] == "full":
            suite[1][path] = value if value.size <= 4096 else value.astype(np.float32)
        else:
            index = sample_indices(path, value.size, 64)
            suite[1][path + ".idx"] = index
            suite[1][path + ".val"] = value.reshape(-1)[index]
        outputs[key] = entry
    case = {"name": name, "op": op, "attrs": attrs, "inputs": inputs, "outputs": outputs}
    if note:
        case = {"name": name, "op": op, "note": note, **case}
    suite[0].append(case)


def manifest(name, suite):
    """The manifest of a suite of cases, and its arrays."""
    return {"format": 1, "suite": name, "cases": suite[0]}, suite[1]


def tensors(inputs, dtype):
    """The inputs of a case; labels stay whole numbers, all others can have gradients."""
    made = {}
    for key, node in inputs.items():
        tensor = torch.tensor(make(node))
        made[key] = tensor if key == "labels" else tensor.to(dtype).requires_grad_()
    return made


def channels_first(x):
    """An NHWC tensor as NCHW; others as they are."""
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def stored_order(y):
    """The other way, as a numpy array in double precision."""
    y = y.detach().double()
    return (y.permute(0, 2, 3, 1) if y.ndim == 4 else y).contiguous().numpy()


# ---- Convolutions ------------------------------------------------------------------------------

# Kernel, stride, padding, bias; then (n, h, w, c, k) of every case.
CONVOLUTIONS = [
    ((3, 3), 1, (1, 1), False, [
        (2, 32, 32, 3, 16), (1, 32, 32, 16, 64), (1, 32, 32, 64, 64), (4, 8, 8, 64, 64),
        (3, 7, 7, 64, 64), (2, 5, 5, 64, 64), (2, 8, 8, 256, 256), (3, 13, 9, 16, 16),
        (2, 6, 11, 17, 33), (2, 4, 4, 5, 7), (3, 1, 1, 8, 8), (2, 2, 3, 4, 4), (1, 9, 9, 1, 1)]),
    ((3, 3), 1, (1, 1), True, [(2, 14, 14, 16, 32)]),
    ((3, 3), 2, (1, 1), False, [
        (2, 16, 16, 16, 32), (2, 7, 7, 16, 32), (2, 15, 11, 32, 24), (2, 8, 8, 64, 128)]),
    ((1, 1), 1, (0, 0), False, [(2, 8, 8, 64, 128), (3, 7, 5, 19, 10)]),
    ((1, 1), 2, (0, 0), False, [(2, 8, 8, 32, 64), (2, 7, 7, 32, 64)]),
    ((7, 7), 2, (3, 3), False, [(1, 64, 64, 3, 64), (2, 19, 21, 3, 16)]),
    ((1, 7), 1, (0, 3), False, [(2, 9, 9, 32, 40)]),
    ((7, 1), 1, (3, 0), False, [(2, 9, 9, 40, 48)]),
    ((1, 3), 1, (0, 1), False, [(2, 4, 3, 24, 28)]),
    ((3, 1), 1, (1, 0), False, [(2, 4, 3, 28, 32)]),
    ((3, 3), 1, (0, 0), False, [(2, 11, 11, 16, 32), (2, 12, 10, 8, 12)]),
    ((3, 3), 2, (0, 0), False, [(2, 15, 15, 3, 32), (2, 8, 8, 24, 24)]),
    ((5, 5), 1, (2, 2), False, [(2, 15, 15, 24, 32)]),
    ((5, 5), 1, (0, 0), True, [(2, 28, 28, 1, 6)]),
]


class Winograd:
    """Convolution by F(M x M, 3 x 3) where kernel and stride allow it, also backward."""

    def __init__(self, m):
        points = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5][: m + 1]
        size = m + 2

        def vandermonde(columns):
            rows = [[point**k for k in range(columns)] for point in points]
            return np.array(rows + [[0.0] * (columns - 1) + [1.0]])

        scale = [math.prod(p - q for q in points if q != p) for p in points] + [1.0]
        inverse = np.linalg.inv(vandermonde(size)).T
        self.m, self.size = m, size
        self.data = torch.tensor(inverse * np.array(scale)[:, None], dtype=torch.float32)
        self.kernel = torch.tensor(vandermonde(3) / np.array(scale)[:, None], dtype=torch.float32)
        self.out = torch.tensor(vandermonde(m).T, dtype=torch.float32)

    def __call__(self, x, w, stride, pad):
        if tuple(w.shape[2:]) == (3, 3) and stride == 1:
            return WinogradConvolution.apply(x, w, self, pad)
        return F.conv2d(x, w, None, stride, pad)

    def seen(self, x, pad):
        """Transformed tiles of the input: [position][channel][tile]; and the tiles' counts."""
        height, width = x.shape[2] + 2 * pad[0] - 2, x.shape[3] + 2 * pad[1] - 2
        rows, columns = -(-height // self.m), -(-width // self.m)
        x = F.pad(x, (
            pad[1], columns * self.m + 2 - x.shape[3] - pad[1],
            pad[0], rows * self.m + 2 - x.shape[2] - pad[0]))
        tiles = x.unfold(2, self.size, self.m).unfold(3, self.size, self.m)
        v = self.data @ tiles @ self.data.T
        v = v.permute(4, 5, 1, 0, 2, 3).reshape(self.size**2, x.shape[1], -1)
        return v, (height, width, rows, columns)

    def forward(self, x, w, pad):
        v, (height, width, rows, columns) = self.seen(x, pad)
        u = (self.kernel @ w @ self.kernel.T).permute(2, 3, 0, 1).reshape(-1, *w.shape[:2])
        y = (u @ v).reshape(self.size, self.size, len(w), len(x), rows, columns)
        y = self.out @ y.permute(3, 2, 4, 5, 0, 1) @ self.out.T
        y = y.permute(0, 1, 2, 4, 3, 5).reshape(*y.shape[:2], rows * self.m, columns * self.m)
        return y[:, :, :height, :width].contiguous()

    def weight_gradient(self, x, dy, pad):
        v, (height, width, rows, columns) = self.seen(x, pad)
        dy = F.pad(dy, (0, columns * self.m - width, 0, rows * self.m - height))
        dy = dy.unfold(2, self.m, self.m).unfold(3, self.m, self.m)
        d = self.out.T @ dy @ self.out
        d = d.permute(4, 5, 1, 0, 2, 3).reshape(self.size**2, dy.shape[1], -1)
        du = (d @ v.transpose(1, 2)).reshape(self.size, self.size, dy.shape[1], x.shape[1])
        return self.kernel.T @ du.permute(2, 3, 0, 1) @ self.kernel


class WinogradConvolution(torch.autograd.Function):
    """Winograd's convolution for automatic differentiation."""

    @staticmethod
    def forward(context, x, w, winograd, pad):
        context.save_for_backward(x, w)
        context.winograd, context.pad = winograd, pad
        return winograd.forward(x, w, pad)

    @staticmethod
    def backward(context, dy):
        x, w = context.saved_tensors
        turned = w.flip(2, 3).transpose(0, 1)
        dx = context.winograd.forward(dy, turned, (2 - context.pad[0], 2 - context.pad[1]))
        return dx, context.winograd.weight_gradient(x, dy, context.pad), None, None


WINOGRADS = {f"err_winograd{m}": Winograd(m) for m in (2, 4, 6)}


def plain_convolution(x, w, stride, pad):
    """PyTorch's convolution without a bias."""
    return F.conv2d(x, w, None, stride, pad)


def convolution(inputs, attrs, dtype, convolve=plain_convolution):
    """y, dx, dw and db of a case."""
    made = tensors(inputs, dtype)
    x, w = channels_first(made["x"]), made["w"].permute(3, 2, 0, 1)
    y = convolve(x, w, attrs["stride"][0], attrs["pad"])
    if "b" in made:
        y = y + made["b"].view(-1, 1, 1)
    y.backward(channels_first(made["dy"].detach()))
    found = {"y": stored_order(y)}
    for key, name in (("dx", "x"), ("dw", "w"), ("db", "b")):
        if name in made:
            found[key] = made[name].grad.double().numpy()
    return found


def make_conv2d():
    """The suite of convolutions."""
    suite = ([], {})
    for kernel, stride, pad, bias, shapes in CONVOLUTIONS:
        for n, h, w, c, k in shapes:
            name = f"n{n}_{h}x{w}_c{c}_k{k}_f{kernel[0]}x{kernel[1]}_s{stride}{stride}"
            name += f"_p{pad[0]}{pad[1]}" + ("_bias" if bias else "")
            out = [(s + 2 * p - f) // stride + 1 for s, p, f in zip((h, w), pad, kernel)]
            attrs = {
                "n": n, "h": h, "w": w, "c": c, "k": k, "kernel": list(kernel),
                "stride": [stride, stride], "pad": list(pad), "bias": bias, "out": out}
            scale = math.sqrt(3 / (kernel[0] * kernel[1] * c)) * ROOT2
            path = f"conv2d/{name}/"
            inputs = {
                "x": spec(path + "x", [n, h, w, c]), "w": spec(path + "w", [*kernel, c, k], scale)}
            if bias:
                inputs["b"] = spec(path + "b", [k], 0.5)
            inputs["dy"] = spec(path + "dy", [n, *out, k])
            reference = convolution(inputs, attrs, torch.float64)
            plain = both_kernels(lambda: convolution(inputs, attrs, torch.float32))
            errors = {"err_torch32": relative_errors(reference, plain)}
            winograd = kernel == (3, 3) and stride == 1
            for kind, convolve in WINOGRADS.items() if winograd else ():
                found = convolution(inputs, attrs, torch.float32, convolve)
                errors[kind] = relative_errors(reference, [found])
            floor = 2e-5 if winograd else 3e-6
            operation(suite, name, "conv2d", attrs, inputs, reference, errors, floor)
    return manifest("conv2d", suite)


# ---- Batch norm --------------------------------------------------------------------------------

# (n, h, w, c, ghost), then what differs from the ordinary case; h and w are None for vectors.
BATCH_NORMS = [
    *[(shape, {}) for shape in (
        (8, 8, 8, 16, 4), (8, 7, 5, 3, 2), (6, 4, 4, 64, 3), (4, 5, 5, 10, 4), (12, 3, 3, 33, 4),
        (16, 1, 1, 32, 4), (32, None, None, 24, 8), (16, 16, 16, 16, 8), (4, 8, 8, 16, 1))],
    ((8, 6, 6, 16, 4), {"eps": 1e-3, "momentum": 0.01}),
    ((8, 6, 6, 16, 4), {"x": (0.003, 0.0), "note": "variance comparable to eps"}),
    ((8, 6, 6, 16, 4), {
        "x": (1.0, 100.0),
        "note": "large mean, small variance: a one-pass E[x^2]-E[x]^2 in float32 fails here"}),
    *[(shape, {"relu": True}) for shape in (
        (8, 8, 8, 16, 4), (6, 7, 5, 19, 3), (4, 4, 4, 64, 2), (16, 1, 1, 32, 4))],
]


def batch_norm(inputs, attrs, dtype):
    """Everything that a training pass by ghost batches, and inference after it, give."""
    made = tensors(inputs, dtype)
    gamma, beta = made["gamma"], made["beta"]
    mean, variance = made["running_mean"].detach().clone(), made["running_var"].detach().clone()
    eps, ghost = attrs["eps"], attrs["ghost"]
    activation = torch.relu if attrs["relu"] else lambda y: y
    x = channels_first(made["x"])
    axes = [axis for axis in range(x.ndim) if axis != 1]
    parts, means, variances = [], [], []
    for part in x.split(ghost):
        y = F.batch_norm(part, mean, variance, gamma, beta, True, attrs["momentum"], eps)
        parts.append(activation(y))
        means.append(part.mean(axes))
        variances.append(part.var(axes, unbiased=False))
    y = torch.cat(parts)
    y.backward(channels_first(made["dy"].detach()))
    inference = activation(F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, eps))
    found = {
        "y": y, "dx": channels_first(made["x"].grad), "dgamma": gamma.grad, "dbeta": beta.grad,
        "batch_mean": torch.stack(means), "batch_var": torch.stack(variances),
        "running_mean_after": mean, "running_var_after": variance, "y_inference": inference}
    return {key: stored_order(value) for key, value in found.items()}


def make_batchnorm():
    """The suite of batch norms."""
    suite = ([], {})
    for (n, h, w, c, ghost), special in BATCH_NORMS:
        image = [] if h is None else [h, w]
        eps, momentum = special.get("eps", 1e-5), special.get("momentum", 0.1)
        a, b = special.get("x", (1.0, 0.0))
        relu = special.get("relu", False)
        name = f"n{n}_" + (f"{h}x{w}_" if image else "") + f"c{c}_g{ghost}"
        name += f"_eps{eps:g}_m{momentum:g}" if "eps" in special else ""
        name += f"_x{a:g}_{b:g}" if "x" in special else ""
        name += "_relu" if relu else ""
        attrs = {"n": n, **({"h": h, "w": w} if image else {}), "c": c, "ghost": ghost}
        attrs.update({"eps": eps, "momentum": momentum, "relu": relu})
        path = f"batchnorm/{name}.0/"
        inputs = {
            "x": spec(path + "x", [n, *image, c], a, b),
            "gamma": spec(path + "gamma", [c], 0.5, 1.0),
            "beta": spec(path + "beta", [c], 0.2),
            "running_mean": spec(path + "running_mean", [c], 0.5),
            "running_var": spec(path + "running_var", [c], 0.5, 1.0),
            "dy": spec(path + "dy", [n, *image, c])}
        reference = batch_norm(inputs, attrs, torch.float64)
        found = both_kernels(lambda: batch_norm(inputs, attrs, torch.float32))
        errors = {"err_torch32": relative_errors(reference, found)}
        note = special.get("note")
        operation(
            suite, name, "ghost_batch_norm", attrs, inputs, reference, errors, 2e-6, note)
    return manifest("batchnorm", suite)


# ---- Other layers ------------------------------------------------------------------------------

# (n, h, w, c, kernel, stride, padding)
MAX_POOLS = [
    (2, 16, 16, 16, 3, 2, 1), (2, 7, 9, 19, 3, 2, 1), (3, 8, 8, 16, 2, 2, 0),
    (2, 15, 15, 8, 3, 2, 0), (2, 8, 6, 8, 3, 2, 0), (2, 9, 9, 4, 3, 2, 1)]
AVERAGE_POOLS = [(3, 8, 8, 16, 2, 2, 0), (2, 7, 5, 19, 3, 1, 1), (2, 9, 9, 16, 3, 2, 1)]
GLOBAL_MEANS = [(4, 8, 8, 64), (3, 7, 5, 37)]
# (n, inputs, outputs, bias)
LINEARS = [(16, 784, 256, True), (4, 256, 10, True), (3, 37, 19, False), (1, 64, 1000, True)]
# (n, classes, label smoothing, scale of the logits, their mean)
SOFTMAXES = [
    *[(n, k, e, a, 0.0) for n, k, a in ((8, 10, 3.0), (4, 1000, 5.0), (6, 10, 200.0))
      for e in (0.0, 0.1)],
    (5, 7, 0.0, 2.0, 500.0)]


def run_layer(op, inputs, attrs, dtype):
    """The outputs of a pool, a linear layer or the loss."""
    made = tensors(inputs, dtype)
    if op == "softmax_cross_entropy":
        logits, labels, smoothing = made["logits"], made["labels"], attrs["label_smoothing"]
        each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        each.mean().backward()
        found = {
            "loss": each.mean().view(1), "loss_each": each, "dlogits": logits.grad,
            "probabilities": torch.softmax(logits, 1)}
        return {key: stored_order(value) for key, value in found.items()}
    x = channels_first(made["x"])
    if op == "linear":
        y = x @ made["w"] + made["b"] if "b" in made else x @ made["w"]
    elif op == "global_avg_pool":
        y = x.mean((2, 3))
    elif op == "max_pool":
        y = F.max_pool2d(x, attrs["kernel"], attrs["stride"], attrs["pad"])
    else:
        y = F.avg_pool2d(
            x, attrs["kernel"], attrs["stride"], attrs["pad"], count_include_pad=False)
    y.backward(channels_first(made["dy"].detach()))
    found = {"y": stored_order(y)}
    for key, name in (("dx", "x"), ("dw", "w"), ("db", "b")):
        if name in made:
            found[key] = made[name].grad.double().numpy()
    return found


def layer_case(suite, op, name, attrs, inputs, note=None):
    """Adds a pool, a linear layer or a loss. Inputs are (shape, a, b) or (shape, classes)."""
    nodes = {}
    for key, (shape, *rest) in inputs.items():
        gen = f"layers/{name}/{key}"
        if len(rest) == 1:
            nodes[key] = {"gen": gen, "shape": list(shape), "classes": rest[0]}
        else:
            nodes[key] = spec(gen, shape, *rest)
    reference = run_layer(op, nodes, attrs, torch.float64)
    found = both_kernels(lambda: run_layer(op, nodes, attrs, torch.float32))
    errors = {"err_torch32": relative_errors(reference, found)}
    operation(suite, name, op, attrs, nodes, reference, errors, 2e-6, note)


def pool_cases(suite):
    """Pools; the last max pool has whole numbers from 0 to 2, so that many maxima are equal."""
    for op, table in (("max_pool", MAX_POOLS), ("avg_pool", AVERAGE_POOLS)):
        for n, h, w, c, kernel, stride, pad in table:
            ties = op == "max_pool" and c == 4
            name = f"{op}{'_ties' if ties else ''}_n{n}_{h}x{w}_c{c}_f{kernel}_s{stride}_p{pad}"
            out = [(side + 2 * pad - kernel) // stride + 1 for side in (h, w)]
            attrs = {"n": n, "h": h, "w": w, "c": c, "kernel": kernel, "stride": stride}
            attrs.update({"pad": pad, "out": out})
            if op == "avg_pool":
                name += "_padskipped"
                attrs["count_include_pad"] = False
            inputs = {"x": ([n, h, w, c], 3) if ties else ([n, h, w, c], 1.0, 0.0)}
            inputs["dy"] = ([n, *out, c], 1.0, 0.0)
            note = (
                "x = Float(floor(u*3)), full of ties: the whole gradient of a window goes to its "
                "first maximum in row-major order; dx is advisory, y is not")
            layer_case(suite, op, name, attrs, inputs, note if ties else None)
    for n, h, w, c in GLOBAL_MEANS:
        name, attrs = f"global_avg_pool_n{n}_{h}x{w}_c{c}", {"n": n, "h": h, "w": w, "c": c}
        inputs = {"x": ([n, h, w, c], 1.0, 0.0), "dy": ([n, c], 1.0, 0.0)}
        layer_case(suite, "global_avg_pool", name, attrs, inputs)


def make_layers():
    """The suite of pools, linear layers and losses."""
    suite = ([], {})
    pool_cases(suite)
    for n, size, outputs, bias in LINEARS:
        name = f"linear_n{n}_i{size}_o{outputs}" + ("" if bias else "_nobias")
        attrs = {"n": n, "in": size, "out": outputs, "bias": bias}
        scale = math.sqrt(3 / size) * ROOT2
        inputs = {"x": ([n, size], 1.0, 0.0), "w": ([size, outputs], scale, 0.0)}
        if bias:
            inputs["b"] = ([outputs], 0.5, 0.0)
        inputs["dy"] = ([n, outputs], 1.0, 0.0)
        layer_case(suite, "linear", name, attrs, inputs)
    for n, classes, smoothing, a, b in SOFTMAXES:
        name = f"softmax_ce_n{n}_k{classes}_ls{smoothing:g}_a{a:g}" + (f"_b{b:g}" if b else "")
        attrs = {"n": n, "classes": classes, "label_smoothing": smoothing}
        inputs = {"logits": ([n, classes], a, b), "labels": ([n], classes)}
        layer_case(suite, "softmax_cross_entropy", name, attrs, inputs)
    return manifest("layers", suite)


# ---- Optimizers --------------------------------------------------------------------------------

STEPS = 20
# Kind: (rate, rate from step 8 where it changes), other attributes, what changes in its cases.
OPTIMIZERS = {
    "sgd": ((0.1, 0.02), None, {}, ["", "lr"]),
    "momentum": ((0.05, 0.01), "momentum", {}, ["", "lr_m"]),
    "nesterov": ((0.05, 0.01), "momentum", {}, ["", "lr_m"]),
    "adam": ((0.01, 0.002), "beta1", {"beta2": 0.999, "eps": 1e-8}, ["", "lr", "lr_m"]),
    "lars": ((20.0, 5.0), "momentum", {"trust": 0.001}, ["", "lr_m"]),
}


def scheduled(attrs, key, step):
    """The value of a schedule [[first step, value], ...] in a step."""
    return [value for first, value in attrs[key] if first <= step][-1]


def trajectory(attrs, init, grads):
    """The weights after every step, of one tensor."""
    w, kind, decay = init.clone(), attrs["kind"], attrs["weight_decay"]
    v, q, path = torch.zeros_like(w), torch.zeros_like(w), []
    for step, g in enumerate(grads):
        lr = scheduled(attrs, "lr", step)
        if kind == "lars":
            local = attrs["trust"] * w.norm() / (g.norm() + decay * w.norm())
            v = scheduled(attrs, "momentum", step) * v + local * (g + decay * w)
            w = w - lr * v
        elif kind == "adam":
            g = g + decay * w
            b1, b2 = scheduled(attrs, "beta1", step), attrs["beta2"]
            v, q = b1 * v + (1 - b1) * g, b2 * q + (1 - b2) * g * g
            average, square = v / (1 - b1 ** (step + 1)), q / (1 - b2 ** (step + 1))
            w = w - lr * average / (square.sqrt() + attrs["eps"])
        else:
            g = g + decay * w
            m = scheduled(attrs, "momentum", step) if kind != "sgd" else 0.0
            v = m * v + g
            w = w - lr * (g + m * v if kind == "nesterov" else v)
        path.append(w)
    return torch.stack(path).double().numpy()


def optimizer_attrs(kind, decay, change):
    """The attributes of a case: `change` says whether rate and momentum change on the way."""
    (rate, later), average, more, _ = OPTIMIZERS[kind]
    attrs = {"kind": kind, "steps": STEPS, "weight_decay": decay}
    attrs["lr"] = [[0, rate]] + ([[8, later]] if change else [])
    if average:
        attrs[average] = [[0, 0.9]] + ([[13, 0.5]] if change == "lr_m" else [])
    return {**attrs, **more}


def make_optimizers():
    """The suite of update rules."""
    suite, inputs = ([], {}), {}
    for name, count in (("w", 37), ("b", 5)):
        inputs["init." + name] = spec(f"optimizer/init/{name}", [count])
        inputs["grad." + name] = spec(f"optimizer/grad/{name}/<step>", [count])

    def run(attrs, dtype):
        return {
            name: trajectory(
                attrs, torch.tensor(make(inputs["init." + name])).to(dtype),
                [torch.tensor(make(inputs["grad." + name], step)).to(dtype)
                 for step in range(STEPS)])
            for name in ("w", "b")}

    for kind, (_, _, _, changes) in OPTIMIZERS.items():
        for decay in (0.0, 0.0005):
            for change in changes:
                name = f"{kind}_wd{decay:g}" + (f"_change_{change}" if change else "")
                attrs = optimizer_attrs(kind, decay, change)
                reference = run(attrs, torch.float64)
                found = both_kernels(lambda: run(attrs, torch.float32))
                errors = {"err_torch32": relative_errors(reference, found)}
                operation(suite, name, "optimizer", attrs, inputs, reference, errors, 1e-6)
    return manifest("optimizers", suite)


# ---- Gradient noise ----------------------------------------------------------------------------

# Name: dimension, ghost batches, ghost size, steps, scales of the mean and of the noise.
NOISES = {
    "plain": (1000, 8, 16, 1, 0.1, 0.3),
    "two_ghosts": (257, 2, 32, 1, 0.5, 0.2),
    "noise_dominated": (500, 4, 8, 6, 0.005, 1.0),
    "sequence": (400, 8, 32, 40, 0.1, 0.5),
}


def noise_estimates(ghosts, size):
    """Squared norms and estimates from ghost gradients [step][ghost batch][element]."""
    count = ghosts.shape[1]
    batch = count * size
    squares = (ghosts * ghosts).sum(2)
    total = (ghosts.mean(1) ** 2).sum(1)
    mean = squares.mean(1)
    return {
        "ghost_sq_norms": squares, "total_sq_norm": total, "mean_ghost_sq_norm": mean,
        "g2_estimate": (batch * total - size * mean) / (batch - size),
        "s_estimate": (mean - total) / (1 / size - 1 / batch)}


def make_noise_scale():
    """The suite of gradient noise scales."""
    cases, arrays = [], {}
    for name, (dim, count, size, steps, mean_scale, noise_scale) in NOISES.items():
        inputs = {
            "mean": spec(f"noise/{name}/mean", [dim], mean_scale),
            "noise": spec(f"noise/{name}/noise/<step>", [count, dim], noise_scale)}
        mean = make(inputs["mean"])
        ghosts = np.stack([mean + make(inputs["noise"], step) for step in range(steps)])
        found = noise_estimates(ghosts.astype(np.float64), size)
        single = noise_estimates(ghosts, size)
        unit = found["mean_ghost_sq_norm"]
        error = max(
            (np.abs(single["g2_estimate"] - found["g2_estimate"]) / unit).max(),
            (np.abs(single["s_estimate"] - found["s_estimate"]) / (size * unit)).max())
        g2, s = found["g2_estimate"].mean(), found["s_estimate"].mean()
        cases.append({
            "name": name,
            "attrs": {
                "dim": dim, "ghost_batches": count, "ghost_size": size, "batch": count * size,
                "steps": steps},
            "inputs": inputs,
            "true_g2": norm(mean) ** 2, "true_s": size * dim * noise_scale**2 / 3,
            "mean_g2_estimate": float(g2), "mean_s_estimate": float(s),
            "noise_scale_of_means": float(s / g2),
            "err_float32": rounded(error), "tol": rounded_up(max(10 * error, 2e-6))})
        arrays.update({f"{name}/{key}": value for key, value in found.items()})
    return {"format": 1, "suite": "noise_scale", "cases": cases}, arrays


# ---- The generator itself ----------------------------------------------------------------------

VECTOR_NAMES = ["", "a", "x", "conv2d/example/w", "größe", "wrn-16-4/fc.weight"]
VECTOR_INDICES = [0, 1, 2, 3, 1000, 65537, 2**32]


def make_generator():
    """Test vectors of the generator, without arrays."""
    vectors = []
    for name in VECTOR_NAMES:
        values = []
        for i, z in zip(VECTOR_INDICES, splitmix64(name, np.array(VECTOR_INDICES)).tolist()):
            values.append({"i": i, "z": f"{z:016x}", "u24": z >> 40, "u": (z >> 40) / 2**24})
        vectors.append({"name": name, "fnv1a64": f"{fnv1a64(name):016x}", "values": values})
    scaled = []
    for node in (
            spec("conv2d/example/w", [3, 3, 16, 4], math.sqrt(3 / 144) * ROOT2),
            spec("example/gamma", [8], 0.5, 1.0), spec("example/beta", [8], 0.2),
            spec("example/x", [8])):
        flat = make(node).reshape(-1)
        first = flat[:16]
        scaled.append({
            **node, "first": [float(value) for value in first],
            "first_bits": [f"{bits:08x}" for bits in first.view(np.uint32)],
            "sum_all": float(flat.astype(np.float64).sum())})
    labels = {"gen": "example/labels", "shape": [16], "classes": 10}
    scaled.append({**labels, "first": make(labels).tolist()})
    return {"format": 1, "suite": "generator", "vectors": vectors, "scaled": scaled}, None


# ---- Networks ----------------------------------------------------------------------------------

# ReLU inputs and pool decisions near their edge would make gradients depend on single rounding
# errors. Vectors in front of ReLUs are therefore moved: by nothing where no input is nearer to zero
# than MARGIN, otherwise by the least shift that keeps this distance, or by the best one where none
# does; at most by a limit. In front of max pools, channels of weights are drawn again instead.
MARGIN = 0.01

# Moved values so close to the middle between two floats that the order of sums would decide.
MOVED = {("inception-resnet-v2/block17.4.b1c.bn.beta", 108): -0.0670437291264534}


class Parameter:
    """Drawn values; channels with a salt are drawn under another name."""

    def __init__(self, gen, shape, a, b):
        self.gen, self.shape, self.a, self.b = gen, shape, a, b
        self.salts = np.zeros(shape[-1], np.int64)
        self.draw()

    def draw(self):
        self.moved = False
        self.value = draw(self.gen, self.shape, self.a, self.b)
        for salt in sorted(set(self.salts.tolist()) - {0}):
            other = draw(f"{self.gen}~{salt}", self.shape, self.a, self.b)
            self.value[..., self.salts == salt] = other[..., self.salts == salt]

    def move(self, shifts, scale):
        """Adds shifts of what the network sees, which is the value times a scale."""
        value = (self.value.astype(np.float64) * scale + shifts) / scale
        self.value, self.moved = value.astype(np.float32), True
        for (gen, index), stated in MOVED.items():
            if gen == self.gen:
                self.value[index] = stated

    def described(self, name):
        """Its entry in the manifest."""
        if self.moved:
            return {"name": name, "shape": self.shape, "stored": f"param/{name}"}
        entry = {"name": name, "shape": self.shape, "gen": self.gen, "a": self.a, "b": self.b}
        return {**entry, "salts": self.salts.tolist()} if self.salts.any() else entry


class Network:
    """A network's body, its hyperparameters, and what its first pass finds out about it."""

    def __init__(self, name, model, body, attrs):
        self.name, self.model, self.body, self.attrs = name, model, body, attrs
        self.parameters, self.norms = {}, {}
        self.inputs = {
            "x": spec(name + "/x", [attrs["batch"], *attrs["input"]]),
            "labels": {
                "gen": name + "/labels", "shape": [attrs["batch"]], "classes": attrs["classes"]}}
        self.x, self.labels = make(self.inputs["x"]), torch.tensor(make(self.inputs["labels"]))


def pool_gaps(x, side, stride, pad):
    """How far every channel's maxima are above the next value of their window, at least."""
    x = F.pad(x, (pad,) * 4, value=-1.0)
    windows = x.unfold(2, side, stride).unfold(3, side, stride).flatten(4).topk(2, 4).values
    gaps = windows[..., 0] - windows[..., 1].clamp(min=0)
    return gaps.masked_fill(windows[..., 0] <= 0, math.inf).amin((0, 2, 3))


class Pass:
    """One pass through a network, forward; the first pass makes the parameters it comes upon."""

    def __init__(self, network, values, dtype=torch.float64, convolve=plain_convolution,
                 running=None):
        self.network, self.attrs, self.values = network, network.attrs, values
        self.dtype, self.convolve, self.running = dtype, convolve, running
        self.statistics, self.trace, self.decisions = {}, [], []
        self.count, self.least, self.gap = 0, math.inf, math.inf

    def parameter(self, name, shape, a, b=0.0):
        made = self.network.parameters
        if name not in made:
            made[name] = Parameter(f"{self.network.name}/{name}", shape, a, b)
        if name not in self.values:
            self.values[name] = torch.tensor(made[name].value).to(self.dtype)
        return self.values[name]

    def traced(self, name, y):
        """Remembers shape, norm and sum of a layer's output."""
        values = y.detach().double()
        shape = [y.shape[i] for i in ((0, 2, 3, 1) if y.ndim == 4 else range(y.ndim))]
        self.trace.append((name, shape, values.norm().item(), values.sum().item()))
        return y

    def conv(self, name, x, filters, kernel, stride=1, pad=None, gain=ROOT2):
        shape = [*kernel, x.shape[1], filters]
        scale = math.sqrt(3 / math.prod(shape[:3])) * gain
        w = self.parameter(name + ".weight", shape, scale).permute(3, 2, 0, 1)
        pad = (kernel[0] // 2, kernel[1] // 2) if pad is None else (pad, pad)
        return self.convolve(x, w, stride, pad)

    def traced_conv(self, name, *arguments):
        return self.traced(name, self.conv(name, *arguments))

    def norm(self, name, x, gamma=(0.5, 1.0)):
        """Ghost batch norm in training, otherwise the running statistics."""
        channels, eps, momentum = x.shape[1], self.attrs["bn_eps"], self.attrs["bn_momentum"]
        self.network.norms[name] = channels
        gamma = self.parameter(name + ".gamma", [channels], *gamma)
        beta = self.parameter(name + ".beta", [channels], 0.2)
        if self.running:
            return F.batch_norm(x, *self.running[name], gamma, beta, False, 0.0, eps)
        mean, variance = torch.zeros(channels).to(self.dtype), torch.ones(channels).to(self.dtype)
        self.statistics[name] = (mean, variance)
        return torch.cat([
            F.batch_norm(part, mean, variance, gamma, beta, True, momentum, eps)
            for part in x.split(self.attrs["ghost"])])

    def relu(self, name, x, moves, scale=1.0, limit=0.15):
        """`moves` is the vector whose shift times the scale shifts x, by the limit at most."""
        self.count += x.numel()
        self.least = min(self.least, x.detach().abs().min().item())
        self.decisions.append(x.detach() > 0)
        return self.traced(name, torch.relu(x))

    def max_pool(self, name, x, side, redraws, gap, pad=0):
        """`redraws` is the weights whose channels have to be drawn until the gap is kept."""
        self.gap = min(self.gap, pool_gaps(x.detach(), side, 2, pad).min().item())
        y, places = F.max_pool2d(x, side, 2, pad, return_indices=True)
        self.decisions.append(places)
        return self.traced(name, y) if name else y

    def linear(self, name, x, outputs, gain=1.0):
        scale = math.sqrt(3 / x.shape[1]) * gain
        w = self.parameter(name + ".weight", [x.shape[1], outputs], scale)
        return x @ w + self.parameter(name + ".bias", [outputs], 0.1)

    def unit(self, conv, norm, x, filters, kernel, stride=1, pad=None, name=None):
        """Convolution, batch norm, ReLU."""
        y = self.norm(norm, self.traced_conv(conv, x, filters, kernel, stride, pad))
        return self.relu(name or norm, y, norm + ".beta")

    def classified(self, x):
        """Global average and the last linear layer."""
        return self.linear("fc", self.traced("pool", x.mean((2, 3))), self.attrs["classes"])


class Redrawn(Exception):
    """Channels of weights were drawn again, so that the pass has to begin again."""


def best_shift(kinks, limit):
    """The shift by at most the limit that keeps away from the kinks: see MARGIN."""
    if np.abs(kinks).min() >= MARGIN:
        return 0.0
    kinks = np.sort(kinks)
    middles, rooms = (kinks[1:] + kinks[:-1]) / 2, (kinks[1:] - kinks[:-1]) / 2
    inside = np.abs(middles) <= limit
    shifts = np.append(middles[inside], [limit, -limit])
    rooms = np.append(rooms[inside], [np.abs(kinks - end).min() for end in (limit, -limit)])
    wide = rooms >= MARGIN
    return shifts[wide][np.abs(shifts[wide]).argmin()] if wide.any() else shifts[rooms.argmax()]


class AdjustingPass(Pass):
    """A pass that moves vectors in front of ReLUs and draws weights in front of pools again."""

    def relu(self, name, x, moves, scale=1.0, limit=0.15):
        parameter = self.network.parameters[moves]
        before = parameter.value.astype(np.float64)
        channels = x.transpose(0, 1).flatten(1).numpy()
        shifts = np.array([best_shift(-channel, limit) for channel in channels])
        parameter.move(shifts, scale)
        moved = torch.tensor(scale * (parameter.value - before))
        return super().relu(name, x + moved.view(-1, *[1] * (x.ndim - 2)), moves, scale, limit)

    def max_pool(self, name, x, side, redraws, gap, pad=0):
        close = (pool_gaps(x, side, 2, pad) < gap).numpy()
        if close.any():
            self.network.parameters[redraws].salts[close] += 1
            raise Redrawn
        return super().max_pool(name, x, side, redraws, gap, pad)


def adjust(network):
    """Settles all parameters of a network."""
    x = channels_first(torch.tensor(network.x).double())
    with torch.no_grad():
        while True:
            for parameter in network.parameters.values():
                if parameter.moved or parameter.salts.any():
                    parameter.draw()
            try:
                network.body(AdjustingPass(network, {}), x)
                return
            except Redrawn:
                pass


# ---- Bodies of networks ------------------------------------------------------------------------


def mlp(p, x):
    """Linear layers with ReLUs between them."""
    hidden = p.attrs["hidden"]
    for i, width in enumerate(hidden, 1):
        x = p.relu(f"relu{i}", p.linear(f"fc{i}", x, width, ROOT2), f"fc{i}.bias")
    return p.linear(f"fc{len(hidden) + 1}", x, p.attrs["classes"])


def cnn(p, x):
    """Three units with pools between them."""
    channels = p.attrs["channels"]
    for i, filters in enumerate(channels, 1):
        x = p.unit(f"conv{i}", f"bn{i}", x, filters, (3, 3), name=f"relu{i}")
        if i < len(channels):
            x = p.max_pool(f"pool{i}", x, 2, f"conv{i}.weight", 1e-4)
    return p.classified(x)


def wide_resnet(p, x):
    """Blocks with batch norms in front of their convolutions."""
    blocks, width = (p.attrs["depth"] - 4) // 6, p.attrs["width"]
    x = p.traced_conv("conv0", x, 16, (3, 3))
    for group in (1, 2, 3):
        for block in range(1, blocks + 1):
            name, filters = f"group{group}.block{block}", 8 * 2**group * width
            stride = 2 if group > 1 and block == 1 else 1
            a = p.relu(name + ".bn1", p.norm(name + ".bn1", x), name + ".bn1.beta")
            y = p.traced_conv(name + ".conv1", a, filters, (3, 3), stride)
            y = p.relu(name + ".bn2", p.norm(name + ".bn2", y), name + ".bn2.beta")
            y = p.traced_conv(name + ".conv2", y, filters, (3, 3))
            if x.shape != y.shape:
                x = p.traced_conv(name + ".shortcut", a, filters, (1, 1), stride)
            x = p.traced(name, y + x)
    return p.classified(p.relu("bn", p.norm("bn", x), "bn.beta"))


def resnet50(p, x):
    """Bottleneck blocks; the last batch norms of blocks have small gammas."""
    x = p.unit("stem.conv", "stem.bn", x, 64, (7, 7), 2)
    x = p.max_pool("stem.pool", x, 3, "stem.conv.weight", 3e-4, 1)
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(1, blocks + 1):
            name, filters = f"stage{stage}.block{block}", 32 * 2**stage
            stride = 2 if stage > 1 and block == 1 else 1
            y = p.unit(name + ".conv1", name + ".bn1", x, filters, (1, 1))
            y = p.unit(name + ".conv2", name + ".bn2", y, filters, (3, 3), stride)
            y = p.traced_conv(name + ".conv3", y, 4 * filters, (1, 1))
            y = p.norm(name + ".bn3", y, (0.125, 0.25))
            if block == 1:
                short = name + ".shortcut"
                x = p.traced_conv(short + ".conv", x, 4 * filters, (1, 1), stride)
                x = p.traced(short + ".bn", p.norm(short + ".bn", x))
            x = p.relu(name, y + x, name + ".bn3.beta")
    return p.classified(x)


# A unit is (name, filters, kernel), and stride and padding where they are not 1 and "same".
REDUCED = ((3, 3), 2, 0)
MIXED_5B = [
    [("b0", 96, (1, 1))], [("b1a", 48, (1, 1)), ("b1b", 64, (5, 5))],
    [("b2a", 64, (1, 1)), ("b2b", 96, (3, 3)), ("b2c", 96, (3, 3))]]
MIXED_6A = [
    [("b0", 384, *REDUCED)], [("b1a", 256, (1, 1)), ("b1b", 256, (3, 3)), ("b1c", 384, *REDUCED)]]
MIXED_7A = [
    [("b0a", 256, (1, 1)), ("b0b", 384, *REDUCED)], [("b1a", 256, (1, 1)), ("b1b", 288, *REDUCED)],
    [("b2a", 256, (1, 1)), ("b2b", 288, (3, 3)), ("b2c", 320, *REDUCED)]]
# Residual blocks: how many, the scale of their branches, the branches.
RESIDUALS = {
    "block35": (10, 0.17, [
        [("b0", 32, (1, 1))], [("b1a", 32, (1, 1)), ("b1b", 32, (3, 3))],
        [("b2a", 32, (1, 1)), ("b2b", 48, (3, 3)), ("b2c", 64, (3, 3))]]),
    "block17": (20, 0.1, [
        [("b0", 192, (1, 1))],
        [("b1a", 128, (1, 1)), ("b1b", 160, (1, 7)), ("b1c", 192, (7, 1))]]),
    "block8": (10, 0.2, [
        [("b0", 192, (1, 1))],
        [("b1a", 192, (1, 1)), ("b1b", 224, (1, 3)), ("b1c", 256, (3, 1))]]),
}


def chain(p, prefix, x, units):
    """Units one after another."""
    for name, *shape in units:
        x = p.unit(f"{prefix}{name}.conv", f"{prefix}{name}.bn", x, *shape)
    return x


def residual_blocks(p, kind, x):
    """x + scale * up(branches), again and again; the very last block has scale 1 and no ReLU."""
    count, scale, branches = RESIDUALS[kind]
    for i in range(1, count + 1):
        name, last = f"{kind}.{i}", (kind, i) == ("block8", 10)
        y = torch.cat([chain(p, name + ".", x, branch) for branch in branches], 1)
        y = p.conv(name + ".up", y, x.shape[1], (1, 1), gain=1.0)
        y = y + p.parameter(name + ".up.bias", [x.shape[1]], 0.1).view(-1, 1, 1)
        if last:
            x = p.traced(name, x + y)
        else:
            x = p.relu(name, x + scale * y, name + ".up.bias", scale, 0.1)
    return x


def inception_resnet_v2(p, x):
    """A stem, three kinds of residual blocks, and mixed blocks between them."""
    x = chain(p, "", x, [
        ("stem1", 32, *REDUCED), ("stem2", 32, (3, 3), 1, 0), ("stem3", 64, (3, 3))])
    x = p.max_pool("stem.pool1", x, 3, "stem3.conv.weight", 2e-4)
    x = chain(p, "", x, [("stem4", 80, (1, 1)), ("stem5", 192, (3, 3), 1, 0)])
    x = p.max_pool("stem.pool2", x, 3, "stem5.conv.weight", 4e-4)
    parts = [chain(p, "mixed5b.", x, branch) for branch in MIXED_5B]
    pooled = p.traced("mixed5b.pool", F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
    parts.append(chain(p, "mixed5b.", pooled, [("b3", 64, (1, 1))]))
    x = residual_blocks(p, "block35", p.traced("mixed5b", torch.cat(parts, 1)))
    parts = [chain(p, "mixed6a.", x, branch) for branch in MIXED_6A]
    parts.append(p.max_pool(None, x, 3, "block35.10.up.weight", 1e-3))
    x = residual_blocks(p, "block17", p.traced("mixed6a", torch.cat(parts, 1)))
    parts = [chain(p, "mixed7a.", x, branch) for branch in MIXED_7A]
    parts.append(p.max_pool(None, x, 3, "block17.20.up.weight", 2e-3))
    x = residual_blocks(p, "block8", p.traced("mixed7a", torch.cat(parts, 1)))
    return p.classified(chain(p, "", x, [("head", 1536, (1, 1))]))


# ---- Training steps ----------------------------------------------------------------------------

# Name: model, body, its own attributes, classes, batch, ghost batch, input; whether it is small.
MODELS = {
    "mlp": ("mlp", mlp, {"hidden": [256, 128]}, 10, 16, 4, [784], True),
    "cnn": ("cnn", cnn, {"channels": [16, 32, 64]}, 10, 8, 4, [28, 28, 1], True),
    "wrn-10-1": ("wrn", wide_resnet, {"depth": 10, "width": 1}, 10, 4, 2, [32, 32, 3], True),
    "wrn-16-4": ("wrn", wide_resnet, {"depth": 16, "width": 4}, 10, 4, 2, [32, 32, 3], False),
    "resnet-50": ("resnet-50", resnet50, {}, 1000, 4, 2, [64, 64, 3], False),
    "inception-resnet-v2": (
        "inception-resnet-v2", inception_resnet_v2, {}, 1000, 2, 1, [139, 139, 3], False),
}
TRAINING = {
    "bn_eps": 1e-5, "bn_momentum": 0.1, "label_smoothing": 0.0, "lr": 0.05, "momentum": 0.9,
    "weight_decay": 0.0005}


def changed(name, values):
    """Floats changed by one unit in the last place, up or down, or not at all."""
    return values + (draw_labels("ulp/" + name, values.shape, 3) - 1) * np.spacing(values)


class Step:
    """A network's training step in some precision, with some kernels."""

    def __init__(self, network, dtype, convolve=plain_convolution, change=False):
        self.network, self.dtype, self.convolve = network, dtype, convolve
        x, values = network.x, {name: p.value for name, p in network.parameters.items()}
        if change:
            x = changed(network.name + "/x", x)
            values = {name: changed(f"{network.name}/{name}", v) for name, v in values.items()}
        self.x = channels_first(torch.tensor(x).to(dtype))
        self.values = {name: torch.tensor(value).to(dtype) for name, value in values.items()}

    def gradients(self, values, samples=slice(None)):
        """A training pass over samples: the pass, logits, loss and the mean loss's gradients."""
        values = {name: value.detach().requires_grad_() for name, value in values.items()}
        seen = Pass(self.network, values, self.dtype, self.convolve)
        logits = self.network.body(seen, self.x[samples])
        loss = F.cross_entropy(logits, self.network.labels[samples])
        loss.backward()
        seen.values = None
        return seen, logits.detach(), loss.item(), {
            name: value.grad for name, value in values.items()}

    def run(self, small):
        """One step: a dictionary of results in double precision."""
        attrs = self.network.attrs
        seen, logits, loss, grads = self.gradients(self.values)
        after = {
            name: w - attrs["lr"] * (grads[name] + attrs["weight_decay"] * w)
            for name, w in self.values.items()}
        with torch.no_grad():
            evaluation = Pass(self.network, after, self.dtype, self.convolve, seen.statistics)
            evaluated = self.network.body(evaluation, self.x)
        found = {
            "pass": seen, "logits": stored_order(logits), "loss": loss,
            "eval_logits": stored_order(evaluated),
            "grad": {name: stored_flat(value) for name, value in grads.items()},
            "after": {name: stored_flat(value) for name, value in after.items()},
            "running_mean": {name: stored_flat(pair[0]) for name, pair in seen.statistics.items()},
            "running_var": {name: stored_flat(pair[1]) for name, pair in seen.statistics.items()}}
        if small:
            found["losses"] = np.array(self.losses())
            found["ghost_grad_sq"] = np.array(self.ghost_squares())
        return found

    def losses(self):
        """The losses before each of five steps with momentum on the same batch."""
        attrs, values, velocity, losses = self.network.attrs, self.values, {}, []
        for _ in range(5):
            _, _, loss, grads = self.gradients(values)
            losses.append(loss)
            for name, w in values.items():
                v = grads[name] + attrs["weight_decay"] * w
                velocity[name] = attrs["momentum"] * velocity.get(name, 0) + v
            values = {name: w - attrs["lr"] * velocity[name] for name, w in values.items()}
        return losses

    def ghost_squares(self):
        """The squared norm of every ghost batch's own gradient."""
        ghost, squares = self.network.attrs["ghost"], []
        for start in range(0, len(self.x), ghost):
            _, _, _, grads = self.gradients(self.values, slice(start, start + ghost))
            squares.append(sum(norm(stored_flat(value)) ** 2 for value in grads.values()))
        return squares


def stored_flat(value):
    """A tensor as a flat array in double precision; parameters are in stored order already."""
    return value.detach().double().contiguous().view(-1).numpy()


def sampled(vectors, network):
    """Eight samples of every vector: [vector][8]."""
    return np.stack([
        value[sample_indices(f"{network.name}/{name}", value.size, 8)]
        for name, value in vectors.items()])


def norms(vectors):
    """The norm of every vector."""
    return np.array([norm(value) for value in vectors.values()])


def summary(network, found):
    """The arrays that are stored and compared."""
    arrays = {
        "logits": found["logits"], "loss": np.array([found["loss"]]),
        "eval_logits": found["eval_logits"], "grad.l2": norms(found["grad"]),
        "grad.val": sampled(found["grad"], network), "after.l2": norms(found["after"]),
        "after.val": sampled(found["after"], network),
        "param.idx": sampled({
            name: np.arange(value.size) for name, value in found["grad"].items()}, network)}
    if network.norms:
        arrays["stats.idx"] = sampled({
            name: np.arange(value.size) for name, value in found["running_var"].items()}, network)
        for key in ("running_mean", "running_var"):
            arrays[key + ".l2"] = norms(found[key])
            arrays[key + ".val"] = sampled(found[key], network)
    for key in ("losses", "ghost_grad_sq"):
        if key in found:
            arrays[key] = found[key]
    return arrays


def step_errors(network, reference, arrays, traces):
    """The worst errors of a step's arrays against the reference's, by what they are errors of."""

    def sample_error(key, sizes, least=None):
        least = reference[key + ".l2"] if least is None else least
        bound = np.maximum(np.abs(reference[key + ".val"]), (least / np.sqrt(sizes))[:, None])
        return (np.abs(arrays[key + ".val"] - reference[key + ".val"]) / bound).max()

    def worst(key, scale=None):
        off = np.abs(arrays[key] - reference[key])
        return (off / (np.abs(reference[key]) if scale is None else scale)).max()

    sizes = np.array([parameter.value.size for parameter in network.parameters.values()])
    total = norm(reference["grad.l2"])
    scales = np.maximum(reference["grad.l2"], 1e-4 * total)
    errors = {
        "logits": norm(arrays["logits"] - reference["logits"]) / norm(reference["logits"]),
        "loss": worst("loss"), "grad_l2": worst("grad.l2", scales),
        "grad_samples": sample_error("grad", sizes, scales),
        "after_samples": sample_error("after", sizes)}
    if network.norms:
        channels = np.array(list(network.norms.values()))
        errors["stats_l2"] = max(worst("running_mean.l2"), worst("running_var.l2"))
        errors["stats_samples"] = max(
            sample_error("running_mean", channels), sample_error("running_var", channels))
    eval_error = norm(arrays["eval_logits"] - reference["eval_logits"])
    errors["eval_logits"] = eval_error / norm(reference["eval_logits"])
    pairs = list(zip(*traces))
    errors["trace_l2"] = max(abs(new[2] / old[2] - 1) for old, new in pairs)
    errors["trace_sum"] = max(
        abs(new[3] - old[3]) / (old[2] * math.sqrt(math.prod(old[1]))) for old, new in pairs)
    for key in ("losses", "ghost_grad_sq"):
        if key in reference:
            errors[key] = worst(key)
    return errors


def measured(network, reference, small):
    """Errors of float32 steps by kind, and how many decisions differ in any of them."""
    base, errors, flips = summary(network, reference), {}, 0
    runs = [("err_torch32", {}, True), ("err_torch32", {}, False),
            ("err_torch32", {"change": True}, True)]
    runs += [(kind, {"convolve": convolve}, True) for kind, convolve in WINOGRADS.items()]
    for kind, options, fast in runs:
        step = Step(network, torch.float32, **options)
        found = with_kernels(fast, lambda: step.run(small))
        traces = reference["pass"].trace, found["pass"].trace
        for key, error in step_errors(network, base, summary(network, found), traces).items():
            worst = errors.setdefault(key, {})
            worst[kind] = max(worst.get(kind, 0.0), float(error))
        flips += sum(
            int((old != new).sum())
            for old, new in zip(reference["pass"].decisions, found["pass"].decisions))
    return errors, flips


def tolerances(errors):
    """What the manifest says of every kind of error."""
    stated = {}
    for key, kinds in errors.items():
        bound = max(10 * kinds["err_torch32"], 4 * kinds["err_winograd4"], 1e-5)
        stated[key] = {kind: rounded(error) for kind, error in kinds.items()}
        stated[key]["tol"] = rounded_up(bound)
    return stated


def make_model(name):
    """A model's training step."""
    model, body, own, classes, batch, ghost, image, small = MODELS[name]
    attrs = {**own, "classes": classes, "batch": batch, "ghost": ghost, "input": image, **TRAINING}
    network = Network(name, model, body, attrs)
    adjust(network)
    found = Step(network, torch.float64).run(small)
    errors, flips = measured(network, found, small)
    seen, arrays = found["pass"], summary(network, found)
    kinks = {
        "preactivations": seen.count, "least_relu_distance": rounded(seen.least),
        "flips_float32": flips}
    if seen.gap < math.inf:
        kinks["least_pool_gap"] = rounded(seen.gap)
    sizes, total = arrays["grad.l2"], norm(arrays["grad.l2"])
    for key, parameter in network.parameters.items():
        if parameter.moved:
            arrays[f"param/{key}"] = parameter.value
    return {
        "format": 1, "suite": "model", "name": name, "model": model, "attrs": attrs,
        "parameter_count": sum(p.value.size for p in network.parameters.values()),
        "kinks": kinks, "loss": found["loss"], "total_grad_l2": total,
        "zero_gradients": [
            key for key, size in zip(network.parameters, sizes) if size < 1e-10 * total],
        "tolerances": tolerances(errors), "inputs": network.inputs,
        "params": [p.described(key) for key, p in network.parameters.items()],
        "batch_norms": [{"name": key, "channels": c} for key, c in network.norms.items()],
        "trace": [
            {"name": key, "shape": shape, "l2": l2, "sum": outputs}
            for key, shape, l2, outputs in seen.trace]}, arrays


# ---- Checking ----------------------------------------------------------------------------------


def same_number(key, fresh, stored, around):
    """Whether two numbers of a manifest agree; `around` is the object that the stored one is in."""
    if key.startswith("err_") or key == "tol":
        # Measured in float32: an error below a unit in the last place is small by chance.
        low, high = sorted(max(value, 2.0**-23) for value in (fresh, stored))
        return high <= 10 * low
    scale = abs(stored)
    if key == "sum":
        scale = max(scale, around["l2"] * math.sqrt(math.prod(around["shape"])))
    return abs(fresh - stored) <= 1e-9 * scale


def manifest_differences(fresh, stored, path="", key="", around=None):
    """Where two manifests differ: every name, shape and attribute, and numbers beyond rounding."""
    if isinstance(fresh, float) and isinstance(stored, float):
        if not same_number(key, fresh, stored, around):
            yield f"{path}: {fresh!r} here, {stored!r} in the file"
    elif isinstance(fresh, dict) and isinstance(stored, dict):
        if list(fresh) != list(stored):
            yield f"{path}: members {list(fresh)} here, {list(stored)} in the file"
        for name in fresh:
            if name in stored:
                yield from manifest_differences(
                    fresh[name], stored[name], f"{path}/{name}", name, stored)
    elif isinstance(fresh, list) and isinstance(stored, list):
        if len(fresh) != len(stored):
            yield f"{path}: {len(fresh)} elements here, {len(stored)} in the file"
        for i, pair in enumerate(zip(fresh, stored)):
            label = pair[1].get("name", i) if isinstance(pair[1], dict) else i
            yield from manifest_differences(*pair, f"{path}/{label}", key, around)
    elif fresh != stored or type(fresh) is not type(stored):
        yield f"{path}: {fresh!r} here, {stored!r} in the file"


def array_differences(fresh, stored):
    """Where two sets of arrays differ, relative to an element or its row, whichever is more."""
    for name in sorted(set(fresh) ^ set(stored)):
        yield f"{name}: only {'here' if name in fresh else 'in the file'}"
    for name in sorted(set(fresh) & set(stored)):
        new, old = fresh[name], stored[name]
        if new.dtype != old.dtype or new.shape != old.shape:
            yield f"{name}: {new.dtype}{new.shape} here, {old.dtype}{old.shape} in the file"
            continue
        if old.dtype == np.int64:
            wrong = new != old
        else:
            # Singles may differ in their last place; small elements have the errors of large ones.
            precision = 1e-9 if old.dtype == np.float64 else 2.0**-23
            whole = 1e-4 * norm(old) / math.sqrt(old.size)
            row = np.sqrt(np.square(old).mean(-1, keepdims=True)) if old.ndim > 1 else 0.0
            scale = np.maximum(np.maximum(np.abs(old), row), whole)
            wrong = np.abs(new - old) > precision * scale
        for i in np.flatnonzero(wrong)[:1]:
            yield (
                f"{name}: {wrong.sum()} of {old.size} differ, first [{i}]: "
                f"{new.reshape(-1)[i]!r} here, {old.reshape(-1)[i]!r} in the file")


def differences(base, fresh, arrays):
    """Where fresh values differ from the files at a path without extension."""
    try:
        with open(base + ".json", encoding="utf-8") as file:
            yield from manifest_differences(fresh, json.load(file))
        if arrays is not None:
            yield from array_differences(arrays, read_safetensors(base + ".safetensors"))
    except FileNotFoundError as error:
        yield f"{error.filename} is missing"


# ---- Running -----------------------------------------------------------------------------------

SUITES = {
    "generator": make_generator, "conv2d": make_conv2d, "batchnorm": make_batchnorm,
    "layers": make_layers, "optimizers": make_optimizers, "noise_scale": make_noise_scale,
    **{f"models/{name}": lambda name=name: make_model(name) for name in MODELS},
}


def main():
    """Writes or checks all suites, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where the files are written, or are to be checked")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--only", nargs="+", choices=SUITES, help="suites; all without this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name in options.only or SUITES:
        fresh, arrays = SUITES[name]()
        base = os.path.join(options.folder, name)
        if options.check:
            found = list(differences(base, fresh, arrays))
            failed = failed or bool(found)
            print(f"{name}: {len(found)} differences" if found else f"{name}: equal", flush=True)
            for line in found[:10]:
                print("  " + line, flush=True)
            continue
        os.makedirs(os.path.dirname(base), exist_ok=True)
        with open(base + ".json", "w", encoding="utf-8") as file:
            file.write(render(fresh) + "\n")
        if arrays is not None:
            write_safetensors(base + ".safetensors", arrays)
        print(name, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
