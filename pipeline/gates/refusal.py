"""The writer declines in place of a prompt.

People refuse too, and prompts speak of it. So words in quotation marks are left aside; "I can't ..." counts only at the head of
a clause (not "a seller who says that he can't") and only of a writer's work ("write this request"); and a question or a request
that follows makes it a prompt: "I can't answer the question on this card. What is meant?" What only an assistant says of itself,
or of what it was asked for, counts wherever it stands.
"""

import re

from pipeline.gates import form
from pipeline.gates.reading import Reading, read
from pipeline.gates.wording import any_of, one_of
from pipeline.tables import Kind

REASON = "refusal instead of a prompt"

_THING = one_of(
    "requests? questions? statements? prompts? query queries content material texts? tasks? lists? instructions? information captions? twins? topics? "
    "such that this it anything something"
)
"""What a writer was asked for, or to write about."""
_WORK = (
    one_of(
        "help assist provid creat generat writ produc fulfill? compl answer continu support engag participat rewrit mak identify discuss offer suggest "
        "encourag promot facilitat respond process shar complet carry follow giv turn condon recommend rephras reword formulat phras craft take proceed "
        "transcrib describ endors act"
    )
    + r"(?:e|y|ing|ying)?\b"
)
"""What it does with it: stems, for all forms."""
_NOT = one_of(
    "can't cannot can_not couldn't could_not won't will_not wouldn't would_not shouldn't should_not don't do_not unable not_able not_allowed "
    "not_permitted not_going not_willing not_comfortable uncomfortable refuse decline rather_not prefer_not choose_not mustn't must_not may_not "
    "not_to not_in_a_position"
)
_LINKS = ("but", "so", "and", "that", "because", "since", "as", "however", "therefore", "afraid", "sorry")
_HEAD = r"(?:^|(?<=[.!?;:,\u2014\u2013-] )|(?<=\u2014)|" + "|".join(rf"(?<=\b{word} )" for word in _LINKS) + ")"
"""Of a clause."""
_WORDS = r"(?: [\w'-]{1,15})"
"""Any word and the space before it."""

_DECLINES = any_of(
    # I'm not able to complete lists that ... | I don't feel comfortable writing a statement
    rf"\b(?=[iw]){_HEAD}(?:i|we)\b(?:'\w{{1,2}}\b)?{_WORDS}{{0,3}}? {_NOT}\b,?{_WORDS}{{0,4}}? {_WORK}{_WORDS}{{0,7}}? {_THING}\b",
    # I won't help with ... | I can't assist. | I cannot see an image.
    rf"\b(?=[iw]){_HEAD}(?:i|we)\b(?:'\w{{1,2}}\b)?{_WORDS}{{0,3}}? {_NOT}\b,?{_WORDS}{{0,4}}? (?:(?:help|assist)(?:ing)? (?:you|with|to)\b|(?:assist|comply)[.!,])",
    rf"\b(?=[iw]){_HEAD}(?:i|we)\b(?:'\w{{1,2}}\b)?{_WORDS}{{0,3}}? {_NOT} (?:see|view|open|access|find) (?:an?|any|the|this|your) (?:image|picture|photo)\b",
    # I must decline, since ... | I'm going to have to pass on this
    rf"\b(?=[iw]){_HEAD}(?:i|we)(?:'m|'ll|'d| am| will| would)?(?: going to)? (?:must|have to|need to|feel obliged to)(?: \w{{4,15}}ly)? (?:decline|refuse|refrain|abstain|pass|say no)\b",
)
_VERDICT = one_of(
    "inappropriate unethical harmful unsafe disallowed denied declined refused blocked rejected flagged outside"
)
_SELF = any_of(
    # As an AI language model | our usage policy | I was designed not to
    rf"\b(?:as|i'm|i am)(?: only| just)? an? (?:[\w-]{{2,15}} ){{0,2}}(?:ai|language model|{one_of('helpful responsible harmless safe virtual')} assistant)\b",
    rf"\bai (?:language )?model\b|\bmy (?:guidelines|programming|polic(?:y|ies)|developers)\b|\bi(?:'m| am) here to {one_of('help assist provide support')}\b",
    r"\b(?:my|our|openai's|the|safety) (?:[\w-]{2,15} )?(?:usage|content|safety|use|ethical|ethics)(?: and \w{2,12})? (?:polic(?:y|ies)|guidelines|standards|rules)\b",
    r"\b(?:was|am|'m|been) (?:programmed|designed|trained|built|instructed|made) (?:not )?to "
    rf"{one_of('avoid refuse decline be act promote follow help not do write create generate produce answer')}\b",
    r"\bi (?:strive|aim) to (?:be|provide|promote|avoid|keep)\b",
)
_ASKED = any_of(
    # It's not appropriate to write a question | Creating such a request would be unethical
    r"\b(?:it|that|this)(?:'s| is| would be|'d be| wouldn't be| isn't| seems| feels) (?:\w{3,12} )?(?:not )?"
    rf"{one_of('appropriate inappropriate ethical unethical acceptable unacceptable responsible irresponsible wrong harmful right okay possible')}"
    rf"(?: for me)? to {_WORK}{_WORDS}{{0,7}}? {_THING}\b",
    rf"\b(?=\w{{3,11}}ing ){_HEAD}{_WORK}(?<=ing){_WORDS}{{0,12}}? (?:would|is|could|might|may|can|goes|must|will)(?: \w{{2,12}}){{0,2}}? "
    rf"{one_of('unethical wrong inappropriate harmful irresponsible against illegal unacceptable dangerous something not cause harm hurt lead')}\b",
    # This content may violate ... | The request seems inappropriate | No question was generated
    rf"\b(?=[tyswi]){_HEAD}(?:this|that|your|the|such an?|it|what you ask for){_WORDS}{{0,4}}? (?:violates?|goe?s? against|conflicts? with|breach(?:es)?|contravenes?|crosses) "
    r"(?:my|our|the|any|\w{3,12} (?:polic|guideline|standard|rule))",
    rf"\b(?=[tyswi]){_HEAD}(?:this|that|your|the|such an?){_WORDS}{{0,2}}? (?:request|question|content|prompt|statement|query|topic|task){_WORDS}{{0,3}}? "
    rf"(?:{_VERDICT}|not (?:something|allowed|appropriate|permitted|acceptable|possible))\b",
    rf"\bno {_THING}(?: \w{{2,12}})? (?:was|is|can be|could be|will be|has been|were)(?: \w{{2,12}})? {one_of('generated written created produced provided possible available given returned')}\b",
    r"\b(?:request|content|prompt|response) (?:denied|declined|refused|blocked|removed|filtered|withheld|rejected)\b|\b(?:request|question|prompt|statement) asks me to\b",
    r"\bsomething (?:that )?(?:i|we)(?:'m|'ll|'d)? (?:\w{2,10} ){0,2}?(?:have to decline|decline|refuse|not|can't|cannot|won't|can (?:help|do|write|create|support)|must|able|willing|comfortable)\b",
    r"\bno (?:image|picture|photo) (?:was |is )?(?:attached|provided|visible|given)\b|\bplease (?:upload|attach|share) (?:it|an?|the|your|another)\b",
)
_INSTEAD = any_of(
    # Could I offer you ... | another question that I may write for you | Let's talk about something else
    r"\b(?:could|can|may|would|shall|might) (?:i|we) (?:offer you|offer an?|suggest|propose|interest you|help you with|(?:choose|pick|find|try|talk about|discuss) (?:an? )?(?:more|something|another|different|other))\b",
    rf"\b(?:some|any)thing else (?:i can|you(?:'d| would))|\b(?:another|different|other) {_THING}{_WORDS}{{0,6}}? i (?:can|may|could|might)\b",
    r"\bi(?:'d| would| can|'ll| will) (?:be (?:happy|glad) to|gladly|happily|instead)\b|\bi(?:'d| would)? encourage you to\b",
    rf"\b(?:please|let's|perhaps|how about) (?:[\w']{{2,12}} ){{0,4}}?(?:something (?:else|more|different)|a different {_THING}|another {_THING}|instead)\b",
    r"\b(?:another|different|other) topic\b|\b(?:talk|chat) about something (?:else|more|different)\b|\bkeep (?:it|this|things) (?:respectful|civil)\b",
)


def fault(text: str, kind: Kind, language: str = "en") -> str | None:  # noqa: ARG001 -- writers refuse in English, whatever is wanted
    """Whether the text declines. `given` prompts pass: whoever sends one wants something."""
    if kind == "given":
        return None
    seen = read(text)
    if any(part.search(seen.lower) for part in (_SELF, _ASKED, _INSTEAD)):
        return REASON
    found = _DECLINES.search(seen.lower)
    return REASON if found and not _wants(seen, found.end()) else None


def _wants(seen: Reading, start: int) -> bool:
    """Whether a question or a request begins after this place."""
    later = re.split(r"[.!?;:,] ", seen.lower[start:], maxsplit=1)[1:]
    return bool(later) and (later[0].endswith("?") or form.asks(later))
