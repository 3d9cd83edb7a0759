//! Bodies with a content type of their own.

use alloc::string::String;

use picoserve::io::Write;
use picoserve::response::Content;

/// A page.
pub(super) struct Html<T>(pub(super) T);

impl<T: AsRef<str>> Content for Html<T> {
    fn content_type(&self) -> &'static str {
        "text/html; charset=utf-8"
    }

    fn content_length(&self) -> usize {
        self.0.as_ref().len()
    }

    async fn write_content<W: Write>(self, mut writer: W) -> Result<(), W::Error> {
        writer.write_all(self.0.as_ref().as_bytes()).await
    }
}

/// Metrics in the text format of Prometheus.
pub(super) struct Metrics(pub(super) String);

impl Content for Metrics {
    fn content_type(&self) -> &'static str {
        "text/plain; version=0.0.4; charset=utf-8"
    }

    fn content_length(&self) -> usize {
        self.0.len()
    }

    async fn write_content<W: Write>(self, mut writer: W) -> Result<(), W::Error> {
        writer.write_all(self.0.as_bytes()).await
    }
}
