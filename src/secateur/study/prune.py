"""Pruning one model into a folder: the whole of ``secateur prune`` as one function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import torch

from secateur.compression.folder import check_new_folder
from secateur.compression.methods import METHODS
from secateur.compression.patterns import LARGEST, read_pattern, refuse_uneven_rows
from secateur.compression.realise import Realisation
from secateur.compression.recipe import recipe
from secateur.compression.stream import prune_files
from secateur.errors import ConfigError, InputError
from secateur.inference.dtype import fast_dtype
from secateur.items.corpora import PACKAGED, Cut, calibration_digest, calibration_sequences, load_corpus
from secateur.models.checkpoint import find_checkpoint
from secateur.models.families import all_linears
from secateur.models.hollow import hollow_model
from secateur.models.loading import begin_token, load_tokenizer
from secateur.randomness import check_seed
from secateur.study.config import calibration_size
from secateur.study.plan import check_context, resolve_device, tokenize_with
from secateur.study.run import Progress, Silent


@dataclass(frozen=True)
class PruneRequest:
    """What ``secateur prune`` was asked; the fields are its options."""

    model: str
    method: str
    sparsity: str | None = None
    pattern: str | None = None
    revision: str | None = None
    per: str | None = None
    mask_seed: int = 0
    one_shot: bool = False
    calibration: str = "packaged"
    sequences: int | None = None
    length: int | None = None
    seed: int = 0
    cut: str = "stream"
    device: str = "auto"


def prune_to_folder(
    asked: PruneRequest, out: Path, *, offline: bool = False, progress: Progress | None = None
) -> Realisation:
    """Prune a model and write it as a folder that plain transformers loads.

    Args:
        asked: What is wanted.
        out: A folder that does not exist or is empty.
        offline: Make no network call.
        progress: Told how it goes on, as of one cell whose rows are linears.

    Raises:
        ConfigError: If the method, the comparison group or the pattern does not exist.
        UserError: If the model, the calibration text or the folder is not what it should be.
    """
    if asked.method not in METHODS:
        raise ConfigError([f"--method: {asked.method!r} is not one of {', '.join(METHODS)}"], where="secateur prune")
    method = METHODS[asked.method]
    if faults := _faults_of_level(asked):
        raise ConfigError(faults, where="secateur prune")
    if asked.per is not None and asked.per not in method.groups:
        allowed = ", ".join(method.groups)
        raise ConfigError(
            [f"--per: {asked.per!r} is not one of {allowed}, which {asked.method} has"], where="secateur prune"
        )
    if asked.cut not in get_args(Cut):
        raise ConfigError([f"--cut: {asked.cut!r} is not one of {', '.join(get_args(Cut))}"], where="secateur prune")
    needs_text = method.needs_inputs
    unused = [
        option
        for option, given, used in (
            ("--mask-seed", asked.mask_seed != 0, method.uses_mask_seed),
            ("--one-shot", asked.one_shot, "one-shot" in method.passes),
            ("--calibration", asked.calibration != PACKAGED, needs_text),
            ("--sequences", asked.sequences is not None, needs_text),
            ("--length", asked.length is not None, needs_text),
            ("--cut", asked.cut != "stream", needs_text),
            ("--seed", asked.seed != 0, needs_text),
        )
        if given and not used
    ]
    if unused:
        raise ConfigError([f"{option}: {asked.method} does not use it" for option in unused], where="secateur prune")
    if asked.cut == "documents" and asked.seed != 0:
        raise ConfigError(["--seed: documents are taken in file order, so there is no seed"], where="secateur prune")
    check_new_folder(out)
    base = Path()
    checkpoint = find_checkpoint(asked.model, revision=asked.revision, offline=offline, base=base)
    if asked.pattern is not None:
        refuse_uneven_rows(read_pattern(asked.pattern), checkpoint.linear_shapes(), where=asked.model)
    sequences, about = None, None
    tokenizer = load_tokenizer(checkpoint)
    if method.needs_inputs:
        corpus = load_corpus(asked.calibration, base=base, offline=offline)
        usual_number, usual_length = calibration_size(asked.calibration)
        number, length = asked.sequences or usual_number, asked.length or usual_length
        check_context(checkpoint, length, "--length")
        sequences = calibration_sequences(
            corpus,
            tokenize_with(tokenizer),
            sequences=number,
            length=length,
            seed=check_seed(asked.seed),
            bos=begin_token(tokenizer),
            cut=cast(Cut, asked.cut),
        )
        how = f"seed {asked.seed}" if asked.cut == "stream" else "heads of the first documents that long"
        about = f"{corpus.name}: {number} sequences of {length} tokens, {how}"
    planned = recipe(
        asked.method,
        asked.sparsity,
        pattern=asked.pattern,
        per=asked.per,
        mask_seed=asked.mask_seed,
        propagation="one-shot" if asked.one_shot else None,
        calibration=calibration_digest(sequences) if sequences else None,
    )
    device = resolve_device(asked.device)
    dtype: torch.dtype = getattr(torch, fast_dtype(device) if method.needs_inputs else "float32")
    hollow = hollow_model(checkpoint, tokenizer, device=device, dtype=dtype)
    with (progress or Silent()).cell(planned.label, 1, 1) as watcher:
        watcher.start(sum(1 for _ in all_linears(hollow.model, hollow.family)))
        return prune_files(
            hollow,
            planned,
            out,
            sequences=sequences,
            calibration=about,
            progress=lambda name, done, of: watcher.tick(1),
        )


def _faults_of_level(asked: PruneRequest) -> list[str]:
    if asked.pattern is None:
        return [] if asked.sparsity is not None else ["--sparsity: missing; give it or --pattern"]
    faults = [
        f"{option}: cannot stand beside --pattern, which fixes it; give one of the two"
        for option, given in (("--sparsity", asked.sparsity), ("--per", asked.per))
        if given is not None
    ]
    if not METHODS[asked.method].takes_patterns:
        able = ", ".join(name for name, each in METHODS.items() if each.takes_patterns)
        faults.append(f"--pattern: {asked.method} has no patterns; {able} have")
    try:
        read_pattern(asked.pattern)
    except InputError:
        faults.append(f"--pattern: {asked.pattern!r} is no N:M pattern such as 2:4, with 1 <= N < M <= {LARGEST}")
    return faults
