"""Network deconvolution (Ye et al. 2020, ICLR, arXiv 1905.11926): a convolution of whitened patches.

Neighbouring pixels of an image say nearly the same, and so do its colours: the columns that a convolution multiplies
its weights with are strongly correlated, and gradient descent is slow along all but their common direction. Here the
patches are freed of their mean and multiplied by the inverse root of their covariance first, which makes every column
as loud as the others and none of them predictable from the rest. It takes the place of a normalisation layer.

It is no transposed convolution, and undoes no point-spread function.
"""

from math import gcd

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, unfold

BLOCK = 64  # channels whitened together, at most: a root costs the cube of its columns
SAMPLING = 3  # the covariance is measured on every third patch, down and across
POSITIONS = 8  # but on no fewer patches a side than this, where the frame has them
EPSILON = 1e-5  # added to the variance of every column
MOMENTUM = 0.1  # share of a batch in the running estimates, once there have been 1 / MOMENTUM batches


def inverse_root(matrices: Float[Tensor, "m f f"], iterations: int) -> Float[Tensor, "m f f"]:
    """A^(-1/2) of symmetric positive-definite matrices by the coupled Newton-Schulz iteration, differentiable.

    An iteration multiplies the root in the direction of a small eigenvalue by 1.5 at most. Five, the paper's default,
    amplify no variance by more than 1.5^10 = 58 over the Frobenius norm: what is quieter than that stays too quiet,
    which spares the noise. The coupled form is the stable one: rounding errors do not grow with further iterations.
    """
    scale = torch.linalg.matrix_norm(matrices, keepdim=True)  # (m, 1, 1)
    identity = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    root, inverse = matrices / scale, identity.expand_as(matrices)
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * inverse @ root
        root, inverse = root @ step, step @ inverse
    return inverse / scale.sqrt()


class FastDeconv(nn.Conv2d):
    """A convolution with bias, `kernel_size // 2` zeros around the frame, of patches whitened over the batch.

    The whitening is folded into weights and bias, so that it costs one matrix root and an ordinary convolution.
    Evaluation folds in running estimates of mean and inverse root, and so sees one image at a time. After `freeze`
    batches of training (0 is never) training does, too: it is then as fast as a plain convolution.

    Up to 64 channels are whitened together; more are cut into blocks, which share the inverse root of their average
    covariance. Each group of a grouped convolution has its own. Inside autocast statistics, root and fold stay in
    float32; only the convolution is autocast.

    We differ from the authors' code in three points. The running estimates are plain averages over the first ten
    batches; theirs begin at the identity, a tenth of which is left after twenty. A block is made of whole channels;
    theirs interleave columns of different channels and pixels. Small frames are sampled more densely than by every
    third patch: of a frame of 3 pixels they see nothing but a corner and its padding.
    """

    bias: nn.Parameter  # always there
    running_mean: Tensor  # (m, f)
    running_root: Tensor  # (m, f, f)
    batches: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        iterations: int = 5,
        freeze: int = 0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups)
        self.iterations, self.freeze = iterations, freeze
        columns = kernel_size**2 * _block(in_channels, groups)
        self.register_buffer("running_mean", torch.zeros(groups, columns))
        self.register_buffer("running_root", torch.eye(columns).repeat(groups, 1, 1))
        self.register_buffer("batches", torch.tensor(0))

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        with torch.autocast(maps.device.type, enabled=False):
            mean, root = self.running_mean, self.running_root
            if self.training and not self.frozen():
                mean, root = self._measure(maps.to(self.weight.dtype))
            weight, bias = self._fold(mean, root)
        return conv2d(maps, weight, bias, self.stride, self.padding, groups=self.groups)

    def frozen(self) -> bool:
        """Whether training, too, goes by the running estimates."""
        return self.freeze > 0 and int(self.batches) >= self.freeze

    def patches(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "m s f"]:
        """The sampled patches, a row each; m is the number of groups, f the columns whitened together."""
        steps = [
            max(1, min(SAMPLING * stride, side // POSITIONS))
            for stride, side in zip(self.stride, maps.shape[2:], strict=True)
        ]
        columns = unfold(maps, self.kernel_size, padding=self.padding, stride=steps)  # type: ignore[arg-type]
        groups, width = self.running_mean.shape
        blocks = columns.unflatten(1, (groups, -1, width))  # (n, m, blocks, f, p)
        return blocks.permute(1, 0, 2, 4, 3).reshape(groups, -1, width)

    def _measure(self, maps: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "m f"], Float[Tensor, "m f f"]]:
        """Mean and inverse root of this batch, which the running estimates take in."""
        patches = self.patches(maps)
        mean = patches.mean(dim=1)
        centred = patches - mean[:, None]
        noise = EPSILON * torch.eye(mean.shape[1], dtype=mean.dtype, device=mean.device)
        root = inverse_root(centred.mT @ centred / patches.shape[1] + noise, self.iterations)
        self._remember(mean.detach(), root.detach())
        return mean, root

    def _remember(self, mean: Float[Tensor, "m f"], root: Float[Tensor, "m f f"]) -> None:
        self.batches += 1
        share = (1 / self.batches).clamp(min=MOMENTUM).to(mean.dtype)
        self.running_mean.lerp_(mean, share)
        self.running_root.lerp_(root, share)

    def _fold(self, mean: Float[Tensor, "m f"], root: Float[Tensor, "m f f"]) -> tuple[Tensor, Tensor]:
        """Weights and bias that do to a patch x what the layer's own do to root (x - mean)."""
        weight = self.weight.reshape(*mean.shape[:1], -1, mean.shape[1]) @ root  # (m, outputs and blocks, f)
        shift = (weight @ mean[..., None]).view(self.out_channels, -1).sum(dim=1)
        return weight.view_as(self.weight), self.bias - shift


def _block(in_channels: int, groups: int) -> int:
    """How many channels are whitened together."""
    if groups > 1 or in_channels <= BLOCK:
        return in_channels // groups
    return gcd(BLOCK, in_channels)
