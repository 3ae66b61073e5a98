"""names.py ROOT: no C, flex or bison code outside test/ holds the name of a model family: pages do (models/).

Comments may say where a fact comes from, and tables of names (*.def) are names.  Some file formats have words of their
own that contain one; each is listed with the file that reads or writes it, so that a new one is noticed.
"""
import pathlib
import re
import sys

FORMATS = {
    "frontend/tokenizer/from_gguf.c": r"\bllama\b",  # the kind of tokenizer that GGUF calls so: SentencePiece's BPE
    "frontend/tokenizer/from_gguf_bpe.c": r"llama-bpe|LLAMA3_TOKENS",  # a name of cutting rules
    "frontend/tokenizer/patterns.c": "llama3_specials",  # tiktoken files do not hold their special tokens
    "frontend/files/gguf_tensor.c": "bitnets?",  # whose ids of types mean something else in other files
    "frontend/files/config.c": "bitnet",  # quant_method of config.json
    "tools/convert_files.c": '"bitnet"',  # quant_method of config.json
}
ANYWHERE = r"\bllama3\b|bitnet\.cpp"  # the scaling of rotations that config.json calls so; a program whose files are read

root = pathlib.Path(sys.argv[1])
bad = []
for folder in ("base", "ir", "codec", "lang", "frontend", "passes", "backends", "runtime", "tools", "bench"):
    for path in (root / folder).rglob("*"):
        if path.suffix not in (".c", ".h", ".l", ".y"):
            continue
        where = str(path.relative_to(root))
        text = re.sub(r"/\*.*?\*/", lambda c: re.sub(r"[^\n]", "", c[0]), path.read_text(encoding="utf-8"), flags=re.S)
        for n, line in enumerate(text.splitlines(), 1):
            line = re.sub(FORMATS.get(where, "$^"), "", re.sub(ANYWHERE, "", line))
            if re.search("bitnet|llama|falcon|gemma|qwen", line, re.IGNORECASE):
                bad.append(f"{where}:{n}: {line.strip()}")
print("\n".join(bad))
sys.exit(bool(bad))
