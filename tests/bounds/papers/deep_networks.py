"""Small deep networks of Du et al. (2019) in numpy, with their Jacobian by hand: what the constants must bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bounds import Problem
from bounds.activations import SOFTPLUS
from bounds.arithmetic import Enclosure

C_SIGMA = Enclosure(SOFTPLUS.normaliser).midpoint


def softplus(z):
    return np.logaddexp(0, z)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@dataclass
class Network:
    """Weights W^(1), ..., W^(H), a; ``scales`` are the factors of the branches and ``skip`` says if layers add.

    Features are matrices (channels, pixels), of one pixel but for convolutional networks, whose layers see patches.
    """

    weights: list[np.ndarray]
    a: np.ndarray
    scales: list[float]
    skip: bool
    patch: int = 1

    @classmethod
    def draw(cls, depth, m, d, rng, *, residual_scale=None, patch=1, pixels=1):
        weights = [rng.standard_normal((m, patch * (d if h == 0 else m))) for h in range(depth)]
        first, rest = np.sqrt(C_SIGMA), np.sqrt(C_SIGMA) if residual_scale is None else residual_scale / depth
        scales = [first] + [rest] * (depth - 1)
        return cls(weights, rng.standard_normal((m, pixels)), scales, residual_scale is not None, patch)

    @property
    def width(self):
        return len(self.a)

    def moved(self, blocks):
        *steps, last = blocks
        weights = [w + s for w, s in zip(self.weights, steps, strict=True)]
        return Network(weights, self.a + last, self.scales, self.skip, self.patch)

    def see(self, h):
        """The patch around each pixel, padded with zeros: (patch channels, pixels)."""
        reach = self.patch // 2
        padded = np.pad(h, ((0, 0), (reach, reach)))
        return np.concatenate([padded[:, o : o + h.shape[1]] for o in range(self.patch)])

    def unsee(self, patches):
        """The transpose: what a pixel adds up over the patches it is in."""
        reach, pixels = self.patch // 2, patches.shape[1]
        total = np.zeros((len(patches) // self.patch, pixels + 2 * reach))
        for o, part in enumerate(np.split(patches, self.patch)):
            total[:, o : o + pixels] += part
        return total[:, reach : reach + pixels]

    def features(self, x):
        """Features of every layer, the input first, and preactivations."""
        states, inner = [x.reshape(-1, self.a.shape[1])], []
        for h, (w, scale) in enumerate(zip(self.weights, self.scales, strict=True)):
            inner.append(w @ self.see(states[-1]))
            branch = scale / np.sqrt(self.width) * softplus(inner[-1])
            states.append(states[-1] + branch if self.skip and h else branch)
        return states, inner

    def gradient(self, x):
        """The gradient of the output by blocks: W^(1), ..., W^(H), a."""
        states, inner = self.features(x)
        blocks, back = [states[-1]], self.a
        for h in reversed(range(len(self.weights))):
            local = self.scales[h] / np.sqrt(self.width) * sigmoid(inner[h]) * back
            blocks.append(local @ self.see(states[h]).T)
            through = self.unsee(self.weights[h].T @ local)
            back = back + through if self.skip and h else through
        return blocks[:0:-1] + blocks[:1]

    def output(self, x):
        return float(np.sum(self.a * self.features(x)[0][-1]))


def flat(blocks):
    return np.concatenate([block.ravel() for block in blocks])


def start(network, inputs):
    """What the paper measures the start by: c_w, c_x, a_2, a_4 and the least eigenvalue of the last layer's matrix."""
    m = network.width
    norms = [np.linalg.norm(state) for x in inputs for state in network.features(x)[0]]
    spectral = [np.linalg.norm(w, 2) for w in network.weights[1:]]
    return {
        "c_w": max(spectral, default=np.sqrt(m)) / np.sqrt(m),
        "c_x": max(1.0, *norms),
        "a_2": np.linalg.norm(network.a) / np.sqrt(m),
        "a_4": np.sum(np.linalg.norm(network.a, axis=1) ** 4) ** 0.25 / m**0.25,
        "lambda_H0": np.linalg.eigvalsh(last_gram(network, inputs))[0],
    }


def constants(theorem, edition, setting, network, inputs, **chosen):
    """The numbers of an edition's abbreviations, for a start as measured."""
    problem = Problem(inputs, np.ones(len(inputs)))
    known = {**start(network, inputs), "e_0": 1.0, **chosen}
    given = {name: value for name, value in known.items() if name in theorem.edition(edition).names}
    answer = theorem.check(problem, width=network.width, edition=edition, setting=setting, given=given)
    return {str(symbol): enclosure.upper for symbol, enclosure in answer.values.items()}


def last_gram(network, inputs):
    rows = np.array([network.gradient(x)[-2].ravel() for x in inputs])
    return rows @ rows.T


def perturbation(network, radius, inputs, rng, *, towards):
    """Blocks of Frobenius norm radius sqrt(m): random, of rank one, or along the gradient of an output."""
    shapes = [w.shape for w in network.weights] + [network.a.shape]
    if towards == "gradient":
        raw = network.gradient(inputs[rng.integers(len(inputs))])
    elif towards == "rank one":
        raw = [rng.standard_normal((s[0], 1)) * rng.standard_normal(s[1]) for s in shapes]
    else:
        raw = [rng.standard_normal(shape) for shape in shapes]
    sign = rng.choice([-1.0, 1.0])
    return [sign * radius * np.sqrt(network.width) * block / np.linalg.norm(block) for block in raw]


def measured(network, moved, inputs):
    """The sides that the constants bound, at a moved network."""
    features = [
        np.linalg.norm(after - before)
        for x in inputs
        for before, after in zip(network.features(x)[0], moved.features(x)[0], strict=True)
    ]
    gradients = [moved.gradient(x) for x in inputs]
    distance = np.linalg.norm(flat(moved.weights + [moved.a]) - flat(network.weights + [network.a]))
    rows = [np.linalg.norm(flat(g) - flat(network.gradient(x))) for g, x in zip(gradients, inputs, strict=True)]
    return {
        "drift": max(features),
        "q": max(np.linalg.norm(block) for g in gradients for block in g),
        "Q": max(np.sum(flat(g) ** 2) for g in gradients),
        "rho": max(rows) / distance,
        "Gram": np.linalg.norm(last_gram(moved, inputs) - last_gram(network, inputs), 2),
    }
