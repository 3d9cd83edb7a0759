//! Prints lines on the console, whatever the log level: results, tables and errors.

/// Prints one line on the console, as `println!` does.
///
/// Prints nothing when no [`Hal`](crate::hal::Hal) is installed.
///
/// ```
/// # use std::{fmt, process, sync::Mutex};
/// # use switchboard_runtime::hal::{self, Hal, MemoryUsage};
/// # #[derive(Default)]
/// # struct Recorder(Mutex<String>);
/// # impl Hal for Recorder {
/// #     fn print(&self, text: fmt::Arguments<'_>) {
/// #         *self.0.lock().unwrap() += &text.to_string();
/// #     }
/// #     fn exit(&self, _is_success: bool) -> ! {
/// #         process::abort()
/// #     }
/// #     fn memory_usage(&self) -> MemoryUsage {
/// #         MemoryUsage::default()
/// #     }
/// #     fn idle_ns(&self) -> u64 {
/// #         0
/// #     }
/// # }
/// # let console: &'static Recorder = Box::leak(Box::default());
/// # hal::install(console);
/// use switchboard_runtime::say;
///
/// say!("{} functions", 3);
/// assert_eq!(*console.0.lock().unwrap(), "3 functions\n");
/// ```
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::console::print(::core::format_args!($($argument)*))
    };
}

/// Prints one line on the console: the function behind [`say!`](crate::say).
pub fn print(line: core::fmt::Arguments<'_>) {
    if let Some(hal) = crate::hal::get() {
        hal.print(format_args!("{line}\n"));
    }
}
