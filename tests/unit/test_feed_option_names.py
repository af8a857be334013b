"""What the options of products mean in the languages of their shops."""

from __future__ import annotations

import pytest

from catalog.feeds.dialects.option_names import fold_name, group_of_name, group_of_option, is_simple_size


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("size", "Size,SIZES,Größe,GRÖSSE,Groesse,Taille,Pointure,Talla,Taglia,Maat,Tamanho,Storlek,Størrelse,Rozmiar"),
        (
            "size",
            "Velikost,Méret,Mărime,Размер,Μέγεθος,Beden,Koko,サイズ,尺码,Shoe Size,Ring-Size,Size (EU):,Schuhgröße",
        ),
        ("color", "Color,Colour,Farbe,Couleur,Coloris,Colore,Kleur,Cor,Färg,Farve,Farge,Kolor,Barva,Szín,Culoare"),
        ("color", "Цвет,Χρώμα,Renk,Väri,カラー,颜色,Main Colour,Color 1,1. Farbe"),
        (
            "material",
            "Material,Materials,Fabric,Stoff,Tissu,Matière,MATIERE,Tela,Tessuto,Tecido,Tyg,Stof,Materiał,Tkanina",
        ),
        ("pattern", "Pattern,Print,Muster,Motif,Estampado,Motivo,Patroon,Mönster,Wzór"),
        (None, "Length,Länge,Style,Denominations,Size & Colour,Farbe / Größe,Scent,Title,,123"),
    ],
)
def test_name_means_the_same_in_every_language(group, names):
    """With and without accents, in any case, among other words; two groups in one name are none."""
    assert {name: group_of_name(name) for name in names.split(",")} == dict.fromkeys(names.split(","), group)


def test_names_are_compared_without_accents_case_digits_and_punctuation():
    """Letters that are no base letter with an accent are spelled out."""
    assert fold_name("  Größe/ŁÓDŹ 2 — Ære ") == "grosse lodz aere"


@pytest.mark.parametrize(
    ("name", "values", "group"),
    [
        ("Option", ["S", "M", "XXL"], "size"),
        ("Titel", ["36", "38.5", "36/38"], "size"),
        ("", ["One Size"], "size"),
        ("Option 1", ["S", "Red"], "option"),
        ("Title", ["Blue denim"], "option"),
        ("Variant", [], "option"),
        ("Heel = Type: A", ["Low"], "heel type a"),
        ("Länge", ["Lang"], "länge"),
    ],
)
def test_name_that_says_nothing_leaves_it_to_the_values(name, values, group):
    """Sizes are told by themselves; another name stays the shop's own, in the form of a group."""
    assert group_of_option(name, values) == group


@pytest.mark.parametrize(
    "text", ["XS", "xxxl", "3XL", "S/M", "m - l", "X-Large", "42", "EU 38", "us 9.5", "36-38", "OS"]
)
def test_simple_sizes(text):
    """Letters, numbers, numbers of a country, and pairs of them."""
    assert is_simple_size(text)


@pytest.mark.parametrize("text", ["", "Red", "Size M", "38 cm wide", "1234", "S/Red", "S" * 31])
def test_no_simple_sizes(text):
    """Anything beside a size may be something else."""
    assert not is_simple_size(text)
