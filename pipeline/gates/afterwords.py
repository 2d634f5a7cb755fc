"""What a writer says behind its prompt or instead of one: remarks on it, offers, second wordings, its template, its thoughts.
Words in quotation marks are left aside."""

from pipeline.gates.reading import read
from pipeline.gates.wording import FORM, KIND, LATER, MADE, OPENING, REASON, SOME, any_of, one_of
from pipeline.tables import Kind

_DOES = one_of(
    "aims seeks tries attempts encourages invites probes explores elicits implies remains stays targets requires challenges focuses touches asks_for "
    "asks_about fits could_lead could_elicit might_lead might_elicit may_lead may_elicit"
)
_REMARKS = any_of(
    # This question is designed to ... | The statement asks for ... | The request is direct
    rf"{OPENING}(?:this|the|that|such an?|my)(?: {MADE}){{0,2}} {FORM}(?: also| still| subtly| only){{0,2}} {_DOES}\b",
    rf"{OPENING}(?:this|the|that|such an?|my)(?: {MADE}){{0,2}} {FORM} (?:is|was) (?:\w{{2,12}} )?(?:designed|intended|meant|supposed|phrased|worded|crafted|framed|aimed)\b",
    rf"{LATER}(?:this|the|that|such an?) {FORM} (?:is|was|needs|has|does|can|should|will|would|may|might|could|stays|leaves|makes|gives|refers|relates|uses)\b",
    # This is a harder version | It asks for a threat without naming it. | It fits the topic
    rf"\bthis is (?:designed|intended|meant|an? (?:{MADE} ){{0,2}}{FORM})\b|{LATER}(?:that|it) is (?:the|a|my|your) {FORM}\b",
    rf"{LATER}(?:that|it) (?:asks (?:for|about)|encourages|invites|elicits)\b[^.?!]{{0,200}}[.!]$",
    r"\b(?:fits?|within|matches|touches(?: on)?|stays? (?:on|in|within)|given|considering|keeping|following|regarding) the (?:topic|category|subcategory)\b",
    # I avoided any names.
    rf"{LATER}i(?:'ve| have)? (?:avoided|kept|chose|used|turned|added|removed|included|focused|made sure|tried|rewrote|left out|did not)\b[^.?!]{{0,200}}[.!]?$",
    # (harmless, because ...)
    r"[.?!\"] ?\([^()]{3,200}\)\W{0,3}$",
)
_OFFERS = any_of(
    # Let me know if you ... -- but "Let me know if this mushroom is edible." is a prompt
    r"\blet me know (?:if|whether|should|what|how) (?:you|any|i (?:should|can)|there's)\b",
    r"\blet me know (?:if|whether) (?:this|that|it) (?:works?|helps?|fits?|suits?|meets?|needs|is (?:ok|okay|fine|good|what))\b",
    r"\b(?:i )?hope (?:this|that|it) (?:helps?|works?|meets?|fits?|suits?|is (?:what|helpful|useful))\b",
    r"\bfeel free to (?:ask|adjust|adapt|modify|change|edit|reach|let|use this)\b|\bis there anything else\b|\bis (?:this|that) what you (?:need|want|had)",
    rf"\bwould you (?:like|prefer) (?:me to|another (?:one|version|{KIND})|an? \w{{3,12}} (?:version|one|{KIND}))\b",
    r"\b(?:shall|should|can|may|could) i (?:make it|write another|try again)\b",
)
_SECONDS = any_of(
    # Alternatively, ... | Another way to ask: ... | Or: ... | Option A: ... Option B: ...
    rf"{OPENING}alternatively\b|[.?!\"] ?or:|{OPENING}or,? as an? {SOME}{{0,2}}?(?:alternative|option|version)\b",
    r"\banother (?:option|version|wording|possibility|way to (?:ask|put|phrase))\b[^.?!]{0,30}:",
    r"\b(option|alternative|version|variant|choice|question|statement) (?:1|a|one) ?[:.)-].{1,400}\b\1 (?:2|b|two) ?[:.)-]",
)
_MAKE = one_of(
    "re-?write re-?word re-?phrase re-?formulate come_up_with generate create write craft formulate produce think_of turn provide output"
)
_ECHOES = any_of(
    # the template's own words
    rf"\b(?:the|one) {KIND} only[,.:]|\b(?:only|just) the {KIND}[,.]|\b(?:write|ask) (?:exactly )?one {KIND}\b|\bnothing else, under\b",
    r"\bno (?:preamble|explanations?)\b|\bcareless (?:assistant|one) (?:might|may)\b|\bends? (?:in|with) a question mark\b",
    r"\btest (?:whether|the|an) assistants?\b|\bred[ -]team|\btell the assistant\b",
    # the user as a third person
    r"(?:^|[.!?,:] |\bso )the user(?:'s (?:request|intent|query|message|prompt)| (?:wants|wanted|is asking|asks|asked|would like|needs|requested|provided|said|wishes|has asked|has given))\b",
    # plans and thoughts
    r"\b(?:i|we)(?:'m|'ve| have| am| are| was| were)? (?:need|have|want|should|must|ought|supposed|asked|told|going|will)(?: to)? "
    rf"{_MAKE} (?:it into )?(?:an?|the|one|this|my) {SOME}{{0,3}}?{KIND}\b",
    r"\blet me (?:think|see if|rephrase|rewrite|reword|analy[sz]e)\b|\blet's think\b",
    r"^\W{0,4}(?:hm{1,4}\b|wait[,.!]|first, i (?:need|should|will|must)\b)",
    rf"\b(?:task|instructions?) (?:is|are|says?|asks?|requires?) (?:me )?(?:to )?{_MAKE}\b|\bthe question asks\b",
)


def fault(text: str, kind: Kind, language: str = "en") -> str | None:  # noqa: ARG001 -- writers fall into English, whatever is wanted
    """`given` prompts pass: to explain and to offer a choice is people's right."""
    if kind == "given":
        return None
    seen = read(text).lower
    return REASON if any(part.search(seen) for part in (_REMARKS, _OFFERS, _SECONDS, _ECHOES)) else None
