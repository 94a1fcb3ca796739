"""Target profiles: those that come along say what their boards have; others are checked key by key."""

from pathlib import Path

import pytest

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.profiles import load_profile, profile_names
from tinyfoa_rt.resources import resource_path

KIB = 1024
BOARDS = {
    "stm32f746": (320 * KIB, 1024 * KIB),
    "nrf52840": (256 * KIB, 1024 * KIB),
    "rp2040": (264 * KIB, 2048 * KIB),
    "esp32-s3": (512 * KIB, 8192 * KIB),
    "microbit": (16 * KIB, 256 * KIB),
}
PROVIDERS = {
    "android-nnapi": "NnapiExecutionProvider",
    "ios-coreml": "CoreMLExecutionProvider",
    "qualcomm-qnn": "QNNExecutionProvider",
}


def test_the_profiles_that_come_along() -> None:
    assert set(profile_names()) == {*BOARDS, *PROVIDERS, "c99", "ort-cpu", "ort-kernels", "raspberry-pi-4"}


@pytest.mark.parametrize("name", BOARDS)
def test_boards(name: str) -> None:
    profile = load_profile(name)
    assert (profile.ram_bytes, profile.nonvolatile_bytes) == BOARDS[name]
    assert profile.default_budget_bytes == BOARDS[name][0] - profile.reserved_bytes
    assert profile.packs_bits
    assert profile.placement == "arena"


def test_profiles_without_ram_have_no_default_budget() -> None:
    assert load_profile("ort-cpu").default_budget_bytes is None
    assert load_profile("c99").nonvolatile_bytes is None


@pytest.mark.parametrize("name", PROVIDERS)
def test_profiles_name_their_provider(name: str) -> None:
    assert load_profile(name).provider == PROVIDERS[name]
    assert not load_profile("ort-cpu").provider


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"stm32f747: is not known; use android-nnapi, c99, .*stm32f746"):
        load_profile("stm32f747")


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((resource_path("targets/profiles") / "rp2040.toml").read_text().replace("264KB", "100kB"))
    assert load_profile(str(path)).ram_bytes == 100_000


CHANGES = [
    ("264KB", "lots", "ram: is not a size"),
    ('"264KB"', "264", "ram: is 264"),
    ("packs_bits = true", 'packs_bits = "yes"', "packs_bits: is 'yes'"),
    ("packs_bits = true", "", "lacks the key 'packs_bits'"),
    ("packs_bits", "packs_bites", "lacks the key 'packs_bits'"),
    ("alignment = 4", "alignment = 3", "alignment: is 3"),
    ("alignment = 4", "alignment = 4.0", "alignment: is 4.0"),
    ("alignment = 4", "alignment = true", "alignment: is True"),
    ("alignment = 4", "alignment = 4\nspeed = 1", "unknown key 'speed'"),
    ('"arena"', '"heap"', "placement: is 'heap'"),
    ('"32KB"', '"300KB"', "reserved: is '300KB'"),
    ('"264KB"', '"none"', "ram: is 'none'"),
    ("title =", "title = 5 #", "title: is 5"),
    ("alignment = 4", "alignment = 4\nprovider = 5", "provider: is 5"),
    ("title", "title =", "is not TOML"),
]


@pytest.mark.parametrize(("old", "new", "message"), CHANGES)
def test_a_faulty_profile_is_refused_by_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (resource_path("targets/profiles") / "rp2040.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as refusal:
        load_profile(str(path))
    assert message in str(refusal.value)
    assert "mine.toml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_profile_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"title = {'[' * 5000}{']' * 5000}")
    with pytest.raises(InputError) as refusal:
        load_profile(str(path))
    assert "mine.toml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_profile(str(tmp_path / "none.toml"))
