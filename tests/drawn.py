"""Pictures that differ from each other, drawn from a word."""

from PIL import Image, ImageDraw

from pipeline.tables import chance


def picture(word: str, size: tuple[int, int] = (320, 256)) -> Image.Image:
    """Shapes and colours drawn from the word: another word, another picture."""
    luck, drawn = chance("picture", word), Image.new("RGB", size)
    pen = ImageDraw.Draw(drawn)
    for _ in range(40):
        x, y = luck.randrange(size[0]), luck.randrange(size[1])
        box = (x, y, x + luck.randrange(20, 160), y + luck.randrange(20, 160))
        colour = (luck.randrange(256), luck.randrange(256), luck.randrange(256))
        (pen.ellipse if luck.random() < 0.5 else pen.rectangle)(box, fill=colour)
    return drawn
