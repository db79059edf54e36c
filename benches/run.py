#!/usr/bin/env python3
"""Times tamis beside its rivals, in turns, in one run, and prints the ratios.

    cargo build --release && cargo bench --bench framing --no-run
    pip install datatrove[io,processing]==0.10.1 fastwarc==2.0.1 zstandard orjson tokenizers==0.23.3
    python3 benches/corpus.py DOWNLOADS CORPUS 200
    python3 benches/run.py CORPUS [length|warc|end_to_end|start|memory …]

Every rival gets the same input on the same disk, one process at a time; each figure is the best of three turns (of one for
end_to_end). MB are 10^6 bytes of text (of record content for WARC).
"""
import glob
import importlib.metadata
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TAMIS = ROOT / "target/release/tamis"
TURNS = 3


def text_bytes(corpus):
    import zstandard
    total = 0
    for path in sorted(glob.glob(f"{corpus}/text/*.zst")):
        for line in zstandard.ZstdDecompressor().decompressobj().decompress(open(path, "rb").read()).splitlines():
            total += len(json.loads(line)["text"].encode())
    return total


def tamis(pipeline, corpus, workers, cwd):
    shutil.rmtree(cwd, ignore_errors=True)
    os.makedirs(cwd)
    fixtures = ROOT / "fixtures/tokenizers/gpt2.json"
    more = [] if pipeline == "length" else ["--set", f"tokenizer={fixtures}"]
    began = time.perf_counter()
    subprocess.run([TAMIS, "run", HERE / f"pipelines/{pipeline}.yaml", "--set", f"corpus={corpus}", *more, "-q", "-j", str(workers)],
                   cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def rival(name, corpus, cwd):
    shutil.rmtree(cwd, ignore_errors=True)
    os.makedirs(cwd)
    began = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--rival", name, str(corpus)], cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def datatrove_length(corpus, level=None):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    import fsspec.compression
    import zstandard

    # As it comes, fsspec compresses at level 10 if it finds `zstandard`.
    def zstd(file, mode="rb"):
        return zstandard.ZstdDecompressor().stream_reader(file) if "r" in mode else zstandard.ZstdCompressor(level=level).stream_writer(file)
    if level:
        fsspec.compression.register_compression("zstd", zstd, "zst", force=True)
    LocalPipelineExecutor(tasks=1, workers=1, logging_dir="logs", pipeline=[
        JsonlReader(f"{corpus}/text", compression="zstd", glob_pattern="*.jsonl.zst"),
        LambdaFilter(lambda doc: len(doc.text) >= 1200),
        JsonlWriter("out", compression="zstd", output_filename="${rank}.jsonl.zst"),
    ]).run()


def datatrove_length_level_3(corpus):
    datatrove_length(corpus, 3)


def codecs(corpus):
    """What decompressing, parsing each line, and compressing at level 3 cost by themselves, each in C or Rust, in one process."""
    import orjson
    import zstandard
    spent = [0.0, 0.0, 0.0]
    for file in sorted((pathlib.Path(corpus) / "text").glob("*.jsonl.zst")):
        packed, times = file.read_bytes(), [time.process_time()]
        data = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
        times.append(time.process_time())
        for line in data.splitlines():
            orjson.loads(line)
        times.append(time.process_time())
        zstandard.ZstdCompressor(level=3).compress(data)
        times.append(time.process_time())
        spent = [sum(pair) for pair in zip(spent, (b - a for a, b in zip(times, times[1:])))]
    print(sum(spent))


def datatrove_end_to_end(corpus):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.filters import GopherQualityFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import JsonlWriter
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    run = lambda steps, tasks, workers, name: LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=workers, logging_dir=f"logs/{name}").run()
    run([JsonlReader(f"{corpus}/text", compression="zstd", glob_pattern="*.jsonl.zst"), GopherQualityFilter(min_stop_words=None), JsonlWriter("kept")], 2, 2, "f")
    run([JsonlReader("kept"), MinhashDedupSignature("sig", config=config)], 2, 2, "s")
    run([MinhashDedupBuckets("sig", "buckets", config=config)], 14, 2, "b")
    run([MinhashDedupCluster("buckets", "remove", config=config)], 1, 1, "c")
    run([JsonlReader("kept"), MinhashDedupFilter("remove"), DocumentTokenizer("tokens", tokenizer_name_or_path=str(ROOT / "fixtures/tokenizers/gpt2.json"), eos_token="<|endoftext|>")], 2, 2, "t")


def fastwarc(corpus):
    from fastwarc.warc import ArchiveIterator
    began, records, content = time.perf_counter(), 0, 0
    for record in ArchiveIterator(open(f"{corpus}/web.warc.gz", "rb"), parse_http=False):
        content += len(record.reader.read())
        records += 1
    print(f"{records} records, {content / 1e6:.1f} MB, {content / 1e6 / (time.perf_counter() - began):.1f} MB/s")


def best(turns, *contenders):
    """The best time of each contender, taken in turns."""
    times = [[] for _ in contenders]
    for _ in range(turns):
        for contender, own in zip(contenders, times):
            own.append(contender())
    return [min(own) for own in times]


def report(name, mb, ours, theirs, whose):
    print(f"{name:<28} tamis {mb / ours:8.1f} MB/s   {whose} {mb / theirs:8.1f} MB/s   ratio {theirs / ours:6.1f}", flush=True)


def version(package):
    return f"{package} {importlib.metadata.version(package)}"


def main(corpus, *names):
    corpus = pathlib.Path(corpus).resolve()
    work = tempfile.mkdtemp()
    names = names or ("length", "warc", "end_to_end", "start", "memory")
    print(subprocess.run([TAMIS, "--version"], capture_output=True, text=True).stdout.strip(), "·", os.cpu_count(), "cores")
    mb = text_bytes(corpus) / 1e6
    if "length" in names:
        own = lambda workers: lambda: tamis("length", corpus, workers, f"{work}/a")
        bound = lambda: float(subprocess.run([sys.executable, __file__, "--rival", "codecs", str(corpus)], check=True, capture_output=True, text=True).stdout)
        one, two, theirs, same, alone = best(TURNS, own(1), own(2), lambda: rival("datatrove_length", corpus, f"{work}/b"),
                                             lambda: rival("datatrove_length_level_3", corpus, f"{work}/c"), bound)
        whose = version("datatrove")
        report("JSONL, 1 worker", mb, one, theirs, f"{whose} as it comes (zstd 10)")
        report("JSONL, 1 worker", mb, one, same, f"{whose} at zstd 3")
        report("JSONL, 2 workers", mb, two, theirs, f"{whose} as it comes, 1 worker")
        report("JSONL, 1 worker", mb, one, alone, "zstd -d, orjson, zstd -3 alone (processor time)")
        sizes = [sum(p.stat().st_size for p in pathlib.Path(work).glob(f"{out}/*.zst")) / 1e6 for out in ("a/out/length", "b/out", "c/out")]
        print(f"{'':<28} MB written: tamis {sizes[0]:.1f}, with ids; {whose} {sizes[1]:.1f}, at zstd 3 {sizes[2]:.1f}")
    if "warc" in names:
        speed = lambda command: lambda: float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-2])
        ours = speed(["cargo", "bench", "-q", "--manifest-path", ROOT / "Cargo.toml", "--bench", "framing", "--", corpus / "web.warc.gz"])
        theirs = speed([sys.executable, __file__, "--rival", "fastwarc", str(corpus)])
        a, b = max(ours() for _ in range(TURNS)), max(theirs() for _ in range(TURNS))
        print(f"{'WARC framing, 1 thread':<28} tamis {a:8.1f} MB/s   {version('fastwarc')} {b:8.1f} MB/s   ratio {a / b:6.2f}")
    if "end_to_end" in names:
        ours, theirs = best(1, lambda: tamis("end_to_end", corpus, 2, f"{work}/a"), lambda: rival("datatrove_end_to_end", corpus, f"{work}/b"))
        report("end to end, 2 workers", mb, ours, theirs, version("datatrove"))
    if "start" in names:
        times = []
        for _ in range(10):
            began = time.perf_counter()
            subprocess.run([TAMIS, "check", HERE / "pipelines/length.yaml", "--set", f"corpus={corpus}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            middle = time.perf_counter()
            subprocess.run([TAMIS, "check", ROOT / "pipelines/quickstart.yaml"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            times.append((middle - began, time.perf_counter() - middle))
        plain, models = (min(t[i] for t in times) * 1000 for i in (0, 1))
        print(f"{'start, to the whole plan':<28} {plain:.0f} ms; {models:.0f} ms with a language model and a GPT-2 tokenizer to load")
    if "memory" in names:
        for name in ("length", "end_to_end"):
            peaks = []
            for files in ("000", "00[0-3]"):
                cwd = f"{work}/m"
                shutil.rmtree(cwd, ignore_errors=True)
                os.makedirs(cwd)
                pipeline = pathlib.Path(cwd) / "p.yaml"
                pipeline.write_text((HERE / f"pipelines/{name}.yaml").read_text().replace("$corpus/text/*.jsonl.zst", f'"$corpus/text/{files}.jsonl.zst"'))
                code = ("import resource,subprocess,sys;subprocess.run(sys.argv[1:],check=True,stdout=subprocess.DEVNULL);"
                        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
                out = subprocess.run([sys.executable, "-c", code, TAMIS, "run", pipeline, "--set", f"corpus={corpus}", "-q", "-j2", *(["--set", f"tokenizer={ROOT}/fixtures/tokenizers/gpt2.json"] if name == "end_to_end" else [])], cwd=cwd,
                                     check=True, capture_output=True, text=True).stdout
                peaks.append(int(out) / 1024)
            print(f"{'peak memory, ' + name:<28} {peaks[0]:.0f} MiB on 32 MB of text, {peaks[1]:.0f} MiB on 128 MB")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1] == "--rival":
        globals()[sys.argv[2]](sys.argv[3])
    else:
        main(*sys.argv[1:])
