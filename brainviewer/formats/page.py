"""One page of HTML that carries everything it shows, so that it can be mailed and read anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

RESEARCH = "Research use only. Not for diagnosis."

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f3f4f6; color: #1c1f24; font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 56px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; font-weight: 600; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 12px; font-weight: 600; }
p { margin: 0 0 12px; max-width: 72ch; }
.lead, .quiet, figcaption { color: #5c636e; }
.tiles { display: flex; flex-wrap: wrap; gap: 8px; margin: 24px 0; }
.tile { flex: 1 1 120px; background: #fff; border: 1px solid #dfe3e9; border-radius: 8px; padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: #5c636e; font-size: 14px; }
section { background: #fff; border: 1px solid #dfe3e9; border-radius: 8px; padding: 20px 24px 24px; margin: 16px 0; }
figure { margin: 0; }
figure + figure { margin-top: 24px; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { font-size: 14px; margin-top: 8px; }
.beside { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
.beside figure { flex: 1 1 280px; margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: #5c636e; }
th, td { padding: 6px 16px 6px 0; border-bottom: 1px solid #e9ecf0; vertical-align: top; }
td.number, th.number { text-align: right; }
table.prose th { white-space: nowrap; } table.prose td { overflow-wrap: anywhere; } table + table, .scroll + .scroll { margin-top: 16px; }
ul { margin: 0; padding-left: 20px; } li { margin: 4px 0; overflow-wrap: anywhere; }
details { margin-top: 8px; } summary { cursor: pointer; }
h3 { font-size: 15px; margin: 16px 0 4px; font-weight: 600; } h3 span { color: #5c636e; font-weight: 400; }
.research { margin: 0; padding: 10px 24px; background: #1c1f24; color: #fff; text-align: center; font-size: 14px; }
@media print { body { background: #fff; } figure, .tile { break-inside: avoid; } }
"""


def page(title: str, lead: str, tiles: Iterable[tuple[str, str]], sections: Iterable[str]) -> bytes:
    """A whole page.

    Args:
        title, lead: plain text.
        tiles: (number, what it is), plain text; the first thing to be read.
        sections: HTML from the functions below.
    """
    row = "".join(f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}</span></div>' for number, what in tiles)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<p class="research" style="max-width:none">{RESEARCH}</p>
<main>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
<div class="tiles">{row}</div>
{"".join(sections)}
</main>
</body>
</html>
""".encode()


def section(title: str, *parts: str) -> str:
    """A card of the page; parts are HTML from the functions below."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>\n"


def text(words: str, quiet: bool = False) -> str:
    return f"<p{' class=quiet' if quiet else ''}>{escape(words)}</p>"


def image(png: bytes, description: str, caption: str = "") -> str:
    """A picture within the page; the description is for those who do not see it."""
    data = base64.b64encode(png).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escape(description)}" src="data:image/png;base64,{data}">{below}</figure>'


def beside(*parts: str) -> str:
    """Parts next to each other where there is room."""
    return f'<div class="beside">{"".join(parts)}</div>'


def group(title: str, sentences: Sequence[str], most: int, more: str) -> str:
    """A list of sentences under a small heading with their number; those beyond `most` are counted, and `more` says where they are."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences[:most])
    rest = f'<p class="quiet">And {len(sentences) - most:,} more, in {escape(more)}.</p>' if len(sentences) > most else ""
    return f"<h3>{escape(title)} <span>{len(sentences):,}</span></h3><ul>{items}</ul>{rest}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of plain text; every column but the first holds numbers."""
    columns = "".join(f"<th{' class=number' if n else ''}>{escape(word)}</th>" for n, word in enumerate(head))
    body = "".join("<tr>" + "".join(f"<td{' class=number' if n else ''}>{escape(cell)}</td>" for n, cell in enumerate(row)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>'


def prose(rows: Iterable[tuple[str, str]]) -> str:
    """Topics, each beside its words; lines of words stay lines."""
    body = "".join(f"<tr><th>{escape(topic)}</th><td>{'<br>'.join(map(escape, words.splitlines()))}</td></tr>" for topic, words in rows)
    return f'<table class="prose">{body}</table>'


def folded(title: str, *parts: str) -> str:
    """Parts that open on a click."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"
