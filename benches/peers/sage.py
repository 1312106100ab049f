"""Sampled neighbourhoods and GraphSAGE in PyTorch Geometric, on clustered points drawn as those of benches/graph.rs.

    pip install -r benches/peers/requirements.txt
    pip install ninja wheel setuptools
    FORCE_ONLY_CPU=1 WITH_METIS=0 pip install --no-build-isolation --no-deps torch_scatter==2.1.2 torch_sparse==0.6.18 torch_cluster==1.6.3
    python benches/peers/sage.py                  # 1,000,000 points
    python benches/peers/sage.py 100000

The third line compiles for about half an hour on two cores. NeighborLoader draws with pyg-lib where that is there, which PyPI does
not have, else with torch_sparse; the table says which one it was. torch_sparse makes a tensor for each random number: with another
generator in that place a batch took a third of the time, and so may it with pyg-lib. What is missing has a row that says so.

The graph is that of the 16 nearest, in both directions; there are 16 features and 4 classes, both at random. A batch is 1024 of
100,000 nodes, with up to 15 neighbours and up to 10 of each of those. A step of training is such a batch drawn and its features
gathered, two SAGEConv of 64 channels with the mean and ReLU, a linear layer, cross entropy, backward, and fused AdamW, without
torch.compile. Inference is of all nodes. Each is done in several ways, from the manual's to the fastest that was found:

- The manual's layers are for all nodes of a batch, edge by edge. With trim_to_layer the second one is for seeds and their neighbours
  only. As matrices, the first layer is for these and the second one for the seeds: pairs of (all, targets), with the edges in compressed
  sparse rows, whose mean is torch.sparse.mm's. All three give the same numbers.
- Edges are sorted before, so that the loader sorts none. Two workers draw while the model learns.
- All nodes at once, with the graph as one such matrix; the sum with 1 / degree in the matrix is faster than the mean. Layer by layer,
  in batches with all neighbours, as in the manual.

Counted: CPU time with that of workers, with two threads. Of building and inference, the middle one of three runs; of batches, the
mean of an epoch, or of 20 batches for the manual's layers. OpenMP's threads sleep while they wait: where other programs run, those
that spin take several times the CPU time. Not counted: imports, and the first batch.
"""

import os
import resource
import statistics
import sys
import time
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is imported

import numpy as np
import torch
import torch_geometric
import torch_geometric.typing
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from torch_geometric.data import Data
from torch_geometric.index import index2ptr
from torch_geometric.loader import NeighborLoader
from torch_geometric.nn import SAGEConv
from torch_geometric.sampler import NodeSamplerInput
from torch_geometric.utils import to_undirected, trim_to_layer

from graph import points

try:
    from torch_cluster import knn_graph
except ImportError:
    knn_graph = None

SEED, NEIGHBOURS, RUNS, THREADS = 1, 16, 3, 2
SEEDS, BATCH, FAN_OUTS, FEW = 100_000, 1024, [15, 10], 20
FEATURES, HIDDEN, CLASSES, PART = 16, 64, 4, 16_384


def cpu():
    """With that of workers which have ended."""
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + workers.ru_utime + workers.ru_stime


def row(what, times):
    print("|", " | ".join([what, *(f"{1e3 * statistics.median(part):.1f}" for part in zip(*times))]), "|", flush=True)


def missing(what, why):
    print(f"| {what}: {why} | - | - |", flush=True)


def whole(what, run):
    times = []
    for _ in range(RUNS):
        before = cpu(), time.perf_counter()
        made = run()
        times.append((cpu() - before[0], time.perf_counter() - before[1]))
    row(what, times)
    return made


def batches(what, loader, step=lambda batch: None, most=None):
    for batch, _ in zip(loader, range(1)):
        step(batch)
    before, most = (cpu(), time.perf_counter()), most or len(loader)
    for _, batch in zip(range(most), loader):
        step(batch)
    row(what, [((cpu() - before[0]) / most, (time.perf_counter() - before[1]) / most)])


def nearest(positions):
    _, near = cKDTree(positions).query(positions, NEIGHBOURS + 1, workers=THREADS)
    sources, targets = torch.from_numpy(near[:, 1:].reshape(-1)), torch.arange(len(near)).repeat_interleave(NEIGHBOURS)
    return torch.stack([sources, targets])


def symmetric(edge_index, n):
    """As to_undirected, sorted by targets; in SciPy."""
    offsets = np.arange(0, NEIGHBOURS * n + 1, NEIGHBOURS)
    directed = csr_array((np.ones(NEIGHBOURS * n, np.int8), edge_index[0].numpy(), offsets), shape=(n, n))
    both = directed + directed.T
    offsets, sources = (torch.from_numpy(part).long() for part in (both.indptr, both.indices))
    return torch.stack([sources, torch.arange(n).repeat_interleave(offsets.diff())])


def matrix(offsets, sources, columns, values=None):
    values = torch.ones(len(sources)) if values is None else values
    return torch.sparse_csr_tensor(offsets, sources, values, (len(offsets) - 1, columns))


def hops(batch):
    """The edges of the first hop and the nodes within it: torch_sparse does not say."""
    edges = int(torch.searchsorted(batch.edge_index[1], batch.batch_size))
    return edges, max(batch.batch_size, int(batch.edge_index[0, :edges].max()) + 1)


class Sage(torch.nn.Module):
    def __init__(self, aggr="mean"):
        super().__init__()
        torch.manual_seed(SEED)
        self.convs = torch.nn.ModuleList([SAGEConv(FEATURES, HIDDEN, aggr), SAGEConv(HIDDEN, HIDDEN, aggr)])
        self.head = torch.nn.Linear(HIDDEN, CLASSES)

    def manual(self, batch):
        x = batch.x
        for conv in self.convs:
            x = conv(x, batch.edge_index).relu()
        return self.head(x[: batch.batch_size])

    def trimmed(self, batch):
        edges, within = hops(batch)
        nodes = [batch.batch_size, within - batch.batch_size, batch.num_nodes - within]
        x, edge_index, edges = batch.x, batch.edge_index, [edges, batch.num_edges - edges]
        for layer, conv in enumerate(self.convs):
            x, edge_index, _ = trim_to_layer(layer, nodes, edges, x, edge_index)
            x = conv(x, edge_index).relu()
        return self.head(x[: batch.batch_size])

    def matrices(self, batch):
        (edges, within), (sources, targets) = hops(batch), batch.edge_index
        offsets = index2ptr(targets, within)
        first = matrix(offsets, sources, batch.num_nodes)
        second = matrix(offsets[: batch.batch_size + 1], sources[:edges], within)
        x = batch.x
        for conv, targets, near in zip(self.convs, [within, batch.batch_size], [first, second]):
            x = conv((x, x[:targets]), near).relu()
        return self.head(x)

    @torch.inference_mode()
    def full(self, x, near):
        for conv in self.convs:
            x = conv(x, near).relu_()
        return self.head(x)

    @torch.inference_mode()
    def layer_by_layer(self, x, loader):
        for conv in self.convs:
            parts = []
            for batch in loader:
                targets, (sources, ends) = batch.batch_size, batch.edge_index
                near = matrix(index2ptr(ends, targets), sources, batch.num_nodes)
                values = x[batch.n_id]
                parts.append(conv((values, values[:targets]), near).relu_())
            x = torch.cat(parts)
        return self.head(x)


def training(forward, model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step(batch):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(forward(model, batch), batch.y[: batch.batch_size])
        loss.backward()
        optimizer.step()

    return step


def main(n):
    positions = points(n)
    print(f"| {n} points | CPU ms | wall ms |\n|---|---|---|")
    edge_index = whole("nearest, SciPy's k-d tree", lambda: nearest(positions))
    if knn_graph:
        whole("nearest, torch_cluster's knn_graph", lambda: knn_graph(torch.from_numpy(positions), NEIGHBOURS))
    else:
        missing("nearest, torch_cluster's knn_graph", "not installed")
    whole("both directions, to_undirected", lambda: to_undirected(edge_index, num_nodes=n))
    edge_index = whole("both directions, SciPy", lambda: symmetric(edge_index, n))

    random = torch.Generator().manual_seed(SEED)
    x = torch.randn(n, FEATURES, generator=random)
    y = torch.randint(CLASSES, (n,), generator=random)
    seeds = torch.randperm(n, generator=random)[:SEEDS]
    data, bare = Data(x, edge_index, y=y), Data(edge_index=edge_index, num_nodes=n)
    packages = {"pyg-lib": torch_geometric.typing.WITH_PYG_LIB, "torch_sparse": torch_geometric.typing.WITH_TORCH_SPARSE}
    package = next((name for name, there in packages.items() if there), None)

    def loader(data, fan_outs=FAN_OUTS, nodes=seeds, size=BATCH, shuffle=True, workers=0):
        options = {"batch_size": size, "shuffle": shuffle, "num_workers": workers, "is_sorted": True}
        return NeighborLoader(data, fan_outs, nodes, **options)

    if package:
        draw = loader(bare).node_sampler.sample_from_nodes
        parts = seeds.split(BATCH)
        batches(f"batch, {package}'s operator alone", parts, lambda part: draw(NodeSamplerInput(None, part)))
        batches(f"batch, NeighborLoader on {package}", loader(bare))
        batches("batch, the same with two workers", loader(bare, workers=2))
        batches("batch, NeighborLoader with features", loader(data))
        batches("step, as in the manual", loader(data), training(Sage.manual, Sage()), FEW)
        batches("step, with trim_to_layer", loader(data), training(Sage.trimmed, Sage()))
        batches("step, as matrices", loader(data), training(Sage.matrices, Sage()))
        batches("step, as matrices, with two workers", loader(data, workers=2), training(Sage.matrices, Sage()))
        step, drawn = training(Sage.matrices, Sage()), [batch for _, batch in zip(range(FEW), loader(data))]
        batches("step, as matrices, of batches that are there", drawn, step)
    else:
        missing("batches and steps, NeighborLoader", "needs pyg-lib or torch_sparse")

    offsets, degree = index2ptr(edge_index[1], n), edge_index[1].bincount(minlength=n)
    near = matrix(offsets, edge_index[0], n)
    weighted = matrix(offsets, edge_index[0], n, (1 / degree.clamp(min=1)).repeat_interleave(degree))
    whole("inference, mean over a matrix", lambda: Sage().full(x, near))
    whole("inference, sum with 1 / degree", lambda: Sage("sum").full(x, weighted))
    if package:
        everyone = loader(bare, [-1], None, PART, shuffle=False)
        whole("inference, NeighborLoader layer by layer", lambda: Sage().layer_by_layer(x, everyone))
    else:
        missing("inference, NeighborLoader layer by layer", "needs pyg-lib or torch_sparse")


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)|Using '.*' without a 'pyg-lib'")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
