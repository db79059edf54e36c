#!/usr/bin/env python3
"""Trains a byte-level vocabulary of 32,000 tokens on JSONL.zst files: tamis beside tokenizers and bpeasy, each in a process of its own.

    pip install tokenizers==0.23.3 bpeasy==0.1.6 zstandard
    cargo build --release
    python3 benches/train.py target/release/tamis CORPUS/text/000.jsonl.zst …

Each reads the files itself. The merges of tamis and of tokenizers must be equal.
"""
import io
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

SIZE = 32_000
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def texts(files):
    import zstandard
    for file in files:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(open(file, "rb")), "utf-8"):
            yield json.loads(line)["text"]


if sys.argv[1] == "--tokenizers":
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    it = Tokenizer(models.BPE())
    it.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CL100K), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    it.train_from_iterator(texts(sys.argv[3:]), trainers.BpeTrainer(vocab_size=SIZE, min_frequency=2, special_tokens=["<|endoftext|>"],
                                                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    it.save(sys.argv[2])
    sys.exit()
if sys.argv[1] == "--bpeasy":
    import bpeasy
    bpeasy.train_bpe(texts(sys.argv[3:]), CL100K, 128, SIZE)
    sys.exit()

tamis, *files = sys.argv[1:]
tamis, files = pathlib.Path(tamis).resolve(), [str(pathlib.Path(f).resolve()) for f in files]
place = pathlib.Path(tempfile.mkdtemp())
size = sum(len(t.encode()) for t in texts(files)) / 1e6
(place / "p.yaml").write_text(f"read: {{ jsonl: {json.dumps(files)} }}\nsteps:\n  - train_bpe: {{ dir: vocabulary, vocab_size: {SIZE}, pattern: cl100k }}\n")
print(f"{size:.0f} MB of text, {SIZE} tokens, {os.cpu_count()} cores")
commands = {"tamis": [tamis, "run", "p.yaml"], "tokenizers": [sys.executable, __file__, "--tokenizers", place / "theirs.json", *files],
            "bpeasy": [sys.executable, __file__, "--bpeasy", "", *files]}
for name, command in commands.items():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"  {name}: {took:.1f} s ({size / took:.1f} MB/s), {after.ru_utime - before.ru_utime:.1f} s of processor time", flush=True)
ours, theirs = (json.loads(path.read_text())["model"] for path in (place / "vocabulary/tokenizer.json", place / "theirs.json"))
print("merges equal" if ours == theirs else "MERGES DIFFER")
