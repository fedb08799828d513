"""A decoder that learns to tell targets apart, instead of their values."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from ..core.ridge.search import splits_of
from ..core.selection import Selection
from ..core.stats import varies
from .decoders import check_training, choose
from .scaling import Scaling, scaled, scaling_of


@dataclass(frozen=True, slots=True, eq=False)
class Contrastive:
    """A small network whose outputs point to the true target among all targets.

    Trained by InfoNCE, in both directions: among the rows of training, a response's
    output is to have its largest cosine with its own target, and the target with its
    own response. Rows with equal targets are not each other's wrong answers. Targets
    are standardised by training, since cosines would see mostly what all share.

    The number of epochs is that with the smallest loss on held-out folds of training,
    mean over folds; the network is then trained on all training rows for as long.

    Parameters
    ----------
    seed : int
        Of the first weights and of dropout. The same seed gives the same network, on
        the CPU.
    n_hidden : int
        Units of the one hidden layer; 0 for a linear map.
    dropout : float
        Share of the inputs and of the hidden units left out in each epoch.
    temperature : float
        Divides the cosines.
    n_epochs : int
        Most epochs that are tried, each over all training rows at once.
    learning_rate : float
        Of AdamW, with a weight decay of 0.1: a brain has more voxels than rows.
    inside : Selection, optional
        Voxels to use.
    n_voxels : int, optional
        Use those that correlate most with a target dimension in the rows that are
        fitted: in each fold again.

    References
    ----------
    van den Oord, A., Li, Y. & Vinyals, O. (2018). Representation learning with
    contrastive predictive coding. arXiv 1807.03748.
    """

    seed: int
    n_hidden: int = 0
    dropout: float = 0.2
    temperature: float = 0.07
    n_epochs: int = 200
    learning_rate: float = 0.003
    inside: Selection | None = None
    n_voxels: int | None = None

    def __post_init__(self) -> None:
        if self.n_hidden < 0 or self.n_epochs < 1 or not self.temperature > 0:
            raise InputError(
                f"a network of {self.n_hidden} hidden units, {self.n_epochs} epochs "
                f"and temperature {self.temperature} cannot be trained. Units are at "
                "least 0, epochs at least 1, and the temperature is above 0."
            )
        if not 0 <= self.dropout < 1:
            raise InputError(
                f"dropout is {self.dropout}; it is the share left out, from 0 to "
                "below 1."
            )

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The voxels that it was given."""
        return () if self.inside is None else (self.inside,)

    def fit(self, Y: ArrayLike, T: ArrayLike, folds: ArrayLike) -> "Network":
        """Return the network of training rows.

        Parameters
        ----------
        Y : array of shape (n_samples, n_voxels)
        T : array of shape (n_samples, n_dimensions)
        folds : array of int, shape (n_samples,)
            On which the number of epochs is chosen.

        Returns
        -------
        decoder : Network

        Raises
        ------
        InputError
            If torch is not installed, a voxel or a dimension never varies, or there
            are fewer than two folds.
        """
        Y, T, folds = check_training(Y, T, folds)
        if len(np.unique(folds)) < 2:
            raise InputError(
                "folds names 1 fold; the number of epochs is chosen on a fold that "
                "was held out, so there must be at least 2."
            )
        torch = _torch()
        losses = [
            self._held_out_losses(torch, Y, T, *rows) for rows in splits_of(folds)
        ]
        curve = np.mean(losses, axis=0)
        n_epochs = int(np.argmin(curve)) + 1
        part = _Part.of(Y, T, choose(Y, T, self.inside, self.n_voxels))
        *_, layers = self._train(torch, part, n_epochs)
        arrays = tuple((w.numpy().copy(), b.numpy().copy()) for w, b in layers)
        length = float(np.linalg.norm(part.Z, axis=1).mean())
        return Network(
            part.scaling,
            arrays,
            part.mean,
            part.sd * length,
            n_epochs,
            n_epochs < self.n_epochs,
        )

    def _held_out_losses(
        self, torch: Any, Y: Floats, T: Floats, train: NDArray, held: NDArray
    ) -> list[float]:
        """Return the loss on a held-out fold after each epoch on the others."""
        inside = _Part.of(
            Y[train], T[train], choose(Y[train], T[train], self.inside, self.n_voxels)
        )
        X = torch.from_numpy(scaled(Y[held], inside.scaling)).float()
        Z = torch.from_numpy((T[held] - inside.mean) / inside.sd).float()
        same = _equal_rows(torch, T[held])
        losses = []
        for layers in self._train(torch, inside, self.n_epochs):
            outputs = _forward(torch, X, layers)
            losses.append(float(_info_nce(torch, outputs, Z, same, self.temperature)))
        return losses

    def _train(self, torch: Any, part: "_Part", n_epochs: int) -> Iterator[list]:
        """Yield the layers' weights after each epoch."""
        chance = torch.Generator().manual_seed(self.seed)
        X, Z = torch.from_numpy(part.X).float(), torch.from_numpy(part.Z).float()
        same = _equal_rows(torch, part.Z)
        sizes = [X.shape[1], *([self.n_hidden] if self.n_hidden else []), Z.shape[1]]
        layers = [
            (
                torch.randn(a, b, generator=chance).div_(10 * a**0.5).requires_grad_(),
                torch.zeros(b).requires_grad_(),
            )
            for a, b in pairwise(sizes)
        ]
        parameters = [weights for layer in layers for weights in layer]
        optimiser = torch.optim.AdamW(
            parameters, lr=self.learning_rate, weight_decay=0.1
        )
        for _ in range(n_epochs):
            optimiser.zero_grad()
            outputs = _forward(torch, X, layers, dropout=self.dropout, chance=chance)
            _info_nce(torch, outputs, Z, same, self.temperature).backward()
            optimiser.step()
            yield [(w.detach(), b.detach()) for w, b in layers]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A trained network, in NumPy.

    Parameters
    ----------
    scaling : Scaling
    layers : tuple of (weights, bias)
        Of shapes (n_inputs, n_outputs) and (n_outputs,).
    mean, scale : array of shape (n_dimensions,)
        From unit vectors to the units of the target: training's mean, and its standard
        deviation times the mean length of a standardised target. The length of a
        prediction holds no information.
    n_epochs : int
        As the held-out folds chose.
    stopped_early : bool
        False if the most epochs that were tried were the best: try more.
    """

    scaling: Scaling
    layers: tuple[tuple[Floats, Floats], ...]
    mean: Floats
    scale: Floats
    n_epochs: int
    stopped_early: bool

    def predict(self, Y: ArrayLike) -> Floats:
        """Return targets, shape (n_samples, n_dimensions), from responses."""
        H = scaled(Y, self.scaling)
        for k, (weights, bias) in enumerate(self.layers):
            H = np.maximum(H, 0) if k else H
            H = H @ weights.astype(np.float64) + bias
        return H / np.linalg.norm(H, axis=1, keepdims=True) * self.scale + self.mean


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Training rows on the scale that they are learnt on."""

    X: Floats
    Z: Floats
    scaling: Scaling
    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, Y: Floats, T: Floats, used: NDArray[np.bool_]) -> "_Part":
        fixed = ~varies(T)
        if fixed.any() or not varies(Y[:, used]).all():
            raise InputError(
                f"{int(fixed.sum())} target dimensions, or a voxel, never vary in the "
                "training rows of a fold. Use fewer and larger folds, or leave those "
                "columns out."
            )
        scaling = scaling_of(Y, used)
        mean, sd = T.mean(axis=0), T.std(axis=0)
        return cls(scaled(Y, scaling), (T - mean) / sd, scaling, mean, sd)


def _forward(
    torch: Any, X: Any, layers: list, *, dropout: float = 0.0, chance: Any = None
) -> Any:
    for k, (weights, bias) in enumerate(layers):
        X = torch.relu(X) if k else X
        if dropout:
            kept = torch.rand(X.shape, generator=chance) >= dropout
            X = X * kept / (1 - dropout)
        X = X @ weights + bias
    return X


def _info_nce(torch: Any, outputs: Any, Z: Any, same: Any, temperature: float) -> Any:
    """Return the symmetric loss; `same` are pairs that are no wrong answers."""
    unit = torch.nn.functional.normalize
    logits = unit(outputs, dim=1) @ unit(Z, dim=1).T / temperature
    logits = logits.masked_fill(same, float("-inf"))
    own = torch.diagonal(logits)
    rows, columns = (torch.logsumexp(logits, dim=d) for d in (1, 0))
    return ((rows - own) + (columns - own)).mean() / 2


def _equal_rows(torch: Any, T: Floats) -> Any:
    """Return which other rows have the same target."""
    _, which = np.unique(T, axis=0, return_inverse=True)
    which = which.ravel()
    same = which[:, None] == which[None]
    return torch.from_numpy(same & ~np.eye(len(T), dtype=bool))


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            "the contrastive decoder needs torch, which is not installed. Run: pip "
            "install 'brain2music[models]'. RoiRidge and CortexRidge do without."
        ) from error
    return torch
