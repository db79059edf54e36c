"""Near-duplicates by other tools, and by tamis, each in a process of its own: `dedup.py` times them, `duplicates.py` judges them.

    python3 benches/near_peers.py TOOL INPUT.jsonl OUT

Documents have `id` and `text`. All compare 5-grams of words by 14 bands of 8 rows, in one process on one core, and write OUT/kept.jsonl;
the last line printed has the clusters (lists of ids), the peak of memory, and the seconds from opening the input to the last byte
written, without the start of the interpreter and imports; of tamis the whole process.

    pip install datatrove[io,processing]==0.10.1 spacy==3.8.18 gaoya==0.2.2 datasketch==2.0.0 rensa==0.5.0 orjson
    python3 -m venv OTHER; OTHER/bin/pip install text-dedup==0.4.0 simhash==2.1.2 orjson; export OTHER_PYTHON=OTHER/bin/python
"""
import glob
import json
import os
import pathlib
import re
import resource
import shutil
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TAMIS = os.environ.get("TAMIS", ROOT / "target/release/tamis")
BANDS, ROWS, GRAM, THRESHOLD = 14, 8, 5, 0.72
WORD = re.compile(r"\w+")


def grams(text):
    """The set of a text's 5-grams of words in lower case."""
    words = WORD.findall(text.lower())
    return {" ".join(words[i:i + GRAM]) for i in range(len(words) - GRAM + 1)}


def first_come(source, out, similar, add):
    """Keeps each document that is like none kept before; `similar` names the kept ones that it is like."""
    import orjson
    clusters = {}
    with open(source, "rb") as lines, open(f"{out}/kept.jsonl", "wb") as kept:
        for number, line in enumerate(lines):
            doc = orjson.loads(line)
            found, made = similar(doc["text"])
            clusters.setdefault(min(found, default=number), []).append(doc["id"])
            if not found:
                add(number, made)
                kept.write(orjson.dumps(doc) + b"\n")
    return [ids for ids in clusters.values() if len(ids) > 1]


def gaoya():
    from gaoya.minhash import MinHashStringIndex
    def run(source, out):
        index = MinHashStringIndex(32, THRESHOLD, BANDS, ROWS, None, "word", True, (GRAM, GRAM), "vec")
        return first_come(source, out, lambda text: (index.query(text), text), index.insert_document)
    return run


def datasketch():
    from datasketch import MinHash, MinHashLSH
    def run(source, out):
        index = MinHashLSH(params=(BANDS, ROWS), num_perm=BANDS * ROWS)
        def similar(text):
            made = MinHash(num_perm=BANDS * ROWS)
            made.update_batch([gram.encode() for gram in grams(text)])
            return index.query(made), made
        return first_come(source, out, similar, index.insert)
    return run


def rensa():
    from rensa import RMinHash, RMinHashLSH
    def run(source, out):
        index = RMinHashLSH(THRESHOLD, BANDS * ROWS, BANDS)
        def similar(text):
            made = RMinHash(BANDS * ROWS, 42)
            made.update(list(grams(text)))
            return index.query(made), made
        return first_come(source, out, similar, index.insert)
    return run


def simhash():
    from simhash import Simhash, SimhashIndex
    def run(source, out):
        # 64 bits over the same 5-grams; at most 3 bits apart, as in Manku et al. 2007.
        index = SimhashIndex([], f=64, k=3)
        def similar(text):
            made = Simhash(list(grams(text)), f=64)
            return [int(key) for key in index.get_near_dups(made)], made
        return first_come(source, out, similar, lambda number, made: index.add(str(number), made))
    return run


def datatrove():
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    config = MinhashConfig(n_grams=GRAM, num_buckets=BANDS, hashes_per_bucket=ROWS)
    def run(source, out):
        source = pathlib.Path(source).resolve()
        reader = lambda: JsonlReader(str(source.parent), compression=None, glob_pattern=source.name)
        stage = lambda steps, tasks, name: LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1, logging_dir=f"{out}/logs/{name}").run()
        stage([reader(), MinhashDedupSignature(f"{out}/sig", config=config)], 1, "s")
        stage([MinhashDedupBuckets(f"{out}/sig", f"{out}/buckets", config=config)], BANDS, "b")
        stage([MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config, save_cluster_id=True)], 1, "c")
        stage([reader(), MinhashDedupFilter(f"{out}/remove"), JsonlWriter(str(out), compression=None, output_filename="kept.jsonl")], 1, "f")
        return lambda: clusters(source, out)
    def clusters(source, out):
        # Rows are counted without those whose text is empty, which datatrove does not read.
        ids, clusters = [doc["id"] for doc in map(json.loads, open(source)) if doc["text"]], {}
        for row, cluster in struct.iter_unpack("<II", open(f"{out}/remove/000000.clusters", "rb").read()):
            clusters.setdefault(cluster, []).append(ids[row])
        return list(clusters.values())
    return run


def text_dedup():
    from text_dedup import minhash
    def run(source, out):
        minhash.main(["--path", "json", "--data_files", str(source), "--split", "train", "--column", "text", "--output", f"{out}/kept", "--cache_dir", f"{out}/cache",
                      "--ngram", str(GRAM), "--num_perm", str(BANDS * ROWS), "--b", str(BANDS), "--r", str(ROWS), "--min_length", "0", "--hash_func", "xxh3",
                      "--num_proc", "1"], standalone_mode=False)
        return lambda: clusters(source, out)
    def clusters(source, out):
        ids, clusters = [doc["id"] for doc in map(json.loads, open(source))], {}
        for number in list(minhash.uf.parent):
            clusters.setdefault(minhash.uf.find(number), []).append(ids[number])
        import datasets
        pathlib.Path(out, "kept.jsonl").write_text("".join(json.dumps({"id": id}) + "\n" for id in datasets.load_from_disk(f"{out}/kept")["id"]))
        return list(clusters.values())
    return run


def tamis(step, annotated=False):
    def run(source, out):
        listed = f"{{ {step}, mode: annotate }}" if annotated else step
        pathlib.Path(out, "near.yaml").write_text(
            f"read: {{ jsonl: {json.dumps(str(source))} }}\nsteps:\n  - {listed}\nwrite: {{ jsonl: {{ dir: kept, compression: none }} }}\n")
        subprocess.run([TAMIS, "run", "near.yaml", "-q", "-j1"], cwd=out, check=True, stdout=subprocess.DEVNULL)
        return (lambda: clusters(out)) if annotated else None
    def clusters(out):
        clusters = {}
        with open(f"{out}/kept.jsonl", "w") as kept:
            for path in sorted(glob.glob(f"{out}/kept/*.jsonl")):
                for doc in map(json.loads, open(path)):
                    clusters.setdefault(doc["minhash_cluster"], []).append(doc["id"])
                    if not doc["minhash_duplicate"]:
                        kept.write(json.dumps({"id": doc["id"]}) + "\n")
        return [ids for ids in clusters.values() if len(ids) > 1]
    return lambda: run


UNVERIFIED = "minhash: { verify: none }"
# What is run, the package that it is of, and how it is called.
TOOLS = {
    "tamis": (tamis("minhash"), None),
    "tamis, unverified": (tamis(UNVERIFIED), None),
    "tamis, exact": (tamis("exact"), None),
    "tamis, clusters": (tamis("minhash: {}", annotated=True), None),
    "tamis, threshold 0.72": (tamis("minhash: 0.72", annotated=True), None),
    "tamis, unverified clusters": (tamis(UNVERIFIED, annotated=True), None),
    "tamis, as datatrove": (tamis("minhash: { compat: datatrove, verify: none }", annotated=True), None),
    "datatrove": (datatrove, "datatrove"),
    "text-dedup": (text_dedup, "text-dedup"),
    "datasketch": (datasketch, "datasketch"),
    "gaoya": (gaoya, "gaoya"),
    "rensa": (rensa, "rensa"),
    "simhash": (simhash, "simhash"),
}


def python(tool):
    """text-dedup and simhash may live in an environment of their own, which this variable names."""
    return os.environ.get("OTHER_PYTHON", sys.executable) if tool in ("text-dedup", "simhash") else sys.executable


def name(tool):
    """The tool with its version."""
    package = TOOLS[tool][1]
    if package is None:
        version = subprocess.run([TAMIS, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
        return tool.replace("tamis", f"tamis {version}")
    code = f"import importlib.metadata as m;print(m.version({package!r}))"
    return f"{tool} {subprocess.run([python(tool), '-c', code], capture_output=True, text=True, check=True).stdout.strip()}"


def measure(tool, source, out, core=None):
    """Runs a tool in a process of its own, on one core if given: seconds, peak of memory in MiB, clusters if it tells."""
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
    with open(f"{out}/log", "w") as log:
        ran = subprocess.run([python(tool), __file__, tool, source, out], stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=pin)
    if ran.returncode:
        raise SystemExit(f"{tool}: see {out}/log")
    report = json.loads(ran.stdout.splitlines()[-1])
    return report["seconds"], report["peak"], report["clusters"]


def kept(out):
    """The ids of the documents that stayed."""
    files = glob.glob(f"{out}/kept.jsonl") or sorted(glob.glob(f"{out}/kept/*.jsonl"))
    return [json.loads(line)["id"] for path in files for line in open(path)]


def main(tool, source, out):
    source, out = pathlib.Path(source).resolve(), pathlib.Path(out).resolve()
    run = TOOLS[tool][0]()
    whose = resource.RUSAGE_CHILDREN if tool.startswith("tamis") else resource.RUSAGE_SELF
    began = time.perf_counter()
    clusters = run(source, out)
    seconds = time.perf_counter() - began
    clusters = clusters() if callable(clusters) else clusters
    print()
    print(json.dumps({"seconds": seconds, "peak": resource.getrusage(whose).ru_maxrss / 1024, "clusters": clusters}))


if __name__ == "__main__":
    main(*sys.argv[1:])
