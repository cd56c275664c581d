"""The tables: every feature, what it keeps and loses, and what it promises. A new one is a line here."""

from features.extra import found
from features.feature import INVARIANT, Feature
from features.fourier import band_pass, coordinates, log_power, multipoles, phase, power_spectrum
from features.light.bspline import minus_bspline
from features.light.gaussians import minus_gaussians
from features.light.quantile import minus_quantile
from features.morphology import morphology
from features.noise import noise_map, signal_to_noise
from features.polar import log_polar, polar
from features.radial import curve_of_growth, radial_gradient, radial_profile, radial_residual, radial_scatter, radii
from features.ring.annulus import annulus_response
from features.ring.contrast import difference_of_gaussians, laplacian_of_gaussian, unsharp, white_top_hat
from features.ring.einstein import einstein_radius
from features.ring.mask import ring_mask
from features.ring.ridge import ridge
from features.ring.source import relensed_residual, source_plane
from features.ring.structure import coherence, tangentiality
from features.stretch import anscombe, clahe, intensity, minmax, percentile_clip, pixels, stored, zscale
from features.wavelet.scattering import scattering
from features.wavelet.starlet import starlet, starlet_significance

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
        stored,
        keeps="the grey levels that a file with fewer bits has room for",
        loses="whatever lies between them; of faint images nearly everything",
        flux="the steps between grey levels stay where they are",
        differentiable="a staircase",
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
        minus_quantile,
        keeps="arcs, clumps and part of a ring",
        loses="a round galaxy, the faintest level of a complete ring, the mean of the sky",
    ),
    Feature(
        minus_gaussians,
        keeps="arcs, clumps, rings, whatever the galaxy has off its centre",
        loses="the galaxy as ellipses of one centre and position angle, and the faint wings of a ring",
        compiles="its non-negative fits take up to sixty exchanges each: as one graph, minutes of compiling",
    ),
    Feature(
        minus_bspline,
        keeps="arcs, clumps, most of a ring",
        loses="the galaxy with its twists and boxes, and what of a ring is as wide as the galaxy's own changes",
    ),
    Feature(
        ridge,
        keeps="bright curves of the widths asked for, complete rings among them",
        loses="signs, and faint extended light; by frangi and meijering the flux too",
        flux="sato grows with the flux; frangi and meijering are relative to the strongest ridge of the frame",
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
        ring_mask,
        keeps="what is near the Einstein ring",
        loses="what is far from it: the galaxy's core, neighbours",
        compiles="it looks for its radius in NumPy and by the place of a maximum",
        differentiable="the place of a maximum has no derivative",
    ),
    Feature(
        source_plane,
        keeps="what the source looks like, as far as the estimated lens is right",
        loses="the ring's geometry, and with it the mass; which counter-image light came from",
        differentiable="the lens is estimated by the place of a maximum",
    ),
    Feature(
        relensed_residual,
        keeps="what no smooth isothermal lens makes of one source: clumps, unlensed light, errors of the estimate",
        loses="whatever counter-images agree on",
        differentiable="the lens is estimated by the place of a maximum",
    ),
    Feature(
        log_power,
        keeps="how much structure there is at each scale and direction",
        loses="phase, and with it every position",
        flux=0.0,
    ),
    Feature(
        phase,
        keeps="where the crests of every wave above the noise lie, and with them every position",
        loses="how strong the waves are; sines or cosines",
        flux=0.0,
    ),
    Feature(band_pass, keeps="structure of a range of sizes", loses="what is larger or smaller, and the mean"),
    Feature(
        coordinates,
        keeps="where a pixel is in its frame",
        loses="the image: it is the same for all",
        turns="belongs to the frame, not to the image: the radius has the frame's symmetries, the others have not",
        flux=0.0,
        differentiable="it does not depend on the image",
    ),
    Feature(
        polar,
        keeps="everything within the circle that the frame holds whole, rings as rows",
        loses="the frame's corners, and fine detail far out",
        turns="an image that turns by a quarter rolls its map by a quarter of its columns",
    ),
    Feature(
        log_polar,
        keeps="the same, sizes as shifts",
        loses="the innermost pixel, the frame's corners, and fine detail far out",
        turns="an image that turns by a quarter rolls its map by a quarter of its columns",
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
    Feature(
        annulus_response,
        keeps="how much of a ring there is at each radius",
        loses="angles, and light that changes slowly with radius",
        turns=INVARIANT,
    ),
    Feature(
        einstein_radius,
        keeps="the radius of the ring, how well it is known, and whether there is one",
        loses="everything else",
        turns=INVARIANT,
        flux=0.0,
        scale=1.0,
        missing="there is no ring",
        compiles="it sorts in NumPy and looks for the place of a maximum",
        differentiable="the place of a maximum has no derivative",
    ),
    Feature(
        multipoles,
        keeps="strength of each order of symmetry",
        loses="directions",
        turns=INVARIANT,
        oriented="phases",
        compiles="how many annuli there are is found by sorting",
    ),
    Feature(
        power_spectrum,
        keeps="how much structure there is at each scale",
        loses="directions, phases and with them every position",
        turns=INVARIANT,
        flux=0.0,
    ),
    Feature(
        scattering,
        keeps="how much structure each scale has, and how much each coarser scale varies it",
        loses="where anything is, its direction and its sign",
        turns=INVARIANT,
        compiles="torch has no code for complex numbers to generate: it warns, and runs them as they are",
    ),
    *found("VECTORS"),
)
