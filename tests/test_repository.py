"""The repository keeps its own promises: documents, structure, one-way imports."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import keras_mlm

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "keras_mlm"
READMES = ("README.md", "README.zh.md")
TUTORIALS = ("recipes/TUTORIAL.md", "recipes/TUTORIAL.zh.md")
DOCUMENTS = (*READMES, *TUTORIALS, "recipes/README.md", ".github/CONTRIBUTING.md")
# Messages of others in the table of troubles; all the rest are the package's own.
FOREIGN = ("No matching distribution found for tensorflow-text", "Op type not registered 'FastBertNormalize'",
           "Could not find variable")  # fmt: skip


def committed() -> list[Path]:
    """The files that are, or could be, committed; without git, as from an sdist, the test is skipped."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listing.returncode:
        pytest.skip("no git checkout")
    return [path for name in listing.stdout.splitlines() if (path := ROOT / name).is_file()]


def code_blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text(), flags=re.MULTILINE | re.DOTALL)


def without_comments(code: str) -> list[str]:
    lines = (re.sub(r"(^|\s+)#\s.*", "", line).rstrip() for line in code.splitlines())
    return [line for line in lines if line]


def commands(document: str) -> list[str]:
    return [line for block in code_blocks(document, "bash") for line in without_comments(block)]


def structure(document: str) -> list[str]:
    """The paths that the structure picture names, in its order."""
    (picture,) = [block for block in code_blocks(document, "text") if block.startswith("keras_mlm/\n")]
    paths, parents = [], []
    for line in picture.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for name in re.split(r"\s{2,}", line.strip())[0].split():
            parents[depth:] = [name.rstrip("/")]
            paths.append("/".join(parents[: depth + 1]))
    return paths


# === Documents ===


@pytest.mark.parametrize("language", ["bash", "python"])
@pytest.mark.parametrize("names", [READMES, TUTORIALS])
def test_both_languages_hold_the_same_commands(names, language):
    english, chinese = ([without_comments(block) for block in code_blocks(name, language)] for name in names)
    assert english == chinese
    assert english


@pytest.mark.parametrize("names", [READMES, TUTORIALS])
def test_both_languages_have_the_same_sections(names):
    english, chinese = (re.findall(r"^#+ [0-9]*", (ROOT / name).read_text(), flags=re.MULTILINE) for name in names)
    assert english == chinese


def troubles(document: str) -> list[str]:
    """The messages that a README's table of troubles quotes."""
    text = (ROOT / document).read_text().partition("python -m keras_mlm.doctor\n```\n\n")[2]
    lines = re.match(r"\|.*\n\|[-|]*\|\n((?:\|.*\n)+)", text)[1].splitlines()
    return [message for line in lines for message in re.findall(r"`([^`]+)`", line.split("|")[1])]


def test_both_readmes_explain_the_same_messages_and_there_are_such():
    english, chinese = map(troubles, READMES)
    assert english == chinese and len(english) > 10
    sources = "".join(path.read_text() for path in [*PACKAGE.rglob("*.py"), ROOT / "Makefile"])
    for message in set(english) - set(FOREIGN):
        assert all(part in sources for part in message.split("…")), message


def test_both_readmes_draw_the_same_structure():
    assert structure(READMES[0]) == structure(READMES[1])


def test_the_structure_picture_is_the_structure():
    drawn = structure(READMES[0])
    absent = [path for path in drawn if not (ROOT / path).exists()]
    assert not absent
    # Every module of the package and every folder of the top level is in it.
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")]:
        if path.stem != "__init__":
            assert path.relative_to(ROOT).as_posix() in drawn
    for name in ("recipes", "tests", "saved_models"):
        assert name in drawn


@cache
def help_of(recipe: str) -> str:
    done = subprocess.run([sys.executable, recipe, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def recipe_commands() -> list[tuple[str, str]]:
    calls = [(document, line) for document in DOCUMENTS for line in commands(document) if "recipes/" in line]
    return [(document, line) for document, line in calls if re.search(r"recipes/\S+\.py", line)]


@pytest.mark.parametrize(("document", "line"), recipe_commands())
def test_every_recipe_and_option_in_a_document_exists(document, line):
    # One that starts another has the options of both.
    recipes = re.findall(r"recipes/\S+\.py", line)
    assert all((ROOT / recipe).is_file() for recipe in recipes)
    known = {option for recipe in recipes for option in re.findall(r"--[a-z][a-z0-9-]*", help_of(recipe))}
    used = set(re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", line))
    assert used <= known


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_in_a_document_exists(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = {word for line in commands(document) for word in re.findall(r"^make ([a-z-]+)", line)}
    assert used <= targets


@pytest.mark.parametrize("document", [*DOCUMENTS, "saved_models/README.md", "CHANGELOG.md", ".github/SECURITY.md"])
def test_links_inside_the_repository_lead_somewhere(document):
    path = ROOT / document
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    absent = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not absent


def test_the_recipes_readme_names_every_recipe_and_no_other():
    text = (ROOT / "recipes/README.md").read_text()
    named = set(re.findall(r"`([\w/]+\.(?:py|ipynb))`", text))
    there = {path.relative_to(ROOT / "recipes").as_posix() for path in (ROOT / "recipes").rglob("*.*")}
    assert named == {name for name in there if name.endswith((".py", ".ipynb"))}


def test_recipes_answer_help_at_once_and_explain_every_option():
    for path in sorted((ROOT / "recipes").glob("*.py")):
        text = help_of(f"recipes/{path.name}")
        options = re.findall(r"^│[ *]+(--[a-z][a-z0-9-]*)", text, flags=re.MULTILINE)
        assert "--verbose" in options, path.name


def test_nothing_mentions_the_machine_it_was_written_on():
    forbidden = re.compile("|".join(["/ro" + "ot/", "/wo" + "rk/", "/ho" + "me/", "site-pack" + "ages/keras_mlm"]))
    for path in committed():
        if path.suffix not in {".tfrecord", ".h5", ".gz", ".xz", ".png", ".npz"}:
            found = forbidden.search(path.read_text(encoding="utf-8"))
            assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_the_version_is_the_same_everywhere():
    version = keras_mlm.__version__
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)
    assert re.search(r"^## ([0-9.]+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1] == version


def test_the_licence_is_the_unmodified_standard_text():
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    assert "[yyyy] [name of copyright owner]" in text


# === Dependencies and make ===


def test_constraints_pin_every_dependency_and_the_pair_matches():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"
    )
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        assert re.match(r"[a-z0-9-]+", requirement.lower())[0] in pins, requirement
    minors = {tuple(pins[name].split(".")[:2]) for name in ("tensorflow", "tensorflow-text")}
    assert len(minors) == 1


def test_make_alone_lists_every_target():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("quickstart", "test", "test-slow", "lint", "docs", "dist", "clean"):
        assert f"make {target} " in listed


# === Structure ===


def test_the_top_level_is_the_users():
    allowed = {"pyproject.toml", "keras_mlm", "recipes", "tests", "saved_models", "README.md", "README.zh.md",
               "LICENSE", "CHANGELOG.md", "CITATION.cff", "constraints.txt", "Makefile"}  # fmt: skip
    top = {path.relative_to(ROOT).parts[0] for path in committed()}
    assert {name for name in top if not name.startswith(".")} <= allowed


def test_tests_lie_in_the_folders_of_what_they_test():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        assert (PACKAGE / folder).is_dir() or (ROOT / folder).is_dir(), path.relative_to(ROOT)


def test_no_source_file_is_longer_than_a_few_pages():
    long = {path.name: lines for path in [*PACKAGE.rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
            if (lines := len(path.read_text().splitlines())) > 350}  # fmt: skip
    assert not long


# What a part of the package may import from it, itself included. Everything may import these, which import nothing.
EVERYWHERE = (
    "freed_memory",
    "config",
    "config_checks",
    "config_stages",
    "errors",
    "row_cutting",
    "settings",
    "tag_scheme",
    "whole_file",
    "__init__",
)
ALLOWED = {
    "config": (),
    "config_checks": (),
    "config_stages": (),
    "errors": (),
    "row_cutting": (),
    "settings": (),
    "tag_scheme": (),
    "whole_file": (),
    "environment": (),
    "command_line": ("environment",),
    "tokenizers": ("tokenizers",),
    "layers/modeling": ("layers/modeling",),
    "layers/preprocessing": ("layers/preprocessing",),
    "losses": ("layers/modeling",),
    "metrics": ("layers/modeling",),
    "models": ("models", "losses", "metrics", "layers/modeling"),
    "training": ("training", "models", "losses", "metrics", "layers/modeling"),
    "data": ("data", "environment", "tokenizers", "layers/preprocessing"),
}


# The modules of models and layers that are TensorFlow's; on other backends they do nothing or are not loaded.
ON_TENSORFLOW = ("compiler_heap.py", "fused_run.py", "replicas.py", "tensorflow_step.py", "transposed_product.py")


def part_of(module: str) -> str:
    """`layers/modeling` for keras_mlm.layers.modeling.gelu, `config` for keras_mlm.config."""
    parts = module.split(".")[1:] or ["__init__"]
    return "/".join(parts[:2]) if parts[0] == "layers" else parts[0]


def imports_of(path: Path) -> list[tuple[str, bool]]:
    """(module, whether only for type checking) for every import in a file, inside functions too."""
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node in typing_only) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "keras_mlm":
                found += [(f"keras_mlm.{alias.name}", node in typing_only) for alias in node.names]
            else:
                found.append((node.module or "", node in typing_only))
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path):
    part = part_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module, typing_only in imports_of(path):
        top = module.split(".")[0]
        outside = ("keras_hub", "keras_nlp", "transformers", "torch")
        assert part == "interop" or top not in outside, f"{module} stands outside"
        if part in ("layers/modeling", "losses", "metrics", "models") and path.name not in ON_TENSORFLOW:
            assert top not in ("tensorflow", "tensorflow_text"), f"{part} runs on every backend, {module} does not"
        if top == "keras_mlm" and not typing_only:
            needed = part_of(module)
            assert needed not in ("export", "interop") or part in (needed, "doctor"), f"nothing imports {needed}"
            assert needed in (*EVERYWHERE, *ALLOWED.get(part, (needed,))), f"{part} must not import {needed}"
