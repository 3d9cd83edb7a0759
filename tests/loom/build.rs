//! Takes the framework's own source for the models: the files as they are, with the words for atomics and memory
//! turned to loom's, and with every planted bug behind its switch.
//!
//! Each replaced text must be there: where a change to the framework moved one, a test says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "planted.rs"]
mod planted;

/// The modules, below `framework/src`.
const MODULES: &[(&str, &[&str])] = &[
    ("config", &["access", "msi", "msix"]),
    ("interrupt", &["grant", "isr", "mask", "mode", "msi", "msix", "row", "slot", "vectors"]),
    ("sync", &["event"]),
];

/// What stands in for what; and the models look inside.
const WORDS: &[(&str, &str)] = &[
    ("core::sync::atomic::", "crate::stand_in::atomic::"),
    ("core::hint::spin_loop()", "loom::hint::spin_loop()"),
    ("alloc::boxed::Box", "crate::stand_in::memory::Box"),
    ("atomic_waker::AtomicWaker", "crate::stand_in::waker::AtomicWaker"),
    ("crate::sync::stack_pointer()", "crate::stand_in::stack::pointer()"),
    ("pub(super)", "pub(crate)"),
    // Fewer vectors: the stacks of loom's threads are small.
    ("; 256]", "; 64]"),
];

fn main() {
    let framework = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../framework/src");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a directory"));
    let mut files = BTreeMap::new();
    for (area, names) in MODULES {
        for name in *names {
            let file = format!("{area}/{name}.rs");
            let path = framework.join(&file);
            println!("cargo::rerun-if-changed={}", path.display());
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files.insert(file, text);
        }
    }
    let mut moved = Vec::new();
    for (index, planted) in planted::PLANTED.iter().enumerate() {
        let text = files.get_mut(planted.file).unwrap_or_else(|| panic!("{} is in no model", planted.file));
        if text.matches(planted.from).count() == 1 {
            *text = text.replacen(planted.from, &switched(index, planted.from, planted.to), 1);
        } else {
            moved.push(format!("{} has not exactly one {:?}", planted.file, planted.from));
        }
    }
    for (word, stand_in) in WORDS {
        if !files.values().any(|text| text.contains(word)) {
            moved.push(format!("no file has {word:?}"));
        }
        files.values_mut().for_each(|text| *text = text.replace(word, stand_in));
    }
    fs::write(out.join("moved.rs"), format!("&{moved:?}")).expect("the directory can be written to");
    for (area, names) in MODULES {
        let mut modules = String::new();
        for name in *names {
            let path = out.join(format!("{area}_{name}.rs"));
            fs::write(&path, &files[&format!("{area}/{name}.rs")]).expect("the directory can be written to");
            modules += &format!("#[path = {path:?}]\nmod {name};\n");
        }
        fs::write(out.join(format!("{area}.rs")), modules).expect("the directory can be written to");
    }
}

/// Both texts, by kind: arms of a `match`, conditions, statements, expressions.
fn switched(index: usize, from: &str, to: &str) -> String {
    let bug = format!("crate::is_planted({index})");
    if let (Some((pattern, from)), Some((new, to))) = (arm(from), arm(to)) {
        let (guard, plain) = (format!("{new} if {bug} => {to},"), format!("{pattern} => {from},"));
        return format!("{guard} {plain}");
    }
    let condition = |text: &str| Some(text.strip_prefix("if ")?.strip_suffix(" {")?.to_owned());
    if let (Some(from), Some(to)) = (condition(from), condition(to)) {
        return format!("if (if {bug} {{ {to} }} else {{ {from} }}) {{");
    }
    if from.ends_with(';') {
        return format!("if {bug} {{ {to} }} else {{ {from} }}");
    }
    format!("(if {bug} {{ {to} }} else {{ {from} }})")
}

fn arm(text: &str) -> Option<(&str, &str)> {
    text.strip_suffix(',')?.split_once(" => ")
}
