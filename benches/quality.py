#!/usr/bin/env python3
"""Compares the quality filters with datatrove's: every decision about every document, and speed, in one run.

    pip install datatrove[io]==0.10.1 spacy==3.8.18 xxhash
    DOLMA=ENVIRONMENT/bin/python python3 benches/quality.py DOCUMENTS.jsonl [SPEED_DOCUMENTS] [--speed]

DOCUMENTS.jsonl has a JSON object with `id` and `text` a line. Words, sentences and simplified text are compared by hash, decisions by
reason, and the texts that C4's rules leave by hash. Speed is that of one core over the first SPEED_DOCUMENTS (1000): ours with
Unicode words and with datatrove's decisions, and datatrove's, each through all four filters; and if DOLMA is the Python of an
environment with dolma 1.2.1 (`uv pip install dolma==1.2.1`, Python 3.11; pip alone does not come to an end), that of
its taggers of Gopher's and C4's rules. All in processor time, in turns, the best of each counts. With `--speed` nothing is compared.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import xxhash
from datatrove.data import Document
from datatrove.pipeline.filters import C4ParagraphFilter, C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.text import simplify_text, split_into_parts, split_into_sentences, split_into_words

ROOT = pathlib.Path(__file__).resolve().parent.parent
TURNS = 3
FILTERS = {
    "gr": GopherRepetitionFilter(),
    "gq": GopherQualityFilter(),
    "c4": C4QualityFilter(),
    "fw": FineWebQualityFilter(),
    "par": C4ParagraphFilter(),
}
REASONS = {
    "gopher_short_doc": "too_few_words", "gopher_long_doc": "too_many_words", "gopher_below_avg_threshold": "words_too_short",
    "gopher_above_avg_threshold": "words_too_long", "gopher_too_many_hashes": "too_many_hashes",
    "gopher_too_many_ellipsis": "too_many_ellipses", "gopher_too_many_bullets": "too_many_bullets",
    "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines", "gopher_below_alpha_threshold": "too_few_alphabetic_words",
    "gopher_enough_stop_words": "too_few_stop_words", "dup_para_frac": "repeated_paragraphs",
    "dup_para_char_frac": "repeated_paragraph_chars", "dup_line_frac": "repeated_lines", "dup_line_char_frac": "repeated_line_chars",
    "< 3 paragraphs": "too_few_paragraphs", "line_punct_ratio": "too_few_punctuated_lines", "short_line_ratio": "too_many_short_lines",
    "char_dup_ratio": "repeated_lines", "list_ratio": "too_many_newlines",
} | {f"duplicated_{n}_n_grams": f"repeated_{n}_grams" for n in range(5, 11)}


def ours(*arguments):
    command = ["cargo", "bench", "-q", "--manifest-path", ROOT / "Cargo.toml", "--bench", "quality", "--", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def theirs(text):
    hashed = lambda text: xxhash.xxh64(text.encode()).hexdigest()
    words = split_into_words(text)
    row = {"n": len(words), "words": hashed("\n".join(words)), "sent": hashed("\0".join(split_into_sentences(text))), "simple": hashed(simplify_text(text))}
    for key, judge in FILTERS.items():
        document = Document(text=text, id="")
        try:
            verdict = judge.filter(document)
            row[key] = "" if verdict is True else REASONS.get(verdict[1], verdict[1])
        except ZeroDivisionError:
            row[key] = "!crash"
        if key == "c4":
            row["c4_text"] = hashed(document.text)
    return row


DOLMA = """
import json, sys, time
import dolma.taggers
from dolma.core.data_types import Document
from dolma.core.registry import TaggerRegistry
texts = [json.loads(line)["text"] for line in open(sys.argv[1])]
size, taggers = sum(len(t.encode()) for t in texts) / 1e6, [TaggerRegistry.get(name)() for name in ("gopher_v2", "c4_v2")]
began = time.process_time()
for text in texts:
    for tagger in taggers:
        tagger.predict(Document(source="", id="", text=text))
print(f"Dolma gopher_v2, c4_v2 {size / (time.process_time() - began)}")
"""


def main(path, count=1000):
    documents = [json.loads(line) for line in open(path)]
    if "--speed" not in sys.argv:
        compare(documents, path)
    speed(documents, int(count))


def compare(documents, path):
    rows = [json.loads(line) for line in ours("--verdicts", path)]
    differ = {}
    for document, row in zip(documents, rows, strict=True):
        for key, value in theirs(document["text"]).items():
            if row[key] != value and value != "!crash":
                differ.setdefault(key, []).append((row["id"], row[key], value))
    print(f"{len(rows)} documents, {sum(len(d['text'].encode()) for d in documents) / 1e6:.1f} MB")
    for key in ("words", "sent", "simple", "gr", "gq", "c4", "c4_text", "fw", "par"):
        print(f"{key:<8} {len(differ.get(key, []))} differ {differ.get(key, [])[:3]}")


def speed(documents, count):
    documents = documents[:count]
    size = sum(len(d["text"].encode()) for d in documents) / 1e6
    best = {}
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as some:
        some.writelines(json.dumps(d) + "\n" for d in documents)
        some.flush()
        for _ in range(TURNS):
            said = [line.rsplit(" ", 1) for _ in range(TURNS) for line in ours(some.name)]
            if "DOLMA" in os.environ:
                dolma = subprocess.run([os.environ["DOLMA"], "-c", DOLMA, some.name], check=True, stdout=subprocess.PIPE, text=True)
                said.append(dolma.stdout.strip().rsplit(" ", 1))
            said.append(("datatrove 0.10.1 all", size / datatrove_seconds(documents)))
            for what, speed in said:
                best[what] = max(best.get(what, 0), float(speed))
    for what, speed in best.items():
        print(f"{what} {speed:.3f} MB/s")


def datatrove_seconds(documents):
    began = time.process_time()
    for document in documents:
        split_into_parts.cache_clear()
        for key in ("gr", "gq", "c4", "fw"):
            FILTERS[key].filter(Document(text=document["text"], id=""))
    return time.process_time() - began


if __name__ == "__main__":
    main(*(a for a in sys.argv[1:] if a != "--speed"))
