//! Lists of directories, as pages of HTML that are made while they are sent.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::pin::Pin;

use switchboard_http::BodySource;
use switchboard_runtime::memory_budget::{self, Reservation};
use switchboard_runtime::sort;

use crate::escape::{HtmlText, UrlSegment};
use crate::filesystem::{FileSystemError, ListPage, Node};
use crate::log_limit::LogLimit;
use crate::mounted::Mounted;

/// The memory of a list: a page of entries with long names, escaped, and once more as text.
const MEMORY_BYTES: usize = 64 * 1024;
/// A list up to this length is made at once.
const WHOLE_BYTES: usize = 8 * 1024;

/// A list of a directory on several volumes.
#[derive(Debug)]
pub(crate) struct List {
    volumes: Vec<Rc<Mounted>>,
    path: String,
    /// Whether the list ends with the volumes.
    has_volumes: bool,
    stage: Stage,
    log_limit: Rc<LogLimit>,
    text: String,
    /// Whether `text` was not sent yet.
    has_text: bool,
    _reservation: Reservation,
}

/// What comes next in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Entries { volume: usize, position: u64 },
    Foot,
    End,
}

impl List {
    /// Makes the list of the directory at `path`, without a slash at its end.
    pub(crate) fn new(
        volumes: Vec<Rc<Mounted>>,
        path: &str,
        has_volumes: bool,
        log_limit: &Rc<LogLimit>,
    ) -> Result<Self, FileSystemError> {
        let reservation = memory_budget::reserve(MEMORY_BYTES).map_err(|_| FileSystemError::NoMemory)?;
        Ok(Self {
            volumes,
            path: path.into(),
            has_volumes,
            stage: Stage::Head,
            log_limit: log_limit.clone(),
            text: String::new(),
            has_text: false,
            _reservation: reservation,
        })
    }

    /// Makes the first part of the list, so that an error is a status. Returns the whole list, if it is short.
    pub(crate) async fn begin(&mut self) -> Result<Option<String>, FileSystemError> {
        let mut first = String::new();
        while first.len() <= WHOLE_BYTES {
            self.advance().await?;
            if self.text.is_empty() {
                return Ok(Some(first));
            }
            first.push_str(&self.text);
        }
        (self.text, self.has_text) = (first, true);
        Ok(None)
    }

    /// Makes the next part of the text, empty at the end.
    async fn advance(&mut self) -> Result<(), FileSystemError> {
        self.text.clear();
        let (head, foot) = include_str!("list.html").split_once("{rows}").unwrap_or_default();
        while self.text.is_empty() {
            match self.stage {
                Stage::Head => {
                    let title = if self.path.is_empty() { String::new() } else { format!("{}/", self.path) };
                    self.text.push_str(&head.replace("{title}", &HtmlText(&title).to_string()));
                    if !self.path.is_empty() {
                        self.text.push_str("<tr><td><a href=\"../\">../</a><td>");
                    }
                    self.stage = Stage::Entries { volume: 0, position: 0 };
                }
                Stage::Entries { volume, position } => match self.volumes.get(volume) {
                    Some(mounted) => {
                        let page = mounted.file_system.list(&self.path, position).await?;
                        self.stage = match page.next {
                            Some(position) => Stage::Entries { volume, position },
                            None => Stage::Entries { volume: volume + 1, position: 0 },
                        };
                        self.write_page(volume, page).await;
                    }
                    None => self.stage = Stage::Foot,
                },
                Stage::Foot => {
                    self.write_volumes();
                    self.text.push_str(foot);
                    self.stage = Stage::End;
                }
                Stage::End => break,
            }
        }
        Ok(())
    }

    /// Writes the rows of a page, without what an earlier volume has.
    async fn write_page(&mut self, volume: usize, mut page: ListPage) {
        sort::by(&mut page.entries, |one, other| one.name < other.name);
        for entry in page.entries {
            let path = if self.path.is_empty() { entry.name.clone() } else { format!("{}/{}", self.path, entry.name) };
            let mut is_known = false;
            for earlier in &self.volumes[..volume] {
                is_known = is_known || matches!(earlier.file_system.open(&path).await, Ok(Some(_)));
            }
            if is_known {
                continue;
            }
            let (slash, size) = match entry.node {
                Node::Directory => ("/", String::new()),
                Node::File(file) => ("", file.size.to_string()),
            };
            let (link, name) = (UrlSegment(&entry.name), HtmlText(&entry.name));
            let _ = write!(self.text, "<tr><td><a href=\"{link}{slash}\">{name}{slash}</a><td>{size}");
        }
    }

    /// Writes a row for each volume, by which its files are reached where another volume has the same paths.
    fn write_volumes(&mut self) {
        if !self.has_volumes || self.volumes.len() < 2 {
            return;
        }
        for mounted in &self.volumes {
            let (link, name) = (UrlSegment(&mounted.name), HtmlText(&mounted.name));
            let kind = mounted.file_system.kind();
            let _ = write!(self.text, "<tr><td><a href=\"@{link}/\">@{name}/</a><td>{kind}");
        }
    }
}

impl BodySource for List {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>> {
        Box::pin(async {
            let advanced = if core::mem::take(&mut self.has_text) { Ok(()) } else { self.advance().await };
            match advanced {
                Ok(()) => Some(self.text.as_bytes()),
                Err(error) => {
                    self.log_limit.log(error);
                    None
                }
            }
        })
    }
}
