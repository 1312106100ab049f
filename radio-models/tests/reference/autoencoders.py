"""PyTorch twins of the two autoencoders, written from their description: the same layers, names and choice of hidden tokens.

Makes autoencoders.json: what the twins, in double precision, make of small batches on given weights, their losses, and the
gradient of every weight.

python -m venv venv && venv/bin/pip install -r requirements.txt
venv/bin/python autoencoders.py > autoencoders.json           (made with Python 3.11)

benches/peers/autoencoder.py measures the same twins.
"""

import json
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

LARGEST = 1000


class Tokens:
    """A batch as the models see it: `values` and `errors` are (n, t, p), `wavelength` is (n, t), `ids` is (n)."""

    def __init__(self, ids, values, errors, wavelength, dtype=torch.float32):
        self.ids, self.wavelength, self.dtype = ids, wavelength, dtype
        self.values, self.errors = torch.as_tensor(values, dtype=dtype), torch.as_tensor(errors, dtype=dtype)
        self.good = self.values.isfinite() & self.errors.isfinite() & (self.errors > 0)

    def flux(self):
        return torch.where(self.good, self.values, 0).clamp(-LARGEST, LARGEST)

    def weights(self, floor):
        return torch.where(self.good & (self.values.abs() <= LARGEST), self.errors.clamp(min=floor) ** -2, 0)

    def valid(self):
        return 2 * self.good.sum(-1) >= self.good.shape[-1]


class ConvAutoencoder(nn.Module):
    def __init__(self, tokens, patch, width=16, stages=2, hidden=256, latent=10):
        super().__init__()
        self.tokens, self.patch, self.width = tokens, patch, width
        self.places = math.ceil(tokens / 2**stages)
        channels = [width << stage for stage in range(1, stages + 1)]
        flat = self.places * (width << stages)
        self.patch_in = nn.Linear(patch, width)
        self.merge = nn.ModuleList(nn.Linear(c, c) for c in channels)
        self.mix_in, self.latent_in = nn.Linear(flat, hidden), nn.Linear(hidden, latent)
        self.latent_out, self.mix_out = nn.Linear(latent, hidden), nn.Linear(hidden, flat)
        self.split = nn.ModuleList(nn.Linear(c, c) for c in reversed(channels))
        self.patch_out = nn.Linear(width, patch)

    def encode(self, flux):
        x = self.patch_in(flux)  # (n, t, w)
        x = F.pad(x, (0, 0, 0, (self.places << len(self.merge)) - self.tokens))
        for layer in self.merge:  # (n, t / 2, 2 w), then (n, t / 4, 4 w)
            x = layer(F.relu(x).reshape(len(x), -1, layer.in_features))
        x = F.relu(self.mix_in(F.relu(x).flatten(1)))
        return self.latent_in(x)

    def decode(self, latent):
        x = F.relu(self.mix_out(F.relu(self.latent_out(latent))))
        for layer in self.split:
            x = F.relu(layer(x.reshape(len(x), -1, layer.in_features)))
        return self.patch_out(x.reshape(len(x), -1, self.width)[:, : self.tokens])

    def reconstruct(self, tokens):
        latent = self.encode(tokens.flux())
        return self.decode(latent), latent

    def loss(self, tokens, floor, draw):
        weights, flux = tokens.weights(floor), tokens.flux()
        return ((flux - self.decode(self.encode(flux))) ** 2 * weights).sum(), int((weights > 0).sum())


class Block(nn.Module):
    def __init__(self, width, heads, expansion):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.attention_out = nn.Linear(width, width)
        self.hidden_norm = nn.LayerNorm(width)
        self.hidden, self.hidden_out = nn.Linear(width, expansion * width), nn.Linear(expansion * width, width)

    def forward(self, x, others, bias):
        """`x` looks at `others`, or at itself where there are none."""
        normed = self.attention_norm(x)
        others = normed if others is None else others
        split = lambda x: x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731 (n, h, k, d / h)
        key, value = self.key_value(others).chunk(2, -1)
        mixed = F.scaled_dot_product_attention(split(self.query(normed)), split(key), split(value), attn_mask=bias)
        x = x + self.attention_out(mixed.transpose(1, 2).flatten(2))
        return x + self.hidden_out(F.relu(self.hidden(self.hidden_norm(x))))


class MaskedAutoencoder(nn.Module):
    def __init__(self, tokens, patch, width=64, heads=4, encoder=3, decoder=1, expansion=4, hidden=0.75, seed=0):
        super().__init__()
        self.tokens, self.width, self.hidden, self.seed = tokens, width, hidden, seed
        self.sets = round(1 / (1 - hidden))
        self.visible = max(math.ceil(tokens * (1 - hidden)), math.ceil(tokens / self.sets), 1)
        self.patch_in = nn.Linear(patch, width)
        self.encoder = nn.ModuleList(Block(width, heads, expansion) for _ in range(encoder))
        self.encoder_norm = nn.LayerNorm(width)
        self.query = nn.Parameter(torch.zeros(width))
        self.decoder = nn.ModuleList(Block(width, heads, expansion) for _ in range(decoder))
        self.decoder_norm = nn.LayerNorm(width)
        self.patch_out = nn.Linear(width, patch)

    def codes(self, wavelength, dtype):
        period = 40000.0 * (40.0 / 40000.0) ** (np.arange(self.width // 2) / max(self.width // 2 - 1, 1))
        grids, grid_of = np.unique(np.nan_to_num(wavelength), axis=0, return_inverse=True)
        phase = 2 * np.pi / period * grids[..., None]
        codes = np.stack([np.sin(phase), np.cos(phase)], -1).reshape(*grids.shape, -1)
        # As the models see them: 32-bit numbers.
        codes = torch.as_tensor(codes.astype(np.float32)).to(dtype)
        return codes if len(grids) == 1 else codes[grid_of.reshape(-1)]

    def ranks(self, tokens, valid, draw):
        """The place of each valid token in the random order of the valid tokens of its row."""
        stream = scramble(scramble(scramble(np.uint64(self.seed)) ^ np.uint64(draw)) ^ tokens.ids.astype(np.uint64))
        keys = scramble(stream[:, None] ^ np.arange(self.tokens, dtype=np.uint64))
        order = np.lexsort([keys, ~valid.numpy()])
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(self.tokens)[None], 1)
        return torch.as_tensor(ranks)

    def places(self, visible):
        """Which tokens the encoder reads, in their order, and how many of the places are taken."""
        order = (~visible).to(torch.uint8).sort(dim=1, stable=True).indices[:, : self.visible]
        taken = torch.arange(self.visible) < visible.sum(1, keepdim=True)
        return torch.where(taken, order, 0), taken

    def encode(self, flux, codes, places, taken, bias):
        gather = lambda x: x.expand(len(places), -1, -1).take_along_dim(places[..., None], 1)  # noqa: E731 (n, k, ·)
        x = self.patch_in(gather(flux) * taken[..., None]) + gather(codes)
        for block in self.encoder:
            x = block(x, None, bias)
        return self.encoder_norm(x)

    def decode(self, read, codes, bias):
        x = self.query + codes
        for block in self.decoder:
            x = block(x, read, bias)
        return self.patch_out(self.decoder_norm(x))

    def predict(self, flux, codes, visible, asked):
        """Predictions of the tokens that are asked for, and 0 for the others; what was read, and in which places."""
        places, taken = self.places(visible)
        bias = torch.where(taken, 0, -1e9).to(flux.dtype)[:, None, None]
        read = self.encode(flux, codes, places, taken, bias)
        wanted = (~asked).to(torch.uint8).sort(dim=1, stable=True).indices[:, : int(asked.sum(1).max()), None]
        predicted = self.decode(read, codes.expand(len(read), -1, -1).take_along_dim(wanted, 1), bias)
        values = torch.zeros_like(flux).scatter(1, wanted.expand_as(predicted), predicted)
        return values * asked[..., None], read, taken

    def reconstruct(self, tokens):
        valid, flux, codes = tokens.valid(), tokens.flux(), self.codes(tokens.wavelength, tokens.dtype)
        ranks = self.ranks(tokens, valid, 2**64 - 1)
        values, latent = 0, 0
        for number in range(self.sets):
            visible = valid & (ranks % self.sets == number)
            predicted, read, taken = self.predict(flux, codes, visible, ~visible)
            values = values + predicted
            mean = (read * taken[..., None]).sum(1) / taken.sum(1, keepdim=True).clamp(min=1)
            latent = latent + mean / self.sets
        # The mean over the passes in which a token was hidden.
        return values / torch.where(valid, self.sets - 1, self.sets)[..., None], latent

    def loss(self, tokens, floor, draw):
        valid, flux, codes = tokens.valid(), tokens.flux(), self.codes(tokens.wavelength, tokens.dtype)
        count = ((1 - self.hidden) * valid.sum(1, keepdim=True) + 0.5).floor().clamp(min=1)
        visible = valid & (self.ranks(tokens, valid, draw) < count)
        asked = valid & ~visible
        weights = tokens.weights(floor) * asked[..., None]
        predicted, _, _ = self.predict(flux, codes, visible, asked)
        return ((flux - predicted) ** 2 * weights).sum(), int((weights > 0).sum())


def scramble(x):
    """The finalizer of splitmix64."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def to_ours(name, array):
    """A weight or its gradient as burn names and stores it: linear layers are (in, out)."""
    if "norm." in name:
        name = name.replace("weight", "gamma").replace("bias", "beta")
    return name, array.T if array.ndim == 2 else array


def case(rng, model, tokens, floor, draw):
    model = model.double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 1 / math.sqrt(parameter.shape[1]) if parameter.ndim == 2 else 0.3
            middle = 1 if "norm.weight" in name else 0
            drawn = np.round(middle + spread * rng.normal(size=tuple(parameter.shape)), 3).astype(np.float32)
            parameter.copy_(torch.as_tensor(drawn))
        values, latent = model.reconstruct(tokens)
    loss, count = model.loss(tokens, floor, draw)
    loss.backward()
    weights, gradients = {}, {}
    for name, parameter in model.named_parameters():
        name, weight = to_ours(name, parameter.detach().numpy())
        weights[name] = array(weight, 3)
        gradients[name] = array(to_ours("", parameter.grad.numpy())[1])
    return {
        "ids": tokens.ids.tolist(),
        "values": array(tokens.values.numpy(), 4),
        "errors": array(tokens.errors.numpy(), 4),
        "wavelength": array(tokens.wavelength, 1),
        "sigma_floor": floor,
        "draw": draw,
        "weights": weights,
        "reconstruction": array(values.numpy()),
        "latent": array(latent.numpy()),
        "loss": loss.item(),
        "count": count,
        "gradients": gradients,
    }


def array(x, decimals=None):
    """Shape and numbers, row-major; null is NaN. Without `decimals`, seven digits."""
    short = lambda x: round(x, decimals) if decimals is not None else float(f"{x:.7g}")  # noqa: E731
    return {"shape": x.shape, "data": [None if math.isnan(x) else short(x) for x in map(float, x.flatten())]}


def batch(rng, rows, tokens, patch):
    """Spectra with bad pixels, tokens with few good ones, a row of two tokens and a dead one; every row has its own length."""
    shape = (rows, tokens, patch)
    errors = np.round(np.exp(rng.normal(size=shape) / 2 - 2), 4)
    values = np.round(1 + rng.normal(size=shape).cumsum(axis=1) / 3 + errors * rng.normal(size=shape), 4)
    wavelength = np.repeat(np.round(3600 + 25.6 * np.arange(tokens), 1)[None], rows, 0)
    wavelength[rows // 2 :] += 12.5
    # However a pixel says that it is bad.
    for junk in [(1e6, 0), (np.nan, 0.1), (1, np.nan), (1, -1)]:
        bad = rng.random(shape) < 0.05
        values[bad], errors[bad] = junk
    errors[1, 2, patch // 2 + 1 :] = 0
    errors[2, 1, : patch // 2] = 0
    errors[3, 2:], values[3, 2:], wavelength[3, 2:] = 0, 0, np.nan
    errors[4, -1], values[4, -1], wavelength[4, -1] = 0, 0, np.nan
    errors[5] = 0
    ids = np.array([39627 + row if row % 2 else -row for row in range(rows)])
    # The models read 32-bit numbers.
    return Tokens(ids, values.astype(np.float32), errors.astype(np.float32), wavelength, torch.float64)


def main():
    rng = np.random.default_rng(2111)
    conv = {"tokens": 5, "patch": 8, "width": 6, "stages": 2, "hidden": 12, "latent": 3}
    masked = {"tokens": 9, "patch": 4, "width": 8, "heads": 2, "encoder": 2, "decoder": 1, "expansion": 2, "seed": 7}
    cases = {
        "conv": case(rng, ConvAutoencoder(**conv), batch(rng, 7, 5, 8), 0.1, 0),
        "masked": case(rng, MaskedAutoencoder(**masked), batch(rng, 9, 9, 4), 0.1, 5),
    }
    print(json.dumps(cases))


if __name__ == "__main__":
    main()
