"""Transfer learning: images in folders, a ResNet whose features stay, a new last layer."""

import os
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn as nn
import torchvision
from PIL import Image
from torch.optim import SGD, lr_scheduler
from torchvision import datasets, models, transforms

torch.manual_seed(0)
normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
data_transforms = {
    "train": transforms.Compose(
        [
            transforms.RandomResizedCrop(32),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            normalize,
        ]
    ),
    "val": transforms.Compose(
        [transforms.Resize(36), transforms.CenterCrop(32), transforms.ToTensor(), normalize]
    ),
}


def draw(folder):
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("val", 2)):
        for k, name in enumerate(("ants", "bees")):
            os.makedirs(os.path.join(folder, part, name))
            for i in range(n):
                pixels = rng.integers(0, 200, (40 + i, 44, 3), dtype=np.uint8)
                pixels[..., k] += 55
                Image.fromarray(pixels).save(os.path.join(folder, part, name, f"{i}.png"))


def run(model, loader, criterion, optimizer=None):
    model.train(optimizer is not None)
    running_loss, running_corrects = 0.0, 0
    for inputs, labels in loader:
        with torch.set_grad_enabled(optimizer is not None):
            outputs = model(inputs)
            _, preds = torch.max(outputs, 1)
            loss = criterion(outputs, labels)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        running_loss += loss.item() * inputs.size(0)
        running_corrects += torch.sum(preds == labels.data)
    n = len(loader.dataset)
    print(f"Loss: {running_loss / n:.4f} Acc: {running_corrects.double() / n:.4f}")


with TemporaryDirectory() as folder:
    draw(folder)
    sets = {
        part: datasets.ImageFolder(os.path.join(folder, part), chain)
        for part, chain in data_transforms.items()
    }
    loaders = {
        part: torch.utils.data.DataLoader(data, batch_size=6, shuffle=part == "train")
        for part, data in sets.items()
    }
    print(sets["train"].classes, sets["val"].class_to_idx, sets["train"].targets)
    inputs, classes = next(iter(loaders["train"]))
    grid = torchvision.utils.make_grid(inputs, nrow=3, normalize=True, scale_each=True)
    print(grid.shape, f"{grid.mean():.5f}", classes)

    model = models.resnet18()
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, len(sets["train"].classes))
    print(sum(p.numel() for p in model.parameters()), model.layer2[0].downsample)
    optimizer = SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.01, momentum=0.9)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    for _ in range(2):
        run(model, loaders["train"], nn.CrossEntropyLoss(), optimizer)
        run(model, loaders["val"], nn.CrossEntropyLoss())
        scheduler.step()
