"""Pictures of every kind that people have, and files that only pretend to be one."""

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from automask_ui import limits
from automask_ui.errors import ImageError, ImageTooLargeError, UnreadableImageError
from automask_ui.files.images import fit_long_side, load_image, open_image
from automask_ui.limits import MAX_PIXELS

HEIGHT, WIDTH = 37, 53


def photo_array() -> np.ndarray:
    """A smooth 37×53 picture whose four corners differ, so that a turn or a swapped channel shows."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 4, y * 6, 255 - x * 2 - y * 2], axis=2).astype(np.uint8)


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, format_name, **options)
    return data.getvalue()


def from_array(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array)


RGB = photo_array()
GREY = RGB[..., 0]
PHOTO = Image.fromarray(RGB)
RAMP_16 = (np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 33).astype(np.uint16)  # up to 64680


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing like it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def cmyk_profile() -> bytes:
    """A small CMYK ICC profile whose coloured inks all give one green: never what the plain formula gives."""
    table = struct.pack(">4sIBBBx9i", b"mft1", 0, 4, 3, 2, *(0x10000 if i % 4 == 0 else 0 for i in range(9)))
    table += bytes(range(256)) * 4  # input curves
    table += bytes([128, 70, 180, 0, 128, 128]) * 8  # L*, a*, b* at the 16 corners: without and with black
    table += bytes(range(256)) * 3  # output curves
    tag_table = struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    size = 128 + len(tag_table) + len(table)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + tag_table + table


@pytest.mark.parametrize(
    ("format_name", "options", "tolerance"),
    [
        ("PNG", {}, 0),  # lossless
        ("BMP", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {}, 0),  # uncompressed
        ("PPM", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 24),
        ("AVIF", {"quality": 95}, 24),
        ("JPEG", {"quality": 95}, 24),
        ("JPEG", {"quality": 95, "progressive": True}, 24),
        ("JPEG2000", {}, 2),
    ],
)
def test_formats(format_name: str, options: dict, tolerance: int) -> None:
    loaded = load_image(saved(PHOTO, format_name, **options))
    assert loaded.rgb.shape == RGB.shape
    assert np.abs(loaded.rgb.astype(int) - RGB).max() <= tolerance
    assert loaded.notes == ()


def written_png(rows: list[bytes], depth: int, colour_type: int, interlaced: bool = False) -> bytes:
    """A PNG of the usual size from its raw rows, for what Pillow can read but not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, interlaced))
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def interlaced_png() -> bytes:
    """RGB in the seven passes of Adam7."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = [row.tobytes() for top, left, step_y, step_x in passes for row in RGB[top::step_y, left::step_x]]
    return written_png(rows, 8, 2, interlaced=True)


def deep_png(channels: np.ndarray, colour_type: int) -> bytes:
    """16 bits a channel: 257 times the 8-bit value, which is the same brightness."""
    return written_png([row.tobytes() for row in (channels.astype(">u2") * 257).astype(">u2")], 16, colour_type)


def on_white(alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.rint(RGB * share + 255 * (1 - share))


GREY_RGB = np.repeat(GREY[..., None], 3, axis=2)
HALF = np.where(np.arange(WIDTH) < 20, 0, 255).astype(np.uint8)[None].repeat(HEIGHT, axis=0)  # alpha: left part clear
MODES = {
    # name: (bytes, expected RGB, tolerance, a part of each note or None)
    "grey": (saved(from_array(GREY), "PNG"), GREY_RGB, 0, None),
    "one bit": (saved(from_array(GREY > 99), "PNG"), np.where(GREY_RGB > 99, 255, 0), 0, None),
    "palette": (saved(PHOTO.quantize(256), "PNG"), np.asarray(PHOTO.quantize(256).convert("RGB")), 0, None),
    "palette with a clear colour": (
        saved(from_array(np.where(HALF > 0, 1, 0).astype(np.uint8)).convert("P"), "PNG", transparency=0),
        np.where(HALF[..., None] > 0, 1, 255).repeat(3, axis=2), 0, "white"),
    "alpha": (saved(from_array(np.dstack([RGB, HALF])), "PNG"), on_white(HALF), 1, "white"),
    "alpha that hides nothing": (saved(from_array(np.dstack([RGB, HALF | 255])), "PNG"), RGB, 0, None),
    "half clear": (saved(from_array(np.dstack([RGB, HALF // 2])), "PNG"), on_white(HALF // 2), 1, "white"),
    "alpha in WebP": (saved(from_array(np.dstack([RGB, HALF])), "WEBP", lossless=True), on_white(HALF), 1, "white"),
    "grey with alpha": (saved(from_array(np.dstack([GREY, HALF])), "PNG"),
                        np.where(HALF[..., None] > 0, GREY_RGB, 255), 1, "white"),
    "RGB with one clear colour": (saved(PHOTO, "PNG", transparency=tuple(RGB[0, 0].tolist())),
                                  np.where((RGB[0, 0] == RGB).all(axis=2, keepdims=True), 255, RGB), 0, "white"),
    "16-bit colour": (deep_png(RGB, 2), RGB, 0, "65535"),
    "16-bit colour with alpha": (deep_png(np.dstack([RGB, HALF]), 6), on_white(HALF), 1, "65535|white"),
    "16-bit grey with alpha": (deep_png(np.dstack([GREY, HALF]), 4),
                               np.where(HALF[..., None] > 0, GREY_RGB, 255), 1, "65535|white"),
    "interlaced": (interlaced_png(), RGB, 0, None),
    "16-bit PNG": (saved(from_array(RAMP_16), "PNG"), np.rint(RAMP_16 / 257)[..., None].repeat(3, 2), 0, "65535"),
    "16-bit TIFF": (saved(from_array(RAMP_16), "TIFF"), np.rint(RAMP_16 / 257)[..., None].repeat(3, 2), 0, "65535"),
    "12 bits in 16": (saved(from_array(RAMP_16 // 16), "TIFF"),
                      np.rint((RAMP_16 // 16) / 4095 * 255)[..., None].repeat(3, 2), 1, "0 to 4095"),
    "8 bits in 16": (saved(from_array(GREY.astype(np.uint16)), "TIFF"), GREY_RGB, 0, None),
    "32-bit TIFF": (saved(from_array(GREY.astype(np.int32) * 1000 - 7000), "TIFF"),
                    np.rint((GREY_RGB.astype(int) - GREY.min()) / (GREY.max() - GREY.min()) * 255), 1, "-7000"),
    "float 0 to 1": (saved(from_array(GREY.astype(np.float32) / 255), "TIFF"), GREY_RGB, 0, "0 to 1"),
    "float 0 to 255": (saved(from_array(GREY.astype(np.float32)), "TIFF"), GREY_RGB, 0, None),
    "float with NaN": (saved(from_array(np.where(GREY == 0, np.nan, GREY / 255).astype(np.float32)), "TIFF"),
                       GREY_RGB, 0, "0 to 1"),
    "float all NaN": (saved(from_array(np.full((HEIGHT, WIDTH), np.nan, np.float32)), "TIFF"), RGB * 0, 0, "0 to 1"),
    "CMYK JPEG (Adobe, inverted)": (saved(PHOTO.convert("CMYK"), "JPEG", quality=95), RGB, 24, "CMYK"),
    "CMYK TIFF": (saved(PHOTO.convert("CMYK"), "TIFF"), RGB, 0, "CMYK"),
    "CMYK with a wrong profile": (
        saved(PHOTO.convert("CMYK"), "TIFF", icc_profile=ImageCms.ImageCmsProfile(
            ImageCms.createProfile("sRGB")).tobytes()), RGB, 0, "CMYK"),
    "CMYK with a broken profile": (saved(PHOTO.convert("CMYK"), "TIFF", icc_profile=b"no profile"), RGB, 0, "CMYK"),
    "Lab TIFF": (saved(ImageCms.profileToProfile(
        PHOTO, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"), "TIFF"),
        RGB, 40, "Lab"),  # the most saturated blues lose a little
    "YCbCr TIFF": (saved(PHOTO, "TIFF", compression="jpeg", quality=95), RGB, 24, None),
}  # fmt: skip


@pytest.mark.parametrize("name", MODES)
def test_modes(name: str) -> None:
    data, expected, tolerance, note = MODES[name]
    loaded = load_image(data)
    assert loaded.rgb.dtype == np.uint8
    assert loaded.rgb.shape == RGB.shape
    assert np.abs(loaded.rgb.astype(int) - expected).max() <= tolerance
    parts = note.split("|") if note else []
    assert [part in text for part, text in zip(parts, loaded.notes, strict=True)] == [True] * len(parts)


def test_cmyk_goes_through_its_profile() -> None:
    rgb = open_image(saved(PHOTO.convert("CMYK"), "TIFF", icc_profile=cmyk_profile()))
    red, green, blue = rgb.reshape(-1, 3).mean(axis=0)
    assert green > red + 50  # the profile knows only one green
    assert green > blue + 50
    assert rgb.std(axis=(0, 1)).max() < 1


UPRIGHT = np.asarray(PHOTO)
STORED = {  # orientation: how a camera stores the upright picture
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation(orientation: int, format_name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format_name == "WEBP" else {}
    data = saved(Image.fromarray(np.ascontiguousarray(STORED[orientation])), format_name, exif=exif, **options)
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.rgb, UPRIGHT)
    # Readers that pass EXIF over see another picture than the masks are for.
    assert loaded.notes == (() if orientation == 1 else ("Turned upright, as the file says (EXIF).",))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0",  # orientation 9
        b"Exif\0\0garbage",  # not EXIF at all
        b"Exif\0\0MM\0*\0\0\xff\xff",  # points past its end
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow's word on the last one
def test_broken_exif_does_not_refuse_a_photo(exif: bytes) -> None:
    assert open_image(saved(PHOTO, "JPEG", exif=exif)).shape == RGB.shape


@pytest.mark.parametrize(
    ("format_name", "options", "note"),
    [
        ("GIF", {}, "first of 3 frames"),
        ("WEBP", {"lossless": True}, "first of 3 frames"),
        ("PNG", {}, "first of 3 frames"),  # APNG
        ("TIFF", {}, "first of 3 pages"),
    ],
)
def test_first_of_several(format_name: str, options: dict, note: str) -> None:
    others = [Image.new("RGB", PHOTO.size, colour) for colour in ("red", "blue")]
    first = Image.new("RGB", PHOTO.size, "lime")
    loaded = load_image(saved(first, format_name, save_all=True, append_images=others, **options))
    np.testing.assert_array_equal(loaded.rgb, np.asarray(first))
    assert [note in text for text in loaded.notes] == [True]


def test_jpeg_with_a_preview_is_one_picture() -> None:
    data = saved(PHOTO, "MPO", save_all=True, append_images=[PHOTO.resize((8, 5))])
    assert load_image(data).notes == ()


JPEG = saved(PHOTO, "JPEG", quality=95)


def test_a_jpeg_that_was_cut_off_shows_what_it_has() -> None:
    big = Image.fromarray(RGB).resize((530, 370))
    data = saved(big, "JPEG", quality=95)
    loaded = load_image(data[: len(data) * 6 // 10])
    whole = open_image(data)
    np.testing.assert_array_equal(loaded.rgb[:160], whole[:160])
    assert (loaded.rgb[-20:] != whole[-20:]).any()
    assert "incomplete" in loaded.notes[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty (0 bytes)"),  # nothing
        (b"hello, I am a text", "text that begins with 'hello, I am a text'"),  # renamed to .jpg
        (b"<!DOCTYPE html><html>", "XML"),  # a saved web page
        (b"\xef\xbb\xbf<svg xmlns=''>", "Export it as a PNG"),  # a drawing
        (b"%PDF-1.7 ...", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),  # an iPhone photo
        (b"PK\x03\x04" + bytes(range(128, 168)), "damaged or incomplete ZIP"),
        (JPEG[:40], "damaged"),  # cut inside the header
        (JPEG[:2], "known format"),  # only the signature, as bytes that say nothing to a visitor
        (saved(PHOTO, "PNG")[:-30], "damaged or incomplete"),  # no end mark makes a PNG whole
        (saved(PHOTO, "WEBP")[:60], "damaged"),
        (saved(PHOTO, "TIFF")[:100], "damaged"),
        (saved(PHOTO, "GIF")[:30], "damaged"),
        (saved(PHOTO, "AVIF")[:300], "damaged"),
        (saved(PHOTO, "BMP")[:60], "damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),  # must not reach Ghostscript
    ],
)
def test_refused(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        load_image(data, name="photo.jpg")
    assert str(caught.value).startswith("photo.jpg ")
    assert words in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it finds in damaged files
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000"])
def test_damaged_files_give_a_picture_or_a_reason(format_name: str) -> None:
    whole = np.frombuffer(saved(PHOTO, format_name), np.uint8)
    random = np.random.default_rng(7)
    for _ in range(40):
        data = whole.copy()
        data[random.integers(0, len(data), random.integers(1, 20))] = random.integers(0, 256)
        with suppress(ImageError):
            assert open_image(data[: random.integers(1, len(data) + 1)].tobytes(), max_pixels=1_000_000).ndim == 3


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"gone\.png could not be opened: No such file"):
        open_image(tmp_path / "gone.png")
    with pytest.raises(UnreadableImageError, match=f"{tmp_path.name} is a folder: give the pictures in it"):
        open_image(tmp_path)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


LONG = zlib.compress(bytes(3_000_000))


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"zTXt", b"workflow\0\0" + LONG),  # as programs write that make pictures
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
        png_chunk(b"iCCP", b"printer\0\0" + LONG),
        png_chunk(b"tEXt", b"prompt\0" + bytes(70_000_000)),
        png_chunk(b"tEXt", b"a\0b")[:-1] + b"?",  # with a checksum that is not its own
    ],
    ids=["text", "metadata", "profile", "much text", "checksum"],
)
def test_what_a_png_says_beside_its_pixels_does_not_keep_it_from_being_read(chunk: bytes, is_last: bool) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", exif=turned)
    data, place = buffer.getvalue(), -12 if is_last else 33  # before the end, or after the header
    read = open_image(data[:place] + chunk + data[place:])
    assert np.array_equal(read, np.rot90(pixels, -1))
    with pytest.raises(UnreadableImageError, match="damaged"):
        open_image(data[:33] + chunk + data[33:-80])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="these are Unix's")
def test_what_never_ends_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableImageError, match="null is a device, and no file"):
        open_image("/dev/null")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4), "red").save(buffer, "PNG")
    with ThreadPoolExecutor(1) as writer:
        writer.submit(pipe.write_bytes, buffer.getvalue())
        assert open_image(pipe).shape == (4, 5, 3)
        monkeypatch.setattr(limits, "MAX_FILE_BYTES", 3_000_000)
        sent = writer.submit(pipe.write_bytes, b"II*\0" * 3_000_000)
        with pytest.raises(ImageTooLargeError, match=r"pipe has more than 0\.0 GB, the most that"):
            open_image(pipe)
        assert isinstance(sent.exception(), BrokenPipeError)


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        (png_header(30_000, 30_000), "30,000 × 30,000 = 900,000,000 pixels"),  # a bomb
        (png_header(2**31 - 1, 2**31 - 1), "2,147,483,647"),  # the largest that a PNG can claim
        (png_header(12_001, 10_000), "limit is 120,000,000."),  # just too large
    ],
)
def test_too_many_pixels(data: bytes, numbers: str) -> None:
    with pytest.raises(ImageTooLargeError) as caught:
        load_image(data, name="bomb.png")
    assert numbers in str(caught.value)


def test_the_limit_can_be_moved_both_ways() -> None:
    with pytest.raises(ImageTooLargeError, match=r"53 × 37 = 1,961 pixels, but the limit is 1,960"):
        open_image(saved(PHOTO, "PNG"), max_pixels=WIDTH * HEIGHT - 1)
    assert open_image(saved(PHOTO, "PNG"), max_pixels=WIDTH * HEIGHT).shape == RGB.shape
    # Past Pillow's own limit its warning must not appear; the file is then found to be incomplete.
    with pytest.raises(UnreadableImageError, match="incomplete"):
        open_image(png_header(20_000, 20_000), max_pixels=10 * MAX_PIXELS)


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 20_000), (20_000, 1)])
def test_extreme_shapes(size_wh: tuple[int, int]) -> None:
    rgb = open_image(saved(Image.new("RGB", size_wh, (1, 2, 3)), "PNG"))
    assert rgb.shape == (size_wh[1], size_wh[0], 3)
    assert rgb[-1, -1].tolist() == [1, 2, 3]


def test_sources_and_names(tmp_path: Path) -> None:
    path = tmp_path / "über 1.png"
    path.write_bytes(saved(PHOTO, "PNG"))
    with path.open("rb") as file:
        from_file = load_image(file)
    sources = {"über 1.png": (load_image(path), load_image(str(path)), from_file)}
    sources["The picture"] = (load_image(path.read_bytes()), load_image(io.BytesIO(path.read_bytes())))
    sources["given"] = (load_image(path, name="given"),)
    for name, results in sources.items():
        for loaded in results:
            assert loaded.name == name
            np.testing.assert_array_equal(loaded.rgb, RGB)
            assert loaded.rgb.flags.c_contiguous
            assert loaded.rgb.flags.owndata
            assert not loaded.rgb.flags.writeable


@pytest.mark.parametrize(
    ("size_hw", "longest", "expected_hw"),
    [
        ((37, 53), 53, (37, 53)),  # fits
        ((37, 53), 1000, (37, 53)),  # never enlarged
        ((534, 800), 400, (267, 400)),
        ((800, 534), 400, (400, 267)),
        ((1, 20_000), 4096, (1, 4096)),  # keeps at least a pixel
    ],
)
def test_fit_long_side(size_hw: tuple[int, int], longest: int, expected_hw: tuple[int, int]) -> None:
    rgb = np.full((*size_hw, 3), 77, np.uint8)
    fitted = fit_long_side(rgb, longest)
    assert fitted.shape == (*expected_hw, 3)
    assert (fitted == 77).all()


def test_any_kind_of_bytes_is_opened(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (3, 2), "navy").save(path)
    data = path.read_bytes()
    for source in (bytearray(data), memoryview(data), io.BytesIO(data), path):
        pixels = open_image(source)
        assert pixels.shape == (2, 3, 3)
        pixels[:] = 0  # the caller's own


def test_what_is_no_source_of_a_picture(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("text")
    with path.open() as text, pytest.raises(UnreadableImageError, match="not from text"):
        open_image(text)
    with pytest.raises(UnreadableImageError, match="not from ndarray"):
        open_image(np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(UnreadableImageError, match="null"):
        open_image("a\0b.png")
