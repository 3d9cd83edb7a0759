//! A sort that takes little room in the image.
//!
//! The library's sorts are faster, and are instantiated for each type with some 3 KiB. None of the lists here is sorted often.

/// Sorts a list, in place and without memory, by heapsort. Equal elements may change their order.
///
/// ```
/// use switchboard_runtime::sort;
///
/// let mut words = ["three", "one", "two"];
/// sort::by(&mut words, |a, b| a < b);
/// assert_eq!(words, ["one", "three", "two"]);
/// ```
pub fn by<T>(list: &mut [T], is_less: impl Fn(&T, &T) -> bool) {
    let count = list.len();
    // The first half of the rounds makes the heap, the others take the largest element from it.
    for round in (0..count + count / 2).rev() {
        let (mut parent, end) = match round.checked_sub(count) {
            Some(parent) => (parent, count),
            None => {
                list.swap(0, round);
                (0, round)
            }
        };
        loop {
            let mut child = 2 * parent + 1;
            if child >= end {
                break;
            }
            if child + 1 < end && is_less(&list[child], &list[child + 1]) {
                child += 1;
            }
            if !is_less(&list[parent], &list[child]) {
                break;
            }
            list.swap(parent, child);
            parent = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    #[test]
    fn lists_of_every_length_are_sorted() {
        let mut state = 1_u32;
        for length in 0..200 {
            let mut list: Vec<u32> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state >> 26
                })
                .collect();
            let mut expected = list.clone();
            expected.sort_unstable();
            super::by(&mut list, |a, b| a < b);
            assert_eq!(list, expected);
        }
    }
}
