"""What pruning a checkpoint of a 7B model's size takes: peak memory, and time as a multiple of copying its files.

    python benchmarks/stream.py --folder FOLDER [--blocks 32] [--out benchmarks/stream.json] [--wanda]

Writes a checkpoint with Mistral 7B's shapes and random weights into FOLDER (14.5 GB, and as much again for a copy), and
times in turn, each in a process of its own and with no page of the base in the page cache (the kernel is asked to drop
them): copying the weight files and syncing the copies; `secateur prune` by magnitude; with --wanda, also by wanda with
8 sequences of 256 tokens. Memory is the process's peak resident set as the kernel counts it. Everything is removed at
the end. Processor seconds stand beside the wall's: on a shared machine only they can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WIDTH, MLP, HEAD, HEADS, KV_HEADS, VOCABULARY = 4096, 14336, 128, 32, 8, 32768
SHARD = 4_950_000_000
POOL = 2**25  # weights that are drawn; tensors are pieces of them, from changing places

CONFIG = {
    "architectures": ["MistralForCausalLM"],
    "model_type": "mistral",
    "hidden_size": WIDTH,
    "intermediate_size": MLP,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-5,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--blocks", type=int, default=32)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--wanda", action="store_true")
    options = arguments.parse_args()
    if options.folder.exists():
        raise SystemExit(f"{options.folder} is there already; name a new folder, which is removed afterwards")
    base, pruned = options.folder / "base", options.folder / "pruned"
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    try:
        make_base(base, options.blocks)
        found: dict[str, object] = {"blocks": options.blocks, "threads": threads, "cores": os.cpu_count()}
        n_bytes = sum(path.stat().st_size for path in base.glob("*.safetensors"))
        found["gigabytes"] = round(n_bytes / 1e9, 2)
        command = [sys.executable, __file__, "--copy", str(base), str(options.folder / "copy")]
        plain = found["copy"] = measured(base, command)
        del plain["peak_resident_megabytes"]  # of a process this small it is what its parent held when it began
        shutil.rmtree(options.folder / "copy")
        print("copy", plain, flush=True)
        runs = {"magnitude": ["--method", "magnitude"]}
        if options.wanda:
            runs["wanda"] = ["--method", "wanda", "--sequences", "8", "--length", "256"]
        for name, method in runs.items():
            command = ["prune", str(base), *method, "--sparsity", "0.5", "--out", str(pruned), "--offline"]
            run = measured(base, [sys.executable, "-m", "secateur", *command])
            shutil.rmtree(pruned)
            found[name] = run | {"times_copying": round(run["seconds"] / plain["seconds"], 2)}
            print(name, found[name], flush=True)
        text = json.dumps(found, indent=2)
        print(text)
        if options.out:
            options.out.write_text(text + "\n", encoding="utf-8")
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)


def measured(base: Path, command: list[str]) -> dict[str, float]:
    """Run a command on a base that is not in the page cache."""
    os.sync()
    for path in base.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "peak_resident_megabytes": round(used.ru_maxrss * 1024 / 1e6),
    }


def copy(base: Path, target: Path) -> None:
    """The plain copy: the weight files, each synced, as the pruned ones are."""
    target.mkdir()
    for path in sorted(base.glob("*.safetensors")):
        shutil.copyfile(path, target / path.name)
        with (target / path.name).open("rb+") as file:
            os.fsync(file.fileno())


def make_base(base: Path, n_blocks: int) -> None:
    """Write the checkpoint shard by shard; a process of its own makes the tokenizer, so that this one stays small."""
    base.mkdir(parents=True)
    code = (
        "from secateur.models.tiny import tiny_tokenizer; import sys;"
        "tiny_tokenizer(['The gate was left open in the morning.'] * 40).save_pretrained(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(base)], check=True)
    (base / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": n_blocks}))
    shards: list[dict[str, tuple[int, ...]]] = [{}]
    size = 0
    for name, shape in tensors(n_blocks).items():
        n_bytes = 2 * int(np.prod(shape))
        if size + n_bytes > SHARD:
            shards.append({})
            size = 0
        shards[-1][name] = shape
        size += n_bytes
    next_piece = pieces()
    index = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_shard(base / file, shard, next_piece)
        index |= dict.fromkeys(shard, file)
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def tensors(n_blocks: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    for block in range(n_blocks):
        prefix = f"model.layers.{block}."
        found |= {
            prefix + "input_layernorm.weight": (WIDTH,),
            prefix + "mlp.down_proj.weight": (WIDTH, MLP),
            prefix + "mlp.gate_proj.weight": (MLP, WIDTH),
            prefix + "mlp.up_proj.weight": (MLP, WIDTH),
            prefix + "post_attention_layernorm.weight": (WIDTH,),
            prefix + "self_attn.k_proj.weight": (KV_HEADS * HEAD, WIDTH),
            prefix + "self_attn.o_proj.weight": (WIDTH, HEADS * HEAD),
            prefix + "self_attn.q_proj.weight": (HEADS * HEAD, WIDTH),
            prefix + "self_attn.v_proj.weight": (KV_HEADS * HEAD, WIDTH),
        }
    return found | {"model.norm.weight": (WIDTH,), "lm_head.weight": (VOCABULARY, WIDTH)}


def pieces() -> Callable[[int], list[np.ndarray]]:
    """A source of weights: normal with a spread of 0.02, in bfloat16 bits, never twice from the same place."""
    draw = np.random.default_rng(0)
    normal = draw.standard_normal(POOL, dtype=np.float32) * np.float32(0.02)
    pool = (normal.view(np.uint32) >> 16).astype(np.uint16)
    place = 0

    def take(n: int) -> list[np.ndarray]:
        nonlocal place
        taken = []
        while n:
            part = pool[place : place + n]
            taken.append(part)
            n -= len(part)
            place = (place + len(part)) % POOL
        place = (place + 12_345) % POOL
        return taken

    return take


def write_shard(path: Path, shard: dict[str, tuple[int, ...]], take: Callable[[int], list[np.ndarray]]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(shard):
        start, end = end, end + 2 * int(np.prod(shard[name]))
        header[name] = {"dtype": "BF16", "shape": list(shard[name]), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in sorted(shard):
            for piece in take(int(np.prod(shard[name]))):
                file.write(piece.data)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--copy"]:
        copy(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
