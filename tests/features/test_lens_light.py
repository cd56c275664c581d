"""Lens light: a galaxy goes, arcs stay; and the algebra of each model against scipy's."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from scipy.interpolate import BSpline
from scipy.linalg import lstsq
from scipy.ndimage import gaussian_filter
from scipy.optimize import lsq_linear
from scipy.optimize import nnls as scipy_nnls
from torch import Tensor

from features.geometry import angle, light_centre, offsets, radial_quantile, radius
from features.geometry.profile import sorted_into_annuli
from features.light import robust, weights
from features.light.bspline import RIDGE, at_frame, at_light, folded, minus_bspline, unfolded
from features.light.gaussians import equations, ladder, minus_gaussians
from features.light.multipole import CORE, basis, design
from features.light.nnls import nnls
from features.light.quantile import minus_quantile
from pipeline.lensing.light import sersic

LIKE = torch.empty(0, dtype=torch.float64)
MODELS = {"quantile": minus_quantile, "gaussians": minus_gaussians, "bspline": minus_bspline}
FRAMES = [(64, 64), (65, 65), (48, 57)]
RING = 14.0  # its radius, pixels

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)
every_model = pytest.mark.parametrize("name", MODELS)


def galaxy(frame: tuple[int, int], axis_ratio: float = 0.7, index: float = 4.0, place: tuple[float, float] = (0, 0)):  # noqa: ANN201
    """A Sersic galaxy in a PSF of 2 pixels, integrated over pixels."""
    fine = 5
    y, x = offsets(frame[0] * fine, frame[1] * fine, LIKE)
    of = [torch.tensor(value, dtype=torch.float64) for value in (5000.0, 6.0, axis_ratio, 0.5, index)]
    light = sersic(x / fine - place[1], y / fine - place[0], *of)
    seen = torch.from_numpy(gaussian_filter(light.numpy(), 0.9 * fine))
    return seen.view(frame[0], fine, frame[1], fine).mean(dim=(1, 3))


@pytest.fixture(params=FRAMES, ids=str)
def scene(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    """A galaxy, and arcs and a ring half as bright again as it is where they are."""
    frame = request.param
    r, phi = radius(*frame, LIKE), angle(*frame, LIKE)
    light = galaxy(frame)
    bright = 1.5 * light[(r - RING).abs() < 1].mean()
    ring = bright * torch.exp(-0.5 * ((r - RING) / 1.5) ** 2)
    arc = ring * torch.exp(-0.5 * ((phi - 1) / 0.6) ** 2)
    counter = 1.2 * ring * torch.exp(-0.5 * ((phi + 2.1) / 0.25) ** 2)
    inside, along = (r < RING - 5).double(), ((r - RING).abs() < 4).double()
    return {"galaxy": light, "ring": ring, "arcs": arc + counter, "inside": inside, "along": along}


def left(name: str, image: Tensor) -> Tensor:
    return MODELS[name](image[None])[0]


@pytest.mark.parametrize(("name", "most"), [("quantile", 0.16), ("gaussians", 0.012), ("bspline", 0.006)])
def test_a_flattened_galaxy_goes(name: str, most: float, scene: dict[str, Tensor]) -> None:
    """Of its light inside the ring so much is left, sign regardless, at an axis ratio of 0.7.

    A quantile leaves what is not round; few Gaussians follow a de Vaucouleurs cusp to a hundredth.
    """
    residual = left(name, scene["galaxy"]) * scene["inside"]
    assert residual.abs().sum() < most * (scene["galaxy"] * scene["inside"]).sum()


def test_of_a_flattened_galaxy_splines_leave_least_and_a_quantile_most(scene: dict[str, Tensor]) -> None:
    leaves = {name: (left(name, scene["galaxy"]) * scene["inside"]).abs().sum() for name in MODELS}
    assert leaves["bspline"] < leaves["gaussians"] < 0.2 * leaves["quantile"]


@pytest.mark.parametrize("name", ["gaussians", "bspline"])
@pytest.mark.parametrize(("lensed", "least"), [("arcs", 0.75), ("ring", 0.85)])
def test_arcs_and_a_ring_stay_while_the_galaxy_goes(
    name: str, lensed: str, least: float, scene: dict[str, Tensor]
) -> None:
    """Their wings, too faint to stand out of the galaxy, are taken for its light."""
    kept = (left(name, scene["galaxy"] + scene[lensed]) * scene["along"]).sum() / (scene[lensed] * scene["along"]).sum()
    assert least < kept < 1.1
    inside = left(name, scene["galaxy"] + scene[lensed]) * scene["inside"]
    assert inside.abs().sum() < 0.03 * (scene["galaxy"] * scene["inside"]).sum()


@pytest.mark.parametrize("name", ["gaussians", "bspline"])
def test_noise_does_not_bring_the_galaxy_back(
    name: str, scene: dict[str, Tensor], generator: np.random.Generator
) -> None:
    """Noise of a tenth of the arcs' brightness: what is left beside it is a few hundredths of the galaxy."""
    image = scene["galaxy"] + scene["arcs"]
    noise = 0.1 * scene["arcs"].max() * torch.from_numpy(generator.normal(0, 1, (4, *image.shape)))
    beside = (MODELS[name](image + noise) - noise) * scene["along"]
    assert 0.7 < beside.mean(dim=0).sum() / (scene["arcs"] * scene["along"]).sum() < 1.15
    inside = (MODELS[name](image + noise) - noise) * scene["inside"]
    assert inside.abs().sum(dim=(1, 2)).max() < 0.05 * (scene["galaxy"] * scene["inside"]).sum()


def test_an_arc_stays_whole_and_a_ring_goes_from_a_round_galaxy_by_its_quantile() -> None:
    """With an arc in a third of an annulus the quantile is that of the faint end of its slope plus a little more."""
    frame = (64, 64)
    r, phi = radius(*frame, LIKE), angle(*frame, LIKE)
    round_, ring = 100 * torch.exp(-r / 4), ((r >= 13) & (r < 16)).double()
    arc = ring * (phi.abs() < 1)
    beside = left("quantile", round_ + arc)
    assert beside[arc > 0].sum() == pytest.approx(arc.sum().item(), rel=0.1)
    assert left("quantile", round_ + ring)[ring > 0].abs().mean() < 0.15


@every_frame
@pytest.mark.parametrize("width", [1.0, 2.0])
@pytest.mark.parametrize("quantile", [0.0, 0.3, 0.5])
def test_a_round_galaxy_leaves_no_steps(frame: tuple[int, int], width: float, quantile: float) -> None:
    """At the cusp, which no spline follows, to 0.07; from 4 pixels on to 0.6 % of its own light; as width squared."""
    r = radius(*frame, LIKE)
    image = torch.exp(-r / 5)
    residual = image - radial_quantile(image[None], width, quantile)[0]
    outside = (r > 4) & (r < min(frame) / 2 - width)
    assert residual.abs().max() < 0.07 * width**2
    assert (residual / image)[outside].abs().max() < 0.006 * width**2


@every_frame
def test_the_quantile_is_numpys_in_every_annulus(frame: tuple[int, int], generator: np.random.Generator) -> None:
    """The spline runs through them: at the radius that 0.7 of an annulus's pixels lie within."""
    image = generator.normal(1, 1, frame)
    r = radius(*frame, LIKE).numpy().ravel()
    spread = radial_quantile(torch.from_numpy(image)[None], 2.0, 0.3)[0].numpy().ravel()
    order, counts = sorted_into_annuli(*frame, 2.0)
    for pixels in np.split(order.numpy(), np.cumsum(counts)[:-1]):
        node = np.quantile(r[pixels], 0.7)
        at = pixels[np.isclose(r[pixels], node, rtol=1e-12)]
        np.testing.assert_allclose(spread[at], np.quantile(image.ravel()[pixels], 0.3), atol=1e-10)


@pytest.mark.parametrize("centre", ["frame", "light"])
@pytest.mark.parametrize("name", ["gaussians", "bspline"])
def test_a_galaxy_off_its_frames_centre_wants_the_centre_of_its_light(name: str, centre: str) -> None:
    frame = (64, 64)
    off = galaxy(frame, place=(1.4, -2.2))
    residual = MODELS[name](off[None], centre=centre)[0].abs().sum() / off.sum()
    assert residual < 0.03 if centre == "light" else residual > 0.06


def test_one_design_and_a_design_of_ones_own_fit_alike(generator: np.random.Generator) -> None:
    """A galaxy whose light is centred in its frame, in noise, weighted at random: the same normal equations."""
    images = torch.from_numpy(generator.normal(1, 1, (2, 48, 47)))
    images = images + images.flip(1, 2)  # symmetric: its centre of light is the frame's
    weight = torch.from_numpy(generator.uniform(0.1, 1, images.shape))
    assert light_centre(images).abs().max() < 1e-9
    shared, own = at_frame(images, 0.7, (0, 2, 4))(weight), at_light(images, 0.7, (0, 2, 4))(weight)
    inside = radius(48, 47, LIKE) < 20  # the own design has more splines, past the corners
    assert (shared - own)[:, inside].abs().max() < 1e-3


@every_frame
def test_splines_times_multipoles_fit_as_scipy_does(frame: tuple[int, int], generator: np.random.Generator) -> None:
    """With the same ridge, a row for each column: near the centre too few pixels tell the multipoles apart."""
    image, weight = generator.normal(1, 1, frame), generator.uniform(0.1, 1, frame)
    y, x = (part.expand(frame).flatten() for part in offsets(*frame, LIKE))
    radial, angular, _ = basis(y, x, 0.7, (0, 2, 4), float(radius(*frame, LIKE).max()))
    columns = (radial[:, :, None] * angular[:, None, :]).flatten(1).numpy()
    root = np.sqrt(weight.ravel())
    weighted = columns * root[:, None]
    length = np.linalg.norm(weighted, axis=0).reshape(-1, 5).max(axis=1).repeat(5)  # of each spline's longest order
    matrix = np.concatenate([weighted / length, np.sqrt(RIDGE) * np.eye(columns.shape[1])])
    best = lstsq(matrix, np.append(image.ravel() * root, np.zeros(columns.shape[1])))[0] / length
    ours = at_frame(torch.from_numpy(image)[None], 0.7, (0, 2, 4))(torch.from_numpy(weight)[None])[0]
    np.testing.assert_allclose(ours, (columns @ best).reshape(frame), atol=1e-8)


@pytest.mark.parametrize("spacing", [0.5, 0.7, 1.3])
def test_the_splines_are_scipys(spacing: float) -> None:
    r = torch.linspace(0, 40, 400, dtype=torch.float64)
    radial, _, _ = basis(torch.zeros_like(r), r, spacing, (0,), 40.0)
    knots = np.arange(-3, radial.shape[1] + 1)
    for number, column in enumerate(radial.T):
        element = BSpline.basis_element(knots[number : number + 5], extrapolate=False)
        expected = np.nan_to_num(element(np.arcsinh(r.numpy() / CORE) / spacing))
        np.testing.assert_allclose(column, expected, atol=1e-12)
    torch.testing.assert_close(radial.sum(dim=1), torch.ones_like(r))


@every_frame
def test_a_frame_is_its_quarter_and_its_mirror_images(frame: tuple[int, int], generator: np.random.Generator) -> None:
    """Folding is the transpose of unfolding, with the middle lines of odd sides counted twice."""
    image = torch.from_numpy(generator.normal(0, 1, (1, *frame)))
    tall, wide = -(-frame[0] // 2), -(-frame[1] // 2)
    share = design(*frame, 0.7, (0,))[4]
    even, odd = torch.from_numpy(generator.normal(0, 1, (2, 1, tall * wide)))
    y, x = offsets(*frame, LIKE)
    odd = odd * ((y[:tall] != 0) & (x[:, :wide] != 0)).flatten()  # what is odd vanishes there
    symmetric, skew = folded(image)
    whole = (image * unfolded(even, odd, *frame)).sum()
    torch.testing.assert_close(whole, (share * (symmetric * even + skew * odd)).sum())


def test_least_squares_that_are_not_negative_are_scipys(generator: np.random.Generator) -> None:
    """Of a ladder of Gaussians, as ill-conditioned as it comes: the sum of squares to 1e-9 of the image's."""
    frame = (48, 48)
    images = torch.stack([galaxy(frame), galaxy(frame, 0.4, 1.0), torch.from_numpy(generator.normal(1, 1, frame))])
    columns = ladder(images, light_centre(images), 1.6)
    weight = torch.from_numpy(generator.uniform(0.1, 1, images.shape))
    joined = torch.cat([columns, images.flatten(1)[:, None]], dim=1)
    amplitudes, free = nnls(*equations(joined, weight.flatten(1)))
    assert (amplitudes >= 0).all()
    assert (amplitudes[~free] == 0).all()
    for column, image, own, found in zip(columns, images.flatten(1), weight.flatten(1), amplitudes, strict=True):
        root = own.sqrt()
        matrix, target = (column * root).T.numpy(), (image * root).numpy()
        _, least = scipy_nnls(matrix, target)
        ours = np.linalg.norm(matrix @ found.numpy() - target)
        assert ours**2 - least**2 < 1e-9 * (target**2).sum()


@pytest.mark.parametrize("columns", [1, 5, 30])
def test_random_problems_have_scipys_solution(columns: int, generator: np.random.Generator) -> None:
    matrices, targets = generator.normal(0.2, 1, (40, 60, columns)), generator.normal(0, 1, (40, 60))
    gram, moment = (matrices.transpose(0, 2, 1) @ part for part in (matrices, targets[:, :, None]))
    found, _ = nnls(torch.from_numpy(gram), torch.from_numpy(moment[:, :, 0]))
    for matrix, target, ours in zip(matrices, targets, found, strict=True):
        np.testing.assert_allclose(ours, scipy_nnls(matrix, target)[0], atol=1e-7)
        np.testing.assert_allclose(ours, lsq_linear(matrix, target, (0, np.inf), method="bvls").x, atol=1e-7)


def test_solving_again_and_tracing_change_nothing(generator: np.random.Generator) -> None:
    """The settled are set aside on a CPU; with a gradient all go on together for the same answer."""
    matrices, targets = generator.normal(0.2, 1, (20, 60, 30)), generator.normal(0, 1, (20, 60, 1))
    gram, moment = (torch.from_numpy(matrices.transpose(0, 2, 1) @ part) for part in (matrices, targets))
    found, free = nnls(gram, moment[:, :, 0])
    again, _ = nnls(gram, moment[:, :, 0], free)
    traced, _ = nnls(gram.clone().requires_grad_(), moment[:, :, 0])
    torch.testing.assert_close(again, found)
    torch.testing.assert_close(traced.detach(), found)


@pytest.mark.parametrize("low", [True, False])
@every_frame
def test_fused_weights_are_those_of_torch(frame: tuple[int, int], low: bool, generator: np.random.Generator) -> None:
    images, model = torch.from_numpy(generator.normal(1, 1, (2, 3, *frame)))
    sky = torch.from_numpy(generator.uniform(0.5, 2, (3, 1, 1)))
    for ours, expected in zip(
        robust.reweighted(images, model, sky, low), weights.reweighted(images, model, sky, low), strict=True
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)


@every_model
def test_with_a_gradient_it_is_the_same(name: str, generator: np.random.Generator) -> None:
    """Six rounds of weights enlarge the rounding of the first."""
    images = galaxy((48, 48)) + torch.from_numpy(generator.normal(0, 0.3, (2, 48, 48)))
    traced = MODELS[name](images.clone().requires_grad_())
    torch.testing.assert_close(traced.detach(), MODELS[name](images), rtol=0, atol=1e-7)


@every_model
def test_its_derivative_is_the_limit_of_differences(name: str, generator: np.random.Generator) -> None:
    image, step = (galaxy((48, 48)) + torch.from_numpy(generator.normal(0, 0.3, (2, 1, 48, 48)))).unbind(0)
    along = torch.from_numpy(generator.normal(0, 1, image.shape))

    def seen(image: Tensor) -> Tensor:
        return (along * MODELS[name](image)).sum()

    size = 1e-6
    slope = (torch.func.grad(seen)(image) * step).sum().item()
    assert slope == pytest.approx(
        ((seen(image + size * step) - seen(image - size * step)) / (2 * size)).item(), rel=1e-3
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("quantile", {"quantile": 1.2}, "quantile: 1.2 must be from 0 to 1"),
        ("quantile", {"width": 0.0}, "width: an annulus 0 pixels wide"),
        ("gaussians", {"ratio": 1.0}, "ratio: 1 of one width"),
        ("gaussians", {"centre": "ring"}, "centre: no centre 'ring'; there are light, frame"),
        ("bspline", {"spacing": 0.0}, "spacing: 0 e-foldings"),
        ("bspline", {"orders": [0, 3]}, r"orders: \[0, 3\] must be some of 0, 2, 4, 6, 8"),
        ("bspline", {"orders": []}, r"orders: \[\] must be"),
        ("bspline", {"centre": "ring"}, "centre: no centre 'ring'; there are frame, light"),
    ],
)
def test_an_option_that_does_not_suit_is_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeCheckError), match=f"^{message}"):
        MODELS[name](torch.zeros(1, 48, 48), **options)
