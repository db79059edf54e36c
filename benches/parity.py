#!/usr/bin/env python3
"""Holds the rule sets against the implementations they are named after, on some 21,000 documents: verdict, first reason, numbers.

    python3 benches/parity.py documents CORPUS DOCUMENTS.jsonl        # CORPUS is what benches/corpus.py makes; needs zstandard
    PYTHON benches/parity.py say PEER DOCUMENTS.jsonl SAID.jsonl [FOLDER]
    python3 benches/parity.py table DOCUMENTS.jsonl TAMIS SAID.jsonl…

PEER, and what PYTHON needs:
    datatrove   datatrove[io]==0.10.1 spacy==3.8.18
    dolma       dolma[code,pii]==1.2.1 numpy==1.26.4 (Python 3.11). Decisions are its own mixer's, with the filters that Dolma published.
    dclm        uniseg==0.10.1; FOLDER has `dclm.py`
    datamap     numpy regex unicode-segmentation-rs==1.0.0; FOLDER has `datamap.py`
    nemo        FOLDER is the unpacked wheel of nemo-curator==1.4.0; its dependencies are not needed
DCLM (mlfoundations/dclm c7ed275, baselines/mappers/filters/content_filters.py) and datamap-rs (allenai/datamap-rs 021da52,
src/map_fxn.rs, in the order of configs/all_dressed/all_dressed_config.yaml) are no packages: FOLDER is outside of this repository,
with their functions transcribed to `prose(text)` and `repetition(text)`, each giving the reason ("" if kept) and the numbers by our
names (None where theirs is left to chance), and in `dclm.py` `lines(text)`, the modifiers of `dclm_baseline_refinedweb.yaml` one
after another: the text, and the share of words removed.
"""
import collections, glob, gzip, hashlib, io, json, os, pathlib, random, re, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"

# ------------------------------------------------------------------------------------------------------------- documents


def documents(corpus, out):
    """Documentation in eight languages and source code cut at a line end near 300, 1,000, 3,000 or 8,000 characters; pages, messages
    and a book in pieces of about 3,000; each text once."""
    import zstandard
    rng, seen, counts = random.Random(5), set(), collections.Counter()

    def lines(path):
        return map(json.loads, io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(open(path, "rb")), encoding="utf-8"))

    def cut(text):
        limit = rng.choice([300, 1000, 1000, 3000, 3000, 8000])
        end = text.find("\n", limit)
        return text[: min(end if end >= 0 else limit, 2 * limit)] if len(text) > limit else text

    def all_texts():
        for path in sorted(glob.glob(f"{corpus}/text/*.jsonl.zst")):
            yield from (("docs", cut(d["text"])) for d in lines(path) if rng.random() < 0.41)
        for d in lines(f"{corpus}/code.jsonl.zst"):
            if rng.random() < 0.75:
                yield "code", cut(d["text"])
        wet = gzip.open(FIXTURES / "web/pages.warc.wet.gz").read().decode()
        yield from (("web", page.split("\r\n\r\n", 1)[1].strip()) for page in wet.split("WARC/1.0\r\n")[2:])
        yield from (("mail", json.loads(l)["text"]) for l in gzip.open(FIXTURES / "conversation/mail.jsonl.gz", "rt"))
        book = (FIXTURES / "books/moby-dick.txt").read_text()
        yield from (("book", book[at : at + 3000]) for at in range(0, len(book), 3000))

    with open(out, "w") as file:
        for kind, text in all_texts():
            digest = hashlib.sha1(text.encode(errors="replace")).digest()
            if digest not in seen and text:
                seen.add(digest)
                file.write(json.dumps({"id": f"{kind}-{counts[kind]}", "text": text}) + "\n")
                counts[kind] += 1
    print(sum(counts.values()), "documents:", dict(counts))


# ----------------------------------------------------------------------------------------------------------------- peers

DATATROVE = {
    "gopher_short_doc": "too_few_words", "gopher_long_doc": "too_many_words", "gopher_below_avg_threshold": "words_too_short",
    "gopher_above_avg_threshold": "words_too_long", "gopher_too_many_hashes": "too_many_hashes",
    "gopher_too_many_ellipsis": "too_many_ellipses", "gopher_too_many_bullets": "too_many_bullets",
    "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines", "gopher_below_alpha_threshold": "too_few_alphabetic_words",
    "gopher_enough_stop_words": "too_few_stop_words", "dup_para_frac": "repeated_paragraphs",
    "dup_para_char_frac": "repeated_paragraph_chars", "dup_line_frac": "repeated_lines", "dup_line_char_frac": "repeated_line_chars",
    "< 3 paragraphs": "too_few_paragraphs", "line_punct_ratio": "too_few_punctuated_lines", "short_line_ratio": "too_many_short_lines",
    "char_dup_ratio": "repeated_lines", "list_ratio": "too_many_newlines", "document_removed_with_badwords": "bad_word",
} | {f"duplicated_{n}_n_grams": f"repeated_{n}_grams" for n in range(5, 11)}


def bad_words():
    sections = (FIXTURES / "lists/bad_words.txt").read_text().split("\n[")[1:]
    return {name: [w for w in words.splitlines() if w] for name, words in (s.split("]\n", 1) for s in sections)}


def datatrove(texts):
    from datatrove.data import Document
    from datatrove.pipeline import filters as f
    from datatrove.pipeline.filters.c4_filters import C4BadWordsFilter
    from datatrove.pipeline.formatters import PIIFormatter
    words = "|".join(map(re.escape, bad_words()["en"]))
    C4BadWordsFilter._get_badwords = lambda self, language: re.compile(rf"(?:\W|^)({words})(?:\W|$)")
    filters = {
        "gopher_repetition": f.GopherRepetitionFilter(), "gopher_quality": f.GopherQualityFilter(), "c4_quality": f.C4QualityFilter(),
        "c4_paragraphs": f.C4ParagraphFilter(), "fineweb_quality": f.FineWebQualityFilter(), "c4_bad_words": C4BadWordsFilter(),
    }
    pii = PIIFormatter()
    for text in texts:
        said = {}
        for name, judge in filters.items():
            document = Document(text=text, id="", metadata={})
            try:
                verdict = judge.filter(document)
            except ZeroDivisionError:
                continue
            said[f"{name}/datatrove"] = {"reason": "" if verdict is True else DATATROVE.get(verdict[1], verdict[1])}
            if name == "c4_quality":
                said[f"{name}/datatrove"]["text"] = document.text if verdict is True else None
        at = lambda chars: len(text[:chars].encode())
        spans = [["email", at(m.start()), at(m.end())] for m in pii.emails_replacer.regex.finditer(text)]
        rest = pii.emails_replacer.regex.sub(lambda m: "\0" * len(m.group(0)), text)
        spans += [["ipv4", at(m.start()), at(m.end())] for m in pii.ip_replacer.regex.finditer(rest) if pii.ip_replacer.validator(m.group(0))]
        said["pii/datatrove"] = {"spans": spans}
        yield said


GOPHER = [  # what the mixers of Dolma 1.6 exclude (configs/dolma-v1_6/mixing/cc-head.yaml), in their order, and our reason
    ("word_count", "<", "50", "too_few_words"), ("word_count", ">", "100000", "too_many_words"),
    ("median_word_length", "<", "3", "words_too_short"), ("median_word_length", ">", "10", "words_too_long"),
    ("symbol_to_word_ratio", ">", "0.1", "too_many_symbols"),
    ("fraction_of_words_with_alpha_character", "<", "0.8", "too_few_alphabetic_words"),
    ("required_word_count", "<", "2", "too_few_stop_words"),
    ("fraction_of_lines_starting_with_bullet_point", ">", "0.9", "too_many_bullets"),
    ("fraction_of_lines_ending_with_ellipsis", ">", "0.3", "too_many_ellipsis_lines"),
]
REPETITION = [
    ("fraction_of_duplicate_lines", ">", "0.3", "repeated_lines"),
    ("fraction_of_characters_in_duplicate_lines", ">", "0.3", "repeated_line_chars"),
] + [  # names that the tagger does not write, so that nothing is excluded
    (f"fraction_of_characters_in_most_common_{n}gram", ">", l, f"top_{n}_gram") for n, l in ((2, "0.2"), (3, "0.18"), (4, "0.16"))
] + [(f"fraction_of_characters_in_duplicate_{n}grams", ">", f"{(20 - n) / 100}", f"repeated_{n}_grams") for n in range(5, 11)]
C4 = [(name, ">", "0.5", reason) for name, reason in  # configs/c4-replication/mixer.yaml
      (("has_curly_brace", "curly_bracket"), ("has_lorem_ipsum", "lorem_ipsum"), ("has_javascript", "javascript"))]
NAUGHTY = [("has_naughty_word", ">", "0.5", "bad_word")]
PII = [("doc_count", ">", "5", "too_much_private_data")]
CODE = {"max_line_length_doc": "line_length", "avg_line_length_doc": "mean_line_length", "alnum_prop_doc": "alphanumeric_fraction"}
MEASURES = {
    "word_count": "words", "median_word_length": "mean_word_length", "symbol_to_word_ratio": "symbol_ratio",
    "fraction_of_words_with_alpha_character": "alphabetic_fraction", "required_word_count": "stop_words",
    "fraction_of_lines_starting_with_bullet_point": "bullet_fraction", "fraction_of_lines_ending_with_ellipsis": "ellipsis_line_fraction",
    "fraction_of_duplicate_lines": "repeated_line_fraction", "fraction_of_characters_in_duplicate_lines": "repeated_line_char_fraction",
} | {f"fraction_of_characters_in_most_common_{n}grams": f"top_{n}_gram_fraction" for n in (2, 3, 4)} | {
    f"fraction_of_characters_in_duplicate_{n}grams": f"repeated_{n}_gram_fraction" for n in range(5, 11)}


def dolma(texts):
    """Taggers tag, rounding as they do for files; then Dolma's mixer decides and takes lines away."""
    from dolma import mixer
    from dolma.core.data_types import Document
    from dolma.core.registry import TaggerRegistry
    names = ["gopher_v1", "gopher_v2", "c4_v2", "pii_regex_with_counts_fast_v2", "code_redpajama_taggers_v1"]
    taggers = {name: TaggerRegistry.get(name)() for name in names}
    sets = {
        "gopher_quality/dolma": ("gopher_v1", GOPHER), "gopher_repetition/dolma": ("gopher_v1", REPETITION),
        "gopher_quality/dolma_v2": ("gopher_v2", GOPHER), "gopher_repetition/dolma_v2": ("gopher_v2", REPETITION),
        "c4_quality/dolma": ("c4_v2", C4), "c4_bad_words/dolma": ("c4_v2", NAUGHTY),
        "pii/dolma": ("pii_regex_with_counts_fast_v2", PII),
    }
    path = lambda tagger, name: f"$.attributes.{tagger}__{name}"
    exclude = lambda tagger, rules: [
        f"$.attributes[?(@.{tagger}__{n} && @.{tagger}__{n}[0] && @.{tagger}__{n}[0][2] {op} {limit})]" for n, op, limit, _ in rules]
    replace = {
        "c4_quality/dolma": [(n, "") for n in ("lines_with_no_ending_punctuation", "lines_with_too_few_words")],
        "pii/dolma": [(n, f" |||{n}||| ") for n in ("EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS")],
    }
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for folder in ("documents", *(f"attributes/{n}" for n in names)):
            os.makedirs(f"{work}/{folder}")
        files = {n: gzip.open(f"{work}/attributes/{n}/0.jsonl.gz", "wt", 1) for n in names}
        with gzip.open(f"{work}/documents/0.jsonl.gz", "wt", 1) as file:
            for row, text in enumerate(texts):
                file.write(json.dumps({"id": str(row), "text": text, "source": "x"}) + "\n")
                tags = {}
                for name, tagger in taggers.items():
                    spans = collections.defaultdict(list)
                    for s in tagger.predict(Document(source="x", id=str(row), text=text)).spans:
                        spans[f"{name}__{s.type}"].append([s.start, s.end, round(float(s.score), 5)])
                    tags[name] = spans
                    files[name].write(json.dumps({"id": str(row), "attributes": spans}) + "\n")
                rows.append(({}, tags))
        for file in files.values():
            file.close()
        for key, (tagger, rules) in sets.items():
            stream = {
                "name": "x", "documents": [f"{work}/documents/*.gz"], "attributes": [tagger], "compression": {"input": None, "output": None},
                "output": {"path": f"{work}/mixed/{key}", "max_size_in_bytes": 1 << 40, "min_text_length": 0},
                "filter": {"include": [], "exclude": exclude(tagger, rules), "syntax": "jsonpath"},
                "span_replacement": [{"span": path(tagger, n), "min_score": 0.5, "replacement": r, "syntax": "jsonpath"} for n, r in replace.get(key, [])],
            }
            mixer({"work_dir": {"input": f"{work}/in", "output": f"{work}/out"}, "processes": 1, "shuffle": False, "streams": [stream]})
            kept = {}
            for mixed in glob.glob(f"{work}/mixed/{key}/**/*.gz", recursive=True):
                kept |= {d["id"]: d["text"] for d in map(json.loads, gzip.open(mixed, "rt"))}
            for row, (said, tags) in enumerate(rows):
                score = lambda name: next((s[2] for s in tags[tagger].get(f"{tagger}__{name}", [])), None)
                fails = [r for n, op, limit, r in rules if score(n) is not None and (score(n) < float(limit) if op == "<" else score(n) > float(limit))]
                if bool(fails) == (str(row) in kept):
                    raise SystemExit(f"{key}: the mixer decides otherwise about {row} than its thresholds: {fails}")
                said[key] = {"reason": fails[0] if fails else ""}
                if key.startswith("gopher"):
                    mine = [n for n, *_ in rules] + [f"fraction_of_characters_in_most_common_{n}grams" for n in (2, 3, 4) if rules is REPETITION]
                    said[key]["numbers"] = {MEASURES[n]: score(n) for n in mine if n in MEASURES and score(n) is not None}
                elif key in replace:
                    said[key]["text"] = kept.get(str(row))
    for said, tags in rows:
        redpajama = tags["code_redpajama_taggers_v1"]
        said["code_quality/dolma"] = {"numbers": {ours: redpajama[f"code_redpajama_taggers_v1__{n}"][0][2] for n, ours in CODE.items()}}
        yield said


def transcribed(peer, texts):
    rules = __import__(peer)
    for text in texts:
        said = {}
        for ours, judge in (("gopher_quality", rules.prose), ("gopher_repetition", rules.repetition)):
            reason, numbers = judge(text)
            said[f"{ours}/{peer}"] = {"reason": reason, "numbers": numbers}
        if peer == "dclm":
            text, removed = rules.lines(text)
            reason = "nothing_left" if text is None else "too_many_words_removed" if removed > 0.05 else ""
            said["refinedweb_lines/dclm"] = {"reason": reason, "text": None if reason else text}
        yield said


def nemo(folder, texts):
    import importlib, types
    for name in ["", ".stages", ".stages.text", ".stages.text.filters", ".stages.text.utils", ".stages.text.filters.heuristic"]:
        module = types.ModuleType("nemo_curator" + name)
        module.__path__ = [f"{folder}/{module.__name__.replace('.', '/')}"]
        sys.modules[module.__name__] = module
    sys.modules["loguru"] = types.SimpleNamespace(logger=None)
    s, r = (importlib.import_module(f"nemo_curator.stages.text.filters.heuristic.{m}") for m in ("string", "repetition.repetition"))
    filters = [
        ("too_many_symbols", "symbol_fraction", s.NonAlphaNumericFilter()), ("too_many_hashes", "hash_ratio", s.SymbolsToWordsFilter()),
        ("too_many_digits", "digit_fraction", s.NumbersFilter()), ("too_many_urls", "url_fraction", s.UrlsFilter()),
        ("too_many_spaces", "space_fraction", s.WhiteSpaceFilter()), ("too_many_parentheses", "parenthesis_fraction", s.ParenthesesFilter()),
        ("boilerplate", "boilerplate_fraction", s.BoilerPlateStringFilter()),
        ("repeated_lines", "unique_line_fraction", r.RepeatedLinesFilter()),
        ("repeated_paragraphs", "unique_paragraph_fraction", r.RepeatedParagraphsFilter()),
        ("repeated_line_chars", "unique_line_char_fraction", r.RepeatedLinesByCharFilter()),
        ("repeated_paragraph_chars", "unique_paragraph_char_fraction", r.RepeatedParagraphsByCharFilter()),
        ("too_few_words", "words", s.WordCountFilter()), ("unpunctuated", "unpunctuated_fraction", s.PunctuationFilter()),
        ("too_few_alphabetic_words", "alphabetic_fraction", s.WordsWithoutAlphabetsFilter()),
        ("too_few_common_words", "common_words", s.CommonEnglishWordsFilter(stop_at_false=False)),
        ("words_too_short", "mean_word_length", s.MeanWordLengthFilter()), ("word_too_long", "longest_word", s.LongWordFilter()),
        ("too_many_ellipsis_lines", "ellipsis_line_fraction", s.EllipsisFilter()),
        *(("top_ngram", f"top_{n}gram_fraction", r.RepeatingTopNGramsFilter(n, m)) for n, m in [(2, .2), (3, .18), (4, .16)]),
        *(("duplicate_ngrams", f"duplicate_{n}gram_fraction", r.RepeatingDuplicateNGramsFilter(n, (20 - n) / 100)) for n in range(5, 11)),
        ("too_many_bullets", "bullet_fraction", s.BulletsFilter()),
    ]

    def tied(text, n):
        words = text.split()
        counts = collections.Counter(zip(*[words[i:] for i in range(n)])).most_common(2)
        return len(counts) < 2 or counts[0][1] == counts[1][1]

    for text in texts:
        said = {"reason": "", "numbers": {}}
        try:
            for reason, name, rule in filters:
                score = rule.score_document(text)
                # Of n-grams that occur equally often it takes one by the order of a set.
                said["numbers"][name] = None if name.startswith("top_") and tied(text, int(name[4])) else score
                if not said["reason"] and not rule.keep_document(score):
                    over = name == "words" and score > 50 or name == "mean_word_length" and score > 5
                    said["reason"] = {"too_few_words": "too_many_words", "words_too_short": "words_too_long"}.get(reason, reason) if over else reason
        except ZeroDivisionError:
            said = {"reason": "crash"}
        yield {"nemotron_cc/nemo": said}


def say(peer, path, out, folder=None):
    texts = (json.loads(line)["text"] for line in open(path))
    sys.path.insert(0, folder or ".")
    with open(out, "w") as file:
        for said in {"datatrove": datatrove, "dolma": dolma, "nemo": lambda t: nemo(folder, t)}.get(peer, lambda t: transcribed(peer, t))(texts):
            file.write(json.dumps(said) + "\n")


# ----------------------------------------------------------------------------------------------------------------- table

STEPS = {  # what of ours must agree, and what may differ for a reason with a name
    f"{stage}/{profile}": f"{stage}: {{ compat: {profile} }}"
    for stage in ("gopher_quality", "gopher_repetition") for profile in ("datatrove", "dolma", "dolma_v2", "dclm", "datamap")
} | {
    "c4_quality/datatrove": "c4_quality: { compat: datatrove }", "c4_quality/dolma": "c4_quality: { compat: dolma }",
    "c4_paragraphs/datatrove": "c4_paragraphs: {}", "fineweb_quality/datatrove": "fineweb_quality: { compat: datatrove }",
    "c4_bad_words/datatrove": "c4_bad_words: {}", "c4_bad_words/dolma": "c4_bad_words: { compat: dolma }",
    "refinedweb_lines/dclm": "refinedweb_lines: {}", "nemotron_cc/nemo": "nemotron_cc: {}",
    "code_quality/dolma": "code_quality: {}", "pii/datatrove": "pii: { compat: datatrove }", "pii/dolma": "pii: { compat: dolma, max_finds: 5 }",
}
REWRITES = ("c4_quality/", "refinedweb_lines/", "pii/dolma")


def run(tamis, documents, steps):
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "p.yaml").write_text(
            f"name: p\nread: {{ jsonl: {os.path.abspath(documents)} }}\nsteps:\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\n")
        subprocess.run([os.path.abspath(tamis), "run", "p.yaml"], cwd=work, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return {d["id"]: d for part in sorted(glob.glob(f"{work}/out/**/*.jsonl", recursive=True)) for d in map(json.loads, open(part))}


def number(doc, name):
    """A field, whether it is written flat or nested."""
    at = doc.get("metadata", doc)
    return at.get(name, doc.get(name))


def differs(theirs, ours, label, text, key):
    """What differs, by name; None if nothing."""
    said = theirs.get("reason")
    if said == "crash":
        return "peer divides by zero"
    verdict = number(ours, f"{label}.verdict")
    verdict = "" if verdict == "keep" else verdict
    by_chance = any(v is None for v in theirs.get("numbers", {}).values())
    if said is not None and said != verdict:
        if by_chance and (said.startswith("top_") or verdict.startswith("top_")):
            return "peer decides by chance between n-grams equally frequent"
        return f"verdict: {said or 'keep'} / {verdict or 'keep'}"
    for name, value in theirs.get("numbers", {}).items():
        mine = number(ours, f"{label}.{name}")
        if value is not None and (mine is None or abs(mine - value) > max(1e-6 * abs(value), 1.1e-5 if "dolma" in key else 1e-9)):
            return f"number: {name}"
    if "spans" in theirs:
        mine = sorted(tuple(s) for s in json.loads(number(ours, f"{label}.spans") or "[]"))
        if mine != sorted(map(tuple, theirs["spans"])):
            return "spans"
    if "text" in theirs and theirs["text"] is not None and text != theirs["text"]:
        return "text"


def table(documents, tamis, *said):
    texts = [json.loads(line) for line in open(documents)]
    rows = collections.defaultdict(list)
    for path in said:
        for doc, line in zip(texts, open(path), strict=True):
            for key, one in json.loads(line).items():
                rows[key].append((doc, one))
    keys = [key for key in STEPS if key in rows]
    annotated = run(tamis, documents, "".join(f"  - {STEPS[key]}\n    as: s{n}\n    mode: annotate\n" for n, key in enumerate(keys)))
    print("| rules | profile | documents | equal | differences |\n|---|---|---|---|---|")
    for n, key in enumerate(keys):
        rewritten = run(tamis, documents, f"  - {STEPS[key]}\n") if key.startswith(REWRITES) else {}
        found, examples = collections.Counter(), {}
        for doc, theirs in rows[key]:
            what = differs(theirs, annotated[doc["id"]], f"s{n}", rewritten.get(doc["id"], {}).get("text"), key)
            if what:
                found[what] += 1
                examples.setdefault(what, doc["id"])
        all_, wrong = len(rows[key]), sum(found.values())
        said = "; ".join(f"{what}: {count} (as {examples[what]})" for what, count in found.most_common())
        print(f"| {key.replace('/', ' | ')} | {all_:,} | {100 * (all_ - wrong) / all_:.3f} % | {said} |")


if __name__ == "__main__":
    {"documents": documents, "say": say, "table": table}[sys.argv[1]](*sys.argv[2:])
