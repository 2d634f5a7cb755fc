"""Whether a text has its kind's form: one question, a request, or either.

No grammar is parsed. A question is known by its end and by a word or an inversion that asks; a request by a verb at the head
of a clause, or by somebody's saying what they want. What shows neither (a caption, an answer, a story) is not asked of anybody.
"""

import re

from pipeline.gates.reading import Reading, read
from pipeline.gates.wording import one_of
from pipeline.tables import Kind

REASON = "wrong form"

_AUXILIARY = rf"(?:{one_of('is are was were am do does did has have had can could will would shall should may might must need dare ought')}(?:n't)?|can't|won't|ain't)"
_ASKING = one_of("what which who whom whose how why where when")
_BEFORE = one_of(
    "and or but so then now please also well yet if_so if_not in on at by for to from with of about under after before until since through into behind over during within among between against besides along above below beneath onto upon near beside beyond via per"
)
_ASKS = re.compile(
    rf"\b{one_of('what how why whose whom')}\b"
    rf"|(?:^|[,(] ?|\"x\"[,)]? ?|\b{_BEFORE} ){one_of('which who where when')}\b"
    rf"|(?:^|[,(] ?)(?:{_BEFORE} ){{0,2}}{_AUXILIARY} \S"
    r"|^(?:any|anyone|anybody|anything|ever|want|mind|care|remember|know|got|ready)\b"
    rf"|, ?(?:{_AUXILIARY}(?: not)? (?:i|it|he|she|we|they|you|there|this|that|one)|right|correct|no|yes|eh|huh|true|okay)\?",
    re.IGNORECASE,
)
"""In the sentence that ends in a question mark: a word that asks, an inversion at the head of a clause, or a tag."""
_QUESTION_MARKS = re.compile(r"\?[?!]{0,20}")
_ENDS_IN_QUESTION = re.compile(r"[?\u061f][?!]{0,20}[\"')\]]{0,2}$")

_VERBS = one_of(
    "write draft compose create make give tell show list describe explain help teach suggest recommend design turn rewrite reword rephrase translate summarise "
    "summarize invent imagine pretend convince persuade argue defend justify find figure_out get take use put add complete continue finish fill read follow "
    "carry_out do_as do_exactly do_the answer reply respond treat look choose pick select compare count calculate estimate identify spot decide arrange outline sketch "
    "produce generate provide prepare come_up_with come_with let keep leave remove replace edit improve shorten expand extend elaborate spell caption "
    "mock insult tease ridicule praise thank invite ask call send share sell promote advertise talk walk_me guide instruct advise solve act build cook "
    "bake sing say state discuss analyse analyze assess review report_on sum_up break_down set_up work_out think_of speak go_through do_what do_not don't be begin start type perform execute "
    "transcribe interpret obey apply prove proceed carry_on pass_on reveal simulate narrate brainstorm role-play roleplay imitate comply zoom swear speculate gossip focus hint have_the have_a have_him have_her have_them do_it do_so"
)
"""Verbs that open a request whatever follows; of others, an object must."""
_OBJECT = rf"(?:the|an?|th(?:is|at|ese|ose)|my|your|his|her|its|our|their|me|us|him|them|it|you|every\w{{0,4}}|some\w{{0,4}}|any\w{{0,5}}|nothing|nobody|all|both|each|no|more|up|out|off|away|down|back|through|about|into|against|{_ASKING}|whether|if|\"x\")"
_CLOSED = one_of(
    "the a an this that these those my your his her its our their i you he she it we they me him us them who what which whose how why where when while if "
    "because since although though unless until as like in on at by for to from with of about under over above below behind beside besides near next between "
    "among during within without inside outside against across along around through past toward towards before after there here then now first not no yes only "
    "just even perhaps maybe once soon such quite rather many much most more several some any all both each every half one two three four five is are was were "
    "am do does did has have had can could will would shall should may might must and or but so than yet still also too very almost nearly nobody everybody somebody "
    "everyone someone anyone nothing everything something men women people children"
)
_NO_VERB = r"[a-z-]{0,15}(?:[aeiou][a-z]{0,6}ing|[^e]ed|[^p]ly|[^s]s|(?<!ques)(?<!men)(?<!cau)tion|sion|ness|ment|ity|ance|ence|ism)"
"""What ends like this is another form, an adverb, a plural or an abstract noun; bring, feed, supply and discuss are not."""
_LEAD = r"(?:(?:please|now|then|so|and|but|just|also|next|kindly|instead|finally|simply|always|never|do|go ahead and|hey|well|ok|okay|otherwise|\w{2,12}ly),? ){0,3}"
_REQUEST = re.compile(
    rf"^\W{{0,3}}{_LEAD}(?:{_VERBS}\b|(?!{_CLOSED}\b|{_NO_VERB}\b)[a-z][a-z-]{{1,20}}(?: and [a-z]{{2,12}})? {_OBJECT}\b)",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"\b(?:i|we)(?:'d)? (?:\w{2,12}ly |also |just |still |really )?"
    + one_of(
        "want need wish hope plan intend aim expect demand desire dream must will shall would like love prefer request ask beg dare bet challenge urge insist mean_to have_to have_decided could_use could_do_with"
    )
    + r"\b|\b(?:i|we)'ll\b|\b(?:i'm|i am|we're|we are) (?:\w{2,12}ly |also |just |still )?"
    + one_of(
        "going about planning looking trying thinking after determined considering preparing working writing making hoping in_need"
    )
    + r"\b|\b(?:my|our|the) (?:plan|goal|aim|wish|intention|idea|hope|dream) is\b|\b(?:all|what) (?:i|we) (?:want|need)\b|\blet's\b|\btime to\b|\bplease\b"
    r"|^(?:looking for|wanted:|need(?:ed)?)\b",
    re.IGNORECASE,
)
"""Somebody says what they want, or mean to do."""
_SUBORDINATE = re.compile(
    rf"^(?:{one_of('if when whenever now once while because since as although though unless until before after for with without in on at by from to using given considering imagine assuming suppose supposing judging besides instead rather despite under like among based')}|\w{{2,15}}ing)\b",
    re.IGNORECASE,
)
"""Opens a clause whose comma the request may follow: "If anybody asks, write ..."."""
_BRIEFLY = re.compile(
    rf"(?!{one_of('the a an this that these those my your his her its our their i you he she it we they there')}\b)\w{{2,15}}(?: [\w-]{{1,15}}){{0,3}},",
    re.IGNORECASE,
)
"""Or a few words do: "First, ...", "Step by step, ..."."""
_AFTER_COMMA = re.compile(r", (?:(?:so|then|and|but|please) ){0,2}")
_AND_THEN = re.compile(r", (?:so|and then|then|and|but)(?: please)? ")
_OPEN_END = re.compile(
    rf"\b{one_of('the a an and or but because my your our their if than')}[.?!]{{0,3}}$|[,:;(-]$|\b{one_of('of to with in on at by for from into is are was were that which who as about')}(?:\.\.\.)?$",
    re.IGNORECASE,
)
"""The text stops where more must come."""
_POLITE = re.compile(r"\b(?:can|could|would|will) you\b", re.IGNORECASE)


def fault(text: str, kind: Kind, language: str = "en") -> str | None:
    """Of languages other than English only the question mark is looked at; of `given` prompts nothing."""
    if kind == "given":
        return None
    seen = read(text)
    if language != "en":
        return (
            None
            if kind in ("benign_twin", "typographic") or _ends_in_question(seen) != (kind == "hard_statement")
            else REASON
        )
    question, request = is_question(seen), is_request(seen)
    fits = {
        "easy_question": question,
        "hard_question": question,
        "hard_statement": request,
        "benign_twin": question or request,
        "typographic": request or (question and bool(_POLITE.search(seen.unquoted))),
    }
    return None if fits[kind] else REASON


def is_question(seen: Reading) -> bool:
    """One question, at the end; sentences may stand before it."""
    inside = not seen.unquoted.endswith(("?", "!", ")")) and _ends_in_question(seen)  # ... to "Who are you?"
    marks = len(_QUESTION_MARKS.findall(seen.unquoted)) + inside
    if marks != 1 or not _ends_in_question(seen) or _OPEN_END.search(seen.unquoted):
        return False
    return any(_ASKS.search(clause) for clause in seen.clauses()[-2:])


def is_request(seen: Reading) -> bool:
    """Somebody is told or asked to do something, or told what one wants; no question."""
    if _QUESTION_MARKS.search(seen.unquoted) or _OPEN_END.search(seen.unquoted):
        return False
    return seen.plain[-1:] in ".!\"')]" and asks(seen.clauses())


def asks(clauses: list[str]) -> bool:
    """Whether one of these clauses is a request or a wish."""
    return any(_WISH.search(clause) or any(map(_REQUEST.match, _heads(clause))) for clause in clauses)


def _heads(clause: str) -> list[str]:
    """Where in a clause a request may begin: at its head, after "..., so" and after an opening subordinate clause."""
    commas = _AFTER_COMMA if _SUBORDINATE.match(clause) or _BRIEFLY.match(clause) else _AND_THEN
    return [clause, *(clause[found.end() :] for found in commas.finditer(clause))]


def _ends_in_question(seen: Reading) -> bool:
    return bool(_ENDS_IN_QUESTION.search(seen.plain))
