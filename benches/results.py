"""The file of results: the machine, what was lost, and then a section a table."""

import dataclasses

from bench import Code, Plot, Table

WIDTH = 40


@dataclasses.dataclass
class Section:
    name: str
    title: str
    text: str
    parts: list = dataclasses.field(default_factory=list)
    broken: str = ""
    seconds: float = 0.0

    def tables(self):
        return [part for part in self.parts if isinstance(part, Table)]


def write(path, facts, tools, sections, command, quick):
    lines = ["# solobot beside other tools", "", f"Written by `{command}`. Do not edit it: run that again.", ""]
    if quick:
        lines += ["**A quick run**: few rounds and small input. The figures are rough.", ""]
    lines += cells(["", ""], [[name, value] for name, value in facts.items()])
    lines += [
        "",
        "All of a table ran in turn, in one run, in a PID namespace of its own. solobot is there as built by `cargo build "
        "--release` (*usual*) and by `packaging/static.sh` (*static*). The spread is from the 10th to the 90th percentile, or "
        "from the least to the greatest where there are fewer than ten runs. A ratio is the median of the ratios of single "
        "rounds; below 1 is faster than the tool that is usual for it. *limit* is what the kernel alone takes. Rows in bold are "
        "solobot's; *missed* and *slower* are what it loses.",
        "",
    ]
    lines += bullets("What solobot loses", all_of(sections, "lost"))
    missing = all_of(sections, "missing")
    missing += [f"{section.title}: not measured: {section.broken}" for section in sections if section.broken]
    lines += bullets("What is not here", missing)
    for section in sections:
        lines += [f"## {section.title}", "", f"{section.text} (`bash benches/run.sh {section.name}`, {section.seconds:.0f} s)", ""]
        if section.broken:
            lines += [f"**Not measured to the end**: {section.broken}", ""]
        for part in section.parts:
            lines += SHOWN[type(part)](part)
    lines += ["## Versions", ""]
    known = [[name, version or f"not here: {reason}"] for name, (_, version, reason) in tools.rows.items() if version or reason]
    lines += [*cells(["tool", "version"], known), ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def all_of(sections, what):
    """Each text once: what is not here is missing in each table of a section."""
    texts = [f"{section.title}: {text}" for section in sections for table in section.tables() for text in getattr(table, what)]
    return list(dict.fromkeys(texts))


def cells(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(str(text).replace("|", "\\|") for text in line) + " |" for line in lines]


def bullets(title, texts):
    return [f"## {title}", "", *([f"- {text}" for text in texts] or ["Nothing."]), ""]


def table(part):
    lines = [f"### {part.title}", "", *cells(part.columns, part.rows), ""]
    for note in part.notes:
        lines += [note, ""]
    return lines


def plot(part):
    """Bars of one scale, so that what grows with N is seen to grow."""
    lines = [f"### {part.title}", "", "```text"]
    most = max(value for points in part.series.values() for _, value in points)
    width = max(len(label) for points in part.series.values() for label, _ in points)
    for name, points in part.series.items():
        lines.append(name)
        for label, value in points:
            bar = "█" * max(1, round(value / most * WIDTH))
            lines.append(f"  {label:>{width}}  {bar:<{WIDTH}}  {part.shown(value)}")
    return [*lines, "```", ""]


def code(part):
    return [f"`{part.name}`:", "", "```text", part.text.rstrip("\n"), "```", ""]


SHOWN = {Table: table, Plot: plot, Code: code}
