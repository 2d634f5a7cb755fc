"""Labels before a prompt ("Harder question:") and prefaces ("Sure! Here is ..."). Words in quotation marks are left aside."""

from pipeline.gates.reading import read
from pipeline.gates.wording import FORM, IMAGE, KIND, MADE, OPENING, REASON, SOME, TELLING, any_of, one_of
from pipeline.tables import Kind

_PART = one_of(
    "answer response reply output result topic image caption description definition category subcategory sub-category context instructions? task "
    "input example option alternative choice explanation notes? rationale reason reasoning justification analysis thoughts? thinking comment "
    "intent attempt suggestion proposal command order directive level difficulty assistant user human system ai bot chatbot model me"
)
"""What a writer was given or gives beside the prompt, and who speaks in a dialogue."""
_NUMBER = r"(?: (?:no\. ?|#)?(?:\d{1,2}|[a-d]|one|two|three)\b)?"
_MINE = rf"my(?= {KIND} (?:is|reads)| attempt| suggestion| proposal| version| rewrite| {MADE})"
"""A label if this follows; "My question:" alone is what people say."""
_COLON = r"[\"'*_]{0,3} ?(?::|=|-(?= )|\u2013|\u2014)"
_LABELS = any_of(
    r"^\W{0,4}(?:q ?\d{0,2}[.:)\]]|q -|a ?\d{0,2}[:)\]])",
    # Harder question: | Topic: | Image description: | Option 2 - | The request is: | Question for this image:
    rf"{OPENING}(?:(?:the|your|main|harm|user|text|{IMAGE}|{KIND}|{_MINE}|{MADE}) ){{0,4}}(?:{FORM}|{_PART}){_NUMBER}(?: \([^()]{{1,40}}\))?"
    rf"(?: (?:for|about|on|of|to accompany|regarding) (?:the|this) (?:{IMAGE}|{KIND})(?: above| below)?)?"
    rf"(?: (?:is|are|would be|could be|might be|becomes|reads?|goes|as follows))?{_COLON}",
    rf"{OPENING}text (?:for|to accompany|to go with) (?:the|this) {IMAGE}{_COLON}",
    # Rewritten: | As a request: | Turned into a statement: | In other words: | Try this one:
    rf"{OPENING}{MADE}[*_]{{0,3}} ?:",
    rf"{OPENING}(?:or,? )?{SOME}{{0,3}}?(?:as|into|in the form of) an? (?:{MADE} ){{0,2}}{FORM}[*_]{{0,3}} ?:",
    rf"{OPENING}(?:in other words|put differently|(?:try|use|consider) this(?: one| {KIND})?) ?:",
    # Question How ... | (Question) ... | A question that might elicit harm is: ...
    rf"^\W{{0,4}}{KIND}(?:[.)\]]| (?=(?:how|what|why|who|where|which|when)\b))",
    rf"{OPENING}(?:a|one|the) {KIND} (?:that|which|for|about) [^.?!]{{3,80}} (?:is|would be|could be|might be) ?[:\"]",
)
_ASSENT = one_of(
    "sure sure_thing certainly of_course absolutely definitely okay ok alright all_right great got_it understood no_problem gladly perfect noted "
    "hello hi hi_there thank_you[^.!?:,]{0,60} thanks[^.!?:,]{0,60}"
)
_PRAISE = (
    rf"(?:what )?(?:an? )?{one_of('great good nice interesting fascinating excellent')} (?:{IMAGE}|question|one|idea)"
)
_ASSISTANT = r"(?:here|let me|let's|below|happy|this is|based on|the (?:user|task)|as (?:you|requested)|i'|i (?:will|would|can|have|am|see|understand)\b)"
"""How only an assistant goes on: "Sure, the door is locked, but is there a window?" is a prompt."""
_IS = r"(?:here(?:'s| is| are| comes)|below (?:is|are)|(?:this|these|the following) (?:is|are|would be)|how about|what about)"
_WRITES = one_of(
    "re-?written re-?wrote re-?worded re-?phrased re-?formulated rewrite rephrase changed? made make kept keep modified turned adapted wrote written "
    "write created? generated? produced? propose suggest came_up_with come_up_with chose chosen formulated? crafted? phrased?"
)
_PREFACES = any_of(
    # Sure! ... | Okay, here ...
    rf"^\W{{0,4}}(?:{_ASSENT}|{_PRAISE})(?:[!.:]| ?[-\u2013\u2014] |,? (?:so )?{_ASSISTANT})",
    # Here is a rewritten question | Here are two options: | How about this: -- but "Here is the staff photo; ..." is a prompt
    rf"\bhere(?:'s| is| are| comes) {SOME}{{0,4}}?(?:(?:{MADE} ){{1,3}}{FORM}|{FORM} for (?:you|the|this)\b)",
    rf"\b{_IS} {SOME}{{0,8}}?(?:{FORM}|suggestions?|attempts?|options?|examples?|one|ideas?|this)\b[^.?!:]{{0,80}}:",
    r"\bhere (?:you (?:go|are)|it (?:is|goes)|we go|goes)\b",
    rf"\b(?:suggest|propose|offer) (?:the following|this|an?|another) {SOME}{{0,2}}?{FORM}\b",
    rf"\bthe following is an? {SOME}{{0,2}}?{FORM}\b|\bplease find\b|\bas follows:",
    # A possible question would be | One could ask: | a harmless question
    rf"{OPENING}(?:a|an|the|my|one|another|your) (?:{MADE} ){{1,3}}{FORM}\b[^.?!:]{{0,60}}? (?:is|are|(?:would|could|might|may|can) be|reads?)\b",
    r"\b(?:one|i|you|we|(?:a|the) (?:user|person)|someone|somebody|people)(?:'d| could| might| may| can| would)?(?: then| also| instead)? "
    rf"{one_of('ask suggest propose go_with phrase_it word_it put_it')}[\w' ]{{0,30}}:",
    rf"\b{TELLING},? (?:question|statement|request|prompt|query|twin|alternative|version)\b",
    r"\b(?:re-?written|re-?phrased|re-?worded|reformulated) as\b",
    rf"\bto make (?:(?:the|this|your) {KIND}\b|it (?:harder|tougher|{TELLING})\b)",
    # I have reworded your request | I tried to make it short | I'll ask
    rf"\bi(?:'ve|'ll|'d| have| had| will| would)?(?: now| also| just| only)? {_WRITES} (?:the|your|this|an?|one|that|my) (?:{MADE} |given ){{0,3}}{FORM}\b",
    rf"\bi(?:'ve| have)? tried to (?:keep|make) (?:it|the {KIND})\b|^i(?:'ll| will) ask\b",
    # You asked ... | As requested, ... | I can certainly help
    r"^you asked\b|\b(?:what|as) you(?:'ve| have)? (?:asked|requested)(?: me)? (?:for|to)\b|\bas (?:you )?requested(?:[,.:]| by)",
    r"\bit seems (?:that )?you want\b|\blooks like you(?:'re| are) asking\b|^(?:that's|that is) an? [\w'-]{1,20} (?:question|one|request)[!.]",
    r"\b(?:happy|glad|delighted) to (?:help|assist)\b|\bi can (?:certainly |definitely )help\b",
    # what it was given, named as such
    rf"\bbased (?:up)?on (?:the|this|your|that) {IMAGE} (?:and|with) (?:its|the|your) \w{{3,15}}",
    rf"\bbased (?:up)?on (?:the|this|your|that) {SOME}{{0,2}}?(?:topic|category|subcategory|definition|guidelines|instructions)\b",
    r"\bbased (?:up)?on (?:the|this|your|that) (?:caption|description)(?=[,.]| provided| given| of the)",
    rf"\b(?:{IMAGE}|caption|topic|category|{KIND}) (?:that |which )?(?:you(?:'ve| have)? (?:provided|given|gave|uploaded|shared|sent)|provided)\b",
    rf"\bthe (?:given|provided|above) (?:{KIND}|{_PART}|{IMAGE})\b",
)


def fault(text: str, kind: Kind, language: str = "en") -> str | None:  # noqa: ARG001 -- writers fall into English, whatever is wanted
    """`given` prompts pass: to label and to speak of questions is people's right."""
    if kind == "given":
        return None
    seen = read(text).lower
    return REASON if _LABELS.search(seen) or _PREFACES.search(seen) else None
