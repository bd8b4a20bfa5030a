"""The words around the reference, in the reader's language; what they surround stays English."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: str
    title: str
    contents: str
    structs: str
    problems: str
    about: str
    as_document: str
    parameters: str
    body: str
    answers: str
    also: str
    name: str
    place: str
    kind: str
    meaning: str
    required: str
    optional: str
    status: str
    path: str
    query: str
    header: str


ENGLISH = Words(
    language="en",
    title="The peer's HTTP interface",
    contents="Contents",
    structs="Structs",
    problems="Problems",
    about="What a peer answers when something fails, by status. The type, by which programs "
    "decide, is `urn:panal:error:` and the word.",
    as_document="As OpenAPI 3.1, for programs",
    parameters="Parameters",
    body="What it takes",
    answers="What it answers",
    also="Or a problem:",
    name="Name",
    place="Where",
    kind="Type",
    meaning="Meaning",
    required="required",
    optional="optional",
    status="Status",
    path="path",
    query="query",
    header="header field",
)
SPANISH = Words(
    language="es",
    title="La interfaz HTTP del peer",
    contents="Contenido",
    structs="Estructuras",
    problems="Problemas",
    about="Qué responde un peer cuando algo falla, por estado. El tipo, por el que deciden los "
    "programas, es `urn:panal:error:` y la palabra.",
    as_document="Como OpenAPI 3.1, para programas",
    parameters="Parámetros",
    body="Qué recibe",
    answers="Qué responde",
    also="O un problema:",
    name="Nombre",
    place="Dónde",
    kind="Tipo",
    meaning="Significado",
    required="obligatorio",
    optional="opcional",
    status="Estado",
    path="ruta",
    query="consulta",
    header="campo de cabecera",
)


def words_for(accepted: str) -> Words:
    """The language that a browser would rather have (RFC 9110, section 12.5.4)."""
    best: dict[str, float] = {}
    for part in accepted.split(","):
        tag, _, quality = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = quality.strip().removeprefix("q=")
        try:
            best[language] = max(best.get(language, 0.0), float(weight) if weight else 1.0)
        except ValueError:
            continue
    return SPANISH if best.get("es", 0.0) > best.get("en", 0.0) else ENGLISH
