//! HMAC by SHA-256 and SHA-384.

use alloc::boxed::Box;
use core::marker::PhantomData;

use ::hmac::{Hmac, KeyInit, Mac};
use rustls::crypto::hmac::{self, Hmac as TlsHmac};
use sha2::{Sha256, Sha384};

/// HMAC by SHA-256.
pub(super) static HMAC_SHA256: HmacBy<Hmac<Sha256>> = HmacBy { length: 32, mac: PhantomData };
/// HMAC by SHA-384.
pub(super) static HMAC_SHA384: HmacBy<Hmac<Sha384>> = HmacBy { length: 48, mac: PhantomData };

/// HMAC by a hash function with so many bytes of output.
pub(super) struct HmacBy<M> {
    length: usize,
    mac: PhantomData<M>,
}

/// A key, with its first block hashed already.
struct Keyed<M> {
    length: usize,
    mac: M,
}

impl<M: Mac + KeyInit + Clone + Send + Sync + 'static> TlsHmac for HmacBy<M> {
    fn with_key(&self, key: &[u8]) -> Box<dyn hmac::Key> {
        // HMAC takes keys of any length.
        let mac = <M as KeyInit>::new_from_slice(key).unwrap_or_else(|_| M::new(&Default::default()));
        Box::new(Keyed { length: self.length, mac })
    }

    fn hash_output_len(&self) -> usize {
        self.length
    }
}

impl<M: Mac + Clone + Send + Sync> hmac::Key for Keyed<M> {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> hmac::Tag {
        let mut mac = self.mac.clone();
        mac.update(first);
        middle.iter().for_each(|part| mac.update(part));
        mac.update(last);
        hmac::Tag::new(&mac.finalize().into_bytes())
    }

    fn tag_len(&self) -> usize {
        self.length
    }
}
