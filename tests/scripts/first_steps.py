"""First steps with tensors, as they print."""

import math

import numpy as np
import torch

torch.manual_seed(42)
data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
np_array = np.array(data, dtype=np.float64)
x_np = torch.from_numpy(np_array)
x_ones = torch.ones_like(x_data)
x_rand = torch.rand_like(x_data, dtype=torch.float)
print(f"Ones Tensor: \n {x_ones} \n")
print(f"Random Tensor: \n {x_rand} \n")
shape = (
    2,
    3,
)
for f in (torch.rand, torch.ones, torch.zeros, torch.randn):
    print(f(shape))
tensor = torch.rand(3, 4)
print(f"Shape of tensor: {tensor.shape}")
print(f"Datatype of tensor: {tensor.dtype}")
print(f"Device tensor is stored on: {tensor.device}")
print(
    tensor.is_sparse,
    tensor.layout,
    tensor.requires_grad,
    tensor.is_cuda,
    tensor.ndim,
    tensor.nbytes,
)
tensor = torch.ones(4, 4)
tensor[:, 1] = 0
print("First row: ", tensor[0])
print("First column: ", tensor[:, 0])
print("Last column:", tensor[..., -1])
t1 = torch.cat([tensor, tensor, tensor], dim=1)
print(t1)
y1 = tensor @ tensor.T
y2 = tensor.matmul(tensor.T)
y3 = torch.rand_like(tensor)
y3 = tensor.mm(tensor.T)
print(torch.equal(y1, y2), torch.equal(y2, y3))
z3 = torch.rand_like(tensor)
z3.copy_(tensor * tensor)
print(z3.sum(), z3.sum().item(), type(z3.sum().item()))
tensor.add_(5)
print(tensor)
t = torch.ones(5)
n = t.numpy()
t.add_(1)
print(n, t)
np.add(n, 1, out=n)
print(t, t.type(), t.long().type(), t.double().type())
a = torch.arange(12).reshape(3, 4)
print(a, a.view(-1, 6), a.t(), a.permute(1, 0).shape, a.stride(), a.t().is_contiguous())
print(a[a > 5], (a % 2 == 0).nonzero(), torch.where(a > 5, a, torch.zeros_like(a)))
print(a.float().mean(dim=0), a.float().std(dim=1, unbiased=False), a.sum(dim=1, keepdim=True))
print(torch.argmax(a, dim=1), torch.max(a, 1), a.float().norm(), torch.linspace(0, 1, 5))
values, indices = torch.topk(torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0]), 2)
print(values, indices, torch.sort(torch.tensor([3, 1, 2]), descending=True))
b = torch.randint(0, 10, (2, 3))
print(
    b,
    b.dtype,
    b.unsqueeze(0).shape,
    b.squeeze().shape,
    torch.stack([b, b]).shape,
    b.repeat(2, 2),
    b.expand(2, 2, 3).shape,
)
print(
    torch.eye(3), torch.full((2, 2), math.pi), torch.empty(0), torch.tensor([]), torch.tensor(3.5)
)
print(
    torch.tensor([1.5, float("inf"), float("nan"), -1e-8]),
    torch.tensor([True, False]),
    torch.tensor([1e10, 1.0]),
)
print(torch.chunk(a, 2, dim=1), torch.split(a, [1, 3], dim=1)[1].shape, torch.clamp(a, 3, 7))
print(
    torch.einsum("ij,kj->ik", a.float(), a.float()),
    torch.allclose(y1, y2),
    a.tolist(),
    a.numel(),
    a.size(1),
    len(a),
)
print(
    a.new_zeros(2),
    a.new_tensor([1, 2]),
    torch.as_tensor(np_array).dtype,
    torch.is_tensor(a),
    a.dim(),
    a.element_size(),
)
try:
    torch.ones(2, 3) @ torch.ones(2, 3)
except RuntimeError as e:
    print(str(e).splitlines()[0])
try:
    torch.ones(2, 3) + torch.ones(2, 4)
except RuntimeError as e:
    print(str(e).splitlines()[0])
print(
    torch.tensor([1.0, 2.0], requires_grad=True),
    torch.zeros(2, dtype=torch.int32),
    torch.ones(2, dtype=torch.half),
)
print(torch.randn(10, 10), torch.arange(2000))
y1, y2 = tensor @ tensor.T, tensor.matmul(tensor.T)
y3 = torch.rand_like(y1)
print(torch.matmul(tensor, tensor.T, out=y3), (y3 == y1).all(), (y3 == y2).all())
result = torch.empty(0)
torch.add(tensor, torch.ones(4), out=result)
print(result, type(result), type(torch.nn.Parameter(result)))
