"""Sound as an autoregressive process, each sample foretold by those before it: S. J. Godsill and P. J. W. Rayner,
"Digital Audio Restoration" (1998), chapters 4 and 5.

a[0] = 1, and the prediction error is e[n] = sum over i of a[i] x[n - i].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Array

NOISE = 1e-9  # of the power, added as white noise, so that a pure tone has a model too
TINY = 1e-30  # is added to it, for silence


def models(windows: Array, order: int) -> Array:
    """a [M, order + 1] of `windows` [M, N] by the autocorrelation method under a Hann window."""
    size = windows.shape[1]
    peaks = np.abs(windows).max(axis=1, keepdims=True)
    tapered = windows / np.where(peaks > 0.0, peaks, 1.0) * np.hanning(size)
    spectra = np.fft.rfft(tapered)
    lags = np.fft.irfft(spectra.real**2 + spectra.imag**2, size)[:, : order + 1]
    lags[:, 0] = lags[:, 0] * (1.0 + NOISE) + TINY
    matrices = lags[:, np.abs(np.arange(order)[:, None] - np.arange(order))]
    ahead = np.linalg.solve(matrices, -lags[:, 1:, None])[..., 0]
    return np.concatenate([np.ones((len(windows), 1)), ahead], axis=1)


def errors(windows: Array, a: Array) -> tuple[Array, Array]:
    """How far each sample is from what those before it foretell, and from what those behind it do, each [M, N].

    Around the ends of a window both are wrong, for as many samples as the order.
    """
    size = windows.shape[1]
    spectra, filters = np.fft.rfft(windows), np.fft.rfft(a, size)
    return np.fft.irfft(spectra * filters, size), np.fft.irfft(spectra * filters.conj(), size)


def interpolate(x: Array, unknown: npt.NDArray[np.intp], a: Array) -> Array:
    """Put into x[unknown] what makes the sum of e^2 the smallest (their section 5.2.2, least squares).

    The known samples of `x` [N] around them, as many as the order, decide. With c the autocorrelation of a, the normal
    equations are: sum over unknown j of c[i - j] x[j] = -(sum over known j of c[i - j] x[j]). Returns the variances of
    the errors that remain, of each sample, where that of e is 1: the diagonal of the inverse.
    """
    x[unknown] = 0.0
    c = np.convolve(a, a[::-1])
    order = len(a) - 1
    distances = np.abs(unknown[:, None] - unknown)
    inverse = np.linalg.inv(np.where(distances <= order, c[order + np.minimum(distances, order)], 0.0))
    x[unknown] = -inverse @ np.convolve(x, c)[order:-order][unknown]
    variances: Array = inverse.diagonal()
    return variances
