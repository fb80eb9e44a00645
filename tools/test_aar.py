"""What the package for Android holds, and when it is refused."""

from __future__ import annotations

import os
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import aar
import native

ANDROID = "{http://schemas.android.com/apk/res/android}"


class ThePackage(unittest.TestCase):
    """Of libraries that stand for the real ones."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def packed(self, name: str) -> Path:
        """Pack two libraries and a jar."""
        built: dict[str, Path] = {}
        for kind in aar.KINDS:
            built[kind] = self.folder / kind / "libtertulia_ffi.so"
            built[kind].parent.mkdir(exist_ok=True)
            built[kind].write_bytes(kind.encode())
        jar = self.folder / "tertulia.jar"
        jar.write_bytes(b"a jar")
        aar.pack(jar, built, self.folder / "new" / name)
        return self.folder / "new" / name

    def test_everything_is_where_android_looks_for_it(self) -> None:
        with zipfile.ZipFile(self.packed("one.aar")) as archive:
            held = {name: archive.read(name) for name in archive.namelist()}
        self.assertEqual(held.pop("classes.jar"), b"a jar")
        self.assertEqual(held.pop("R.txt"), b"")
        self.assertEqual(held.pop("jni/arm64-v8a/libtertulia_ffi.so"), b"arm64-v8a")
        self.assertEqual(held.pop("jni/x86_64/libtertulia_ffi.so"), b"x86_64")
        self.assertIn(b"native <methods>", held.pop("proguard.txt"))
        manifest = ElementTree.fromstring(held.pop("AndroidManifest.xml"))
        self.assertEqual(manifest.get("package"), "dev.tertulia")
        asked = [permission.get(f"{ANDROID}name") for permission in manifest.iter("uses-permission")]
        self.assertEqual(asked, ["android.permission.INTERNET"])
        oldest = [sdk.get(f"{ANDROID}minSdkVersion") for sdk in manifest.iter("uses-sdk")]
        self.assertEqual(oldest, [str(aar.OLDEST)])
        self.assertEqual(held, {})

    def test_the_same_contents_are_the_same_bytes(self) -> None:
        self.assertEqual(self.packed("one.aar").read_bytes(), self.packed("two.aar").read_bytes())

    def test_what_it_stands_on_is_what_it_was_built_with(self) -> None:
        root = ElementTree.fromstring(aar.description())
        found = {
            dependency[1].text: (dependency[2].text, dependency[3].text)
            for dependency in root.iter(f"{aar.XML}dependency")
        }
        self.assertEqual(found["jna"], (aar.version("jna.version"), "aar"))
        self.assertEqual(found["rustls-platform-verifier"], (aar.verifier(), "aar"))
        self.assertEqual(set(found), {"kotlin-stdlib", "kotlinx-coroutines-core", "jna", "rustls-platform-verifier"})


class Refusals(unittest.TestCase):
    """They come before anything is built, and say what to do."""

    def test_without_an_ndk_it_says_where_there_is_one(self) -> None:
        for named, said in (("", "ANDROID_NDK_HOME is not set"), ("/nowhere", "/nowhere .* holds no NDK")):
            with (
                mock.patch.dict(os.environ, {"ANDROID_NDK_HOME": named}),
                self.assertRaisesRegex(native.ImpossibleError, f"{said}.*https://developer.android.com/ndk"),
            ):
                aar.make()

    def test_the_compiler_of_the_oldest_android_is_taken(self) -> None:
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home) / "toolchains/llvm/prebuilt/any-machine/bin"
            folder.mkdir(parents=True)
            (folder / "llvm-ar").touch()
            self.assertEqual(aar.compilers({"ANDROID_NDK_HOME": home}), folder)
        said = aar.surroundings(Path("/ndk"), "x86_64-linux-android")
        compiler = "/ndk/x86_64-linux-android26-clang"
        self.assertEqual(said["CC_x86_64_linux_android"], compiler)
        self.assertEqual(said["CARGO_TARGET_X86_64_LINUX_ANDROID_LINKER"], compiler)


if __name__ == "__main__":
    unittest.main()
