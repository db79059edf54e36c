#!/usr/bin/env python3
"""Judges near-duplicate removal by natural duplicates: what tamis and other tools find, and what they take for one that is none.

    cargo build --release
    python3 benches/duplicates.py DOWNLOADS WORK [TOOL …]

Documents are the HTML pages, as text, of Debian's manuals (fetched with apt-get if missing): two releases of libstdc++'s and of LLVM's,
and nine languages of the Debian Reference. `near_peers.py` says what to install and what the tools are asked to do.

The truth, by none of the tools' words or hashes: the set of a page's 5-grams of words (`\\w+`, lower case), and of two pages Jaccard's
similarity of their sets, exactly.
* A *pair* are the pages of one path in both releases of a manual, of similarity 0.72 or more (what 14 × 8 stand for). It is
  *found* if not both stay.
* A document *went rightly* if one that stays is as alike as 0.72 to it, *wrongly* if none is as alike as 0.5.
* Two pages in different languages of the Reference, less alike than 0.5, are *merged* if they are in one cluster.
"""
import collections
import itertools
import json
import pathlib
import re
import sys

import numpy
import xxhash

import near_peers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures"))
import make

RELEASES = [("libstdc++-11-doc", "libstdc++-12-doc"), ("llvm-15-doc", "llvm-16-doc")]
LANGUAGES = [f"debian-reference-{language}" for language in ("en", "de", "es", "fr", "id", "it", "ja", "pt", "zh-cn")]
TOOLS = ["tamis, clusters", "tamis, threshold 0.72", "tamis, unverified clusters", "datatrove", "text-dedup", "gaoya", "simhash"]
ALIKE, UNLIKE = 0.72, 0.5


def write(downloads, path):
    """Writes the pages; a list of (id, package, path without versions, text)."""
    packages = [*itertools.chain(*RELEASES), *LANGUAGES]
    make.DEB, make.PIP, make.NPM = packages, {}, {}
    make.fetch(downloads)
    pages = []
    for package in packages:
        for name, body in make.pages(downloads, package):
            text = make.text_of(body)
            if len(text) >= 200:
                pages.append((f"{package}/{name}", package, re.sub(r"(libstdc\+\+|llvm|gcc)-?\d+", r"\1", name), text))
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps({"id": page[0], "text": page[3]}, ensure_ascii=False) + "\n" for page in pages)
    return pages


def similarity(a, b):
    both = len(numpy.intersect1d(a, b, assume_unique=True))
    return both / max(1, len(a) + len(b) - both)


class Truth:
    def __init__(self, pages):
        self.package = {page[0]: page[1] for page in pages}
        self.sets = {page[0]: numpy.unique(numpy.fromiter((xxhash.xxh3_64_intdigest(g) for g in near_peers.grams(page[3])), numpy.uint64)) for page in pages}
        paths = {(page[1], page[2]): page[0] for page in pages}
        self.pairs = []
        for old, new in RELEASES:
            both = ((paths[old, name], paths[new, name]) for package, name in paths if package == old and (new, name) in paths)
            self.pairs += [(a, b, s) for a, b in both if (s := self.alike(a, b)) >= ALIKE]
        self.holders = collections.defaultdict(list)
        for page, own in self.sets.items():
            # The smallest hashes of a set: pages as alike as 0.5 share some of a hundred but for one in 2^100.
            for gram in own[:100].tolist():
                self.holders[gram].append(page)

    def alike(self, a, b):
        return similarity(self.sets[a], self.sets[b])

    def nearest(self, page, stay):
        """How alike the nearest page that stays is; 0 if none shares any of the smallest hundred n-grams."""
        shares = collections.Counter(other for gram in self.sets[page][:100].tolist() for other in self.holders[gram])
        best = 0.0
        for other, _ in shares.most_common(40):
            if other in stay and other != page:
                best = max(best, self.alike(page, other))
                if best >= ALIKE:
                    break
        return best

    def judge(self, clusters, stay):
        found = [(s, not (a in stay and b in stay)) for a, b, s in self.pairs]
        steps = [(0.72, 0.8), (0.8, 0.9), (0.9, 1.01)]
        recalls = [[f for s, f in found if low <= s < high] for low, high in steps]
        nearest = [self.nearest(page, stay) for page in self.sets if page not in stay]
        merged = worst = 0
        for ids in clusters:
            translations = [page for page in ids if self.package[page] in LANGUAGES]
            languages = {self.package[page] for page in translations}
            if len(languages) > 1:
                pairs = [(a, b) for a, b in itertools.combinations(translations[:200], 2) if self.package[a] != self.package[b]]
                merged += sum(self.alike(a, b) < UNLIKE for a, b in pairs)
            worst = max(worst, len(ids))
        share = lambda hits: f"{sum(hits) / max(1, len(hits)):.1%}"
        return [share([f for _, f in found]), *map(share, recalls), len(nearest), sum(n >= ALIKE for n in nearest), sum(n < UNLIKE for n in nearest), merged, worst]


def main(downloads, work, *tools):
    work = pathlib.Path(work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    source = work / "manuals.jsonl"
    pages = write(pathlib.Path(downloads).resolve(), source)
    truth = Truth(pages)
    print(f"{len(pages)} pages, {sum(len(p[3].encode()) for p in pages) / 1e6:.1f} MB; {len(truth.pairs)} pairs, "
          + ", ".join(f"{sum(a <= s < b for _, _, s in truth.pairs)} of {a} to {min(b, 1)}" for a, b in [(0.72, 0.8), (0.8, 0.9), (0.9, 1.01)]), flush=True)
    print("| tool | pairs found | 0.72 to 0.8 | 0.8 to 0.9 | 0.9 to 1 | went | rightly | wrongly | translations merged | largest cluster |\n|" + "---|" * 10)
    for tool in tools or TOOLS:
        _, _, clusters = near_peers.measure(tool, source, work / "out")
        row = truth.judge(clusters, set(near_peers.kept(work / "out")))
        print(f"| {near_peers.name(tool)} | " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
