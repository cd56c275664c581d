"""Mixtures: were all images taken alike?"""

import numpy as np

from pipeline.checks.measured import Measured
from pipeline.findings import Finding, finding

SPREAD = 0.05  # between the largest and the smallest: a twentieth of a ring radius is what mass models quote as error


def check(seen: Measured) -> list[Finding]:
    """An Einstein radius in pixels means nothing over a mixture of pixel scales; the PSF tells the survey apart."""
    if "observed" not in seen:
        return []
    columns = seen.store.attributes["observed"]
    found = []
    for code, name, said in (
        ("pixel_scale_mixture", "pixel_scale", "pixel scales"),
        ("psf_mixture", "psf_fwhm", "widths of the PSF"),
    ):
        values = seen["observed"][:, columns.index(name)] if name in columns else np.full(seen.rows, np.nan)
        known = values[np.isfinite(values) & (values > 0)]
        if len(known) and known.max() > (1 + SPREAD) * known.min():
            low, high = float(known.min()), float(known.max())
            which = np.isfinite(values) & (np.abs(values / np.median(known) - 1) > SPREAD)
            distinct = len(np.unique(known.round(6)))
            evidence = {"smallest": low, "largest": high, "distinct": distinct, **seen.who(which)}
            found.append(finding(code, f'{said} between {low:.3g}" and {high:.3g}"', **evidence))
    return found
