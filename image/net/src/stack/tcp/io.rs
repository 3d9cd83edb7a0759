//! The traits of `embedded-io-async` 0.7.

use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};

use super::error::TcpError;
use super::halves::{TcpReader, TcpWriter};
use super::stream::TcpStream;

impl TcpStream {
    /// As [`flush`](Self::flush), with the error of a connection that has ended before.
    async fn flush_or_error(&self) -> Result<(), TcpError> {
        self.flush().await;
        let engine = &mut *self.stack.borrow_mut();
        let error = engine.sockets.connection(self.id).and_then(|(connection, _)| connection.error);
        error.map_or(Ok(()), Err)
    }
}

fn itself(stream: &TcpStream) -> &TcpStream {
    stream
}

macro_rules! implement {
    (read: $type:ty, $stream:path) => {
        impl Read for $type {
            async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TcpError> {
                $stream(self).read(buffer).await
            }
        }
        impl ReadReady for $type {
            fn read_ready(&mut self) -> Result<bool, TcpError> {
                Ok($stream(self).is_readable())
            }
        }
    };
    (write: $type:ty, $stream:path) => {
        impl Write for $type {
            async fn write(&mut self, data: &[u8]) -> Result<usize, TcpError> {
                $stream(self).write(data).await
            }
            async fn flush(&mut self) -> Result<(), TcpError> {
                $stream(self).flush_or_error().await
            }
        }
        impl WriteReady for $type {
            fn write_ready(&mut self) -> Result<bool, TcpError> {
                Ok($stream(self).is_writable())
            }
        }
    };
    (error: $type:ty) => {
        impl ErrorType for $type {
            type Error = TcpError;
        }
    };
}

implement!(error: TcpStream);
implement!(read: TcpStream, itself);
implement!(write: TcpStream, itself);
implement!(error: &TcpStream);
implement!(read: &TcpStream, itself);
implement!(write: &TcpStream, itself);
implement!(error: TcpReader);
implement!(read: TcpReader, TcpReader::stream);
implement!(error: TcpWriter);
implement!(write: TcpWriter, TcpWriter::stream);
