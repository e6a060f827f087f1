"""What a moment says: the statistics' numbers, parts of time that add up, sentences that name the limit."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from flowload.observe.figures import rate
from flowload.observe.stats import ConsumerStats, NetworkStats, RunStats, Warned
from flowload.observe.verdict import judge
from flowload.picture.record.tape import RECENT, Tape
from flowload.picture.scene.moment import Moment, moment_of
from flowload.picture.scene.saying import plain
from flowload.picture.scene.spell import Spell
from tests.picture.graphs import thirty, three
from tests.picture.scenes import ENDS, scene_of

SLOW = scene_of(three(), 40, slow="add")
FED = scene_of(three(), 40)


def cell(moment: Moment, name: str) -> Any:
    return moment["cells"][SLOW.rails.row(name)]


@pytest.mark.parametrize("scene", [SLOW, FED, scene_of(thirty(), 12, slow="step_1_2")])
def test_the_parts_of_time_add_up_to_one(scene: Any) -> None:
    for moment in scene.moments:
        for each in moment["cells"]:
            assert sum(each["time"]) == pytest.approx(1.0, abs=1e-3)
            assert min(each["time"]) >= 0


def test_shares_are_of_the_last_two_seconds() -> None:
    late = cell(SLOW.moments[-1], "add")
    assert late["time"][0] == pytest.approx(0.98, abs=0.01)
    assert late["mark"] == "limit"
    now, before = SLOW.stats[-1], SLOW.stats[-5]
    grown = now.stages["cut"].out - before.stages["cut"].out
    assert now.elapsed - before.elapsed == 2.0
    assert cell(SLOW.moments[-1], "cut")["out"] == rate(grown / 2.0)
    assert cell(SLOW.moments[-1], "cut")["queue"] == "0/48" or "/48" in cell(SLOW.moments[-1], "cut")["queue"]


def test_the_lock_is_drawn_where_it_is_known_and_the_disk_is_no_cpu() -> None:
    busy = scene_of(three(), 12, slow="add", lock=0.0)
    stats = list(busy.stats)
    held = [s._replace(stages={n: e._replace(lock=e.busy * 0.6) for n, e in s.stages.items()}) for s in stats]
    time = Spell(held[-1], held[:-1]).time_of("add")
    assert time.late == pytest.approx(0.6 * 0.98, abs=0.01)
    assert Spell(held[-1], held[:-1]).late_word("add") == "lock"
    idle = [s._replace(tasks=tuple(t._replace(cpu=0.0) for t in s.tasks)) for s in stats]
    spell = Spell(idle[-1], idle[:-1])
    assert spell.time_of("origin").disk == pytest.approx(0.2, abs=0.01)  # its calls run in "io"
    assert spell.time_of("add").disk == 0
    assert spell.late_word("add") == "CPU"


def test_a_wait_that_is_not_over_counts() -> None:
    now = FED.stats[-1]
    same = {"out": FED.stats[-5].consumers["out"]}
    silent = now._replace(consumers=same, edges=tuple(e._replace(blocks=0) for e in now.edges))
    assert Spell(silent, FED.stats[:-1]).waits("out") == 1.0
    steps = now._replace(consumers=same)  # a batch lies ready: the trainer takes its time
    assert Spell(steps, FED.stats[:-1]).waits("out") == 0.0
    assert Spell(now._replace(consumers={}), []).waits("out") in (0.0, 1.0)


def test_what_is_said_of_a_limit_and_of_a_fed_trainer() -> None:
    slow, fed = SLOW.moments[-1]["say"], FED.moments[-1]["say"]
    assert plain(slow["head"]) == "The trainer waits 60 % of its time, for add."
    assert ("add", "stage:add") in [tuple(part) for part in slow["head"]]
    assert "twice as fast, the run gains +" in plain(slow["sub"])
    assert plain(fed["head"]).startswith("The trainer is fed: it sets the pace, and waits 1 % of its time.")
    assert [bar["label"] for bar in SLOW.moments[-1]["gain"]] == ["now", "add × 2", "trainer alone"]
    assert [c["mark"] for c in FED.moments[-1]["cells"]][-1] == "pace"
    assert SLOW.moments[-1]["band"] == "add"
    assert SLOW.moments[-1]["hot"]
    assert FED.moments[-1]["band"] == "trainer"
    assert not FED.moments[-1]["hot"]


@pytest.mark.parametrize("kind", ["stage", "disk", "network", "lock", "cpu", "executor", "loop", "consumer"])
def test_every_kind_of_limit_has_its_sentence(kind: Any) -> None:
    stats = list(SLOW.stats)
    found = judge(stats[-1], stats[-20])
    assert found is not None
    verdict = found._replace(limit=found.limit._replace(kind=kind))
    moment = moment_of(SLOW.rails, stats[-1], stats[:-1], verdict)
    told = plain(moment["say"]["head"])
    words = {
        "stage": "for add", "disk": "disk is too slow for add",
        "network": "network is too slow for add", "lock": "add holds the interpreter’s lock",
        "cpu": "are full, above all with add", "executor": "threads are all taken, above all by add",
        "loop": "event loop is full", "consumer": "waits 60 % of its time, and sets the pace all the same",
    }  # fmt: skip
    assert words[kind] in told


def test_a_short_run_gets_no_numbers() -> None:
    stats = list(SLOW.stats)
    found = judge(stats[-1], stats[-20])
    assert found is not None
    moment = moment_of(SLOW.rails, stats[-1], stats[:-1], found._replace(short=True))
    assert plain(moment["say"]["head"]) == "Too short to tell what limits."
    assert moment["gain"] == []
    assert {each["mark"] for each in moment["cells"]} == {""}
    assert moment["band"] == "unknown"


@pytest.mark.parametrize("end", ENDS)
def test_every_end_has_its_sentence_and_json_takes_it(end: str) -> None:
    moment = scene_of(three(), 30, slow="add", end=end).moments[-1]
    words = {
        "empty": "Waiting for the first batch: add is at work.",
        "stalled": "No progress for 34 s: add holds the run.",
        "failed": "The run failed in cut.", "left": "The run was left; what was under way was let go.",
        "over": "The run is over",
    }  # fmt: skip
    assert plain(moment["say"]["head"]).startswith(words[end])
    assert moment["say"]["state"] == end
    assert json.loads(json.dumps(moment))["at"] == moment["at"]
    marked = [SLOW.rails.rows[k].name for k, each in enumerate(moment["cells"]) if each["mark"] == "limit"]
    assert marked == {"empty": ["add"], "stalled": ["add"], "failed": ["cut"]}.get(end, marked)


def test_the_ledger_is_in_all_views_and_a_wrong_one_is_told() -> None:
    now = SLOW.stats[-1]
    moment = SLOW.moments[-1]
    books = next(section for section in moment["panel"] if section["kind"] == "ledger")
    assert [row[4] for row in books["rows"]] == [0, 0, 0]
    assert "every stage balances" in moment["foot"]
    wrong = now._replace(
        finished=True,
        outcome=ENDS["over"],
        stages={**now.stages, "cut": now.stages["cut"]._replace(held=0, out=1)},
    )
    told = moment_of(SLOW.rails, wrong, SLOW.stats[:-1], None)
    assert "THE LEDGER DOES NOT BALANCE" in plain(told["say"]["head"])
    assert "THE LEDGER DOES NOT BALANCE: cut" in told["foot"]
    assert [row[5] for row in told["panel"][1]["rows"]] == ["wrong"] * 3


def test_the_network_is_in_the_panel_of_who_asked_it() -> None:
    def rows(stats: list[RunStats]) -> dict[str, list[Any]]:
        moment = moment_of(SLOW.rails, stats[-1], stats[:-1], None)
        told = next(section for section in moment["panel"] if section["title"] == "resources")
        return {row[0]: row[1:] for row in told["rows"]}

    plain_run = list(SLOW.stats)
    assert not any("network" in name for name in rows(plain_run))
    far = [
        now._replace(
            network=NetworkStats(
                requests=int(10 * now.elapsed),
                failures=2,
                bytes=int((4 << 20) * now.elapsed),
                waiting=0.25 * now.elapsed,
            )
        )
        for now in plain_run
    ]
    found = rows(far)
    assert found["from the network"][0] == "4.0 MiB/s, 10.0 requests/s"
    assert found["stages wait for it"][0] == "25 %"
    assert ", 2 failed, " in found["requests so far"][0]


def test_warnings_and_progress() -> None:
    now = SLOW.stats[-1]._replace(
        warnings=(Warned(1.0, "cut", "a.tar", "bad"),), warned=7, epochs=4, finished=False
    )
    stages = {
        **now.stages,
        "origin": now.stages["origin"]._replace(gauges={"passes_done": 1.0, "pass_done": 0.5}),
    }
    moment = moment_of(SLOW.rails, now._replace(stages=stages), SLOW.stats[:-1], None)
    assert moment["top"]["warned"] == 7
    assert moment["panel"][-1]["rows"][-1] == ["and 6 earlier", ""]
    assert moment["top"]["left"].startswith("37 %, epoch 2 of 4, ")
    assert ConsumerStats().samples == 0


def test_a_tape_covers_a_whole_run_and_stays_bounded() -> None:
    tape: Tape[int] = Tape()
    for number in range(1, 20_001):
        tape.add(number)
    kept = [each.moment for each in tape.since(0)]
    assert len(kept) < 720
    assert kept[0] == 1
    assert kept[-RECENT:] == list(range(20_001 - RECENT, 20_001))
    assert all(b - a <= max(4, (20_000 - a) // 20) for a, b in pairwise(kept))
    assert [each.number for each in tape.since(19_998)] == [19_999, 20_000]
    assert tape.moments() == kept
