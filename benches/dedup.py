#!/usr/bin/env python3
"""Times the stages that remove duplicates beside other tools, in one run: JSONL in, survivors out, one worker on one core.

    cargo build --release
    python3 benches/dedup.py CORPUS [TOOL=MEGABYTES …]

CORPUS is of `benches/corpus.py`; `near_peers.py` says what to install, and what each tool is asked to do. Each tool is run on the
first megabytes of the corpus, slow ones on few, and tamis beside it on the same; of those that take less than a quarter of a minute
the best of two turns counts.
"""
import glob
import json
import os
import pathlib
import shutil
import sys
import tempfile

import zstandard

import near_peers

SIZES = {"datatrove": 16, "text-dedup": 16, "datasketch": 32, "rensa": 200, "gaoya": 200}
OURS = ["tamis", "tamis, unverified", "tamis, exact"]
TURNS = 2


def cut(corpus, megabytes, path):
    """Writes the first megabytes of text; how many there were."""
    size = documents = 0
    with open(path, "wb") as out:
        for file in sorted(glob.glob(f"{corpus}/text/*.zst")):
            for line in zstandard.ZstdDecompressor().decompressobj().decompress(open(file, "rb").read()).splitlines(keepends=True):
                if size >= megabytes * 1_000_000:
                    return size, documents
                out.write(line)
                size, documents = size + len(json.loads(line)["text"].encode()), documents + 1
    return size, documents


def main(corpus, *asked):
    sizes = {tool: int(size) for tool, size in (a.split("=") for a in asked)} or SIZES
    work = tempfile.mkdtemp()
    core = max(os.sched_getaffinity(0))
    print(f"| text | tool | MB/s | peak MiB | documents kept | × tamis | × tamis, unverified |\n|---|---|---|---|---|---|---|")
    for megabytes in sorted(set(sizes.values())):
        source = f"{work}/{megabytes}.jsonl"
        size, documents = cut(corpus, megabytes, source)
        tools = OURS + [tool for tool in sizes if sizes[tool] == megabytes]
        results = {}
        for turn in range(TURNS):
            for tool in tools:
                if turn and results[tool][0] > 15:
                    continue
                seconds, peak, _ = near_peers.measure(tool, source, f"{work}/{tool}", core)
                if tool not in results or seconds < results[tool][0]:
                    results[tool] = seconds, peak, len(near_peers.kept(f"{work}/{tool}"))
                shutil.rmtree(f"{work}/{tool}")
        for tool, (seconds, peak, kept) in results.items():
            times = [f"{seconds / results[ours][0]:.1f}" for ours in OURS[:2]]
            print(f"| {size / 1e6:.0f} MB | {near_peers.name(tool)} | {size / 1e6 / seconds:.1f} | {peak:.0f} | {kept} of {documents} | {times[0]} | {times[1]} |", flush=True)
        os.remove(source)
    shutil.rmtree(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
