"""What systems share that reconstruct images by a term: its kernel network, its warm-up, both players' losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from torch import Tensor, nn

from blurvae.blur import kernel_width
from blurvae.losses import Term, kernel_loss
from blurvae.models import KernelNet
from blurvae.models.coder import Coder
from blurvae.train import Turn


class Players(NamedTuple):
    """The players: θ and φ in `vae`, γ in `kernel_net` and in `spectrum` what a term itself learns; None if absent."""

    vae: Coder
    kernel_net: KernelNet | None
    spectrum: nn.Module | None = None


class Seen(NamedTuple):
    """What the losses were computed of.

    Attributes:
        z: (n, latent).
        x_hat: (n, c, h, w).
        kernel: (n, K, K), what the term was given; None in warm-up and for terms without a kernel.
    """

    z: Tensor
    x_hat: Tensor
    kernel: Tensor | None


class Weighed(NamedTuple):
    """A batch, decoded and weighed by a term.

    Attributes:
        loss: (), the term's mean over the batch.
        x_hat: (n, c, h, w).
        made: (n, K, K), the network's kernels, None where there is no network.
        given: those that the term was given.
    """

    loss: Tensor
    x_hat: Tensor
    made: Tensor | None
    given: Tensor | None


def weigh(
    players: Players, x: Tensor, z: Tensor, term: Term, autocast: Callable[[], AbstractContextManager[Any]]
) -> Weighed:
    """Decodes z and compares with x; on the kernel path "detached" z gets no gradient through the kernel."""
    vae, kernel_net, spectrum = players
    with autocast():
        x_hat, logit = vae.decode(z)
    kernel = kernel_net(z) if kernel_net is not None else None
    given = None
    if term.kernel_path is not None and kernel is not None:
        given = kernel.detach() if term.kernel_path == "detached" else kernel
    loss = term.given(spectrum)(x, x_hat, logit=logit, kernel=given).mean()
    return Weighed(loss, x_hat, kernel, given)


def turn(term: Term, x: Tensor, z: Tensor, weighed: Weighed, objective: Tensor, parts: Mapping[str, Tensor]) -> Turn:
    """The objective for θ, φ and what a term learns; for γ eq. 12, ‖x * G_γ(z) − x̂‖², on path "elbo" the objective."""
    parts, seen = dict(parts), Seen(z, weighed.x_hat, weighed.given)
    if weighed.made is None:
        learns = {"spectrum": objective} if term.learns else {}
        return Turn(learns | {"vae": objective}, parts, seen)
    blur_error = kernel_loss(x, weighed.x_hat, weighed.made).mean()
    width = kernel_width(weighed.made.detach()).mean()
    parts |= {"kernel_loss": blur_error, "kernel_width": width}
    # γ first: the last of the backward passes alone frees activations on its way, and
    # most of them are the VAE's.
    own = objective if term.kernel_path == "elbo" else blur_error
    return Turn({"kernel_net": own, "vae": objective}, parts, seen)


def phase(term: Term, warm_up: int, epoch: int) -> str:
    """For terms that warm up "warm-up", then "weighted"; else "train" throughout."""
    if not term.warms_up:
        return "train"
    return "weighted" if epoch >= warm_up else "warm-up"


def kernel_config(term: Term, latent: int, one_kernel: bool = False) -> dict[str, int] | None:
    """The arguments of the kernel network that a term needs, or of one kernel for all; None where it needs none."""
    if term.kernel_path is None:
        return None
    hidden = {"hidden": 0} if one_kernel else {}
    return {"latent": latent, "size": term.kernel_size} | hidden  # type: ignore[attr-defined]


def check(players: Players, term: Term, latent: int, batch: int) -> None:
    """See `System.check`."""
    vae, kernel_net, spectrum = players
    if vae.latent != latent:
        raise ValueError(f"The VAE has a code of length {vae.latent}, the system one of {latent}: give both the same.")
    if term.kernel_path is not None:
        if kernel_net is None:
            raise ValueError(f"The term {term.name!r} needs a kernel network: pass Players(vae, KernelNet(…)).")
        size: Any = term.kernel_size  # type: ignore[attr-defined]
        if size != kernel_net.size:
            raise ValueError(
                f"The term {term.name!r} takes kernels of size {size}, the kernel network makes them of size "
                f"{kernel_net.size}: give both the same."
            )
    if term.learns and spectrum is None:
        raise ValueError(f"The term {term.name!r} learns a spectrum: pass Players(vae, None, term.network(shape)).")
    if batch == 1 and vae.features == (1, 1):
        raise ValueError(
            "Batch norm needs more than one value of a channel, and a batch of one image has features of 1×1 px "
            "here: raise batch_size, or leave out one of the widths."
        )


def learns_nothing(term: Term, system: str) -> None:
    """Refuses a term with parameters of its own in a system that has no player for them.

    Raises:
        ValueError: the term learns.
    """
    if term.learns:
        raise ValueError(f"The term {term.name!r} learns parameters, for which {system!r} has no player: use 'vae'.")


def check_numbers(
    system: Any, positive: tuple[str, ...], not_negative: Mapping[str, str], whole: tuple[str, ...]
) -> None:
    """Refuses fields of a system that are out of their range.

    Args:
        system: the frozen dataclass.
        positive: fields that are rates, > 0.
        not_negative: fields ≥ 0, with what each is.
        whole: fields that are, or hold, whole numbers of at least 1.

    Raises:
        ValueError: the first that is.
    """
    for name in positive:
        value = getattr(system, name)
        if not (_is_number(value) and value > 0):
            raise ValueError(f"{name} must be a positive number such as 1e-4, not {value!r}.")
    for name, what in not_negative.items():
        value = getattr(system, name)
        if not (_is_number(value) and value >= 0):
            raise ValueError(f"{name}, {what}, must be a finite number ≥ 0, not {value!r}.")
    for name in whole:
        value = getattr(system, name)
        values = (value or (0,)) if isinstance(value, tuple) else (value,)
        if bad := [one for one in values if type(one) is not int or one < 1]:
            raise ValueError(f"{name} takes whole numbers of at least 1, not {bad[0]!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
