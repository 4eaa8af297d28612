"""A text with MyST's directives as Markdown that any viewer of notebooks understands."""

from __future__ import annotations

import re
from collections.abc import Callable

from blurvae.pages.notebooks.citations import references
from blurvae.pages.notebooks.directives import Directive, split
from blurvae.pages.notebooks.inline import Page, formula, inline

_NOTES = ("note", "tip", "hint", "important", "warning", "caution", "danger", "attention", "error", "seealso")
_PROVED = (
    "theorem proposition lemma corollary definition algorithm axiom criterion remark conjecture assumption property "
    "observation example"
).split()


def plain(text: str, page: Page) -> str:
    """The text in plain Markdown; formulas keep the macros' meaning, references the book's numbers.

    Args:
        text: MyST.
        page: the page that the text is of; it takes note of what the text cites and shows.

    Raises:
        ValueError: a directive or role that is not known here, or a reference that leads nowhere.
    """
    pieces = []
    for piece in split(text):
        if isinstance(piece, str):
            pieces.append(inline(piece, page).strip("\n"))
        else:
            pieces.append(re.sub(r"^(?=.)", piece.indent, _directive(piece, page), flags=re.MULTILINE))
    return "\n\n".join(piece for piece in pieces if piece.strip())


def _directive(one: Directive, page: Page) -> str:
    if one.name not in _DIRECTIVES:
        raise ValueError(
            f"{page.name}: a plain notebook knows no directive {{{one.name}}}: add it to _DIRECTIVES of {__name__}"
        )
    return _DIRECTIVES[one.name](one, page)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _folded(summary: str, text: str) -> str:
    summary = re.sub(r"`([^`]+)`", r"<code>\1</code>", summary)
    return f"<details>\n<summary><b>{summary}</b></summary>\n\n{text}\n\n</details>"


def _note(one: Directive, page: Page) -> str:
    if one.name in _NOTES:  # these take no title: what stands there is text already
        title, text = one.name.capitalize().replace("Seealso", "See also"), f"{one.argument}\n{one.body}"
    else:
        title, text = inline(one.argument, page), one.body
    text = plain(text.strip("\n"), page)
    if one.name in ("dropdown", "toggle") or "dropdown" in str(one.options.get("class", "")).split():
        return _folded(title or "More", text)
    return _quoted(f"**{title}**\n\n{text}" if title else text)


def _proved(one: Directive, page: Page) -> str:
    name = one.name.removeprefix("prf:").capitalize()
    number = "" if "nonumber" in one.options else f" {page.book.find(one.label).number}"
    title = f" ({inline(one.argument, page)})" if one.argument else ""
    return _quoted(f"**{name}{number}{title}.**\n\n{plain(one.body, page)}")


def _proof(one: Directive, page: Page) -> str:
    text = plain(one.body, page)
    ends_in_words = re.search(r"[^\s$|]\Z", text) and not text.endswith("```")
    return f"*Proof.* {text}{' ' if ends_in_words else chr(10) * 2}∎"


def _exercise(one: Directive, page: Page) -> str:
    number = "" if "nonumber" in one.options else f" {page.book.find(one.label).number}"
    title = f": {inline(one.argument, page)}" if one.argument else ""
    return f"### Exercise{number}{title}\n\n{plain(one.body, page)}".strip()


def _solution(one: Directive, page: Page) -> str:
    number = page.book.find(one.argument).number
    return f"#### Solution of exercise {number}\n\n{plain(one.body, page)}".strip()


def _picture(one: Directive, page: Page) -> str:
    shown = inline(f"![{one.options.get('alt', '')}]({one.argument})", page)
    if one.name == "image" or not one.body:
        return shown
    label = page.book.labels.get(one.label)
    return f"{shown}\n\n{caption(one.label if label else '', one.body, page)}"


def caption(label: str, text: str, page: Page) -> str:
    """The caption of a figure, with its number in the book where it has a label."""
    number = f"**Fig. {page.book.find(label).number}.** " if label else ""
    return number + plain(" ".join(text.split()), page)


def _references(one: Directive, page: Page) -> str:
    return references(page.cited, page.works) if page.cited else ""


_DIRECTIVES: dict[str, Callable[[Directive, Page], str]] = {
    **dict.fromkeys((*_NOTES, "admonition", "dropdown", "toggle", "topic", "margin", "sidebar"), _note),
    **{f"prf:{name}": _proved for name in _PROVED},
    "prf:proof": _proof,
    **dict.fromkeys(("exercise", "exercise-start"), _exercise),
    **dict.fromkeys(("solution", "solution-start"), _solution),
    **dict.fromkeys(("figure", "image"), _picture),
    "math": lambda one, page: formula(one.body, page, str(one.options.get("label", ""))),
    **dict.fromkeys(("code-block", "code"), lambda one, page: f"```{one.argument}\n{one.body}\n```"),
    **dict.fromkeys(("epigraph", "pull-quote"), lambda one, page: _quoted(plain(one.body, page))),
    **dict.fromkeys(("div", "container"), lambda one, page: plain(one.body, page)),
    "bibliography": _references,
    # Marks of the page that a notebook does not need.
    **dict.fromkeys(("exercise-end", "solution-end", "tableofcontents", "raw"), lambda one, page: ""),
}
