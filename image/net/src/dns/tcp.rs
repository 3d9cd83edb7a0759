//! Queries over TCP (RFC 7766), for answers that were cut short over UDP.

use alloc::vec::Vec;
use core::net::SocketAddr;

use embassy_time::{Duration, with_timeout};

use super::message::{Answer, MAX_QUERY_BYTES, Query};
use crate::stack::{Stack, TcpConfig, TcpStream};

/// The longest answer that is taken. All records of a host are far shorter.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const LENGTH_BYTES: usize = 2;

/// Asks a server, and waits for its answer until `timeout` has passed.
pub(super) async fn ask(stack: &Stack, server: SocketAddr, query: &Query, timeout: Duration) -> Answer {
    match with_timeout(timeout, exchange(stack, server, query)).await {
        Ok(Some(Answer::Truncated | Answer::Unrelated) | None) | Err(_) => Answer::Failed,
        Ok(Some(answer)) => answer,
    }
}

/// A message follows its length in two bytes (RFC 1035, 4.2.2).
async fn exchange(stack: &Stack, server: SocketAddr, query: &Query) -> Option<Answer> {
    let stream = TcpStream::connect(stack, server, TcpConfig::default()).await.ok()?;
    // In one segment (RFC 7766, 8).
    let mut message = heapless::Vec::<u8, { LENGTH_BYTES + MAX_QUERY_BYTES }>::new();
    message.extend_from_slice(&u16::try_from(query.message().len()).ok()?.to_be_bytes()).ok()?;
    message.extend_from_slice(query.message()).ok()?;
    let mut rest = &message[..];
    while !rest.is_empty() {
        let written = stream.write(rest).await.ok()?;
        rest = rest.get(written..)?;
    }
    let mut length = [0; LENGTH_BYTES];
    read_exact(&stream, &mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    let mut answer = Vec::new();
    answer.try_reserve_exact(length).ok().filter(|()| length <= MAX_ANSWER_BYTES)?;
    answer.resize(length, 0);
    read_exact(&stream, &mut answer).await?;
    stream.close();
    Some(query.parse(&answer))
}

async fn read_exact(stream: &TcpStream, mut buffer: &mut [u8]) -> Option<()> {
    while !buffer.is_empty() {
        match stream.read(buffer).await {
            Ok(length @ 1..) => buffer = buffer.get_mut(length..)?,
            Ok(0) | Err(_) => return None,
        }
    }
    Some(())
}
