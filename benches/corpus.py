#!/usr/bin/env python3
"""Writes the corpora of the benchmarks from Debian documentation packages (fetched with apt-get if missing).

    python3 benches/corpus.py DOWNLOADS OUT [MEGABYTES]

OUT/text/*.jsonl.zst: documents of 1 to 8 kB of prose and code in eight languages, in files of about 32 MB of text; the pages are
repeated with their lines shuffled (seeded) until there are MEGABYTES (200) of text. OUT/web.warc.gz: the pages as a crawl
would store them, one gzip member each. OUT/code.jsonl.zst: 60 MB of source code, of the crates that cargo has fetched and of
Python's library. Needs the Python package zstandard.
"""
import gzip
import json
import os
import pathlib
import random
import sys

import zstandard

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures"))
import make

PACKAGES = ["debian-faq", "debian-faq-de", "debian-faq-fr", "debian-faq-it", "debian-faq-ja", "debian-faq-ru", "debian-reference-en",
            "debian-reference-de", "debian-reference-fr", "debian-reference-ja", "debian-handbook", "libstdc++-11-doc",
            "python3.11-doc", "installation-guide-amd64"]


def code(out, megabytes=60):
    cargo = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "registry/src"
    files = sorted([*cargo.glob("*/*/**/*.rs"), *pathlib.Path(os.__file__).parent.glob("**/*.py")])
    random.Random(1).shuffle(files)
    lines, size = [], 0
    for file in files:
        text = file.read_text("utf-8", errors="replace")
        if 200 < len(text) < 200_000:
            lines.append(json.dumps({"text": text}, ensure_ascii=False))
            size += len(text.encode())
        if size > megabytes * 1_000_000:
            break
    (out / "code.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=3).compress("".join(f"{line}\n" for line in lines).encode()))


def main(downloads, out, megabytes=200):
    downloads, out = pathlib.Path(downloads), pathlib.Path(out)
    (out / "text").mkdir(parents=True, exist_ok=True)
    make.DEB = PACKAGES
    make.PIP, make.NPM = {}, {}
    make.fetch(downloads)
    pages = [(name, body) for package in PACKAGES for name, body in make.pages(downloads, package)]
    with open(out / "web.warc.gz", "wb") as warc:
        for number, (name, body) in enumerate(pages):
            warc.write(gzip.compress(make.response(number, f"https://docs.example/{name}", body), 6, mtime=0))
    code(out)
    texts = [make.text_of(body).split("\n") for _, body in pages]
    rng = random.Random(1)
    written = shard = 0
    while written < int(megabytes) * 1_000_000:
        lines, size = [], 0
        while size < 32_000_000 and written + size < int(megabytes) * 1_000_000:
            source = rng.choice(texts)
            at, length = rng.randrange(len(source)), rng.randrange(1000, 8000)
            part, n = [], 0
            while n < length:
                part.append(source[at % len(source)])
                n += len(part[-1].encode()) + 1
                at += 1
            if rng.random() < 0.8:
                rng.shuffle(part)
            lines.append(json.dumps({"id": f"{shard}-{len(lines)}", "text": "\n".join(part), "url": "https://docs.example/"}, ensure_ascii=False))
            size += n
        data = ("\n".join(lines) + "\n").encode()
        (out / "text" / f"{shard:03}.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=3).compress(data))
        written, shard = written + size, shard + 1
    print(f"{written / 1e6:.0f} MB of text in {shard} files, {len(pages)} pages, {sum(len(b) for _, b in pages) / 1e6:.0f} MB of HTML")


if __name__ == "__main__":
    main(*sys.argv[1:])
