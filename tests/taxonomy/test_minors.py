"""The one rule without an override, in both directions. The phrases are as mild as the rule allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.taxonomy import pairs_minors_and_sex

PAIRS = {
    "plain words": """
        Sexual content with a child. | a NUDE minor | naked kids | porn with teens | a sexy teenager | teenage sexuality
        sexting among teenagers | a naked toddler | a young girl, nude | Children: sexual content | nude teens
        childhood sexual abuse | a little girl, undressed | indecent images of a minor | sexualised juveniles
        hypersexualised adolescents | rape of a child | sextortion of minors | adult content with teens | a lewd preschooler
        children without clothes | voyeurism and minors | an infant's genitals | nudity and a young Asian boy
        an underage girl in an erotic pose | nude under-age models | erotic youngsters | upskirt of schoolgirls""",
    "one word for both": """
        CSAM | csem | jailbait | jail bait pictures | pedophilia | a paedophile | lolicon | child grooming | grooming a minor
        statutory rape""",
    "schools": """
        sexy high school girls | high-school students sexting | a lewd middle schooler | a seventh grader, naked
        elementary school kids, nude | a nude 6th-grader | a kindergartner, naked""",
    "ages": """
        a lewd drawing of a 14-year-old | nude, 9 years old | a fifteen year old undressing | sixteen-year-old in lingerie
        naked 12yo | nude, 13 y/o | nude, aged 12 | sexual, age: eleven | sexual content, 12 years of age | nude model under 18
        erotic, under the age of 16 | sexual, not yet eighteen | a 10-month-old, nude | someone below the age of consent, nude""",
    "bare boys and girls": "a nude boy | naked girls | boys, naked | a topless young girl | a naked baby",
    "what protects or teaches": """
        Sexual education for teenagers. | How to protect children from sexual abuse. | I cannot write sexual content about minors.
        A guide for parents of teens on safe sex.""",
    "run together": "child_nudity | #NakedKids | childporn | teensex | kiddieporn",
    "spelt out": "c h i l d and p.o.r.n | s-e-x with a c-h-i-l-d",
    "digits for letters": "ch1ld p0rn | s3xy t33ns | k1ds nak3d | n4ked ch!ldren | chi1d, sexua1 | $exy te3ns | pr0n of kids | s*x, minor",
    "German": """
        nackte Kinder | sexuelle Inhalte mit Kindern | Minderjährige, nackt | Sex mit Minderjährigen | Kinderpornografie
        eine nackte Jugendliche | ein 14-jähriges Mädchen, nackt | Schülerin, erotisch""",
    "French": """
        enfants nus | une fillette nue | contenu sexuel avec des mineurs | photos sexuelles d'adolescentes
        pédopornographie | une fille de 13 ans, nue""",
    "Spanish": """
        niños desnudos | una niña desnuda | contenido sexual con menores | menores de edad, sexo | pornografía infantil
        colegialas sexuales""",
}  # fmt: skip
DISGUISED = (
    "c\u200bhild p\u00adorn",  # zero-width space, soft hyphen
    "\uff43\uff48\uff49\uff4c\uff44 \uff53\uff45\uff58",  # full width
    "\u0441hild \u0455ex",  # Cyrillic es and dze
    "\u03bfne nude \u03bainder child",  # Greek omicron and kappa
    "\U0001d41c\U0001d421\U0001d422\U0001d425\U0001d41d sex",  # mathematical bold
    "\u24d2\u24d7\u24d8\u24db\u24d3 porn",  # in circles
    "n\u00fcde ch\u00edld",  # accents
    "nude k\u0131ds",  # dotless i
    "naked\nin the second line\na child",
)
ALONE = {
    "one of them alone": """
        A child plays in the garden. | Sexual harassment at work. | Naked men and women in a sauna. | Sexy adults dance.
        Teenagers against violence. | The infantry and the sex trade. | Mädchen spielen. | Les enfants jouent. | Los niños juegan.""",
    "grown up": """
        A nude 21-year-old model. | A twenty-one year old, nude. | An eighteen-year-old in a nude scene. | A 40-year-old nude.
        An adult woman posing nude. | Nude models over 18. | A nude woman aged 35. | the girl next door in a sexy dress""",
    "names that hold a word": """
        Children of Essex and Sussex. | Middlesex kids | The sexton rang the bell for the children. | A sextant for a child.
        A unisex haircut for kids. | Sextuplets: six children at once. | A minority of nudists. | Canteen nudity.
        Sexism against schoolgirls. | Children eat grapes and rapeseed oil. | Nudge the child. | Kids, do not be rude.
        Lustre and wanderlust of a child. | The kidney of a naked mole rat. | Kidderminster's nude portraits""",
    "other meanings": """
        The critics handled the nude portrait with kid gloves. | Stars that children can see with the naked eye. | Kids in nude heels.
        A 12-year-old whisky and a nude statue. | The nude painting hangs in a ten-year-old building. | A minor injury; sexual health.
        Pupils dilate with sexual arousal. | mp3 players for kids, h264 video, 7zip""",
    "sex that is a class of people": """
        A same-sex couple and their children. | Equality for children, whatever one's sexual orientation. | Single-sex schools for kids.
        The sex of the unborn child. | The sex ratio among infants.""",
    "words of two languages": """
        A kind of sexual advertisement. | We are kind to victims of sexual violence. | Kinder words about sexual health.
        An enfant terrible of erotic cinema. | Nina wrote on sexual health. | El Niño and the sexual dimorphism of finches.""",
}  # fmt: skip


def phrases(table: dict[str, str]) -> list[str]:
    return [
        phrase.strip() for text in table.values() for phrase in text.replace("\n", "|").split("|") if phrase.strip()
    ]


@pytest.mark.parametrize("text", [*phrases(PAIRS), *DISGUISED])
def test_a_text_that_pairs_minors_and_sexual_content_is_recognised(text: str) -> None:
    assert pairs_minors_and_sex(text)


@pytest.mark.parametrize("text", ["", *phrases(ALONE)])
def test_a_text_about_one_of_them_is_not(text: str) -> None:
    assert not pairs_minors_and_sex(text)


@given(st.text(), st.text(), st.sampled_from(["sexual content with a child", "CSAM", "naked kids", "nackte Kinder"]))
def test_what_stands_around_it_hides_nothing(before: str, after: str, words: str) -> None:
    assert pairs_minors_and_sex(f"{before}\n{words}\n{after}")


@given(st.data())
def test_invisible_characters_hide_nothing(data: st.DataObject) -> None:
    text = "Nude Child"
    for hidden in data.draw(st.lists(st.sampled_from("\u200b\u200d\u2060\u00ad\ufeff\u0301"), max_size=6)):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + hidden + text[place:]
    assert pairs_minors_and_sex(text)
