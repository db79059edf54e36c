#!/usr/bin/env python3
"""Writes phones.tsv: for each region its calling code, trunk prefix and the pattern of its valid national numbers.

    pip install phonenumbers==9.0.43 && python3 src/text/pii/phones.py

The data is libphonenumber's (Apache-2.0, https://github.com/google/libphonenumber); `phonenumbers` carries it for Python.
"""
import pathlib
import phonenumbers
from phonenumbers import PhoneMetadata

KINDS = ["fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "pager", "uan", "voicemail", "personal_number"]
rows = []
for code, regions in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()):
    for region in regions:
        if region == "001":
            data = PhoneMetadata.metadata_for_nongeo_region(code)
        else:
            data = PhoneMetadata.metadata_for_region(region)
        kinds = [getattr(data, kind) for kind in KINDS]
        patterns = []
        for kind in kinds:
            if kind and kind.national_number_pattern and kind.national_number_pattern not in patterns:
                patterns.append(kind.national_number_pattern)
        pattern = "|".join(patterns).replace("\\d", "[0-9]")
        rows.append("\t".join([region, str(code), data.national_prefix or "", pattern]))
head = f"# region, calling code, trunk prefix, valid national numbers: libphonenumber {phonenumbers.__version__}, Apache-2.0 (phones.py)\n"
pathlib.Path(__file__).with_name("phones.tsv").write_text(head + "\n".join(rows) + "\n")
