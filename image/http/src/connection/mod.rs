//! One connection: reads requests and writes their responses, in order.

mod activity;
mod deadlines;
mod exchange;
mod receive;
mod state;
mod transport;
mod upgraded;

use alloc::boxed::Box;
use alloc::rc::Rc;

use switchboard_net::Disconnected;

pub(crate) use deadlines::Deadlines;
use exchange::{Exchange, Next};
use receive::{Pieces, Received, receive};
pub(crate) use state::Connection;
pub use transport::Transport;
pub(crate) use transport::{ByteStream, StreamError, write_all};
pub use upgraded::UpgradedStream;

use crate::counters::HttpCounters;
use crate::request::{Framing, RequestError};
use crate::response::Response;
use crate::site::{Answer, Site};

/// The [mark](switchboard_runtime::mark) of an HTTP request that is answered.
pub const HTTP: u16 = 30;

/// Serves requests until the client closes its side, or the connection is reset.
pub(crate) async fn serve<T: Transport + 'static>(
    connection: &Rc<Connection<T>>,
    site: &'static dyn Site,
    counters: &HttpCounters,
) {
    // The pieces of a head that is incomplete.
    let mut pieces = Pieces::default();
    let mut slot = None;
    loop {
        let received = connection
            .transport
            .read_with(|data| receive(data, &mut pieces, connection, site, counters, &mut slot))
            .await;
        match received {
            Ok(Received::Request) => {}
            Ok(Received::Incomplete) => {
                connection.begin_head();
                continue;
            }
            Ok(Received::Refused(error)) => {
                counters.count_malformed();
                return refuse(connection, error).await;
            }
            // The client has closed its side between two requests, or a deadline has closed the connection.
            Err(Disconnected) if pieces.is_empty() || connection.is_closing() => return,
            Err(Disconnected) => {
                counters.count_malformed();
                return refuse(connection, RequestError::CUT_OFF).await;
            }
        }
        if let Some(exchange) = &slot
            && let Some(response) = exchange.immediate()
        {
            let written = connection.transport.write_last_with(|room| {
                let length = response.compose(exchange.framing, &connection.common_headers(), room);
                (length.unwrap_or(0), length.is_some())
            });
            match written.await {
                Ok(true) => {
                    slot = None;
                    connection.restart_idle();
                    continue;
                }
                Ok(false) => {}
                Err(Disconnected) => return,
            }
        }
        let Some(exchange) = slot.take() else { continue };
        // Apart, so that an idle connection takes less memory.
        match Box::pin(exchange.finish(connection)).await {
            Ok(Next::Request) => connection.begin_idle(),
            Ok(Next::Close) | Err(Disconnected) => return,
        }
    }
}

/// Sends the response to a request that is refused.
#[cold]
async fn refuse<T: Transport + 'static>(connection: &Rc<Connection<T>>, error: RequestError) {
    let exchange = Exchange { framing: Framing::REFUSED, answer: Answer::Now(Response::from(error)), body: None };
    let _ = Box::pin(exchange.finish(connection)).await;
}
