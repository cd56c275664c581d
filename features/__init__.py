"""Features: pure functions from images (n, h, w) to one map (n, h, w) or to one vector (n, k) with named columns.

`MAPS` and `VECTORS` are the tables. To add a feature: write the function, add a line to its table, name it in a recipe
of params.yaml, and test what it means. A recipe names channels and how each is made: `{ridge: {sigmas: [2]}}`, or,
for a second one of the kind, `{thin: {feature: ridge, sigmas: [1]}}`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from features.extra import found
from features.feature import INVARIANT, OBSERVATION, Feature
from features.fourier import log_power, multipoles
from features.morphology import morphology
from features.noise import noise_map, signal_to_noise
from features.radial import curve_of_growth, radial_gradient, radial_profile, radial_residual, radial_scatter, radii
from features.ring.contrast import difference_of_gaussians, laplacian_of_gaussian, unsharp, white_top_hat
from features.ring.ridge import ridge
from features.ring.source import relensed_residual, source_plane
from features.ring.structure import coherence, tangentiality
from features.stretch import anscombe, clahe, intensity, minmax, percentile_clip, pixels, zscale
from features.wavelet.scattering import scattering
from features.wavelet.starlet import starlet, starlet_significance

Options = Mapping[str, Mapping[str, Any]]
Table = dict[str, Feature]


def table(*features: Feature) -> Table:
    """Features by their names. Raises `ValueError` where two have one name."""
    named: Table = {}
    for feature in features:
        if feature.name in named:
            where = feature.compute.__module__.replace(".", "/")
            raise ValueError(f"{where}.py: there is a feature {feature.name!r} already; give yours a name of its own")
        named[feature.name] = feature
    return named


MAPS = table(
    Feature(pixels, keeps="the ingested pixels", loses="nothing"),
    Feature(
        intensity,
        keeps="everything, faint parts at a scale that a network sees",
        loses="nothing: it has an inverse",
        flux="a stretch is not linear; log and arcsinh see only the ratio to the sky",
    ),
    Feature(
        anscombe,
        keeps="everything, with noise of rms 1 in bright and in faint pixels",
        loses="nothing: it has an inverse",
        flux=0.0,
    ),
    Feature(
        minmax,
        keeps="the shape of the light",
        loses="the flux and the level of the noise",
        flux=0.0,
        per_image="the flux, and with it mass: the faintest lens is as bright as the brightest",
    ),
    Feature(
        percentile_clip,
        keeps="the shape of the light that is neither brightest nor faintest",
        loses="the flux, the level of the noise, and the brightest pixels of galaxy and arcs",
        flux=0.0,
        per_image="the flux, and the brightest pixels of the arcs, which carry most about mass",
    ),
    Feature(
        zscale,
        keeps="faint light near the sky, as an astronomer's display shows it",
        loses="the flux and the level of the noise; the galaxy, and most of a bright arc, are cut off",
        flux=0.0,
        per_image="the flux, and whatever is much brighter than the sky",
    ),
    Feature(
        clahe,
        keeps="local contrast: edges, arcs on a bright galaxy",
        loses="flux, every ratio of brightness, and the order of brightness between distant places",
        flux=0.0,
        differentiable="pixels are counted in bins: it jumps where one changes its bin",
        per_image="flux and every ratio of brightness: a grey level means another brightness in each place",
    ),
    Feature(
        noise_map,
        keeps="how uncertain each pixel is",
        loses="what lies below the sky's mean, and every sign",
    ),
    Feature(
        signal_to_noise,
        keeps="everything, in units of each pixel's own noise",
        loses="nothing: it grows wherever the image does",
        flux=0.0,
    ),
    Feature(starlet, keeps="structure of one size", loses="every other size, and the mean"),
    Feature(
        starlet_significance,
        keeps="structure of one size, in units of what noise there is at that size",
        loses="every other size, and the mean",
        flux=0.0,
    ),
    Feature(radial_residual, keeps="arcs and clumps", loses="whatever is round: the galaxy, and a complete ring"),
    Feature(
        ridge,
        keeps="bright curves of the widths asked for, complete rings among them",
        loses="signs, and faint extended light; by frangi and meijering the flux too",
        flux="sato grows with the flux; frangi and meijering are relative to the strongest ridge of the frame",
        per_image="nothing by sato; by frangi and meijering how strong a ridge is, against those of other images",
    ),
    Feature(
        coherence,
        keeps="where the image varies in one direction: arcs, rings, edges, spikes",
        loses="how bright and how steep: noise has some too",
        flux=0.0,
    ),
    Feature(
        tangentiality,
        keeps="where the image runs around the centre: arcs and rings, and a round galaxy's flank",
        loses="how bright and how steep, and whatever points elsewhere",
        flux=0.0,
    ),
    Feature(
        difference_of_gaussians,
        keeps="structure between two sizes, with its sign",
        loses="the mean, slow trends, and detail below the smaller size",
    ),
    Feature(
        laplacian_of_gaussian,
        keeps="blobs and ridges of one width, with their sign",
        loses="the mean, slopes, and detail below that width",
    ),
    Feature(
        white_top_hat,
        keeps="whatever is bright and thinner than the disc, as far as it rises above all sides",
        loses="whatever is broader than the disc, dark structure, and a ring on a steep flank",
    ),
    Feature(unsharp, keeps="everything, detail raised above the rest", loses="nothing: it has an inverse"),
    Feature(
        source_plane,
        keeps="what the source looks like, as far as the estimated lens is right",
        loses="the ring's geometry, and with it the mass; which counter-image light came from",
    ),
    Feature(
        relensed_residual,
        keeps="what no smooth isothermal lens makes of one source: clumps, unlensed light, errors of the estimate",
        loses="whatever counter-images agree on",
    ),
    Feature(
        log_power,
        keeps="how much structure there is at each scale and direction",
        loses="phase, and with it every position",
        flux=0.0,
    ),
    *found("MAPS"),
)
VECTORS = table(
    Feature(radial_profile, keeps="the round part", loses="whatever depends on angle", turns=INVARIANT),
    Feature(
        radial_scatter,
        keeps="how uneven each annulus is: arcs",
        loses="which way, and what is as faint as the sky's noise",
        turns=INVARIANT,
    ),
    Feature(
        radial_gradient,
        keeps="how steep the round part is",
        loses="its brightness, and whatever depends on angle",
        turns=INVARIANT,
        flux=0.0,
    ),
    Feature(curve_of_growth, keeps="the flux within each radius", loses="whatever depends on angle", turns=INVARIANT),
    Feature(radii, keeps="size and concentration", loses="flux, and every shape", turns=INVARIANT, flux=0.0),
    Feature(
        morphology,
        keeps="lopsidedness, and how few pixels have the light and where",
        loses="flux, size and everything else",
        turns=INVARIANT,
        flux=0.0,
    ),
    Feature(multipoles, keeps="strength of each order of symmetry", loses="directions", turns=INVARIANT),
    Feature(
        scattering,
        keeps="how much structure each scale has, and how much each coarser scale varies it",
        loses="where anything is, its direction and its sign",
        turns=INVARIANT,
        compiles="torch has no code for complex numbers to generate: it warns, and runs them as they are",
    ),
    *found("VECTORS"),
)


def compute_maps(
    images: Float[Tensor, "n b h w"], recipe: Options, observation: Mapping[str, float]
) -> Float[Tensor, "n c h w"]:
    """The map features of a recipe as channels: every band of the first feature, then of the next."""
    channels = [
        made.compute(images[:, band], **options, **_supplied(made, observation))
        for made, options in _chosen(MAPS, recipe)
        for band in range(images.shape[1])
    ]
    return torch.stack(channels, dim=1)


def compute_vectors(
    images: Float[Tensor, "n b h w"], recipe: Options, observation: Mapping[str, float]
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """The vector features of a recipe, of the reference band (the first), side by side, with their columns' names."""
    vectors = [
        made.compute(images[:, 0], **options, **_supplied(made, observation))
        for made, options in _chosen(VECTORS, recipe)
    ]
    values = torch.cat([values for values, _ in vectors], dim=1) if vectors else images.new_zeros(len(images), 0)
    names = [
        _renamed(column, label, made.name)
        for (label, (made, _), (_, columns)) in zip(recipe, _chosen(VECTORS, recipe), vectors, strict=True)
        for column in columns
    ]
    return values, names


def map_names(recipe: Options, bands: int) -> list[str]:
    """Names of the channels that `compute_maps` gives."""
    return [name if bands == 1 else f"{name}_{band}" for name in recipe for band in range(bands)]


def needs(maps: Options, vectors: Options) -> dict[str, str]:
    """What the features of a recipe ask to know about the observation, and which of them asks."""
    return {need: label for label, feature in _features(maps, vectors) for need in feature.needs}


def per_image(maps: Options, vectors: Options) -> dict[str, str]:
    """What is lost by the features of a recipe whose scale is each image's own."""
    return {label: feature.per_image for label, feature in _features(maps, vectors) if feature.per_image}


def missing(vectors: Options) -> tuple[str, ...]:
    """The vectors of a recipe in which a value may be NaN."""
    return tuple(label for label, feature in _features({}, vectors) if feature.missing)


def check(maps: Options, vectors: Options) -> None:
    """Raise `ValueError` if a recipe names a feature or an option that does not exist."""
    for kind, known, recipe in (("maps", MAPS, maps), ("vectors", VECTORS, vectors)):
        for label, options in recipe.items():
            name = options.get("feature", label)
            if name not in known:
                raise ValueError(f"{kind}: no feature {name!r}; there are {', '.join(known)}")
            for option in options:
                if option not in known[name].options and option != "feature":
                    there = ", ".join(known[name].options) or "none"
                    raise ValueError(f"{kind}.{label}: no option {option!r}; there are {there}")


def _features(maps: Options, vectors: Options) -> Iterable[tuple[str, Feature]]:
    """The label and the feature of each line of a recipe."""
    for known, recipe in ((MAPS, maps), (VECTORS, vectors)):
        yield from ((label, feature) for label, (feature, _) in zip(recipe, _chosen(known, recipe), strict=True))


def _chosen(known: Table, recipe: Options) -> Iterable[tuple[Feature, dict[str, Any]]]:
    """Each line of a recipe as its feature and the options given to it."""
    for label, options in recipe.items():
        yield known[options.get("feature", label)], {key: own for key, own in options.items() if key != "feature"}


def _renamed(column: str, label: str, name: str) -> str:
    """A column's name under the label that the recipe gives its feature."""
    return column if label == name else f"{label}{column.removeprefix(name).removeprefix(name.removesuffix('s'))}"


def _supplied(feature: Feature, observation: Mapping[str, float]) -> dict[str, float]:
    """What a feature asks to know about the observation, out of what there is."""
    return {need: observation[need] for need in feature.needs}


__all__ = ["INVARIANT", "MAPS", "OBSERVATION", "VECTORS", "Feature", "check", "compute_maps", "compute_vectors"]
