"""Model versions made into files: archives for another machine, LiteRT networks for phones and for CPUs."""
