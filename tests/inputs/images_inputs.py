"""Images as cameras, browsers, generators and exports write them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin

from tests.inputs.trial import ROWS, Check, Trial, command, judged, labels, refused

SIDE = 16
Y = labels()
DRAW = np.random.default_rng(2)
HF = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def bands() -> np.ndarray:
    """uint8 [ROWS, SIDE, SIDE, 3]: noise and a bright band, higher up in each class."""
    found = DRAW.integers(0, 60, (ROWS, SIDE, SIDE, 3))
    for row, label in enumerate(Y):
        found[row, 2 + 4 * label : 5 + 4 * label] += 150
    return found.astype(np.uint8)


PIXELS = bands()
IMAGES = [Image.fromarray(pixels) for pixels in PIXELS]


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """Encoded."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def of(
    one: Callable[[Image.Image, int], bytes | None], *more: str, plain: bool = False
) -> Callable[[Path], Sequence[str]]:
    """A file of images, each written by `one`."""

    def make(folder: Path) -> Sequence[str]:
        blobs = [one(image, row) for row, image in enumerate(IMAGES)]
        column = pa.array(blobs) if plain else pa.array([{"bytes": blob, "path": None} for blob in blobs], HF)
        pq.write_table(pa.table({"image": column, "label": Y}), folder / "in.parquet")
        return command("in.parquet", *more)

    return make


def written(form: str, mode: str = "RGB", **options: Any) -> Callable[[Image.Image, int], bytes]:
    """All images in one format and mode."""
    return lambda image, row: saved(image.convert(mode), form, **options)


def turned(form: str) -> Callable[[Image.Image, int], bytes]:
    """Stored on their side by turns, with the EXIF entry that turns them back."""

    def one(image: Image.Image, row: int) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = 6 if row % 2 else 8
        own = image.transpose(Image.Transpose.ROTATE_90 if row % 2 else Image.Transpose.ROTATE_270)
        return saved(
            own,
            form,
            exif=exif,
            **({"quality": 95} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}),
        )

    return one


def in_alpha(colour: int) -> Callable[[Image.Image, int], bytes]:
    """A logo: one colour throughout, its shape in the alpha channel alone."""

    def one(image: Image.Image, row: int) -> bytes:
        pixels = np.full((SIDE, SIDE, 4), colour, np.uint8)
        pixels[..., 3] = np.asarray(image)[..., 0]
        return saved(Image.fromarray(pixels), "PNG")

    return one


def with_text(size: int, packed: bool) -> Callable[[Image.Image, int], bytes]:
    """A PNG with a long text."""

    def one(image: Image.Image, row: int) -> bytes:
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", "a cat, " * (size // 7), zip=packed)
        return saved(image, "PNG", pnginfo=info)

    return one


def palette_with_hole(image: Image.Image, row: int) -> bytes:
    """Its band is what is not transparent."""
    levels = (np.asarray(image)[..., 0] > 120).astype(np.uint8)
    own = Image.fromarray(levels, "P")
    own.putpalette([0, 0, 0, 0, 0, 0])
    return saved(own, "PNG", transparency=0)


def animated(form: str) -> Callable[[Image.Image, int], bytes]:
    """The first frame is the image, two others are noise."""

    def one(image: Image.Image, row: int) -> bytes:
        others = [Image.fromarray(DRAW.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)) for _ in range(2)]
        return saved(image, form, save_all=True, append_images=others)

    return one


def sixteen(image: Image.Image, row: int) -> bytes:
    """16 bits of grey."""
    return saved(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), "PNG")


def interlaced(image: Image.Image, row: int) -> bytes:
    """A photograph's second passes: a progressive JPEG."""
    return saved(image, "JPEG", progressive=True, quality=95)


def bomb(image: Image.Image, row: int) -> bytes:
    """Row 3: a canvas of 16,000 x 16,000 pixels in a small WebP header."""
    if row != 3:
        return saved(image, "WEBP", lossless=True)
    side = (15_999).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + side + side


def heic(image: Image.Image, row: int) -> bytes:
    """What phones write, which is not read."""
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + DRAW.bytes(40)


def as_text(write: Callable[[bytes], str]) -> Callable[[Path], Sequence[str]]:
    """Images written as text."""

    def make(folder: Path) -> Sequence[str]:
        column = [write(saved(image, "PNG")) for image in IMAGES]
        pq.write_table(pa.table({"image": column, "label": Y}), folder / "in.parquet")
        return command()

    return make


def as_paths(root: bool, kind: str) -> Callable[[Path], Sequence[str]]:
    """Images beside the file, by their paths."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "img").mkdir()
        for row, image in enumerate(IMAGES):
            image.save(folder / "img" / f"{row}.png")
        paths = [f"img/{row}.png" for row in range(ROWS)]
        column: Any = paths
        if kind == "struct":
            column = pa.array([{"bytes": None, "path": path} for path in paths], HF)
        elif kind == "path alone":
            column = pa.array([{"path": path} for path in paths])
        pq.write_table(pa.table({"image": column, "label": Y}), folder / "in.parquet")
        return command("in.parquet", *(["--image-root", "."] if root else []))

    return make


def webdataset(folder: Path) -> Sequence[str]:
    """Keys, file names and a caption beside the bytes."""
    blobs = [saved(image, "JPEG", quality=95) for image in IMAGES]
    made = {"__key__": [f"{n:06d}" for n in range(ROWS)], "jpg": blobs, "cls": Y, "__url__": ["a.tar"] * ROWS}
    pq.write_table(pa.table(made), folder / "in.parquet")
    return command("in.parquet", "--label", "cls")


def two_sizes(image: Image.Image, row: int) -> bytes:
    """Portraits and landscapes, which EXIF makes one size."""
    own = image.resize((24, 16)) if row % 2 else image.resize((24, 16)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 1 if row % 2 else 6
    return saved(own, "JPEG", exif=exif, quality=95)


def certificates(folder: Path) -> Sequence[str]:
    """The other command on the same kind of file: RGBA, turned, WebP."""
    blobs = [turned("WEBP")(image, row) for row, image in enumerate(IMAGES)]
    made = pa.table({"image": pa.array([{"bytes": blob, "path": None} for blob in blobs], HF), "label": Y})
    pq.write_table(made, folder / "in.parquet")
    pq.write_table(made.slice(0, 30), folder / "test.parquet")
    return ["certify", "in.parquet", "test.parquet", "--method", "knn", "--json"]


def certified(found: Any) -> str | None:
    """Nearly all test rows are predicted right."""
    share = found.answer.get("clean_accuracy", 0)
    return None if not found.code and share >= 0.9 else f"exit code {found.code}, accuracy {share}: {found.said[-200:]}"


def one(
    name: str,
    origin: str,
    write: Callable[[Image.Image, int], bytes | None],
    check: Check,
    fails: str = "",
    **options: Any,
) -> Trial:
    """A trial of one file."""
    return Trial(name, origin, of(write, *options.pop("more", ())), check, fails, **options)


CORRUPT = "every row 'corrupt'"
TRIALS = [
    one(
        "PNG", "Hugging Face", written("PNG"), judged(5, "150 of 150 rows looked at begin as PNG".replace("150", "64"))
    ),
    one("JPEG", "cameras", written("JPEG", quality=95), judged(5, "begin as JPEG")),
    one("progressive JPEG", "the web", interlaced, judged(5, "begin as JPEG")),
    one("WebP without loss", "the web", written("WEBP", lossless=True), judged(5, "begin as WEBP"), CORRUPT),
    one("WebP with loss", "the web", written("WEBP", quality=90), judged(5, "begin as WEBP"), CORRUPT),
    one(
        "WebP with alpha",
        "stickers",
        lambda image, row: saved(image.convert("RGBA"), "WEBP", lossless=True),
        judged(5, "begin as WEBP"),
        CORRUPT,
    ),
    one("BMP", "Windows", written("BMP"), judged(5, "begin as BMP"), CORRUPT),
    one("BMP with a palette", "Windows", written("BMP", "P"), judged(5, "begin as BMP"), CORRUPT),
    one("TIFF", "microscopes", written("TIFF"), judged(5, "begin as TIFF"), CORRUPT),
    one("TIFF, packed", "scanners", written("TIFF", compression="tiff_lzw"), judged(5, "begin as TIFF"), CORRUPT),
    one(
        "TIFF, deflated", "GDAL", written("TIFF", compression="tiff_adobe_deflate"), judged(5, "begin as TIFF"), CORRUPT
    ),
    one("TIFF of several pages", "fax", animated("TIFF"), judged(5, "begin as TIFF"), CORRUPT),
    one(
        "TIFF of floats",
        "remote sensing",
        lambda image, row: saved(Image.fromarray(np.asarray(image.convert("L")) / np.float32(255)), "TIFF"),
        judged(5, "begin as TIFF"),
        CORRUPT,
    ),
    one("GIF", "the web", written("GIF"), judged(5, "begin as GIF"), CORRUPT),
    one("GIF that moves", "memes", animated("GIF"), judged(5, "several frames the first"), CORRUPT),
    one("PNG that moves", "stickers", animated("PNG"), judged(5, "several frames the first")),
    one("WebP that moves", "stickers", animated("WEBP"), judged(5, "several frames the first"), CORRUPT),
    one(
        "a mix of formats",
        "crawls",
        lambda image, row: saved(image, ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")[row % 6]),
        judged(5, "BMP, GIF, JPEG, PNG, TIFF, WEBP"),
        "100 of 150 rows 'corrupt'",
    ),
    one("16 bits of grey", "X-rays", sixteen, judged(5, "mode I;16")),
    one("CMYK", "print shops", written("JPEG", "CMYK", quality=95), judged(5, "mode CMYK")),
    one(
        "YCbCr TIFF",
        "scanners",
        lambda image, row: saved(image.convert("YCbCr"), "TIFF"),
        judged(5, "begin as TIFF"),
        CORRUPT,
    ),
    one(
        "one bit",
        "fax",
        lambda image, row: saved(image.convert("L").point(lambda v: 255 * (v > 120)).convert("1"), "PNG"),
        judged(5, "mode 1"),
    ),
    one("a palette", "pngquant", written("PNG", "P"), judged(5, "mode P")),
    one(
        "a palette with a transparent colour",
        "icons",
        palette_with_hole,
        judged(5, "looked at on white"),
        "judged, though all looked alike",
    ),
    one("grey with alpha", "masks", written("PNG", "LA"), judged(5, "mode LA")),
    one(
        "logos in the alpha channel, black",
        "icons",
        in_alpha(0),
        judged(5, "transparent parts are looked at on white"),
        "judged, though all looked alike",
    ),
    one(
        "logos in the alpha channel, white",
        "icons for dark pages",
        in_alpha(255),
        judged(5, "on black, on white all look alike"),
        "judged, though all looked alike",
    ),
    one(
        "wholly transparent",
        "a broken export",
        lambda image, row: saved(Image.merge("RGBA", (*image.split(), Image.new("L", image.size, 0))), "PNG"),
        refused("inputs of all 150 rows are the same"),
        "judged by what nobody sees",
    ),
    one(
        "one picture throughout",
        "placeholders",
        lambda image, row: saved(IMAGES[0], "PNG"),
        refused("inputs of all 150 rows are the same"),
        "judged, though all looked alike",
        quick=True,
    ),
    one(
        "phones' photographs on their side",
        "iPhone",
        turned("JPEG"),
        judged(5, "turned as their EXIF data say"),
        "judged on their side",
    ),
    one("PNG with an EXIF turn", "exiftool", turned("PNG"), judged(5, "begin as PNG"), "judged on their side"),
    one("WebP with an EXIF turn", "Android", turned("WEBP"), judged(5, "turned as their EXIF data say"), CORRUPT),
    one("portraits and landscapes", "cameras", two_sizes, judged(5, "75 images are turned"), "taken for two sizes"),
    one(
        "5 MB of prompt, packed",
        "image generators",
        with_text(5_000_000, True),
        judged(5, "begin as PNG"),
        "every row 'corrupt'",
    ),
    one("2 MB of prompt", "image generators", with_text(2_000, False), judged(5, "begin as PNG")),
    one("a canvas of 256 million pixels", "an attacker", bomb, judged(6), CORRUPT),
    one(
        "HEIC",
        "iPhone",
        heic,
        refused("0 of 64 rows looked at begin as an image", "--inputs"),
        "every row 'corrupt'",
    ),
    one(
        "a few damaged ones",
        "downloads",
        lambda image, row: saved(image, "PNG")[: -60 if row % 50 == 3 else None],
        judged(8, "begin as PNG"),
    ),
    Trial("bytes without a struct", "pandas", of(written("PNG"), plain=True), judged(5, "begin as PNG")),
    Trial("keys and addresses beside them", "WebDataset", webdataset, judged(5, "image columns 'jpg'")),
    Trial(
        "base64",
        "JSON exports",
        as_text(lambda blob: base64.b64encode(blob).decode()),
        judged(5, "are pictures in base64"),
        "refused: names or identifiers",
    ),
    Trial(
        "base64 in lines",
        "MIME",
        as_text(lambda blob: base64.encodebytes(blob).decode()),
        judged(5, "are pictures in base64"),
        "judged as words",
    ),
    Trial(
        "base64 for addresses",
        "JWT libraries",
        as_text(lambda blob: base64.urlsafe_b64encode(blob).decode().rstrip("=")),
        judged(5, "are pictures in base64"),
        "refused: names or identifiers",
    ),
    Trial(
        "data addresses",
        "browsers",
        as_text(lambda blob: "data:image/png;base64," + base64.b64encode(blob).decode()),
        judged(5, "are pictures in base64"),
        "refused: names or identifiers",
    ),
    Trial(
        "hexadecimal digits",
        "PostgreSQL's bytea",
        as_text(lambda blob: "\\x" + blob.hex()),
        judged(5, "are pictures in hexadecimal digits"),
        "refused: names or identifiers",
    ),
    Trial(
        "hexadecimal digits, SQL Server's",
        "SQL Server",
        as_text(lambda blob: "0x" + blob.hex().upper()),
        judged(5, "are pictures in hexadecimal digits"),
        "refused: names or identifiers",
    ),
    Trial(
        "paths as text, with their folder",
        "CSV listings",
        as_paths(True, "text"),
        judged(5, "opened below --image-root"),
        "refused without the remedy",
    ),
    Trial(
        "paths as text, without",
        "CSV listings",
        as_paths(False, "text"),
        refused("150 of 150 rows looked at are paths of pictures", "--image-root"),
        "refused without the remedy",
    ),
    Trial(
        "paths in a struct, with their folder",
        "Hugging Face",
        as_paths(True, "struct"),
        judged(5, "a path below --image-root"),
    ),
    Trial(
        "paths in a struct, without",
        "Hugging Face",
        as_paths(False, "struct"),
        refused("have no bytes, but a path", "--image-root"),
        "refused, rows unreadable",
        quick=True,
    ),
    Trial(
        "a struct of a path alone",
        "Label Studio",
        as_paths(True, "path alone"),
        judged(5, "image columns 'image'"),
        "refused: type not read",
    ),
    Trial("certificates for WebP on its side", "certify", certificates, certified, "refused: corrupt"),
]
