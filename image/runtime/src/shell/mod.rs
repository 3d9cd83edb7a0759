//! A shell: words that show the state of the machine, on any stream of bytes.

mod editor;
mod keyboards;
mod nearest;
mod output;
mod sessions;
#[cfg(test)]
mod tests;
mod vsock;
mod words;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{Read, Write};
use switchboard::machine::Machine;

use self::editor::{Input, LineEditor};
use self::output::Then;
use crate::hal;
use crate::tasks::Tasks;

pub use keyboards::KeyboardShells;
pub use output::Output;
pub use sessions::ConsoleShells;
pub use vsock::{SHELL_PORT, VsockShells};

const GREETING: &str = concat!("switchboard ", env!("CARGO_PKG_VERSION"), "; `help` lists the words\r\n");
const PROMPT: &str = "> ";
/// The bytes that are read at a time.
const READ_BYTES: usize = 64;

/// A shell, which serves any number of streams: ports of consoles, the serial port, connections.
///
/// A line is a word and its arguments. The output of a word is bounded, and so is a line: whatever the peer sends or does not
/// read, a session takes a fixed amount of memory.
///
/// ```
/// # use std::convert::Infallible;
/// # use embedded_io_async::ErrorType;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// use std::fmt::Write as _;
/// use embedded_io_async::{Read, Write};
/// use switchboard_runtime::shell::Shell;
///
/// # struct Terminal { typed: &'static [u8], shown: Vec<u8> }
/// # impl ErrorType for Terminal {
/// #     type Error = Infallible;
/// # }
/// # impl Read for Terminal {
/// #     async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
/// #         self.typed.read(bytes).await
/// #     }
/// # }
/// # impl Write for Terminal {
/// #     async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
/// #         self.shown.extend(bytes);
/// #         Ok(bytes.len())
/// #     }
/// #     async fn flush(&mut self) -> Result<(), Infallible> {
/// #         Ok(())
/// #     }
/// # }
/// # let machine = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]).machine();
/// let shell = Shell::new(machine, None).with_word("greet", "greets", |name, output| _ = writeln!(output, "hello, {name}"));
///
/// // A terminal at which this was typed.
/// # let mut terminal = Terminal { typed: b"greet you\rgret\rexit\r", shown: Vec::new() };
/// embassy_futures::block_on(shell.serve(&mut terminal))?;
/// let shown = String::from_utf8_lossy(&terminal.shown);
/// assert!(shown.contains("hello, you\r\n"));
/// assert!(shown.contains("no word `gret`: is it `greet`?"));
/// # Ok::<_, Infallible>(())
/// ```
pub struct Shell {
    words: Vec<Word>,
}

type Run = Box<dyn Fn(&str, &mut Output)>;

/// A word, and what it does with its arguments.
struct Word {
    name: &'static str,
    help: &'static str,
    run: Run,
}

impl Shell {
    /// Makes a shell with the words that need only the machine. `tasks` are those whose number is shown.
    #[must_use]
    pub fn new(machine: &'static Machine, tasks: Option<Tasks>) -> Self {
        Self { words: words::standard(machine, tasks) }
    }

    /// Adds a word of an app, which writes its output for the arguments behind the word.
    #[must_use]
    pub fn with_word(
        mut self,
        name: &'static str,
        help: &'static str,
        run: impl Fn(&str, &mut Output) + 'static,
    ) -> Self {
        self.words.insert(0, Word { name, help, run: Box::new(run) });
        self
    }

    /// Serves a stream until its end, or the word `exit`.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn serve<S: Read + Write>(&self, stream: &mut S) -> Result<(), S::Error> {
        let (mut editor, mut bytes, mut echo) = (LineEditor::default(), [0; READ_BYTES], String::new());
        stream.write_all(GREETING.as_bytes()).await?;
        stream.write_all(PROMPT.as_bytes()).await?;
        loop {
            let count = stream.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            for byte in bytes.iter().take(count) {
                let input = editor.push(*byte, &mut echo);
                if input == Input::More {
                    continue;
                }
                stream.write_all(echo.as_bytes()).await?;
                echo.clear();
                let Input::Line(line) = input else { return Ok(()) };
                let output = self.run(&line);
                stream.write_all(output.as_str().as_bytes()).await?;
                match output.then {
                    Then::Prompt => stream.write_all(PROMPT.as_bytes()).await?,
                    Then::End => return stream.flush().await,
                    Then::Reboot => {
                        stream.flush().await?;
                        hal::reboot();
                    }
                    Then::PowerOff => {
                        stream.flush().await?;
                        hal::power_off();
                    }
                }
            }
            stream.write_all(echo.as_bytes()).await?;
            echo.clear();
            stream.flush().await?;
        }
    }

    /// Carries out a line.
    fn run(&self, line: &str) -> Output {
        use core::fmt::Write;

        let mut output = Output::default();
        let line = line.trim();
        let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
        match self.words.iter().find(|word| word.name == name) {
            Some(word) => (word.run)(arguments.trim(), &mut output),
            None if name.is_empty() => {}
            None if name == "help" => words::help(self, &mut output),
            None => {
                let names = self.words.iter().map(|word| word.name).chain(["help"]);
                let _ = match nearest::nearest(name, names) {
                    Some(near) => writeln!(output, "no word `{name}`: is it `{near}`?"),
                    None => writeln!(output, "no word `{name}`: `help` lists them"),
                };
            }
        }
        output
    }
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words.iter().map(|word| word.name)).finish()
    }
}
