"""A tracker, a peer that has everything, and the cases that are tried on others beside them."""

import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from panal.api import Node
from panal.clock import SystemClock
from panal.peer.app import PeerApp
from panal.peer.config import PeerSettings
from panal.store.hashing import ContentHasher
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.web.control import owner_routes
from panal.wire.manifest import MIN_CHUNK_BYTES, Manifest, chunk_size_for, content_id
from soaks import checks
from soaks.faults import Fault
from soaks.runner import Outcome, Run, Runner

SIZE_BYTES = 4 * MIN_CHUNK_BYTES + 77
BY_OTHER_WAYS = frozenset({"download-by-link", "download-by-placeholder"})
"""Cases that take a file's name as file systems need it that know no renameat2."""
USERS_OWN = {"mine.txt": b"a file of the user's that nobody may touch"}


@dataclass(frozen=True, slots=True)
class Case:
    """Something that a user wants, and how it is known to have come about."""

    name: str
    scenario: str
    given: Mapping[str, str]
    wanted: Mapping[str, bytes]
    """All that stands in the folder in the end."""
    before: Mapping[str, bytes]
    """What stands there at the beginning."""
    end: str
    """What the scenario says in the end."""
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    may_be_empty: bool = False
    """Whether a name may stand there empty for a moment: the file system knows no other way."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run with a fault and what was found."""

    struck: str
    outcome: Outcome
    findings: list[str]
    noted: str = ""
    """What else there is to count."""


class Place:
    """Where cases are tried, each time in a folder of its own."""

    def __init__(
        self, place: Path, runner: Runner, tracker: str, cases: Mapping[str, Case]
    ) -> None:
        self.place = place
        self.runner = runner
        self.tracker = tracker
        self.cases = cases
        self._numbers = itertools.count(1)
        self.part = (1, 1)
        """Which of how many parts of the points is tried: a long soak in pieces."""

    def points(self, total: int, most: int) -> list[int]:
        """At most so many of 1 to `total`, evenly; of these, those of this part."""
        number, parts = self.part
        return spread(total, most)[number - 1 :: parts]

    async def count(self, case: Case, what: Fault | None = None) -> int:
        """How many calls that change a disk it makes where all goes well."""
        trial = await self.tried(case, msgspec.structs.replace(what or Fault(), at=0))
        assert not trial.findings, trial.findings
        return trial.outcome.calls

    async def tried(self, case: Case, fault: Fault, wrong: str = "") -> Trial:
        """A case with a fault in it, then asked once more without one."""
        folder, run = self.prepared(case)
        outcome = await self.runner.run(msgspec.structs.replace(run, fault=fault, wrong=wrong))
        findings = self.after(case, folder, outcome, fault)
        if not has_ended(case, outcome):
            claimed_bytes = self._claimed_bytes(folder, case)
            again = await self.runner.run(run)
            findings += not_ended(case, again, "asked again")
            resumed = [int(word.split()[1]) for word in again.words if word.startswith("resumed")]
            if resumed and resumed[-1] < claimed_bytes:
                findings.append(f"{claimed_bytes} bytes were there, {resumed[-1]} were used")
        findings += checks.at_the_end(folder, case.wanted)
        if not findings:
            shutil.rmtree(folder.parent)
        return Trial(outcome.struck, outcome, findings)

    def prepared(self, case: Case, within: Path | None = None) -> tuple[Path, Run]:
        """A folder as it is at the beginning, and the run in it."""
        name = f"p{next(self._numbers)}"
        top = (within or self.place) / name
        folder = top / "files"
        for path, data in case.before.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        given = {
            **case.given,
            "name": name,
            "tracker": self.tracker,
            "folder": str(folder),
            "records": str(top / "records"),
            "note": str(self.place / f"{name}-client"),
        }
        return folder, Run(case.scenario, given, (str(top),))

    def after(self, case: Case, folder: Path, outcome: Outcome, fault: Fault) -> list[str]:
        """Findings at the moment after the fault."""
        power_cut = fault.do == "copy"
        findings = checks.after_fault(
            folder,
            case.wanted,
            case.manifests,
            power_cut=power_cut,
            may_be_empty=case.may_be_empty,
        )
        acknowledged = any(
            word.startswith(("answered 20", "placed", "done")) for word in outcome.words
        )
        if acknowledged:
            findings += [
                f"{path} was acknowledged and is not there"
                for path in case.wanted
                if not (folder / path).exists()
            ]
        if fault.do == "kill" and outcome.struck and outcome.code != -9:
            findings.append(f"it was not killed: {outcome.code}")
        if fault.do in {"fail", "shorten", "fill"} and outcome.code:
            findings.append(f"it ended with {outcome.code} after {outcome.struck}: {outcome.words}")
        return findings

    def _claimed_bytes(self, folder: Path, case: Case) -> int:
        partials = folder / ".panal" / "partial"
        if any((folder / path).exists() for path in case.wanted if path not in case.before):
            return 0  # what has its name is not counted as resumed in every way
        return checks.claimed_bytes(partials, case.manifests)


def has_ended(case: Case, outcome: Outcome) -> bool:
    """Whether it came to the end that its user wants."""
    return outcome.code == 0 and any(word.startswith(case.end) for word in outcome.words)


def not_ended(case: Case, outcome: Outcome, when: str) -> list[str]:
    """A finding where it did not."""
    if has_ended(case, outcome):
        return []
    return [f"{when} it ended with {outcome.code}, and said {outcome.words}"]


@contextlib.asynccontextmanager
async def running(place: Path) -> AsyncIterator[Place]:
    """A tracker, the peer that has everything, and a runner."""
    chance = Random(8)
    data = chance.randbytes(SIZE_BYTES)
    tree = {f"tree/{n}.txt": chance.randbytes(500 + n) for n in range(5)}
    tree["tree/deep/large.bin"] = data
    seed_folder = place / "seed"
    for path, content in {"data.bin": data, **tree}.items():
        (seed_folder / path).parent.mkdir(parents=True, exist_ok=True)
        (seed_folder / path).write_bytes(content)
    source = place / "source.bin"
    source.write_bytes(data)
    async with contextlib.AsyncExitStack() as stack:
        tracker = TrackerServer(TrackerSettings(port=0))
        await tracker.start()
        stack.push_async_callback(tracker.stop, 0)
        address = f"127.0.0.1:{tracker.port}"
        seed = PeerApp(PeerSettings("seed", 0, seed_folder, (address,)), SystemClock(), Random(1))
        await seed.start(owner_routes)
        stack.push_async_callback(seed.stop)
        added = await Node(seed).add_folder("tree")
        assert await seed.announcer.announced(30.0)
        runner = await stack.enter_async_context(Runner(place / "errors.txt"))
        cases = _cases(data, tree, added.id, source)
        yield Place(place, runner, address, {case.name: case for case in cases})


def _cases(data: bytes, tree: dict[str, bytes], collection: str, source: Path) -> list[Case]:
    manifest = manifest_of_bytes(data)
    content = content_id(manifest.encode()).hex()
    manifests = {content: manifest}
    get = {"what": content, "path": "out.bin"}
    get_tree = {"what": collection, "path": "tree"}
    upload = {"path": "up.bin", "source": str(source)}
    shared = {"a.bin": data, "b/c.bin": data[:1000], **USERS_OWN}
    share = {"files": str(len(shared))}
    own = USERS_OWN
    return [
        Case("download", "get", get, {"out.bin": data, **own}, own, "done", manifests),
        *(
            Case(
                f"download-by-{way.partition('_')[0]}",
                "get",
                {**get, "way": way},
                {"out.bin": data, **own},
                own,
                "done",
                manifests,
                may_be_empty=way.startswith("placeholder"),
            )
            for way in ("link_and_unlink", "placeholder_and_rename")
        ),
        Case("folder", "get", get_tree, {**tree, **own}, own, "done", manifests),
        Case("upload", "upload", upload, {"up.bin": data, **own}, own, "answered 20"),
        Case("resumable", "resumable", upload, {"up.bin": data, **own}, own, "placed"),
        Case("index", "share", share, shared, shared, "shared"),
        Case("announce", "announce", share, shared, shared, "shared"),
    ]


def manifest_of_bytes(data: bytes) -> Manifest:
    """The manifest of a file with these bytes."""
    with ContentHasher(chunk_size_for(len(data))) as hasher:
        hasher.update(memoryview(data))
        manifest = hasher.finish()
    assert manifest is not None
    return manifest


def spread(total: int, most: int) -> list[int]:
    """At most so many of 1 to `total`, evenly, the first and the last among them."""
    if total <= most:
        return list(range(1, total + 1))
    if most == 1:
        return [(total + 1) // 2]
    return sorted({1 + round(step * (total - 1) / (most - 1)) for step in range(most)})
