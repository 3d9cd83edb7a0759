//! An exchange: a request that was answered, and its response, as far as it takes more than one step.

use alloc::boxed::Box;
use alloc::rc::Rc;

use switchboard_net::Disconnected;

use super::state::Connection;
use super::transport::{Transport, write_all};
use super::upgraded::UpgradedStream;
use crate::body::{Body, BodyShared, BodySource, BodyWriter, WriterFraming};
use crate::request::{BodyLength, Framing};
use crate::response::{Response, StatusCode};
use crate::site::Answer;

/// Bytes of a body that are skipped after the response; the connection is closed if there may be more.
const MAX_SKIP_BYTES: usize = 64 * 1024;

/// A request that was answered.
pub(super) struct Exchange {
    pub(super) framing: Framing,
    pub(super) answer: Answer,
    /// The body, if the handler has opened it.
    pub(super) body: Option<Rc<BodyShared>>,
}

/// What follows an exchange.
pub(super) enum Next {
    Request,
    Close,
}

impl Exchange {
    /// Returns the response, if it is at hand, the request has no body, and another request may follow.
    #[inline]
    pub(super) fn immediate(&self) -> Option<&Response> {
        match &self.answer {
            Answer::Now(response)
                if self.framing.keeps_alive && !self.framing.has_body() && response.body().bytes().is_some() =>
            {
                Some(response)
            }
            _ => None,
        }
    }

    /// Waits for the response, sends it, and skips what is left of the request's body.
    pub(super) async fn finish<T: Transport + 'static>(
        self,
        connection: &Rc<Connection<T>>,
    ) -> Result<Next, Disconnected> {
        let Self { mut framing, answer, body } = self;
        connection.begin_handling();
        if let BodyLength::Known(bytes) = framing.body {
            connection.transport.expect_to_receive(bytes);
        }
        let response = match answer {
            Answer::Now(response) => response,
            Answer::Later(mut handler) => {
                let response = connection.run_handler(handler.as_mut()).await;
                response.unwrap_or_else(|| {
                    let response = Response::text(StatusCode::SERVICE_UNAVAILABLE, "The response takes too long\n");
                    response.with_header("Retry-After", "1")
                })
            }
        };
        let body = body.or_else(|| framing.has_body().then(|| BodyShared::new(connection.clone(), framing)));
        if let Some(body) = &body {
            body.begin_response().await.map_err(|_| Disconnected)?;
        }
        if let Body::Upgrade(_) = response.body() {
            return upgrade(connection, framing, response).await;
        }
        framing.keeps_alive &= body.as_ref().is_none_or(|body| body.can_skip(MAX_SKIP_BYTES as u64));
        framing.keeps_alive &= response.body().length().is_some() || !framing.is_http_1_0;
        connection.begin_responding();
        send(connection, framing, response).await?;
        if let Some(body) = body {
            body.close();
            if framing.keeps_alive {
                connection.begin_skipping();
                body.skip(MAX_SKIP_BYTES).await.map_err(|_| Disconnected)?;
            }
        }
        Ok(if framing.keeps_alive { Next::Request } else { Next::Close })
    }
}

/// Sends a response.
async fn send<T: Transport + 'static>(
    connection: &Rc<Connection<T>>,
    framing: Framing,
    response: Response,
) -> Result<(), Disconnected> {
    let head = response.head_bytes(framing, &connection.common_headers()).ok_or(Disconnected)?;
    if !framing.is_head {
        connection.transport.expect_to_send(response.body().length().unwrap_or(0));
    }
    write_all(&**connection, &head).await?;
    drop(head);
    write_all(&**connection, response.immediate_body(framing)).await?;
    if framing.is_head || response.status().has_no_content() {
        return Ok(());
    }
    let writer_framing = match response.body().length() {
        Some(length) => WriterFraming::Length(length),
        None if framing.is_http_1_0 => WriterFraming::Close,
        None => WriterFraming::Chunked,
    };
    let writer = BodyWriter::new(connection.clone(), writer_framing);
    let written = match response.into_body() {
        Body::Stream { source, .. } => write_source(source, writer).await,
        Body::Writer(function) => function.call(writer).await,
        Body::Static(_) | Body::Owned(_) | Body::Upgrade(_) => Ok(()),
    };
    if written.is_err() {
        connection.transport.abort();
    }
    written
}

/// Writes the parts of a source.
async fn write_source(mut source: Box<dyn BodySource>, mut writer: BodyWriter) -> Result<(), Disconnected> {
    loop {
        match source.next().await {
            None => return Err(Disconnected),
            Some([]) => break,
            Some(part) => writer.write(part).await?,
        }
    }
    for (name, value) in source.trailers() {
        writer.add_trailer(&name, &value);
    }
    writer.finish().await
}

/// Sends a response of 101, and has the connection taken over.
async fn upgrade<T: Transport + 'static>(
    connection: &Rc<Connection<T>>,
    framing: Framing,
    response: Response,
) -> Result<Next, Disconnected> {
    let head = response.head_bytes(framing, &connection.common_headers()).ok_or(Disconnected)?;
    connection.begin_upgraded();
    write_all(&**connection, &head).await?;
    if let Body::Upgrade(function) = response.into_body() {
        function.call(UpgradedStream::new(connection.clone())).await;
    }
    Ok(Next::Close)
}
