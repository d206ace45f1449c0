"""Process that evaluates rules: it answers one question and ends. See `engine`.

It starts in an empty folder with a minimal environment, and gives up rights. The library's output is discarded: rules
may print anything.
"""

import json
import os
import re
import resource
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from regopy import Interpreter

QUESTION: Final = "question.json"  #: Name of the question's file in the process's folder.
_MOST_WRITTEN: Final = 16 * 1024 * 1024
_MOST_FILES: Final = 64
_PLACE: Final = re.compile(r"\(error [0-9]+:[^|]*\|([0-9]+)\|[0-9]+\s+\(errormsg [0-9]+:([^\n]*)\)")
_ERROR: Final = re.compile(r"\(errormsg [0-9]+:([^\n]*)\)")


class RegoQuestion(TypedDict):
    """A question: queries of some texts, each with its document's index."""

    texts: list[str]
    queries: list[tuple[str, int]]
    documents: list[object]
    seconds: int


class WrittenAnswer(TypedDict, total=False):
    """A query's result; without value and error it is undefined."""

    value: object
    error: str
    never: bool


class WrittenFault(TypedDict):
    """A text that regopy refuses: index, offset in bytes, message."""

    text: int
    offset: int
    message: str


class Written(TypedDict, total=False):
    """Output of the process."""

    answers: list[WrittenAnswer]
    fault: WrittenFault
    unloaded: str


def main() -> None:
    """Answer the question in the current folder."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    with open(QUESTION, encoding="utf-8") as file:  # noqa: PTH123 (nothing more is imported here than is needed)
        question: RegoQuestion = json.load(file)
    _give_up(question["seconds"])
    json.dump(_answers_to(question), answer)
    answer.close()
    os._exit(0)  # what the library leaves behind is the kernel's to take away


def _give_up(seconds: int) -> None:
    """Limit this process's resources."""
    # Memory is watched from outside: the library aborts at a limit.
    for resource_kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, _MOST_WRITTEN),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (resource.RLIMIT_CPU, seconds + 5),
    ):
        _, hard = resource.getrlimit(resource_kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource_kind, (limit, limit))


def _answers_to(question: RegoQuestion) -> Written:
    try:
        import regopy  # noqa: PLC0415 (after the limits)
    except (ImportError, OSError) as error:
        return {"unloaded": str(error)}
    interpreter = regopy.Interpreter()
    interpreter.strict_built_in_errors = True
    for number, text in enumerate(question["texts"]):
        try:
            interpreter.add_module(f"m{number}", text)
        except regopy.RegoError as error:
            return {"fault": _placed(str(error), number)}
    answers: list[WrittenAnswer] = []
    current = -1
    for query, document in question["queries"]:
        if document != current:
            interpreter.set_input(question["documents"][document])
            current = document
        answers.append(_query_answer(interpreter, query))
    return {"answers": answers}


def _placed(error: str, text: int) -> WrittenFault:
    match = _PLACE.search(error)
    return {"text": text, "offset": int(match[1]) if match else 0, "message": match[2] if match else "it is no Rego"}


def _query_answer(interpreter: "Interpreter", query: str) -> WrittenAnswer:
    # The output as the library wrote it: its own reading of it fails on errors of compiling.
    from regopy import rego_shared  # noqa: PLC0415 (after the limits)

    try:
        output = rego_shared.rego_query(interpreter._impl, query)  # noqa: SLF001 (there is no other way to the text)
    except rego_shared.RegoError as error:
        return {"error": _message(str(error))}
    try:
        text = rego_shared.rego_output_string(output)
        if not rego_shared.rego_output_ok(output):
            return {"error": "a function failed, or two rules contradict each other"}
        if text == "undefined":
            return {}
        if text.startswith("(error"):
            return {"error": _message(text), "never": True}
        return {"value": json.loads(text)["expressions"][0]}
    except (ValueError, LookupError, TypeError, RecursionError):
        return {"error": "what it comes to cannot be read"}
    finally:
        rego_shared.rego_free_output(output)


def _message(text: str) -> str:
    match = _ERROR.search(text)
    return match[1] if match else "it cannot be evaluated"


if __name__ == "__main__":
    main()
