//! Line coverage inside the guest: the counters of an image that was built with them (`tools/cov`) are read from the guest's
//! memory after QEMU has ended, whatever ended it. The guest takes no part in that.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::{env, fs, process};

use object::{Object, ObjectSection};

use crate::built::built_image;
use crate::proxy::GuestMemory;

/// The environment variable with the folder for profiles.
const VARIABLE: &str = "SWITCHBOARD_COVERAGE";
/// The first word of a raw profile of 64 bits, and its version, that of LLVM 19 to 22.
const MAGIC: u64 = 0xff6c_7072_6f66_7281;
const VERSION: u64 = 10;
/// The bytes of an entry of the section with functions, in that version.
const FUNCTION_BYTES: usize = 64;
/// The last kind of value profiles, in that version. There are none.
const LAST_VALUE_KIND: u64 = 2;

/// The coverage of the guests of this process: the sums of their counters.
static PROFILE: Mutex<Option<Profile>> = Mutex::new(None);

/// Returns the folder for profiles where coverage is asked for.
pub(crate) fn folder() -> Option<PathBuf> {
    env::var_os(VARIABLE).map(PathBuf::from)
}

/// A guest whose counters are read when this is dropped, which must be after QEMU has ended.
#[derive(Debug)]
pub(crate) struct Coverage {
    folder: PathBuf,
    memory: GuestMemory,
}

impl Coverage {
    /// Returns the coverage of a guest with this memory, whose image is the built one.
    pub(crate) fn new(folder: PathBuf, memory: GuestMemory) -> Self {
        Self { folder, memory }
    }
}

impl Drop for Coverage {
    fn drop(&mut self) {
        let mut profile = PROFILE.lock().unwrap_or_else(PoisonError::into_inner);
        if profile.is_none() {
            *profile = fs::read(built_image()).ok().and_then(|image| Profile::of(&image));
        }
        let Some(profile) = &mut *profile else { return eprintln!("the image has no counters of coverage") };
        // A guest that was ended before its image was loaded has none.
        if profile.add(&self.memory).is_some() {
            let path = self.folder.join(format!("guests-{}.profraw", process::id()));
            if let Err(error) = fs::write(&path, profile.raw()) {
                eprintln!("{}: {error}", path.display());
            }
        }
    }
}

/// A section of the image.
#[derive(Debug)]
struct Section {
    address: u64,
    bytes: Vec<u8>,
}

/// The sums of the counters of all guests with one image.
#[derive(Debug)]
struct Profile {
    functions: Section,
    names: Section,
    counters_address: u64,
    counters: Vec<u64>,
}

impl Profile {
    /// Returns the profile of an image before it has run, or `None` when it was built without counters.
    fn of(image: &[u8]) -> Option<Self> {
        let file = object::File::parse(image).ok()?;
        let section = |name: &str| {
            let section = file.section_by_name(name)?;
            Some(Section { address: section.address(), bytes: section.data().ok()?.to_vec() })
        };
        let (functions, names) = (section("__llvm_prf_data")?, section("__llvm_prf_names")?);
        let counters = section("__llvm_prf_cnts")?;
        let counts = vec![0; counters.bytes.len() / 8];
        Some(Self { functions, names, counters_address: counters.address, counters: counts })
    }

    /// Adds the counters of a guest that has ended. Returns `None` when its memory does not hold the image.
    fn add(&mut self, memory: &GuestMemory) -> Option<()> {
        let mut names = vec![0; self.names.bytes.len()];
        memory.read(self.names.address, &mut names).ok()?;
        let mut counters = vec![0; self.counters.len() * 8];
        memory.read(self.counters_address, &mut counters).ok()?;
        if names != self.names.bytes {
            return None;
        }
        for (sum, bytes) in self.counters.iter_mut().zip(counters.as_chunks().0) {
            *sum = sum.saturating_add(u64::from_le_bytes(*bytes));
        }
        Some(())
    }

    /// Returns it in LLVM's format for `llvm-profdata`: a header of sixteen words, functions, counters, names.
    fn raw(&self) -> Vec<u8> {
        let names = self.names.bytes.len();
        let header = [
            MAGIC,
            VERSION,
            0, // binary IDs
            (self.functions.bytes.len() / FUNCTION_BYTES) as u64,
            0, // padding before the counters
            self.counters.len() as u64,
            0, // padding after them
            0, // bitmaps
            0, // padding after them
            names as u64,
            self.counters_address.wrapping_sub(self.functions.address),
            0, // bitmaps
            self.names.address,
            0, // virtual tables
            0, // their names
            LAST_VALUE_KIND,
        ];
        let mut bytes: Vec<u8> = header.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes.extend_from_slice(&self.functions.bytes);
        bytes.extend(self.counters.iter().flat_map(|count| count.to_le_bytes()));
        bytes.extend_from_slice(&self.names.bytes);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_guests_are_added_to_a_raw_profile() {
        let functions = Section { address: 0x3000, bytes: vec![7; FUNCTION_BYTES] };
        let names = Section { address: 0x1000, bytes: b"names".to_vec() };
        let mut profile = Profile { functions, names, counters_address: 0x2000, counters: vec![0; 2] };
        let memory = GuestMemory::mebibytes(1);
        assert_eq!(profile.add(&memory), None, "the image was not loaded");
        memory.write(0x1000, b"names").expect("memory");
        memory.write(0x2008, &5_u64.to_le_bytes()).expect("memory");
        for _ in 0..2 {
            profile.add(&memory).expect("an image");
        }
        let raw = profile.raw();
        let word = |index: usize| u64::from_le_bytes(*raw[index * 8..].first_chunk().expect("a word"));
        assert_eq!([word(3), word(5), word(9), word(10)], [1, 2, 5, 0x2000_u64.wrapping_sub(0x3000)]);
        assert_eq!([word(16 + 8), word(16 + 9)], [0, 10]);
        assert_eq!(raw[16 * 8 + FUNCTION_BYTES + 16..], *b"names\0\0\0");
    }
}
