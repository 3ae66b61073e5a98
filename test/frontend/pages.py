"""pages.py MODELS: `setun check` says nothing about any page, none is longer than a screen or two, docs/models.md has each."""
import pathlib
import subprocess
import sys

models = pathlib.Path(sys.argv[1])
docs = (models.parent / "docs" / "models.md").read_text(encoding="utf-8")
bad = []
for page in sorted(models.glob("*.stn")):
    said = subprocess.run(["setun", "check", page], capture_output=True, text=True, check=False)
    if said.returncode or said.stderr:
        bad.append(f"{page.name}: {said.stderr}")
    if len(page.read_text(encoding="utf-8").splitlines()) > 100:
        bad.append(f"{page.name}: more than 100 lines")
    if f"| `{page.stem}` |" not in docs:
        bad.append(f"{page.name}: docs/models.md does not have it")
print("\n".join(bad))
sys.exit(bool(bad))
