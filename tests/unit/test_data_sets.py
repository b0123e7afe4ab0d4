"""The loaders, on the real digits and on small files of the formats that the others read."""

import gzip
import hashlib
import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lepton_hw import data
from lepton_hw.data import cifar10, mnist
from lepton_hw.data.dataset import Dataset, as_pixels, stratified_split
from lepton_hw.data.download import Remote
from lepton_hw.errors import InputError
from lepton_hw.flow import Data


def remote(path: Path) -> Remote:
    """A file of ours in place of one on the network."""
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    return Remote(path.name, (path.as_uri(),), digest, path.stat().st_size)


def test_unknown_data_set() -> None:
    with pytest.raises(InputError, match="no data set 'imagenet'; expected one of digits, mnist"):
        data.load(Data(set="imagenet"))


def test_digits_are_split_once_and_for_all() -> None:
    found = data.load(Data(set="digits"))
    assert (found.shape, len(found.train_images), len(found.test_images)) == ((8, 8, 1), 1437, 360)
    assert found.train_images.max() == 240
    counts = np.bincount(found.test_labels)
    assert counts.min() >= 34
    assert counts.max() <= 38
    # Any other digest means that results no longer compare with earlier ones.
    digest = hashlib.sha256(found.test_images.tobytes() + found.test_labels.tobytes()).hexdigest()
    assert digest[:16] == "5d5407043ce29b0c"


def test_stratified_split_shares_by_class_and_keeps_every_sample() -> None:
    labels = np.repeat([0, 1], [30, 10])
    train, test = stratified_split(labels, 8, seed=3)
    assert np.bincount(labels[test]).tolist() == [6, 2]
    assert sorted([*train, *test]) == list(range(40))
    with pytest.raises(InputError, match="40 of 40 images would be held out"):
        stratified_split(labels, 40, seed=3)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "not a number"), (256.0, "out of range"), (-1.0, "out of range"), (0.5, "not whole")],
)
def test_bad_pixels_are_named(value: float, message: str) -> None:
    images = np.zeros((2, 3, 3, 1))
    images[1, 2, 0, 0] = value
    with pytest.raises(InputError, match=rf"test: pixel \(1, 2, 0, 0\) is .*{message}"):
        as_pixels(images, "test")


def test_pixels_of_other_types() -> None:
    assert as_pixels(np.full((1, 1), 255.0), "test").dtype == np.uint8
    with pytest.raises(InputError, match="complex"):
        as_pixels(np.zeros(1, complex), "test")
    with pytest.raises(InputError, match="holds <U1"):
        as_pixels(np.array(["a"]), "test")


def test_a_data_set_checks_itself() -> None:
    images, labels = np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1])
    Dataset(images, labels, images, labels, ("a", "b"))
    with pytest.raises(InputError, match="training images are float64"):
        Dataset(images.astype(float), labels, images, labels, ("a", "b"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="1 labels for 2 test images"):
        Dataset(images, labels, images, labels[:1], ("a", "b"))
    with pytest.raises(InputError, match="label is 0 or 1; expected 0 to 0"):
        Dataset(images, labels, images, labels, ("a",))
    with pytest.raises(InputError, match="one shape"):
        Dataset(images, labels, images[:, :2], labels, ("a", "b"))


def test_synthetic_needs_a_shape_and_repeats() -> None:
    with pytest.raises(InputError, match=r"without data\.shape and data\.classes"):
        data.load(Data(set="synthetic"))
    wanted = Data(set="synthetic", shape=(10, 6, 2), classes=3)
    one, two = data.load(wanted), data.load(wanted)
    assert one.shape == (10, 6, 2)
    assert (one.train_images == two.train_images).all()
    assert sorted(set(one.test_labels.tolist())) == [0, 1, 2]


def idx(path: Path, magic: int, array: np.ndarray) -> Path:
    head = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
    return path


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    random = np.random.default_rng(0)
    source = tmp_path / "mirror"
    source.mkdir()
    files = []
    for remote_file, count in zip(mnist.FILES, (5, 5, 3, 3), strict=True):
        image = "images" in remote_file.name
        shape = (count, 28, 28) if image else (count,)
        array = random.integers(0, 256 if image else 10, shape)
        magic = mnist.IMAGES_MAGIC if image else mnist.LABELS_MAGIC
        files.append(remote(idx(source / remote_file.name, magic, array)))
    monkeypatch.setattr(mnist, "FILES", tuple(files))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lepton_hw" / "mnist"


def test_mnist_is_fetched_once_and_read(small_mnist: Path) -> None:
    found = data.load(Data(set="mnist"))
    assert (found.train_images.shape, found.test_labels.shape) == ((5, 28, 28, 1), (3,))
    assert sorted(p.name for p in small_mnist.iterdir()) == sorted(f.name for f in mnist.FILES)
    for file in mnist.FILES:
        Path(file.mirrors[0].removeprefix("file://")).unlink()
    assert (data.load(Data(set="mnist")).train_images == found.train_images).all()


def test_a_changed_file_in_the_cache_is_refused(small_mnist: Path) -> None:
    data.load(Data(set="mnist"))
    (small_mnist / mnist.FILES[2].name).write_bytes(b"other")
    with pytest.raises(InputError, match=r"MD5 .* delete the file"):
        data.load(Data(set="mnist"))


def test_idx_of_the_wrong_kind_or_length(tmp_path: Path) -> None:
    labels = idx(tmp_path / "labels.gz", mnist.LABELS_MAGIC, np.arange(20))
    with pytest.raises(InputError, match="starts with 0x801; expected 0x803"):
        mnist.read_idx(labels, mnist.IMAGES_MAGIC)
    short = tmp_path / "short.gz"
    short.write_bytes(gzip.compress(struct.pack(">2I", 0x801, 9) + b"\1\2\3"))
    with pytest.raises(InputError, match=r"holds 3 bytes of data; expected 9 for sizes \[9\]"):
        mnist.read_idx(short, mnist.LABELS_MAGIC)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(labels.read_bytes()[:-6])
    with pytest.raises(InputError, match="cannot be unpacked"):
        mnist.read_idx(cut, mnist.LABELS_MAGIC)
    empty = tmp_path / "empty.gz"
    empty.write_bytes(gzip.compress(b""))
    with pytest.raises(InputError, match="unpacks to 0 bytes"):
        mnist.read_idx(empty, mnist.LABELS_MAGIC)


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def batches(records: int) -> dict[str, bytes]:
    random = np.random.default_rng(1)
    content = {}
    for name in (*cifar10.TRAIN, *cifar10.TEST):
        raw = random.integers(0, 256, (records, cifar10.RECORD), dtype=np.uint8)
        raw[:, 0] %= 10
        content[f"cifar-10-batches-bin/{name}"] = raw.tobytes()
    return content


def test_cifar10_planes_become_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = batches(2)
    file = archive(tmp_path / "cifar-10-binary.tar.gz", content)
    monkeypatch.setattr(cifar10, "ARCHIVE", remote(file))
    found = data.load(Data(set="cifar10", path=str(tmp_path)))
    assert (found.train_images.shape, len(found.test_images)) == ((10, 32, 32, 3), 2)
    raw = np.frombuffer(content["cifar-10-batches-bin/test_batch.bin"], np.uint8)
    assert found.test_labels[0] == raw[0]
    # Green of row 3, column 5 of the first image.
    assert found.test_images[0, 3, 5, 1] == raw[1 + 1024 + 3 * 32 + 5]


def test_cifar10_archives_that_are_not(tmp_path: Path) -> None:
    names = cifar10.TEST
    evil = archive(tmp_path / "evil.tar.gz", {"../../x": b"", **batches(1)})
    with pytest.raises(InputError, match=r"holds '\.\./\.\./x', which leads out"):
        cifar10.read_members(evil, names)
    partial = archive(tmp_path / "partial.tar.gz", {"a/other.bin": b"12"})
    with pytest.raises(InputError, match=r"lacks test_batch\.bin"):
        cifar10.read_members(partial, names)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(evil.read_bytes()[:500])
    with pytest.raises(InputError, match=r"which leads out|cannot be read"):
        cifar10.read_members(cut, names)
    (tmp_path / "not.tar.gz").write_bytes(b"hello")
    with pytest.raises(InputError, match="cannot be read"):
        cifar10.read_members(tmp_path / "not.tar.gz", names)
    with pytest.raises(InputError, match="batches of 3072 bytes; expected a multiple of 3073"):
        cifar10.read_records(bytes(3072), cut)


def picture(path: Path, shade: int, size: tuple[int, int] = (9, 5)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 255 - shade)).save(path)


def test_folder_reads_one_class_a_directory(tmp_path: Path) -> None:
    for index in range(5):
        picture(tmp_path / "cat" / f"{index}.png", 250)
        picture(tmp_path / "dog" / f"{index}.bmp", 10, (4, 8))
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "empty").mkdir()
    found = data.load(Data(set="folder", path=str(tmp_path), shape=(6, 7, 3), test_fraction=0.4))
    assert found.classes == ("cat", "dog")
    assert (found.shape, len(found.train_images), len(found.test_images)) == ((6, 7, 3), 6, 4)
    assert np.bincount(found.test_labels).tolist() == [2, 2]
    assert (found.test_images[found.test_labels == 0, :, :, 0] == 250).all()
    assert found.decode[-1] == {"op": "resize", "width": 7, "height": 6}


def test_folder_with_one_class_or_no_shape(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png", 1)
    with pytest.raises(InputError, match=r"has 1 classes with \[1\] images"):
        data.load(Data(set="folder", path=str(tmp_path), shape=(6, 6, 3)))
    with pytest.raises(InputError, match="add both"):
        data.load(Data(set="folder", path=str(tmp_path)))


def png_that_claims(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    crc = struct.pack(">I", zlib.crc32(chunk))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + chunk + crc + data


def test_images_that_are_bombs_or_broken(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for index in range(2):
            picture(tmp_path / name / f"{index}.png", 1)
    bad = tmp_path / "a" / "0.png"
    wanted = Data(set="folder", path=str(tmp_path), shape=(6, 6, 3))
    for width in (9_000, 60_000):  # above our limit, and above Pillow's own
        bad.write_bytes(png_that_claims(width, width))
        with pytest.raises(InputError, match=r"0\.png .*(pixels|too large)"):
            data.load(wanted)
    bad.write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"0\.png cannot be read as an image"):
        data.load(wanted)


@pytest.mark.parametrize("sizes", [(0, 2**32 - 1, 2**32 - 1), (2**31, 0, 7)])
def test_idx_of_sizes_that_no_array_has(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    path = tmp_path / "sizes.gz"
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, *sizes)))
    with pytest.raises(InputError, match="holds 0 bytes of data; expected at least one"):
        mnist.read_idx(path, 0x803)
