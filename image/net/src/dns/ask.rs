//! The records of one name: from the cache, or from servers in which order, or from the hosts of the link.

use alloc::string::ToString;

use embassy_time::{Duration, Instant};

use switchboard_runtime::entropy;

use super::candidates::is_local;
use super::error::ResolveError;
use super::message::{Answer, Query, RecordType, Records};
use super::resolver::Resolver;
use super::transport::{ask_link, ask_server};

/// How long a server has for its first answer; twice as long in the next round.
const FIRST_TIMEOUT: Duration = Duration::from_secs(2);
/// Queries for a name, at least and at most: with one server all are for it.
const MIN_QUERIES: usize = 3;
const MAX_QUERIES: usize = 6;
/// How long hosts of the link have to answer (RFC 6762, 5.2: a second between queries), and the number of queries.
const LINK_TIMEOUT: Duration = Duration::from_secs(1);
const LINK_QUERIES: usize = 3;
/// Aliases for which a server is asked in turn.
const MAX_ALIASES: usize = 8;

impl Resolver {
    /// Returns the records of a name in lower case, from the cache or by asking. Aliases are followed.
    pub(super) async fn query(&self, name: &str, record_type: RecordType) -> Result<Records, ResolveError> {
        self.stack.dns().update_servers(&self.stack.state().config().dns_servers);
        let mut target = name.to_string();
        for _ in 0..MAX_ALIASES {
            if let Some(records) = self.stack.dns().cache.get(&target, record_type, Instant::now()) {
                return Ok(records);
            }
            match self.ask(&target, record_type).await? {
                Answer::Records(records, seconds) => {
                    let seconds = seconds.unwrap_or(0);
                    self.stack.dns().cache.insert(&target, record_type, &records, seconds, Instant::now());
                    return Ok(records);
                }
                Answer::Alias(alias) => target = alias.to_ascii_lowercase(),
                Answer::Unrelated | Answer::Truncated | Answer::Failed => break,
            }
        }
        Err(ResolveError::ServerFailure)
    }

    async fn ask(&self, name: &str, record_type: RecordType) -> Result<Answer, ResolveError> {
        if is_local(name) {
            return self.ask_link(name, record_type).await;
        }
        let servers = self.stack.state().config().dns_servers.clone();
        if servers.is_empty() {
            return Err(ResolveError::NoServer);
        }
        let mut error = ResolveError::TimedOut;
        for attempt in 0..(2 * servers.len()).clamp(MIN_QUERIES, MAX_QUERIES) {
            // The server that has answered last is asked first.
            let first = self.stack.dns().preferred_server;
            let index = (first + attempt) % servers.len();
            let round = u32::try_from(attempt / servers.len()).unwrap_or(0);
            let query = self.new_query(name, record_type)?;
            match ask_server(&self.stack, servers[index], &query, FIRST_TIMEOUT * (1 << round.min(2))).await {
                Ok(Answer::Failed | Answer::Unrelated | Answer::Truncated) => error = ResolveError::ServerFailure,
                Err(ResolveError::TimedOut) => {}
                Err(other) => return Err(other),
                Ok(answer) => {
                    self.stack.dns().preferred_server = index;
                    return Ok(answer);
                }
            }
        }
        Err(error)
    }

    /// Asks the hosts of the link. Silence is the only sign that a name does not exist.
    async fn ask_link(&self, name: &str, record_type: RecordType) -> Result<Answer, ResolveError> {
        for attempt in 0..LINK_QUERIES {
            let query = self.new_query(name, record_type)?;
            match ask_link(&self.stack, &query, LINK_TIMEOUT * (1 << attempt)).await {
                Ok(answer @ (Answer::Records(..) | Answer::Alias(_))) => return Ok(answer),
                Ok(_) | Err(ResolveError::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Answer::Records(Records::NoName, None))
    }

    fn new_query(&self, name: &str, record_type: RecordType) -> Result<Query, ResolveError> {
        let id = (entropy::random_u64() & 0xffff) as u16;
        Query::new(id, name, record_type).ok_or(ResolveError::InvalidName)
    }
}
