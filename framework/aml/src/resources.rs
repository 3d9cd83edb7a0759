//! Interrupts in resource templates (ACPI 6.5, 6.4).

/// Small items: type and length in the first byte.
const IRQ: u8 = 0x04;
const END_TAG: u8 = 0x0f;
/// Large items: the type in the first byte, the length in two more.
const EXTENDED_INTERRUPT: u8 = 0x89;

/// Returns the interrupts of a template, in order. What is cut off at its end is left out.
pub(crate) fn interrupts(template: &[u8]) -> impl Iterator<Item = u32> {
    let mut rest = template;
    let items = core::iter::from_fn(move || {
        let (tag, body) = match *rest {
            [tag, low, high, ref body @ ..] if tag & 0x80 != 0 => {
                let length = usize::from(u16::from_le_bytes([low, high]));
                (tag, body.get(..length)?)
            }
            [tag, ref body @ ..] if tag & 0x80 == 0 && tag >> 3 != END_TAG => {
                (tag >> 3, body.get(..usize::from(tag & 7))?)
            }
            _ => return None,
        };
        let header = if tag & 0x80 == 0 { 1 } else { 3 };
        rest = &rest[header + body.len()..];
        Some((tag, body))
    });
    items.flat_map(|(tag, body)| {
        let mask = match (tag, body) {
            (IRQ, [low, high, ..]) => u16::from_le_bytes([*low, *high]),
            _ => 0,
        };
        let numbers = match (tag, body) {
            (EXTENDED_INTERRUPT, [_flags, count, numbers @ ..]) => {
                let length = usize::from(*count) * 4;
                numbers.get(..length).unwrap_or_default()
            }
            _ => &[],
        };
        let extended =
            numbers.chunks_exact(4).map(|number| u32::from_le_bytes([number[0], number[1], number[2], number[3]]));
        let legacy = (0..16).filter(move |number| mask >> number & 1 != 0);
        legacy.chain(extended)
    })
}
