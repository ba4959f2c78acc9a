"""The model card as one page that a browser shows without anything else: its text, with plots in their places.

As a program it reads `{"markdown": …, "manifest": …}` and writes the page; `iit.model.card_process` runs it.
"""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from markdown_it import MarkdownIt

from iit.model.card import PLOTS_UNDER
from iit.model.plots import plots_of

_STYLE: Final = """
:root{color-scheme:light}
body{font:16px/1.55 system-ui,sans-serif;color:#1d2733;max-width:62rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.9rem;border-bottom:3px solid #0b6e6e;padding-bottom:.4rem}
h2{font-size:1.35rem;margin-top:2.4rem;color:#0b6e6e}
h3{font-size:1.08rem;margin-top:1.7rem}
blockquote{margin:1rem 0;padding:.7rem 1rem;background:#fdf1e7;border-left:5px solid #c4622d}
blockquote p{margin:0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.86rem;margin:.8rem 0 1.4rem;font-variant-numeric:tabular-nums}
td:not(:first-child){white-space:nowrap}
th,td{padding:.32rem .7rem;border-bottom:1px solid #e1e5e9;text-align:left;vertical-align:top}
th{border-bottom:2px solid #8a94a0;font-weight:600}
tbody tr:hover{background:#f4f7f7}
code{font-size:.92em;background:#f1f3f5;padding:.05em .3em;border-radius:3px}
figure{margin:1rem 0}
figure svg{max-width:100%;height:auto}
th:not(:first-child){max-width:9rem}
@page{size:landscape}
@media print{td:not(:first-child){white-space:normal}table{font-size:.62rem}th,td{padding:.2rem .4rem}}
@media print{body{margin:0;max-width:none}h2,h3{break-after:avoid}figure,tr{break-inside:avoid}}
"""
_HEADING: Final = re.compile(r"<h3>([^<]+)</h3>\n")


def as_page(markdown: str, manifest: Mapping[str, Any]) -> str:
    """Return the card as HTML with its plots; the same card and figures give the same bytes.

    Args:
        markdown: of the card.
        manifest: of the bundle, with its evaluation.
    """
    plots = plots_of(manifest["evaluation"], manifest.get("learning_curve"))
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    body = body.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")

    def with_plot(heading: re.Match[str]) -> str:
        title = heading.group(1)
        drawn = plots.get(PLOTS_UNDER.get(title, ""))
        if drawn is None:
            return heading.group(0)
        return f'{heading.group(0)}<figure role="img" aria-label="{title}">{drawn}</figure>\n'

    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Model card: {manifest['version']}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{_HEADING.sub(with_plot, body)}</body>\n</html>\n"
    )


if __name__ == "__main__":
    asked = json.load(sys.stdin.buffer)
    sys.stdout.buffer.write(as_page(asked["markdown"], asked["manifest"]).encode())
