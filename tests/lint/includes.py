"""The include rule: which folder of host/ may include which (DESIGN: layout), and that callbacks of the loop
stay in base/ and net/.

usage: includes.py HOST_DIRECTORY

An entry is a folder, or one header of it. What stands directly in host/ (route.c, host.c, config.c …) and the
folders of TOP may include everything; nobody else may include what stands directly in host/."""
import pathlib
import re
import sys

BELOW = {"base", "net", "mail", "store"}
MAY_INCLUDE = {
    "base": set(),
    "net": {"base"},
    "store": {"base"},
    "mail": {"base", "net/address.h"},
    # the path of a message, in its order
    "smtp": BELOW,
    "auth": BELOW,
    "rules": BELOW,
    "worker": BELOW | {"smtp/reply.h"},
    "delivery": BELOW | {"smtp/address.h", "smtp/reply.h", "smtp/replies.h"},
    "status": BELOW,
    # the child process has neither network nor store
    "isolate": {"base", "mail", "worker/handler.h", "worker/wire.h"},
}
TOP = {".", "cli", "http", "sending"}
LOOP_FOLDERS = {"base", "net"}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
LOOP_NAME = re.compile(r"\buv_\w+|<uv\.h>")
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def target_of(host, source, name):
    """(folder, "folder/header.h") of an include; a header beside the source comes first, as in C."""
    folder = source.parent.relative_to(host)
    found = folder / name if (source.parent / name).is_file() else pathlib.PurePath(name)
    return found.parent.as_posix(), found.as_posix()


def is_allowed(folder, target_folder, target):
    if folder in TOP or target_folder == folder:
        return True
    return target_folder in MAY_INCLUDE[folder] or target in MAY_INCLUDE[folder]


def without_comments_and_texts(code):
    return COMMENT_OR_TEXT.sub(lambda match: "\n" * match.group().count("\n"), code)


def violations_in(host, source):
    folder = source.parent.relative_to(host).as_posix()
    code = source.read_text(encoding="utf-8")
    if folder not in TOP and folder not in MAY_INCLUDE:
        yield 1, f"the folder {folder}/ has no row in the table of tests/lint/includes.py"
        return
    for number, line in enumerate(code.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            target_folder, target = target_of(host, source, include.group(1))
            if not is_allowed(folder, target_folder, target):
                yield number, f"{folder}/ may not include {target}"
    if folder not in LOOP_FOLDERS:
        for number, line in enumerate(without_comments_and_texts(code).splitlines(), 1):
            if LOOP_NAME.search(line):
                yield number, "libuv is for base/ and net/ only: wait with task_*"


def violations(host):
    for source in sorted(host.rglob("*.[ch]")):
        for number, text in violations_in(host, source):
            yield f"{source}:{number}: {text}"


def main(host):
    found = list(violations(pathlib.Path(host)))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
