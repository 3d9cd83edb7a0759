//! The cache: a bounded number of answers, each for as long as its records are valid, also of names without records.

use alloc::string::String;
use alloc::vec::Vec;

use embassy_time::{Duration, Instant};

use super::message::{RecordType, Records};

const MAX_ENTRIES: usize = 64;
/// The longest time that an answer is stored for (RFC 8767, 4 recommends a limit of days).
const MAX_SECONDS: u32 = 24 * 60 * 60;
/// The same for the absence of records (RFC 2308, 5 recommends one to three hours).
const MAX_NEGATIVE_SECONDS: u32 = 60 * 60;

/// Answers of the past.
#[derive(Debug, Default)]
pub(super) struct Cache(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    name: String,
    record_type: RecordType,
    records: Records,
    expires_at: Instant,
}

impl Cache {
    /// Returns the records of a name in lower case, if they are still valid.
    pub(super) fn get(&self, name: &str, record_type: RecordType, now: Instant) -> Option<Records> {
        let is_wanted = |entry: &&Entry| entry.name == name && entry.record_type == record_type;
        self.0.iter().find(is_wanted).filter(|entry| now < entry.expires_at).map(|entry| entry.records.clone())
    }

    /// Stores an answer for so many seconds. The one that expires first makes room for it.
    pub(super) fn insert(
        &mut self,
        name: &str,
        record_type: RecordType,
        records: &Records,
        seconds: u32,
        now: Instant,
    ) {
        self.0.retain(|entry| now < entry.expires_at && (entry.name != name || entry.record_type != record_type));
        let limit = match records {
            Records::Addresses(_) | Records::Name(_) => MAX_SECONDS,
            Records::None | Records::NoName => MAX_NEGATIVE_SECONDS,
        };
        let seconds = seconds.min(limit);
        if seconds == 0 {
            return;
        }
        if self.0.len() == MAX_ENTRIES
            && let Some((first, _)) = self.0.iter().enumerate().min_by_key(|(_, entry)| entry.expires_at)
        {
            self.0.swap_remove(first);
        }
        let expires_at = now + Duration::from_secs(seconds.into());
        self.0.push(Entry { name: name.into(), record_type, records: records.clone(), expires_at });
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const A: RecordType = RecordType::A;

    #[test]
    fn answers_are_valid_for_their_time() {
        let (mut cache, now) = (Cache::default(), Instant::from_secs(10));
        let records = Records::Addresses([[10, 0, 0, 1].into()].into());
        cache.insert("a.example", A, &records, 5, now);
        let at = |seconds| Instant::from_secs(seconds);
        assert_eq!(cache.get("a.example", A, at(14)), Some(records.clone()));
        assert_eq!(cache.get("a.example", RecordType::Aaaa, at(14)), None);
        assert_eq!(cache.get("a.example", A, at(15)), None);
        // Those that must not be stored, and those that are valid for too long.
        cache.insert("b.example", A, &records, 0, now);
        cache.insert("c.example", A, &records, u32::MAX, now);
        cache.insert("d.example", A, &Records::NoName, u32::MAX, now);
        assert_eq!(cache.get("b.example", A, now), None);
        assert_eq!(cache.get("c.example", A, at(86_409)), Some(records));
        assert_eq!(cache.get("c.example", A, at(86_410)), None);
        assert_eq!(cache.get("d.example", A, at(3609)), Some(Records::NoName));
        assert_eq!(cache.get("d.example", A, at(3610)), None);
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let (mut cache, now) = (Cache::default(), Instant::from_secs(10));
        for index in 0..1000 {
            cache.insert(&format!("{index}.example"), A, &Records::NoName, 100 + index, now);
            cache.insert("same.example", A, &Records::NoName, 2000, now);
        }
        assert_eq!(cache.0.len(), MAX_ENTRIES);
        assert!(cache.get("999.example", A, now).is_some() && cache.get("same.example", A, now).is_some());
    }
}
