"""Ridge on every split of the rows from one pass over them.

A fold enters ridge and its scores through sums of squares and products alone, and those
of the other folds are the total minus the fold's. So choosing penalties, scoring a
region on held-out folds and the fit to all rows share one set of sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats
from ..core.ridge.search import splits_of

ROUNDING = 1e-12  # of a sum of squares, below which a column is constant
TIE = 1e-9  # two sums of r that are closer than this are one


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over some rows of columns X and targets T, and of their products.

    Parameters
    ----------
    n : int
        Rows.
    x : array of shape (n_columns,)
    t : array of shape (n_dimensions,)
    xx : array of shape (n_columns, n_columns)
    xt : array of shape (n_columns, n_dimensions)
    tt : array of shape (n_dimensions,)
        Of squares.
    """

    n: int
    x: Floats
    t: Floats
    xx: Floats
    xt: Floats
    tt: Floats

    @classmethod
    def of(cls, X: Floats, T: Floats) -> "Sums":
        """Return the sums over all rows."""
        squares = np.einsum("nd,nd->d", T, T)
        return cls(len(X), X.sum(axis=0), T.sum(axis=0), X.T @ X, X.T @ T, squares)

    def without(self, part: "Sums") -> "Sums":
        """Return the sums over the rows that are not in `part`, which are all here."""
        pairs = ((getattr(self, n), getattr(part, n)) for n in self.__slots__)
        return Sums(*(whole - one for whole, one in pairs))

    def about(self, x: Floats, t: Floats) -> "Sums":
        """Return the sums of X - x and T - t."""
        n = self.n
        xx = self.xx - np.outer(self.x, x) - np.outer(x, self.x - n * x)
        xt = self.xt - np.outer(self.x, t) - np.outer(x, self.t - n * t)
        tt = self.tt - 2 * self.t * t + n * t**2
        return Sums(n, self.x - n * x, self.t - n * t, xx, xt, tt)

    def divided(self, sd: Floats) -> "Sums":
        """Return the sums of X / sd."""
        xx = self.xx / np.outer(sd, sd)
        return Sums(self.n, self.x / sd, self.t, xx, self.xt / sd[:, None], self.tt)

    @property
    def means(self) -> tuple[Floats, Floats]:
        """Mean of X and of T."""
        return self.x / self.n, self.t / self.n

    def centred(self) -> "Sums":
        """Return the sums about the rows' own means."""
        return self.about(*self.means)


class Solved:
    """Ridge at any penalty, from centred sums.

    Parameters
    ----------
    sums : Sums
        About the rows' own means.
    """

    def __init__(self, sums: Sums) -> None:
        values, self.vectors = np.linalg.eigh(sums.xx)
        # Rounding leaves eigenvalues of a singular matrix a little below 0.
        self.values = np.maximum(values, 0)[:, None]
        self.turned = self.vectors.T @ sums.xt

    def on_axes(self, alphas: Floats | float) -> Floats:
        """Return weights of the eigenvectors, (n_columns, n_dimensions)."""
        return self.turned / (self.values + alphas)

    def weights(self, alphas: Floats) -> Floats:
        """Return weights of the columns."""
        return self.vectors @ self.on_axes(alphas)


class FoldedRidge:
    """Ridge of targets on columns, with what its folds say of it.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
    T : array of shape (n_samples, n_dimensions)
        Each dimension varies in each fold.
    folds : array of int, shape (n_samples,)
    """

    def __init__(self, X: Floats, T: Floats, folds: NDArray) -> None:
        self.X_mean, self.T_mean = X.mean(axis=0), T.mean(axis=0)
        X, T = X - self.X_mean, T - self.T_mean
        self.parts = [Sums.of(X[held], T[held]) for _, held in splits_of(folds)]
        self.total = Sums.of(X, T).centred()

    @staticmethod
    def suits(shape: tuple[int, int], n_dimensions: int, folds: NDArray) -> bool:
        """Return whether sums are smaller than the rows, and all splits have enough.

        Parameters
        ----------
        shape : (n_samples, n_columns)
        n_dimensions : int
        folds : array of int, shape (n_samples,)
        """
        n_samples, n_columns = shape
        _, counts = np.unique(folds, return_counts=True)
        in_memory = len(counts) * (n_columns + n_dimensions) <= 4 * n_samples
        return bool(in_memory and n_columns <= n_samples - counts.max())

    def choose_by_r(self, alphas: Floats) -> Floats:
        """Return penalties as `penalties.choose_by_r` does."""
        tried = np.sort(np.asarray(alphas, dtype=np.float64))
        r = np.zeros((len(tried), len(self.T_mean)))
        for part in self.parts:
            solved = Solved(self.total.without(part).centred())
            held = self._varying(part.centred())
            # On the eigenvectors, so that a penalty takes one product alone.
            xx = solved.vectors.T @ held.xx @ solved.vectors
            xt = solved.vectors.T @ held.xt
            for number, alpha in enumerate(tried):
                weights = solved.on_axes(alpha)
                r[number] += informative(_correlation(xx, xt, held.tt, weights))
        return first_best(tried, r)

    def _varying(self, held: Sums) -> Sums:
        """Return a fold's centred sums, constant columns without rounding."""
        varies = np.diag(held.xx) > ROUNDING * np.diag(self.total.xx)
        if varies.all():
            return held
        xx, xt = held.xx * np.outer(varies, varies), held.xt * varies[:, None]
        return Sums(held.n, held.x, held.t, xx, xt, held.tt)

    def ridge(self, alphas: Floats) -> tuple[Floats, Floats]:
        """Return weights and intercepts of all rows, as `penalties.ridge_at` does."""
        weights = Solved(self.total).weights(alphas)
        return weights, self.T_mean - self.X_mean @ weights

    def held_out_r(self, alphas: Floats) -> float:
        """Return the correlation on held-out folds, as `decoders.held_out_r` does."""
        n = self.total.n
        mean, square, product, t, tt = np.zeros((5, len(self.T_mean)))
        for part in self.parts:
            rest = self.total.without(part)
            x_mean, t_mean = rest.means
            rest = rest.centred()
            variance = np.diag(rest.xx) / rest.n
            constant = variance * n <= ROUNDING * np.diag(self.total.xx)
            sd = np.sqrt(np.where(constant, 1, variance))
            weights = Solved(rest.divided(sd)).weights(alphas)
            held = part.about(x_mean, t_mean).divided(sd)
            mean += held.x @ weights
            square += np.einsum("cd,cd->d", weights, held.xx @ weights)
            product += np.einsum("cd,cd->d", weights, held.xt)
            t += held.t
            tt += held.tt
        top = product - t * mean / n
        spread = (tt - t**2 / n) * (square - mean**2 / n)
        return float(_quotient(top, np.sqrt(np.maximum(spread, 0))).mean())


def _correlation(xx: Floats, xt: Floats, tt: Floats, weights: Floats) -> Floats:
    """Return r of targets with their predictions, from sums about the rows' means."""
    square = np.einsum("cd,cd->d", weights, xx @ weights)
    product = np.einsum("cd,cd->d", weights, xt)
    return _quotient(product, np.sqrt(np.maximum(square, 0) * np.maximum(tt, 0)))


def informative(r: Floats) -> Floats:
    """Return what a fold's r tell of penalties: where there is none, nothing."""
    return np.where(np.isnan(r), 0, r)


def first_best(alphas: Floats, r: Floats) -> Floats:
    """Return the first penalty with the largest r, of each dimension.

    Parameters
    ----------
    alphas : array of shape (n_alphas,)
    r : array of shape (n_alphas, n_dimensions)

    Examples
    --------
    >>> first_best(np.array([1.0, 10.0]), np.array([[0.3, 0.1], [0.3, 0.2]]))
    array([ 1., 10.])
    """
    return alphas[(r >= r.max(axis=0) - TIE).argmax(axis=0)]


def _quotient(top: Floats, bottom: Floats) -> Floats:
    """Return top / bottom, NaN where nothing varies."""
    out = np.full(top.shape, np.nan)
    return np.divide(top, bottom, out=out, where=bottom > 0)
