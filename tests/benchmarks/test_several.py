"""Runs on several cores give what each gives alone."""

from dataclasses import replace

from benchmarks.hosts import Link
from benchmarks.scenarios import Scenario
from benchmarks.simulated.several import outcomes_of
from benchmarks.simulated.swarm import Setting, simulate

LINE = Link(20, 20)


def test_each_run_has_its_own_outcome_and_the_longest_comes_first() -> None:
    settings = [
        Setting(Scenario("small", mib, LINE, (LINE,) * 3, 1.5), cores=cores)
        for mib, cores in ((2, 0), (4, 2))
    ]
    runs = [(setting, seed) for setting in settings for seed in (1, 2)]
    outcomes = outcomes_of([*runs, runs[0]])
    assert [run[0].scenario.size_mib for run in outcomes] == [4, 4, 2, 2]
    for run in runs:
        assert replace(outcomes[run], cpu_s=0.0) == replace(simulate(*run), cpu_s=0.0)
