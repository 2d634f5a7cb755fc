"""As much English as it takes to tell a question and a request from a statement, without parsing: lists of short words, and a
few endings."""

from pipeline.gates.wording import one_of

AUXILIARY = (
    r"(?:"
    + one_of(
        "is are was were am do does did has have had can could will would shall should may might must need dare ought"
    )
    + r"(?:n't)?|can't|won't|ain't)"
)
ASKING = one_of("what which who whom whose how why where when")
BEFORE = one_of(
    "and or but so then now please also well yet if_so if_not in on at by for to from with of about under after before until since "
    "through into behind over during within among between against besides along above below beneath onto upon near beside beyond via per"
)
"""What may stand between the head of a clause and the word that asks: "and in which", "but is it"."""
VERBS = one_of(
    "write draft compose create make give tell show list describe explain help teach suggest recommend design turn rewrite reword "
    "rephrase translate summarise summarize invent imagine pretend convince persuade argue defend justify find figure_out get take use "
    "put add complete continue finish fill read follow carry_out do_as do_exactly do_the do_what do_it do_so answer reply respond treat "
    "look choose pick select compare count calculate estimate identify spot decide arrange outline sketch produce generate provide "
    "prepare come_up_with come_with let keep leave remove replace edit improve shorten expand extend elaborate spell caption mock insult "
    "tease ridicule praise thank invite ask call send share sell promote advertise talk walk_me guide instruct advise solve act build "
    "cook bake sing say state discuss analyse analyze assess review report_on sum_up break_down set_up work_out think_of speak "
    "go_through do_not don't be begin start type perform execute transcribe interpret obey apply prove proceed carry_on pass_on reveal "
    "simulate narrate brainstorm role-play roleplay imitate comply zoom swear speculate gossip focus hint have_the have_a have_him "
    "have_her have_them"
)
"""Verbs that open a request whatever follows; of others, an object must."""
OBJECT = (
    r"(?:every\w{0,4}|some\w{0,4}|any\w{0,5}|\"x\"|"
    + ASKING
    + "|"
    + one_of(
        "the a an this that these those my your his her its our their me us him them it you nothing nobody all both each no more up out "
        "off away down back through about into against whether if"
    )
    + ")"
)
"""What an object may begin with."""
CLOSED = one_of(
    "the a an this that these those my your his her its our their i you he she it we they me him us them who what which whose how why "
    "where when while if because since although though unless until as like in on at by for to from with of about under over above "
    "below behind beside besides near next between among during within without inside outside against across along around through past "
    "toward towards before after there here then now first not no yes only just even perhaps maybe once soon such quite rather many "
    "much most more several some any all both each every half one two three four five is are was were am do does did has have had can "
    "could will would shall should may might must and or but so than yet still also too very almost nearly nobody everybody somebody "
    "everyone someone anyone nothing everything something men women people children"
)
"""Words that are no verbs of a request, though an object may follow."""
NO_VERB = r"[a-z-]{0,15}(?:[aeiou][a-z]{0,6}ing|[^e]ed|[^p]ly|[^s]s|(?<!ques)(?<!men)(?<!cau)tion|sion|ness|ment|ity|ance|ence|ism)"
"""What ends like this is another form, an adverb, a plural or an abstract noun; bring, feed, supply and discuss are not."""
LEAD = (
    r"(?:(?:"
    + one_of(
        "please now then so and but just also next kindly instead finally simply always never do go_ahead_and hey well ok okay otherwise"
    )
    + r"|\w{2,12}ly),? ){0,3}"
)
"""What may stand before a request's verb."""
WISHES = one_of(
    "want need wish hope plan intend aim expect demand desire dream must will shall would like love prefer request ask beg dare bet "
    "challenge urge insist mean_to have_to have_decided could_use could_do_with"
)
INTENDS = one_of(
    "going about planning looking trying thinking after determined considering preparing working writing making hoping in_need"
)
SUBORDINATE = one_of(
    "if when whenever now once while because since as although though unless until before after for with without in on at by from to "
    "using given considering imagine assuming suppose supposing judging besides instead rather despite under like among based"
)
"""Open a clause whose comma the main clause follows."""
