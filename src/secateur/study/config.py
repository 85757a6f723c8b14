"""The study file: what may stand in it, with every fault found at once. Reference: ``docs/study-file.md``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from secateur.compression.levels import exact_fraction
from secateur.compression.noise import STRENGTHS, STRONGEST, noise_strength
from secateur.compression.patterns import read_pattern
from secateur.errors import ConfigError, InputError
from secateur.files import read_text
from secateur.inference.backend import Probe
from secateur.items.corpora import GENERATED, PACKAGED, Cut
from secateur.items.orders import ORDERS
from secateur.items.prompts import LETTERS_V1, OTHER_PROMPTS
from secateur.items.text_protocols import TEXT_PROTOCOLS, BosRule, TextProtocol


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def as_list(value: Any) -> Any:
    """A single value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def _share(value: Any) -> Fraction:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    try:
        # A float as the text in the file, so that 0.29 stays 29/100.
        return exact_fraction(repr(value) if isinstance(value, float) else value)
    except InputError:
        raise ValueError(f"{value} is not a share from 0 to 1") from None


def _strength(value: Any) -> Fraction:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    try:
        return noise_strength(repr(value) if isinstance(value, float) else value)
    except InputError:
        raise ValueError(f"{value} is no strength above 0 and at most {STRONGEST}") from None


def _pattern(value: Any) -> str:
    try:
        return str(read_pattern(value))
    except InputError as error:
        hint = "; in quotes: YAML reads 2:4 without them as a number" if type(value) is int else ""
        raise ValueError(f"{value!r} is no N:M pattern such as 2:4{hint}") from error


NofM = Annotated[str, BeforeValidator(_pattern)]
Strength = Annotated[Fraction, BeforeValidator(_strength)]
Share = Annotated[Fraction, BeforeValidator(_share)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(as_list)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)]


class ModelConfig(_Strict):
    """A model: a folder or a Hub id with an optional revision."""

    id: str
    revision: str | None = None


class VariantConfig(_Strict):
    """Variants of one or several methods; lists are crossed with each other."""

    method: Names
    pattern: Annotated[tuple[NofM, ...], BeforeValidator(as_list), Field(min_length=1)] | None = None
    sparsity: Annotated[tuple[Share, ...], BeforeValidator(as_list), Field(min_length=1)] | None = Field(
        default=None, validate_default=True
    )
    per: Literal["row", "tensor"] | None = None
    mask_seed: Annotated[Seeds, Field(min_length=1)] = (0,)
    propagation: Literal["propagated", "one-shot", "pia"] | None = None

    # Of single fields, not of the whole entry, whose own check would wait until all other faults of it are gone.
    @field_validator("sparsity", "per", mode="before")
    @classmethod
    def _not_beside_pattern(cls, value: Any, info: ValidationInfo) -> Any:
        # A pattern that was named and is none is not in the data; one that was not named is None there.
        patterned = info.data.get("pattern", "unreadable") is not None
        if value is not None and patterned:
            raise ValueError("cannot stand beside pattern, which fixes it; name one of the two")
        if value is None and not patterned and info.field_name == "sparsity":
            raise ValueError("missing; name this or a pattern")
        return value


class PlaceboConfig(_Strict):
    """Placebos: the dense model with noise on its weights; lists are crossed with each other."""

    placebo: Literal["noise"]
    strength: Annotated[tuple[Strength, ...], BeforeValidator(as_list), Field(min_length=1, validate_default=True)] = (
        STRENGTHS  # type: ignore[assignment]
    )
    noise_seed: Annotated[Seeds, Field(min_length=1)] = (0,)


class BenchmarkConfig(_Strict):
    """Which items are asked."""

    name: str = "bbq"
    folder: Path | None = None
    categories: Names | None = None
    condition: Annotated[tuple[Literal["ambig", "disambig"], ...], BeforeValidator(as_list), Field(min_length=1)] = (
        "ambig",
        "disambig",
    )
    per_template: Count | None = None
    limit: Count | None = None


class LetterConfig(_Strict):
    """The letter readout."""

    orders: str = "fixed"
    floor: Literal["batches"] | None = None
    other_prompts: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()

    @field_validator("orders")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_orders(value)

    @field_validator("other_prompts")
    @classmethod
    def _known_prompts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in OTHER_PROMPTS]
        if unknown:
            own = f" ({LETTERS_V1.name} is the study's own)" if LETTERS_V1.name in unknown else ""
            named = ", ".join(map(repr, unknown))
            raise ValueError(f"{named} {'is' if len(unknown) == 1 else 'are'} not of {', '.join(OTHER_PROMPTS)}{own}")
        if len(set(value)) < len(value):
            raise ValueError("one stands there twice")
        return value


class SampledConfig(_Strict):
    """The sampled readout."""

    orders: str = "fixed"
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.3
    max_new_tokens: Annotated[int, Field(ge=1, le=1000, strict=True)] = 5
    seeds: Annotated[Seeds, Field(min_length=1)] = (42, 123, 456, 789, 1024)
    floor_seeds: Seeds = ()

    @field_validator("orders")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_orders(value)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        together = [*self.seeds, *self.floor_seeds]
        if len(set(together)) != len(together):
            raise ValueError("seeds and floor_seeds must all differ; a floor made of the same draws would be zero")
        if self.floor_seeds and len(self.floor_seeds) != len(self.seeds):
            raise ValueError("floor_seeds must be as many as seeds; a figure and its floor need equally many draws")
        return self


class ReadoutsConfig(_Strict):
    """At least one of the two readouts."""

    letter: LetterConfig | None = None
    sampled: SampledConfig | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.letter is None and self.sampled is None:
            raise ValueError("name at least one readout: letter, sampled")
        return self


class DivergenceConfig(_Strict):
    """At which positions of the text whole distributions are compared, and how many tokens of each are kept."""

    every: Count = 64
    top: Count = 256

    @property
    def probe(self) -> Probe:
        """The same, as a backend takes it."""
        return Probe(self.every, self.top)


class PerplexityConfig(_Strict):
    """Which text is read: a protocol by name, or one's own."""

    protocol: str | None = None
    corpus: str = PACKAGED
    window: Annotated[int, Field(ge=2, strict=True)] = 512
    windows: Count | None = None
    bos: BosRule = "every"
    divergence: DivergenceConfig | None = None

    @field_validator("protocol")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in TEXT_PROTOCOLS:
            raise ValueError(f"{value!r} is not one of {', '.join(TEXT_PROTOCOLS)}")
        return value

    @field_validator("corpus", "window", "windows", "bos")
    @classmethod
    def _only_without_protocol(cls, value: Any, info: ValidationInfo) -> Any:
        # A protocol that was named and is unknown is not in the data; one that was not named is None there.
        if info.data.get("protocol", "unknown") is not None:
            raise ValueError("cannot stand beside protocol, which fixes it; name one or the other")
        return value

    @model_validator(mode="after")
    def _looks_somewhere(self) -> Self:
        scored = self.reading.window - 1
        if self.divergence is not None and self.divergence.every > scored:
            raise ValueError(f"divergence.every is {self.divergence.every}, and a window has {scored:,} scored tokens")
        return self

    @property
    def reading(self) -> TextProtocol:
        """The protocol that is meant; one's own has an empty name."""
        if self.protocol is not None:
            return TEXT_PROTOCOLS[self.protocol]
        return TextProtocol(
            name="",
            corpus=self.corpus,
            window=self.window,
            windows=self.windows,
            bos=self.bos,
            conversations=False,
            summary="",
            docs="docs/study-file.md",
            source="the study file",
        )


class CalibrationConfig(_Strict):
    """Which text methods are calibrated on, and how much of it."""

    corpus: str = PACKAGED
    sequences: Count = Field(default_factory=lambda said: calibration_size(said["corpus"])[0])
    length: Annotated[int, Field(ge=2, strict=True)] = Field(
        default_factory=lambda said: calibration_size(said["corpus"])[1]
    )
    seed: Annotated[Seeds, Field(min_length=1)] = (0,)
    cut: Cut = "stream"

    @model_validator(mode="after")
    def _seeds_used(self) -> Self:
        if len(set(self.seed)) != len(self.seed):
            raise ValueError("seed: one stands there twice")
        if self.cut == "documents" and self.seed != (0,):
            raise ValueError("seed: documents are taken in file order, so there is no seed; leave it out")
        return self


def calibration_size(corpus: str) -> tuple[int, int]:
    """Sequences and their length unless told otherwise: as published, or what a corpus of the package has text for."""
    return (32, 256) if corpus in (PACKAGED, *GENERATED) else (128, 2048)


class ComputeConfig(_Strict):
    """How it is computed. Nothing here changes what is asked."""

    backend: str = "torch-tree"
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    token_budget: Count = 16384


def _kind_of_variant(value: Any) -> str:
    if isinstance(value, str):
        return "Name"
    return (
        "Placebo" if isinstance(value, PlaceboConfig) or (isinstance(value, dict) and "placebo" in value) else "Methods"
    )


_Variant = Annotated[
    Annotated[Literal["dense"], Tag("Name")]
    | Annotated[VariantConfig, Tag("Methods")]
    | Annotated[PlaceboConfig, Tag("Placebo")],
    Discriminator(_kind_of_variant),
]


class StudyConfig(_Strict):
    """A whole study file."""

    study: Annotated[str, Field(min_length=1)]
    models: Annotated[tuple[ModelConfig, ...], Field(min_length=1)]
    variants: Annotated[tuple[_Variant, ...], Field(min_length=1)]
    benchmark: BenchmarkConfig = BenchmarkConfig()
    readouts: ReadoutsConfig = ReadoutsConfig(letter=LetterConfig())
    perplexity: PerplexityConfig | None = None
    calibration: CalibrationConfig | None = None
    compute: ComputeConfig = ComputeConfig()

    @field_validator("models", mode="before")
    @classmethod
    def _short_models(cls, value: Any) -> Any:
        return [{"id": entry} if isinstance(entry, str) else entry for entry in as_list(value)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.variants.count("dense") != 1:
            there = "dense" in self.variants
            found = "repeated" if there else "missing; without it there is nothing to compare with"
            raise ValueError(f"variants: 'dense' is {found}")
        return self


def _known_orders(value: str) -> str:
    if value not in ORDERS:
        raise ValueError(f"{value!r} is not one of {', '.join(ORDERS)}")
    return value


def parse_study(data: object, *, where: str = "study") -> StudyConfig:
    """Check a study given as plain values (what YAML gives).

    Raises:
        ConfigError: With every fault, each with its place.
    """
    if not isinstance(data, dict):
        raise ConfigError(["the file is not a mapping of names to values"], where=where)
    try:
        return StudyConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(faults_of(error), where=where) from None


def load_study(path: Path) -> StudyConfig:
    """Read a study file.

    Raises:
        InputError: If it is missing or not YAML; the message has the line.
        ConfigError: With every fault, each with its place.
    """
    return parse_study(read_yaml(path, "study"), where=str(path))


def read_yaml(path: Path, what: str) -> object:
    """The plain values of a YAML file in which no key stands twice.

    Args:
        path: The file.
        what: What it is, for messages.

    Raises:
        InputError: If it is missing or not YAML; the message has the line.
    """
    try:
        data: object = yaml.load(read_text(path), _UniqueKeys)
    except RecursionError:
        raise InputError(f"The {what} file is nested too deeply.", where=path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else path
        raise InputError(f"The {what} file is not YAML.", where=place, got=getattr(error, "problem", error)) from None
    return data


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping that names a key twice; YAML itself would keep the last and say nothing."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._checked: set[yaml.MappingNode] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # Once, before what `<<` names is put in: that may name a key again.
        if node not in self._checked:
            self._checked.add(node)
            self._check_keys([key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"])
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # a date that does not exist
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None

    def _check_keys(self, nodes: Sequence[yaml.Node]) -> None:
        keys = [self.construct_object(node, deep=True) for node in nodes]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands here twice", nodes[place].start_mark
                )


def faults_of(error: ValidationError) -> list[str]:
    """Every fault, each with its place, in our words."""
    found = error.errors()
    places = [one["loc"] for one in found]
    # A list whose entries are all wrong is also reported as too short; one of the two is enough.
    nested = {place[:n] for place in places for n in range(len(place))}
    return sorted({_fault(one) for one in found if not (one["type"] == "too_short" and one["loc"] in nested)})


_IN_OUR_WORDS = {
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "model_type": "must be a mapping of names to values",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "tuple_type": "must be a list",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
}
"""pydantic's types of error -> what to say."""


def _fault(error: Any) -> str:
    # pydantic names the kind of variant it tried; the reader never wrote that.
    tagged = error["loc"][:1] == ("variants",)
    place = ".".join(str(part) for number, part in enumerate(error["loc"]) if not (tagged and number == 2))
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key"
    if error["type"] == "missing":
        return f"{place}: missing"
    message = _IN_OUR_WORDS.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    got = error.get("input")
    shown = f" (got {got!r})" if isinstance(got, str | int | float) and repr(got) not in message else ""
    return f"{place}: {message}{shown}" if place else message
