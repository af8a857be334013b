"""What a rendered garment may be: colours, patterns, cuts and fabrics, which of them go together, and shop words."""

from __future__ import annotations

Rgb = tuple[int, int, int]

# sRGB of the cloth in neutral light. Neighbours differ clearly even after an item's own shade and a view's light.
COLORS: dict[str, Rgb] = {
    "black": (34, 33, 37),
    "white": (246, 245, 241),
    "grey": (140, 142, 147),
    "beige": (218, 194, 158),
    "brown": (108, 68, 42),
    "red": (205, 30, 40),
    "burgundy": (108, 20, 44),
    "pink": (240, 150, 178),
    "orange": (240, 122, 28),
    "yellow": (247, 208, 60),
    "olive": (112, 112, 48),
    "green": (28, 138, 74),
    "teal": (16, 124, 132),
    "light blue": (150, 198, 232),
    "blue": (38, 92, 200),
    "navy": (28, 38, 82),
    "purple": (104, 52, 150),
    "lilac": (194, 170, 222),
}

PATTERNS = ("plain", "striped", "dotted", "checked", "floral", "zigzag", "leopard", "color-block")
STRIPES = ("horizontal", "vertical", "diagonal")
FABRICS = ("cotton", "lace", "knit", "denim", "satin", "velvet", "sequin")
DETAILS = ("belt", "buttons", "pockets", "ruffle hem", "bow", "slit")

DRESS_NECKLINES = ("round", "v-neck", "square", "boat", "halter", "strapless", "collar", "high")
DRESS_SILHOUETTES = ("a-line", "sheath", "fit-and-flare", "shift", "empire", "mermaid")
DRESS_LENGTHS = ("mini", "knee", "midi", "maxi")
SLEEVES = ("sleeveless", "straps", "short", "puff", "three-quarter", "long", "bell")

TOP_NECKLINES = ("round", "v-neck", "square", "boat", "collar", "high")
TOP_SLEEVES = ("sleeveless", "short", "puff", "three-quarter", "long", "bell")
TOP_FITS = ("fitted", "loose")

SKIRT_SILHOUETTES = ("a-line", "pencil", "circle", "pleated")
SKIRT_LENGTHS = ("mini", "knee", "midi", "maxi")

TROUSER_FITS = ("skinny", "straight", "wide-leg")
TROUSER_LENGTHS = ("shorts", "cropped", "full-length")

# Denim comes in these colours only; a print on these fabrics would drown in the fabric's own texture.
DENIM_COLORS = ("blue", "light blue", "navy", "black", "white", "grey")
UNPRINTED_FABRICS = ("lace", "denim", "velvet", "sequin")

NECKLINES_WITH_STRAPS = ("round", "v-neck", "square")
BARE_NECKLINES = ("halter", "strapless")

CATEGORY_PATHS: dict[str, tuple[str, ...]] = {
    "dress": ("Women", "Dresses"),
    "top": ("Women", "Tops"),
    "skirt": ("Women", "Skirts"),
    "trousers": ("Women", "Trousers"),
}
CATEGORY_SHARES: dict[str, float] = {"dress": 0.65, "top": 0.14, "skirt": 0.11, "trousers": 0.10}

# Words a merchant may use instead of the attribute's own value. The value itself is always among them.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "color=black": ("black", "jet black"),
    "color=white": ("white", "ivory white"),
    "color=grey": ("grey", "gray"),
    "color=beige": ("beige", "sand beige"),
    "color=brown": ("brown", "chocolate brown"),
    "color=red": ("red", "cherry red"),
    "color=burgundy": ("burgundy", "wine burgundy"),
    "color=pink": ("pink", "blush pink"),
    "color=orange": ("orange", "bright orange"),
    "color=yellow": ("yellow", "sunny yellow"),
    "color=olive": ("olive", "olive green"),
    "color=green": ("green", "emerald green"),
    "color=teal": ("teal", "deep teal"),
    "color=light blue": ("light blue", "sky blue"),
    "color=blue": ("blue", "royal blue"),
    "color=navy": ("navy", "navy blue"),
    "color=purple": ("purple", "royal purple"),
    "color=lilac": ("lilac", "soft lilac"),
    "pattern=plain": ("plain", "solid"),
    "pattern=striped": ("striped", "stripe"),
    "pattern=dotted": ("dotted", "polka dot"),
    "pattern=checked": ("checked", "check"),
    "pattern=floral": ("floral", "flower print"),
    "pattern=zigzag": ("zigzag", "chevron"),
    "pattern=leopard": ("leopard", "leopard print"),
    "pattern=color-block": ("color-block", "two-tone"),
    "neckline=round": ("round neck", "crew neck"),
    "neckline=v-neck": ("v-neck", "V neck"),
    "neckline=square": ("square neck", "square neckline"),
    "neckline=boat": ("boat neck", "bateau neck"),
    "neckline=halter": ("halter neck", "halterneck"),
    "neckline=strapless": ("strapless", "bandeau"),
    "neckline=collar": ("collar", "shirt collar"),
    "neckline=high": ("high neck", "mock neck"),
    "sleeve=sleeveless": ("sleeveless", "without sleeves"),
    "sleeve=straps": ("spaghetti straps", "slender straps"),
    "sleeve=short": ("short sleeves", "short sleeve"),
    "sleeve=puff": ("puff sleeves", "balloon sleeves"),
    "sleeve=three-quarter": ("three-quarter sleeves", "3/4 sleeves"),
    "sleeve=long": ("long sleeves", "long sleeve"),
    "sleeve=bell": ("bell sleeves", "trumpet sleeves"),
    "length=mini": ("mini", "mini-length"),
    "length=knee": ("knee-length", "to the knee"),
    "length=midi": ("midi", "mid-calf"),
    "length=maxi": ("maxi", "floor-length"),
    "length=shorts": ("shorts", "short-leg"),
    "length=cropped": ("cropped", "ankle-baring"),
    "length=full-length": ("full-length", "long-leg"),
    "silhouette=a-line": ("a-line", "A-line"),
    "silhouette=sheath": ("sheath", "bodycon"),
    "silhouette=fit-and-flare": ("fit-and-flare", "skater"),
    "silhouette=shift": ("shift", "straight-cut"),
    "silhouette=empire": ("empire", "high-waisted empire"),
    "silhouette=mermaid": ("mermaid", "fishtail"),
    "silhouette=pencil": ("pencil", "slim-line pencil"),
    "silhouette=circle": ("circle", "full circle"),
    "silhouette=pleated": ("pleated", "plisse"),
    "fit=fitted": ("fitted", "close-fitting"),
    "fit=loose": ("loose", "relaxed"),
    "fit=skinny": ("skinny", "slim skinny"),
    "fit=straight": ("straight", "straight-leg"),
    "fit=wide-leg": ("wide-leg", "palazzo"),
    "fabric=cotton": ("cotton", "pure cotton"),
    "fabric=lace": ("lace", "crochet lace"),
    "fabric=knit": ("knit", "knitted"),
    "fabric=denim": ("denim", "jeans"),
    "fabric=satin": ("satin", "silky satin"),
    "fabric=velvet": ("velvet", "soft velvet"),
    "fabric=sequin": ("sequin", "sequinned"),
    "detail=belt": ("a belt", "a matching waist belt"),
    "detail=buttons": ("buttons", "a button front"),
    "detail=pockets": ("pockets", "two patch pockets"),
    "detail=ruffle hem": ("a ruffle hem", "a flounced hem"),
    "detail=bow": ("a bow", "a tied bow"),
    "detail=slit": ("a slit", "a side slit"),
}
