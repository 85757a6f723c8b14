"""The listings as a user meets them."""

import subprocess
import sys

from secateur.models.families import FAMILIES


def test_families_lists_every_family_with_its_page_and_loads_no_torch():
    code = (
        "import sys; sys.argv = ['secateur', 'families']\n"
        "from secateur.cli import main\n"
        "try: main()\nexcept SystemExit as leaving: assert not leaving.code, leaving.code\n"
        "heavy = {'torch', 'transformers', 'polars', 'pyarrow', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(FAMILIES)
    assert len({line.index("docs/families.md") for line in lines}) == 1, "columns are aligned"
    for line, family in zip(lines, FAMILIES.values(), strict=True):
        assert family.summary in line
        assert line.endswith(family.docs)
        assert len(line) <= 110
