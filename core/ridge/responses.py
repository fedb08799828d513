"""A chunk of voxels, with what a search needs of it: products of each fold."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from himalaya.backend import get_backend
from numpy.typing import NDArray

from .design import FoldDesign
from .factors import Factor, KernelFactor, PrimalFactor, left_out_block

Voxels = NDArray[np.intp] | None


class FoldResponses:
    """Responses of a chunk of voxels, cut into the folds of a design.

    Parameters
    ----------
    design : FoldDesign
    Y : array of shape (n_samples, n_voxels)
        Sorted by fold; centred if the design is. Kept as it is.
    cross : bool
        Whether X'Y is made, which candidates in primal form need.

    Attributes
    ----------
    null : array of float64, shape (n_voxels,)
        Loss of predicting each fold by its training mean: the squared error's mean
        over a fold's samples, then over folds.
    """

    def __init__(self, design: FoldDesign, Y: Any, *, cross: bool) -> None:
        backend = get_backend()
        self.design = design
        self.voxels: Voxels = None
        self.Y = backend.asarray(Y, dtype=design.dtype)
        sums = [_sum(self.Y[rows]) for rows in design.held]
        self.means = []
        for rows, own in zip(design.held, sums, strict=True):
            n_train = design.n_samples - (rows.stop - rows.start)
            mean = (sum(sums) - own) * (design.centred / n_train)
            self.means.append(backend.asarray(mean, dtype=design.dtype))
        losses = [
            _to_float64(_sum((self.Y[rows] - mean) ** 2)) / (rows.stop - rows.start)
            for rows, mean in zip(design.held, self.means, strict=True)
        ]
        self.null: NDArray[np.float64] = np.mean(losses, axis=0)
        self.train: list[Any] = []
        self.total: Any = None
        if cross:
            self._cross()

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return self.Y.shape[1] if self.voxels is None else len(self.voxels)

    def _cross(self) -> None:
        """Make X'Y of all rows, and of each fold's training rows around their means."""
        backend, design = get_backend(), self.design
        own = [design.X[rows].T @ self.Y[rows] for rows in design.held]
        self.total = sum(own[1:], own[0])
        for fold, rows in enumerate(design.held):
            n_train = design.n_samples - (rows.stop - rows.start)
            X_mean = backend.asarray(n_train * design.train_mean(fold), design.dtype)
            # In place: the fold's own products are not needed again.
            own[fold] += X_mean[:, None] * self.means[fold]
            self.train.append(self.total - own[fold])
            own[fold] = None

    def rows(self, rows: slice) -> Any:
        """Return some rows of Y; those of a fold, or all."""
        return _pick(self.Y, rows, self.voxels)

    def train_cross(self, fold: int, columns: Any) -> Any:
        """Return X'Y of a fold's training rows around their means."""
        return _pick(self.train[fold], columns, self.voxels)

    def held_cross(self, fold: int, columns: Any) -> Any:
        """Return X'Y of a fold's held-out rows around the training means.

        The sums over all rows are 0, so it is what the total leaves of `train`, plus a
        product of means.
        """
        backend, design = get_backend(), self.design
        mean = design.n_samples * design.train_mean(fold)[columns]
        products = backend.asarray(mean, design.dtype)[:, None] * self.means[fold]
        products += _pick(self.total, columns, self.voxels)
        products -= self.train_cross(fold, columns)
        return products

    def take(self, voxels: NDArray[np.intp]) -> "FoldResponses":
        """Return the responses of some of the voxels; products are not copied."""
        taken = object.__new__(FoldResponses)
        taken.design, taken.Y = self.design, self.Y
        taken.train, taken.total = self.train, self.total
        taken.voxels = voxels if self.voxels is None else self.voxels[voxels]
        taken.means = [mean[voxels] for mean in self.means]
        taken.null = self.null[voxels]
        return taken

    def of(self, voxels: NDArray[np.intp]) -> "FoldResponses":
        """Return the responses of some of the voxels, without a copy if of all."""
        return self if len(voxels) == self.n_voxels else self.take(voxels)

    def turn(self, factor: Factor, voxels: Voxels = None) -> "Turned":
        """Return the responses on a candidate's eigenvectors."""
        chosen = self if voxels is None else self.of(voxels)
        if isinstance(factor, KernelFactor):
            return TurnedKernel(chosen, factor)
        return TurnedPrimal(chosen, factor)


class TurnedPrimal:
    """Responses on the eigenvectors of each fold's moments."""

    def __init__(self, responses: FoldResponses, factor: PrimalFactor) -> None:
        design = responses.design
        columns = design.columns_of(factor.bands)
        self.responses, self.factor = responses, factor
        self.fitted, self.held = [], []
        for fold, turn in enumerate(factor.turns):
            self.fitted.append(turn.T @ responses.train_cross(fold, columns))
            if factor.by_rows:
                rows = design.held[fold]
                self.held.append(responses.rows(rows) - responses.means[fold])
            else:
                self.held.append(turn.T @ responses.held_cross(fold, columns))

    def loss(self, alpha: Any, voxels: Voxels = None) -> NDArray[np.float64]:
        """Return each voxel's held-out loss under one penalty, or one for each."""
        n_folds = len(self.factor.values)
        losses = [
            self._fold_loss(fold, alpha, slice(None) if voxels is None else voxels)
            for fold in range(n_folds)
        ]
        return np.mean(losses, axis=0)

    def _fold_loss(self, fold: int, alpha: Any, voxels: Any) -> NDArray[np.float64]:
        factor, held = self.factor, self.held[fold]
        rows = self.responses.design.held[fold]
        weights = self.fitted[fold][:, voxels] / (factor.values[fold][:, None] + alpha)
        product = factor.held[fold] @ weights
        if factor.by_rows:
            product -= held[:, voxels]
            product *= product
            error = _to_float64(product.sum(0))
        else:
            product -= 2 * held[:, voxels]
            product *= weights
            Y = self.responses.rows(rows)[:, voxels]
            Y = Y - self.responses.means[fold][voxels]
            error = _to_float64(product.sum(0)) + _to_float64((Y**2).sum(0))
        return error / (rows.stop - rows.start)

    def predict(self, fold: int, alphas: NDArray[np.floating]) -> Any:
        """Return a fold's held-out predictions, each voxel with its own penalty.

        Around the training means, of shape (n_held, n_voxels).
        """
        backend, factor = get_backend(), self.factor
        design = self.responses.design
        alpha = backend.asarray(alphas, dtype=design.dtype)
        weights = self.fitted[fold] / (factor.values[fold][:, None] + alpha)
        if factor.by_rows:
            return factor.held[fold] @ weights
        columns = design.columns_of(factor.bands)
        mean = backend.asarray(design.train_mean(fold)[columns], dtype=design.dtype)
        rows = design.X[design.held[fold]][:, columns] - mean
        return rows @ (factor.turns[fold] @ weights)


class TurnedKernel:
    """Responses on the eigenvectors of the kernel of all rows."""

    def __init__(self, responses: FoldResponses, factor: KernelFactor) -> None:
        self.responses, self.factor = responses, factor
        self.turned = factor.vectors.T @ responses.rows(slice(None))

    def loss(self, alpha: float, voxels: Voxels = None) -> NDArray[np.float64]:
        """Return each voxel's held-out loss under one penalty."""
        held = self.responses.design.held
        blocks = self._blocks(float(alpha))
        columns = slice(None) if voxels is None else voxels
        residuals = self._residuals(alpha, columns)
        losses = [
            _to_float64(((block @ residuals[rows]) ** 2).sum(0))
            / (rows.stop - rows.start)
            for rows, block in zip(held, blocks, strict=True)
        ]
        return np.mean(losses, axis=0)

    def _blocks(self, alpha: float) -> list[Any]:
        """Return a penalty's blocks; those made late stay if there is room."""
        factor, design = self.factor, self.responses.design
        if alpha in factor.blocks:
            return factor.blocks[alpha]
        blocks = [
            left_out_block(design, factor.values, factor.vectors, alpha, rows)
            for rows in design.held
        ]
        if factor.has_room(bytes_of(blocks)):
            factor.blocks[alpha] = blocks
        return blocks

    def predict(self, fold: int, alphas: NDArray[np.floating]) -> Any:
        """Return a fold's held-out predictions, each voxel with its own penalty.

        Around the training means, of shape (n_held, n_voxels).
        """
        factor, design = self.factor, self.responses.design
        rows = design.held[fold]
        out = self.responses.rows(rows) - self.responses.means[fold]
        for alpha in np.unique(alphas).tolist():
            voxels = np.flatnonzero(alphas == alpha)
            residuals = self._residuals(alpha, voxels)[rows]
            if alpha in factor.blocks:
                block = factor.blocks[alpha][fold]
            else:
                block = left_out_block(
                    design, factor.values, factor.vectors, alpha, rows
                )
            out[:, voxels] -= block @ residuals
        return out

    def _residuals(self, alpha: float, columns: Any) -> Any:
        """Return what a fit to all rows leaves of some voxels."""
        factor = self.factor
        shrink = (alpha / (factor.values + alpha))[:, None]
        residuals = factor.vectors @ (shrink * self.turned[:, columns])
        if self.responses.design.centred:
            # 0, but for rounding, which no penalty shrinks and the blocks magnify.
            residuals -= residuals.mean(0)
        return residuals


Turned = TurnedPrimal | TurnedKernel


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """How one candidate's weights on all rows come from responses.

    Parameters
    ----------
    columns : slice or array of int
        Columns of the design that the candidate uses.
    values : array of shape (n_axes,)
    turn : array of shape (n_columns, n_axes)
        From the axes to the columns.
    rows : array of shape (n_samples, n_axes), or None
        The kernel's eigenvectors, if the axes are those.
    """

    columns: Any
    values: Any
    turn: Any
    rows: Any = None

    def weights(
        self,
        responses: FoldResponses,
        voxels: NDArray[np.intp],
        alphas: NDArray[np.floating],
    ) -> Any:
        """Return weights, (n_columns, n_chosen), of the chosen voxels.

        `alphas` has one penalty for each of them.
        """
        alpha = get_backend().asarray(alphas, dtype=responses.design.dtype)
        if self.rows is None:
            turned = self.turn.T @ _pick(responses.total, self.columns, voxels)
        else:
            turned = self.rows.T @ _pick(responses.Y, slice(None), voxels)
        turned /= self.values[:, None] + alpha
        return self.turn @ turned


def _pick(array: Any, rows: Any, voxels: Voxels) -> Any:
    """Return some rows and columns, without a copy where they are all."""
    picked = array[rows]
    if voxels is None or len(voxels) == picked.shape[1]:
        return picked
    return picked[:, voxels]


def bytes_of(arrays: Iterable[Any]) -> float:
    """Return how much memory arrays take, of any backend."""
    return float(sum(np.prod(a.shape) * a.dtype.itemsize for a in arrays))


def _sum(Y: Any) -> Any:
    return Y.sum(0, dtype=get_backend().float64)


def _to_float64(array: Any) -> NDArray[np.float64]:
    return np.asarray(get_backend().to_numpy(array), dtype=np.float64)
