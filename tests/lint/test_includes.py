"""The include rule refuses what it is there to refuse."""
import includes
import pytest


def tree(tmp_path, files):
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return [line.split(": ", 1)[1] for line in includes.violations(tmp_path)]


ALLOWED = [
    ("smtp/session.c", '#include "base/buf.h"\n#include "net/stream.h"\n#include "mail/header.h"\n'),
    ("mail/message.h", '#include "net/address.h"\n'),
    ("delivery/client.c", '#include "smtp/reply.h"\n'),
    ("worker/worker.h", '#include "smtp/reply.h"\n'),
    ("isolate/run.c", '#include "worker/wire.h"\n'),
    ("route.c", '#include "smtp/server.h"\n#include "delivery/delivery.h"\n#include "config.h"\n'),
    ("cli/serve.c", '#include "host.h"\n#include "rules/rule_set.h"\n'),
    ("net/stream.c", "#include <uv.h>\nstatic uv_loop_t *loop;\n"),
    ("smtp/session.c", '/* as uv_read_start would */\nstatic const char *text = "uv_close";\n'),
]

REFUSED = [
    ("base/buf.c", '#include "net/stream.h"\n'),
    ("mail/message.c", '#include "net/dns.h"\n'),
    ("net/stream.c", '#include "mail/header.h"\n'),
    ("smtp/session.c", '#include "rules/rule_set.h"\n'),
    ("rules/match.c", '#include "smtp/reply.h"\n'),
    ("delivery/client.c", '#include "smtp/server.h"\n'),
    ("isolate/run.c", '#include "worker/worker.h"\n'),
    ("isolate/run.c", '#include "net/stream.h"\n'),
    ("status/event.c", '#  include "delivery/delivery.h"\n'),
    ("smtp/session.c", '#include "config.h"\n'),
    ("smtp/session.c", '#include "../rules/rule_set.h"\n'),
    ("smtp/session.c", "static uv_timer_t timer;\n"),
    ("route.c", "#include <uv.h>\n"),
    ("novel/thing.c", "int thing;\n"),
]


@pytest.mark.parametrize("name,code", ALLOWED)
def test_an_allowed_include_is_silent(tmp_path, name, code):
    assert tree(tmp_path, {name: code, "config.h": "", "host.h": ""}) == []


@pytest.mark.parametrize("name,code", REFUSED)
def test_a_forbidden_include_is_told_with_its_line(tmp_path, name, code):
    assert len(tree(tmp_path, {name: code, "config.h": ""})) == 1


def test_a_header_of_the_same_folder_is_found_before_one_on_top(tmp_path):
    files = {"smtp/session.c": '#include "options.h"\n', "smtp/options.h": "", "options.h": ""}
    assert tree(tmp_path, files) == []
