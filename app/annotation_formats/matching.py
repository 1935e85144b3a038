"""Which file of a folder is the image that an annotation names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from app.annotation_formats.marks import AnnotatedImage, AnnotationError, AnnotationFile
from app.datalist.stored_images import bare_name, stem
from app.files.folders import composed

_HASH = re.compile(r"[0-9a-f]{8}-(?=.)")
_MANY_FILES = ("masks", "DICOM SEG", "DICOM SR")
"""Formats of which one image may have several files, under different names."""


class ImageIndex:
    """The images of a folder by their names.

    Args:
        folder: To which they belong, for messages.
        files: Their paths.
        pseudonyms: Further names of files, such as a datalist gave them that was annotated.
    """

    def __init__(self, folder: Path, files: Sequence[Path], pseudonyms: Mapping[Path, str] | None = None) -> None:
        self._folder, self._files = folder, files
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_upload_name: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            name = bare_name(composed(file.name))
            self._by_name[name].append(file)
            self._by_upload_name[_upload_name(name)].append(file)
            if pseudonyms and file in pseudonyms:
                self._by_name[pseudonyms[file]].append(file)

    def matched(self, annotations: AnnotationFile) -> dict[Path, list[AnnotatedImage]]:
        """The annotated images by the files that they are; those in no file are counted in ``annotations``.

        Raises:
            AnnotationError: An image may be any of several files, two images would be one file, or none is in the
                folder.
        """
        images: dict[Path, list[AnnotatedImage]] = defaultdict(list)
        counts: Counter[str] = Counter()
        for image in annotations.images:
            file = self.file_of(image, counts)
            if file is None:
                counts["left out: annotated images that are not in the folder"] += 1
                continue
            first = images[file][0] if images[file] else image
            if first.names[0] != image.names[0] and annotations.format not in _MANY_FILES:
                raise AnnotationError(
                    f"{annotations.path}: {first.names[0]!r} and {image.names[0]!r} would both be the image "
                    f"{file.relative_to(self._folder)}. Annotate images that have different names."
                )
            images[file].append(image)
        if not images and annotations.images:
            raise AnnotationError(
                f"{annotations.path}: none of its {len(annotations.images)} images (such as "
                f"{annotations.images[0].names[-1]!r}) is one of the {len(self._files)} in {self._folder} (such as "
                f"{self._files[0].name!r})."
            )
        annotations.counts += counts
        return dict(images)

    def file_of(self, image: AnnotatedImage, counts: Counter[str]) -> Path | None:
        """The file of an image: by its identifier, else the one whose path shares most last parts with a name.

        Image suffixes do not matter, unless two files differ in nothing else; nor does what programs put before or
        after a file's name, or write for its letters, unless a file has just this name.

        Raises:
            AnnotationError: Several files fit equally well.
        """
        if image.instance and image.instance in self._by_instance:
            return self._by_instance[image.instance]
        others = self._with_instance if image.instance else frozenset()
        for by_name, form in (
            (self._by_name, str),
            (self._by_name, _without_additions),
            (self._by_upload_name, _upload_name),
        ):
            for name in image.names:
                candidates = [file for file in by_name.get(form(bare_name(composed(name))), []) if file not in others]
                if candidates:
                    return self._best(candidates, composed(name), image, counts)
        return None

    def _best(self, candidates: list[Path], name: str, image: AnnotatedImage, counts: Counter[str]) -> Path:
        if len(candidates) == 1:
            return candidates[0]
        shared = {file: _shared_parts(file, name) for file in candidates}
        most = max(shared.values())
        nearest = [file for file in candidates if shared[file] == most]
        best = [file for file in nearest if name.endswith(file.name)] or nearest
        if len(best) > 1:
            exact = [file for file in best if file == self._folder / name]
            files = ", ".join(str(file.relative_to(self._folder)) for file in best)
            if not exact:
                raise AnnotationError(
                    f"{image.where}: image {name!r} may be any of {files}. Name it by more of its path, or remove all "
                    "but one of these files from the folder."
                )
            best = exact
        counts["images that share a name with others (told apart by folder or suffix)"] += 1
        return best[0]

    @cached_property
    def _by_instance(self) -> dict[str, Path]:
        from transforms.dicom_reference import by_instance

        return by_instance(self._files)

    @cached_property
    def _with_instance(self) -> frozenset[Path]:
        return frozenset(self._by_instance.values())


def _shared_parts(file: Path, name: str) -> int:
    """How many last parts of two paths are equal, without their image suffixes."""
    ours, theirs = (stem(composed(each)).split("/")[::-1] for each in (file.absolute().as_posix(), name))
    return next(
        (index for index, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
    )


def _without_additions(name: str) -> str:
    """A name without the hash that Label Studio puts before it, and without a suffix of the image before conversion."""
    return stem(_HASH.sub("", name, count=1))


def _upload_name(name: str) -> str:
    """A name as Label Studio writes it: underscores for blanks, no other punctuation."""
    return re.sub(r"[^-\w.]", "", _without_additions(name).strip().replace(" ", "_"))
