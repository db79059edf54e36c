#!/usr/bin/env python3
"""Times the whole job from JSONL.zst to Megatron shards on disk beside its rivals, in turns, in one run.

    cargo build --release
    pip install datatrove[io,processing]==0.10.1 gigatoken==0.10.0 tokenizers==0.23.3 zstandard
    python3 benches/corpus.py DOWNLOADS CORPUS 200
    python3 benches/shards.py CORPUS [TURNS]

tamis is timed as a process from its start to the manifest on disk, 2 workers. gigatoken has less to do: its `encode_files` reads
the same texts, uncompressed, into memory with 2 threads, and is timed without starting Python or loading its vocabulary; a process
of its own for each turn. datatrove's DocumentTokenizer writes tokens and their index, without a shuffle, of the first 32 MB with
1 worker and of the first two 32 MB with 2, timed around its executor. MB are 10^6 bytes of text; each figure is the best turn.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from run import ROOT, TAMIS, tamis, text_bytes, version

GPT2 = ROOT / "fixtures/tokenizers/gpt2.json"


def gigatoken(folder):
    import gigatoken
    tokenizer = gigatoken.Tokenizer(str(GPT2))
    source = gigatoken.JsonlFileSource(sorted(str(p) for p in pathlib.Path(folder).glob("*.jsonl")))
    began = time.perf_counter()
    ids = tokenizer.encode_files(source)
    seconds = time.perf_counter() - began
    import awkward
    print(seconds, int(awkward.sum(awkward.num(ids, axis=1))))


def datatrove(folder, workers):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    began = time.perf_counter()
    LocalPipelineExecutor(tasks=int(workers), workers=int(workers), logging_dir="logs", pipeline=[
        JsonlReader(folder, compression="zstd", glob_pattern="*.jsonl.zst"),
        DocumentTokenizer("tokens", tokenizer_name_or_path=str(GPT2), eos_token="<|endoftext|>", shuffle_documents=False),
    ]).run()
    print(time.perf_counter() - began, 0)


def alone(name, cwd, *arguments):
    """Seconds, and tokens if they are counted, of a rival in a process and a folder of its own."""
    shutil.rmtree(cwd, ignore_errors=True)
    os.makedirs(cwd)
    environment = os.environ | {"RAYON_NUM_THREADS": "2", "TOKENIZERS_PARALLELISM": "false"}
    ran = subprocess.run([sys.executable, pathlib.Path(__file__).resolve(), "--rival", name, *arguments], cwd=cwd, check=True,
                         capture_output=True, text=True, env=environment)
    seconds, tokens = ran.stdout.split()[-2:]
    return float(seconds), int(tokens)


def main(corpus, turns="3"):
    import zstandard
    corpus, work = pathlib.Path(corpus).resolve(), pathlib.Path(tempfile.mkdtemp())
    files = sorted((corpus / "text").glob("*.jsonl.zst"))
    (work / "plain").mkdir()
    for path in files:
        with open(path, "rb") as packed, open(work / "plain" / path.stem, "wb") as plain:
            zstandard.ZstdDecompressor().copy_stream(packed, plain)
    parts = {1: files[:1], 2: files[:2]}
    for workers, some in parts.items():
        (work / f"part{workers}/text").mkdir(parents=True)
        for path in some:
            shutil.copy(path, work / f"part{workers}/text")
    whole, part = text_bytes(corpus) / 1e6, {n: text_bytes(work / f"part{n}") / 1e6 for n in parts}
    ours, theirs, slow, tokens = [], [], {1: [], 2: []}, 0
    for _ in range(int(turns)):
        ours.append(whole / tamis("shards", corpus, 2, work / "a"))
        seconds, tokens = alone("gigatoken", work / "b", str(work / "plain"))
        theirs.append(whole / seconds)
    for workers in slow:
        seconds, _ = alone("datatrove", work / "b", str(work / f"part{workers}/text"), str(workers))
        slow[workers].append(part[workers] / seconds)
    written = sum(p.stat().st_size for p in (work / "a/out/shards").glob("*.bin")) // 2
    print(subprocess.run([TAMIS, "--version"], capture_output=True, text=True).stdout.strip(), "·", os.cpu_count(), "cores")
    print(f"{whole:.0f} MB of text; tamis wrote {written} tokens, gigatoken gave {tokens} (without one at the end of each document)")
    print(f"tamis, 2 workers, onto disk: {max(ours):.1f} MB/s")
    print(f"{version('gigatoken')}, encode_files, 2 threads, into memory: {max(theirs):.1f} MB/s, ratio {max(ours) / max(theirs):.2f}")
    for workers, speeds in slow.items():
        print(f"{version('datatrove')}, DocumentTokenizer, {workers} of 2 workers: {max(speeds):.2f} MB/s, ratio {max(ours) / max(speeds):.1f}")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1] == "--rival":
        globals()[sys.argv[2]](*sys.argv[3:])
    else:
        main(*sys.argv[1:])
