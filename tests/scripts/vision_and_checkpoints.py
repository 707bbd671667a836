"""Images through torchvision's transforms, samplers and subsets, and a training that is broken off and resumed."""

import os
import tempfile

import torch
import torch.nn as nn
import torchvision
import torchvision.transforms as transforms
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader, Subset, WeightedRandomSampler, random_split

CLASSES = 4
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

train_transform = transforms.Compose(
    [
        transforms.RandomCrop(12, padding=2),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    ]
)
test_transform = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))]
)


def make_loaders():
    torch.manual_seed(0)
    augmented = torchvision.datasets.FakeData(60, (3, 12, 12), CLASSES, transform=train_transform)
    plain = torchvision.datasets.FakeData(60, (3, 12, 12), CLASSES, transform=test_transform)
    generator = torch.Generator().manual_seed(42)
    train_part, val_part = random_split(range(60), [0.8, 0.2], generator=generator)
    train_set, val_set = Subset(augmented, train_part.indices), Subset(plain, val_part.indices)
    labels = torch.tensor([plain[i][1] for i in train_part.indices])
    counts = torch.bincount(labels, minlength=CLASSES)
    print("classes", counts.tolist(), "validation", sorted(val_part.indices)[:6])
    weights = (1.0 / counts.double())[labels]
    sampler = WeightedRandomSampler(weights, num_samples=len(train_set), replacement=True)
    return (
        DataLoader(train_set, batch_size=16, sampler=sampler, num_workers=0, pin_memory=False),
        DataLoader(val_set, batch_size=6, shuffle=False),
    )


def make_model():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32, CLASSES),
    ).to(DEVICE)


def run_epoch(model, loader, criterion, optimizer=None):
    training = optimizer is not None
    model.train(training)
    total, correct, seen = 0.0, 0, 0
    with torch.set_grad_enabled(training):
        for images, labels in loader:
            images, labels = images.to(DEVICE), labels.to(DEVICE)
            outputs = model(images)
            loss = criterion(outputs, labels)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * images.size(0)
            correct += torch.sum(outputs.argmax(1) == labels.data).item()
            seen += images.size(0)
    return total / seen, correct / seen


def fit(epochs, folder, resume=None, stop_after=None):
    train_loader, val_loader = make_loaders()
    model = make_model()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-4)
    scheduler = MultiStepLR(optimizer, milestones=[2, 3], gamma=0.1)
    start, best = 0, float("inf")
    if resume:
        checkpoint = torch.load(resume, map_location=DEVICE)
        model.load_state_dict(checkpoint["state_dict"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        torch.set_rng_state(checkpoint["rng"])
        start, best = checkpoint["epoch"], checkpoint["best"]
        print(f"=> loaded checkpoint (epoch {start}, best {best:.5f})")
    for epoch in range(start, epochs):
        loss, accuracy = run_epoch(model, train_loader, criterion, optimizer)
        val_loss, val_accuracy = run_epoch(model, val_loader, criterion)
        scheduler.step()
        lr = optimizer.param_groups[0]["lr"]
        print(f"[{epoch + 1}/{epochs}] {loss:.5f} {accuracy:.3f} {val_loss:.5f} {val_accuracy:.3f} lr {lr:.0e}")  # fmt: skip
        if val_loss < best:
            best = val_loss
            torch.save(model.state_dict(), os.path.join(folder, "best.pth"))
        torch.save(
            {
                "epoch": epoch + 1,
                "state_dict": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "rng": torch.get_rng_state(),
                "best": best,
            },
            os.path.join(folder, "last.pth"),
        )
        if stop_after == epoch + 1:
            break
    return model


with tempfile.TemporaryDirectory() as folder:
    whole = fit(4, folder)
    fit(4, folder, stop_after=2)
    resumed = fit(4, folder, resume=os.path.join(folder, "last.pth"))
    pairs = zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    print("the same as without a break:", all(torch.equal(a, b) for a, b in pairs))
    winner = make_model()
    print(winner.load_state_dict(torch.load(os.path.join(folder, "best.pth"), weights_only=True)))
    print([name for name in winner.state_dict() if "running" in name])

# a new head on frozen features
for parameter in winner.parameters():
    parameter.requires_grad = False
winner[-1] = nn.Linear(winner[-1].in_features, 2)
trainable = [name for name, p in winner.named_parameters() if p.requires_grad]
optimizer = torch.optim.SGD(filter(lambda p: p.requires_grad, winner.parameters()), lr=0.1)
x = torch.stack([image for image, _ in make_loaders()[1].dataset])
for _ in range(3):
    loss = nn.functional.cross_entropy(winner(x), torch.arange(len(x)) % 2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.5f}")
print(trainable, winner[0].weight.grad)
