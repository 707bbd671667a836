"""Functional style: Jacobians, per-sample gradients, modules as functions, checkpoints, NaN."""

import warnings

import torch
from torch import nn
from torch.autograd.functional import hessian, jacobian
from torch.func import functional_call, grad, jacrev, vmap
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def show(*tensors):
    print(*([round(v, 8) for v in t.detach().flatten().tolist()] for t in tensors))


x = torch.randn(3)
show(jacobian(lambda v: v.sin() * v.sum(), x), hessian(lambda v: (v**3).sum() * v[0], x))

net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
params = {k: v.detach() for k, v in net.named_parameters()}
xs, ys = torch.randn(5, 3), torch.randint(0, 2, (5,))


def loss(p, a, b):
    return nn.functional.cross_entropy(functional_call(net, p, (a.unsqueeze(0),)), b.unsqueeze(0))


per_sample = vmap(grad(loss), in_dims=(None, 0, 0))(params, xs, ys)
for name, g in per_sample.items():
    print(name, tuple(g.shape))
    show(g.norm(dim=tuple(range(1, g.dim()))))
show(jacrev(lambda a: functional_call(net, params, (a,)))(xs[0]))

a = xs.clone().requires_grad_()
checkpoint(net, a, use_reentrant=False).pow(2).sum().backward()
show(a.grad, net[0].weight.grad)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with torch.autograd.detect_anomaly():
        bad = torch.zeros(2, requires_grad=True)
        try:
            (bad.sqrt() * 0).sum().backward()
        except RuntimeError as error:
            print(str(error).splitlines()[0])

torch.testing.assert_close(torch.ones(2), torch.ones(2) + 1e-9)
try:
    torch.testing.assert_close(torch.ones(2), torch.tensor([1.0, 1.5]))
except AssertionError as error:
    print(error)
