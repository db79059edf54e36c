#!/usr/bin/env python3
"""Holds the clusters of `minhash: { compat: datatrove, verify: none }` against datatrove's own, on real texts.

    cargo build --release
    python3 benches/compat_datatrove.py DOWNLOADS WORK [DOCUMENTS]

Documents are pieces of the pages of Debian's manuals, in nine languages and in two releases (see `duplicates.py`), 60,000 unless said
otherwise. Ends with 1 if a cluster differs.
"""
import json
import pathlib
import sys

import duplicates
import near_peers

SIZE = 250


def pieces(text):
    part, length = [], 0
    for line in text.split("\n"):
        part.append(line)
        length += len(line) + 1
        if length >= SIZE:
            yield "\n".join(part)
            part, length = [], 0


def main(downloads, work, most=60000):
    work = pathlib.Path(work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    source, size = work / "pieces.jsonl", 0
    pages = duplicates.write(pathlib.Path(downloads).resolve(), source)
    # A piece of each page in turn, so that all manuals have a share whatever the number.
    pieces_of = [list(pieces(page[3])) for page in pages]
    texts = [(number, turn, of[turn]) for turn in range(max(map(len, pieces_of))) for number, of in enumerate(pieces_of) if turn < len(of)]
    texts = sorted(texts[: int(most)])
    with open(source, "w", encoding="utf-8") as out:
        for number, turn, text in texts:
            out.write(json.dumps({"id": f"{number}-{turn}", "text": text}, ensure_ascii=False) + "\n")
            size += len(text.encode())
    theirs, ours = (near_peers.measure(tool, source, work / "out")[2] for tool in ("datatrove", "tamis, as datatrove"))
    theirs, ours = ({frozenset(ids) for ids in clusters} for clusters in (theirs, ours))
    print(f"{len(texts)} documents, {size / 1e6:.1f} MB: {len(theirs)} clusters of {near_peers.name('datatrove')}, {len(ours)} of {near_peers.name('tamis')}, {len(ours & theirs)} of them equal")
    for cluster in sorted(ours ^ theirs, key=sorted)[:10]:
        print("only", "ours:" if cluster in ours else "theirs:", sorted(cluster)[:6])
    return int(ours != theirs)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
