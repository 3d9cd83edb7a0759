//! The memory map: free memory, and its division into heap and page pool. Arithmetic on ranges only.

use core::ops::Range;

use arrayvec::ArrayVec;

/// Bytes in a page.
pub(super) const PAGE: u64 = 4096;
/// Memory below belongs to firmware. It stays unmapped, so that null pointers fault.
const FLOOR: u64 = 1 << 20;
/// Physical addresses from here on are not mapped (the device window's size).
pub(super) const CEILING: u64 = 1 << 46;
/// The largest pool that is cut from the same range as the heap, in bytes; it takes at most a quarter of it.
const MAX_POOL_BYTES: u64 = 64 << 20;
/// The pool is below this address: the boot page tables map it, and 32-bit devices reach it.
const LOW: u64 = 1 << 32;
/// The smallest contiguous free memory that is accepted, in bytes.
pub(super) const MIN_BYTES: u64 = 3 << 20;

/// Ranges of physical memory, in whole pages, sorted and disjoint.
pub(super) type Ranges = ArrayVec<Range<u64>, 32>;

/// One entry of the loader's memory map.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) range: Range<u64>,
    pub(super) kind: RegionKind,
}

/// The kind of a range in the memory map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegionKind {
    /// Free memory.
    Ram,
    /// Memory that firmware uses.
    Firmware,
    /// Reserved: memory or devices.
    Reserved,
}

/// The parts of the address space that are not free for BARs.
#[derive(Debug, Clone, Default)]
pub(super) struct AddressMap {
    /// All memory, used or free.
    pub(super) memory: Ranges,
    /// Ranges that firmware reserves. BARs that it assigned itself may be there.
    pub(super) reserved: Ranges,
}

impl AddressMap {
    /// Makes the address map of a loader's memory map.
    pub(super) fn of(map: impl Iterator<Item = Region>) -> Self {
        let mut address_map = Self::default();
        for Region { range, kind } in map {
            let ranges = if kind == RegionKind::Reserved { &mut address_map.reserved } else { &mut address_map.memory };
            // Without room for another range, the last one is extended: too much is safe, too little is not.
            let last = if ranges.is_full() { ranges.pop() } else { None };
            add(ranges, last.map_or(range.clone(), |last| last.start.min(range.start)..last.end.max(range.end)));
        }
        address_map
    }
}

/// What is taken from a loader's memory map.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryMap {
    /// Free memory: whole pages, sorted, disjoint, without the image.
    pub(super) usable: Ranges,
    /// All memory, and the ranges that firmware reserves.
    pub(super) address_map: AddressMap,
    /// A page of free memory that a CPU can be started in.
    pub(super) startup_page: Option<u64>,
}

impl MemoryMap {
    /// Reads the entries of a map, with an image that is at `image`.
    pub(super) fn of(map: impl Iterator<Item = Region> + Clone, image: Range<u64>) -> Self {
        let address_map = AddressMap::of(map.clone());
        Self { address_map, startup_page: startup_page(map.clone()), usable: usable(map, image) }
    }
}

/// Returns the free RAM of `map`: not below 1 MiB, not in the image, and below [`CEILING`].
fn usable(map: impl Iterator<Item = Region>, image: Range<u64>) -> Ranges {
    free(map, [0..FLOOR, image, CEILING..u64::MAX])
}

/// Returns a page of RAM in the first 640 KiB, where a CPU begins to run in real mode, but not the first page. Loaders and
/// firmware put what they leave at both ends of that memory, so it is the free page closest to the middle.
fn startup_page(map: impl Iterator<Item = Region>) -> Option<u64> {
    const END: u64 = 0xa_0000;
    const MIDDLE: u64 = END / 2;
    let ranges = free(map, [0..PAGE, END..u64::MAX, 0..0]);
    let nearest = ranges.iter().map(|range| MIDDLE.clamp(range.start, range.end - PAGE));
    nearest.min_by_key(|page| page.abs_diff(MIDDLE))
}

/// Returns the free RAM of `map` in whole pages, outside of `taken`, and not in an entry of another kind. Entries may
/// overlap, and the most restrictive one counts.
fn free(map: impl Iterator<Item = Region>, taken: [Range<u64>; 3]) -> Ranges {
    let (mut ram, mut holes) = (Ranges::new(), ArrayVec::<Range<u64>, 256>::new());
    holes.extend(taken);
    let mut end = u64::MAX;
    for Region { range, kind } in map {
        match kind == RegionKind::Ram {
            true => add(&mut ram, range),
            // Without room for another hole, nothing above it is used.
            false if holes.try_push(range.clone()).is_err() => end = end.min(range.start),
            false => {}
        }
    }
    for hole in holes.iter().chain([&(end..u64::MAX)]) {
        ram = ram.iter().flat_map(|range| without(range, hole)).take(Ranges::new().capacity()).collect();
    }
    let whole = ram.iter().map(|range| range.start.next_multiple_of(PAGE)..range.end / PAGE * PAGE);
    whole.filter(|range| range.start < range.end).collect()
}

/// Adds a range, merged with those that it touches. Ranges that do not fit are not used.
fn add(ranges: &mut Ranges, mut new: Range<u64>) {
    if new.start >= new.end {
        return;
    }
    ranges.retain(|range| {
        let touches = range.start <= new.end && new.start <= range.end;
        if touches {
            new = range.start.min(new.start)..range.end.max(new.end);
        }
        !touches
    });
    let place = ranges.partition_point(|range| range.start < new.start);
    let _ = ranges.try_insert(place, new);
}

/// Returns `range` without `hole`: up to two pieces.
pub(super) fn without(range: &Range<u64>, hole: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let pieces = if hole.start < hole.end {
        [range.start..range.end.min(hole.start), range.start.max(hole.end)..range.end]
    } else {
        [range.clone(), 0..0]
    };
    pieces.into_iter().filter(|piece| piece.start < piece.end)
}

/// The division of the free memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemoryPlan {
    /// The pool of whole pages for page tables and DMA. It is below 4 GiB, for devices with 32-bit addresses.
    pub(super) pool: Range<u64>,
    /// The heap.
    pub(super) heap: Range<u64>,
}

/// Divides the usable memory.
///
/// # Errors
/// The number of free bytes, when no range has [`MIN_BYTES`].
pub(super) fn plan(usable: &[Range<u64>]) -> Result<MemoryPlan, u64> {
    let length = |range: &Range<u64>| range.end - range.start;
    let total: u64 = usable.iter().map(length).sum();
    // UEFI leaves several ranges below 4 GiB, and the lowest may be small.
    let low = usable.iter().filter(|range| range.start < LOW && length(range) >= MIN_BYTES);
    let low = low.max_by_key(|range| length(range)).ok_or(total)?;
    // With enough memory above 4 GiB for the heap, the pool gets all the memory below.
    let high = usable.iter().filter(|range| range.start >= LOW).max_by_key(|range| length(range));
    if let Some(heap) = high.filter(|range| length(range) >= length(low) / 2) {
        return Ok(MemoryPlan { pool: low.clone(), heap: heap.clone() });
    }
    let pool = low.start..low.start + (length(low) / 4).min(MAX_POOL_BYTES) / PAGE * PAGE;
    Ok(MemoryPlan { heap: pool.end..low.end, pool })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::slice;

    use super::*;

    const MIB: u64 = 1 << 20;
    const IMAGE: Range<u64> = 2 * MIB..3 * MIB;

    fn ram(range: Range<u64>) -> Region {
        Region { range, kind: RegionKind::Ram }
    }

    fn reserved(range: Range<u64>) -> Region {
        Region { range, kind: RegionKind::Reserved }
    }

    fn usable_of(map: &[Region]) -> Vec<Range<u64>> {
        usable(map.iter().cloned(), IMAGE).into_iter().collect()
    }

    #[test]
    fn a_pc_with_128_mib() {
        let map = [ram(0..0x9fc00), reserved(0x9fc00..0xa0000), ram(MIB..0x7fe0000), reserved(0x7fe0000..0x8000000)];
        assert_eq!(usable_of(&map), [MIB..2 * MIB, 3 * MIB..0x7fe0000]);
    }

    #[test]
    fn the_most_restrictive_of_overlapping_entries_counts() {
        let map = [reserved(8 * MIB..9 * MIB), ram(4 * MIB..10 * MIB), ram(6 * MIB..12 * MIB)];
        assert_eq!(usable_of(&map), [4 * MIB..8 * MIB, 9 * MIB..12 * MIB]);
    }

    #[test]
    fn unaligned_ranges_shrink_to_pages_and_invalid_ones_are_not_used() {
        let map =
            [ram(4 * MIB + 1..5 * MIB + 1), ram(Range { start: 7 * MIB, end: 6 * MIB }), ram(8 * MIB..8 * MIB + 100)];
        assert_eq!(usable_of(&map), slice::from_ref(&(4 * MIB + PAGE..5 * MIB)));
        assert_eq!(usable_of(&[ram(0..u64::MAX)]), [MIB..2 * MIB, 3 * MIB..CEILING]);
    }

    #[test]
    fn ranges_that_do_not_fit_are_not_used() {
        let map = (0..500).map(|index| ram(index * 2 * MIB..(index * 2 + 1) * MIB));
        assert!(usable(map, IMAGE).len() <= 32);
        let holes = (0..500).map(|index| reserved(index * 2 * MIB..(index * 2 + 1) * MIB));
        let free = usable(holes.chain([ram(0..1000 * MIB)]), IMAGE);
        assert!(free.iter().all(|range| range.start / MIB % 2 == 1 && range.end - range.start <= MIB), "{free:?}");
    }

    #[test]
    fn a_cpu_starts_in_a_whole_page_of_low_ram() {
        let page = |map: &[Region]| MemoryMap::of(map.iter().cloned(), IMAGE).startup_page;
        assert_eq!(page(&[ram(0..0x9fc00), ram(MIB..64 * MIB)]), Some(0x5_0000));
        assert_eq!(page(&[ram(0..0x9fc00), reserved(0x4_f800..0x5_0001)]), Some(0x5_1000));
        assert_eq!(page(&[ram(0..0x9fc00), reserved(0x1000..0x9_0000)]), Some(0x9_0000));
        assert_eq!(page(&[ram(0..0x1fff), ram(0xa_0000..MIB)]), None);
        assert_eq!(page(&[]), None);
    }

    #[test]
    fn an_address_map_covers_every_entry() {
        let address_map = AddressMap::of((0..100).flat_map(|index| {
            [ram(index * 4 * MIB..(index * 4 + 1) * MIB), reserved((index * 4 + 2) * MIB..(index * 4 + 3) * MIB)]
        }));
        let holds = |ranges: &Ranges, at: u64| ranges.iter().any(|range| range.contains(&at));
        assert!((0..100).all(|index| holds(&address_map.memory, index * 4 * MIB)));
        assert!((0..100).all(|index| holds(&address_map.reserved, (index * 4 + 2) * MIB)));
        assert!(!holds(&address_map.memory, 2 * MIB));
    }

    #[test]
    fn the_pool_is_low_and_the_heap_is_the_rest() {
        let plan_128 = plan(&[MIB..2 * MIB, 4 * MIB..128 * MIB]).unwrap();
        assert_eq!(plan_128, MemoryPlan { pool: 4 * MIB..35 * MIB, heap: 35 * MIB..128 * MIB });
        let plan_5g = plan(&[4 * MIB..2048 * MIB, 4096 * MIB..7168 * MIB]).unwrap();
        assert_eq!(plan_5g, MemoryPlan { pool: 4 * MIB..2048 * MIB, heap: 4096 * MIB..7168 * MIB });
    }

    #[test]
    fn a_small_range_above_4_gib_is_not_used() {
        let plan = plan(&[4 * MIB..1024 * MIB, 4096 * MIB..4100 * MIB]).unwrap();
        assert_eq!(plan, MemoryPlan { pool: 4 * MIB..68 * MIB, heap: 68 * MIB..1024 * MIB });
    }

    #[test]
    fn a_small_lowest_range_is_not_used() {
        // The map of OVMF with 128 MiB: its own data is at 8 MiB.
        let plan = plan(&[4 * MIB..8 * MIB, 9 * MIB..121 * MIB, 122 * MIB..126 * MIB]).unwrap();
        assert_eq!(plan, MemoryPlan { pool: 9 * MIB..37 * MIB, heap: 37 * MIB..121 * MIB });
    }

    #[test]
    fn too_little_memory_is_an_error() {
        assert_eq!(plan(&[MIB..2 * MIB, 3 * MIB..4 * MIB]), Err(2 * MIB));
        assert_eq!(plan(&[]), Err(0));
    }
}
