"""What was measured, as figures with names, units and targets."""
import json
import os
import statistics

SIGNATURES = 4  # of a message that is forwarded in full: ARC seal and message signature, two DKIM signatures


def figure(name, value, unit, target=None):
    """`target` is such as (">=", 0.3)."""
    is_met = None
    if target:
        is_met = value >= target[1] if target[0] == ">=" else value <= target[1]
    return {"name": name, "value": round(value, 4), "unit": unit,
            "target": f"{target[0]} {target[1]}" if target else None, "ok": is_met}


class Rounds:
    """The reports of the rounds: one of each way in each."""

    def __init__(self, reports):
        self.reports = reports

    def median(self, value):
        """Of a value of each round's reports."""
        return statistics.median(value(each) for each in self.reports)

    def cpu_ratio(self, way, other):
        return self.median(lambda each: each[way]["postern_cpu"] / each[other]["postern_cpu"])

    def rate_ratio(self, way, other):
        return self.median(lambda each: each[way]["per_second"] / each[other]["per_second"])


def way_figures(rounds, ways):
    figures = []
    for way in ways:
        figures.append(figure(f"{way}_rate", rounds.median(lambda each: each[way]["per_second"]), "messages/s"))
        for percentile in ("p50", "p99"):
            figures.append(figure(f"{way}_latency_{percentile}", rounds.median(
                lambda each: each[way]["latency_ms"][percentile]), "ms"))
    for way in ways:
        if way != "ceiling":
            figures.append(figure(f"{way}_cpu", rounds.median(
                lambda each: each[way]["postern_cpu"]) * 1000, "CPU s/1000 messages"))
    figures.append(figure("loader_and_sink_cpu", rounds.median(
        lambda each: each["plain"]["around_cpu"]) * 1000, "CPU s/1000 messages"))
    return figures


def forward_figures(rounds):
    return [
        figure("plain_forward_vs_ceiling", rounds.rate_ratio("plain", "ceiling"), "ratio", (">=", 0.3)),
        figure("plain_forward_cpu_vs_loader_and_sink", rounds.median(
            lambda each: each["plain"]["postern_cpu"] / each["plain"]["around_cpu"]), "ratio", ("<=", 2.5)),
        figure("worker_vs_plain_forward", rounds.rate_ratio("worker", "plain"), "ratio", (">=", 0.85)),
        figure("worker_cpu_vs_plain_forward", rounds.cpu_ratio("worker", "plain"), "ratio"),
        figure("verify_cpu_vs_plain_forward", rounds.cpu_ratio("verified", "plain") - 1, "ratio", ("<=", 1)),
        figure("verify_sealed_cpu_vs_plain_forward", rounds.cpu_ratio("sealed", "plain") - 1, "ratio"),
        figure("verified_beside_slow_dns_vs_verified", rounds.rate_ratio("beside", "verified"), "ratio"),
    ]


def signing_figures(rounds):
    """Of all hosts together and of one, beside what the machine signs with all cores and with one."""
    cores = os.cpu_count()
    return [
        figure("full_pipeline_cpu_vs_signatures", rounds.median(
            lambda each: each["full_one"]["postern_cpu"] / (SIGNATURES * each["signature_seconds"])),
            "ratio", ("<=", 1.6)),
        figure("full_pipeline_vs_signature_bound", rounds.median(
            lambda each: each["full"]["per_second"] * SIGNATURES * each["signature_seconds"] / cores),
            "ratio", (">=", 0.5)),
        figure("two_hosts_vs_one", rounds.rate_ratio("full", "full_one"), "ratio", (">=", 1.7) if cores == 2 else None),
        figure("two_hosts_bound", rounds.median(hosts_bound), "ratio"),
        figure("two_hosts_vs_bound", rounds.median(
            lambda each: each["full"]["per_second"] / each["full_one"]["per_second"] / hosts_bound(each)),
            "ratio", (">=", 0.9) if cores == 2 else None),
        figure("two_hosts_cpu_vs_one", rounds.cpu_ratio("full", "full_one"), "ratio"),
        figure("all_cores_sign_vs_one", rounds.median(lambda each: each["signing_scale"]), "ratio"),
        figure("full_around_cpu", rounds.median(lambda each: each["full"]["around_cpu"]) * 1000, "CPU s/1000 messages"),
    ]


def hosts_bound(each):
    """How much faster all hosts can be than one: what all cores sign of what one does, less the share of the cores that
    load generator and sink take."""
    full = each["full"]
    return each["signing_scale"] * full["postern_cpu"] / (full["postern_cpu"] + full["around_cpu"])


def store_figures(reports, tasks_of_target):
    figures = []
    for tasks, report in reports.items():
        figures.append(figure(f"queue_insert_{tasks}_rate", report["store_per_second"], "messages/s"))
        figures.append(figure(f"queue_insert_{tasks}_fsync_bound", report["disk_per_second"], "messages/s"))
        figures.append(figure(f"queue_insert_{tasks}_group", report["group"], "messages"))
        figures.append(figure(f"queue_insert_{tasks}_cpu", report["cpu_us_per_message"], "us"))
    target = reports[tasks_of_target]
    figures.append(figure("queue_insert_vs_fsync_bound", target["disk_ratio"], "ratio", (">=", 0.6)))
    figures.append(figure("queue_insert_vs_bare_sqlite", target["bare_ratio"], "ratio"))
    return figures


def worker_figures(rounds, mails, starts, many):
    count, mean_bytes = mails
    figures = [
        figure("real_messages", count, "messages"),
        figure("real_message_kb", mean_bytes / 1000, "KB"),
        figure("parse_reply_vs_plain_forward", rounds.rate_ratio("parse_reply", "real"), "ratio"),
        figure("parse_reply_cpu_vs_plain_forward", rounds.cpu_ratio("parse_reply", "real"), "ratio"),
        figure("parse_reply_isolate_cpu", rounds.median(
            lambda each: each["parse_reply"]["isolate_cpu"]) * 1000, "CPU s/1000 messages"),
    ]
    for kind, start in starts.items():
        figures.append(figure(f"isolate_start_{kind}_wall", start["wall"], "ms"))
        figures.append(figure(f"isolate_start_{kind}_cpu", start["cpu"], "ms"))
    for when in ("loaded", "used"):
        for what in ("pss", "private"):
            figures.append(figure(f"many_workers_{when}_{what}", many[when][what], "KiB each"))
    figures.append(figure("many_workers_rate", many["rate"], "messages/s"))
    figures.append(figure("many_workers_vs_one", many["ratio"], "ratio"))
    return figures


def print_table(figures):
    print(f"\n{'figure':40} {'value':>12}  {'unit':22} {'target':>8}")
    for each in figures:
        verdict = {None: "", True: "ok", False: "MISSED"}[each["ok"]]
        print(f"{each['name']:40} {each['value']:12,.3f}  {each['unit']:22} {each['target'] or '':>8}  {verdict}")


def write(figures, path):
    path.write_text(json.dumps(figures, indent=2) + "\n")
