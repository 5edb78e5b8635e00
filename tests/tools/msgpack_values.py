"""Values, made of a seed, as python3-msgpack writes them and as Lua source; and whether it reads the same values from what
rshell writes. For tests/spec/msgpack_spec.lua.

usage: msgpack_values.py make SEED COUNT FILE     records: u32 length, messages; u32 length, Lua expressions
       msgpack_values.py check SEED COUNT FILE    records: u32 length, the same messages as rshell writes them
"""
import math
import random
import struct
import sys

import msgpack

EDGES = [2**n + d for n in (0, 5, 7, 8, 15, 16, 31, 32, 53, 62) for d in (-1, 0, 1)] + [2**63 - 1]
LENGTHS = [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536]


class Array(list):
    """What JSON knows as an array."""


class Mine:
    def __init__(self, values):
        self.values = values


class Null:
    pass


def integer(r):
    if r.random() < 0.5:
        return r.choice(EDGES) * r.choice((1, -1))
    return r.getrandbits(r.randrange(1, 64)) - (2**63 if r.random() < 0.1 else 0)


def floating(r, single):
    x = r.choice((0.0, -0.0, 1.0, 1e300, 5e-324, math.inf, -math.inf, math.nan, r.random(), r.uniform(-1e9, 1e9)))
    if not single:
        return x
    try:
        return struct.unpack(">f", struct.pack(">f", x))[0]
    except OverflowError:
        return 1.5


def string(r):
    n = r.choice(LENGTHS) if r.random() < 0.05 else r.randrange(40)
    letters = r.choice((b"abcdefghij", bytes(range(256))))[:: r.choice((1, -1))]
    return (letters * (n // len(letters) + 1))[:n]


def key(r, single):
    kind = r.randrange(6)
    if kind == 0:
        return integer(r)
    if kind == 1:
        x = floating(r, single)
        return x if math.isfinite(x) and x != math.floor(x) else b"float"
    return r.random() < 0.5 if kind == 2 else string(r)


def value(r, depth, single):
    """Neither None in a table nor a map with the keys 1 to n: in Lua these are other values."""
    kind = r.randrange(14 if depth < 5 else 8)
    if kind < 3:
        return integer(r)
    if kind < 5:
        return string(r)
    if kind < 8:
        return (r.random() < 0.5, floating(r, single), Null())[kind - 5]
    n = r.choice(LENGTHS[2:8]) if r.random() < 0.02 else r.randrange(6)
    if kind < 11:
        pairs = {(type(k) is bool, k): k for k in (key(r, single) for _ in range(n))}
        return [(b"a", 1)] * bool(n) + [(k, value(r, depth + 1, single)) for k in pairs.values() if k != b"a"], "map"
    items = [value(r, depth + 1, single) for _ in range(n)]
    return (items, Array(items), Mine([r.randrange(2**40)] + items[:5]))[kind - 11]


def is_map(v):
    return isinstance(v, tuple)


class Writer:
    def __init__(self, r, single):
        self.single, self.bin = single, r.random() < 0.3

    def pack(self, v):
        p = msgpack.Packer(use_bin_type=self.bin, use_single_float=self.single, autoreset=False)
        if is_map(v):
            p.pack_map_header(len(v[0]))
            return p.bytes() + b"".join(self.pack(k) + self.pack(x) for k, x in v[0])
        if isinstance(v, Null):
            p.pack_ext_type(4, b"")
        elif isinstance(v, Array):
            p.pack_ext_type(5, self.pack(list(v)))
        elif isinstance(v, Mine):
            p.pack_ext_type(1, b"".join(map(self.pack, v.values)))
        elif isinstance(v, list):
            p.pack_array_header(len(v))
            return p.bytes() + b"".join(map(self.pack, v))
        else:
            p.pack(v)
        return p.bytes()


def lua(v):
    if v is None:
        return "nil"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return "math.mininteger" if v == -(2**63) else str(v)
    if isinstance(v, float):
        if math.isnan(v):
            return "0/0"
        return v.hex() if math.isfinite(v) else "1/0" if v > 0 else "-1/0"
    if isinstance(v, bytes):
        return '"' + "".join("\\%03d" % c for c in v) + '"'
    if is_map(v):
        return "{" + ",".join("[%s]=%s" % (lua(k), lua(x)) for k, x in v[0]) + "}"
    if isinstance(v, Null):
        return "null"
    if isinstance(v, Mine):
        return "mine(" + ",".join(map(lua, v.values)) + ")"
    return ("array" if isinstance(v, Array) else "") + "{" + ",".join(map(lua, v)) + "}"


def messages(seed, count):
    for number in range(count):
        r = random.Random("%d %d" % (seed, number))
        single = r.random() < 0.2
        values = [None if r.random() < 0.1 else value(r, 0, single) for _ in range(r.randrange(4))]
        yield values, Writer(r, single)


def unpack(data):
    """A sequence of values; pairs of a map as a list, since True is 1 as a key of a dict."""
    u = msgpack.Unpacker(
        raw=True, strict_map_key=False, object_pairs_hook=lambda pairs: (list(pairs), "map"), max_buffer_size=0
    )
    u.feed(data)
    return list(u)


def same(a, b):
    """a was made here, b was read."""
    if isinstance(a, Null):
        return b == msgpack.ExtType(4, b"")
    if isinstance(a, Array):
        return b.code == 5 and same(list(a), unpack(b.data)[0])
    if isinstance(a, Mine):
        got = unpack(b.data)
        return b.code == 1 and len(got) == len(a.values) and all(map(same, a.values, got))
    if is_map(a) or is_map(b):
        if not a or not a[0]:
            return b in ([], ([], "map")) and (not a or not a[0])
        there = {(type(k), k): x for k, x in b[0]}
        return len(a[0]) == len(b[0]) and all(
            (type(k), k) in there and same(x, there[(type(k), k)]) for k, x in a[0]
        )
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b) or (a != a and b != b)
    return a == b


def make(seed, count, file):
    for values, writer in messages(seed, count):
        for part in (b"".join(map(writer.pack, values)), ",".join(map(lua, values)).encode()):
            file.write(struct.pack(">I", len(part)) + part)


def check(seed, count, file):
    for number, (values, _) in enumerate(messages(seed, count)):
        data = file.read(struct.unpack(">I", file.read(4))[0])
        got = unpack(data)
        if len(got) != len(values) or not all(map(same, values, got)):
            sys.exit("message %d: %s was read as %r" % (number, ",".join(map(lua, values))[:300], got))
    if file.read():
        sys.exit("more messages than there should be")


def main():
    _, what, seed, count, path = sys.argv
    with open(path, "wb" if what == "make" else "rb") as file:
        {"make": make, "check": check}[what](int(seed), int(count), file)


main()
