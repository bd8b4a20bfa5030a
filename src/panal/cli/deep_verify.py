"""`panal verify --deep`: a stopped peer's folder and state, compared with each other."""

import sys
from collections import Counter
from pathlib import Path

import click

from panal.cli.documents import DeepDocument, DeepFinding
from panal.cli.output import name_words, print_json
from panal.errors import IntegrityError, NotFound, StateInUse
from panal.fsck.checking import INDEX, StateCheck
from panal.fsck.findings import Finding, Weight
from panal.wire.amounts import size_words
from panal.wire.names import STATE_DIRECTORY

LISTED = 1_000
"""So many findings of one kind are named; all are counted."""


def deep_verify(folder: Path, state: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Check, and print what is found; the exit code is 5 where anything is broken."""
    folder = folder.absolute()
    state = (state or folder / STATE_DIRECTORY).absolute()
    if not state.is_dir():
        raise NotFound(
            f"{state} is no peer's state: name the peer's folder, or its --state. A folder "
            "that only 'panal get' filled has none: what it fetched was verified first."
        )
    check = StateCheck(folder, state)
    kinds: Counter[str] = Counter()
    weights: Counter[Weight] = Counter()
    listed: list[DeepFinding] = []
    try:
        for finding in check.findings():
            weights[finding.kind.weight] += 1
            kinds[finding.kind.slug] += 1
            if kinds[finding.kind.slug] > LISTED:
                continue
            if as_json:
                listed.append(_as_document(finding))
            elif not quiet or finding.kind.weight is Weight.BROKEN:
                click.echo(_words(finding))
    except StateInUse:
        raise StateInUse(
            f"A peer runs on {state / INDEX}. Stop it first; or leave --deep out, and the running "
            "peer reads its shared files again."
        ) from None
    looked, broken = check.looked, weights[Weight.BROKEN]
    if as_json:
        print_json(
            DeepDocument(
                str(folder),
                str(state),
                looked.files,
                looked.size_bytes,
                looked.unfinished,
                looked.in_use,
                looked.unproved_chunks,
                broken,
                weights[Weight.PENDING],
                weights[Weight.KNOWN],
                listed,
            )
        )
    elif not quiet:
        files = "1 file" if looked.files == 1 else f"{looked.files} files"
        click.echo(
            f"{files}, {size_words(looked.size_bytes)} read, {looked.unfinished} unfinished: "
            f"{broken} broken, {weights[Weight.KNOWN]} known to be damaged, "
            f"{weights[Weight.PENDING]} left to the next start."
        )
    if broken:
        sys.exit(IntegrityError.exit_code)


def _as_document(finding: Finding) -> DeepFinding:
    kind = finding.kind
    return DeepFinding(
        kind.slug, kind.weight.value, kind.promise, finding.where, finding.detail, kind.meaning
    )


def _words(finding: Finding) -> str:
    detail = f" ({name_words(finding.detail)})" if finding.detail else ""
    where = name_words(finding.where)
    return f"{finding.kind.weight.value}: {where}{detail}: {finding.kind.meaning}"
