"""A spatial transformer: a net that turns its input before it looks at it."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torchvision

torch.manual_seed(3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 8, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(128, 20)
        self.fc2 = nn.Linear(20, 10)
        self.localization = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=7),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(True),
            nn.Conv2d(4, 6, kernel_size=5),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(True),
        )
        self.fc_loc = nn.Sequential(nn.Linear(6 * 3 * 3, 16), nn.ReLU(True), nn.Linear(16, 3 * 2))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))

    def stn(self, x):
        xs = self.localization(x)
        xs = xs.view(-1, 6 * 3 * 3)
        theta = self.fc_loc(xs)
        theta = theta.view(-1, 2, 3)
        grid = F.affine_grid(theta, x.size(), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    def forward(self, x):
        x = self.stn(x)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 128)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Net().to(device)
y = torch.randint(0, 10, (48,))
data = (
    torch.randn(48, 1, 28, 28) * 0.2
    + F.interpolate(torch.rand(10, 1, 7, 7), scale_factor=4, mode="bilinear", align_corners=True)[y]
)
loader = torch.utils.data.DataLoader(list(zip(data, y, strict=True)), batch_size=16, shuffle=True)
optimizer = optim.SGD(model.parameters(), lr=0.05)
for epoch in range(3):
    model.train()
    for batch_idx, (d, target) in enumerate(loader):
        optimizer.zero_grad()
        output = model(d)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        print(
            f"Train Epoch: {epoch} [{batch_idx * len(d)}/{len(loader.dataset)} ({100.0 * batch_idx / len(loader):.0f}%)]\tLoss: {loss.item():.6f}"
        )
print(model.fc_loc[2].bias.data, model.fc_loc[2].weight.grad.abs().sum())
with torch.no_grad():
    model.eval()
    moved = model.stn(data[:4])
    print(moved.shape, moved.mean(), (moved - data[:4]).abs().max())
    pred = model(data).max(1, keepdim=True)[1]
    print(pred.eq(y.view_as(pred)).sum().item())
    grid = torchvision.utils.make_grid(moved)
    inp = grid.numpy().transpose((1, 2, 0))
    inp = np.clip(np.array([0.485, 0.456, 0.406]) + inp * np.array([0.229, 0.224, 0.225]), 0, 1)
    print(inp.shape, round(float(inp.mean()), 5))
theta = torch.tensor([[[0.8, -0.6, 0.1], [0.6, 0.8, -0.2]]])
for mode in ("bilinear", "nearest", "bicubic"):
    for pm in ("zeros", "border", "reflection"):
        g = F.affine_grid(theta, [1, 1, 6, 5], align_corners=True)
        print(
            mode,
            pm,
            f"{F.grid_sample(data[:1, :, :9, :9], g, mode=mode, padding_mode=pm, align_corners=True).sum().item():.4f}",
        )
