"""Words for present, absent and uncertain, as people write them in tables and answer questions about images."""

from __future__ import annotations

from collections.abc import Mapping

from app.findings import ABSENT, PRESENT, UNCERTAIN

WORDS: Mapping[str, int] = {
    **dict.fromkeys(("yes", "y", "true", "present", "positive", "pos", "+"), PRESENT),
    **dict.fromkeys(("ja", "j", "wahr", "vorhanden", "positiv", "oui", "vrai", "présent", "positif"), PRESENT),
    **dict.fromkeys(("sí", "sì", "si", "sim", "verdadero", "vero", "positivo", "tak", "waar"), PRESENT),
    **dict.fromkeys(("aanwezig", "あり", "有", "有り", "陽性"), PRESENT),
    **dict.fromkeys(("no", "n", "false", "absent", "negative", "neg"), ABSENT),
    **dict.fromkeys(("nein", "falsch", "nicht vorhanden", "negativ", "non", "faux", "négatif"), ABSENT),
    **dict.fromkeys(("não", "falso", "negativo", "nie", "nee", "onwaar", "nej", "nei"), ABSENT),
    **dict.fromkeys(("afwezig", "brak", "なし", "無", "無し", "陰性"), ABSENT),
    **dict.fromkeys(("uncertain", "unsure", "equivocal", "indeterminate", "?", "+/-", "±"), UNCERTAIN),
    **dict.fromkeys(("unklar", "unsicher", "fraglich", "incertain", "incierto", "incerto"), UNCERTAIN),
    **dict.fromkeys(("onzeker", "twijfelachtig", "niepewne", "疑い", "不明"), UNCERTAIN),
}
"""Labels by their words, in small letters."""
