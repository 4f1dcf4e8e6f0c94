"""Certified linear algebra: eigenvalues, norms and definiteness of float64 matrices, proved with fast BLAS."""

from bounds.linalg.eigenvalues import is_positive_definite as is_positive_definite
from bounds.linalg.eigenvalues import largest_eigenvalue as largest_eigenvalue
from bounds.linalg.eigenvalues import least_eigenvalue as least_eigenvalue
from bounds.linalg.norms import frobenius_norm as frobenius_norm
from bounds.linalg.norms import least_singular_value as least_singular_value
from bounds.linalg.norms import spectral_norm as spectral_norm
from bounds.linalg.spectra import spectrum as spectrum
