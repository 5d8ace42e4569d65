"""Makes the pictures beside it, in the variants of JPEG that this library's encoder cannot write. Needs Pillow.

Written with Python 3.11 and Pillow 13.0; prints the means of their channels, which the tests compare:

    python make_pictures.py
"""

from pathlib import Path

from PIL import Image, ImageOps, ImageStat

FOLDER = Path(__file__).parent / "pictures"


def picture(mode: str) -> Image.Image:
    """A gradient with a texture, of a size that is no multiple of a block."""
    image = Image.new("RGB", (43, 29))
    image.putdata([((7 * x) % 256, (9 * y) % 256, (x * y + 31 * (x % 3)) % 256) for y in range(29) for x in range(43)])
    return image.convert(mode)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # The rows of the picture are its columns, from the right.
    save = {
        "baseline_420.jpg": ("RGB", {"subsampling": "4:2:0", "quality": 80}),
        "baseline_422_restarts.jpg": ("RGB", {"subsampling": "4:2:2", "restart_marker_blocks": 2}),
        "progressive_444.jpg": ("RGB", {"subsampling": "4:4:4", "progressive": True}),
        "progressive_420_turned.jpg": ("RGB", {"subsampling": "4:2:0", "progressive": True, "exif": exif}),
        "progressive_restarts.jpg": ("RGB", {"subsampling": "4:2:0", "progressive": True, "restart_marker_blocks": 3}),
        "gray.jpg": ("L", {}),
        "progressive_gray.jpg": ("L", {"progressive": True}),
        "cmyk.jpg": ("CMYK", {}),
        "palette.png": ("P", {}),
    }
    for name, (mode, options) in save.items():
        picture(mode).save(FOLDER / name, **options)
        # Upright, as `ImageFolder` gives it.
        decoded = ImageOps.exif_transpose(Image.open(FOLDER / name)).convert("RGB")
        means = ", ".join(f"{mean:.1f}" for mean in ImageStat.Stat(decoded).mean)
        print(f'("{name}", [{decoded.height}, {decoded.width}], [{means}]),')


if __name__ == "__main__":
    main()
