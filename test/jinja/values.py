#!/usr/bin/env python3
"""values.py: how numbers are printed and what is asked of single characters, engine and Python side by side."""
import random
import struct
import sys
import unicodedata

import reference

ASKED = "{% for c in cs %}{{ c.isalpha() }}{{ c.isspace() }}{{ c.isupper() }}{{ c.islower() }}{{ c.strip() | length }}{{ [c] }}" \
        "{{ c | tojson }}{{ c | tojson(ensure_ascii=true) }}{{ c.splitlines() | length }}\n{% endfor %}"
CASES = "{% for c in cs %}{{ c.upper() }}{{ c.lower() }}{{ ('a' ~ c).title() }}{{ (c ~ 'A').capitalize() }}{{ (c ~ 'b') | title }}\n{% endfor %}"
NUMBERS = "{% for x in xs %}{{ x }} {{ x | tojson }} {{ -x }} {{ x | int if x < 1e15 and x > -1e15 else 0 }} {{ x // 0.7 }} {{ x % 3 }}\n{% endfor %}"


def characters():
    for block in range(0, 0x1f000, 0x800):
        chars = [chr(c) for c in range(block, block + 0x800) if not 0xd800 <= c < 0xe000]
        # what Python does not know may be newer, and five modifier letters count as lower case since Unicode 15
        yield [c for c in chars if unicodedata.category(c) != "Cn" and c not in "\u10fc\ua7f2\ua7f3\ua7f4\uab69"]


def plain(c):
    """One character in every case, whatever stands around it."""
    return all(len(x) == 1 for x in (c.upper(), c.lower(), c.title())) and c != "Σ"


def floats(rnd):
    edge = [0.0, -0.0, 1.0, 1e15, 1e16, 123456789012345680.0, 0.0001, 0.00001, 0.1 + 0.2, 1e22, 1e23, 5e-324, 1.7976931348623157e308, 100.0, 1 / 3, 2.5]
    drawn = [struct.unpack("<d", struct.pack("<Q", rnd.getrandbits(64)))[0] for _ in range(2000)]
    return edge + [x for x in drawn if x == x and abs(x) < 1e300] + [rnd.uniform(-1000, 1000) for _ in range(500)]


def check(engine, text, given):
    want = reference.render(reference.compiled(text), given)
    got = engine.ask(text, [given])["outputs"][0]
    if want == got:
        return 0
    if isinstance(want, dict) or isinstance(got, dict):
        print(f"{text!r}\n  jinja2: {want!r:.300}\n  engine: {got!r:.300}")
        return 1
    differ = [(w, g) for w, g in zip(want.split("\n"), got.split("\n")) if w != g]
    print("\n".join(f"jinja2 {w!r}, engine {g!r}" for w, g in differ[:20]))
    return len(differ)


def main():
    engine, bad, n = reference.Engine(), 0, 0
    for cs in characters():
        bad += check(engine, ASKED, {"cs": cs}) + check(engine, CASES, {"cs": [c for c in cs if plain(c)]})
        n += len(cs)
    xs = floats(random.Random(1))
    bad += check(engine, NUMBERS, {"xs": xs})
    print(f"{n} characters, {len(xs)} numbers, {bad} differ")
    sys.exit(1 if bad or n < 50000 else 0)


main()
