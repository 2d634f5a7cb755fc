"""The one rule that has no override: a text that brings minors and sexual content together passes no door.

It is a rule of words: two lists, of minors and of the sexual, and a few words that say both. It errs towards yes. Texts that
protect or teach (sexual education for teenagers, a refusal that names minors) are kept out too: that is intended, for no list
of words can tell them apart, and a dataset can do without. English is looked at closely; of German, French and Spanish only
the commonest words; of other languages nothing. It cannot see what an image shows.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import partial


def pairs_minors_and_sex(text: str) -> bool:
    """Whether a text brings minors and sexual content together: then it passes no door. There is no override.

    A girl, boy or baby beside nakedness in one sentence is taken for a minor: of adults, write woman and man."""
    read = _readings(text)
    if _BOTH.search(read):
        return True
    if _SEXUAL.search(read) and _MINOR.search(read):
        return True
    return any(minor.search(read) and sexual.search(read) for minor, sexual in _ABROAD)


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b")


_YOUNG = r"(?<!ty[- ])(?:[1-9]|1[0-7]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven)teen)"
"""An age in years, below 18; not the end of twenty-one."""
_THINGS = r"(?!\W+(?:cars?|house|building|company|business|firm|wines?|whiske?y|scotch|law|case|phone|laptop|tree|tradition)\b)"
"""What may be ten years old and no child."""
_SCHOOL = r"(?:high|middle|elementary|primary|secondary|grade|grammar|nursery|junior\W?high|pre)\W?school"
_MINOR = _words(
    r"(?:school)?child(?:ren|hood|like|s)?",
    r"kid(?!\W+(?:gloves?|leather|skin)\b)|kids|kiddos?|kiddies?|kiddy",
    r"minors?(?!\W+(?:issues?|injur\w+|details?|changes?|offen[cs]es?|roles?|problems?|differences?|key|league|chord|scale)\b)",
    r"under\W?aged?",
    r"(?:pre\W?)?teen(?:s|ies?|y|age[drs]?|agers)?",
    r"tweens?|adolescen(?:ts?|tes|ce)|juveniles?|youngsters?|youths|toddlers?|infants?|newborns?|(?:pre\W?)?pubescents?",
    r"lolis?|lolitas?|shotas?",
    r"school\W?(?:girl|boy|kid|aged?)s?",
    rf"{_SCHOOL}(?:ers?|\W{{1,3}}(?:girl|boy|kid|student|pupil|freshm[ae]n|sophomore|junior|senior|cheerleader|age|aged)s?)",
    r"kindergart(?:ens?|e?ners?)|(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|[1-9](?:st|nd|rd|th)|1[0-2]th)\W?graders?",
    r"(?:little|young)\W{1,3}(?:\w+\W{1,3})?(?:girl|boy|lad|lass|one)s?|(?:little|kid|baby)\W{1,3}(?:sister|brother|cousin|niece|nephew|girl|boy)s?",
    rf"{_YOUNG}\W{{0,2}}(?:years?|yrs?)\W{{0,2}}olds?{_THINGS}|\d{{1,2}}\W{{0,2}}(?:months?|weeks?)\W{{0,2}}olds?{_THINGS}",
    rf"{_YOUNG}\W?y\W?/?\W?o|{_YOUNG}\W{{1,3}}(?:years?|yrs?)\W{{1,3}}of\W{{1,3}}age",
    rf"age[ds]?(?:\W{{1,3}}of)?\W{{1,3}}{_YOUNG}",
    r"(?:under|below|younger\W{1,3}than|not\W{1,3}yet)\W{0,3}(?:the\W{1,3}age\W{1,3}of\W{1,3}(?:consent|\w+teen|\d|1\d)|1[5-8]|(?:fif|six|seven|eigh)teen)s?",
    r"minderjahrige?[nrs]?|kleinkind(?:er|ern)?|schulmadchen|fillettes?|mineure?s|menore?s?\W{1,3}de\W{1,3}edad|colegialas?|lyceennes?",
)
_BARE = (
    r"(?:nudity|nude(?!\W+(?:lipsticks?|heels?|tones?|colou?r\w*|shades?|palettes?|tights|mice|mouse)\b)"
    r"|naked(?!\W+(?:eyes?|mole|truth|short|flames?|singularit\w+)\b)|unclothed|unclad|undress(?:ed|ing)?|topless)"
)
_SEXUAL = _words(
    r"(?<!same[- ])(?<!opposite[- ])(?<!single[- ])(?<!either )(?<!both )sex(?!\W+(?:ratios?|discrimination|chromosomes?|differences?|hormones?)\b"
    r"|\W+of\W+(?:the|a|an|her|his|their|your|my)\W+(?:unborn|baby|child|infant|fo?etus)\b)",
    r"sexual(?!\W+(?:orientations?|minorit\w+|dimorphism|selection|reproduction)\b)|(?:hyper)?sexual(?:ly|i\w+)",
    r"sex(?:y|ier|iest|iness|ting|ts?|ted|ters?|tort\w*|ploitation\w*)|s\*x\w*|s3x\w*",
    rf"{_BARE}|nud(?:es|is[mt]s?|if\w+)|nakedness|undress\w*|disrob\w+",
    r"bare\W?breast\w*|without\W{1,3}(?:any\W{1,3})?cloth(?:es|ing)|no\W{1,3}clothes|wearing\W{1,3}nothing|with\W{1,3}nothing\W{1,3}on|upskirt\w*",
    r"porn\w*|pr0n|p\*rn\w*|erotic\w*|lewd\w*|lascivious\w*|obscene\W{1,3}(?:image|photo|picture|pose|act|material)\w*|indecen\w+",
    r"molest\w*|fondl\w+|grop(?:e|es|ed|ing)|rap(?:es?|ed|ing|ists?)(?!\W?seed)|incest\w*|voyeur\w*|exhibitionis\w+|masturbat\w*|orgasm\w*",
    r"genital\w*|penis(?:es)?|vagina\w*|private\W{1,3}parts|intimate\W{1,3}(?:image|photo|picture|part|pose)s?|intercourse|horny|seduc\w+|lust(?:s|ful|ing)?",
    r"fetish\w*|bdsm|hentai|ecchi|nsfw|xxx|lingerie|strippers?|strip\W?(?:teas\w+|clubs?|poker)|prostitut\w*|brothels?|camgirls?|onlyfans",
    r"adult\W{1,3}(?:content|films?|movies?|videos?|entertainment|magazines?|web\W?sites?|sites?)|(?:provocative|suggestive|seductive)\w*\W{1,3}(?:pos|dress|outfit|cloth)\w*",
    r"nackt\w*|sexuell\w*|erotisch\w*|sexuelle?s?|sexe|denude\w*|desnud\w+|sexo|sexuales",
)
_BOTH = _words(
    r"cs[ae]m|csae|pa?ed(?:os?|ophil\w*|oporn\w*)|hebephil\w*|ephebophil\w*|lolicon\w*|shotacon\w*|jail\W?baits?|pthc",
    r"(?:child(?:ren)?|kid(?:s|die|dy)?|(?:pre)?teens?|underage|loli|minors?)(?:porn|sex|nude|erotic|hentai)\w*|kinder(?:porn|sex)\w*",
    r"child\W?groom\w*|groom(?:s|ed|ing)?\W{1,3}(?:of\W{1,3})?(?:an?\W{1,3})?(?:child|minor|kid|teen|girl|boy)\w*|statutory\W{1,3}rape",
    rf"{_BARE}\b[^.?!]{{0,40}}\b(?:girl|boy|baby|babie)s?|(?:girl|boy|baby|babie)s?\b[^.?!]{{0,40}}\b{_BARE}",
)
_ABROAD = (
    (
        _words(r"kind(?:er\w*|es)?|madchen|jugendliche?[nr]?|schuler(?:in|innen|n)?|sauglinge?n?|\d{1,2}\W?jahrige?[nrs]?"),
        _words(r"nackt\w*|nacktheit|sexuell\w*|erotisch\w*|porno\w*|entblosst\w*|unbekleidet\w*|sex\W{1,3}mit"),
    ),
    (
        _words(r"enfants?|fillettes?|mineure?s?|gamine?s?|ecolieres?|ecoliers?|collegien(?:ne)?s?|bebes?|petite?s?\W{1,3}(?:fille|garcon)s?|de\W{1,3}(?:\d|1[0-7])\W{1,3}ans"),
        _words(r"nue?s?|nudite|sexuel(?:le)?s?|sexe|porno\w*|erotiques?|denude\w*|deshabille\w*"),
    ),
    (
        _words(r"nin[ao]s?|menore?s?|chiquillas?|bebes?|jovencitas?|infantil(?:es)?|de\W{1,3}(?:\d|1[0-7])\W{1,3}anos"),
        _words(r"desnud\w+|sexuales|sexo|abuso\W{1,3}sexual|contenido\W{1,3}sexual|porno\w*|erotic[ao]s?"),
    ),
)  # fmt: skip
"""German, French and Spanish, minors and sexual: words of minors that mean something else elsewhere (kind, enfant, nina) count only beside a
sexual word of their own language. All without accents, as `_plain` leaves them."""


_ALIKE = str.maketrans(
    "\u0430\u0432\u0435\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0501\u051b\u051d\u04bb"
    "\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131\u0142\u0111\u00f8\u0261_",
    "abeijkmhopctyxsdqwhaeikvoptuxildog ",
)
"""Cyrillic, Greek and other letters that look like Latin ones; and the underscore, which parts words."""
_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Between the words of aHashTag."""
_SPELT = re.compile(r"\b[a-z]([ .*-])(?:[a-z]\1)+[a-z]\b")
"""W o r d s, letter by letter."""
_MIXED = re.compile(r"[a-z][0-9@$!|]|[0-9@$!|][a-z]")
_TOKEN = re.compile(r"[a-z0-9@$!|]+")
_DIGITS = tuple(str.maketrans("013457@$!|", f"o{one}east" + f"as{one}{one}") for one in "il")
"""What digits and signs stand for inside words; 1 is an i or an l."""


def _readings(text: str) -> str:
    """The text in small Latin letters, and below it each other way to read it: joined words parted, spelt ones joined,
    digits as letters."""
    plain = _plain(text)
    others = [_SPELT.sub(lambda found: found[0].replace(found[1], ""), plain)]
    if _JOINED.search(text):
        others.append(_plain(_JOINED.sub(" ", text)))
    if _MIXED.search(plain):
        others += [_TOKEN.sub(partial(_lettered, table), plain) for table in _DIGITS]
    return "\n".join([plain, *dict.fromkeys(other for other in others if other != plain)])


def _plain(text: str) -> str:
    """Without case, accents, invisible characters, and letters that only look Latin."""
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in parts if unicodedata.category(c) not in ("Mn", "Cf"))
    return text.casefold().translate(_ALIKE)


def _lettered(table: Mapping[int, int], found: re.Match[str]) -> str:
    """A word with its digits and signs as letters; a number stays one."""
    return found[0].translate(table) if any(c.isalpha() for c in found[0]) else found[0]
