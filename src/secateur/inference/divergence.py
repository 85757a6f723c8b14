"""How far a variant's next-token distributions are from the dense model's. Shape and reasons:
``docs/design/divergence.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from secateur.errors import StoreBusyError, VerificationError
from secateur.inference import runner
from secateur.inference.backend import Backend, Probe, Probed
from secateur.inference.runner import MakeBackend, NoWatcher, Watcher
from secateur.items.corpora import Window
from secateur.records.cell import CellSpec, Shard, read_shard
from secateur.records.store import Store
from secateur.records.tables import DIVERGENCE, REFERENCE

_CHUNK_BYTES = 2**26  # of the reference rows in one shard, before compression


def divergence(dense: Probed, variant: Probed) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """KL(dense || variant) at each position in nats, and whether both have the same best token.

    With P and Q the probabilities of the kept tokens and p and q those of all the others together:
    sum P ln(P / Q) + p ln(p / q), both sides first brought to a sum of exactly one. A lower bound of the KL over the
    whole vocabulary, by the log-sum inequality; exact if all tokens were kept. At least 0; NaN if a side is not
    finite or gives no probability to what the dense model may say.

    Args:
        dense: With its most probable tokens, the first of them its best.
        variant: Looked at for the same tokens.

    Shapes: -> [positions] each.
    """
    log_p = np.concatenate([dense.logprobs, dense.rest[:, None]], axis=1).astype(np.float64)
    log_q = np.concatenate([variant.logprobs, variant.rest[:, None]], axis=1).astype(np.float64)
    p, q = np.exp(log_p), np.exp(log_q)
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = np.where(p > 0, p * (log_p - log_q), np.where(np.isnan(p), np.nan, 0.0))
        kl = terms.sum(axis=1) / p.sum(axis=1) + np.log(q.sum(axis=1) / p.sum(axis=1))
    kl = np.where(np.isfinite(kl), np.maximum(kl, 0.0), np.nan)
    return kl, (variant.best >= 0) & (dense.tokens[:, 0] == variant.best)


def run_divergence(
    store: Store,
    spec: CellSpec,
    windows: Sequence[Window],
    make_backend: MakeBackend,
    watcher: Watcher = NoWatcher(),  # noqa: B008 - it has no state
    *,
    probe: Probe,
    reference: CellSpec | None = None,
) -> int:
    """Look at a cell's missing windows: keep the dense model's distributions, or compare a variant's with them.

    Args:
        store: Where both are kept.
        spec: The cell.
        windows: All that are wanted, those looked at before among them.
        make_backend: Makes the variant's backend.
        watcher: Told how it goes on.
        probe: At which positions, and how many tokens are kept.
        reference: The dense model's cell; ``None`` if this is it.

    Returns:
        Rows added.

    Raises:
        StoreBusyError: If another process is writing this cell, or the dense model's lacks windows.
        VerificationError: If the backend looked at something else than it was asked.
    """
    distinct = list({window.key: window for window in windows}.values())
    kept = None
    if reference is not None:
        kept = _Reference(store, reference, distinct)
        # Other batches would have other last bits, and equal weights no divergence of exactly 0.
        spec = replace(spec, token_budget=kept.token_budget)
    with store.write_cell(spec) as cell:
        table = REFERENCE if kept is None else DIVERGENCE
        chunks = _chunks(distinct, probe) if kept is None else kept.chunks(distinct)
        work = [runner.missing_windows(cell, table.name, chunk) for chunk in chunks]
        n_rows = sum(map(len, work))
        watcher.start(n_rows)
        if n_rows:
            backend = make_backend(cell.token_budget)
            for chunk in filter(None, work):
                if kept is None:
                    cell.append({table.name: reference_rows(_probed(backend, spec, chunk, watcher, probe, None))})
                    continue
                dense = kept.of(chunk)
                tokens = {key: seen.tokens for key, seen in dense.items()}
                found = _probed(backend, spec, chunk, watcher, probe, tokens)
                cell.append({table.name: divergence_rows(dense, found)})
    return n_rows


def reference_rows(probed: Mapping[int, Probed]) -> pa.Table:
    """Rows of the table ``reference``: window key -> what was seen of the dense model."""
    return pa.table(
        [
            pa.array(list(probed), pa.uint64()),
            pa.array([seen.tokens.astype("<i4").tobytes() for seen in probed.values()], pa.binary()),
            pa.array([seen.logprobs.astype("<f4").tobytes() for seen in probed.values()], pa.binary()),
            pa.array([seen.rest.astype("<f4").tobytes() for seen in probed.values()], pa.binary()),
        ],
        schema=REFERENCE.schema,
    )


def divergence_rows(dense: Mapping[int, Probed], variant: Mapping[int, Probed]) -> pa.Table:
    """Rows of the table ``divergence``, for the windows of ``variant``."""
    found = {key: divergence(dense[key], seen) for key, seen in variant.items()}
    return pa.table(
        [
            pa.array(list(found), pa.uint64()),
            pa.array([len(kl) for kl, _ in found.values()], pa.int32()),
            pa.array(np.array([kl.sum() for kl, _ in found.values()], dtype=np.float64), from_pandas=False),
            pa.array([int(same.sum()) for _, same in found.values()], pa.int32()),
        ],
        schema=DIVERGENCE.schema,
    )


class _Reference:
    """The dense model's cell, which must hold every window.

    Raises:
        StoreBusyError: If it does not.
    """

    def __init__(self, store: Store, spec: CellSpec, windows: Sequence[Window]) -> None:
        info = store.begun(spec.id)
        self._shards: dict[int, Shard] = {}
        for shard in info.shards if info else ():
            if shard.table == REFERENCE.name:
                rows = read_shard(info.folder, REFERENCE, shard, columns=["window"])  # type: ignore[union-attr]
                self._shards |= dict.fromkeys(rows["window"].to_pylist(), shard)
        missing = sum(window.key not in self._shards for window in windows)
        if missing or info is None:
            raise StoreBusyError(
                "The dense model's divergence cell, which this cell needs, is not complete.",
                where=f"cell {spec.id[:16]}",
                allowed=f"{len(windows):,} windows",
                got=f"{len(windows) - missing:,}, {missing:,} missing",
                todo="wait for the process that is at it, or run the study again",
            )
        self._info = info
        self.token_budget = info.token_budget

    def chunks(self, windows: Sequence[Window]) -> list[list[Window]]:
        """The windows as the dense model was given them: each shard's together, whenever it was added."""
        found: dict[Shard, list[Window]] = {}
        for window in windows:
            found.setdefault(self._shards[window.key], []).append(window)
        return list(found.values())

    def of(self, windows: Sequence[Window]) -> dict[int, Probed]:
        """What was seen of these windows."""
        keys = {window.key for window in windows}
        found: dict[int, Probed] = {}
        for shard in dict.fromkeys(self._shards[window.key] for window in windows):
            for row in read_shard(self._info.folder, REFERENCE, shard).to_pylist():
                if row["window"] in keys:
                    found[row["window"]] = _decoded(row)
        return found


def _decoded(row: Mapping[str, bytes]) -> Probed:
    rest = np.frombuffer(row["rest"], "<f4").astype(np.float32)
    tokens = np.frombuffer(row["tokens"], "<i4").astype(np.int32).reshape(len(rest), -1)
    logprobs = np.frombuffer(row["logprobs"], "<f4").astype(np.float32).reshape(len(rest), -1)
    return Probed(tokens[:, 0], tokens, logprobs, rest)


def _probed(
    backend: Backend,
    spec: CellSpec,
    chunk: Sequence[Window],
    watcher: Watcher,
    probe: Probe,
    tokens: Mapping[int, npt.NDArray[np.int32]] | None,
) -> dict[int, Probed]:
    found = {}
    for window, score in zip(chunk, backend.read_text(chunk, probe, tokens), strict=True):
        seen = score.probed
        if score.window != window.key or seen is None or len(seen.rest) != probe.positions(window):
            raise VerificationError("A backend looked at something else than it was asked.", where=spec.id)
        if tokens is not None and not np.array_equal(seen.tokens, tokens[window.key]):
            raise VerificationError("A backend looked at other tokens than it was asked about.", where=spec.id)
        found[window.key] = seen
        watcher.tick(1)
    return found


def _chunks(windows: Sequence[Window], probe: Probe) -> list[Sequence[Window]]:
    """The dense model's windows per shard: as everywhere, or fewer where many tokens are kept."""
    largest = max((8 * probe.top * probe.positions(window) for window in windows), default=1)
    size = max(1, min(runner.CHUNK, _CHUNK_BYTES // max(largest, 1)))
    return [windows[start : start + size] for start in range(0, len(windows), size)]
