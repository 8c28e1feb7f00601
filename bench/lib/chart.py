"""Bar charts as SVG: small panels, a bar for each tool, its spread as a line."""

import html
import statistics

WIDTH, LABEL, BAR, GAP, PAD = 420, 78, 16, 6, 14
COLUMNS = 2


def _text(x, y, text, *, anchor="start", size=12, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="currentColor">{html.escape(text)}</text>')


def _panel(x, y, heading, form, bars):
    out = [_text(x, y + 12, heading, size=13, weight="bold")]
    room = WIDTH - LABEL - 2 * PAD - 60
    most = max((max(values) for _, values in bars), default=1) or 1
    for n, (tool, values) in enumerate(bars):
        top = y + 24 + n * (BAR + GAP)
        middle = top + BAR / 2
        value = statistics.median(values)
        begin = x + LABEL
        colour = "#0b7285" if tool == "transship" else "#adb5bd"
        out.append(_text(begin - 6, middle + 4, tool, anchor="end"))
        out.append(f'<rect x="{begin}" y="{top}" width="{room * value / most:.1f}" '
                   f'height="{BAR}" fill="{colour}"/>')
        low, high = (begin + room * v / most for v in (min(values), max(values)))
        out.append(f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" '
                   f'stroke="currentColor"/>')
        out.append(_text(high + 6, middle + 4, form.format(value)))
    return out


def panels(content):
    """`content`: (heading, number format, [(tool, values)]) for each panel."""
    out, y = [], PAD
    for first in range(0, len(content), COLUMNS):
        row = content[first:first + COLUMNS]
        for n, (heading, form, bars) in enumerate(row):
            out += _panel(PAD + n * WIDTH, y, heading, form, bars)
        y += 24 + max(len(bars) for _, _, bars in row) * (BAR + GAP) + PAD
    # The reader's own colours, dark or light; the ground with them, as a page may have others.
    style = ("<style>svg{color:#212529}.g{fill:#f8f9fa}@media(prefers-color-scheme:dark)"
             "{svg{color:#dee2e6}.g{fill:#16191d}}</style>")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * WIDTH}" height="{y}" '
            f'font-family="sans-serif">{style}<rect class="g" width="100%" height="100%" rx="8"/>'
            f'{"".join(out)}</svg>\n')
