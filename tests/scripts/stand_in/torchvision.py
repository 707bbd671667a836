"""The little of torchvision that scripts here use, written down again in torch: what tinyconv's own is compared with."""

import sys
from types import ModuleType

import numpy as np
import torch
from PIL import Image


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x):
        for t in self.transforms:
            x = t(x)
        return x


class ToTensor:
    def __call__(self, image):
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = (torch.tensor(v).view(-1, 1, 1) for v in (mean, std))

    def __call__(self, x):
        return (x - self.mean) / self.std


class RandomHorizontalFlip:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        return image.transpose(Image.FLIP_LEFT_RIGHT) if torch.rand(1) < self.p else image


class RandomCrop:
    def __init__(self, size, padding):
        self.size, self.padding = size, padding

    def __call__(self, image):
        p, n = self.padding, self.size
        a = np.pad(np.array(image), ((p, p), (p, p), (0, 0)))
        top = int(torch.randint(0, a.shape[0] - n + 1, (1,)))
        left = int(torch.randint(0, a.shape[1] - n + 1, (1,)))
        return Image.fromarray(a[top : top + n, left : left + n])


class FakeData(torch.utils.data.Dataset):
    def __init__(self, size, image_size, num_classes, transform):
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.transform = transform

    def __getitem__(self, index):
        before = torch.get_rng_state()
        torch.manual_seed(index)
        image = torch.randn(*self.image_size)
        label = torch.randint(0, self.num_classes, (1,))
        torch.set_rng_state(before)
        pixels = (image * 255).byte().permute(1, 2, 0).numpy()
        return self.transform(Image.fromarray(pixels)), label.item()

    def __len__(self):
        return self.size


transforms, datasets = ModuleType("torchvision.transforms"), ModuleType("torchvision.datasets")
for cls in (Compose, ToTensor, Normalize, RandomHorizontalFlip, RandomCrop):
    setattr(transforms, cls.__name__, cls)
datasets.FakeData = FakeData
sys.modules.update({m.__name__: m for m in (transforms, datasets)})
