"""What the API page shows, and what its docstrings lack: entries of `Args:`, names that exist, examples that parse."""

import ast
import importlib
import inspect
import operator
import re
import typing
from collections.abc import Callable, Iterator
from typing import Any

import keras_mlm

PACKAGE = keras_mlm.__name__
# Classes of other libraries that docstrings name without saying whose they are: the text around them does.
OTHERS = {
    "BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification", "BertForTokenClassification",
    "BertModel", "Dataset", "False", "None", "True",
}  # fmt: skip
# What the parts of a training step ask of a model; who trains one calls `fit`.
OF_TRAINING_STEPS = {
    "accuracy_sums", "add_to_accuracy", "class_numbers", "features_dim", "global_weights", "head_config",
    "label_weights", "loss_sums", "need_tokenizer", "share_of_loss", "unpacked",
}  # fmt: skip
# Modules of others whose names are looked up.
MODULES = {"keras": "keras", "tf": "tensorflow"}

_SECTION = r"^{}:\n((?:[ ]{{4}}.*\n?|\n)+)"
_ENTRY = re.compile(r"^    (\*{0,2}\w+)(?: \([^)]*\))?:", re.MULTILINE)
_FENCE = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_CLASS_NAME = re.compile(r"[A-Z]+[a-z]+[A-Za-z]*")


def public_objects() -> dict[str, Any]:
    """Return what `import keras_mlm` offers, by name, in the order of `__all__`."""
    return {name: getattr(keras_mlm, name) for name in keras_mlm.__all__ if name != "__version__"}


def named_types() -> dict[str, type]:
    """Return the classes of the package that public signatures name without being public names, by name."""
    public = public_objects()
    found: dict[str, type] = {}
    waiting = list(public.values())
    while waiting:
        for function in _functions(waiting.pop(0)):
            signature = inspect.signature(function)
            hints = [parameter.annotation for parameter in signature.parameters.values()]
            for hint in [*hints, signature.return_annotation]:
                # A class further down in its module is written as a string.
                named = function.__globals__.get(hint, hint) if isinstance(hint, str) else hint
                _collect(named, found, waiting)
    return {name: value for name, value in sorted(found.items()) if name not in public}


def constructor(cls: type) -> Callable | None:
    """Return the constructor that this package wrote, or `None` where a class has the one of another library."""
    for base in cls.__mro__:
        for name in ("__init__", "__new__"):
            if name in vars(base):
                return vars(base)[name] if _ours(base) else None
    return None


def members(cls: type) -> dict[str, Any]:
    """Return the methods and properties to show: those of this package, inherited ones too.

    What overrides another library's is left out, as its contract is to be read there, unless it has an `Args:` of its
    own; and what only training steps call.
    """
    foreign = {name for base in cls.__mro__ if not _ours(base) for name in vars(base)}
    found: dict[str, Any] = {}
    for base in filter(_ours, cls.__mro__):
        for name, value in vars(base).items():
            hidden = name.startswith("_") or name in OF_TRAINING_STEPS or name in found
            if not hidden and (inspect.isroutine(value) or isinstance(value, property)):
                found[name] = value
    return {
        name: value
        for name, value in found.items()
        if name not in foreign or "\nArgs:\n" in (inspect.getdoc(_plain(value)) or "")
    }


def problems() -> list[str]:
    """Return what is wrong with the docstrings of the page, a line each."""
    objects = {**public_objects(), **named_types()}
    found = []
    for name, value in objects.items():
        found += [f"{name}: {problem}" for problem in _problems_of(value, objects)]
        if inspect.isclass(value):
            for member, part in members(value).items():
                found += [f"{name}.{member}: {problem}" for problem in _problems_of(_plain(part), objects)]
    return found


def _ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == PACKAGE


def _plain(value: Any) -> Any:
    """Return the function inside a class method, a static method or a property."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _functions(value: Any) -> Iterator[Callable]:
    if not inspect.isclass(value):
        yield value
        return
    if (built := constructor(value)) is not None:
        yield built
    yield from map(_plain, members(value).values())


def _collect(hint: Any, found: dict[str, type], waiting: list[Any]) -> None:
    """Add the classes of the package in a type hint to those found, and to those still to be looked through."""
    if isinstance(hint, type) and _ours(hint) and hint.__name__ not in found:
        found[hint.__name__] = hint
        waiting.append(hint)
    for part in typing.get_args(hint):
        _collect(part, found, waiting)


def _parameters(value: Any) -> tuple[list[str], set[str]]:
    """Return the parameters that a docstring has to explain, and what it may besides: what `**kwargs` pass on."""
    function = constructor(value) if inspect.isclass(value) else value
    if function is None:
        return [], set()
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name in ("self", "cls", "_cls"):
        parameters = parameters[1:]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    names = [stars.get(parameter.kind, "") + parameter.name for parameter in parameters]
    passed_on: set[str] = set()
    if inspect.isclass(value) and any(name.startswith("**") for name in names):
        for base in filter(_ours, value.__mro__):
            if "__init__" in vars(base):
                passed_on |= set(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return names, passed_on


def _section(documentation: str, name: str) -> str:
    match = re.search(_SECTION.format(name), documentation, re.MULTILINE)
    return match[1] if match else ""


def _problems_of(value: Any, objects: dict[str, Any]) -> Iterator[str]:
    documentation = inspect.getdoc(value) if inspect.isclass(value) else inspect.cleandoc(value.__doc__ or "")
    if not documentation:
        yield "has no docstring"
        return
    parameters, passed_on = _parameters(value)
    explained = _ENTRY.findall(_section(documentation, "Args"))
    for name in parameters:
        if name not in explained:
            yield f"does not explain {name} in Args"
    for name in explained:
        if name not in parameters and name not in passed_on:
            yield f"explains {name}, which is no parameter"
    if documentation.count("```") % 2:
        yield "opens a code block and does not close it"
    for _, code in _FENCE.findall(documentation):
        try:
            ast.parse(inspect.cleandoc("\n" + code))
        except SyntaxError as error:
            yield f"has an example that does not parse: {error}"
    for code in _CODE.findall(re.sub(r"```.*?```", "", documentation, flags=re.DOTALL)):
        if not _leads_somewhere(code, objects):
            yield f"names `{code}`, which is neither on the page nor known to be another library's"


def _leads_somewhere(code: str, objects: dict[str, Any]) -> bool:
    """Tell whether a name in backticks exists; what looks neither like a class nor like a dotted name is none."""
    match = re.match(r"[A-Za-z_][\w.]*(?=\(|$)", code)
    first, *rest = match[0].removeprefix(f"{PACKAGE}.").split(".") if match else ("",)
    if first in objects:
        value = objects[first]
        return not rest or hasattr(value, rest[0]) or (inspect.isclass(value) and rest[0] in _parameters(value)[0])
    if first in MODULES and rest:
        try:
            operator.attrgetter(".".join(rest))(importlib.import_module(MODULES[first]))
        except AttributeError:
            return False
        return True
    return first in OTHERS or not (_CLASS_NAME.fullmatch(first) or code.startswith(f"{PACKAGE}."))
