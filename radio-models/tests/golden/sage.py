"""Makes sage.json: what PyTorch Geometric's SAGEConv makes of a small graph, and the gradients of that.

python -m venv venv && venv/bin/pip install torch==2.9.0 torch_geometric==2.8.1 numpy==2.2.6
venv/bin/python sage.py > sage.json                            (made with Python 3.11, on a CPU)

An edge [i, neighbour] says that node i hears from that neighbour, which PyTorch Geometric calls the edge's source. All cases have
the same graph and x. A gradient is that of the sum of output * cotangent. All that goes in is a multiple of 1/256, which a 32-bit
number has exactly; all that comes out was computed with 64 bits.
"""

import json

import numpy as np
import torch
from torch_geometric.nn import SAGEConv

# Nobody hears from the second one without neighbours.
DEGREES, ALONE = [3, 1, 0, 9, 2, 5, 4, 1, 0, 2, 3, 6], 8
NODES, INPUTS, HIDDEN, OUTPUTS = len(DEGREES), 5, 6, 4
# Where two are the largest, or one is at the corner of ReLU, a gradient is a matter of taste.
CLOSE = 1e-3

rng = np.random.default_rng(2017)


def normal(*shape, scale=1.0):
    values = np.round(256 * scale * rng.normal(size=shape)) / 256
    assert np.array_equal(values, values.astype(np.float32))
    return torch.tensor(values, dtype=torch.float64)


def convolution(inputs, outputs, aggr, project=False):
    made = SAGEConv(inputs, outputs, aggr=aggr, project=project).double()
    weights = {name: normal(*weight.shape, scale=0.5) for name, weight in made.state_dict().items()}
    if project:
        # Where ReLU leaves none of several neighbours anything, zeros are tied.
        weights["lin.bias"] += 1
    made.load_state_dict(weights)
    return made


def check_largest(conv, values):
    messages = values
    if conv.project:
        projected = conv.lin(values)
        assert projected.abs().min() > CLOSE
        assert any((projected[near] < 0).all(dim=0).any() for near in neighbours if near), "ReLU changes nothing"
        messages = projected.relu()
    for near in neighbours:
        if len(near) > 1:
            second, largest = messages[near].sort(dim=0).values[-2:]
            assert (largest - second).min() > CLOSE


def case(*layers):
    weights = dict((layers[0] if len(layers) == 1 else torch.nn.ModuleList(layers)).named_parameters())
    cotangent, values = normal(NODES, OUTPUTS), x.clone().requires_grad_()
    output = layers[0](values, edge_index)
    for conv in layers[1:]:
        assert output.abs().min() > CLOSE
        output = conv(output.relu(), edge_index)
    if layers[0].aggr == "max":
        check_largest(layers[0], values)
    (output * cotangent).sum().backward()
    return {
        "weights": {name: weight.tolist() for name, weight in weights.items()},
        "cotangent": cotangent.tolist(),
        "output": output.tolist(),
        "gradients": {name: weight.grad.tolist() for name, weight in weights.items()} | {"x": values.grad.tolist()},
    }


others = [[j for j in range(NODES) if j not in (i, ALONE)] for i in range(NODES)]
neighbours = [sorted(rng.choice(near, degree, replace=False).tolist()) for near, degree in zip(others, DEGREES)]
edges = [[i, j] for i, near in enumerate(neighbours) for j in near]
edge_index = torch.tensor(edges).T.flip(0)
x = normal(NODES, INPUTS)

result = {
    "nodes": NODES,
    "edges": edges,
    "x": x.tolist(),
    "mean": case(convolution(INPUTS, OUTPUTS, "mean")),
    "max": case(convolution(INPUTS, OUTPUTS, "max")),
    "pool": case(convolution(INPUTS, OUTPUTS, "max", project=True)),
    "two_layers": case(convolution(INPUTS, HIDDEN, "mean"), convolution(HIDDEN, OUTPUTS, "mean")),
}
print(json.dumps(result))
