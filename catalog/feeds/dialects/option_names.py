"""What shops call the options of their products, in their languages, and the attribute groups that these mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

COLOR, SIZE, MATERIAL, PATTERN = "color", "size", "material", "pattern"
UNNAMED = "option"
"""The group of options whose name says nothing."""

_WORDS = {
    SIZE: """
        size sizes sizing ukuran saiz
        größe grösse groesse kleidergröße kleidergrösse schuhgröße schuhgrösse konfektionsgröße ringgröße
        taille tailles pointure pointures
        talla tallas tamaño talle calce
        taglia taglie misura misure grandezza numero
        maat maten schoenmaat kledingmaat ringmaat
        tamanho tamanhos numeração
        storlek storlekar skostorlek
        størrelse størrelser skostørrelse stærð
        koko koot
        rozmiar rozmiary
        velikost veľkosť velikosti veličina
        méret mărime mărimi размер розмір μέγεθος νούμερο
        beden suurus izmērs dydis
        サイズ 尺码 尺寸 尺碼 사이즈 מידה المقاس مقاس
    """,
    COLOR: """
        color colors colour colours shade shades colorway colourway warna
        farbe farben farbton farbvariante grundfarbe
        couleur couleurs coloris teinte
        colores tono
        colore colori tinta
        kleur kleuren
        cor cores
        färg färger
        farve farver farge farger litur
        väri värit
        kolor kolory barwa
        barva farba barvy boja
        szín culoare culori цвят цвет колір χρώμα
        renk värv krāsa spalva
        色 カラー 颜色 顏色 색상 צבע اللون لون
    """,
    MATERIAL: """
        material materials fabric fabrics textile cloth metal leather bahan
        materialien stoff stoffe gewebe obermaterial metall leder
        matière matières matériau matériaux tissu tissus étoffe métal cuir
        materiales tela telas tejido tejidos
        materiale materiali tessuto tessuti stoffa metallo
        materiaal materialen stof stoffen metaal leer
        materiais tecido tecidos
        materialtyp tyg tyger
        materialer metal
        materiaali kangas
        materiał materiały tkanina
        materiál materiály látka tkanivo materijal tkanina
        anyag материал материя тъкан ткань матеріал υλικό ύφασμα
        malzeme kumaş materyal
        素材 生地 材质 材質 소재 חומר الخامة خامة
    """,
    PATTERN: """
        pattern patterns print prints
        muster dessin
        motif motifs imprimé
        estampado estampados
        motivo motivi fantasia stampa
        patroon dessins
        padrão estampa
        mönster
        mønster
        kuvio kuosi
        wzór wzory
        vzor
        minta шарка узор принт μοτίβο
        desen
        柄 図案 图案 圖案 패턴
    """,
}
_SAYS_NOTHING = "title titel titre título titolo option options variant variante variants auswahl choice choose select"
# Letters that do not fall into a base letter and its accent.
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_NO_WORD = re.compile(r"[\W\d_]+")
_MAX_NAME_LENGTH = 60
_LETTER_SIZE = r"(?:x{0,5}|[2-9]x)[sl]|m|small|medium|large|x+[ \-]?(?:small|large)"
_NUMBER_SIZE = r"(?:(?:eu|uk|us|fr|it|de|au|jp)[ .]?)?\d{1,3}(?:[.,]5| ?1/2|½)?"
_SIZE = re.compile(
    rf"one[ \-]?size(?: fits all)?|os|o/s|einheitsgr(?:ö|oe)(?:ß|ss)e|taille unique|talla única|taglia unica"
    rf"|(?:{_LETTER_SIZE})(?: ?[/\-] ?(?:{_LETTER_SIZE}))?|{_NUMBER_SIZE}(?: ?[/\-] ?{_NUMBER_SIZE})?"
)


def fold_name(text: str) -> str:
    """The words of a name in lower case, without accents, digits and punctuation.

    >>> fold_name(" Größe (EU) 1:")
    'grosse eu'
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(_NO_WORD.sub(" ", letters).split())


_GROUP_OF_WORD = {fold_name(word): group for group, words in _WORDS.items() for word in words.split()}
_NAMELESS = frozenset(fold_name(word) for word in _SAYS_NOTHING.split())


@lru_cache(maxsize=4096)
def group_of_name(name: str) -> str | None:
    """The attribute group that an option's name means in any language of the table; None where it means none.

    A name of several words means a group where all its known words mean the same one.

    >>> group_of_name("Couleur"), group_of_name("Ring Size"), group_of_name("Size & Colour"), group_of_name("Scent")
    ('color', 'size', None, None)
    """
    groups = {group for word in fold_name(name[:_MAX_NAME_LENGTH]).split() if (group := _GROUP_OF_WORD.get(word))}
    return groups.pop() if len(groups) == 1 else None


def group_of_option(name: str, values: Iterable[str]) -> str:
    """The attribute group of an option: by its name, or, where that says nothing, by all its values being sizes.

    >>> group_of_option("Farbe", ["Rot"]), group_of_option("Option", ["S", "M/L"]), group_of_option("Heel  Type", [])
    ('color', 'size', 'heel type')
    """
    group = group_of_name(name)
    if group is not None:
        return group
    words = fold_name(name).split()
    if all(word in _NAMELESS for word in words):
        looked_at = list(values)
        return SIZE if looked_at and all(is_simple_size(value) for value in looked_at) else UNNAMED
    return " ".join(re.sub("[=:]", " ", name.casefold()).split())


def is_simple_size(text: str) -> bool:
    """Whether this is a size by itself: a letter size, a number, one with its country, or a pair of them.

    >>> is_simple_size("XXL"), is_simple_size("EU 38"), is_simple_size("36/38"), is_simple_size("Extra wide")
    (True, True, True, False)
    """
    return len(text) <= 30 and _SIZE.fullmatch(" ".join(text.casefold().split())) is not None
