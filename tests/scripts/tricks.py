"""What is added to a training in time: accumulated gradients, an average, restarts, hooks, norms of weights, early stopping."""

import copy
import warnings
from collections import defaultdict

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.utils.parametrize as parametrize
from torch.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    fuse_conv_bn_eval,
    parameters_to_vector,
)
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, TensorDataset


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).transpose(-1, -2)

    def right_inverse(self, A):
        return A.triu()


class EarlyStopping:
    def __init__(self, patience=2, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.best, self.bad, self.state = None, 0, None

    def __call__(self, loss, model):
        if self.best is None or loss < self.best - self.min_delta:
            self.best, self.bad = loss, 0
            self.state = copy.deepcopy(model.state_dict())
        else:
            self.bad += 1
        return self.bad >= self.patience


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1, bias=False)  # BatchNorm would take it away
        self.bn = nn.BatchNorm2d(6)
        self.mix = parametrize.register_parametrization(nn.Linear(6, 6), "weight", Symmetric())
        self.hidden = weight_norm(nn.Linear(6, 8), dim=0)
        self.out = spectral_norm(nn.Linear(8, 3), n_power_iterations=2)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x))).mean(dim=(2, 3))
        return self.out(F.leaky_relu(self.hidden(torch.tanh(self.mix(x))), 0.1))


torch.manual_seed(0)
y = torch.randint(0, 3, (72,))
x = torch.randn(72, 1, 6, 6) + torch.linspace(-1, 1, 3)[y].view(-1, 1, 1, 1)
train = DataLoader(TensorDataset(x[:48], y[:48]), batch_size=8, shuffle=True)
val = DataLoader(TensorDataset(x[48:], y[48:]), batch_size=24)

model = Net()
print(model)
print(list(model.state_dict()))

activations, gradients = {}, defaultdict(list)


def remember(name):
    def hook(module, inputs, output):
        activations[name] = output.detach().abs().mean().item()

    return hook


def watch(name):
    def hook(module, grad_input, grad_output):
        gradients[name].append(grad_output[0].norm().item())

    return hook


handles = [m.register_forward_hook(remember(n)) for n, m in model.named_children()]
handles += [
    m.register_full_backward_hook(watch(n)) for n, m in model.named_children() if n != "conv"
]

ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.01)
scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
stopper = EarlyStopping(patience=2, min_delta=0.05)
accumulation = 2

for epoch in range(8):
    model.train()
    running = 0.0
    optimizer.zero_grad()
    for i, (inputs, targets) in enumerate(train):
        with parametrize.cached():
            loss = F.cross_entropy(model(inputs), targets) / accumulation
        loss.backward()
        running += loss.item() * accumulation
        if (i + 1) % accumulation == 0:
            norm = clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            optimizer.zero_grad()
            ema.update_parameters(model)
        scheduler.step(epoch + i / len(train))
    losses = []
    for net in (model, ema):
        net.eval()
        with torch.no_grad():
            losses.append(sum(F.cross_entropy(net(a), b).item() for a, b in val) / len(val))
    print(f"{epoch} {running / len(train):.4f} norm {norm.item():.4f} lr {scheduler.get_last_lr()[0]:.6f} val {losses[0]:.4f} ema {losses[1]:.4f}")  # fmt: skip
    if stopper(losses[0], model):
        print("stopped after epoch", epoch)
        break

print({k: round(v, 4) for k, v in activations.items()})
print({k: (len(v), round(sum(v), 4)) for k, v in gradients.items()})
for handle in handles:
    handle.remove()
print(model.load_state_dict(stopper.state), round(stopper.best, 4))

update_bn(train, ema)
print(round(ema.module.bn.running_mean.sum().item(), 4), int(ema.n_averaged))
weight = model.mix.weight
print(
    torch.allclose(weight, weight.T), round(torch.linalg.matrix_norm(model.out.weight, 2).item(), 3)
)
model.mix.weight = torch.eye(6)
print(round(model.mix.weight.diagonal().sum().item(), 4))
before = model.hidden.weight.detach().clone()
parametrize.remove_parametrizations(model.hidden, "weight")
parametrize.remove_parametrizations(model.mix, "weight", leave_parametrized=False)
print(model.hidden, model.mix, torch.allclose(before, model.hidden.weight))
print(len(parameters_to_vector(model.parameters())), parametrize.is_parametrized(model.out))

model.eval()
fused = fuse_conv_bn_eval(model.conv, model.bn)
with torch.no_grad():
    print(torch.allclose(fused(x), model.bn(model.conv(x)), atol=1e-5))

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    old = nn.utils.weight_norm(nn.Linear(4, 3))
optimizer = torch.optim.SGD(old.parameters(), lr=0.5)
plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
for _ in range(4):
    loss = old(torch.ones(2, 4)).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    clip_grad_value_(old.parameters(), 0.1)
    optimizer.step()
    plateau.step(loss.item())
    print(
        f"{loss.item():.5f} {optimizer.param_groups[0]['lr']:.4f} {old.weight_g.detach().norm().item():.5f}"
    )
