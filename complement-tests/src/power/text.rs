//! Strings as `strace` prints them.

/// The bytes of the first string in `args`, if it is whole.
pub(super) fn first_string(args: &str) -> Option<Vec<u8>> {
    let (bytes, rest) = string(args.split_once('"')?.1)?;
    (!rest.starts_with("...")).then_some(bytes)
}

/// All strings in `args`, whole or not.
pub(super) fn strings(args: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), args);
    while let Some((_, after)) = rest.split_once('"') {
        let Some((bytes, behind)) = string(after) else {
            break;
        };
        found.push(String::from_utf8_lossy(&bytes).into_owned());
        rest = behind;
    }
    found
}

/// Reads up to the closing quote; gives the bytes and what follows.
fn string(text: &str) -> Option<(Vec<u8>, &str)> {
    let (input, mut bytes, mut at) = (text.as_bytes(), Vec::new(), 0);
    loop {
        match *input.get(at)? {
            b'"' => return Some((bytes, &text[at + 1..])),
            b'\\' => {
                at += 1;
                let byte = *input.get(at)?;
                if byte.is_ascii_digit() {
                    let (value, digits) = octal(&input[at..]);
                    bytes.push(value);
                    at += digits;
                    continue;
                }
                bytes.push(match byte {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'v' => 0x0b,
                    b'f' => 0x0c,
                    other => other,
                });
            }
            byte => bytes.push(byte),
        }
        at += 1;
    }
}

/// Up to three octal digits.
fn octal(digits: &[u8]) -> (u8, usize) {
    let digits = digits
        .iter()
        .take(3)
        .take_while(|byte| (b'0'..b'8').contains(byte));
    digits.fold((0, 0), |(value, count), byte| {
        (u8::wrapping_add(value << 3, byte - b'0'), count + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_and_cut_strings_are_known() {
        let whole = first_string(r#"5</f>, "a\n\0\3771\"\\", 6"#);
        assert_eq!(whole.unwrap(), b"a\n\0\xff1\"\\");
        assert_eq!(first_string(r#"5</f>, "ab"..., 60"#), None);
        assert_eq!(strings(r#"AT_FDCWD</x>, "/a", "/b", 0"#), ["/a", "/b"]);
    }
}
