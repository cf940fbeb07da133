"""Writes the API page from the docstrings, `site/index.html`: `make docs`. A warning is an error.

The page is one file without scripts; nothing of it comes from elsewhere.
"""

import inspect
import re
import sys
import types
import warnings
from pathlib import Path
from typing import Any

from keras_mlm.environment import quiet_tensorflow

quiet_tensorflow()  # before the package's modules, which the page needs all of

import pdoc  # noqa: E402
import pdoc.doc  # noqa: E402
import pdoc.docstrings  # noqa: E402
import pdoc.render  # noqa: E402
import public_api  # noqa: E402
from pygments.formatters import HtmlFormatter  # noqa: E402

import keras_mlm  # noqa: E402

HERE = Path(__file__).parent
OUTPUT = HERE.parents[1] / "site"


def page() -> tuple[str, list[str]]:
    """Return the page and what is wrong with it."""
    public, named = public_api.public_objects(), public_api.named_types()
    objects = {**public, **named}
    # The public module knows its names only when they are asked for, so the page is that of one that holds them.
    module = types.ModuleType("keras_mlm", keras_mlm.__doc__)
    vars(module).update(objects, __all__=list(objects))
    classes = {name: value for name, value in objects.items() if inspect.isclass(value)}
    pdoc.docstrings.GOOGLE_LIST_SECTIONS.append("Call arguments")
    pdoc.render.configure(docformat="google", search=False, show_source=False, template_directory=HERE / "templates")
    pdoc.render.env.globals.update(
        version=keras_mlm.__version__,
        dark_code=HtmlFormatter(style="github-dark").get_style_defs(".pdoc-code"),
        groups={"Public names": list(public), "Types they name": list(named)},
        constructed={name for name, value in classes.items() if public_api.constructor(value) is not None},
        shown={f"{name}.{member}" for name, value in classes.items() for member in public_api.members(value)},
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        documented = pdoc.doc.Module(module)
        html = pdoc.render.html_module(documented, {"keras_mlm": documented})
    found = [str(warning.message) for warning in caught if "pdoc" in warning.filename]
    return html, [*public_api.problems(), *found, *broken(html, objects)]


def broken(html: str, objects: dict[str, Any]) -> list[str]:
    """Return the links that lead nowhere, the names that are missing and what would be fetched from elsewhere."""
    anchors = set(re.findall(r'\bid="([^"]+)"', html))
    absent = sorted(set(re.findall(r'\bhref="#([^"]+)"', html)) - anchors)
    fetched = re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(?!data:)([^"]*)', html)
    fetched += re.findall(r"@import[^;]*|url\((?!['\"]?data:)[^)]*\)", html)
    return [
        *(f"a link leads to #{anchor}, which is not there" for anchor in absent),
        *(f"{name} is not on the page" for name in objects if name not in anchors),
        *(f"the page would fetch {source}" for source in fetched),
    ]


def main(output: Path = OUTPUT) -> int:
    """Write the page, or say what is wrong with it and return 1."""
    html, wrong = page()
    if wrong:
        sys.stderr.write("".join(f"error: {problem}\n" for problem in wrong))
        sys.stderr.write(f"{len(wrong)} problems; nothing was written\n")
        return 1
    output.mkdir(exist_ok=True)
    aside = output / "index.html.partial"
    aside.write_text(html, encoding="utf-8")
    aside.replace(output / "index.html")
    sys.stdout.write(f"{output}/index.html: {html.count('<section id=')} names, {len(html) // 1024} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
