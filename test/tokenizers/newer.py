#!/usr/bin/env python3
"""newer.py: prints frontend/tokenizer/unicode_newer.def: what Oniguruma, in the tokenizers package, knows of Unicode's characters
beyond PCRE2 10.42, which has Unicode 14.  Run where libpcre2-8 is that version."""
import ctypes

from tokenizers import Regex, pre_tokenizers

CATEGORIES = ("Cf Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs").split()
SCRIPTS = ("Arabic Armenian Bengali Common Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Han Hangul Hebrew Hiragana Inherited "
           "Kannada Katakana Khmer Lao Latin Malayalam Mongolian Myanmar Oriya Sinhala Tamil Telugu Thai Tibetan Kawi Nag_Mundari").split()
CHARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CHUNKS = ["".join(CHARS[i : i + 4000]) for i in range(0, len(CHARS), 4000)]

pcre = ctypes.CDLL("libpcre2-8.so.0")
pcre.pcre2_compile_8.restype = pcre.pcre2_match_data_create_8.restype = ctypes.c_void_p
pcre.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)
UTF, UCP = 0x80000, 0x20000


def known_to_pcre2(pattern):
    error, at = ctypes.c_int(), ctypes.c_size_t()
    code = pcre.pcre2_compile_8(pattern, ctypes.c_size_t(len(pattern)), UTF | UCP, ctypes.byref(error), ctypes.byref(at), None)
    if not code:
        return set()
    match = ctypes.c_void_p(pcre.pcre2_match_data_create_8(ctypes.c_uint32(4), None))
    range_ = pcre.pcre2_get_ovector_pointer_8(match)
    found = set()
    for chunk in CHUNKS:
        text, start = chunk.encode(), 0
        while pcre.pcre2_match_8(ctypes.c_void_p(code), text, ctypes.c_size_t(len(text)), ctypes.c_size_t(start), 0, match, None) > 0:
            found |= set(text[range_[0] : range_[1]].decode())
            start = range_[1]
    return found


def known_to_oniguruma(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return {c for chunk in CHUNKS for piece, _ in split.pre_tokenize_str(chunk) for c in piece}


def rows(name, pcre2_name):
    more = sorted(map(ord, known_to_oniguruma(rf"\p{{{name}}}+") - known_to_pcre2(rf"\p{{{pcre2_name}}}+".encode())))
    ranges = []
    for c in more:
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return [f'NEWER("{name}", 0x{first:05x}, 0x{last:05x})' for first, last in ranges]


print("""/*
 * unicode_newer.def -- characters that Unicode 15 to 16 added, by category and script: NEWER(name, first, last)
 *
 * Tokenizers were made with libraries that know them; PCRE2 knows them from 10.45 on.  Patterns name both, so that ids do
 * not depend on its version.  Printed by test/tokenizers/newer.py.
 */
/* clang-format off */""")
for group, prefix in ((CATEGORIES, ""), (SCRIPTS, "sc:")):
    for name in group:
        for row in rows(name, prefix + name):
            print(row)
print("/* clang-format on */\n#undef NEWER")
