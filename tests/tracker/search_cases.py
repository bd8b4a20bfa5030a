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
    ("kind:document -draft", {TXT}),
    ("kind:image ext:png,mkv", {PNG}),
    ("kind:image kind:video", set()),
    ("kind:image peer:peer_2", {COPY}),
    ("ext:png,JPEG", {PNG}),
    ("ext:mkv,jpg", {MKV, JPG, COPY}),
    ("ext:jpg,jpg,jpeg,png,gif,webp,svg,bmp,tif,tiff,heic,avif", {JPG, PNG, COPY}),
    ("ext:jpg,raw,q", {JPG, COPY}),
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

RANKED = {
    "peer_1": [
        Entry("lib", content(9), 0),
        Entry("a/lib", content(1), 0),
        Entry("b/lib notes.txt", content(1), 0),
        Entry("libé.txt", content(2), 0),
        Entry("lib\u0436ук", content(3), 0),  # goes on with a letter beyond ASCII
        Entry("lib\u00b2", content(4), 0),
        Entry("lib_1", content(5), 0),
        Entry("x lib", content(6), 0, sha256=b"6" * 32),
        Entry("library", content(7), 0),
        Entry("lib中", content(8), 0),
        Entry("中lib", content(10), 0),
        Entry("glib.h", content(11), 0),
        Entry("lib[1]+(2)*.c", content(12), 0),
        Entry("LIB.so", content(13), 0),
        Entry("лес лесной.txt", content(14), 0),
        Entry("лесной лес.txt", content(15), 0),
        Entry("лесной.txt", content(16), 0),
        Entry("лес", content(17), 0),
        Entry("zz lib–x.txt", content(21), 0),  # ends before a sign beyond ASCII
        Entry("q/x+1.txt", content(22), 0),
        *(Entry(f"{letter}x+1.txt", content(23 + n), 0) for n, letter in enumerate("abcd")),
        Entry("libж lib.txt", content(31), 0),  # a word goes on, and then it ends
        Entry("libж library.txt", content(32), 0),
        Entry("conf.d/lib.so", content(30), 0),
        *(Entry(f"{letter} tables.txt", content(33 + n), 0) for n, letter in enumerate("abc")),
        Entry("z tables tab_x.txt", content(36), 0),
        *(Entry(f"{letter} ab abc.txt", content(37 + n), 0) for n, letter in enumerate("def")),
        Entry("z ab ab a.txt", content(40), 0),  # the phrase "ab a" begins in itself again
    ],
    "peer_2": [
        Entry("z/lib", content(7), 0),
        Entry("a lib of notes", content(1), 0),
        Entry("Notes LIB", content(18), 0),
        Entry("notes of a library", content(18), 0),
        Entry("lib", content(9), 0),
        Entry("mylib lib", content(19), 0),
        Entry("lib-lib", content(20), 0, kind=Kind.COLLECTION),
        Entry("лес", content(14), 0),
    ],
}
"""What is ranked: exact names, whole words, the rest, the same content under several names."""

RANKINGS = [
    "lib",
    "li",
    "l",
    "lib notes",
    '"lib notes"',
    "lib.so",
    "[1]",
    "x+1",
    '"ab a"',
    "ab a",
    "tab",
    "notes lib",
    "лес",
    "лес txt",
    "ле",
    "中",
    "lib -notes",
    "lib kind:folder",
    "lib peer:peer_2",
    "lib size:<1",
    "lib ext:so,h",
    "lib ext:d/lib.so,h",
    "²",
    "qqzzy",
]
"""Queries, each page of which is to be the same in every store."""

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
