"""Looking inside: hooks, a Function and a Module of one's own, gradients by hand."""

import torch
from torch import nn
from torch.autograd import Function, gradcheck

torch.manual_seed(0)


class Swish(Function):
    @staticmethod
    def forward(ctx, x, beta):
        ctx.save_for_backward(x)
        ctx.beta = beta
        return x * torch.sigmoid(beta * x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(ctx.beta * x)
        return grad_output * (s + ctx.beta * x * s * (1 - s)), None


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.5))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x):
        self.calls += 1
        return x + self.scale * Swish.apply(self.conv(x), 1.5)


net = nn.Sequential(
    nn.Conv2d(3, 4, 1), Block(4), nn.BatchNorm2d(4), Block(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
)
shapes, norms = [], []
handles = [
    m.register_forward_hook(lambda m, i, o: shapes.append((type(m).__name__, tuple(o.shape))))
    for m in net
]
handles.append(
    net[1].register_full_backward_hook(lambda m, gi, go: norms.append(go[0].norm().item()))
)
x = torch.randn(2, 3, 6, 6, requires_grad=True)
x.register_hook(lambda g: g * 2)
out = net(x)
middle = out * 3
middle.retain_grad()
middle.square().mean().backward()
print(shapes)
print([round(n, 6) for n in norms], [round(v, 5) for v in middle.grad.flatten().tolist()])
print(round(x.grad.abs().sum().item(), 5), int(net[1].calls))
for h in handles:
    h.remove()
for name, p in net.named_parameters():
    print(name, tuple(p.shape), round(p.grad.norm().item(), 5))
print(
    gradcheck(
        lambda v: Swish.apply(v, 0.7), torch.randn(4, dtype=torch.float64, requires_grad=True)
    )
)

# Newton's method with second derivatives
w = torch.tensor([2.0, -1.5], dtype=torch.float64, requires_grad=True)
for step in range(4):
    f = (w**4).sum() + (w[0] * w[1]) ** 2
    (g,) = torch.autograd.grad(f, w, create_graph=True)
    h = torch.stack([torch.autograd.grad(v, w, retain_graph=True)[0] for v in g])
    print(
        step,
        round(f.item(), 8),
        [round(v, 8) for v in g.tolist()],
        [round(v, 6) for v in h.flatten().tolist()],
    )
    a, b, c, d = h.flatten().tolist()
    inverse = torch.tensor([[d, -b], [-c, a]], dtype=torch.float64) / (a * d - b * c)
    with torch.no_grad():
        w -= inverse @ g.detach()
