"""A Dataset of one's own, samplers and collate functions, several optimizers and schedules, clipping, averaging."""

import math

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset, Subset, WeightedRandomSampler


class Waves(Dataset):
    def __init__(self, n, length=16, transform=None):
        rng = np.random.default_rng(0)
        self.kind = rng.integers(0, 2, n)
        phase = rng.uniform(0, 2 * math.pi, (n, 1))
        t = np.linspace(0, 1, length)[None]
        self.x = np.sin(2 * math.pi * (self.kind[:, None] + 1) * t + phase).astype("float32")
        self.transform = transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        x = torch.from_numpy(self.x[i]).unsqueeze(0)
        return (self.transform(x) if self.transform else x), int(self.kind[i])


def collate(samples):
    xs, ys = zip(*samples, strict=True)
    return {"x": torch.stack(xs), "y": torch.tensor(ys)}


def mean_score(model, loader):
    model.eval()
    with torch.inference_mode():
        return sum(
            model(b["x"]).softmax(-1).gather(1, b["y"].unsqueeze(1)).sum().item() for b in loader
        ) / len(loader.dataset)


def run(make_optimizer, make_scheduler, per_batch):
    torch.manual_seed(7)
    data = Waves(64, transform=lambda x: x + 0.05 * torch.randn_like(x))
    train, val = Subset(data, range(48)), Subset(data, range(48, 64))
    weights = [1.0 + i % 2 for i in range(48)]
    sampler = WeightedRandomSampler(weights, 48, generator=torch.Generator().manual_seed(3))
    loader = DataLoader(train, 8, sampler=sampler, collate_fn=collate, drop_last=True)
    check = DataLoader(val, 16, collate_fn=collate)
    model = nn.Sequential(
        nn.Conv1d(1, 6, 5, padding=2, bias=False),  # BatchNorm takes it away
        nn.BatchNorm1d(6),
        nn.GELU(),
        nn.MaxPool1d(4),
        nn.Flatten(),
        nn.Linear(24, 2),
    )
    nn.init.kaiming_normal_(model[0].weight, nonlinearity="relu")
    nn.init.zeros_(model[-1].bias)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8))
    groups = [
        {"params": model[0].parameters()},
        {"params": [*model[1].parameters(), *model[-1].parameters()], "lr": 0.02},
    ]
    optimizer = make_optimizer(groups)
    scheduler = make_scheduler(optimizer, len(loader))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.tensor([1.0, 0.5]))
    for epoch in range(3):
        model.train()
        total = 0.0
        for batch in loader:
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(batch["x"]), batch["y"])
            loss.backward()
            norm = clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(model)
            if per_batch:
                scheduler.step()
            total += loss.item() * len(batch["y"])
        if not per_batch:
            scheduler.step()
        lrs = ", ".join(f"{lr:.6f}" for lr in scheduler.get_last_lr())
        print(
            f"{epoch} loss {total / 48:.4f} norm {norm.item():.4f} lr {lrs} right {mean_score(model, check):.3f} {mean_score(average, check):.3f}"
        )


run(
    lambda g: torch.optim.SGD(g, lr=0.05, momentum=0.9, nesterov=True),
    lambda o, n: OneCycleLR(o, [0.1, 0.05], total_steps=3 * n),
    True,
)
run(lambda g: torch.optim.AdamW(g, lr=0.01), lambda o, n: CosineAnnealingLR(o, 3), False)
run(
    lambda g: torch.optim.RMSprop(g, lr=0.005),
    lambda o, n: SequentialLR(
        o, [LambdaLR(o, lambda e: 0.1 * (e + 1)), CosineAnnealingLR(o, 2)], [1]
    ),
    False,
)
