//! The word that an unknown one is nearest to.

use alloc::vec::Vec;

/// The most edits between a word and the one that it is taken for.
const MAX_EDITS: usize = 2;

/// Returns the nearest of the words: one that begins with it, or that is one with at most two edits.
pub(super) fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let longer = words.clone().find(|word| typed.len() > 1 && word.starts_with(typed));
    longer.or_else(|| {
        let (edits, word) = words.map(|word| (edits(typed, word), word)).min_by_key(|(edits, _)| *edits)?;
        (edits <= MAX_EDITS && edits < word.len()).then_some(word)
    })
}

/// Returns how many bytes must be added, removed or replaced (the Levenshtein distance).
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, byte) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let words = ["functions", "interrupts", "log", "memory", "net"];
        let find = |typed| nearest(typed, words.into_iter());
        assert_eq!(find("funtcions"), Some("functions"));
        assert_eq!(find("inter"), Some("interrupts"));
        assert_eq!(find("lgo"), Some("log"));
        assert_eq!(find("ls"), Some("log"));
        assert_eq!(find("x"), None);
        assert_eq!(find("nonsense"), None);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!((edits("", "abc"), edits("kitten", "sitting"), edits("same", "same")), (3, 3, 0));
    }
}
