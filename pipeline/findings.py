"""What the audit can find: the codes, how grave each is, and what to do about it.

`error`: a conclusion drawn from the images would be wrong; `split` refuses, unless `audit.accept` lists the code.
`warning`: the images are not what a telescope gives, as the published sets are not; the verdict repeats it at its top.
`note`: worth knowing.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.places import Place, place

SEVERITIES = ("error", "warning", "note")

KNOWN: dict[str, tuple[str, str]] = {  # code: severity, remedy
    "nan_pixels": ("error", "ingest again with ingest.nan: mask or inpaint, or take these images out"),
    "normalised": ("error", "ingest the pixels as they were before scaling to [0, 1]: the flux is gone"),
    "grey_levels": ("error", "ingest the floating-point pixels, or scale them before they are cast to integers"),
    "duplicates": ("error", "keep one image of each pair of data/audit/pairs.csv, or put both in one group"),
    "conflicting_labels": ("error", "find out which label is right; the pairs are in data/audit/pairs.csv"),
    "repeated_ids": ("error", "give every image a name of its own: labels are joined on it"),
    "no_labels": ("error", "name the column that holds it in ingest.targets, or drop the target"),
    "constant_label": ("error", "drop the target: there is nothing to learn, and any prediction of it is perfect"),
    "infinite_labels": ("error", "mend the column or its transform: the logarithm of 0 is infinite"),
    "reuse": ("error", "name the identity in ingest.identities, so that who shares one is a group"),
    "pixel_scale_mixture": ("error", "resample to one pixel scale: ingest.prepare: [{resample: {pixel_scale: ...}}]"),
    "poisson_twice": ("warning", "draw photon noise once; until then every noise level and S/N is off by sqrt(2)"),
    "clipped_sky": ("warning", "keep negative sky pixels: a sky cut at zero is biased, and no telescope delivers it"),
    "noise_free": ("warning", "add noise; without it networks read differences that no telescope can measure"),
    "noise_wrong": ("warning", "check the unit of the noise that the source states against that of its pixels"),
    "pedestal": ("warning", "subtract the sky: the stretches take it to be at zero"),
    "saturation": ("warning", "leave saturated images out, or mask those pixels"),
    "blank_images": ("warning", "leave them out: they carry labels and no lens"),
    "near_duplicates": ("warning", "nothing: split keeps them together; but they count as one lens, not as two"),
    "missing_labels": ("warning", "label them or leave them out; split leaves out rows without a chosen target"),
    "shortcut_label": (
        "warning",
        "quote skill relative to that shortcut, as the verdict does for flux and ring radius, or draw what it reads "
        "independently of the label (of the embedded lenses, simulation.preset: axion_free does)",
    ),
    "shortcut_class": ("warning", "quote skill relative to that shortcut, or draw what it reads alike for every class"),
    "psf_mixture": ("warning", "quote results by PSF, or convolve to the broadest one"),
    "not_square": ("warning", "cut squares out: ingest.prepare: [{cutout: {size: ...}}]; others cannot be turned"),
    "dtype": ("note", "nothing, if the numbers are whole counts below 2^24; features compute in float32"),
    "unknown_units": ("note", "state ingest.units, so that flux and noise can be compared with a telescope's"),
    "dynamic_range": ("note", "stretch them (features.transform: arcsinh): a network sees the brightest linear pixels"),
    "repeated_images": ("note", "nothing: they are in one group; but they count as one lens"),
    "label_heaps": ("note", "check that a label with so few values is meant to be a continuous one"),
    "label_outliers": ("note", "look at these images; the squared error will be theirs"),
    "class_imbalance": ("note", "quote balanced accuracy, or the metric of each class"),
    "off_centre": ("note", "cut out about the lens: ingest.prepare: [{cutout: {size: ..., x: ..., y: ...}}]"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found, over all images that show it."""

    code: str
    severity: str
    summary: str  # one line
    evidence: dict[str, Any]  # numbers, and the ids of the first few images
    remedy: str


def finding(code: str, summary: str, **evidence: Any) -> Finding:
    """A finding of a known code, with its severity and remedy."""
    severity, remedy = KNOWN[code]
    return Finding(code, severity, summary, evidence, remedy)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first."""
    return sorted(findings, key=lambda found: (SEVERITIES.index(found.severity), found.code, found.summary))


def cautions(findings: Iterable[Finding], labels: Collection[str]) -> list[Finding]:
    """What is to be known before any number on these labels (`class`: that of the lens) is believed: no note, and no
    shortcut to a label that nobody is asked for."""
    return [one for one in findings if one.severity != "note" and one.evidence.get("label", "") in ("", *labels)]


def plain(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """As audit.json lists them."""
    return [asdict(found) for found in findings]


def read(path: str | Place) -> list[Finding]:
    """The findings of an audit.json."""
    try:
        listed = json.loads(place(path).read_text())["findings"]
        return [Finding(**found) for found in listed]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; python -m pipeline.audit writes it") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what python -m pipeline.audit writes: {error!r}") from None


def refused(findings: Iterable[Finding], accepted: Sequence[str]) -> list[Finding]:
    """The errors that nobody has accepted: with one of these there is no split."""
    for code in accepted:
        if code not in KNOWN:
            raise InputError(f"audit.accept: the audit knows no {code!r}; it finds {', '.join(KNOWN)}")
    return [found for found in findings if found.severity == "error" and found.code not in accepted]
