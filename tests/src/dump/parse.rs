//! The text: a line that names a function, then its bytes, sixteen a line.
//!
//! What `lspci -F` reads is read here too: any words behind the name, lines of other kinds between, and dumps of 64, 256
//! or 4,096 bytes. Bytes that a dump leaves out read ones.

use core::fmt;

/// Bytes of a whole configuration space, and of the least that tells what a function is.
const MOST: usize = 4096;
const LEAST: usize = 64;

/// A function of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedFunction {
    /// What the dump calls it.
    pub name: FunctionName,
    /// As much of its configuration space as there is, from 64 to 4,096 bytes.
    pub bytes: Vec<u8>,
}

/// Where a function was on the machine that was dumped. Linux invents domains of more than 16 bits for buses that no
/// firmware table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionName {
    /// The domain.
    pub domain: u32,
    /// The bus.
    pub bus: u8,
    /// The device.
    pub device: u8,
    /// The function.
    pub function: u8,
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

/// Why a text is no dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// No line of it names a function.
    #[error("line {line}: no dump of configuration space: `{text}` is no function, and none follows")]
    NoFunction {
        /// The first line that should have been one.
        line: usize,
        /// The beginning of what it says.
        text: String,
    },
    /// A line of bytes holds something else.
    #[error("line {line}: `{text}` is no byte")]
    NotAByte {
        /// The line.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A line of bytes lies outside of configuration space.
    #[error("line {line}: offset {offset:#x} is past the 4096 bytes of configuration space")]
    PastTheEnd {
        /// The line.
        line: usize,
        /// Where its bytes would go.
        offset: usize,
    },
    /// A function has no whole header.
    #[error("line {line}: {name} has {found} bytes of configuration space, 64 are the least")]
    Short {
        /// The line that names it.
        line: usize,
        /// The function.
        name: FunctionName,
        /// The bytes that there are.
        found: usize,
    },
}

/// Reads a dump: its functions, in the order of the text.
///
/// # Errors
/// [`DumpError`], with the number of the line.
pub fn parse_dump(text: &[u8]) -> Result<Vec<DumpedFunction>, DumpError> {
    // Words of any encoding may stand behind a function's name; what is looked at here is ASCII.
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
        LEAST.. => Ok(function),
        found => Err(DumpError::Short { line, name: function.name, found }),
    };
    functions.into_iter().map(whole).collect()
}

/// `[domain:]bus:device.function` and a space.
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

/// `offset: ` in two or three digits, and what follows.
fn row(line: &str) -> Option<(usize, &str)> {
    let (offset, bytes) = line.split_once(": ")?;
    let offset = (2..=3).contains(&offset.len()).then(|| hexadecimal(offset))??;
    Some((usize::try_from(offset).ok()?, bytes))
}

/// Digits and nothing else: the standard library would also take a sign.
fn hexadecimal(digits: &str) -> Option<u32> {
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_digits.then(|| u32::from_str_radix(digits, 16).ok())?
}

fn add(bytes: &mut Vec<u8>, line: usize, start: usize, text: &str) -> Result<(), DumpError> {
    for (offset, digits) in (start..).zip(text.split_ascii_whitespace()) {
        let byte = (digits.len() == 2).then(|| hexadecimal(digits)).flatten().and_then(|byte| u8::try_from(byte).ok());
        let byte = byte.ok_or_else(|| DumpError::NotAByte { line, text: shorten(digits) })?;
        if offset >= MOST {
            return Err(DumpError::PastTheEnd { line, offset });
        }
        if offset >= bytes.len() {
            bytes.resize(offset + 1, 0xff);
        }
        bytes[offset] = byte;
    }
    Ok(())
}

/// Names the first line that is neither empty nor a comment.
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
    fn names_have_domains_of_any_size_or_none() {
        let text = ["00:1f.2", "0001:02:03.4", "10000:e1:00.0"].map(header).join("\n");
        assert_eq!(names(&text), ["0000:00:1f.2", "0001:02:03.4", "10000:e1:00.0"]);
        assert_eq!(names(&text.replace('\n', "\r\n")), names(&text));
    }

    #[test]
    fn comments_words_and_offsets_of_three_digits_are_read_past_or_into() {
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
    fn what_is_no_dump_is_told_by_its_line() {
        let said = |text: &[u8]| parse_dump(text).unwrap_err().to_string();
        assert!(said(b"").starts_with("line 1: "));
        assert!(said(b"# comment\n\n\x7fELF\x02\x01\n").starts_with("line 3: "));
        assert!(said(b"00: 86 80\n").contains("`00: 86 80` is no function"));
        let good = header("00:00.0");
        assert_eq!(said(format!("{good}40: 12 zz\n").as_bytes()), "line 6: `zz` is no byte");
        assert_eq!(said(format!("{good}40: 123\n").as_bytes()), "line 6: `123` is no byte");
        assert!(said(format!("{good}fff: 12 13\n").as_bytes()).starts_with("line 6: offset 0x1000"));
        assert!(said(format!("{good}\n00:01.0 cut\n00: 12\n").as_bytes()).contains("line 7: 0000:00:01.0 has 1 bytes"));
    }
}
