//! What bytes are, told by their beginning. For media whose type nobody gave.

/// The type that the first bytes tell, or nothing when they tell none.
pub(crate) fn guess(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    Some(match bytes {
        _ if starts(b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if starts(b"\xff\xd8\xff") => "image/jpeg",
        _ if starts(b"GIF87a") || starts(b"GIF89a") => "image/gif",
        _ if starts(b"RIFF") && at(8, b"WEBP") => "image/webp",
        _ if starts(b"RIFF") && at(8, b"WAVE") => "audio/wav",
        _ if at(4, b"ftypheic") || at(4, b"ftypheix") || at(4, b"ftypmif1") => "image/heic",
        _ if at(4, b"ftypavif") => "image/avif",
        _ if at(4, b"ftypM4A") => "audio/mp4",
        _ if at(4, b"ftyp") => "video/mp4",
        _ if starts(b"%PDF-") => "application/pdf",
        _ if starts(b"ID3") || matches!(bytes, [0xff, second, ..] if second & 0xe6 == 0xe2) => "audio/mpeg",
        _ if starts(b"fLaC") => "audio/flac",
        _ if starts(b"OggS") => "audio/ogg",
        _ if starts(b"\x1a\x45\xdf\xa3") => "video/webm",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::guess;

    #[test]
    fn the_first_bytes_tell_what_a_file_is() {
        for (bytes, mime) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
            (b"\0\0\0\x18ftypheic", "image/heic"),
            (b"\0\0\0\x18ftypisom", "video/mp4"),
            (b"%PDF-1.7", "application/pdf"),
            (b"ID3\x04", "audio/mpeg"),
            (b"\xff\xfb\x90\x64", "audio/mpeg"),
            (b"\xff\xf3\x40\xc0", "audio/mpeg"),
        ] {
            assert_eq!(guess(bytes), Some(mime));
        }
        for nothing in [&b""[..], b"R", b"RIFF", b"hello", b"\xff\xf1", b"\xff"] {
            assert_eq!(guess(nothing), None, "{nothing:?}");
        }
    }
}
