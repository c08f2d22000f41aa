"""A table as terminal text, Markdown, LaTeX (booktabs) and CSV."""

import csv
import io
import re
from itertools import accumulate, chain, groupby

from rich.text import Text

from calrun.report.table.plain import neutral, shown
from calrun.report.table.tables import Cell, Table

LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "λ": r"$\lambda$",
    "∞": r"$\infty$",
    ">": "$>$",  # TeX's old text fonts have other characters in place of these three
    "<": "$<$",
    "|": "$|$",
}
MARKDOWN_SIGN = re.compile(r"[\\`*|\[\]$~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
MINUS = re.compile(r"(?<![^\s(])-(?=\d)")


def to_text(table: Table, width: int | None = None, encoding: str = "utf-8") -> Text:
    """Returns the table for a terminal, the best in bold; columns that do not fit into `width` follow below."""
    rule = shown("─", encoding)
    table = table.mapped(lambda text: shown(text, encoding))
    text = Text(f"{table.title}\n\n", style="")
    for block in blocks_of(table, width):
        text.append(block_text(table, block, rule))
        text.append("\n")
    for note in table.notes:
        text.append(f"{note}\n", style="dim")
    return text


def blocks_of(table: Table, width: int | None) -> list[list[int]]:
    """Returns lists of column numbers, each starting with the first group's; a group is never cut."""
    groups, start = [], 0
    for _, count in table.groups:
        groups.append(list(range(start, start + count)))
        start += count
    widths = column_widths(table)
    blocks = [list(groups[0])]
    for columns in groups[1:]:
        needed = sum(widths[column] + 2 for column in [*blocks[-1], *columns])
        if width is not None and needed > width and len(blocks[-1]) > len(groups[0]):
            blocks.append(list(groups[0]))
        blocks[-1] += columns
    return blocks


def block_text(table: Table, block: list[int], rule: str = "─") -> Text:
    """Returns one block: group headings over their columns, column headings of one or two lines, a rule, the rows."""
    widths = column_widths(table)
    text, names = Text(), group_of_columns(table)
    for name, span in groupby(block, key=lambda column: names[column]):
        room = sum(widths[column] + 2 for column in span)
        text.append(" " * room if not name else f"  {name.center(room - 2)}", style="italic")
    text.append("\n")
    heads = [table.columns[column].split("\n") for column in block]
    for level in range(max(map(len, heads))):
        for column, head in zip(block, heads, strict=True):
            text.append(aligned(head[level] if level < len(head) else "", widths[column], column))
        text.append("\n")
    text.append("".join("  " * (column > 0) + rule * widths[column] for column in block) + "\n", style="dim")
    for row in table.rows:
        for column in block:
            text.append(aligned(row[column].text, widths[column], column), style="bold" if row[column].bold else "")
        text.append("\n")
    return text


def column_widths(table: Table) -> list[int]:
    """Returns the width of every column, widened so that a group's name fits over its columns."""
    cells = zip(*table.rows, strict=True)
    widths = [
        max([len(part) for part in head.split("\n")] + [len(cell.text) for cell in column])
        for head, column in zip(table.columns, cells, strict=True)
    ]
    start = 0
    for name, count in table.groups:
        room = sum(widths[start : start + count]) + 2 * (count - 1)
        widths[start] += max(0, len(name) - room)
        start += count
    return widths


def aligned(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column == 0 else "  " + text.rjust(width)


def to_markdown(table: Table) -> str:
    """Returns the table as GitHub Markdown, with notes below; no text in it acts as HTML, a formula or Markdown."""
    heads = [literal(head) for head in flat_headings(table)]
    lines = [f"**{literal(table.title)}**", "", markdown_row(heads), markdown_row([":--", *["--:"] * (len(heads) - 1)])]
    lines += [markdown_row([markdown_cell(cell) for cell in row]) for row in table.rows]
    return "\n".join([*lines, "", *(f"{literal(note)}  " for note in table.notes)]) + "\n"


def to_csv(table: Table) -> str:
    """Returns the printed cells as CSV; the unrounded numbers behind them are in comparison.csv and runs.csv."""
    text = io.StringIO()
    heads = [neutral(head) for head in flat_headings(table)]
    rows = [[cell.text if cell.is_number else neutral(cell.text) for cell in row] for row in table.rows]
    csv.writer(text, lineterminator="\n").writerows([heads, *rows])
    return text.getvalue()


def flat_headings(table: Table) -> list[str]:
    flat = [column.replace("\n", ", ") for column in table.columns]
    return [
        f"{group}: {column}" if group else column for group, column in zip(group_of_columns(table), flat, strict=True)
    ]


def markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def markdown_cell(cell: Cell) -> str:
    text = literal(cell.text if cell.is_number else neutral(cell.text))
    return f"**{text}**" if cell.bold and text else text


def literal(text: str) -> str:
    """Returns a text that Markdown shows as it is; an underscore within a word needs no escape."""
    return MARKDOWN_SIGN.sub(r"\\\g<0>", text).replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")


def to_latex(table: Table) -> str:
    r"""Returns a table environment for \usepackage{booktabs}; the caption holds title and notes."""
    spans = [
        rf"\multicolumn{{{width}}}{{c}}{{{latex(group)}}}" if group else " & ".join([""] * width)
        for group, width in table.groups
    ]
    ends = list(accumulate(width for _, width in table.groups))
    rules = [
        rf"\cmidrule(lr){{{end - width + 1}-{end}}}"
        for (group, width), end in zip(table.groups, ends, strict=True)
        if group
    ]
    body = [" & ".join(latex_cell(cell) for cell in row) + r" \\" for row in table.rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
            r"\toprule",
            " & ".join(spans) + r" \\",
            " ".join(rules),
            " & ".join(latex(column.replace("\n", ", ")) for column in table.columns) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{latex(table.title)}. {latex(' '.join(table.notes))}}}",
            r"\end{table}",
            "",
        ]
    )


def latex(text: str) -> str:
    escaped = MINUS.sub("$-$", "".join(LATEX_SPECIAL.get(character, character) for character in text))
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped  # after \\\\ they would be its argument


def latex_cell(cell: Cell) -> str:
    return rf"\textbf{{{latex(cell.text)}}}" if cell.bold else latex(cell.text)


def group_of_columns(table: Table) -> list[str]:
    return list(chain.from_iterable([group] * width for group, width in table.groups))
