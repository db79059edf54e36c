#!/usr/bin/env python3
"""Times redaction beside datatrove's PIIFormatter, Dolma's taggers and detect-secrets, one thread each, in one run.

    cargo bench --bench redact --no-run
    uv pip install datatrove==0.10.1 dolma==1.2.1 detect-secrets==1.5.0 zstandard     # pip does not come to an end
    python3 benches/redact.py CORPUS/text/000.jsonl.zst [MEGABYTES for the rivals]
"""
import importlib.metadata, json, pathlib, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def texts(path, limit):
    import zstandard
    size, all = 0, []
    for line in zstandard.ZstdDecompressor().decompressobj().decompress(open(path, "rb").read()).splitlines():
        all.append(json.loads(line)["text"])
        size += len(all[-1].encode())
        if size > limit:
            break
    return all, size


def timed(name, package, each, all, size):
    began = time.perf_counter()
    for text in all:
        each(text)
    version = importlib.metadata.version(package)
    print(f"{name + ' ' + version:<44} {size / 1e6 / (time.perf_counter() - began):8.2f} MB/s", flush=True)


def dolma_tagger(name):
    from dolma.core.data_types import Document
    from dolma.core.registry import TaggerRegistry
    tagger = TaggerRegistry.get(name)()
    return lambda text: tagger.predict(Document(source="", id="", text=text))


def detect_secrets():
    from detect_secrets.core import scan
    from detect_secrets.settings import default_settings
    settings = default_settings()
    settings.__enter__()
    return lambda text: [secret for line in text.splitlines() for secret in scan.scan_line(line)]


def main(path, megabytes=4):
    print(subprocess.run(["cargo", "bench", "-q", "--bench", "redact", "--", str(pathlib.Path(path).resolve())], cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    all, size = texts(path, float(megabytes) * 1e6)
    from datatrove.pipeline.formatters import PIIFormatter
    timed("datatrove PIIFormatter", "datatrove", PIIFormatter().format, all, size)
    import dolma.taggers  # noqa: F401
    for name in ("pii_regex_v2", "pii_regex_with_counts_fast_v2"):
        timed(f"Dolma {name}", "dolma", dolma_tagger(name), all, size)
    few, small = texts(path, 0.3e6)
    timed("detect-secrets", "detect-secrets", detect_secrets(), few, small)


if __name__ == "__main__":
    main(*sys.argv[1:])
