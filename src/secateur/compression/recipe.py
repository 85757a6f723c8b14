"""A recipe: what is to be done to a model, in plain values, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from secateur.compression.levels import exact_fraction, written
from secateur.compression.masks import Group
from secateur.compression.method import Method, Propagation
from secateur.compression.methods import METHODS
from secateur.compression.patterns import is_pattern, read_pattern
from secateur.errors import InputError
from secateur.identity import Plain, digest
from secateur.randomness import check_seed


@dataclass(frozen=True)
class Recipe:
    """A compression as planned. Fields a method does not use are ``None`` and stay out of its identity.

    Build one with :func:`recipe`, which fills in defaults and checks.
    """

    method: str
    sparsity: Fraction
    per: Group
    mask_seed: int | None = None
    propagation: Propagation | None = None
    calibration: str | None = None

    @property
    def plain(self) -> dict[str, Plain]:
        """The recipe as JSON values."""
        fields: dict[str, Plain] = {
            "method": self.method,
            "sparsity": str(self.sparsity),
            "per": self.per,
            "mask_seed": self.mask_seed,
            "propagation": self.propagation,
            "calibration": self.calibration,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def spec(self) -> Method:
        """The method's line in the table."""
        return METHODS[self.method]

    @property
    def label(self) -> str:
        """For people: method and level, and whatever departs from the method's default."""
        parts = [self.method, self.per if is_pattern(self.per) else written(self.sparsity)]
        if self.per != self.spec.per and not is_pattern(self.per):
            parts.append(f"per-{self.per}")
        if self.propagation is not None and self.propagation != self.spec.passes[0]:
            parts.append(self.propagation)
        if self.mask_seed:
            parts.append(f"mask-seed-{self.mask_seed}")
        return " ".join(parts)


def recipe(
    method: str,
    sparsity: float | str | Fraction | None = None,
    *,
    pattern: str | None = None,
    per: Group | None = None,
    mask_seed: int = 0,
    propagation: Propagation | None = None,
    calibration: str | None = None,
) -> Recipe:
    """A checked recipe with the method's defaults.

    Args:
        method: A name in ``METHODS``.
        sparsity: Share of each linear's weights to remove, 0 to 1.
        pattern: In its place, an N:M pattern such as "2:4".
        per: Comparison group; the method's own if ``None``, the pattern's where there is one.
        mask_seed: For methods that use one; ignored by others.
        propagation: For methods that need calibration, their own if ``None``; ignored by others.
        calibration: Digest of the calibration sequences, for methods that need them.

    Raises:
        InputError: For an unknown method, a level outside 0..1, a comparison group, pattern or propagation that the
            method does not have, a level or group beside a pattern, neither level nor pattern, or missing calibration.
    """
    if method not in METHODS:
        raise InputError("There is no such pruning method.", allowed=", ".join(METHODS), got=method)
    spec = METHODS[method]
    level, group = _level_and_group(spec, sparsity, pattern, per)
    if spec.needs_inputs and propagation is not None and propagation not in spec.passes:
        raise InputError(f"{method} has no such propagation.", allowed=", ".join(spec.passes), got=propagation)
    if spec.needs_inputs and calibration is None:
        raise InputError(
            f"{method} needs calibration text.", todo="name a corpus under `calibration`, or with --calibration"
        )
    return Recipe(
        method=method,
        sparsity=level,
        per=group,
        mask_seed=check_seed(mask_seed, "mask seed") if spec.uses_mask_seed else None,
        propagation=(propagation or spec.passes[0]) if spec.needs_inputs else None,
        calibration=calibration if spec.needs_inputs else None,
    )


def _level_and_group(
    spec: Method, sparsity: float | str | Fraction | None, pattern: str | None, per: Group | None
) -> tuple[Fraction, Group]:
    if pattern is not None:
        for beside, given in (("level", sparsity), ("comparison group", per)):
            if given is not None:
                raise InputError(
                    f"A pattern fixes the {beside}.", where=f"pattern {pattern}", got=given, todo="name one of the two"
                )
        if not spec.takes_patterns:
            able = ", ".join(name for name, each in METHODS.items() if each.takes_patterns)
            raise InputError(f"{spec.name} has no N:M patterns.", where="pattern", allowed=able, got=pattern)
        found = read_pattern(pattern)
        return found.sparsity, str(found)
    if sparsity is None:
        raise InputError("A recipe needs a level or a pattern.", allowed="one of the two", got="neither")
    if per is not None and per not in spec.groups:
        raise InputError(f"{spec.name} has no such comparison group.", allowed=", ".join(spec.groups), got=per)
    return exact_fraction(sparsity), per or spec.per


class Change(Protocol):
    """What can be done to a model's weights: a :class:`Recipe`, or a placebo."""

    @property
    def plain(self) -> dict[str, Plain]:
        """It as JSON values, which are its identity."""

    @property
    def label(self) -> str:
        """For people."""


def planned_digest(model_digest: str, planned: Change | None) -> str:
    """Identity of a variant before it is made; ``None`` is the dense model itself."""
    return digest("variant", [model_digest, planned.plain if planned else "dense"])
