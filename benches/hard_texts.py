#!/usr/bin/env python3
"""Writes texts that encoders get wrong, for the exactness run of `benches/encode.rs`.

    python3 benches/hard_texts.py DOWNLOADS OUT.jsonl.zst [MEGABYTES]

Help pages and messages of LibreOffice in English, German, Chinese, Japanese, Hindi, Arabic and Thai (Debian packages, fetched with
apt-get if missing), Python's own library as code, and made up (seeded): emoji, random characters of all planes, random bytes read
as UTF-8, a million `a`s, long runs of digits, spaces, punctuation and combining marks, line ends of every kind mixed, letters of
both cases mixed. Each kind gets an equal share of MEGABYTES (110); lines are shuffled where there is too little. Needs the Python
package zstandard.
"""
import gettext
import json
import pathlib
import random
import subprocess
import sys
import sysconfig

import zstandard

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures"))
import make

PACKAGES = {"english": "libreoffice-help-en-us", "german": "libreoffice-help-de", "chinese": "libreoffice-help-zh-cn", "japanese": "libreoffice-help-ja",
            "hindi": "libreoffice-help-hi", "arabic": "libreoffice-l10n-ar", "thai": "libreoffice-l10n-th"}
rng = random.Random(1)


def files(downloads, package, ending):
    if not list(downloads.glob(f"{package}_*.deb")):
        subprocess.run(["apt-get", "download", package], cwd=downloads, check=True, stdout=subprocess.DEVNULL)
    place = downloads / package
    if not place.exists():
        subprocess.run(["dpkg", "-x", next(downloads.glob(f"{package}_*.deb")), place], check=True)
    return sorted(place.rglob(f"*{ending}"))


def lines_of(downloads, package):
    lines = []
    for path in files(downloads, package, ".mo"):
        with open(path, "rb") as file:
            messages = gettext.GNUTranslations(file)._catalog
        lines += [text for text in messages.values() if isinstance(text, str)]
    for path in files(downloads, package, ".html"):
        lines += make.text_of(path.read_bytes()).split("\n")
    return [line for line in lines if line.strip()]


def code():
    for path in sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        yield path.read_bytes().decode("utf-8", "replace")


def runs(units, most):
    while True:
        yield "".join(rng.choice(units) * rng.randint(1, most) for _ in range(rng.randint(1, 400)))


def characters(ranges):
    while True:
        yield "".join(chr(rng.randint(*rng.choice(ranges))) + rng.choice(["", "", " ", "\n"]) for _ in range(rng.randint(1, 2000)))


def shuffled(lines):
    while True:
        rng.shuffle(lines)
        at = 0
        while at < len(lines):
            step = rng.randint(5, 60)
            yield "\n".join(lines[at:at + step])
            at += step


def bytes_as_text():
    while True:
        yield rng.randbytes(rng.randint(1, 4000)).decode("utf-8", "replace")


def mixed_case():
    words = "camel Case HTTP Server's ÉCOLE ǅ ʰ don't IT'S it'ſ 'LL 've İstanbul ﬁ ß ẞ ά".split()
    while True:
        yield "".join(rng.choice([w, w.upper(), w.lower(), w[::-1]]) + rng.choice(["", "", " ", "_", "'", "/"]) for w in rng.choices(words, k=300))


ALL = [(0, 0x7f), (0x80, 0x24f), (0x300, 0x5ff), (0x600, 0x6ff), (0x900, 0xdff), (0xe00, 0xe7f), (0x1100, 0x11ff), (0x2000, 0x2bff), (0x3000, 0x9fff),
       (0xac00, 0xd7a3), (0xe000, 0xffff), (0x10000, 0x1ffff), (0x20000, 0x2a6df), (0xe0000, 0x10ffff)]
EMOJI = [(0x1f300, 0x1faff), (0x2600, 0x27bf), (0x1f1e6, 0x1f1ff), (0x200d, 0x200d), (0xfe0f, 0xfe0f), (0x1f3fb, 0x1f3ff)]


def main(downloads, out, megabytes=110):
    downloads = pathlib.Path(downloads).resolve()
    downloads.mkdir(exist_ok=True)
    kinds = {name: shuffled(lines_of(downloads, package)) for name, package in PACKAGES.items()}
    kinds |= {
        "code": code(), "emoji": characters(EMOJI), "characters": characters(ALL), "bytes": bytes_as_text(), "case": mixed_case(),
        "runs": runs(["a", "0", "9", " ", "\t", "\n", "=", "-", "é", "一", "\u0301", "ا", "x1", "'s", "١"], 900),
        "line ends": runs(["\r", "\n", "\r\n", "\u2028", "\x0b", "\x0c", "\x85", " ", "a", ".", "\u00a0", "\u3000"], 4),
    }
    share = int(megabytes) * 1_000_000 / len(kinds)
    long = ["a" * 1_000_000, "0123456789" * 100_000, " " * 1_000_000, "\r\n" * 300_000, "ab" * 500_000, "一" * 300_000, "e\u0301" * 300_000, "!?" * 300_000]
    with open(out, "wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        def put(text):
            writer.write(json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        for text in long:
            put(text)
        for name, texts in kinds.items():
            size = count = 0
            for text in texts:
                text = text.encode("utf-8", "replace").decode()
                put(text)
                size, count = size + len(text.encode()), count + 1
                if size >= share:
                    break
            print(f"{name}: {size / 1e6:.1f} MB in {count} texts")


if __name__ == "__main__":
    main(*sys.argv[1:])
