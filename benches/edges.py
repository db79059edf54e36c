#!/usr/bin/env python3
"""What the stages that remove duplicates do with corpora at the edge, and how their time grows from one size to eight times it.

    cargo build --release
    python3 benches/edges.py WORK [CORPUS:STAGE …] [SCALE]

Corpora, at SCALE 1: `equal`, a million documents of one text; `chain`, 200,000 documents each like the one before, so that
all are one cluster; `huge`, one document of 500 MB that repeats nothing; `monotone`, one document of 500 MB of one line. Each is run at
an eighth of that, and whole. Figures: what stays, seconds, seconds of the processor, and the peak of memory.
"""
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import scale

TAMIS = os.environ.get("TAMIS", pathlib.Path(__file__).resolve().parent.parent / "target/release/tamis")
STAGES = {
    "exact": "exact",
    "minhash": "minhash",
    "unverified": "minhash: { verify: none }",
    "lines": "lines",
    "paragraphs": "paragraphs",
    "sentences": "sentences",
    "substrings": "substrings: { max_removed_fraction: null }",
    "bloom": "bloom",
    "semantic": "semantic: { of: embedding, dimensions: 3 }",
}
CORPORA = ["equal", "chain", "huge", "monotone"]


def word(number):
    return f"{number * 0x9e3779b97f4a7c15 % (1 << 64):x}"


def documents(corpus, scale):
    if corpus == "equal":
        text = "\n".join(" ".join(word(line * 10 + w) for w in range(10)) for line in range(4))
        yield from itertools.repeat(text, int(1_000_000 * scale))
    elif corpus == "chain":
        words = [word(w) for w in range(110)]
        for number in range(int(200_000 * scale)):
            words = words[2:] + [word(number * 2 + 1_000), word(number * 2 + 1_001)]
            yield " ".join(words[:60]) + "\n" + " ".join(words[60:])
    elif corpus == "huge":
        lines = int(500_000_000 * scale) // 100
        rng = random.Random(1)
        yield "\n".join(" ".join("%08x" % (rng.getrandbits(32)) for _ in range(11)) for _ in range(lines))
    else:
        yield "over and over again, the same old line of text\n" * (int(500_000_000 * scale) // 47)


def make(path, corpus, scale):
    with open(path, "w") as out:
        for number, text in enumerate(documents(corpus, scale)):
            out.write(json.dumps({"id": number, "text": text, "embedding": [1.0, number % 7 / 1e6, 0.5]}) + "\n")


def run(work, corpus, stage):
    (work / "edge.yaml").write_text(f"read: {{ jsonl: {{ paths: {corpus}.jsonl, max_record: 1GiB }} }}\nsteps:\n  - {STAGES[stage]}\n"
                                    "write: { jsonl: { dir: out, compression: none } }\n")
    for folder in ("out", "runs"):
        shutil.rmtree(work / folder, ignore_errors=True)
    ran = subprocess.run([sys.executable, "-c", scale.SMALL, TAMIS, "run", "edge.yaml", "-q", "-j2", "--json"], cwd=work, check=True, capture_output=True, text=True)
    seconds, cpu, peak = map(float, ran.stderr.splitlines()[-1].split())
    kept = sum(f.stat().st_size for f in (work / "out").rglob("*.jsonl"))
    return json.loads(ran.stdout)["tally"]["kept"], kept, seconds, cpu, peak / 1024


def main(work, *which):
    size = next((float(w) for w in which if w.replace(".", "", 1).isdigit()), 1.0)
    asked = [w.split(":") for w in which if ":" in w] or list(itertools.product(CORPORA, STAGES))
    work = pathlib.Path(work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    print("| corpus | stage | documents kept | bytes kept | s | s, processor | of an eighth | times | peak MiB |\n|---|---|---|---|---|---|---|---|---|")
    for corpus, stages in itertools.groupby(asked, key=lambda pair: pair[0]):
        results = {}
        stages = [stage for _, stage in stages]
        for part in (size / 8, size):
            make(work / f"{corpus}.jsonl", corpus, part)
            for stage in stages:
                results.setdefault(stage, []).append(run(work, corpus, stage))
                if part == size:
                    (_, _, _, before, _), (kept, size, seconds, cpu, peak) = results[stage]
                    print(f"| {corpus} | {stage} | {kept} | {size} | {seconds:.1f} | {cpu:.1f} | {before:.1f} | {cpu / before:.1f} | {peak:.0f} |", flush=True)
        os.remove(work / f"{corpus}.jsonl")
    shutil.rmtree(work)


if __name__ == "__main__":
    main(*sys.argv[1:])
