//! The functions that an instruction of the image is from.

use std::io;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};

use super::operation::{Symbol, symbols};
use crate::systems::Files;

/// The names in the image: of its symbols, and of the functions that were inlined.
pub(super) struct Names<'a> {
    symbols: Vec<Symbol>,
    context: Context<EndianSlice<'a, LittleEndian>>,
}

impl<'a> Names<'a> {
    /// Reads the names of the image, whose file has this content.
    pub(super) fn read(files: &Files, image: &'a [u8]) -> io::Result<Self> {
        let object = object::File::parse(image).map_err(io::Error::other)?;
        let load = |section: SectionId| {
            let data = object.section_by_name(section.name()).map(|section| section.data()).transpose()?;
            Ok::<_, object::Error>(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
        };
        let dwarf = Dwarf::load(load).map_err(io::Error::other)?;
        Ok(Self { symbols: symbols(files)?, context: Context::from_dwarf(dwarf).map_err(io::Error::other)? })
    }

    /// Returns the address of the symbol with that name.
    pub(super) fn address(&self, name: &str) -> io::Result<u64> {
        let symbol = self.symbols.iter().find(|symbol| symbol.name == name);
        symbol.map(|symbol| symbol.address).ok_or_else(|| io::Error::other(format!("the image has no {name}")))
    }

    /// Returns the symbol that the address lies behind.
    pub(super) fn symbol(&self, address: u64) -> Option<&Symbol> {
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        Some(&self.symbols[after.checked_sub(1)?])
    }

    /// Returns the names of the functions that the instruction was inlined from, the innermost first and without their paths, and of
    /// the function that it is in.
    pub(super) fn functions(&self, address: u64) -> io::Result<Vec<String>> {
        let mut frames = self.context.find_frames(address).skip_all_loads().map_err(io::Error::other)?;
        let mut names = Vec::new();
        while let Some(frame) = frames.next().map_err(io::Error::other)? {
            let name = frame.function.and_then(|function| function.raw_name().map(|name| name.into_owned()).ok());
            names.extend(name);
        }
        Ok(names)
    }
}
