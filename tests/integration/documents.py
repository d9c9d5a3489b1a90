"""The blocks of code of the pages, and the folder in which those of one page are run together.

A block says what it is by its first line, or, where that cannot be, by a comment in the page just before it:

    -- scripts/NAME.lua, -- scripts/NAME_test.lua    a script, its test     # rules/NAME.yaml     a file of rules
    # in rules/NAME.yaml                             a part of such a file, checked alone
    <!-- NAME -->                                    a file of this name (messages, JSON)
    any other Lua                                    lines of a handler, which end well, or with <!-- outcome: … -->
    console                                          `$ command` lines, each with what it prints ("…" is anything)
"""
import pathlib
import re
import shutil

from gateway import ROOT

PAGES = [ROOT / "README.md", ROOT / "scripts/examples/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TESTS = ROOT / "tests/docs"
FENCE = re.compile(r"(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
HOST = "name: mx.example.com\npostmaster: admin@corp.test\nscripts: ../scripts\n"
NOTHING_TO_SHOW = """local function nothing() end
return { email = nothing, scheduled = nothing, queue = nothing, fetch = nothing }
"""


class Block:
    def __init__(self, page, text, found):
        self.page, self.language, self.code = page, found.group(2), found.group(3) + "\n"
        self.line = text[:found.start(3)].count("\n") + 1
        remark = found.group(1) or ""
        first = self.code.split("\n", 1)[0]
        named = re.match(r"(?:--|#) ((?:scripts|rules)/\S+)$", first)
        part = re.match(r"# in (rules/\S+)$", first)
        self.outcome = remark[len("outcome: "):] if remark.startswith("outcome: ") else "ok"
        self.file = named.group(1) if named else remark if remark and self.outcome == "ok" else None
        self.part_of = part.group(1) if part else None

    def __str__(self):
        return f"{self.page.name}:{self.line}"

    def is_snippet(self):
        return self.language == "lua" and not self.file


def blocks_of(page):
    text = page.read_text()
    return [Block(page, text, found) for found in FENCE.finditer(text)]


ALL = [block for page in PAGES for block in blocks_of(page)]


def cells(page, title):
    """The code in the columns of tables with this title: (line, code)."""
    column, found = None, []
    for number, line in enumerate(page.read_text().split("\n"), 1):
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if title in row:
            column = row.index(title)
        elif not row:
            column = None
        elif column is not None and not set(line) <= set("|-"):
            found += [(number, code.replace("\\|", "|")) for code in re.findall(r"`([^`]+)`", row[column])]
    return found


def lay_out(page, folder):
    """The files of a page, and the tests of its scripts, in a folder."""
    for name in ("scripts", "rules"):
        (folder / name).mkdir()
    (folder / "rules/host.yaml").write_text(HOST)
    for block in blocks_of(page):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.code)
    for path in (TESTS / page.stem).glob("*.lua"):
        shutil.copy(path, folder / "scripts")
    add_missing_workers(folder, *(folder / "rules").iterdir())
    return folder


def add_missing_workers(folder, *files):
    """Rules may name workers whose scripts the page has no need to show."""
    for path in files:
        text = re.sub(r"#.*", "", path.read_text())
        for name in set(re.findall(r"\bworker: ([\w-]+)", text)) | set(workers_of_host(text)):
            script = folder / f"scripts/{name}.lua"
            if not script.exists():
                script.write_text(NOTHING_TO_SHOW)


def workers_of_host(text):
    found = re.search(r"^workers:(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^  ([\w-]+):", found.group(1), re.MULTILINE) if found else []


def write_part(block, folder):
    """The part as a whole file, in a rules directory of its own."""
    rules = folder / "rules"
    rules.mkdir()
    (folder / "scripts").mkdir()
    (rules / "host.yaml").write_text(HOST)
    head = HOST if block.part_of.endswith("host.yaml") else f"domain: {pathlib.Path(block.part_of).stem}\n"
    keys = set(re.findall(r"^(\w+):", block.code, re.MULTILINE))
    head = "".join(line + "\n" for line in head.splitlines() if line.split(":")[0] not in keys)
    (folder / block.part_of).write_text(head + block.code)
    for other in blocks_of(block.page):
        if other.file and other.file.startswith("scripts/") and not other.file.endswith("_test.lua"):
            (folder / other.file).write_text(other.code)
    add_missing_workers(folder, *rules.iterdir())
    return rules


def commands_of(block):
    """(command, what it prints) of a console block; a line that ends with \\ goes on in the next."""
    commands, is_open = [], False
    for line in block.code.splitlines():
        if line.startswith("$ "):
            commands.append([line[2:], ""])
        elif is_open:
            commands[-1][0] += "\n" + line
        else:
            commands[-1][1] += line + "\n"
        is_open = (line.startswith("$ ") or is_open) and line.endswith("\\")
    return commands


def is_like(shown, printed):
    """Whether this was printed, where "…" stands for anything, and a line of it alone for any lines."""
    pattern = re.escape(shown.strip()).replace("…", ".*?")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None
