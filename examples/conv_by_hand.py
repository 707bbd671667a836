"""What a convolution computes, in loops of Python, held against the library's.

    python examples/conv_by_hand.py

Cross-correlation and its gradient, an edge detector given and one learnt, padding and stride,
channels, 1x1 convolutions, pooling, and the backward passes written out in NumPy.
"""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from common import arguments, save_figure

import tinyconv as torch
import tinyconv.nn.functional as F
from tinyconv import nn


def heading(text):
    print(f"\n{text}\n{'-' * len(text)}")


# --------------------------------------------------------------------------- one channel


def corr2d(X, K):
    """Lay the kernel K on every window of X; multiply, add up."""
    h, w = K.shape
    Y = torch.zeros(X.shape[0] - h + 1, X.shape[1] - w + 1)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


def loops_and_library():
    heading("Cross-correlation in loops")
    X = torch.arange(9.0).reshape(3, 3)
    K = torch.arange(4.0).reshape(2, 2)
    print(f"{X}\nwith\n{K}\ngives\n{corr2d(X, K)}")

    X = torch.randn(6, 7, requires_grad=True)
    K = torch.randn(3, 2, requires_grad=True)
    by_hand = corr2d(X, K)
    library = F.conv2d(X[None, None], K[None, None])[0, 0]
    weights = torch.randn(by_hand.shape)  # any function of the result will do
    grads = torch.autograd.grad((by_hand * weights).sum(), [X, K])
    expected = torch.autograd.grad((library * weights).sum(), [X, K])
    print("largest difference between the loops and F.conv2d, on 6x7 random numbers:")
    pairs = [(by_hand, library), *zip(grads, expected, strict=True)]
    for what, (a, b) in zip(["result", "gradient of X", "gradient of K"], pairs, strict=True):
        print(f"    {what:14}{(a - b).abs().max().item():.1e}")


def edges():
    """The classic image: white, a black band, white."""
    X = torch.ones(6, 8)
    X[:, 2:6] = 0
    K = torch.tensor([[1.0, -1.0]])
    return X, K, corr2d(X, K)


def detect_edges():
    heading("An edge detector")
    X, K, Y = edges()
    print(f"{X}\nwith {K} gives\n{Y}")
    print("1 from white to black, -1 back. Turn the image, and there is no such edge to be found:")
    print(corr2d(X.T, K))


def learn_kernel(epochs, lr):
    heading("The same detector, learnt from the image and the response")
    X, K, Y = edges()
    X, Y = X.reshape(1, 1, 6, 8), Y.reshape(1, 1, 6, 7)
    conv2d = nn.Conv2d(1, 1, kernel_size=(1, 2), bias=False)
    for epoch in range(1, epochs + 1):
        loss = ((conv2d(X) - Y) ** 2).sum()
        conv2d.zero_grad()
        loss.backward()
        conv2d.weight.data[:] -= lr * conv2d.weight.grad
        print(f"step {epoch:2}  loss {loss.item():.4f}")
    print(f"learnt {conv2d.weight.data.reshape(1, 2)}, wanted {K}")


# ------------------------------------------------------------------------------- shapes


def padding_and_stride():
    heading("Padding and stride: out = (in + 2 * padding - kernel) // stride + 1")
    X = torch.randn(1, 1, 8, 8)
    for kernel, padding, stride in [
        ((3, 3), (0, 0), (1, 1)),
        ((3, 3), (1, 1), (1, 1)),
        ((5, 3), (2, 1), (1, 1)),
        ((3, 3), (1, 1), (2, 2)),
        ((3, 5), (0, 1), (3, 4)),
    ]:
        Y = nn.Conv2d(1, 1, kernel, padding=padding, stride=stride)(X)
        sizes = zip(kernel, padding, stride, strict=True)
        rule = tuple((8 + 2 * p - k) // s + 1 for k, p, s in sizes)
        assert tuple(Y.shape[2:]) == rule
        print(f"8x8, kernel {kernel}, padding {padding}, stride {stride}: {rule[0]}x{rule[1]}")


def corr2d_multi_in(X, K):
    """Several input channels: each has its own kernel; the responses are added."""
    return sum(corr2d(x, k) for x, k in zip(X, K, strict=True))


def corr2d_multi_in_out(X, K):
    """Several output channels: each is a kernel of its own over all inputs."""
    return torch.stack([corr2d_multi_in(X, k) for k in K])


def channels():
    heading("Channels")
    X, K = torch.randn(3, 5, 6), torch.randn(4, 3, 2, 2)
    Y = corr2d_multi_in_out(X, K)
    print(f"X {list(X.shape)} with K {list(K.shape)} gives Y {list(Y.shape)}", end=", ")
    print("as F.conv2d:", torch.allclose(Y, F.conv2d(X[None], K)[0], atol=1e-5))

    X, K = torch.randn(3, 4, 4), torch.randn(2, 3, 1, 1)
    product = (K.reshape(2, 3) @ X.reshape(3, 16)).reshape(2, 4, 4)
    print("a 1x1 convolution is a matrix product over the channels, pixel by pixel:", end=" ")
    print(
        "(2x3) @ (3x16), as F.conv2d:", torch.allclose(product, F.conv2d(X[None], K)[0], atol=1e-5)
    )


def pool2d(X, size, mode="max"):
    """The largest number in each window of size x size, or the mean; windows overlap."""
    Y = torch.zeros(X.shape[0] - size + 1, X.shape[1] - size + 1)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            window = X[i : i + size, j : j + size]
            Y[i, j] = window.max() if mode == "max" else window.mean()
    return Y


def pooling():
    heading("Pooling")
    X = torch.arange(9.0).reshape(3, 3)
    print(f"{X}\nits largest numbers in windows of 2x2\n{pool2d(X, 2)}")
    print(f"its means\n{pool2d(X, 2, 'mean')}")
    X = torch.arange(32.0).reshape(1, 2, 4, 4)
    for pool in [
        nn.MaxPool2d(3),  # the stride is the size unless said otherwise
        nn.MaxPool2d(3, padding=1, stride=2),
        nn.MaxPool2d((2, 3), stride=(2, 3), padding=(0, 1)),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
    ]:
        print(f"{list(X.shape)} -> {list(pool(X).shape)}  {pool}")


# ----------------------------------------------------------- backward passes, written out


def conv_forward(x, w, b, stride, pad):
    """x (n, c, h, w), w (f, c, kh, kw), b (f,): one sum for each number of the result."""
    f, _, kh, kw = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = (xp.shape[2] - kh) // stride + 1, (xp.shape[3] - kw) // stride + 1
    y = np.empty((len(x), f, oh, ow))
    for n, k, i, j in np.ndindex(y.shape):
        top, left = i * stride, j * stride
        y[n, k, i, j] = (xp[n, :, top : top + kh, left : left + kw] * w[k]).sum() + b[k]
    return y


def conv_backward(gy, x, w, stride, pad):
    """The same loop: what was multiplied hands the gradient to its partner."""
    kh, kw = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    gxp, gw = np.zeros_like(xp), np.zeros_like(w)
    for n, k, i, j in np.ndindex(gy.shape):
        top, left = i * stride, j * stride
        window = np.s_[n, :, top : top + kh, left : left + kw]
        gxp[window] += gy[n, k, i, j] * w[k]
        gw[k] += gy[n, k, i, j] * xp[window]
    h, w = x.shape[2:]
    return gxp[:, :, pad : pad + h, pad : pad + w], gw, gy.sum((0, 2, 3))


def pool_forward(x, size, stride):
    oh, ow = (x.shape[2] - size) // stride + 1, (x.shape[3] - size) // stride + 1
    y = np.empty((*x.shape[:2], oh, ow))
    for i, j in np.ndindex(oh, ow):
        top, left = i * stride, j * stride
        y[:, :, i, j] = x[:, :, top : top + size, left : left + size].max((2, 3))
    return y


def pool_backward(gy, x, size, stride):
    """The whole gradient goes to the largest number of the window, the others get none."""
    gx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(gy.shape):
        top, left = i * stride, j * stride
        window = x[n, c, top : top + size, left : left + size]
        di, dj = np.unravel_index(window.argmax(), window.shape)
        gx[n, c, top + di, left + dj] += gy[n, c, i, j]
    return gx


def norm_forward(x, gamma, beta, eps=1e-5):
    """Every channel gets mean 0 and variance 1, over images and pixels, then gamma and beta."""
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma[:, None, None] * x_hat + beta[:, None, None]


def norm_backward(gy, x, gamma, eps=1e-5):
    """Less its mean and its share along x_hat: these the normalisation takes out of x."""
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    x_hat = (x - mean) / np.sqrt(var + eps)
    g = gy * gamma[:, None, None]
    along = (g * x_hat).mean((0, 2, 3), keepdims=True)
    gx = (g - g.mean((0, 2, 3), keepdims=True) - along * x_hat) / np.sqrt(var + eps)
    return gx, (gy * x_hat).sum((0, 2, 3)), gy.sum((0, 2, 3))


def relative(a, b):
    """The largest relative difference of two arrays."""
    return (np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))).max()


def compare(name, forward, backward, library, *arrays):
    """Print how far the result and the gradients by hand are from the library's."""
    y = forward(*arrays)
    gy = np.random.default_rng(1).standard_normal(y.shape)
    grads = backward(gy, *arrays)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    out = library(*tensors)
    out.backward(torch.tensor(gy))
    pairs = [(y, out.detach()), *zip(grads, [t.grad for t in tensors], strict=True)]
    differences = [relative(a, b.numpy()) for a, b in pairs]
    names = ["forward", "d/dx", "d/dweight", "d/dbias"]
    line = "  ".join(f"{n} {d:.0e}" for n, d in zip(names, differences, strict=False))
    print(f"{name:15}{line}")


def backward_by_hand(seed):
    heading("Forward and backward in NumPy: largest relative difference from the library")
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(s) for s in [(2, 3, 7, 6), (4, 3, 3, 3), (4,)])
    compare(
        "convolution",
        lambda x, w, b: conv_forward(x, w, b, stride=2, pad=1),
        lambda gy, x, w, b: conv_backward(gy, x, w, stride=2, pad=1),
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        x, w, b,
    )  # fmt: skip
    compare(
        "max pooling",
        lambda x: pool_forward(x, size=3, stride=2),
        lambda gy, x: [pool_backward(gy, x, size=3, stride=2)],
        lambda x: F.max_pool2d(x, 3, stride=2),
        x,
    )
    gamma, beta = rng.standard_normal(3), rng.standard_normal(3)
    compare(
        "batch norm",
        norm_forward,
        lambda gy, x, gamma, beta: norm_backward(gy, x, gamma),
        lambda x, gamma, beta: F.batch_norm(x, None, None, gamma, beta, training=True),
        x, gamma, beta,
    )  # fmt: skip


# ------------------------------------------------------------------------------ picture


def draw():
    """Image, kernel and response of two vertical edge detectors."""
    y, x = torch.arange(32.0)[:, None] - 15.5, torch.arange(32.0) - 15.5
    disc = torch.sigmoid(12 - (x**2 + y**2).sqrt())  # 1 inside, 0 outside, soft between
    sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    figure, axes = plt.subplots(
        2, 3, figsize=(9, 5.2), width_ratios=[4, 1.5, 4], layout="constrained"
    )
    for row, (X, K, Y) in zip(axes, [edges(), (disc, sobel, corr2d(disc, sobel))], strict=True):
        for axis, A, title in zip(row, [X, K, Y], ["image", "kernel", "response"], strict=True):
            h, w = A.shape
            limit = A.abs().max().item()
            colours = "gray" if title == "image" else "RdBu_r"
            low = 0 if title == "image" else -limit
            shown = axis.imshow(A.numpy(), cmap=colours, vmin=low, vmax=limit)
            axis.set_title(f"{title}, {h}x{w}")
            axis.set_xticks([])
            axis.set_yticks([])
            if title == "response":
                figure.colorbar(shown, ax=axis, shrink=0.8)
            if h * w < 60:
                for i, j in np.ndindex(h, w):
                    dark = A[i, j] == 0 if title == "image" else abs(A[i, j]) == limit
                    axis.text(
                        j, i, f"{A[i, j].item():g}", ha="center", va="center",
                        color="white" if dark else "black",
                    )  # fmt: skip
    figure.suptitle("Vertical edges: left to right, red where it gets darker, blue where lighter")
    return figure


def main() -> None:
    options = arguments(__doc__.splitlines()[0], epochs=10, batch_size=1, lr=0.03).parse_args()
    torch.manual_seed(options.seed)
    loops_and_library()
    detect_edges()
    learn_kernel(options.epochs, options.lr)
    padding_and_stride()
    channels()
    pooling()
    backward_by_hand(options.seed)
    print()
    save_figure(draw(), options.out / "conv_by_hand.png")


if __name__ == "__main__":
    main()
