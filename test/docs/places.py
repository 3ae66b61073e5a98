"""places.py ROOT: every relative link and every file name with a folder, in README.md and docs/*.md, exists."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1]).resolve()
FOLDERS = "base|ir|codec|lang|frontend|passes|backends|runtime|tools|test|bench|docs|models"
NAME = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]+\.(?:c|h|l|y|def|py|md|stn|sir|cases|test)\b")
LINK = re.compile(r"\]\(([^)#:]+)\)")

wrong = []
for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
    text = page.read_text(encoding="utf-8")
    wrong += [f"{page.name}: link to {link}" for link in LINK.findall(text) if not (page.parent / link).exists()]
    wrong += [f"{page.name}: {name}" for name in NAME.findall(text) if not (ROOT / name).exists()]
print("\n".join(wrong) or "all there")
sys.exit(1 if wrong else 0)
