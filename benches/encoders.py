#!/usr/bin/env python3
"""Encodes texts in memory on one thread: tamis beside fastokens, gigatoken, tiktoken and tokenizers, each in a process of its own.

    pip install fastokens==0.3.5 gigatoken==0.10.0 tiktoken==0.14.0 tokenizers==0.23.3 zstandard
    cargo build --release --benches
    python3 benches/encoders.py fixtures/tokenizers/gpt2.json CORPUS [KIND…]

The corpus (of benches/corpus.py) is taken as a whole (mix) and by kind: ASCII prose, Chinese and Japanese (cjk), source code. A
last kind (long) are 10 MB without a space, of several sorts, and prose in turn with them, which only tamis is given: not every engine
ends on them. A pass is over all texts; the first finds empty caches. Speeds are MB of a second of processor time, which other work
disturbs less than the clock. tamis uses a document's ids before it encodes the next, as its pipelines do; the others return the ids
of all. gigatoken is given its documents the two ways it offers, and the faster counts. The engines take eight turns, and the best of
each pass counts: a shared machine has slow minutes. tokenizers and tiktoken, being slow, get an eighth of the texts and one turn.
"""
import base64
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

import zstandard

TURNS, SLOW = 8, ("tiktoken", "tokenizers")
tokenizer, corpus, *rest = sys.argv[1:]


def passes(name, path):
    """First and second pass in MB of a second of processor time."""
    texts = [json.loads(line)["text"] for line in open(path)]
    if name in SLOW:
        texts = texts[::8]
    size = sum(len(t.encode()) for t in texts) / 1e6
    if name == "fastokens":
        import fastokens
        it = fastokens.Tokenizer.from_file(tokenizer)
        work = lambda: it.encode_batch(texts)
    elif name == "gigatoken":
        import gigatoken
        it = gigatoken.Tokenizer(tokenizer)
        work = lambda: it.encode_batch(texts)
    elif name == "gigatoken-bytes":
        import gigatoken
        it = gigatoken.Tokenizer(tokenizer)
        source = gigatoken.BytesSource(["\x00".join(t.replace("\x00", " ") for t in texts).encode()], separator="\x00")
        work = lambda: it.encode_batch(source)
    elif name == "tiktoken":
        import tiktoken
        vocab = json.load(open(tokenizer))["model"]["vocab"]
        bytes_of = {chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174 else None: b for b in range(256)}
        rest = [b for b in range(256) if not (33 <= b <= 126 or 161 <= b <= 172 or b >= 174)]
        bytes_of |= {chr(256 + n): b for n, b in enumerate(rest)}
        ranks = {bytes(bytes_of[c] for c in t): i for t, i in vocab.items() if all(c in bytes_of for c in t) and i < 50256}
        pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
        it = tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})
        work = lambda: [it.encode_ordinary(t) for t in texts]
    else:
        import tokenizers
        it = tokenizers.Tokenizer.from_file(tokenizer)
        work = lambda: it.encode_batch_fast(texts)
    speeds = []
    for _ in range(2):
        start = time.process_time()
        work()
        speeds.append(size / (time.process_time() - start))
    return speeds


if corpus == "--pass":
    print(json.dumps(passes(*rest)))
    sys.exit()

def texts_of(file):
    stream = zstandard.ZstdDecompressor().stream_reader(open(file, "rb"), read_across_frames=True)
    return [json.loads(line)["text"] for line in io.TextIOWrapper(stream, "utf-8")]


def long_texts(size=10_000_000):
    rng = random.Random(5)
    yield "letters", "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=size))
    yield "lower case", "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=size))
    yield "words", "".join(rng.choices("the of and pretraining corpus tokens internationalization house green ideas sleep".split(), k=size // 6))
    yield "one word", "internationalization" * (size // 20)
    yield "Base64", base64.b64encode(rng.randbytes(size * 3 // 4)).decode()
    yield "digits", "".join(rng.choices("0123456789", k=size))
    yield "=", "=" * size
    yield "spaces", " " * size
    yield "ideographs", "".join(chr(rng.randint(0x4e00, 0x9fa5)) for _ in range(size // 3))
    yield "random bytes", rng.randbytes(size).decode("utf-8", "replace")


corpus = pathlib.Path(corpus)
place = pathlib.Path(tempfile.mkdtemp())
text = lambda: [text for file in sorted((corpus / "text").glob("*.zst")) for text in texts_of(file)]
wide = lambda t: sum("\u3040" <= c <= "\u9fff" for c in t[:4000]) > len(t[:4000]) / 4
kinds = {"mix": text, "prose": lambda: [t for t in text() if t.isascii()], "cjk": lambda: [t for t in text() if wide(t)],
         "code": lambda: texts_of(corpus / "code.jsonl.zst"), "long": None}
binary = max(pathlib.Path("target/release/deps").glob("encode-*[0-9a-f]"), key=lambda p: p.stat().st_mtime)
environment = os.environ | {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def tamis(texts, path):
    """Its two passes, and the number of tokens."""
    path.write_text("".join(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in texts))
    packed = path.with_suffix(".jsonl.zst")
    packed.write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
    return lambda: run([binary, "--no-oracle", tokenizer, packed], lambda said: [float(n) for n in re.search(r"first pass (\d+) MB/s, second (\d+)", said).groups()])


def peer(name, path):
    return lambda: run([sys.executable, __file__, tokenizer, "--pass", name, path], json.loads)


def run(command, speeds):
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    return speeds(ran.stdout) if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["?"])[-1]


def best(engines):
    """Each engine's best first and second pass, of some turns of all."""
    found = {}
    for turn in range(TURNS):
        for name, engine in engines.items():
            if isinstance(found.get(name), str) or (turn and name in SLOW):
                continue
            speeds = engine()
            found[name] = speeds if isinstance(speeds, str) else [max(pair) for pair in zip(speeds, found.get(name, speeds))]
    for name, speeds in found.items():
        print(f"  {name}: " + (speeds if isinstance(speeds, str) else " / ".join(f"{s:.1f}" for s in speeds)), flush=True)


for kind in rest or kinds:
    path = place / f"{kind}.jsonl"
    if kind == "long":
        print("long: 10 MB without a space, and prose beside it, tamis")
        texts = {"prose": kinds["prose"]()} | {name: [one] for name, one in long_texts()}
        best({name: tamis(some, place / f"{kind}-{number}.jsonl") for number, (name, some) in enumerate(texts.items())})
        continue
    some = kinds[kind]()
    print(f"{kind}: {sum(len(t.encode()) for t in some) / 1e6:.0f} MB in {len(some)} documents", flush=True)
    peers = ("fastokens", "gigatoken", "gigatoken-bytes", "tiktoken", "tokenizers")
    best({"tamis": tamis(some, path)} | {name: peer(name, path) for name in peers})
