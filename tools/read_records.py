#!/usr/bin/env python3
"""Reads Bolster's record files with numpy and lz4 alone.

The format is specified in Sources/BolsterRecords/BolsterRecords.docc/RecordFile.md; this is a second
implementation of it, written against that page.

    read_records.py FILE...            the header, the columns' sizes and the skipped samples
    read_records.py --sample KEY FILE  everything that the file holds for one sample
"""

import argparse
import json
import struct
import sys

import lz4.frame
import numpy as np

MAGIC = b"\x89BLREC\r\n"
VERSION = 1
BLOCK = 1 << 16


def xxh64(data):
    """XXH64 with seed 0, from its specification: slow, and without another package."""
    mask = (1 << 64) - 1
    p1, p2, p3, p4, p5 = (11400714785074694791, 14029467366897019727, 1609587929392839161,
                          9650029242287828579, 2870177450012600261)

    def rotated(x, r):
        return (x << r | x >> (64 - r)) & mask

    def rounded(acc, lane):
        return rotated((acc + lane * p2) & mask, 31) * p1 & mask

    position = 0
    if len(data) >= 32:
        accs = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        stripes = len(data) // 32
        lanes = struct.unpack_from(f"<{4 * stripes}Q", data)
        for start in range(0, 4 * stripes, 4):
            for i in range(4):
                accs[i] = rounded(accs[i], lanes[start + i])
        value = sum(rotated(a, r) for a, r in zip(accs, (1, 7, 12, 18))) & mask
        for acc in accs:
            value = ((value ^ rounded(0, acc)) * p1 + p4) & mask
        position = 32 * stripes
    else:
        value = p5
    value = (value + len(data)) & mask
    while position + 8 <= len(data):
        lane = int.from_bytes(data[position:position + 8], "little")
        value = (rotated(value ^ rounded(0, lane), 27) * p1 + p4) & mask
        position += 8
    if position + 4 <= len(data):
        lane = int.from_bytes(data[position:position + 4], "little")
        value = (rotated(value ^ lane * p1 & mask, 23) * p2 + p3) & mask
        position += 4
    for byte in data[position:]:
        value = rotated(value ^ byte * p5 & mask, 11) * p1 & mask
    for shift, prime in ((33, p2), (29, p3)):
        value = (value ^ value >> shift) * prime & mask
    return value ^ value >> 32


class RecordFile:
    """`header` (dict), `keys`, `skips` (None or (reason, detail)) and `columns`: name to a list with a value
    per sample, a str (JSON) or an array [rows, width] of float32."""

    def __init__(self, data, check=True):
        if data[:8] != MAGIC:
            raise ValueError("not a record file")
        version, header_bytes, size = struct.unpack_from("<IIQ", data, 8)
        if size != len(data):
            raise ValueError(f"{len(data)} bytes where the header says {size}")
        if version != VERSION:
            raise ValueError(f"format version {version}; this reader knows {VERSION}")
        if check and xxh64(data[:-8]) != struct.unpack("<Q", data[-8:])[0]:
            raise ValueError("the checksum does not match")
        head = json.loads(data[24:24 + header_bytes])
        self.header = head["record"]
        self.layouts = head["columns"]
        self.columns = {}
        offset = 24 + header_bytes
        for layout in self.layouts:
            counts = np.frombuffer(lz4.frame.decompress(data[offset:offset + layout["counts"]]), "<u4")
            offset += layout["counts"]
            frame = data[offset:offset + layout["values"]]
            offset += layout["values"]
            if layout["type"] == "text":
                self.columns[layout["name"]] = split_texts(lz4.frame.decompress(frame), counts)
            else:
                values = decode_tensor(lz4.frame.decompress(frame), layout)
                rows = values.reshape(-1, layout["width"])
                self.columns[layout["name"]] = np.split(rows, np.cumsum(counts)[:-1])
        if offset != len(data) - 8:
            raise ValueError("the columns do not end at the trailer")
        self.keys = self.columns.pop("key")
        self.skips = [tuple(json.loads(text)) if text else None for text in self.columns.pop("skip")]


def split_texts(data, lengths):
    ends = np.cumsum(lengths, dtype=np.int64)
    return [data[end - length:end].decode() for end, length in zip(ends, lengths.astype(np.int64))]


def decode_tensor(planes, layout):
    """Bit planes back to numbers, and ranks back to exponents."""
    bits = 16 if layout["type"] == "bf16" else 32
    shift = bits - 9
    listed = layout["exponents"]
    table = np.array(listed + sorted(set(range(256)) - set(listed)), np.uint32)
    left = layout["bytes"] * 8 // bits
    blocks = []
    position = 0
    while left > 0:
        count = min(left, BLOCK * 8 // bits)
        plane = (count + 7) // 8
        block = np.frombuffer(planes, np.uint8, bits * plane, position).reshape(bits, plane)
        position += bits * plane
        left -= count
        values = np.zeros(count, np.uint32)
        for row in block:
            values = values << 1 | np.unpackbits(row, bitorder="little")[:count]
        kept = np.uint32(((1 << bits) - 1) ^ (255 << shift))
        blocks.append(values & kept | table[values >> shift & 255] << shift)
    values = np.concatenate(blocks) if blocks else np.zeros(0, np.uint32)
    return (values << (32 - bits)).astype("<u4").view(np.float32)


def show(path, record):
    print(path)
    print(json.dumps(record.header, indent=2))
    for layout in record.layouts:
        stored = layout["counts"] + layout["values"]
        share = f" ({stored / layout['bytes']:.3f})" if layout["bytes"] else ""
        print(f"  {layout['name']:<16} {layout['type']:<5} {layout['bytes']:>12} -> {stored} bytes{share}")
    for key, skip in zip(record.keys, record.skips):
        if skip:
            print(f"  skipped {key}: {skip[0]} {skip[1]}")


def show_sample(record, key):
    if key not in record.keys:
        raise ValueError(f"no sample {key}")
    index = record.keys.index(key)
    print(f"{key}: sample {record.header['first_sample'] + index} of {record.header['shard']}")
    if record.skips[index]:
        print(f"  skipped: {record.skips[index]}")
    for name, values in record.columns.items():
        print(f"  {name}: {values[index]!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--sample", metavar="KEY", help="show everything about one sample")
    parser.add_argument("--no-check", action="store_true", help="skip the checksum (slow in Python)")
    arguments = parser.parse_args()
    for path in arguments.files:
        try:
            with open(path, "rb") as file:
                record = RecordFile(file.read(), check=not arguments.no_check)
            if arguments.sample is None:
                show(path, record)
            else:
                show_sample(record, arguments.sample)
        except (OSError, ValueError, RuntimeError) as error:
            sys.exit(f"{path}: {error}")


if __name__ == "__main__":
    main()
