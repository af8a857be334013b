"""The ImageNet weights that Keras publishes for our trunks, and their download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from embeddings.errors import UnusableWeights

_SITE: Final = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """One published file.

    Args:
        url: Where it is.
        md5: Its hash, as Keras publishes it (32 hexadecimal digits).
        preprocessing: What the weights were trained with.
    """

    url: str
    md5: str
    preprocessing: str

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


PUBLISHED: Final[Mapping[tuple[str, bool], PublishedWeights]] = {
    ("vgg16", True): PublishedWeights(
        f"{_SITE}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5", "64373286793e3c8b2b4e3219cbf3544b", "caffe"
    ),
    ("vgg16", False): PublishedWeights(
        f"{_SITE}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
        "caffe",
    ),
    ("resnet50", True): PublishedWeights(
        f"{_SITE}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5", "2cb95161c43110f7111970584f804107", "caffe"
    ),
    ("resnet50", False): PublishedWeights(
        f"{_SITE}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
        "caffe",
    ),
}
"""By trunk and whether the file has the top. VGG16's top holds fc6 and fc7; ResNet-50's has nothing that we use."""


def download_published(trunk: str, *, with_top: bool, folder: Path | None = None) -> Path:
    """The published file, downloaded by Keras unless it is there already, its hash checked either way.

    Args:
        trunk: ``vgg16`` or ``resnet50``.
        with_top: Whether to take the file that also holds the fully connected layers.
        folder: Where to keep it; None is Keras's own cache (``~/.keras/models``).

    Raises:
        ValueError: nothing is published for the trunk.
        UnusableWeights: the download failed, or brought another file.
    """
    published = PUBLISHED.get((trunk, with_top))
    if published is None:
        known = sorted({name for name, _ in PUBLISHED})
        raise ValueError(f"nothing is published for the trunk {trunk!r}, expected one of {', '.join(known)}")
    # Imported here because a downloader alone should not make every reader of weights wait for the backend.
    from keras.utils import get_file

    try:
        path = get_file(
            published.file_name,
            published.url,
            file_hash=published.md5,
            hash_algorithm="md5",
            cache_dir=None if folder is None else str(folder),
            cache_subdir="models" if folder is None else "",
        )
    except Exception as error:  # Keras raises a bare Exception when a download fails, so no narrower class will do.
        raise UnusableWeights(
            f"the published weights of {trunk} could not be downloaded",
            received=str(error),
            expected=f"{published.url} with MD5 {published.md5}",
            remedy="check the connection, or fetch the file by other means and give its path",
        ) from error
    return Path(path)
