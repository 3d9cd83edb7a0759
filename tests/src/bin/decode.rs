//! `decode FILE...`: prints what the framework decodes from dumps of configuration space, one JSON object per function.
//!
//! Exit status: 0; 2 when a file cannot be read or is no dump (its functions are then not printed).

use std::process::ExitCode;
use std::{env, fs, io};

use switchboard_tests::{DumpAccess, describe, parse_dump};

fn main() -> ExitCode {
    let files: Vec<_> = env::args_os().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: decode FILE...\nFILE is what `lspci -xxxx` writes.");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let functions = fs::read(&file).map_err(|error| error.to_string());
        match functions.and_then(|text| parse_dump(&text).map_err(|error| error.to_string())) {
            Ok(functions) => match print(DumpAccess::leak(functions), &file.to_string_lossy()) {
                Ok(()) => {}
                // The reader of the pipe has closed it: not an error.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return code,
                Err(error) => {
                    eprintln!("standard output: {error}");
                    return ExitCode::FAILURE;
                }
            },
            Err(error) => {
                eprintln!("{}: {error}", file.to_string_lossy());
                code = ExitCode::from(2);
            }
        }
    }
    code
}

fn print(access: &'static DumpAccess, file: &str) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (address, function) in access.functions() {
        let mut value = describe(access, address, &function.name.to_string());
        value["file"] = file.into();
        io::Write::write_fmt(&mut out, format_args!("{value}\n"))?;
    }
    io::Write::flush(&mut out)
}
