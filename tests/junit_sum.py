"""Prints "PASSED FAILED SKIPPED" of a JUnit report, for ./do test.

usage: junit_sum.py REPORT EXIT_STATUS

A report that is missing, or a command that failed though none of its tests did, is one failure."""
import sys
import xml.etree.ElementTree as xml


def count(report):
    cases = list(xml.parse(report).iter("testcase"))
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    return len(cases) - failed - skipped, failed, skipped


def main(report, status):
    try:
        passed, failed, skipped = count(report)
    except (OSError, xml.ParseError) as error:
        print(f"{report}: {error}", file=sys.stderr)
        passed, failed, skipped = 0, 1, 0
    if status != "0" and failed == 0:
        failed = 1
    print(passed, failed, skipped)


if __name__ == "__main__":
    main(*sys.argv[1:])
