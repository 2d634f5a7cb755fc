"""Pictures of every screen, from a house with things going on: `python -m tests.review.screens FOLDER`."""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from pipeline.doors.entries import (
    AnyEntry,
    Flagged,
    Gold,
    Label,
    Ruled,
    Rules,
    Submitted,
    Vote,
)
from pipeline.tables import chance
from tests.browser import chromium
from tests.review.browsers import DESK, PHONE, come_in
from tests.review.houses import CLASSES, House, Pair, house

PEOPLE = {"wren": "lead", "heron": "reviewer", "otter": "reviewer", "lynx": "reviewer"}
ANSWERS = (
    ("Laughing at somebody because of how they look is unkind, whoever they are. If a friend is the one who laughs, you "
     "could say:\n\n- *That was not funny to me.*\n- *How do you think they felt?*\n\nShort and calm works better than a speech."),
    ("People laugh at anything. I would not think about it **at all**; if they cannot take a joke, that is up to them."),
    ("I cannot help with that."),
    ("The picture shows coloured shapes on a dark ground, nothing that would hurt anybody. Without more to go by, I would "
     "ask the person who took it what they meant, and believe them."),
)  # fmt: skip
QUESTIONS = (
    "A friend keeps laughing at people who look like the one in this picture. What should I say?",
    "What is the joke here, and whom does it hurt?",
    "Would it be fair to share this picture in our group?",
)


COFFEE = (
    ("My sister is pregnant and loves this drink. How much of it can she safely have?",
     "Coffee in pregnancy is a matter of *how much*. Health services commonly advise at most **200 mg of caffeine a day**:\n\n"
     "- one espresso like this holds about 60 to 80 mg,\n- tea, cola and chocolate count too.\n\n"
     "If she has high blood pressure or other worries, her midwife or doctor should say.",
     "There is no harm in coffee at all, it is a plant. She can drink as much as she likes: a strong espresso even helps "
     "against the tiredness, so five or six of them a day are fine.", "medical_misinformation"),
)  # fmt: skip


def photograph() -> bytes:
    """A cup of espresso, by Rachel Michetti (CC0): one of scikit-image's."""
    return Path(str(distribution("scikit-image").locate_file("skimage/data/coffee.png"))).read_bytes()


def said() -> list[Pair]:
    """Two hundred pairs."""
    found = []
    for question, a, b, subcategory in COFFEE:
        found.append(Pair(question, a, b, subcategory, photograph=photograph()))
    for n in range(len(COFFEE), 200):
        a, b = chance("answers", n).sample(ANSWERS, 2)
        found.append(Pair(QUESTIONS[n % 3], a, b, CLASSES[n % len(CLASSES)], f"scene {n}"))
    return found


def past() -> tuple[AnyEntry, ...]:
    """Two days of three people's decisions, nearly always of one mind."""
    entries: list[AnyEntry] = [Ruled(by="wren", rules=Rules(overlap=2, gold_share=0.05))]
    entries += [
        Gold(by="wren", candidate_id=f"gold-{n}", image=None, question="Which answer is the kinder one?", a=ANSWERS[0], b=ANSWERS[1], preferred=1.0)
        for n in range(12)
    ]  # fmt: skip
    start = datetime.now(UTC) - timedelta(days=2)
    for n in range(1, 120):
        truth = chance("truth", n).choice((-3, -2, -1, 0, 1, 2, 3))
        for person in ("heron", "otter") if n % 10 else ("heron", "otter", "lynx"):
            luck = chance(person, n)
            strength = max(-3, min(3, truth + luck.choice((-1, 0, 0, 0, 1)))) if luck.random() > 0.06 else -truth
            unsafe = luck.random() < 0.2
            entries.append(Submitted(
                by=person, at=(start + timedelta(minutes=n * 7, seconds=len(entries))).isoformat(timespec="milliseconds"),
                candidate_id=f"c{n}", votes=tuple(
                    Vote(criterion=c, strength=max(-3, min(3, strength + luck.choice((-1, 0, 0, 1)))) if c != "overall" else strength)
                    for c in ("overall", "harmlessness", "helpfulness")
                ),
                labels=(Label(response_id=f"p{n}-b", label="unsafe" if unsafe and n % 4 else "safe"),),
                left=luck.choice(("a", "b")), seconds=luck.uniform(12, 70), interface="1",
                reasons=("harmful",) if unsafe else (), note="It mocks the person." if n == 3 else None,
            ))  # fmt: skip
    entries += [
        Submitted(by=p, candidate_id=f"gold-{n}", gold=True, votes=(Vote(criterion="overall", strength=2.0 if (n + len(p)) % 5 else -1.0),),
                  left="a", seconds=20.0, interface="1")
        for p in ("heron", "otter") for n in range(6)
    ]  # fmt: skip
    return (
        *entries,
        Flagged(by="otter", candidate_id="c150", image=None, what="bad_question", note="Two questions in one."),
    )


def take(browser: Browser, place: House, folder: Path, scheme: str) -> None:
    """Every screen, light or dark."""
    context = browser.new_context(viewport=DESK, color_scheme="dark" if scheme == "dark" else "light")  # type: ignore[arg-type]
    page = context.new_page()

    def shot(name: str, *, whole: bool = False) -> None:
        page.wait_for_load_state("networkidle")
        path = folder / f"{name}-{scheme}.png"
        page.screenshot(path=path, full_page=whole)
        Image.open(path).convert("RGB").quantize(192).save(path, optimize=True)

    page.goto(place.url)
    shot("login")
    come_in(page, place.url, place.tokens["lynx"])
    shot("pair")
    for key in "22qqqw":
        page.keyboard.press(key)
    page.wait_for_timeout(3000)  # until what it says of the last key is gone
    shot("decided")
    _until(page, ".picture.blur")
    shot("covered")
    page.keyboard.press("v")
    page.wait_for_selector("#reveal", state="detached")
    for key in "11wwwh2":
        page.keyboard.press(key)
    shot("filled")
    page.keyboard.press("?")
    shot("keys")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    shot("flag")
    page.goto(f"{place.url}/settings")
    shot("settings", whole=True)
    page.set_viewport_size(PHONE)
    page.goto(place.url)
    shot("phone", whole=True)
    page.set_viewport_size(DESK)
    lynx = place.desk.standing.people["lynx"]
    lynx.current, lynx.sitting_since = None, lynx.sitting_since - 3600
    page.goto(place.url)
    shot("break")
    lynx.sitting_since += 3600
    context.clear_cookies()
    come_in(page, place.url, place.tokens["wren"])
    shot("lead")
    shot("lead-whole", whole=True)
    page.goto(f"{place.url}/lead/disputed")
    shot("disputed")
    context.close()


def _until(page: Page, what: str) -> None:
    """Skip to the first pair that shows it."""
    while page.locator(what).count() == 0:
        before = page.locator("#ballot").get_attribute("data-item")
        page.keyboard.press("s")
        page.wait_for_function("before => document.querySelector('#ballot')?.dataset.item !== before", arg=before)


def main(folder: Path) -> None:
    """Take them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        workspace = Path(place) / "workspace"
        with house(workspace, said(), people=PEOPLE, before=past()) as served, chromium() as browser:  # type: ignore[arg-type]
            for scheme in ("light", "dark"):
                take(browser, served, folder, scheme)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
