"""What each query finds: one table, run on every store."""

from panal.wire.catalogue import Entry
from panal.wire.manifest import Kind
from tests.tracker.makers import content

MIB = 1024 * 1024

SHARED = {
    "peer_1": [
        Entry("Música/Año Nuevo.mp3", content(1), 5 * MIB),
        Entry("Fotos/año 2024/IMG_01.JPG", content(2), 3_000_000),
        Entry("Fotos/año 2024/draft-IMG_02.png", content(3), 1_000),
        Entry("archive.tar.gz", content(4), 2_000_000_000),
        Entry("Fotos", content(5), 200, kind=Kind.COLLECTION),
    ],
    "peer_2": [
        Entry("video of the new year.mkv", content(6), 4_000_000_000),
        Entry("year new.txt", content(7), 0),
        Entry('notes -draft size:>1 "quoted".md', content(8), 12),
        Entry("IMG_01.jpg", content(2), 3_000_000),
    ],
}

NUEVO = "Música/Año Nuevo.mp3"
JPG, PNG = "Fotos/año 2024/IMG_01.JPG", "Fotos/año 2024/draft-IMG_02.png"
TAR, FOTOS = "archive.tar.gz", "Fotos"
MKV, TXT, NOTES, COPY = (entry.path for entry in SHARED["peer_2"])

FINDS: list[tuple[str, set[str]]] = [
    ("año", {NUEVO, JPG, PNG}),
    ("ano nuevo", {NUEVO}),
    ("new year", {MKV, TXT}),
    ('"new year"', {MKV}),
    ('"año 2024" img', {JPG, PNG}),
    ('"ne', set()),
    ('"quoted"', {NOTES}),
    ('\\"quoted\\"', set()),
    ("img -draft", {JPG, COPY}),
    ("img -d", {JPG, COPY}),
    ('year -"new year"', {TXT}),
    ("-draft -fotos -year", {NUEVO, TAR, COPY}),
    ("-", {PNG, NOTES}),
    ("ext:jpg", {JPG, COPY}),
    ("EXT:.JPG", {JPG, COPY}),
    ("ext:jpg,png 2024", {JPG, PNG}),
    ("ext:gz", {TAR}),
    ("ext:tar.gz", {TAR}),
    ("ext:g", set()),
    ("ext:jpg ext:png", set()),
    ("img -ext:jpg", {PNG}),
    ("kind:image", {JPG, PNG, COPY}),
    ("kind:image year", set()),
    ("kind:folder", {FOTOS}),
    ("kind:file fotos", {JPG, PNG}),
    ("kind:video", {MKV}),
    ("size:>1G", {TAR, MKV}),
    ("size:>2G", {MKV}),
    ("size:>=2G size:<3G", {TAR}),
    ("size:5MiB", {NUEVO}),
    ("size:<1", {TXT}),
    ("size:0", {TXT}),
    ("size:<0", {TXT}),
    ("peer:PEER_2 img", {COPY}),
    ("peer:peer_2", {MKV, TXT, NOTES, COPY}),
    ("peer:nobody", set()),
    ("img ext:", {JPG, PNG, COPY}),
    ("img size:>", {JPG, PNG, COPY}),
    ("colour:red", set()),
    ("size: 12", set()),
    ("size:>999999999999999T", set()),
    ("size:<999999999999999T year", {MKV, TXT}),
    ("img \u0301", {JPG, PNG, COPY}),
    ("\u0301", {NUEVO, JPG, PNG, TAR, FOTOS, MKV, TXT, NOTES, COPY}),
    ("ext:\u0301,jpg", {JPG, COPY}),
    ("img -\u0301", {JPG, PNG, COPY}),
    ("x" * 400, set()),
]
"""A query, and the paths that it finds."""

REFUSED = [
    ("size:big", "no size"),
    ("size:>=x", "'x' is no size"),
    ("kind:thing", "archive, audio"),
    ("peer:../x", "name"),
    ("-peer:a", "not understood"),
    ("-size:>1", "not understood"),
    ("ext:" + ",".join(f"e{n}" for n in range(33)), "32 extensions"),
    (" ".join(f"w{n}" for n in range(33)), "32 words"),
    (" ".join("ext:" + chr(97 + n % 26) + str(n) for n in range(33)), "32 words"),
]
"""A query that cannot be, and what its refusal says."""
