//! Lines for people, whatever the log level: results, tables, and what went wrong.

/// Prints one line on the console.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::console::print(::core::format_args!($($argument)*))
    };
}

/// Prints one line on the console. See [`say!`](crate::say).
pub fn print(line: core::fmt::Arguments<'_>) {
    if let Some(host) = crate::hal::get() {
        host.print(format_args!("{line}\n"));
    }
}
