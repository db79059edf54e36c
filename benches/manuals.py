#!/usr/bin/env python3
"""Writes manuals as documents, a page each: releases of one manual (near-duplicates by nature) and translations of one (never).

    python3 benches/manuals.py DOWNLOADS OUT.jsonl

Packages are fetched with apt-get if missing. Pages come in the order of packages and paths; `package` says where from.
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures"))
import make

PACKAGES = ["libstdc++-11-doc", "libstdc++-12-doc", "llvm-15-doc", "llvm-16-doc", "debian-reference-en", "debian-reference-de",
            "debian-reference-fr", "debian-reference-ja", "python3.11-doc", "linux-doc-6.1"]


def main(downloads, out):
    make.DEB, make.PIP, make.NPM = PACKAGES, {}, {}
    make.fetch(pathlib.Path(downloads))
    count = size = 0
    with open(out, "w", encoding="utf-8") as file:
        for package in PACKAGES:
            for name, body in make.pages(pathlib.Path(downloads), package):
                text = make.text_of(body)
                if len(text) >= 200:
                    file.write(json.dumps({"id": f"{package}/{name}", "text": text, "package": package}, ensure_ascii=False) + "\n")
                    count, size = count + 1, size + len(text.encode())
    print(f"{count} documents, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
