"""A classifier as in a first tutorial: model, loss, optimizer, schedule, evaluation, checkpoint."""

import argparse
import os
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()  # noqa: UP008  # as tutorials have it
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.fc1 = nn.Linear(128, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(self.dropout1(x), 1)
        x = self.fc2(F.relu(self.fc1(x)))
        return F.log_softmax(x, dim=1)


def train(model, device, loader, optimizer, epoch, log_interval):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch_idx % log_interval == 0:
            print(
                f"Train Epoch: {epoch} [{batch_idx * len(data)}/{len(loader.dataset)}]\tLoss: {loss.item():.5f}"
            )


def test(model, device, loader):
    model.eval()
    test_loss = correct = 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data.to(device))
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            correct += (
                output.argmax(dim=1, keepdim=True)
                .eq(target.view_as(output.argmax(1, keepdim=True)))
                .sum()
                .item()
            )
    print(
        f"Test set: Average loss: {test_loss / len(loader.dataset):.5f}, Accuracy: {correct}/{len(loader.dataset)}"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.5)
    args = parser.parse_args()
    torch.manual_seed(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    y = torch.randint(0, 3, (120,))
    x = torch.randn(120, 1, 12, 12) + y.view(-1, 1, 1, 1)
    train_set, test_set = random_split(TensorDataset(x, y), [96, 24])
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=24)
    model = Net().to(device)
    print(sum(p.numel() for p in model.parameters() if p.requires_grad))
    optimizer = optim.SGD(model.parameters(), lr=args.lr / 10, momentum=0.9, weight_decay=1e-4)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, args.epochs + 1):
        train(model, device, train_loader, optimizer, epoch, 2)
        test(model, device, test_loader)
        scheduler.step()
        print("lr", scheduler.get_last_lr())
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        torch.save(
            {
                "epoch": args.epochs,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
            path,
        )
        saved = torch.load(path)
    other = Net()
    other.load_state_dict(saved["model"])
    print(saved["epoch"], sorted(saved["model"]))
    test(other, device, test_loader)


if __name__ == "__main__":
    main()
