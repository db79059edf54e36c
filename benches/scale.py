#!/usr/bin/env python3
"""What `exact` and `minhash` need as the corpus grows: seconds from one size to eight times it, and memory from small to huge.

    cargo build --release
    python3 benches/scale.py CORPUS WORK time|memory [SMALL] [LARGE] [STEP…]

CORPUS is of `benches/corpus.py`; SMALL and LARGE are megabytes of JSONL (200 and 1600 for time, 500 and 10000 for memory), made of its
texts by seeded mutation into WORK and deleted at the end. Of ten documents six have every fifth word replaced, so that they
are like nothing; three have two to ten words replaced, so that they are near-duplicates; one is copied as it is. The peak is
that of the whole process, by the operating system. `limits: { memory: 512MiB }`, two workers.
"""
import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import orjson
import zstandard

TAMIS = os.environ.get("TAMIS", pathlib.Path(__file__).resolve().parent.parent / "target/release/tamis")
STEPS = ["exact", "minhash"]
FILE = 200_000_000


def texts(corpus):
    for path in sorted(glob.glob(f"{corpus}/text/*.zst")):
        for line in zstandard.ZstdDecompressor().decompressobj().decompress(open(path, "rb").read()).splitlines():
            yield orjson.loads(line)["text"].split(" ")


POOL = [f"{n * 0x9e3779b97f4a7c15 % (1 << 40):x}" for n in range(1 << 18)]


def mutated(words, number):
    """A copy of the words; what becomes of it depends on its number alone."""
    own, kind = list(words), number % 10
    at = number * 0x9e3779b1 % (len(POOL) - len(own))
    if kind < 6:
        places = slice(number % 5, None, 5)
        own[places] = POOL[at:at + len(own[places])]
    elif kind < 9:
        for change in range(2 + number % 9):
            own[(number * 7919 + change * 104729) % len(own)] = POOL[at + change]
    return own


def make(sources, folder, megabytes):
    """Writes documents until there are so many megabytes; a smaller corpus is the beginning of a larger."""
    folder.mkdir(parents=True)
    written = number = 0
    out, size = None, FILE
    while written < megabytes * 1_000_000:
        if size >= FILE:
            out, size = open(folder / f"{written // FILE:05}.jsonl", "wb", 1 << 20), 0
        text = " ".join(mutated(sources[number % len(sources)], number))
        line = orjson.dumps({"id": number, "text": text})
        out.write(line + b"\n")
        n = len(line) + 1
        number, written, size = number + 1, written + n, size + n
    out.close()
    return number, written


# A process counts the peak of the one that started it as its own: a small one starts tamis.
SMALL = """import resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
of = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - began, of.ru_utime + of.ru_stime, of.ru_maxrss, file=sys.stderr)"""


def run(folder, work, steps):
    """Seconds, processor seconds and peak of resident memory in MiB; and what became of the documents."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    listed, pattern = "".join(f"  - {step}\n" for step in steps), json.dumps(f"{folder}/*.jsonl")
    (work / "scale.yaml").write_text(f"read: {{ jsonl: {pattern} }}\nsteps:\n{listed}write: {{ jsonl: {{ dir: out, compression: none }} }}\nlimits: {{ memory: 512MiB }}\n")
    ran = subprocess.run([sys.executable, "-c", SMALL, TAMIS, "run", "scale.yaml", "-q", "-j2", "--json"], cwd=work, check=True, capture_output=True, text=True)
    account, figures = ran.stdout, ran.stderr.splitlines()[-1]
    account, (seconds, cpu, peak) = json.loads(account), map(float, figures.split())
    held = sum(f.stat().st_size for f in (work / "runs").rglob("*") if f.is_file())
    tally = account["tally"]
    shutil.rmtree(work)
    return seconds, cpu, peak / 1024, held, tally


def main(corpus, work, what, *rest):
    sizes = [int(r) for r in rest if r.isdigit()] or ([200, 1600] if what == "time" else [500, 10000])
    steps = [r for r in rest if not r.isdigit()] or STEPS
    work = pathlib.Path(work).resolve()
    print(subprocess.run([TAMIS, "--version"], capture_output=True, text=True).stdout.strip(), "·", ", ".join(steps), "· limits.memory 512MiB", flush=True)
    sources, rows = list(texts(corpus)), []
    for size in sizes:
        folder = work / f"{size}"
        shutil.rmtree(folder, ignore_errors=True)
        documents, written = make(sources, folder, size)
        rows.append((folder, documents, written))
    del sources
    print("| JSONL | documents | kept | seconds | processor seconds | MB/s | peak MiB | run folder, bytes for each of JSONL |\n|---|---|---|---|---|---|---|---|")
    times = []
    for folder, documents, written in rows:
        seconds, cpu, peak, held, tally = run(folder, work / "run", steps)
        times.append((seconds, cpu))
        print(f"| {written / 1e6:.0f} MB | {documents} | {tally['kept']} | {seconds:.1f} | {cpu:.1f} | {written / 1e6 / seconds:.1f} | {peak:.0f} | {held / written:.3f} |", flush=True)
        shutil.rmtree(folder)
    print(f"{sizes[-1] / sizes[0]:.0f} times the text: {times[-1][0] / times[0][0]:.2f} times the time, {times[-1][1] / times[0][1]:.2f} times the processor time")


if __name__ == "__main__":
    main(*sys.argv[1:])
