//! Parses dumps: a line that names a function, then lines of 16 bytes each.
//!
//! Accepts what `lspci -F` accepts: text after the name, unrelated lines between, and dumps of 64, 256 or 4,096 bytes.
//! Bytes that a dump omits read ones.

use core::fmt;

/// Sizes in bytes of a whole configuration space and of the shortest usable dump, the header.
const SPACE_BYTES: usize = 4096;
const HEADER_BYTES: usize = 64;

/// One function of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedFunction {
    /// Its name in the dump.
    pub name: FunctionName,
    /// Its configuration space as far as it was dumped, 64 to 4,096 bytes.
    pub bytes: Vec<u8>,
}

/// The address of a function on the machine that was dumped. Linux assigns domains of more than 16 bits to buses that
/// no firmware table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionName {
    /// PCI domain (segment).
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device number.
    pub device: u8,
    /// Function number.
    pub function: u8,
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

/// Why a text is not a dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// No line names a function.
    #[error("line {line}: no dump of configuration space: `{text}` is no function, and none follows")]
    NoFunction {
        /// The first line that is neither empty nor a comment.
        line: usize,
        /// The beginning of that line.
        text: String,
    },
    /// A line of bytes contains something else.
    #[error("line {line}: `{text}` is no byte")]
    NotAByte {
        /// Line number, from 1.
        line: usize,
        /// The text that is no byte.
        text: String,
    },
    /// A line of bytes starts or ends outside configuration space.
    #[error("line {line}: offset {offset:#x} is past the 4096 bytes of configuration space")]
    PastTheEnd {
        /// Line number, from 1.
        line: usize,
        /// The offset in configuration space.
        offset: usize,
    },
    /// A function's dump is shorter than a header.
    #[error("line {line}: {name} has {found} bytes of configuration space, 64 are the least")]
    Short {
        /// Number of the line that names it.
        line: usize,
        /// The function.
        name: FunctionName,
        /// Length of its dump in bytes.
        found: usize,
    },
}

/// Parses a dump and returns its functions in the order of the text.
///
/// # Errors
/// [`DumpError`], with the line number.
pub fn parse_dump(text: &[u8]) -> Result<Vec<DumpedFunction>, DumpError> {
    // The text after a function's name may have any encoding; all that is parsed is ASCII.
    let text = String::from_utf8_lossy(text);
    let mut functions: Vec<(usize, DumpedFunction)> = Vec::new();
    let mut is_open = false;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.strip_suffix('\r').unwrap_or(text);
        if let Some(name) = function_name(text) {
            functions.push((line, DumpedFunction { name, bytes: Vec::new() }));
            is_open = true;
        } else if text.is_empty() {
            is_open = false;
        } else if let (true, Some((_, function)), Some((offset, bytes))) = (is_open, functions.last_mut(), row(text)) {
            add(&mut function.bytes, line, offset, bytes)?;
        }
    }
    if functions.is_empty() {
        return Err(no_function(&text));
    }
    let whole = |(line, function): (usize, DumpedFunction)| match function.bytes.len() {
        HEADER_BYTES.. => Ok(function),
        found => Err(DumpError::Short { line, name: function.name, found }),
    };
    functions.into_iter().map(whole).collect()
}

/// Parses `[domain:]bus:device.function` followed by a space.
fn function_name(line: &str) -> Option<FunctionName> {
    let (name, _) = line.split_once(' ')?;
    let (place, function) = name.rsplit_once('.')?;
    let parts: Vec<&str> = place.split(':').collect();
    let (domain, bus, device) = match parts[..] {
        [bus, device] => (0, bus, device),
        [domain, bus, device] if (4..=8).contains(&domain.len()) => (hexadecimal(domain)?, bus, device),
        _ => return None,
    };
    let byte = |digits: &str| (digits.len() == 2).then(|| hexadecimal(digits).and_then(|value| value.try_into().ok()));
    let function = (function.len() == 1).then(|| function.parse().ok())??;
    Some(FunctionName { domain, bus: byte(bus)??, device: byte(device)??, function })
}

/// Splits a line of bytes into its offset (two or three digits) and the rest.
fn row(line: &str) -> Option<(usize, &str)> {
    let (offset, bytes) = line.split_once(": ")?;
    let offset = (2..=3).contains(&offset.len()).then(|| hexadecimal(offset))??;
    Some((usize::try_from(offset).ok()?, bytes))
}

/// Parses digits only: `from_str_radix` would also accept a sign.
fn hexadecimal(digits: &str) -> Option<u32> {
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_digits.then(|| u32::from_str_radix(digits, 16).ok())?
}

fn add(bytes: &mut Vec<u8>, line: usize, start: usize, text: &str) -> Result<(), DumpError> {
    for (offset, digits) in (start..).zip(text.split_ascii_whitespace()) {
        let byte = (digits.len() == 2).then(|| hexadecimal(digits)).flatten().and_then(|byte| u8::try_from(byte).ok());
        let byte = byte.ok_or_else(|| DumpError::NotAByte { line, text: shorten(digits) })?;
        if offset >= SPACE_BYTES {
            return Err(DumpError::PastTheEnd { line, offset });
        }
        if offset >= bytes.len() {
            bytes.resize(offset + 1, 0xff);
        }
        bytes[offset] = byte;
    }
    Ok(())
}

/// Returns the error that names the first line which is neither empty nor a comment.
fn no_function(text: &str) -> DumpError {
    let mut lines = (1..).zip(text.lines());
    let first = lines.find(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let (line, text) = first.unwrap_or((1, ""));
    DumpError::NoFunction { line, text: shorten(text) }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str) -> String {
        (0..4).fold(format!("{name} Words\n"), |text, row| text + &format!("{row:x}0:{}\n", " 11".repeat(16)))
    }

    fn names(text: &str) -> Vec<String> {
        parse_dump(text.as_bytes()).unwrap().iter().map(|function| function.name.to_string()).collect()
    }

    #[test]
    fn names_may_have_a_domain_of_any_size() {
        let text = ["00:1f.2", "0001:02:03.4", "10000:e1:00.0"].map(header).join("\n");
        assert_eq!(names(&text), ["0000:00:1f.2", "0001:02:03.4", "10000:e1:00.0"]);
        assert_eq!(names(&text.replace('\n', "\r\n")), names(&text));
    }

    #[test]
    fn comments_and_other_text_are_skipped_and_three_digit_offsets_are_parsed() {
        let text = format!("# a comment\n\n{}\tSubsystem: words\n100: 22\n", header("00:00.0"));
        let functions = parse_dump(text.as_bytes()).unwrap();
        assert_eq!(functions.len(), 1);
        let bytes = &functions[0].bytes;
        assert_eq!((bytes.len(), bytes[0x3f], bytes[0x40], bytes[0x100]), (0x101, 0x11, 0xff, 0x22));
    }

    #[test]
    fn an_empty_line_ends_a_function() {
        let text = format!("{}\n40: 22 not bytes\n", header("00:00.0"));
        assert_eq!(parse_dump(text.as_bytes()).unwrap()[0].bytes.len(), 64);
    }

    #[test]
    fn malformed_dumps_are_errors_that_name_the_line() {
        let error = |text: &[u8]| parse_dump(text).unwrap_err().to_string();
        assert!(error(b"").starts_with("line 1: "));
        assert!(error(b"# comment\n\n\x7fELF\x02\x01\n").starts_with("line 3: "));
        assert!(error(b"00: 86 80\n").contains("`00: 86 80` is no function"));
        let good = header("00:00.0");
        assert_eq!(error(format!("{good}40: 12 zz\n").as_bytes()), "line 6: `zz` is no byte");
        assert_eq!(error(format!("{good}40: 123\n").as_bytes()), "line 6: `123` is no byte");
        assert!(error(format!("{good}fff: 12 13\n").as_bytes()).starts_with("line 6: offset 0x1000"));
        assert!(
            error(format!("{good}\n00:01.0 cut\n00: 12\n").as_bytes()).contains("line 7: 0000:00:01.0 has 1 bytes")
        );
    }
}
