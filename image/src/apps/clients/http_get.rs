//! An HTTP client by `reqwless`: the app's arguments are URLs.
//!
//! `-- http://example.org/ http://10.0.2.2:8000/file` prints a line for each.

use embedded_io_async::Read;
use reqwless::client::HttpClient;
use reqwless::request::Method;
use switchboard_net::{Resolver, Stack};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

use super::{Failure, first_stack};

/// Bytes of the longest head of a response.
const HEAD_BYTES: usize = 4096;

pub(in crate::apps) async fn run(mut system: System) -> Outcome {
    if system.arguments.is_empty() {
        return Err(Failure::Usage("URLs, as in `-- http://example.org/`").into());
    }
    let (_network, stack) = first_stack(&mut system).await?;
    for url in system.arguments.split_ascii_whitespace() {
        match get(&stack, url).await {
            Ok((status, length, sum)) => say!("{url}: {status}, {length} bytes, of sum {sum}"),
            Err(error) => say!("{url}: {error}"),
        }
    }
    Ok(())
}

/// Returns the status of a response, and the length and the sum of the bytes of its body, which may be longer than memory.
async fn get(stack: &Stack, url: &str) -> Result<(u16, u64, u64), reqwless::Error> {
    let resolver = Resolver::new(stack);
    let mut client = HttpClient::new(stack, &resolver);
    let mut head = [0; HEAD_BYTES];
    let mut request = client.request(Method::GET, url).await?;
    let response = request.send(&mut head).await?;
    let status = response.status.0;
    let mut body = response.body().reader();
    let (mut length, mut sum, mut buffer) = (0, 0_u64, [0; 1024]);
    loop {
        let count = body.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        length += bytes.len() as u64;
        sum += bytes.iter().copied().map(u64::from).sum::<u64>();
    }
    Ok((status, length, sum))
}
