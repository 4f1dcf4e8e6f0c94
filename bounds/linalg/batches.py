"""The ends of the spectra of many small symmetric matrices, proved by one batch of Cholesky factors each."""

from __future__ import annotations

import numpy as np

from bounds.linalg.rounding import UNDERFLOW, FloatArray, gamma, inflate


def spectral_ends(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    r"""Bound the least and the largest eigenvalue of each matrix of a batch, from outside.

    With approximate eigenvalues from LAPACK as guesses; what is proved rests on residuals alone, as in
    :func:`bounds.linalg.cholesky.factorise`: for any real :math:`R`,
    :math:`\lambda_{\min}(A) \ge \sigma - \|A - \sigma I - R R^T\|_F`. The computed residual differs from this one by at
    most :math:`\gamma_{d+3} (|a_{ij}| + |\sigma| \delta_{ij} + \sum_l |r_{il} r_{jl}|)` in entry (i, j), which makes
    :math:`\gamma_{d+3} (\|A\|_F + \sqrt{d} |\sigma| + \|R\|_F^2)` in norm.

    Args:
        a: (k, d, d), each exactly symmetric, finite, entries at most 2^190.

    Returns:
        Lower bounds of the least eigenvalues (k,) and upper bounds of the largest ones (k,).
    """
    values = np.asarray(np.linalg.eigvalsh(a), dtype=np.float64)
    return _lower_ends(a, values[:, 0]), -_lower_ends(-a, -values[:, -1])


def upper_ends(a: FloatArray) -> FloatArray:
    """The second part of :func:`spectral_ends` alone."""
    return -_lower_ends(-a, -np.asarray(np.linalg.eigvalsh(a)[:, -1], dtype=np.float64))


def _lower_ends(a: FloatArray, guesses: FloatArray) -> FloatArray:
    d = a.shape[1]
    sizes = inflate(np.sqrt(np.einsum("kij,kij->k", a, a)), d * d) + UNDERFLOW
    diagonal = np.arange(d)
    for slack in (2.0**-46, 2.0**-36, 2.0**-20):
        shifts = guesses - slack * d * sizes
        shifted = a.copy()
        shifted[:, diagonal, diagonal] -= shifts[:, None]
        try:
            factors = np.linalg.cholesky(shifted)
        except np.linalg.LinAlgError:  # a guess too high, or a matrix that is zero
            continue
        residuals = shifted - factors @ factors.transpose(0, 2, 1)
        distances = inflate(np.sqrt(np.einsum("kij,kij->k", residuals, residuals)), d * d) + UNDERFLOW
        traces = inflate(np.einsum("kij,kij->k", factors, factors), d * d)
        lost = gamma(d + 3) * (sizes + d * np.abs(shifts) + traces) + distances
        proved = np.nextafter(shifts - inflate(lost, 8), -np.inf)
        return np.asarray(np.maximum(proved, -sizes))
    return np.asarray(-sizes)
