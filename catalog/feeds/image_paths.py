"""From an image reference of a feed to a file, without leaving the feed's folder."""

from __future__ import annotations

from pathlib import Path

from catalog.errors import DrapeError


class ImagePathRefused(DrapeError):
    """An image reference leads where a feed must not lead."""


class ImageFileMissing(DrapeError):
    """There is no readable file at an image reference."""


def resolve_image_path(source: str, feed_folder: Path, *, allow_absolute: bool = False) -> Path:
    """The real path of an image, with every symbolic link followed.

    A relative reference must end up in the feed's folder, whatever ``..`` and symbolic links it goes through: a feed
    often comes from someone else than who runs Drape, and must not make other files of the machine searchable.

    Args:
        source: The reference as the feed gave it.
        feed_folder: The folder that holds the feed.
        allow_absolute: Take absolute references too, to any place. Relative ones stay bound to the folder.

    Raises:
        ImagePathRefused: the reference is absolute and must not be, or leads out of the folder.
        ImageFileMissing: there is no such file, it cannot be reached, or it is no regular file.
    """
    path = Path(source)
    if path.is_absolute() and not allow_absolute:
        raise ImagePathRefused(
            "An absolute image path is not allowed here",
            received=source,
            expected=f"a path relative to the feed's folder {feed_folder.absolute()}",
            remedy="make the feed's image paths relative, or allow absolute paths if the feed is trusted",
        )
    try:
        folder = feed_folder.resolve(strict=True)
        # Where it leads is asked before whether something is there, so that a feed cannot find out what is elsewhere.
        resolved = (folder / path).resolve()
        if not path.is_absolute() and not resolved.is_relative_to(folder):
            raise ImagePathRefused(
                "An image path leads out of the feed's folder",
                received=f"{source}, which is {resolved}",
                expected=f"a file below {folder}",
                remedy="put the image below the feed's folder",
            )
        resolved = resolved.resolve(strict=True)
        if resolved.is_file():
            return resolved
        reason = "not a regular file"
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RuntimeError) as error:
        # A NUL character or a lone surrogate in the name (ValueError); a symbolic link that leads to itself.
        reason = str(error)
    raise ImageFileMissing(
        "There is no image file at this path",
        received=f"{source}: {reason}",
        expected=f"a readable file below {feed_folder.absolute()}" if not path.is_absolute() else "a readable file",
    )
