//! Dumps of configuration space, decoded by the framework: those of the project against stored results, and those of
//! other machines against `lspci`.
//!
//! The dumps of other machines, and the tool that runs `lspci`, are beside the project, in `../shared`; where that
//! folder,
//! `lspci` or Python is missing, these tests are skipped with a message.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use switchboard_tests::{DumpAccess, ScratchPath, describe, parse_dump};

/// Number of mutants of the dumps of other machines.
const MUTANTS: &str = "300";
/// Fields that `lspci` does not have, or that describe the run: not compared.
const NOT_COMPARED: [&str; 2] = ["warn", "file"];

/// Decodes the functions of a dump, in its order.
fn decode(file: &Path) -> Vec<Value> {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let functions = parse_dump(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let access = DumpAccess::leak(functions);
    access.functions().map(|(address, function)| describe(access, address, &function.name.to_string())).collect()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn texts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut texts: Vec<_> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    texts.retain(|path| path.extension().is_some_and(|kind| kind == "txt"));
    texts.sort();
    texts
}

#[test]
fn stored_dumps_decode_as_recorded() {
    let decoded = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("dumps"));
    assert!(!decoded.is_empty());
    for file in decoded {
        let expected = json_lines(&fs::read_to_string(file.with_extension("json")).expect("what it decodes to"));
        assert_eq!(decode(&file), expected, "{}", file.display());
    }
}

/// Returns the folder beside the project, if everything needed is present.
fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    let missing = [
        ("../shared/config-dumps", folder.join("config-dumps").is_dir()),
        ("../shared/tools/oracle.py", folder.join("tools/oracle.py").is_file()),
        ("python3", runs("python3")),
        ("lspci", runs("lspci")),
    ];
    let missing: Vec<_> = missing.into_iter().filter(|(_, is_here)| !is_here).map(|(what, _)| what).collect();
    if !missing.is_empty() {
        eprintln!("skipped: not here: {}", missing.join(", "));
    }
    missing.is_empty().then_some(folder)
}

fn python(tool: &Path, arguments: &[&Path], words: &[&str]) -> Output {
    let output = Command::new("python3").arg(tool).args(words).args(arguments).output().expect("python3 starts");
    assert!(output.status.success(), "{}: {}", tool.display(), String::from_utf8_lossy(&output.stderr));
    output
}

/// Compares what the framework and `lspci` decode from `files`, field by field. Returns the number of functions
/// compared, and the differences.
fn compare(shared: &Path, files: &[PathBuf]) -> (usize, Vec<String>) {
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let printed = python(&shared.join("tools/oracle.py"), &paths, &[]);
    let mut by_lspci = BTreeMap::new();
    for function in json_lines(&String::from_utf8(printed.stdout).expect("UTF-8")) {
        let name = (function["file"].to_string(), function["bdf"].to_string());
        by_lspci.entry(name).or_insert(function);
    }
    let (mut compared, mut differences) = (0, Vec::new());
    for file in files {
        let name = Value::from(file.to_string_lossy()).to_string();
        for decoded in decode(file) {
            let bdf = decoded["bdf"].to_string();
            let Some(reference) = by_lspci.remove(&(name.clone(), bdf.clone())) else {
                differences.push(format!("{name} {bdf}: not printed by lspci"));
                continue;
            };
            compared += 1;
            differences.extend(differing(&decoded, &reference).map(|fields| format!("{name} {bdf}: {fields}")));
        }
    }
    differences.extend(by_lspci.keys().map(|(file, bdf)| format!("{file} {bdf}: not decoded")));
    (compared, differences)
}

/// Describes the fields that differ, of those that `lspci` prints.
fn differing(decoded: &Value, reference: &Value) -> Option<String> {
    // lspci follows pointers to offsets where no capability can be; the framework reports them as invalid.
    if decoded["chain"] == "outside" || decoded["echain"] == "outside" {
        return None;
    }
    let reference = reference.as_object().expect("an object");
    let differs = |(key, value): &(&String, &Value)| match key.as_str() {
        key if NOT_COMPARED.contains(&key) => false,
        // lspci prints a pin as one letter, counted from A, even if out of range.
        "pin" => decoded["pin"].as_u64().is_none_or(|pin| pin < 192) && decoded["pin"] != **value,
        // A register that reads all ones holds no address.
        "rom" => value["addr"] != 0 && decoded["rom"] != **value,
        key => decoded[key] != **value,
    };
    let fields: Vec<_> = reference.iter().filter(differs).collect();
    let fields: Vec<_> =
        fields.iter().map(|(key, value)| format!("{key}: {} and not {value}", decoded[*key])).collect();
    (!fields.is_empty()).then(|| fields.join("; "))
}

#[test]
fn dumps_of_real_machines_decode_as_lspci_decodes_them() {
    let Some(shared) = shared() else { return };
    let files = texts(&shared.join("config-dumps"));
    let (compared, differences) = compare(&shared, &files);
    eprintln!("{compared} functions of {} dumps compared, {} differ", files.len(), differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(compared >= 331, "{compared}");
}

#[test]
fn hostile_spaces_and_mutants_decode_as_lspci_decodes_them() {
    let Some(shared) = shared() else { return };
    let (catalogue, mutants) = (ScratchPath::new("catalogue"), ScratchPath::new("mutants"));
    let tool = shared.join("tools/hostile.py");
    python(&tool, &[catalogue.path()], &[]);
    let dumps = texts(&shared.join("config-dumps"));
    let mut arguments = vec![Path::new("--mutate")];
    arguments.extend(dumps.iter().map(PathBuf::as_path));
    arguments.extend(["-n", MUTANTS, "--seed", "7"].map(Path::new));
    arguments.insert(0, mutants.path());
    python(&tool, &arguments, &[]);
    let files: Vec<_> = [catalogue.path(), mutants.path()].into_iter().flat_map(texts).collect();
    let (compared, differences) = compare(&shared, &files);
    for folder in [&catalogue, &mutants] {
        fs::remove_dir_all(folder.path()).expect("our own folder");
    }
    eprintln!("{compared} functions of {} files compared, {} differ", files.len(), differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
}
